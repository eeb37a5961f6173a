"""One watch: the jobs it was handed, what it has been told, how it ends.

Rule: every job ends in exactly one final change; what a consumer knows from before, out of a snapshot, is not
told again. The ledger is the only place that knows how a watch as a whole ends.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import attrs

from gespoll._errors import (
    EndUnconfirmed,
    ImportPartiallyFailed,
    JobError,
    JobNotFound,
    JobsFailed,
    JobVanished,
    SourceError,
    WaitTimeout,
    distinct_errors,
    error_of,
)
from gespoll._jobs import Job, JobRef, JobStatus, StateChange
from gespoll._observer import WaitStarted
from gespoll._scheduler._change_id import change_id, told_by, told_by_progress
from gespoll._scheduler._record import Key, Record
from gespoll._scheduler._standing import Standing, Stood, before, reports_of, standing
from gespoll._scheduler._view import Over, View
from gespoll._snapshot import End, OnFailure, leaves_open
from gespoll._tolerance import tolerates

_SPARE = 64


@attrs.define(eq=False)
class Expiry:
    """A deadline that has passed, and the jobs that get a last look."""

    since: float
    timeout: float
    is_whole: bool = False
    """Whether it is that of the whole watch."""
    records: list[Record[Ledger]] = attrs.field(factory=list)
    left: int = 0
    """How many of them have neither ended nor been looked at since."""


def _told_by_end(end: End) -> str | None:
    """Word what the last change of a job said; `None` where its end was not kept."""
    if isinstance(end, Job):
        return told_by(end.status, None)
    job = end.job if isinstance(end, JobError) else None
    return None if end is None else told_by(None if job is None else job.status, end)


def _since_1970(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


@attrs.define(eq=False)
class Ledger:
    """The books of one watch."""

    on_failure: OnFailure = "end"
    keeps_results: bool = True
    """Whether the ends of all refs are kept, for an error or an answer that holds them."""
    timeout: float | None = None
    job_timeout: float | None = None
    max_failed_lines: float | None = None
    """The lines, or where it is no int the share of them, that an import may lose without being an error."""
    max_open: int | None = None
    """The next ref is pulled only while fewer jobs than this are open."""
    progress: bool = False
    """Whether it is told how far jobs are, too."""
    open_count: int = 0
    """How many of its jobs have not ended."""
    changes: deque[StateChange] = attrs.field(factory=deque)
    """Changes told and not yet taken by the consumer."""
    takes_input: bool = True
    """Whether refs may still be added by the iterable it was given, or by `add`."""
    stopped_by: Exception | None = None
    """What ends it before all jobs have: a first failure, or the submitter's own error."""
    notify: Callable[[], None] = attrs.field(default=lambda: None)
    """Called whenever a change was told or the watch may be over."""
    moment: Callable[[float], datetime] = _since_1970
    """Returns the moment, aware, of seconds on the monotonic clock."""
    wait: WaitStarted = attrs.field(factory=lambda: WaitStarted(kind="watch"))
    """What is told of it to observers."""
    told: Callable[[StateChange], None] | None = None
    """Called with each change after it was taken in, where anybody observes."""
    cut: WaitTimeout | None = None
    """Set when the time was over before the input was."""
    deadlines: int = 0
    """How many deadlines of it are still to pass."""
    ends_at: float | None = None
    """When the time of the whole watch is over."""
    is_spent: bool = False
    """Whether that has come: what is handed in all the same gets one look."""
    overdue: dict[Key, float] = attrs.field(factory=dict)
    """When the own time of jobs was over that have not ended since."""
    _before: deque[tuple[Key, Sequence[JobStatus]]] = attrs.field(factory=deque)
    """For each of `changes` its job, and what was told of that before."""
    _moves: dict[Key, StateChange] = attrs.field(factory=dict)
    """How far jobs have come, not yet taken by the consumer: the latest of each. No snapshot knows of them."""
    _furthest: dict[Key, float] = attrs.field(factory=dict)
    """How far each open job was said to be at most."""
    _handed: list[Record[Ledger] | Key] = attrs.field(factory=list)
    _ended: dict[Key, Over] = attrs.field(factory=dict)
    """The jobs that have ended."""
    _dropped: set[Key] = attrs.field(factory=set)
    """Jobs in `_handed` that were discarded since."""
    _frozen: dict[Key, Standing] = attrs.field(factory=dict)
    """How jobs stood that are no longer told of: left open, or going on after the watch was stopped."""
    _known: dict[Key, list[JobStatus]] = attrs.field(factory=dict)
    """The jobs that came out of a snapshot, and the statuses that were told before or since."""
    _views: list[View] = attrs.field(factory=list)
    """Those that are being read."""
    _expiring: dict[Record[Ledger], tuple[Expiry, float]] = attrs.field(factory=dict)
    _spent: list[Expiry] = attrs.field(factory=list)
    _failed: bool = False

    @property
    def has_spent(self) -> bool:
        """Whether all last looks after a deadline were taken, and what is left is to be given up."""
        return bool(self._spent)

    @property
    def is_expiring(self) -> bool:
        """Whether any of its jobs gets a last look."""
        return bool(self._expiring)

    @property
    def is_over(self) -> bool:
        """Whether no further change can come."""
        return self.stopped_by is not None or (not self.takes_input and not self.open_count)

    # Which jobs

    def has_ended(self, key: Key) -> bool:
        """Whether a job that it was handed has ended; handed in again, it does not end again."""
        return key in self._ended

    def take_ended(self, key: Key, ref: JobRef) -> None:
        """Take in once more a job that has ended.

        Raises:
            ValueError: when it was handed in with another key.
        """
        ended = self._ended[key]
        if (named := _named(ended.ref, ref)) is not ended.ref:
            self._ended[key] = Over(named, ended.told, ended.end)
        if self.keeps_results and key not in self._known:
            self._handed.append(key)

    def take(self, record: Record[Ledger], ref: JobRef) -> bool:
        """Take a job in; tell whether it is a new one.

        Raises:
            ValueError: when it was handed in with another key.
        """
        known = record.ref_for(self)
        is_new = known is None
        if known is not None and (named := _named(known, ref)) is not known:
            self.keep(record)
            record.attach(self, named)
        if record.key in self._dropped:
            self._forget_dropped()
        if is_new:
            self.keep(record)
            record.attach(self, ref)
            self.open_count += 1
        if is_new or (self.keeps_results and record.key not in self._known):
            self._handed.append(record)
        return is_new

    def open_records(self) -> Iterator[Record[Ledger]]:
        """Go through the jobs that have not ended, in the order in which they were handed in."""
        for record in dict.fromkeys(self._handed):
            if isinstance(record, Record) and record.ref_for(self) is not None:
                yield record

    def pending(self) -> list[JobRef]:
        """List the refs whose jobs have not ended, in the order in which they were handed in."""
        return [ref for record in self.open_records() if (ref := record.ref_for(self)) is not None]

    def drop(self, record: Record[Ledger]) -> None:
        """Forget an open job: it gets no further change and no result."""
        key = record.key
        for kept in (self._known, self._frozen, self.overdue):
            kept.pop(key, None)
        untaken = [(told, change) for told, change in zip(self._before, self.changes, strict=True) if told[0] != key]
        self._before = deque(told for told, _ in untaken)
        self.changes = deque(change for _, change in untaken)
        self._dropped.add(key)
        self._let_go(record)
        if len(self._dropped) > self.open_count + _SPARE:
            self._forget_dropped()

    def _forget_dropped(self) -> None:
        handed = ((entry.key if isinstance(entry, Record) else entry, entry) for entry in self._handed)
        self._handed = [entry for key, entry in handed if key not in self._dropped]
        self._dropped.clear()

    def _let_go(self, record: Record[Ledger]) -> None:
        self._moves.pop(record.key, None)
        self._furthest.pop(record.key, None)
        self.keep(record)
        record.detach(self)
        self.open_count -= 1
        self._settle(record)
        if not self.keeps_results and len(self._handed) > 2 * self.open_count + _SPARE:
            self._handed = list(self.open_records())

    # Snapshots

    def know(self, key: Key, statuses: Iterable[JobStatus]) -> None:
        """Note what the consumer was given of a job before, out of a snapshot; it is not told again."""
        self._known[key] = list(statuses)

    def recall_end(self, key: Key, ref: JobRef, end: End) -> None:
        """Take in a job out of a snapshot that ended before: nothing more is told of it."""
        self._known[key] = []
        self._ended[key] = self._over(ref, _told_by_end(end), end)
        self._failed = self._failed or isinstance(end, Exception)
        if self.keeps_results:
            self._handed.append(key)

    def view(self) -> View:
        """Return the watch as its consumer knows it now; `close_view` is to follow once it was read."""
        view = View(
            list(self._handed),
            dict(self._ended),
            dict(self._frozen),
            list(self.changes),
            list(self._before),
            self._stood,
        )
        self._views.append(view)
        return view

    def close_view(self, view: View) -> None:
        """Keep nothing for a view any more."""
        if view in self._views:
            self._views.remove(view)

    def void_views(self) -> None:
        """Give up the views of a watch that is left."""
        for view in self._views:
            view.is_void = True
        self._views.clear()

    def keep(self, record: Record[Ledger]) -> None:
        """Let views keep how a job stands that is about to change."""
        for view in self._views:
            view.keep(record)

    def _stood(self, record: Record[Ledger]) -> Stood | None:
        """Return how an open job stands now, as far as this watch was told; `None` where it does not wait for it."""
        ref = record.ref_for(self)
        return None if ref is None else self._stands(record, ref)

    def _stands(self, record: Record[Ledger], ref: JobRef) -> Stood:
        known = self._known.get(record.key)
        told = tuple(known) if known else record.statuses
        return Stood(ref, told, self._last(record), record.profile, reports_of(record.evidence), record.added_at)

    def _standing(self, record: Record[Ledger]) -> Standing:
        """Tell how an open job stands now, as far as this watch was told."""
        return self._stands(record, record.ref_for(self) or record.ref).standing(record.key)

    def _told(self, record: Record[Ledger]) -> Sequence[JobStatus]:
        return self._known.get(record.key) or record.statuses

    def _last(self, record: Record[Ledger]) -> JobStatus | None:
        known = self._known.get(record.key)
        if known:
            return known[-1]
        return None if record.profile is None else record.profile.status

    def _freeze(
        self, record: Record[Ledger], ref: JobRef, previous: JobStatus | None, status: JobStatus | None
    ) -> None:
        """Keep how a job stood before the first change that is not told any more."""
        told = [each for each in self._told(record) if each is not status]
        stood = standing(record.key, ref, before(told, previous), record.profile, self._stands(record, ref))
        self._frozen.setdefault(record.key, stood)

    # What is told

    def tell(self, record: Record[Ledger], previous: JobStatus | None, job: Job, now: float) -> None:
        """Tell that a job now stands as `job` says; a terminal status ends it."""
        ref = record.ref_for(self)
        if ref is None:
            return
        self.keep(record)
        known = self._known.get(record.key)
        if known:
            if job.status in known or job.status.rank < known[-1].rank:
                return
            previous = known[-1]
        if self.stopped_by is not None:
            self._freeze(record, ref, previous, job.status)
            return
        told = [status for status in known or record.statuses if status is not job.status]
        if known:
            known.append(job.status)
        job = attrs.evolve(job, ref=ref) if job.ref is not ref else job
        self._append(record, ref, previous, job, error_of(job), is_final=job.status.is_terminal, now=now, told=told)

    def tell_error(self, record: Record[Ledger], job: Job | None, error: Exception, now: float) -> None:
        """Tell that a job can no longer be waited on, which stood last as `job` says.

        One that is not found has vanished where this watch had seen it.
        """
        ref = record.ref_for(self)
        if ref is None:
            return
        self.keep(record)
        last = self._last(record)
        if self.stopped_by is not None:
            self._freeze(record, ref, last, None)
            return
        known = self._standing(record).profile
        if known is None:
            job = None
        elif job is None or job.status is not known.status:
            job = known.job(ref)
        elif job.ref is not ref:
            job = attrs.evolve(job, ref=ref)
        if job is not None and isinstance(error, JobNotFound):
            error = JobVanished(ref, job, waited=error.waited, graph_missing=error.graph_missing)
        else:
            error = _about(ref, error)
        self._append(record, ref, last, job, error, is_final=True, now=now, told=self._told(record))

    def tell_progress(self, record: Record[Ledger], job: Job, now: float) -> None:
        """Tell that a job has come further in the status that was told last; an older reply takes it nowhere back.

        One change of each job waits to be taken, at most: the latest.
        """
        ref, status = record.ref_for(self), self._last(record)
        if ref is None or not self.progress or self.stopped_by is not None or job.status is not status:
            return
        if not self._advances(record.key, job):
            return
        self._moves.pop(record.key, None)  # the latest stands last
        self._moves[record.key] = StateChange(
            ref=ref,
            previous=status,
            status=status,
            job=attrs.evolve(job, ref=ref) if job.ref is not ref else job,
            is_final=False,
            observed_at=now,
            observed_time=self.moment(now),
            id=change_id(record.key, told_by_progress(self._furthest[record.key])),
        )
        self.notify()

    def _advances(self, key: Key, job: Job | None) -> bool:
        """Note how far a job is; return whether that is further than before."""
        if job is None or job.progress is None or job.progress <= self._furthest.get(key, -1.0):
            return False
        self._furthest[key] = job.progress
        return True

    def _append(
        self,
        record: Record[Ledger],
        ref: JobRef,
        previous: JobStatus | None,
        job: Job | None,
        error: Exception | None,
        *,
        is_final: bool,
        now: float,
        told: Sequence[JobStatus],
    ) -> None:
        status = None if job is None else job.status
        tolerated = isinstance(error, ImportPartiallyFailed) and self._tolerates(job)
        error = None if tolerated else error
        change = StateChange(
            ref=ref,
            previous=previous,
            status=status,
            job=job,
            error=error,
            is_final=is_final,
            tolerated=tolerated,
            observed_at=now,
            observed_time=self.moment(now),
            id=change_id(record.key, told_by(status, error)),
        )
        if self.progress:
            self._moves.pop(record.key, None)  # this one tells how far it is now
            self._advances(record.key, job)
        self.changes.append(change)
        self._before.append((record.key, told))
        if is_final:
            self._end(record, ref, job, error)
        if self.told is not None:
            self.told(change)
        self.notify()

    def _tolerates(self, job: Job | None) -> bool:
        return self.max_failed_lines is not None and job is not None and tolerates(self.max_failed_lines, job)

    def _end(self, record: Record[Ledger], ref: JobRef, job: Job | None, error: Exception | None) -> None:
        status = None if job is None else job.status
        self._ended[record.key] = self._over(ref, told_by(status, error), error or job)
        if leaves_open(error):
            self._frozen[record.key] = self._standing(record)
        else:
            self.overdue.pop(record.key, None)
        self._let_go(record)
        if error is not None:
            self._failed = True
            if self.on_failure == "first":
                self.stopped_by = error

    def _over(self, ref: JobRef, told: str | None, end: End) -> Over:
        return Over(ref, told, end if self.keeps_results else None)

    @property
    def waiting(self) -> int:
        """How many changes wait to be taken by the consumer."""
        return len(self.changes) + len(self._moves)

    def take_change(self) -> StateChange:
        """Give the next change to the consumer: of progress only where no status waits."""
        if not self.changes:
            return self._moves.pop(next(iter(self._moves)))
        self._before.popleft()
        return self.changes.popleft()

    # Deadlines

    def pass_deadline(self, records: Iterable[Record[Ledger]], at: float) -> None:
        """Note when the own time of some jobs was over."""
        self.overdue.update((record.key, at) for record in records if record.ref_for(self) is not None)

    def expire(
        self, records: Iterable[Record[Ledger]], timeout: float, now: float, *, whole: bool
    ) -> tuple[Expiry, list[Record[Ledger]]]:
        """Note that the time of some jobs is over; gives those that get a last look now.

        Args:
            records: the jobs.
            timeout: the budget that is spent, in seconds.
            now: seconds on the monotonic clock.
            whole: whether it is that of the whole watch; jobs that come late share the last looks that go on.
        """
        left = [each for each in records if each.ref_for(self) is not None and each not in self._expiring]
        going_on = (expiry for expiry, _ in self._expiring.values() if whole and expiry.is_whole)
        expiry = next(going_on, None) or Expiry(since=now, timeout=timeout, is_whole=whole)
        expiry.records += left
        expiry.left += len(left)
        self._expiring.update(dict.fromkeys(left, (expiry, now)))
        return expiry, left

    def to_be_polled(self) -> list[tuple[Expiry, list[Record[Ledger]]]]:
        """Return the jobs whose final poll was not taken, each with the deadline that has passed."""
        left: dict[Expiry, list[Record[Ledger]]] = {}
        for record, (expiry, _) in self._expiring.items():
            left.setdefault(expiry, []).append(record)
        return list(left.items())

    def looked(self, record: Record[Ledger], sent_at: float) -> None:
        """Note that a job was looked at by a request sent at `sent_at`."""
        if record in self._expiring and sent_at >= self._expiring[record][1]:
            self._settle(record)

    def _settle(self, record: Record[Ledger]) -> None:
        found = self._expiring.pop(record, None) if self._expiring else None
        if found is not None:
            expiry = found[0]
            expiry.left -= 1
            if not expiry.left:
                self._spent.append(expiry)

    def take_spent(self) -> list[Expiry]:
        """Give the deadlines whose last looks have all been taken."""
        spent, self._spent = self._spent, []
        return spent

    def timeout_of(
        self, expiry: Expiry, failure: Callable[[Record[Ledger]], Exception | None]
    ) -> tuple[WaitTimeout, list[Record[Ledger]]]:
        """Make the error for what the last looks left open, and list what that is."""
        left = {record: ref for record in expiry.records if (ref := record.ref_for(self)) is not None}
        statuses = {ref: self._last(record) for record, ref in left.items()}
        last_failure = next((error for record in left if (error := failure(record)) is not None), None)
        unconfirmed = [ref for record, ref in left.items() if record.evidence is not None and record.evidence.ends]
        return WaitTimeout(expiry.timeout, statuses, last_failure=last_failure, unconfirmed=unconfirmed), list(left)

    def cut_input(self, timeout: float) -> None:
        """Take no more input, because the time of the whole watch is over."""
        self.is_spent = True
        if self.takes_input:
            self.takes_input = False
            self.cut = WaitTimeout(timeout, {})
            self.notify()

    # How it ends

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
        keys = (entry.key if isinstance(entry, Record) else entry for entry in self._handed)
        ended = [over.end for key in keys if (over := self._ended.get(key)) is not None]
        return [end for end in ended if end is not None]

    def outcome(self) -> Exception | None:
        """Tell what the watch raises now that it is over, after its last change was taken."""
        if self.stopped_by is not None:
            return self.stopped_by
        if self.on_failure != "end":
            return None
        return outcome_of(self.results()) if self._failed else self.cut


