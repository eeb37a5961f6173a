"""What the list queries of a run brought: could a scan have been complete, could the list be asked at all."""

from __future__ import annotations

import math
from bisect import bisect_left

import attrs

from .channels import Kind, Said
from .log import Answered, Log, Page
from .plan import Case, World
from .scripts import Scripts

_LOSES = {"401", "tls"}
"""What loses a whole source, or a whole scope."""


@attrs.frozen
class Scope:
    """The list queries of one scope that were answered, in the order of the answers."""

    answered: list[Answered]
    times: list[float]

    def until(self, now: float) -> list[Answered]:
        """Return those answered before or at a moment."""
        return self.answered[: bisect_left(self.times, math.nextafter(now, math.inf))]


class Pages:
    """All list queries of a run."""

    def __init__(self, world: World, log: Log) -> None:
        self._world, self._scripts = world, Scripts(world)
        self._scopes: dict[str, Scope] = {}
        self._lost: dict[tuple[int, str | None], float] = {}
        self._holds = [event for event in log.events if isinstance(event, Answered) and event.retry_after is not None]
        for event in log.events:
            if isinstance(event, Answered) and event.asked.job_id is None and event.reply is not None:
                pages = self._scopes.setdefault(event.asked.scope, Scope([], []))
                pages.answered.append(event)
                pages.times.append(event.at)
            if isinstance(event, Answered) and isinstance(event.reply, Said) and event.reply.trouble in _LOSES:
                scope = event.asked.scope if event.reply.trouble == "tls" else None
                self._lost.setdefault((event.asked.life, scope), event.at)

    def is_lost(self, life: int, now: float, scope: str | None = None) -> bool:
        """Whether the credentials were rejected in this process, or the certificate of the scope: all its jobs end."""
        return now >= min(self._lost.get((life, where), math.inf) for where in (None, scope))

    def held_until(self, case: Case, life: int, now: float) -> float:
        """Return until when the service has asked to wait, as of a moment."""
        scope = self._world.scope(case.truth.graph)
        holds = [
            event.at + (event.retry_after or 0.0)
            for event in self._holds
            if (event.asked.scope, event.asked.life) == (scope, life) and event.at <= now
        ]
        return max(holds, default=-math.inf)

    def _until(self, case: Case, now: float) -> list[Answered]:
        scope = self._scopes.get(self._world.scope(case.truth.graph))
        return [] if scope is None else scope.until(now)

    def read(self, case: Case, since: float, now: float) -> list[Answered]:
        """Return the pages of the job's list that were asked for since a moment and came before another."""
        pages = []
        for event in reversed(self._until(case, now)):
            if event.at < since:
                break
            if event.asked.at >= since and isinstance(event.reply, Page):
                pages.append(event)
        return pages[::-1]

    def first_asked(self, case: Case, since: float, now: float) -> float:
        """Return when the first page since a moment was asked for; `inf` without one."""
        return min((event.asked.at for event in self.read(case, since, now)), default=math.inf)

    def cannot_be_asked(self, case: Case, since: float, now: float) -> bool:
        """Whether the list is absent, refused, or has failed for the patience since a job joined."""
        if not self._world.plane.has_list:
            return True
        last: Answered | None = None
        for event in reversed(self._until(case, now)):
            if isinstance(event.reply, Page):
                last = event
                break
            if isinstance(event.reply, Said) and event.reply.kind is Kind.REFUSED and not self._was_too_large(event):
                return True
        answered_at = since if last is None else max(last.at, since)
        return now - answered_at >= self._world.knobs.patience - 1.0

    def _was_too_large(self, event: Answered) -> bool:
        """Whether a smaller page would have been answered."""
        listing = self._world.listing
        is_size = isinstance(event.reply, Said) and event.reply.trouble == listing.above
        return is_size and listing.is_orderly and event.asked.limit > listing.page_max

    def no_smaller_was_tried(self, case: Case, now: float) -> bool:
        """Whether the list refused pages as too large, and none that it would have answered was ever asked for."""
        events = self._until(case, now)
        return bool(events) and all(self._was_too_large(event) for event in events)

    def may_be_complete(self, pages: list[Answered]) -> bool:
        """Whether a complete scan may be among some pages, as far as their entries and totals tell."""
        replies = [event.reply for event in pages if isinstance(event.reply, Page)]
        if not replies or any(None in reply.ids for reply in replies):
            return False
        totals = [reply.total for reply in replies if reply.total is not None]
        if not totals:
            return any(not reply.ids for reply in replies)
        return len({row for reply in replies for row in reply.ids}) >= min(totals)

    def is_served(self, case: Case, pages: list[Answered]) -> bool:
        """Whether the job stood in the list whenever one of some pages was asked for."""
        shown = {Kind.STATUS, Kind.SIGHTING}
        return bool(pages) and all(
            self._scripts.listed(case.truth.job_id, event.asked.at).kind in shown for event in pages
        )
