"""What a wait tells on standard output: a line a change, a JSON object a change, or nothing.

Rule: a report is told everything and decides nothing. What went wrong around the jobs is no report's business:
that goes to standard error.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import attrs

from gespoll import StateChange
from gespoll.cli._exit import ExitStatus
from gespoll.cli._output import say, say_record
from gespoll.cli._records import change_record, open_record
from gespoll.cli._standing import Standing
from gespoll.cli._words import change_words, counted


@attrs.frozen(kw_only=True)
class End:
    """How a wait ended."""

    status: ExitStatus
    elapsed: float
    """Seconds since it began."""
    requests: int
    """How many requests were sent."""


class Report(Protocol):
    """Tells how jobs stand, from when it is entered; it is left before the end is told."""

    ticks_per_second: int
    """How often a second it is to be told the time; 0 for never."""

    def take(self, change: StateChange) -> None:
        """Tell a change, which the standing has taken in."""

    def tick(self, now: float, requests: int) -> None:
        """Show how all stand now."""

    def finish(self, end: End) -> None:
        """Tell how the wait ended."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Quiet:
    """Tells nothing."""

    ticks_per_second = 0

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def take(self, change: StateChange) -> None:
        """Do nothing."""

    def tick(self, now: float, requests: int) -> None:
        """Do nothing."""

    def finish(self, end: End) -> None:
        """Do nothing."""


class Json(Quiet):
    """Tells each change and the end as one JSON object on a line."""

    def take(self, change: StateChange) -> None:
        """Print the change."""
        say_record(change_record(change))

    def finish(self, end: End) -> None:
        """Print the summary."""
        standing = self._standing
        say_record(
            {
                "event": "summary",
                "exit_status": end.status.value,
                "jobs": standing.total,
                **standing.outcomes(),
                "requests": end.requests,
                "elapsed": round(end.elapsed, 3),
                "pending": [open_record(ref, status) for ref, status in standing.open_jobs()],
            }
        )


class Lines(Quiet):
    """Tells each change on a line, and at the end what went wrong in a table."""

    def take(self, change: StateChange) -> None:
        """Print the change."""
        say(f"{change.observed_at - self._standing.started_at:8.1f} s  {change_words(change)}")

    def finish(self, end: End) -> None:
        """Print the table and the summary."""
        if self._standing.bad:
            from gespoll.cli._tables import print_bad_jobs  # rich is not needed before

            print_bad_jobs(self._standing.bad)
        say(summary(self._standing, end))


def summary(standing: Standing, end: End) -> str:
    """Word how the wait ended, on one line."""
    told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in standing.outcomes().items() if number)
    ended = f"{standing.ended} of {counted(standing.total, 'job')} ended"
    return f"{ended}: {told or 'nothing'}; {counted(end.requests, 'request')} in {end.elapsed:.1f} s."
