"""What a display of the demo is, and the plainest one: lines, for pipes, files and simple terminals.

Rule: a display shows what the board knows and decides nothing.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from gespoll import StateChange
from gespoll.cli._board import Board


class Display(Protocol):
    """Shows how the imports stand, from when it is entered until it is left."""

    ticks_per_second: int
    """How often a second it is to be told to show itself anew."""

    def take(self, change: StateChange) -> None:
        """Take a change in, after the board."""

    def tick(self, note: str) -> None:
        """Show how the imports stand now, and a note on what has just happened, unless it is empty."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Lines:
    """A heading, and a line every second."""

    ticks_per_second = 1

    def __init__(self, board: Board) -> None:
        self._board = board

    def __enter__(self) -> Self:
        say(self._board.heading())
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def take(self, change: StateChange) -> None:
        """Do nothing: failures are told by the summary."""

    def tick(self, note: str) -> None:
        """Print a line."""
        say(self._board.line() + (f"   {note}" if note else ""))


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)
