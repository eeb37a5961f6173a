"""One open job: what is known of it, and how a reading moves it.

Rule: states only move forward. An older or contradicting reading changes nothing; each status
is told once; what would end the job is told only once it is confirmed.
"""

from __future__ import annotations

import math

import attrs

from gespoll._jobs import Job, JobRef, JobStatus
from gespoll._pacing import RetryDelays
from gespoll._scheduler._ledger import Ledger

MISSES_AT_LEAST = 5
"""Answers that there is no such job, in a row: the vendor's code for it is its code for a passing fault, too."""


@attrs.define(eq=False)
class Absence:
    """A run of answers that there is no such job, unbroken by any sighting."""

    since: float
    """When the first such answer came."""
    misses: int = 0
    """Single queries answered so."""
    sweeps: int = 0
    """Complete sweeps of the list that lacked it, the first and those a grace later."""
    graph_missing: bool = False
    """Whether the last answer was that the graph itself is gone."""


@attrs.define(eq=False)
class Record:
    """What is known of one open job."""

    ref: JobRef
    """The job as it was first handed in."""
    scope: str
    added_at: float
    graph: str | None
    """Where single queries go: given, or learned; `None` while only the list can show the job."""
    watchers: dict[Ledger, None] = attrs.field(factory=dict)
    """Who waits for it, in the order of joining."""
    job: Job | None = None
    """The last reading that was told."""
    candidate: Job | None = None
    """A terminal reading that one single query has still to confirm."""
    denials: int = 0
    """How often a single query denied that there is such a job while `candidate` was to be confirmed."""
    absence: Absence | None = None
    retries: RetryDelays | None = None
    """Waits between failing queries of this job alone."""
    failure: Exception | None = None
    """What the last look at it ended in, if it brought nothing."""
    due: float = math.inf
    """When its own single query is due; infinite while the list shows it."""
    in_flight: bool = False
    urgent: bool = False
    """Whether it must be looked at again as soon as the query under way is back."""
    listed: bool = False
    """Whether the last sweep showed it."""
    ended: bool = False
    told: set[JobStatus] = attrs.field(factory=set)

    @property
    def status(self) -> JobStatus | None:
        """The status that was told last."""
        return None if self.job is None else self.job.status

    @property
    def is_personal(self) -> bool:
        """Whether it needs a single query of its own whatever the list shows."""
        return self.candidate is not None or self.absence is not None or self.retries is not None

    def moves_to(self, status: JobStatus) -> bool:
        """Whether a reading of this status is news: not told yet, and not a step back."""
        if self.job is None:
            return True
        return status not in self.told and status.rank >= self.job.status.rank

    def move(self, job: Job) -> None:
        """Take the reading as the one that is told."""
        self.job = job
        self.told.add(job.status)
        self.candidate = None

    def seen(self) -> None:
        """Note that the server has it; a query that fails while it is to confirm an end goes on failing."""
        self.absence = None
        self.failure = None
        if self.candidate is None:
            self.retries = None


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
