"""How a job stands, decided from all that was reported of it.

Rule: one pure function, without clock, state or request; its questions come in this order, and within one the first
line that applies decides. Nothing else ends a job. Each line has a name in `Line`, which `Poller.explain` shows and
the tests bear.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable

import attrs

from gespoll._errors import (
    EndUnconfirmed,
    JobNotFound,
    JobVanished,
    ListIncomplete,
    PendingTimeout,
    SourceError,
    UnknownEnd,
)
from gespoll._jobs import Job, JobRef, JobStatus
from gespoll._scheduler._evidence import (
    INCOMPLETE_SCANS,
    Channel,
    ChannelEvidence,
    Evidence,
    Word,
    with_bad_files,
    worst_of,
)

DENIALS_AT_LEAST = 5
"""Denials by queries, in a row, before a job counts as not found: the vendor's code for a missing job (GES.8301) is
also its code for a passing network fault."""
GRACES_OF_OPEN = 5
"""Graces for which a query that goes on showing a job as open holds up a success that the list reported: five minutes
by default, far beyond any lag between replicas."""
SCANS_WITHOUT_QUERY = 2
"""Complete scans that must lack a job that no query can be asked for, the second a grace after the first."""
FAILURES_AT_LEAST = 10
"""Failed queries in a row before one job alone counts as silent: under a small quota a job may be polled twice in the
whole outage timeout, and both may fail by chance."""
OUTAGE_BY_DEFAULT = 900.0
"""Seconds that questions about an end and about absence take for an outage where `outage_timeout` is None."""


class Phase(enum.Enum):
    """How a job stands for the scheduler."""

    NEW = "new"
    OPEN = "open"
    CONFIRMING = "confirming"
    MISSING = "missing"
    ENDED = "ended"


class Line(enum.Enum):
    """The lines of the verdict, in their order."""

    LOST = "its service is lost"
    NOTHING_MORE = "an end was reported that leaves nothing to know"
    FULLER_REPORTED = "the channel that can say more reported an end, too"
    FAILURE_STANDS = "a bad end was reported; what can say more was tried, cannot be asked, or had its grace"
    SETTLED_ALONE = "a success was reported, and nothing that could say more can be asked"
    SETTLED_LATE = "a success was reported, and what could say more had its grace"
    NOT_CONFIRMED = "a success was reported, and could not be confirmed for the whole outage timeout"
    CONFIRMING = "an end was reported that is to be confirmed"
    DROPPED = "the channel that reported a success shows the job as open again"
    NOT_FOUND = "queries deny it, and the list lacks it or cannot tell"
    NOT_LISTED = "no query can be asked, and two complete scans lack it"
    LIST_INCOMPLETE = "no query can be asked, and the list never shows itself as a whole"
    UNREACHABLE = "neither a query nor the list can be asked"
    SILENT = "no status of it was read for the whole outage timeout"
    UNKNOWN_END = "an unknown word stands beside an end time, unchanged for the grace"
    PENDING_TOO_LONG = "it is still pending after pending_timeout"
    NEW = "nobody has shown it yet"
    MISSING = "a channel denies it, and nobody has shown it since"
    OPEN = "it is open"

    @property
    def number(self) -> str:
        """The number of its question, and its place there."""
        return _NUMBERS[self]


_NUMBERS = {
    Line.LOST: "0",
    Line.NOTHING_MORE: "1.1",
    Line.FULLER_REPORTED: "1.2",
    Line.FAILURE_STANDS: "1.3",
    Line.SETTLED_ALONE: "1.4",
    Line.SETTLED_LATE: "1.5",
    Line.NOT_CONFIRMED: "1.6",
    Line.CONFIRMING: "1.7",
    Line.DROPPED: "1.8",
    Line.NOT_FOUND: "2.1",
    Line.NOT_LISTED: "2.2",
    Line.LIST_INCOMPLETE: "2.3",
    Line.UNREACHABLE: "2.4",
    Line.SILENT: "3",
    Line.UNKNOWN_END: "4.1",
    Line.PENDING_TOO_LONG: "4.2",
    Line.NEW: "5.1",
    Line.MISSING: "5.2",
    Line.OPEN: "5.3",
}


class ListState(enum.Enum):
    """What a list can be used for."""

    USABLE = "usable"
    STALE = "stale"
    """It reports old states as new: only ends and bad files count, and its scans are incomplete."""
    REFUSED = "refused"
    ABSENT = "absent"


@attrs.frozen(kw_only=True)
class Reach:
    """What can be asked about one job."""

    query: bool
    """Whether a graph is known to ask in, and queries were not refused."""
    query_refusal: SourceError | None = None
    query_failure: SourceError | None = None
    """What every request of its scope has ended in for the outage timeout, if it has."""
    scope_fails: bool = False
    """Whether none was answered for half of that time: then it is not the matter of one job."""
    list_state: ListState = ListState.ABSENT
    list_refusal: SourceError | None = None
    list_failing_since: float = math.inf
    """When the row of failures of the list began that is not over, in seconds."""
    list_failure: SourceError | None = None
    """The last of them."""
    list_failed_at: float = -math.inf
    """When that was."""
    lost: SourceError | None = None
    """What makes its scope or its source as a whole unreachable for good."""

    @property
    def has_list(self) -> bool:
        """Whether there is a list that may be read."""
        return self.list_state not in {ListState.ABSENT, ListState.REFUSED}

    @property
    def list_is_believed(self) -> bool:
        """Whether more counts of what the list says than ends; a stale one is all that some jobs have."""
        return self.list_state is not ListState.STALE or not self.query


@attrs.frozen(kw_only=True)
class Plane:
    """Which channel can tell what an end leaves out."""

    files: Channel | None = None
    """The files of an import; `None` where no channel can."""
    reason: Channel | None = None
    """The reason of a failure; `None` where none can."""
    reason_by_other: bool = False
    """Whether the reason of a failure may be told by the channel that did not report it."""


MANAGEMENT = Plane(files=Channel.QUERY)
MEMORY_EDITION = Plane(files=Channel.LIST, reason_by_other=True)
"""The engine's; the list tells files and reasons there, and a query may tell a reason."""
DATABASE_EDITION = Plane(reason=Channel.QUERY)
"""The engine's; nobody tells files there."""


