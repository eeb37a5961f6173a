"""One watch: the refs it was handed, what it has been told, how it ends.

Rule: every ref ends in exactly one final change, and changes are numbered in the order in which
they are told. The ledger is the only place that knows how a watch as a whole ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

import attrs

from gespoll._errors import JobError, JobsFailed, WaitTimeout, distinct_errors, error_of
from gespoll._jobs import Job, JobRef, JobStatus, StateChange

OnFailure = Literal["end", "first", "never"]
Key = tuple[str, str]
"""Scope and job id: what makes two refs the same job."""


@attrs.define(eq=False)
class Expiry:
    """A deadline that has passed, and the jobs that get a last look."""

    since: float
    timeout: float
    keys: list[Key]
    left: int
    """How many of them have neither ended nor been looked at since."""


@attrs.define(eq=False)
class Ledger:
    """The books of one watch."""

    on_failure: OnFailure = "end"
    keeps_results: bool = True
    """Whether the ends of all refs are kept, for an error or an answer that holds them."""
    timeout: float | None = None
    job_timeout: float | None = None
    open: dict[Key, JobRef] = attrs.field(factory=dict)
    changes: deque[StateChange] = attrs.field(factory=deque)
    """Changes told and not yet taken by the consumer."""
    takes_input: bool = True
    """Whether refs may still be added by the iterable it was given, or by `add`."""
    stopped_by: Exception | None = None
    """What ends it before all jobs have: a first failure, or the submitter's own error."""
    notify: Callable[[], None] = attrs.field(default=lambda: None)
    """Called whenever a change was told or the watch may be over."""
    cut: WaitTimeout | None = None
    """Set when the time was over before the input was."""
    deadlines: int = 0
    """How many deadlines of it are still to pass."""
    _expiring: dict[Key, Expiry] = attrs.field(factory=dict)
    _spent: list[Expiry] = attrs.field(factory=list)
    _last: dict[Key, Job] = attrs.field(factory=dict)
    _ended: dict[Key, Job | Exception | None] = attrs.field(factory=dict)
    _order: list[Key] = attrs.field(factory=list)
    _sequence: int = 0
    _failed: bool = False

    @property
    def has_spent(self) -> bool:
        """Whether all last looks after a deadline were taken, and what is left is to be given up."""
        return bool(self._spent)

    @property
    def is_over(self) -> bool:
        """Whether no further change can come."""
        return self.stopped_by is not None or (not self.takes_input and not self.open)

    def take(self, key: Key, ref: JobRef) -> bool:
        """Take a ref in; tell whether it is a new one."""
        if self.keeps_results:
            self._order.append(key)
        if key in self.open or key in self._ended:
            return False
        self.open[key] = ref
        return True

    def drop(self, key: Key) -> None:
        """Forget an open ref: it gets no further change and no result."""
        del self.open[key]
        self._last.pop(key, None)
        self._settle(key)

    def tell(self, key: Key, job: Job, now: float) -> None:
        """Tell that a job now stands as `job` says; a terminal status ends it."""
        ref = self.open.get(key)
        if ref is None or self.stopped_by is not None:
            return
        job = attrs.evolve(job, ref=ref) if job.ref is not ref else job
        error = error_of(job)
        self._append(key, ref, job, error, is_final=job.status.is_terminal, now=now)

    def tell_error(self, key: Key, error: Exception, now: float) -> None:
        """Tell that a job can no longer be waited on."""
        ref = self.open.get(key)
        if ref is not None and self.stopped_by is None:
            self._append(key, ref, self._last.get(key), error, is_final=True, now=now)

    def _append(
        self, key: Key, ref: JobRef, job: Job | None, error: Exception | None, *, is_final: bool, now: float
    ) -> None:
        earlier = self._last.get(key)
        self._sequence += 1
        self.changes.append(
            StateChange(
                ref=ref,
                previous=None if earlier is None else earlier.status,
                status=None if job is None else job.status,
                job=job,
                error=error,
                is_final=is_final,
                observed_at=now,
                sequence=self._sequence,
            )
        )
        if is_final:
            self._end(key, job, error)
        elif job is not None:
            self._last[key] = job
        self.notify()

    def _end(self, key: Key, job: Job | None, error: Exception | None) -> None:
        del self.open[key]
        self._last.pop(key, None)
        self._ended[key] = (error or job) if self.keeps_results else None
        self._settle(key)
        if error is not None:
            self._failed = True
            if self.on_failure == "first":
                self.stopped_by = error

    def status_of(self, key: Key) -> JobStatus | None:
        """Tell the last status told of an open ref."""
        last = self._last.get(key)
        return None if last is None else last.status

    def expire(self, keys: Iterable[Key], timeout: float, now: float) -> Expiry | None:
        """Note that the time of some refs is over; they get a last look. `None` when there is none to give."""
        left = [key for key in keys if key in self.open and key not in self._expiring]
        if not left:
            return None
        expiry = Expiry(since=now, timeout=timeout, keys=left, left=len(left))
        self._expiring.update(dict.fromkeys(left, expiry))
        return expiry

    def looked(self, key: Key, sent_at: float) -> None:
        """Note that a job was looked at by a request sent at `sent_at`."""
        expiry = self._expiring.get(key)
        if expiry is not None and sent_at >= expiry.since:
            self._settle(key)

    def _settle(self, key: Key) -> None:
        expiry = self._expiring.pop(key, None)
        if expiry is not None:
            expiry.left -= 1
            if not expiry.left:
                self._spent.append(expiry)

    def give_up_spent(self, now: float, failure: Exception | None) -> list[Key]:
        """End what is open although every last look at it has been taken; gives what was."""
        given_up: list[Key] = []
        while self._spent:
            given_up += self.give_up(self._spent.pop(), now, failure)
        return given_up

    def give_up(self, expiry: Expiry, now: float, failure: Exception | None) -> list[Key]:
        """End what the last looks left open in one `WaitTimeout`; gives what was left open."""
        left = [key for key in expiry.keys if key in self.open]
        last_seen = {self.open[key]: self.status_of(key) for key in left}
        error = WaitTimeout(expiry.timeout, last_seen, last_failure=failure)
        for key in left:
            self.tell_error(key, error, now)
        return left

    def cut_input(self, timeout: float) -> None:
        """Take no more input, because the time of the whole watch is over."""
        if self.takes_input:
            self.takes_input = False
            self.cut = WaitTimeout(timeout, {})
            self.notify()

    def stop(self, error: Exception) -> None:
        """End the watch before its jobs have; what was told before is still delivered."""
        if not self.is_over:
            self.stopped_by = error
            self.notify()

    def close_input(self) -> None:
        """Take no more refs: the watch is over when all it has have ended."""
        self.takes_input = False
        self.notify()

    def results(self) -> list[Job | Exception]:
        """Give the end of every ref, in the order of refs, duplicates at both places."""
        return [result for key in self._order if (result := self._ended.get(key)) is not None]

    def outcome(self) -> Exception | None:
        """Tell what the watch raises now that it is over, after its last change was taken."""
        if self.stopped_by is not None:
            return self.stopped_by
        if self.on_failure != "end":
            return None
        return outcome_of(self.results()) if self._failed else self.cut


def outcome_of(results: list[Job | Exception]) -> Exception | None:
    """Tell what many results raise together.

    One error that is no job's own but shared, such as a timeout or a source out of reach, is raised bare.
    """
    errors = distinct_errors(results)
    if len(errors) == 1 and not isinstance(errors[0], JobError):
        return errors[0]
    return JobsFailed(results) if errors else None
