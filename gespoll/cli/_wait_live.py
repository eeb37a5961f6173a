"""The display of a wait for terminals: what stays in place, and above it each failure as it comes.

Rule: it draws when it is told to, so that all of a wait stays on one thread and one clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gespoll import JobStatus, StateChange
from gespoll.cli._progress import GAP, bar
from gespoll.cli._reports import Lines
from gespoll.cli._standing import Standing
from gespoll.cli._tables import state_text
from gespoll.cli._words import change_words

_SHOWN = 3
_WIDEST = 90
_ORDER = (None, *JobStatus)


def live(standing: Standing, may_grow: Callable[[], bool], console: Console | None = None) -> LiveReport | None:
    """Make the live display, or none when the terminal cannot move its cursor.

    Args:
        standing: what is shown.
        may_grow: tells whether more jobs may come.
        console: where; `None` means standard output.
    """
    console = console or Console(highlight=False)
    return LiveReport(standing, may_grow, console) if console.is_interactive else None


class LiveReport(Lines):
    """A bar, the jobs by state, the requests and the longest-running jobs, redrawn in place."""

    ticks_per_second = 8

    def __init__(self, standing: Standing, may_grow: Callable[[], bool], console: Console) -> None:
        super().__init__(standing)
        self._may_grow = may_grow
        self._console = console
        self._sent: deque[tuple[float, int]] = deque(maxlen=5 * self.ticks_per_second)
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        self.tick(self._standing.started_at, 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, change: StateChange) -> None:
        """Tell a job that did not end well, above the display."""
        if change.is_final and change.error is not None:
            style = "yellow" if change.status is JobStatus.PARTIALLY_FAILED else "red"
            time = Text(f"{change.observed_at - self._standing.started_at:8.1f} s  ", style="dim")
            self._console.print(time + Text(change_words(change), style=style), no_wrap=True, overflow="ellipsis")

    def tick(self, now: float, requests: int) -> None:
        """Draw everything anew."""
        self._sent.append((now, requests))
        self._live.update(self._picture(now, requests), refresh=True)

    def _picture(self, now: float, requests: int) -> RenderableType:
        standing = self._standing
        elapsed = now - standing.started_at
        first = bar(standing.ended, standing.total, elapsed, may_grow=self._may_grow())
        return Constrain(Group(first, self._states(requests), self._longest(now)), _WIDEST)

    def _states(self, requests: int) -> Text:
        counts = self._standing.by_status()
        told = [Text(f"{counts[each]} ") + state_text(each) for each in _ORDER if counts.get(each)]
        told.append(Text(f"{requests} requests, {self._rate():.1f} a second", style="dim"))
        return Text("   ").join(told)

    def _rate(self) -> float:
        """Tell the requests per second, of the last seconds."""
        (before, few), (now, many) = self._sent[0], self._sent[-1]
        return (many - few) / (now - before) if now > before else 0.0

    def _longest(self, now: float) -> Table:
        table = Table.grid(padding=(0, GAP, 0, 0))
        for ref, began_at in self._standing.longest_running(_SHOWN):
            table.add_row(
                Text(f"{now - began_at:8.0f} s", style="dim"), Text(f"{ref}", style="cyan", overflow="ellipsis")
            )
        return table