@attrs.frozen(kw_only=True)
class Terms:
    """How long what takes, in seconds."""

    interval: float = 5.0
    grace: float = 60.0
    outage: float | None = 900.0
    """`None` waits on."""
    first_outage: float | None = None
    """The same while its scope has never answered; `None` where it has."""
    pending: float | None = None
    """`None` waits on."""
    failures_at_least: int = FAILURES_AT_LEAST
    """Failed queries in a row that make one job silent while others of its scope are answered."""


@attrs.frozen(kw_only=True)
class Verdict:
    """How a job stands."""

    phase: Phase
    line: Line
    job: Job | None = None
    """The end, as it is emitted."""
    error: Exception | None = None
    """What it ends in where no end was reported, or where that cannot be relied on."""
    drops_end: bool = False
    """Whether what was reported is to be forgotten, and the job decided anew."""
    is_unconfirmed: bool = False
    """Whether the end is emitted without the confirmation that it called for."""
    fuller: Channel | None = None
    """While CONFIRMING: the channel that is asked, the fuller one unless it cannot be."""
    next_time: float = math.inf
    """When it may change by the passing of time alone, in seconds."""


@attrs.define
class _Clock:
    """The present, and the next moment after it that anything depended on."""

    present: float
    next_time: float = math.inf

    def reached(self, at: float) -> bool:
        if at <= self.present:
            return True
        self.next_time = min(self.next_time, at)
        return False