def _about(ref: JobRef, error: Exception) -> Exception:
    """Return an error that is about one job, with what this watch calls it; another one as it is."""
    if isinstance(error, JobError) and error.ref is not ref:
        error = copy.copy(error)
        error.ref = ref
        error.job = _called(ref, error.job)
    if isinstance(error, SourceError) and [each.job_id for each in error.pending] == [ref.job_id]:
        error = error.with_pending((ref,))
    if isinstance(error, EndUnconfirmed) and error.job is not None and error.job.ref is not ref:
        error = copy.copy(error)
        error.job = _called(ref, error.job)
    return error


def _called(ref: JobRef, job: Job | None) -> Job | None:
    return job if job is None or job.ref is ref else attrs.evolve(job, ref=ref)


def _named(known: JobRef, ref: JobRef) -> JobRef:
    """Return what to call a job that is handed in again: as before, with the key where only now there is one.

    Raises:
        ValueError: when it has another key now.
    """
    if ref.key is None or ref.key == known.key:
        return known
    if known.key is None:
        return JobRef(known.job_id, known.graph, ref.key)
    raise ValueError(
        f"job {ref} was handed in with two keys, {known.key!r} and {ref.key!r}: a job has one key in a watch"
    )


def outcome_of(results: list[Job | Exception]) -> Exception | None:
    """Tell what many results raise together.

    One error that is no job's own but shared, such as a timeout or a source out of reach, is raised bare; timeouts
    of one budget are one.
    """
    errors = distinct_errors(results)
    if len(errors) == 1 and not isinstance(errors[0], JobError):
        return errors[0]
    timeouts = [error for error in errors if isinstance(error, WaitTimeout)]
    if errors and len(timeouts) == len(errors) and len({error.timeout for error in timeouts}) == 1:
        return _joined(timeouts)
    return JobsFailed(results) if errors else None


def _joined(timeouts: list[WaitTimeout]) -> WaitTimeout:
    last_seen = {ref: status for error in timeouts for ref, status in error.last_seen.items()}
    failure = next((error.last_failure for error in timeouts if error.last_failure is not None), None)
    unconfirmed = [ref for error in timeouts for ref in error.unconfirmed]
    return WaitTimeout(timeouts[0].timeout, last_seen, last_failure=failure, unconfirmed=unconfirmed)
