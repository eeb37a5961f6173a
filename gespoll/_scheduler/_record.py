"""One open job: what is known of it, and how a reading moves it.

Rule: states only move forward. An older or contradicting reading changes nothing; each status
is told once; what would end the job is told only once it is confirmed. There may be a hundred thousand
records, so each is small and no garbage collection walks it: what most jobs share is shared, what few
jobs need stands in their `Care`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Generic, TypeVar

import attrs
import msgspec

from gespoll._errors import SourceError
from gespoll._jobs import Job, JobRef, JobStatus
from gespoll._pacing import RetryDelays
from gespoll._scheduler._evidence import Channel, Evidence

SOMEWHERE = -1
"""The place of a job that the list shows now here, now there."""
QUEUED = 1
ASKED = 2
_BITS = {status: 1 << number for number, status in enumerate(JobStatus)}
_TOLD = tuple(tuple(status for status in JobStatus if bits & _BITS[status]) for bits in range(1 << len(JobStatus)))
"""The statuses of each combination of bits."""
Watcher = TypeVar("Watcher")
Key = tuple[str, str]
"""Scope and job id: what makes two refs the same job."""


class Profile(msgspec.Struct, frozen=True, gc=False):
    """What is kept of the reading of an open job; jobs that agree in it share it."""

    status: JobStatus
    word: str
    job_type: str | None
    name: str | None
    related_graph: str | None
    is_import: bool | None

    def job(self, ref: JobRef) -> Job:
        """Make a reading of what was kept."""
        return Job(
            ref=ref,
            status=self.status,
            reported_status=self.word,
            job_type=self.job_type,
            name=self.name,
            related_graph=self.related_graph,
            is_import=self.is_import,
        )


def profile_of(job: Job) -> Profile:
    """Take of a reading what is kept."""
    return Profile(job.status, job.reported_status, job.job_type, job.name, job.related_graph, job.is_import)


@attrs.define(eq=False)
class Care:
    """What is known of a job that needs more than a poll now and then."""

    graph: str | None
    """Where single queries go: given, or learned; `None` while only the list can show the job."""
    has_learned_graph: bool = False
    """Whether a reply told that graph, and no ref."""
    evidence: Evidence | None = None
    """What each channel reported, where that is more than that the job is open."""
    refusal: SourceError | None = None
    """Why queries of it are refused, until the credentials are renewed."""
    retries: RetryDelays | None = None
    """Delays between failing queries of this job alone."""
    is_personal: bool = False
    """Whether the job needs a single query of its own, whatever the list shows."""
    is_planned: bool = False
    """Whether such a query is planned."""
    due: float = math.inf
    """When its own single query is due."""
    is_urgent: bool = False
    """Whether it must be queried again as soon as the query under way is back."""
    review_at: float = math.inf
    """When its verdict may change by the passing of time alone, in seconds."""

    @property
    def is_needless(self) -> bool:
        """Whether the job is as ordinary as any that needs no care, but for where it can be queried."""
        return not (
            self.evidence is not None
            or self.refusal is not None
            or self.retries is not None
            or self.is_personal
            or self.is_urgent
        )


class Record(msgspec.Struct, Generic[Watcher], gc=False, eq=False):
    """What is known of one open job."""

    ref: JobRef
    """The job as it was first handed in."""
    scope: str
    added_at: float
    watchers: Watcher | dict[Watcher, JobRef] | None = None
    """Who waits for it: one, or several in the order of joining with what they call it; `None` once it has ended."""
    profile: Profile | None = None
    """The last reading that was told."""
    place: int | None = None
    """Where the list showed it, counted from where its scope counts; `None` while the list does not show it."""
    seen: int = 0
    """The last round in which the list showed it."""
    shown_at: float = -math.inf
    """When a status of it was last read, in seconds."""
    told: int = 0
    """The statuses told, as bits."""
    state: int = 0
    """Whether it stands in the queue for its turn, and whether a single query of it is under way, as bits."""
    care: Care | None = None

    @property
    def key(self) -> Key:
        """What makes two refs the same job."""
        return self.scope, self.ref.job_id

    @property
    def graph(self) -> str | None:
        """Where single queries go."""
        return self.ref.graph if self.care is None else self.care.graph

    @property
    def is_shown(self) -> bool:
        """Whether a status of it was read since it joined, and not only before a resume."""
        return self.shown_at > -math.inf

    @property
    def has_ended(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.watchers is None

    @property
    def is_personal(self) -> bool:
        """Whether it needs a single query of its own whatever the list shows."""
        return self.care is not None and self.care.is_personal

    @property
    def evidence(self) -> Evidence | None:
        """What each channel reported of it, where that is more than that it is open."""
        return None if self.care is None else self.care.evidence

    @property
    def failure(self) -> Exception | None:
        """What the last query of it ended in, if that was no answer."""
        evidence = self.evidence
        return None if evidence is None else evidence.by_query.failure

    @property
    def job(self) -> Job | None:
        """The last reading that was told, as far as it was kept."""
        return None if self.profile is None else self.profile.job(self.ref)

    @property
    def statuses(self) -> tuple[JobStatus, ...]:
        """The statuses told, in no order."""
        return _TOLD[self.told]

    def recall(self, statuses: Iterable[JobStatus], profile: Profile) -> None:
        """Take in what was told before, out of a snapshot."""
        for status in statuses:
            self.told |= _BITS[status]
        self.profile = profile

    def cared(self) -> Care:
        """Give the care of it, from now on if it had none."""
        if self.care is None:
            self.care = Care(self.ref.graph)
        return self.care

    # Who waits

    def waiting(self) -> list[tuple[Watcher, JobRef]]:
        """List who waits for it, and what they call it."""
        if self.watchers is None:
            return []
        return list(self.watchers.items()) if isinstance(self.watchers, dict) else [(self.watchers, self.ref)]

    def ref_for(self, watcher: Watcher) -> JobRef | None:
        """Tell what a watch calls it; `None` when that watch does not wait for it."""
        if isinstance(self.watchers, dict):
            return self.watchers.get(watcher)
        return self.ref if self.watchers is watcher else None

    def attach(self, watcher: Watcher, ref: JobRef) -> None:
        """Let another watch wait for it."""
        if self.watchers is None:
            self.watchers = watcher if ref is self.ref else {watcher: ref}
            return
        if not isinstance(self.watchers, dict):
            self.watchers = {self.watchers: self.ref}
        self.watchers[watcher] = ref

    def detach(self, watcher: Watcher) -> None:
        """Let a watch wait for it no longer."""
        if isinstance(self.watchers, dict):
            self.watchers.pop(watcher, None)
            self.watchers = self.watchers or None
        elif self.watchers is watcher:
            self.watchers = None

    # How it stands

    def moves_to(self, status: JobStatus) -> bool:
        """Whether a reading of this status is news: not told yet, and not a step back."""
        if self.profile is None:
            return True
        return not self.told & _BITS[status] and status.rank >= self.profile.status.rank

    def move(self, profile: Profile) -> None:
        """Take the reading as the one that is told."""
        self.profile = profile
        self.told |= _BITS[profile.status]

    def reported(self) -> Evidence:
        """Return what was reported of it, from now on kept in full if it was not."""
        care = self.cared()
        if care.evidence is None:
            care.evidence = self.reported_so_far
        return care.evidence

    @property
    def reported_so_far(self) -> Evidence:
        """What was reported of it, without keeping it."""
        if self.evidence is not None:
            return self.evidence
        profile = self.profile
        evidence = Evidence(self.added_at, self.added_at, ever_shown=profile is not None)
        if profile is None:
            return evidence
        evidence.is_import = profile.is_import
        if self.is_shown:
            channel = Channel.QUERY if self.place is None else Channel.LIST
            evidence.of(channel).show(profile.job(self.ref), self.shown_at, 0.0)
        return evidence

    def forget_care(self) -> None:
        """Keep no more of it than of others, where that is all there is to know."""
        care = self.care
        if care is None:
            return
        evidence = care.evidence
        was_only_sighted = evidence is not None and evidence.ever_shown and self.profile is None
        if evidence is not None and evidence.is_ordinary and not care.is_personal and not was_only_sighted:
            care.evidence = care.retries = None
        if care.is_needless and care.graph == self.ref.graph:
            self.care = None


def of_known_kind(job: Job, earlier: Profile | None) -> Job:
    """Keep whether a job is an import, as an earlier reading told; one that ever called it an import is believed."""
    is_import = None if earlier is None else earlier.is_import
    if is_import is None or job.is_import or job.is_import is is_import:
        return job
    return attrs.evolve(job, is_import=is_import)


def merged(job: Job, earlier: Job | None) -> Job:
    """Keep of an earlier reading what a later one does not say."""
    if earlier is None or job.name is not None:
        return job
    return attrs.evolve(
        job,
        name=earlier.name,
        job_type=job.job_type or earlier.job_type,
        request=job.request or earlier.request,
        is_import=earlier.is_import if job.is_import is None else job.is_import,
        fail_reason=job.fail_reason or earlier.fail_reason,
    )