@attrs.frozen
class _Case:
    """All that a verdict depends on."""

    ref: JobRef
    evidence: Evidence
    reach: Reach
    plane: Plane
    terms: Terms
    clock: _Clock

    @property
    def outage(self) -> float:
        """Seconds that an outage takes for questions about an end and about absence."""
        return OUTAGE_BY_DEFAULT if self.terms.outage is None else self.terms.outage

    @property
    def silence(self) -> float:
        """Seconds of failures after which nothing more is hoped for: fewer where there never was an answer."""
        return self.outage if self.terms.first_outage is None else self.terms.first_outage

    @property
    def shown_at(self) -> float:
        """When a channel that is believed last showed the job."""
        return max(each.shown_at for each in self.believed())

    @property
    def status_at(self) -> float:
        """When a channel that is believed last reported a status of it."""
        return max(each.status_at for each in self.believed())

    def believed(self) -> list[ChannelEvidence]:
        query, listed = self.evidence.by_query, self.evidence.by_list
        return [query, listed] if self.reach.list_is_believed else [query]

    def word(self, channel: Channel) -> Word | None:
        """What a channel reported last, if that is believed; of a stale list only an end is."""
        word = self.evidence.of(channel).last_word
        if channel is Channel.QUERY or self.reach.list_is_believed or word is Word.END:
            return word
        return None

    def list_can_be_asked(self) -> bool:
        """Whether the list is there, and has not failed for the outage timeout since the job joined."""
        failing_since = min(self.reach.list_failing_since, self.evidence.by_list.failing_since)
        since = max(failing_since, self.evidence.joined_at)
        return self.reach.has_list and not self.clock.reached(since + self.silence)

    def can_be_asked(self, channel: Channel) -> bool:
        """Whether a channel can be asked for what an end leaves out; a list that merely fails can."""
        return self.reach.query if channel is Channel.QUERY else self.reach.has_list

    def failure(self, channel: Channel) -> SourceError | None:
        """What the last try of a channel ended in, unless that was an answer."""
        failure = self.evidence.of(channel).failure
        return failure or self.reach.list_failure if channel is Channel.LIST else failure

    def tried_at(self, channel: Channel) -> float:
        """When a channel was last tried, whatever came of it."""
        tried = self.evidence.of(channel).tried_at
        return max(tried, self.reach.list_failed_at) if channel is Channel.LIST else tried

    def verdict(self, phase: Phase, line: Line, **fields: object) -> Verdict:
        return Verdict(phase=phase, line=line, next_time=self.clock.next_time, **fields)  # type: ignore[arg-type]

    def ended(self, line: Line, job: Job, *, unconfirmed: bool = False) -> Verdict:
        """End the job as it was reported; an import's success of which nobody told files is not confirmed either."""
        told = job.status is not JobStatus.SUCCESS or job.tells_files or not self.evidence.is_import
        confirmed = told and not unconfirmed
        job = job if job.confirmed is confirmed else attrs.evolve(job, confirmed=confirmed)
        return Verdict(phase=Phase.ENDED, line=line, job=job, is_unconfirmed=unconfirmed)

    def failed(self, line: Line, error: Exception) -> Verdict:
        return Verdict(phase=Phase.ENDED, line=line, error=error)


def decide(ref: JobRef, evidence: Evidence, reach: Reach, plane: Plane, terms: Terms, now: float) -> Verdict:
    """Decide how a job stands.

    Args:
        ref: the job.
        evidence: what both channels reported of it.
        reach: what can be asked.
        plane: which channel can tell what an end leaves out.
        terms: how long what takes.
        now: seconds on the monotonic clock.
    """
    case = _Case(ref, evidence, reach, plane, terms, _Clock(now))
    return (
        (_is_lost(case) if reach.lost is not None else None)
        or (_has_ended(case) if evidence.ends else None)
        or _is_missing(case)
        or _is_silent(case)
        or _is_stuck(case)
        or _is_open(case)
    )


def decide_at_deadline(
    ref: JobRef, evidence: Evidence, reach: Reach, plane: Plane, terms: Terms, now: float
) -> Verdict | None:
    """Decide as if patience were over, after a final poll; `None` leaves the job to a timeout."""
    if not evidence.ends:
        return None
    found = decide(ref, evidence, reach, plane, terms, now)
    if found.phase is Phase.CONFIRMING and _is_repeated_by_fuller(evidence, plane):
        case = _Case(ref, evidence, reach, plane, terms, _Clock(now))
        return case.ended(Line.FULLER_REPORTED, reported_end(evidence))
    if found.phase is Phase.ENDED and not (found.is_unconfirmed and _is_success(found.job)) and found.job is not None:
        return found
    case = _Case(ref, evidence, reach, plane, terms, _Clock(now))
    end = reported_end(evidence)
    return None if end.status is JobStatus.SUCCESS else case.ended(Line.FAILURE_STANDS, end, unconfirmed=True)


