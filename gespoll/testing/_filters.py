"""Which jobs a query of the job centre asks for.

The rule: the documented filter words only, and dates without a time. The start is held against the day a
job began, the end against the day it ended, for a job still running the present day; both days count in.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._catalogue import Placed, WallClock
    from ._replies import Api

__all__ = ["JobFilter"]

_WORDS = {
    "waiting": frozenset({"waiting", "pending"}),
    "running": frozenset({"running"}),
    "success": frozenset({"success"}),
    "partiallyFailed": frozenset({"partiallyFailed"}),
    "failed": frozenset({"failed"}),
}


@attrs.frozen
class JobFilter:
    """What a listed job must be; None asks for nothing."""

    words: frozenset[str] | None = None
    """The status words."""
    graph_name: str | None = None
    """The name of its graph."""
    start: date | None = None
    """The first day it may have begun on."""
    end: date | None = None
    """The last day it may have ended on."""

    @classmethod
    def of(cls, query: Mapping[str, str], api: Api) -> JobFilter | None:
        """Return the filter of a query, or None when it asks for all jobs.

        Raises:
            ValueError: Naming the parameter, when its value is none the documents allow.
        """
        start, end = ("start_time", "end_time") if api == "v2" else ("startTime", "endTime")
        status = query.get("status")
        if status is not None and status not in _WORDS:
            raise ValueError("status")
        wanted = cls(
            words=None if status is None else _WORDS[status],
            graph_name=query.get("graph_name"),
            start=_day(query, start),
            end=_day(query, end),
        )
        return None if wanted == cls() else wanted

    def passes(self, placed: Placed, at: float, clock: WallClock) -> bool:
        """Tell whether the job, seen at loop time `at`, is asked for."""
        if self.words is not None and placed.word(at) not in self.words:
            return False
        if self.graph_name is not None and placed.job.graph_name != self.graph_name:
            return False
        if self.start is not None and clock.at(placed.added_at).date() < self.start:
            return False
        return self.end is None or _last_day(placed, at, clock) <= self.end


def _last_day(placed: Placed, at: float, clock: WallClock) -> date:
    ended = placed.look(at).ended_after
    return clock.at(at if ended is None else placed.added_at + ended).date()


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(name) from None
