"""The display for terminals: a bar and a table that stay in place, and above them each failure as it comes.

Rule: this module is imported only where it is shown, because rich may not be installed. It draws when it is told
to, so that all of the demo stays on one thread and one clock.
"""

from __future__ import annotations

from typing import Self

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gespoll import JobStatus, StateChange
from gespoll.cli._board import HEADINGS, Board, trouble_in_short
from gespoll.cli._progress import GAP, bar

_STYLES = ("dim", "cyan", "green", "yellow", "red", "bold", "dim")
_COLUMN = 9
_WIDTH = len(HEADINGS) * (_COLUMN + GAP)


def live_table(board: Board, console: Console | None = None) -> LiveTable | None:
    """Make the live display, or none when the terminal cannot move its cursor.

    Args:
        board: what is shown.
        console: where; `None` means standard output.
    """
    console = console or Console()
    return LiveTable(board, console) if console.is_interactive else None


class LiveTable:
    """A bar and a table, redrawn in place."""

    ticks_per_second = 8

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._console = console
        # A thread that refreshes by itself could not ask the event loop for its time.
        self._live = Live(self._picture(), console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, change: StateChange) -> None:
        """Tell a failure above the table."""
        if change.is_final and change.error is not None:
            partly = change.status is JobStatus.PARTIALLY_FAILED
            self._tell(trouble_in_short(change), "yellow" if partly else "red")

    def tick(self, note: str) -> None:
        """Draw the table anew, and tell a note above it."""
        if note:
            self._tell(note, "magenta")
        self._live.update(self._picture(), refresh=True)

    def _tell(self, line: str, style: str) -> None:
        time = Text(f"{self._board.elapsed:5.1f} s  ", style="dim")
        self._console.print(time + Text(line, style=style), no_wrap=True, overflow="ellipsis")

    def _picture(self) -> RenderableType:
        return Constrain(
            Group(Text(), bar(self._board.ended, self._board.total, self._board.elapsed), self._table()), _WIDTH
        )

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, GAP, 0, 0))
        for heading, style in zip(HEADINGS, _STYLES, strict=True):
            table.add_column(heading, justify="right", min_width=_COLUMN, style=style, header_style="dim")
        table.add_row(*(str(number) for number in self._board.numbers()))
        return table