def _is_repeated_by_fuller(evidence: Evidence, plane: Plane) -> bool:
    """Whether the channel that can say more reported the end twice, be it sooner than an interval apart."""
    fuller = fuller_channel(reported_end(evidence), evidence, plane)
    reported = None if fuller is None else evidence.of(fuller).end
    return reported is not None and reported.last > reported.first


def _is_success(job: Job | None) -> bool:
    return job is not None and job.status is JobStatus.SUCCESS


# 0. Is its scope or its source lost?


def _is_lost(case: _Case) -> Verdict | None:
    lost = case.reach.lost
    assert lost is not None
    if not case.evidence.ends:
        return case.failed(Line.LOST, lost)
    end = reported_end(case.evidence)
    if end.status is not JobStatus.SUCCESS:
        return case.ended(Line.LOST, end, unconfirmed=True)
    return case.failed(Line.LOST, _unconfirmed(case, end, f"then {lost.detail}"))


# 1. Was an end reported?


def reported_end(evidence: Evidence) -> Job:
    """Return the worse of the ends that were reported; a success is none while bad files are remembered."""
    end = worst_of(reported.job for _, reported in evidence.ends)
    files = with_bad_files(evidence.by_query.files, evidence.by_list.files)
    if end.status is JobStatus.SUCCESS and files:
        return attrs.evolve(end, status=JobStatus.PARTIALLY_FAILED, files=files)
    return attrs.evolve(end, files=files) if files and not end.files else end


def _has_ended(case: _Case) -> Verdict:
    end = reported_end(case.evidence)
    fuller = fuller_channel(end, case.evidence, case.plane)
    if fuller is None:
        return case.ended(Line.NOTHING_MORE, end)
    fuller_reported = case.evidence.of(fuller).end is not None
    if end.status is not JobStatus.SUCCESS:
        return case.ended(Line.FULLER_REPORTED, end) if fuller_reported else _bad_end(case, end, fuller)
    if fuller_reported and _reports(case.evidence) > 1:
        return case.ended(Line.FULLER_REPORTED, end)
    return _success(case, end, fuller)


def _reports(evidence: Evidence) -> int:
    """Return how often an end was reported in all."""
    return sum(reported.count for _, reported in evidence.ends)


def _first_report(evidence: Evidence) -> float:
    return min(reported.first for _, reported in evidence.ends)


def _bad_end(case: _Case, end: Job, fuller: Channel) -> Verdict:
    first = _first_report(case.evidence)
    if case.tried_at(fuller) > first or not case.can_be_asked(fuller) or case.clock.reached(first + case.terms.grace):
        return case.ended(Line.FAILURE_STANDS, end, unconfirmed=True)
    return _confirming(case, fuller)


def _success(case: _Case, end: Job, fuller: Channel) -> Verdict:
    first = _first_report(case.evidence)
    if not case.can_be_asked(fuller) and (_reports(case.evidence) > 1 or case.clock.reached(first + case.terms.grace)):
        return _settle(case, Line.SETTLED_ALONE, end, fuller)
    if _had_its_grace(case, fuller, first):
        return _settle(case, Line.SETTLED_LATE, end, fuller)
    if case.clock.reached(first + case.outage):
        return case.failed(Line.NOT_CONFIRMED, _unconfirmed(case, end, _why_not(case, fuller)))
    return _confirming(case, fuller)


def _confirming(case: _Case, fuller: Channel) -> Verdict:
    asked = fuller if case.can_be_asked(fuller) else fuller.other
    return case.verdict(Phase.CONFIRMING, Line.CONFIRMING, fuller=asked)


def _had_its_grace(case: _Case, fuller: Channel, first: float) -> bool:
    graces = GRACES_OF_OPEN if case.word(fuller) is Word.OPEN else 1
    return case.evidence.of(fuller).answered_at >= first + graces * case.terms.grace


