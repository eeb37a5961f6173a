"""What a verdict depends on, and what is asked next after it.

Rule: here meet the evidence of a job, its scope, and the knobs; what they amount to is decided in `_verdict`. Every
pace slows down by itself to one request a minute, so that no state of the service makes requests grow for one job.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import attrs

from gespoll._errors import SourceError
from gespoll._pacing import RetryDelays
from gespoll._scheduler._evidence import Channel, Word
from gespoll._scheduler._observation import Scope
from gespoll._scheduler._record import ASKED, Record
from gespoll._scheduler._settings import Settings
from gespoll._scheduler._verdict import (
    DENIALS_AT_LEAST,
    Line,
    ListState,
    Phase,
    Plane,
    Reach,
    Terms,
    Verdict,
    decide,
    decide_at_deadline,
    fuller_channel,
    reported_end,
)
from gespoll._source import JobSource

SLOWEST = 60.0
"""Seconds from one confirmation or denial of a job to the next, at most: one job costs a request a minute."""
SLOWDOWN = 4.0
"""A confirmation is asked for again after a quarter of the time that it has taken so far: 15 s after a minute, 60 s
after four: a job in trouble soon costs no more than one request a minute."""
SPREAD = 1.01
"""Five denials are spread over a hundredth more than the grace, so that the fifth comes after it."""
WANTS_LIST_AFTER = 60.0
"""Seconds for which the queries of one job fail before the list is asked for it, too."""


_CHANNELS = {"query": Channel.QUERY, "list": Channel.LIST}


def plane_of(source: JobSource, scope: str) -> Plane:
    """Return which channel can tell what an end leaves out, as far as a source knows by now."""
    files, reason = source.tells_files(scope), source.tells_reason(scope)
    return Plane(
        files=_CHANNELS.get(files or ""), reason=_CHANNELS.get(reason or ""), reason_by_other=reason == "either"
    )


@attrs.define(eq=False)
class Judge:
    """Decides how jobs stand, and plans what is asked next of those in trouble."""

    source: JobSource
    settings: Settings
    rng: random.Random
    review: Callable[[Record[Any], float], None]
    """Called with a job and the time at which it is to be decided again."""

    def terms(self, scope: Scope) -> Terms:
        """Return how long what takes."""
        settings = self.settings
        return Terms(
            interval=settings.interval,
            grace=settings.not_found_grace,
            outage=settings.outage_timeout,
            first_outage=None if scope.outage.ever_answered else scope.outage.limit,
            pending=settings.pending_timeout,
        )

    def reach(self, scope: Scope, record: Record[Any], now: float, lost: SourceError | None = None) -> Reach:
        """Return what can be asked about a job."""
        listing = scope.listing
        if not scope.queries.has_list:
            state = ListState.ABSENT
        elif listing.refusal is not None:
            state = ListState.REFUSED
        else:
            state = ListState.STALE if listing.is_stale(now) else ListState.USABLE
        failing_since = listing.suspect_since if record.place is None else listing.failing_since
        return Reach(
            query=scope.queries.can_be_queried(record),
            query_refusal=None if record.care is None else record.care.refusal,
            query_failure=scope.outage.lasting,
            scope_fails=scope.outage.error_of_all(now) is not None,
            list_state=state,
            list_refusal=listing.refusal,
            list_failing_since=failing_since,
            list_failure=listing.failure if failing_since < math.inf else None,
            list_failed_at=listing.failed_at,
            lost=lost,
        )

    def verdict(self, scope: Scope, record: Record[Any], now: float, lost: SourceError | None = None) -> Verdict:
        """Return how a job stands now."""
        reach, plane = self.reach(scope, record, now, lost), plane_of(self.source, record.scope)
        return decide(record.ref, record.reported_so_far, reach, plane, self.terms(scope), now)

    def decide(self, scope: Scope, record: Record[Any], now: float, lost: SourceError | None = None) -> Verdict:
        """Decide how a job stands now, and see to it that it is decided again when time alone may change that."""
        evidence = record.reported()
        verdict = self.verdict(scope, record, now, lost)
        if verdict.drops_end:
            evidence.begin_anew()
            verdict = self.verdict(scope, record, now, lost)
        if verdict.phase is not Phase.ENDED and verdict.next_time != record.cared().review_at:
            record.cared().review_at = verdict.next_time
            self.review(record, verdict.next_time)
        return verdict

    def is_silent(self, scope: Scope, record: Record[Any], failure: SourceError, now: float) -> bool:
        """Whether no status of a job was read for too long, where no request is answered, and that is what ends it."""
        reach = attrs.evolve(self.reach(scope, record, now), query_failure=failure)
        verdict = decide(
            record.ref, record.reported_so_far, reach, plane_of(self.source, record.scope), self.terms(scope), now
        )
        return verdict.line is Line.SILENT

    def decide_at_deadline(self, scope: Scope, record: Record[Any], now: float) -> Verdict | None:
        """Decide as if patience were over; `None` leaves the job to a timeout."""
        evidence = record.evidence
        if evidence is None:
            return None
        reach = self.reach(scope, record, now)
        return decide_at_deadline(
            record.ref, evidence, reach, plane_of(self.source, record.scope), self.terms(scope), now
        )

    def confirming_channel(self, scope: Scope, record: Record[Any]) -> Channel | None:
        """Return the channel that is asked for what a reported end leaves out; `None` where there is no such end."""
        evidence = record.evidence
        if evidence is None or not evidence.ends:
            return None
        fuller = fuller_channel(reported_end(evidence), evidence, plane_of(self.source, record.scope))
        return None if fuller is None else _confirming_channel(scope, record, fuller)

    def was_tried_since_report(self, scope: Scope, record: Record[Any], channel: Channel) -> bool:
        """Whether a channel was tried after an end was first reported."""
        evidence = record.reported()
        tried = evidence.of(channel).tried_at
        if channel is Channel.LIST:
            tried = max(tried, scope.listing.failed_at)
        return tried > min(end.first for _, end in evidence.ends)

    # What is asked next

    def plan(self, scope: Scope, record: Record[Any], verdict: Verdict, now: float) -> None:
        """Plan what is asked next of a job that is open."""
        evidence, queries = record.reported(), scope.queries
        wants_list = self._wants_list(scope, record, verdict, now) or not queries.can_be_queried(record)
        if wants_list and record.ref.job_id not in queries.needs_list:
            scope.listing.hunt(record, now)
        elif not wants_list and record.ref.job_id in queries.needs_list and evidence.by_query.last_word is Word.OPEN:
            scope.listing.release(record, now)
        record.cared().is_personal = self._is_personal(scope, record, verdict, now)
        by_list = verdict.phase is Phase.CONFIRMING and wants_list
        if record.cared().is_personal and not by_list and not record.state & ASKED and not record.cared().is_planned:
            self._plan_query(scope, record, verdict, now)
        elif not record.cared().is_personal:
            queries.unplan(record)

    def _wants_list(self, scope: Scope, record: Record[Any], verdict: Verdict, now: float) -> bool:
        """Whether the list is asked for a job because of what its queries bring."""
        evidence = record.reported()
        if verdict.phase is Phase.CONFIRMING:
            return _confirming_channel(scope, record, verdict.fuller) is Channel.LIST
        return verdict.phase is Phase.MISSING or now - evidence.by_query.failing_since >= WANTS_LIST_AFTER

    def _is_personal(self, scope: Scope, record: Record[Any], verdict: Verdict, now: float) -> bool:
        """Whether a job needs a query of its own, whatever the list shows."""
        evidence = record.reported()
        if verdict.phase is Phase.CONFIRMING:
            return True  # by the list where that is asked: a query in turn would bring nothing
        if not scope.queries.can_be_queried(record):
            return False
        if verdict.phase is Phase.MISSING:
            return True
        if record.place is not None and scope.listing.shows(record, now):
            return evidence.by_list.last_word is Word.THERE
        return evidence.by_query.failure is not None or evidence.by_query.last_word is Word.DENIED

    def _plan_query(self, scope: Scope, record: Record[Any], verdict: Verdict, now: float) -> None:
        evidence = record.reported()
        query = evidence.by_query
        is_new = verdict.phase is Phase.CONFIRMING and query.end is None
        if is_new and query.tried_at <= min(end.first for _, end in evidence.ends):
            scope.queries.first(record)
        elif evidence.by_list.last_word is Word.THERE and query.failure is None and query.denials is None:
            scope.queries.at(record, max(now, query.tried_at + self.settings.interval))
        else:
            scope.queries.at(record, now + self._delay(scope, record, verdict, now))

    def _delay(self, scope: Scope, record: Record[Any], verdict: Verdict, now: float) -> float:
        """Return the seconds to the next query of a job in trouble."""
        evidence = record.reported()
        query, care = evidence.by_query, record.cared()
        if query.failure is not None:
            care.retries = care.retries or RetryDelays(self.rng, longest=SLOWEST)
            return care.retries.next()
        care.retries = None
        if query.denials is not None:
            return self._denial_delay(query.denials.count, now - query.denials.first)
        if verdict.phase is Phase.CONFIRMING:
            past = now - min(end.first for _, end in evidence.ends)
            apart = self.settings.between_reports
            return apart if past < self.settings.not_found_grace else _slowing(apart, past)
        return scope.queries.delay(record, now)

    def _denial_delay(self, count: int, past: float) -> float:
        spread = self.settings.not_found_grace / (DENIALS_AT_LEAST - 1) * SPREAD
        if count < DENIALS_AT_LEAST:
            return max(spread, min(self.settings.interval, SLOWEST))
        return _slowing(self.settings.interval, past)


def _confirming_channel(scope: Scope, record: Record[Any], fuller: Channel | None) -> Channel:
    """Return the channel that is asked for a confirmation: the one that reported the end where no other can be."""
    if fuller is Channel.QUERY and scope.queries.can_be_queried(record):
        return Channel.QUERY
    if fuller is Channel.LIST and scope.listing.is_readable:
        return Channel.LIST
    return record.reported().ends[0][0]


def _slowing(interval: float, past: float) -> float:
    return min(max(interval, past / SLOWDOWN), max(interval, SLOWEST))
