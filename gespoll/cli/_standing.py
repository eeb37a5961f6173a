"""How the jobs of a wait stand.

Rule: it counts and remembers, and neither waits nor prints. What it costs to ask does not grow with the jobs.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator

import attrs

from gespoll import Job, JobCancelled, JobError, JobRef, JobStatus, StateChange, WaitTimeout
from gespoll.cli._exit import ExitStatus, status_of
from gespoll.cli._kept import KeptJob

_Key = tuple[str | None, str]

SUCCEEDED, TOLERATED, PARTLY, FAILED, CANCELLED, NOT_FOUND, OPEN = (
    "succeeded",
    "tolerated",
    "partly_failed",
    "failed",
    "cancelled",
    "not_found",
    "open",
)
OUTCOMES = (SUCCEEDED, TOLERATED, PARTLY, FAILED, CANCELLED, NOT_FOUND, OPEN)
"""What may have become of a job; each is in exactly one of these."""
_OUTCOME_OF = {
    ExitStatus.SUCCEEDED: SUCCEEDED,
    ExitStatus.PARTLY_FAILED: PARTLY,
    ExitStatus.FAILED: FAILED,
    ExitStatus.NOT_FOUND: NOT_FOUND,
}


@attrs.frozen
class Trouble:
    """A job that has ended otherwise than well."""

    ref: JobRef
    job: Job | None
    error: Exception


class Standing:
    """The state of all jobs, fed by changes.

    Args:
        started_at: when the wait began, on the event loop's clock.
        per_graph: whether the same id in two graphs means two jobs.
    """

    def __init__(self, started_at: float, *, per_graph: bool) -> None:
        self.started_at = started_at
        self.bad: list[Trouble] = []
        """The jobs that have ended otherwise than well."""
        self.unsettled: list[StateChange] = []
        """The last changes of those that were given up open."""
        self.statuses: set[ExitStatus] = set()
        """What the ends seen so far make of the wait."""
        self._per_graph = per_graph
        self._open: dict[_Key, tuple[JobRef, JobStatus | None]] = {}
        self._known: set[_Key] = set()
        self._counts: Counter[JobStatus | None] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._running: list[tuple[float, int, _Key]] = []
        self._noted = 0

    def expect(self, ref: JobRef) -> None:
        """Count a job in, from before it was first seen."""
        key = self._key(ref)
        if key not in self._known:
            self._known.add(key)
            self._open[key] = ref, None
            self._counts[None] += 1

    def take(self, change: StateChange) -> None:
        """Take a change in."""
        self.expect(change.ref)
        key = self._key(change.ref)
        _, before = self._open[key]
        self._counts[before] -= 1
        self._counts[change.status] += 1
        self._open[key] = change.ref, change.status
        if change.is_final:
            self._end(key, change)
        elif change.status is JobStatus.RUNNING and before is not JobStatus.RUNNING:
            self._note_running(key, _began_at(change))

    def recall(self, job: KeptJob) -> None:
        """Take in a job as an earlier process left it."""
        self.expect(job.ref)
        key = self._key(job.ref)
        self._counts[None] -= 1
        self._counts[job.status] += 1
        self._open[key] = job.ref, job.status
        if job.end is not None:
            self._settle(key, job.end, job.error, tolerated=job.was_tolerated)
        elif job.status is JobStatus.RUNNING:
            self._note_running(key, self.started_at)

    def _note_running(self, key: _Key, began_at: float) -> None:
        self._noted += 1
        heapq.heappush(self._running, (began_at, self._noted, key))

    def recall_troubles(self, ends: Iterable[Job | Exception]) -> None:
        """Take in, with their details, the jobs that had ended badly in an earlier process."""
        known = {trouble.error for trouble in self.bad}
        earlier = [end for end in ends if isinstance(end, JobError) and end not in known]
        self.bad[:0] = [Trouble(error.ref, error.job, error) for error in earlier]

    def _end(self, key: _Key, change: StateChange) -> None:
        status = status_of(change)
        if _OUTCOME_OF.get(status) is None or isinstance(change.error, WaitTimeout):
            self.statuses.add(status)
            self.unsettled.append(change)
            return
        self._settle(key, status, None if change.error is None else type(change.error), tolerated=change.tolerated)
        if change.error is not None:
            self.bad.append(Trouble(change.ref, change.job, change.error))

    def _settle(self, key: _Key, status: ExitStatus, error: type[Exception] | None, *, tolerated: bool) -> None:
        self.statuses.add(status)
        del self._open[key]
        cancelled = error is not None and issubclass(error, JobCancelled)
        self._outcomes[CANCELLED if cancelled else TOLERATED if tolerated else _OUTCOME_OF[status]] += 1

    def _key(self, ref: JobRef) -> _Key:
        return (ref.graph if self._per_graph else None), ref.job_id

    @property
    def total(self) -> int:
        """How many jobs there are."""
        return len(self._known)

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.total - len(self._open)

    def by_status(self) -> dict[JobStatus | None, int]:
        """Count the jobs by how they stand; `None` for those that were never seen."""
        return {status: number for status, number in self._counts.items() if number}

    def outcomes(self) -> dict[str, int]:
        """Count the jobs by what has become of them."""
        return {**{name: self._outcomes[name] for name in OUTCOMES}, OPEN: len(self._open)}

    def open_jobs(self) -> list[tuple[JobRef, JobStatus | None]]:
        """List the jobs that have not ended, and how they stood last."""
        return list(self._open.values())

    def longest_running(self, number: int) -> list[tuple[JobRef, float]]:
        """List the jobs that have run longest, and since when, on the event loop's clock."""
        top = list(self._pop_running(number))
        for entry in top:
            heapq.heappush(self._running, entry)
        return [(self._open[key][0], began_at) for began_at, _, key in top]

    def _pop_running(self, number: int) -> Iterator[tuple[float, int, _Key]]:
        """Take the first entries from the heap, and forget those of jobs that run no longer."""
        while self._running and number:
            entry = heapq.heappop(self._running)
            if self._open.get(entry[2], (None, None))[1] is JobStatus.RUNNING:
                number -= 1
                yield entry


def _began_at(change: StateChange) -> float:
    """Tell when a running job began, on the event loop's clock, as far as the service says."""
    job = change.job
    if job is None or job.begin_time is None or job.as_of is None:
        return change.observed_at
    return change.observed_at - max((job.as_of - job.begin_time).total_seconds(), 0.0)