def fuller_channel(end: Job, evidence: Evidence, plane: Plane) -> Channel | None:
    """Return the channel that may tell what an end leaves out; `None` where nothing is left to know."""
    if end.status is JobStatus.SUCCESS:
        may_be_import = evidence.is_import is not False
        return plane.files if may_be_import and not end.tells_files else None
    if end.status is JobStatus.PARTIALLY_FAILED:
        return None if end.files else plane.files
    if end.status is not JobStatus.FAILED or end.fail_reason is not None:
        return None
    if plane.reason_by_other:
        told = [channel for channel, reported in evidence.ends if reported.job.status is JobStatus.FAILED]
        return told[0].other if len(told) == 1 else None
    return plane.reason


def _settle(case: _Case, line: Line, end: Job, fuller: Channel) -> Verdict:
    """Take a success as it was reported, unless the channel that reported it shows the job as open again."""
    [(reporter, reported)] = case.evidence.ends  # had both reported one, the fuller one had confirmed it
    if case.word(reporter) is not Word.OPEN:
        return case.ended(line, end, unconfirmed=True)
    if case.clock.reached(reported.last + case.terms.grace):
        return case.verdict(Phase.OPEN, Line.DROPPED, drops_end=True)
    return _confirming(case, fuller)


def _unconfirmed(case: _Case, end: Job, why: str) -> EndUnconfirmed:
    detail = f"job {case.ref} was reported as {end.reported_status!r}, but nothing could confirm it: {why}"
    return EndUnconfirmed(detail, job=attrs.evolve(end, confirmed=False), pending=(case.ref,))


def _why_not(case: _Case, fuller: Channel) -> str:
    failure = case.failure(fuller)
    return str(failure) if failure is not None else "what could list its files did not answer"


# 2. Is it missing?


def _is_missing(case: _Case) -> Verdict | None:
    refusal = case.reach.query_refusal
    if case.reach.query:
        return case.failed(Line.NOT_FOUND, _not_found(case)) if _is_denied_by_query(case) else None
    if _is_lacked_by_scans(case):
        return case.failed(Line.NOT_LISTED, _not_found(case) if refusal is None else _not_listed(case, refusal))
    if _is_never_whole(case):
        return case.failed(Line.LIST_INCOMPLETE, refusal or _list_incomplete(case))
    if case.list_can_be_asked() or (case.terms.outage is None and case.reach.has_list):
        return None
    return case.failed(Line.UNREACHABLE, _unreachable(case))


def _missing_since(case: _Case, first_denial: float) -> float:
    return max(first_denial, case.shown_at)


def _is_denied_by_query(case: _Case) -> bool:
    query = case.evidence.by_query
    denials = query.denials
    if denials is None or query.last_word is not Word.DENIED or denials.count < DENIALS_AT_LEAST:
        return False
    since = _missing_since(case, denials.first)
    if denials.last < since + case.terms.grace:
        return False
    return not case.list_can_be_asked() or _is_lacked(case, since) or _are_incomplete(case, since)


def _is_lacked(case: _Case, since: float) -> bool:
    scans = case.evidence.by_list.denials
    return scans is not None and scans.last >= since and case.reach.list_is_believed


def _are_incomplete(case: _Case, since: float) -> bool:
    """Whether as many scans in a row as it takes, begun since then, came out incomplete."""
    return sum(began_at >= since for began_at in case.evidence.incomplete_scans) >= INCOMPLETE_SCANS


def _is_lacked_by_scans(case: _Case) -> bool:
    scans = case.evidence.by_list.denials
    if scans is None or scans.count < SCANS_WITHOUT_QUERY or case.reach.list_state is ListState.STALE:
        return False
    return scans.last >= _missing_since(case, scans.first) + case.terms.grace


def _is_never_whole(case: _Case) -> bool:
    if not _are_incomplete(case, case.shown_at):
        return False
    return case.clock.reached(max(case.shown_at, case.evidence.joined_at) + case.outage)


def _not_found(case: _Case) -> JobNotFound:
    kind = JobVanished if case.evidence.ever_shown else JobNotFound
    denials = case.evidence.by_query.denials or case.evidence.by_list.denials
    assert denials is not None  # which is why it is missing
    waited = case.clock.present - denials.first
    return kind(case.ref, _last_shown(case.evidence), waited=waited, graph_missing=denials.graph_missing)


def _last_shown(evidence: Evidence) -> Job | None:
    latest = max((each for _, each in evidence.channels), key=lambda each: each.status_at)
    return latest.open_job


def _list_incomplete(case: _Case) -> ListIncomplete:
    detail = (
        f"job {case.ref} was neither found nor ruled out: the job list could not be read in full for "
        f"{case.outage:.0f} s; give graph= to query the job by itself"
    )
    return ListIncomplete(detail, pending=(case.ref,))


def _unreachable(case: _Case) -> SourceError:
    refusal = case.reach.query_refusal
    if refusal is not None:
        return refusal
    error = case.reach.list_refusal or case.failure(Channel.LIST)
    if error is None:
        return SourceError(
            f"job {case.ref} cannot be looked up: there is no job list; give graph= to query it by itself"
        )
    return _advised(error, f"give graph= to query job {case.ref} by itself")


def _not_listed(case: _Case, refusal: SourceError) -> SourceError:
    return _advised(refusal, f"the job list does not have job {case.ref} either")


def _advised(error: SourceError, advice: str) -> SourceError:
    advised = error.with_pending(())
    advised.detail = f"{error.detail}; {advice}"
    return advised


# 3. Is it silent?


def _is_silent(case: _Case) -> Verdict | None:
    if case.terms.outage is None:
        return None
    since = max(case.status_at, case.evidence.joined_at)
    error = _silence(case)
    if error is None or not case.clock.reached(since + case.silence) or not _is_tried(case):
        return None
    return case.failed(Line.SILENT, error.with_pending((case.ref,)))


def _silence(case: _Case) -> SourceError | None:
    """Return why no status is read of it, where a channel that can be asked fails or shows only sightings."""
    failure = case.failure(Channel.QUERY) or case.reach.query_failure
    if case.reach.query and failure is not None:
        return failure
    if not case.list_can_be_asked():
        return None
    if case.failure(Channel.LIST) is not None:
        return case.failure(Channel.LIST)
    if case.word(Channel.LIST) is Word.THERE:
        return SourceError(f"job {case.ref} is in the job list, but its record cannot be read", pending=(case.ref,))
    return None


def _is_tried(case: _Case) -> bool:
    """Whether queries of the job, if they can be asked, failed often enough, or those of its whole scope fail."""
    query = case.evidence.by_query
    if not case.reach.query or query.failure is None:
        return True
    return case.reach.scope_fails or query.failures >= case.terms.failures_at_least


# 4. Is it stuck?


def _is_stuck(case: _Case) -> Verdict | None:
    for channel in case.believed():
        if channel.stuck_since < math.inf and case.clock.reached(channel.stuck_since + case.terms.grace):
            assert channel.open_job is not None  # whose word is unknown
            return case.failed(Line.UNKNOWN_END, UnknownEnd(case.ref, channel.open_job))
    pending = case.terms.pending
    if pending is None or _furthest(case.believed()) is not JobStatus.PENDING:
        return None
    if not case.clock.reached(case.evidence.first_joined_at + pending):
        return None
    return case.failed(Line.PENDING_TOO_LONG, PendingTimeout(pending, {case.ref: JobStatus.PENDING}))


# 5. It is open


def _furthest(channels: Iterable[ChannelEvidence]) -> JobStatus | None:
    reported = [each.open_job.status for each in channels if each.open_job is not None]
    return max(reported, key=lambda status: status.rank, default=None)


def _is_open(case: _Case) -> Verdict:
    if _is_denied(case):
        return case.verdict(Phase.MISSING, Line.MISSING)
    if not case.evidence.ever_shown:
        return case.verdict(Phase.NEW, Line.NEW)
    return case.verdict(Phase.OPEN, Line.OPEN)


def _is_denied(case: _Case) -> bool:
    """Whether a channel denied the job last, and neither has shown it since."""
    return any(
        case.word(channel) is Word.DENIED and each.denials is not None and each.denials.last > case.shown_at
        for channel, each in case.evidence.channels
    )
