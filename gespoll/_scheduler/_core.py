"""The sans-I/O core: what a reply changes, who is told, what is finished.

Rule: no `await`, no clock, no request. The poller asks `next_request(now)`, sends it, and hands what
came of it to `record(request, outcome, now)`; deadlines pass when `pass_deadlines(now)` is called.
What to ask for next is `_observation`'s business, how a watch ends is `_ledger`'s.
"""

from __future__ import annotations

import heapq
import logging
import math
import random
from collections.abc import Iterable, Iterator, Sequence

import attrs

from gespoll._errors import (
    GespollError,
    JobNotFound,
    SourceError,
    Throttled,
)
from gespoll._jobs import Job, JobRef, JobStatus, status_of_word
from gespoll._pacing import Hit, Hold, Outage, RequestBudget, hit_of, is_answer
from gespoll._scheduler._ledger import Expiry, Ledger
from gespoll._scheduler._listing import Listing
from gespoll._scheduler._memory import Clocks, profile_in, written
from gespoll._scheduler._observation import Scope
from gespoll._scheduler._queries import Queries
from gespoll._scheduler._record import MISSES_AT_LEAST, Absence, Key, Profile, Record, merged, profile_of
from gespoll._scheduler._requests import Get, Request, Window
from gespoll._scheduler._settings import Settings
from gespoll._scheduler._statistics import Explanation, Statistics, Tally
from gespoll._scheduler._sweep import Sweep
from gespoll._snapshot import Entry, Snapshot
from gespoll._source import CredentialsRenewed, JobSource, ListingSource, ListWindow

_logger = logging.getLogger("gespoll")

Outcome = Job | ListWindow | GespollError | CredentialsRenewed
"""What came of a request: a reading, or the error it ended in."""
LAST_LOOK_AT_MOST = 30.0
"""Seconds that a last look may take after a deadline, at most."""
FIRST_PATIENCE = 60.0
"""Seconds after which a service that never answered is given up."""
_PROFILES_KEPT = 10_000


@attrs.frozen(order=True)
class _Deadline:
    at: float
    number: int
    ledger: Ledger = attrs.field(order=False)
    records: tuple[Record[Ledger], ...] | None = attrs.field(order=False)
    timeout: float = attrs.field(order=False)
    last_look: Expiry | None = attrs.field(order=False, default=None)


class Scheduler:
    """All open jobs of a poller, all watches on them, and the request budget they share."""

    def __init__(self, source: JobSource, settings: Settings, rng: random.Random) -> None:
        self._source = source
        self._settings = settings
        self._rng = rng
        self._budget = RequestBudget(settings.max_per_second)
        self._scopes: dict[str, Scope] = {}
        self._deadlines: list[_Deadline] = []
        self._numbers = 0
        self._stale = 0
        self._unknown_words: set[str] = set()
        self._suspects: set[Window] = set()
        self._profiles: dict[Profile, Profile] = {}
        self._expiring: dict[Ledger, None] = {}
        self._last_readings: dict[Key, Job] = {}
        self._tally = Tally()
        self.fatal: Exception | None = None

    # Watches

    def key(self, ref: JobRef) -> Key:
        """Tell what makes two refs the same job.

        Raises:
            ValueError: when the source cannot look at such a ref.
        """
        self._source.check(ref)
        return self._source.scope(ref), ref.job_id

    def check(self, snapshot: Snapshot) -> None:
        """Refuse a snapshot of jobs that the source cannot look at, or that would be other jobs here.

        Raises:
            ValueError: when it is of another source.
        """
        for entry in snapshot.jobs:
            if not entry.ended:
                self._source.check(entry.ref)
            there, here = snapshot.scope_of(entry), self._source.scope(entry.ref)
            if there != here and not (entry.ended and entry.graph is None and not here):  # whose graph is not kept
                raise ValueError(
                    f"this snapshot is of another source: its job {entry.ref} belongs to {there!r}, and here to "
                    f"{here!r}; resume it with a poller of the same project and plane"
                )

    def open(self, ledger: Ledger, now: float) -> None:
        """Start the clock of a watch, at its end if that is known already."""
        if ledger.timeout is not None:
            ledger.ends_at = now + ledger.timeout if ledger.ends_at is None else ledger.ends_at
            self._set_deadline(ledger.ends_at, ledger, None, ledger.timeout)

    def join(self, ledger: Ledger, refs: Iterable[JobRef], now: float) -> None:
        """Hand jobs to a watch; a job that another watch follows is told as it stands."""
        keyed = [(self.key(ref), ref) for ref in refs]
        joined = [record for key, ref in keyed if (record := self._join(ledger, key, ref, now)) is not None]
        if joined and ledger.job_timeout is not None:
            self._set_deadline(now + ledger.job_timeout, ledger, tuple(joined), ledger.job_timeout)
        if joined and ledger.is_spent:
            self._look_last(ledger, joined, ledger.timeout or 0.0, now, whole=True)

    def _join(
        self, ledger: Ledger, key: Key, ref: JobRef, now: float, entry: Entry | None = None
    ) -> Record[Ledger] | None:
        """Hand one job to a watch, out of a snapshot or not; gives its record if the watch did not have it."""
        if ledger.has_ended(key):
            ledger.take_ended(key, ref)
            return None
        scope = self._scope(key[0])
        record: Record[Ledger] | None = scope.records.get(key[1])
        if record is None:
            record = Record(ref, key[0], now)
            if entry is not None and (profile := profile_in(entry)) is not None:
                record.recall(entry.statuses, self._shared(profile))
            ledger.take(record, ref)
            scope.add(record, now)
            if scope.listing.refusal is not None:
                self._end_listed_only(scope, scope.listing.refusal, now)
            return record
        if record.graph is None and ref.graph is not None:
            scope.queries.locate(record, ref.graph)
        if not ledger.take(record, ref):
            return None
        if record.job is not None:
            ledger.tell(record, None, record.job, now)
        return record

    def written(self, ledger: Ledger, clocks: Clocks) -> Snapshot:
        """Write down how a watch stands, as far as its consumer knows."""
        deadlines = ledger.overdue | {
            record.key: deadline.at
            for deadline in (self._deadlines if ledger.job_timeout is not None else ())
            if deadline.ledger is ledger
            for record in deadline.records or ()
        }
        return written(ledger, deadlines, clocks)

    def recall(self, ledger: Ledger, snapshot: Snapshot, entries: Iterable[Entry], clocks: Clocks) -> None:
        """Hand jobs out of a snapshot to a watch, which then knows of them what its consumer knew."""
        timed: dict[float, list[Record[Ledger]]] = {}
        for entry in entries:
            key = snapshot.scope_of(entry), entry.job_id
            if entry.ended:
                ledger.recall_end(key, entry.ref, entry.end())
                continue
            ledger.know(key, entry.statuses)
            record = self._join(ledger, key, entry.ref, clocks.at, entry)
            if record is not None and ledger.job_timeout is not None:
                at = clocks.at + ledger.job_timeout if entry.deadline is None else clocks.time(entry.deadline)
                timed.setdefault(at, []).append(record)
        for at, records in timed.items():
            self._set_deadline(at, ledger, tuple(records), ledger.job_timeout or 0.0)

    def discard(self, ledger: Ledger, key: Key, now: float) -> bool:
        """Let a watch forget a job; tell whether nobody waits for it now."""
        scope = self._scopes.get(key[0])
        record = None if scope is None else scope.records.get(key[1])
        if record is None or record.ref_for(ledger) is None:
            return False
        ledger.drop(record)
        self._give_up_spent([ledger], now)
        return self._let_go(record)

    def leave(self, ledger: Ledger) -> None:
        """Let a watch go, and the jobs that nobody else waits for."""
        ledger.takes_input = False
        self._drop_deadlines(ledger)
        for record in list(ledger.open_records()):
            record.detach(ledger)
            self._let_go(record)
        self._stop_expiring(ledger)

    def _let_go(self, record: Record[Ledger]) -> bool:
        """Forget a job if nobody waits for it any more; tell whether that is so."""
        if record.has_ended:
            self._scopes[record.scope].remove(record)
        return record.has_ended

    def is_wanted(self, request: Request) -> bool:
        """Whether anybody still waits for what a request under way will tell."""
        records = self._scopes[request.scope].records
        return request.job_id in records if isinstance(request, Get) else bool(records)

    # Requests

    def next_due(self) -> float:
        """Tell when the next request may leave; infinite when there is none."""
        due = min((scope.next_due() for scope in self._scopes.values()), default=math.inf)
        return max(due, self._budget.ready_at)

    def next_request(self, now: float) -> Request | None:
        """Give a request that may leave now, and count it as sent; `None` when there is none.

        Deadlines that have come pass first, so that no look is taken just before its last one.
        """
        if self.next_deadline() <= now:
            self.pass_deadlines(now)
        if self._budget.ready_at > now:
            return None
        scopes = self._scopes.values()
        for scope in scopes if len(scopes) == 1 else sorted(scopes, key=Scope.next_due):
            request = scope.next_request(now)
            if request is not None:
                self._budget.spend(now)
                self._tally.sent(request)
                return request
        return None

    def ref_of(self, request: Get) -> JobRef:
        """Tell which job a single query is about, in the graph where it can be found."""
        return JobRef(request.job_id, request.graph)

    def wants(self, request: Window, ids: Sequence[str], words: Sequence[str | None]) -> list[int]:
        """Tell which list entries are wanted whole, of some with these ids and status words."""
        scope = self._scopes[request.scope]
        find = scope.records.get
        everything = bool(self._expiring)
        wanted = []
        for at, (record, word) in enumerate(zip(map(find, ids), words, strict=True)):
            if record is None or not word:
                continue
            profile = record.profile
            if profile is None or profile.word != word or record.care is not None or everything:
                wanted.append(at)
        if scope.ends:
            self._suspect(scope, request, ids, words)
        return wanted

    def _suspect(self, scope: Scope, request: Window, ids: Sequence[str], words: Sequence[str | None]) -> None:
        """Note whether a list tells as open what single queries told long ago to have ended."""
        for job_id, word in zip(ids, words, strict=True):
            if word and scope.contradicts(job_id, request.sent_at) and not status_of_word(word).is_terminal:
                self._suspects.add(request)

    def abandon(self, request: Request, now: float) -> None:
        """Take back a request that was cancelled before it brought anything."""
        if isinstance(request, Window):
            self._suspects.discard(request)
        self._scopes[request.scope].again(request)

    def record(self, request: Request, outcome: Outcome, now: float) -> None:
        """Take in what came of a request, all at once; see `taking_in`."""
        for _ in self.taking_in(request, outcome, now):
            pass

    def taking_in(self, request: Request, outcome: Outcome, now: float) -> Iterator[None]:
        """Take in what came of a request; a long list in slices, between which anything else may happen.

        Args:
            request: as `next_request` gave it.
            outcome: the reading, or the error it ended in.
            now: seconds on the monotonic clock.
        """
        scope = self._scopes[request.scope]
        if isinstance(request, Window) and not isinstance(outcome, ListWindow):
            self._suspects.discard(request)
        if isinstance(outcome, CredentialsRenewed):
            for each in self._scopes.values():
                each.listing.renewed()
            scope.again(request)
        elif isinstance(outcome, SourceError):
            self._failed(scope, request, outcome, now)
        else:
            self._budget.answered()
            scope.answered(request)
            if isinstance(request, Window):
                yield from self._read_window(scope, request, outcome, now)
            else:
                self._read_single(scope, request, outcome, now)

    # Readings

    def _read_single(self, scope: Scope, request: Get, outcome: object, now: float) -> None:
        record = scope.returned(request)
        if record is None:
            return
        if isinstance(outcome, JobNotFound):
            self._missed(scope, record, request, outcome, now)
        elif isinstance(outcome, Job):
            if record.care is not None:
                record.care.retries = None
            was_candidate = record.candidate is not None
            if request.graph is not None and outcome.related_graph is not None:
                scope.queries.learn_graph(outcome.related_graph, request.graph)
            reading = outcome if outcome.name is not None else merged(outcome, record.candidate or record.job)
            self._observe(scope, record, reading, now, listed=False)
            if record.has_ended:
                scope.ends.add(request.job_id, now)
            else:
                self._plan_next(scope, record, now, confirming=was_candidate)
        self._looked([record], request.sent_at, now)

    def _plan_next(self, scope: Scope, record: Record[Ledger], now: float, *, confirming: bool) -> None:
        if record.candidate is None:
            scope.queried(record, now)
        elif confirming:
            scope.queries.again(record, now)
        else:
            scope.queries.first(record)

    def _read_window(self, scope: Scope, request: Window, outcome: object, now: float) -> Iterator[None]:
        if not isinstance(outcome, ListWindow):
            return
        jobs = {job.ref.job_id: job for job in outcome.jobs}
        for places in scope.read(request, outcome, now):
            told = [record for _, record in places if record.care is not None or (jobs and record.ref.job_id in jobs)]
            for record in told:
                self._read_entry(scope, record, jobs.get(record.ref.job_id), now)
            if self._expiring:
                self._looked([record for _, record in places], request.sent_at, now)
            yield
        sweep = scope.end_page(request, outcome, now)
        if sweep is not None:
            self._end_sweep(scope, sweep, now)
        if request in self._suspects:
            self._suspects.discard(request)
            scope.distrust(now)

    def _read_entry(self, scope: Scope, record: Record[Ledger], job: Job | None, now: float) -> None:
        if record.has_ended:
            return
        if job is None:
            record.was_seen()
        else:
            self._read_record(scope, record, job, now)
        if record.place is None and not record.has_ended:
            scope.queries.in_turn(record, now)  # the list was left meanwhile, and shows it no more

    def _read_record(self, scope: Scope, record: Record[Ledger], job: Job, now: float) -> None:
        if record.graph is None and (graph := scope.queries.graph_of(job.related_graph)) is not None:
            scope.queries.locate(record, graph)
        was_candidate = record.candidate is not None
        self._observe(scope, record, attrs.evolve(job, ref=record.ref), now, listed=True)
        if record.candidate is not None and not was_candidate:
            scope.queries.first(record)
            if self._expiring and not scope.queries.can_be_queried(record):
                scope.listing.hurry()  # only the list can confirm it

    def _observe(self, scope: Scope, record: Record[Ledger], job: Job, now: float, *, listed: bool) -> None:
        """Take a reading in: tell it, keep it for confirmation, or pass it over."""
        record.was_seen()
        if not record.moves_to(job.status):
            if self._expiring and record.profile is not None and job.status is record.profile.status:
                self._last_readings[record.key] = job
            return
        confirmed = record.candidate is not None and (not listed or record.graph is None)
        if job.status.is_terminal and not confirmed and self._needs_query(job, listed=listed):
            record.cared().candidate = job
            return
        self._tell(scope, record, job, now)

    def _needs_query(self, job: Job, *, listed: bool) -> bool:
        """Whether a terminal reading leaves out what a single query may tell (rule 3)."""
        if job.status is JobStatus.SUCCESS:
            return self._source.confirms_imports and job.is_import is not False and not job.tells_files
        explains = self._source.explains_failures and listed
        return explains and job.status is JobStatus.FAILED and job.fail_reason is None

    def _tell(self, scope: Scope, record: Record[Ledger], job: Job, now: float) -> None:
        if job.status is JobStatus.UNKNOWN and job.reported_status not in self._unknown_words:
            self._unknown_words.add(job.reported_status)
            _logger.warning(
                "job %s has status %r, which no API document names; it is waited on", record.ref, job.reported_status
            )
        previous = None if record.profile is None else record.profile.status
        if job.status.is_terminal:
            self._tally.ended_job(job.lag.total_seconds() if job.lag is not None and previous is not None else None)
        record.move(self._shared(profile_of(job)))
        watching = record.waiting()
        for ledger, _ in watching:
            ledger.tell(record, previous, job, now)
        if job.status.is_terminal:
            self._forget(scope, record)
        self._give_up_spent([ledger for ledger, _ in watching], now)

    def _shared(self, profile: Profile) -> Profile:
        """Give the one profile that all jobs share which agree in it."""
        if len(self._profiles) > _PROFILES_KEPT:
            self._profiles.clear()
        return self._profiles.setdefault(profile, profile)

    def _forget(self, scope: Scope, record: Record[Ledger]) -> None:
        record.watchers = None
        scope.remove(record)
        self._last_readings.pop(record.key, None)

    def _end(self, scope: Scope, record: Record[Ledger], error: Exception, now: float) -> None:
        watching = record.waiting()
        for ledger, _ in watching:
            ledger.tell_error(record, self._last_job(record), error, now)
        self._forget(scope, record)
        self._give_up_spent([ledger for ledger, _ in watching], now)

    def _last_job(self, record: Record[Ledger]) -> Job | None:
        return self._last_readings.get(record.key) or record.job

    def _looked(self, records: Iterable[Record[Ledger]], sent_at: float, now: float) -> None:
        """Note which jobs have had their last look; one whose end is yet to be confirmed has not."""
        looked = [record for record in records if record.candidate is None] if self._expiring else []
        for ledger in list(self._expiring):
            for record in looked:
                ledger.looked(record, sent_at)
        self._give_up_spent(list(self._expiring), now)

    def _give_up_spent(self, ledgers: Iterable[Ledger], now: float) -> None:
        """Stop looking for watches whose last looks have all been taken."""
        for ledger in [ledger for ledger in ledgers if ledger.has_spent]:
            for expiry in ledger.take_spent():
                self._give_up_expired(ledger, expiry, now)

    def _give_up_expired(self, ledger: Ledger, expiry: Expiry, now: float) -> None:
        """End what the last looks after a deadline left open, all in one error."""
        error, left = ledger.timeout_of(expiry, self._failure_of(ledger))
        for record in left:
            ledger.tell_error(record, self._last_job(record), error, now)
            self._let_go(record)
        if not ledger.is_expiring:
            self._stop_expiring(ledger)

    def _stop_expiring(self, ledger: Ledger) -> None:
        self._expiring.pop(ledger, None)
        if not self._expiring:
            self._last_readings.clear()

    def _failure_of(self, ledger: Ledger) -> Exception | None:
        """Tell what kept the first job of a watch that was not seen from being seen."""
        return next((record.failure for record in ledger.open_records() if record.failure is not None), None)

    # Absence

    def _missed(self, scope: Scope, record: Record[Ledger], request: Get, error: JobNotFound, now: float) -> None:
        care = record.cared()
        care.retries = None
        care.failure = error
        if care.candidate is not None:
            self._denied(scope, record, care.candidate, now)
            return
        if record.ref.graph is None and scope.has_readable_list:
            scope.queries.locate(record, None)
            scope.queried(record, now)
            return
        absence = care.absence = care.absence or Absence(since=now)
        absence.misses += 1
        absence.graph_missing = error.graph_missing
        waited = request.sent_at - absence.since
        if absence.misses >= MISSES_AT_LEAST and waited >= self._settings.not_found_grace:
            self._end_absent(scope, record, absence, now)
        elif error.graph_missing and scope.has_readable_list:
            scope.queries.locate(record, None)
            scope.listing.begin_rounds(now)
        else:
            scope.queries.again(record, now)

    def _denied(self, scope: Scope, record: Record[Ledger], candidate: Job, now: float) -> None:
        """Take an end that the list told, and single queries deny again and again, as the list told it."""
        care = record.cared()
        care.denials += 1
        if care.denials >= MISSES_AT_LEAST:
            self._tell(scope, record, candidate, now)
        else:
            scope.queries.again(record, now)

    def _end_absent(self, scope: Scope, record: Record[Ledger], absence: Absence, now: float) -> None:
        waited = now - absence.since
        error = JobNotFound(record.ref, record.job, waited=waited, graph_missing=absence.graph_missing)
        self._end(scope, record, error, now)

    def _end_sweep(self, scope: Scope, sweep: Sweep, now: float) -> None:
        if sweep.is_complete:
            for record in self._listed_only(scope, sweep):
                self._lacked(scope, record, sweep, now)
            self._looked(list(self._listed_only(scope, sweep)), sweep.started_at, now)
        else:
            for record in self._listed_only(scope, sweep):
                scope.queries.locate(record, record.ref.graph)
        scope.listing.end_sweep(sweep, now)

    def _listed_only(self, scope: Scope, sweep: Sweep) -> Iterator[Record[Ledger]]:
        """Go through the jobs that only the list can show and a walk did not; the end of one may end another."""
        for job_id in sorted(scope.queries.listed_only & sweep.missing):
            record = scope.records.get(job_id)
            if record is not None:
                yield record

    def _lacked(self, scope: Scope, record: Record[Ledger], sweep: Sweep, now: float) -> None:
        """Note that a complete sweep lacked a job that only the list can show."""
        care = record.cared()
        absence = care.absence = care.absence or Absence(since=now)
        absence.sweeps += 1
        if absence.sweeps > 1 and sweep.started_at - absence.since >= self._settings.not_found_grace:
            self._end_absent(scope, record, absence, now)

    # Failures

    def _failed(self, scope: Scope, request: Request, error: SourceError, now: float) -> None:
        self._tally.failed(error)
        if isinstance(error, Throttled):
            self._throttled(scope, request, error, now)
        hit = hit_of(error, listing=isinstance(request, Window))
        if is_answer(error):
            scope.answered(request)
        elif hit is Hit.DELAY and scope.outage.failed(error, request.sent_at, now):
            alone = isinstance(request, Window) and scope.can_query
            hit = Hit.DELAY if alone else Hit.SCOPE
        if hit is Hit.SOURCE:
            self.give_up(error, now)
        elif hit is Hit.SCOPE:
            self._give_up_scopes([scope], error, now)
            scope.outage.since = None
        elif isinstance(request, Window):
            self._list_failed(scope, request, error, hit, now)
        else:
            self._query_failed(scope, request, error, hit, now)

    def _throttled(self, scope: Scope, request: Request, error: Throttled, now: float) -> None:
        """Slow down what the limit is for: one kind of request, or all where the server does not say."""
        pace = scope.listing.pace if isinstance(request, Window) else scope.queries.pace
        (pace if error.policy == "api" else self._budget).throttled(error, request.sent_at, now)

    def _list_failed(self, scope: Scope, request: Window, error: SourceError, hit: Hit, now: float) -> None:
        if hit is Hit.LIST:
            if scope.window_refused(request, error, now):
                self._end_listed_only(scope, error, now)
            return
        scope.hold.failed(error, request.sent_at, now)
        scope.listing.failed(request, now)
        if self._expiring:
            self._list_not_seen(scope, request, error, now)

    def _list_not_seen(self, scope: Scope, request: Window, error: SourceError, now: float) -> None:
        """Let a failed window be the last look at the jobs that only the list can show."""
        left = [record for job_id in sorted(scope.queries.listed_only) if (record := scope.records.get(job_id))]
        for record in left:
            record.cared().failure = error
        self._looked(left, request.sent_at, now)

    def _end_listed_only(self, scope: Scope, error: SourceError, now: float) -> None:
        """End the jobs that only the list can show, which may not be read."""
        for record in [record for record in scope.records.values() if record.graph is None]:
            advised = error.with_pending(())
            advised.detail = f"{error.detail}; give graph= to query job {record.ref} by itself"
            self._end(scope, record, advised, now)

    def _query_failed(self, scope: Scope, request: Get, error: SourceError, hit: Hit, now: float) -> None:
        if hit is Hit.DELAY:
            scope.hold.failed(error, request.sent_at, now)
        record = scope.returned(request)
        if record is None:
            return
        record.cared().failure = error
        if hit is Hit.DELAY:
            scope.queries.retry(record, now)
        elif record.candidate is not None and record.candidate.status is not JobStatus.SUCCESS:
            self._tell(scope, record, record.candidate, now)
        elif record.place is not None and record.candidate is None:
            scope.queried(record, now)
        else:
            self._end(scope, record, error, now)
        self._looked([record], request.sent_at, now)

    def give_up(self, error: Exception, now: float) -> None:
        """End all open jobs with an error that leaves no hope for any, now or later."""
        self.fatal = error
        self._give_up_scopes(list(self._scopes.values()), error, now)

    def _give_up_scopes(self, scopes: list[Scope], error: Exception, now: float) -> None:
        hit: dict[Ledger, list[Record[Ledger]]] = {}
        records: list[Record[Ledger]] = [record for scope in scopes for record in scope.records.values()]
        for record in records:
            for ledger, _ in record.waiting():
                hit.setdefault(ledger, []).append(record)
        for ledger, left in hit.items():
            refs = [ref for record in left if (ref := record.ref_for(ledger)) is not None]
            named = error.with_pending(refs) if isinstance(error, SourceError) else error
            for record in left:
                ledger.tell_error(record, self._last_job(record), named, now)
        for record in records:
            self._forget(self._scopes[record.scope], record)

    # What is told of it

    def statistics(self) -> Statistics:
        """Tell what was done so far."""
        scopes = [scope for scope in self._scopes.values() if scope.records]
        return self._tally.statistics(
            open_jobs=sum(len(scope.records) for scope in scopes),
            rate=min([self._budget.rate, *(scope.rate for scope in scopes)]),
            period=max((scope.period for scope in scopes), default=self._settings.interval),
        )

    def explain(self, ref: JobRef, now: float) -> Explanation | None:
        """Tell how a job is looked at; `None` when nobody waits for it."""
        scope_name, job_id = self.key(ref)
        scope = self._scopes.get(scope_name)
        record: Record[Ledger] | None = None if scope is None else scope.records.get(job_id)
        if scope is None or record is None:
            return None
        due, reason = scope.explain(record, now)
        if self._budget.ready_at > max(due, now) and self._budget.rate < self._budget.ceiling:
            due, reason = self._budget.ready_at, f"the service throttled: {self._budget.rate:.3g} requests/s are sent"
        shown = "query" if record.place is None else "list"
        return Explanation(
            ref=ref,
            status=None if record.profile is None else record.profile.status,
            seen_by=None if record.profile is None else shown,
            last_look=None if record.profile is None else scope.last_look(record, now),
            next_look=max(due - now, 0.0),
            reason=reason,
        )

    # Deadlines

    def next_deadline(self) -> float:
        """Tell when the next deadline passes; infinite when there is none."""
        return self._deadlines[0].at if self._deadlines else math.inf

    def pass_deadlines(self, now: float) -> None:
        """Let the deadlines pass that have come: a last look first, then the end."""
        passed: dict[tuple[Ledger, float], list[Record[Ledger]]] = {}
        while self._deadlines and self._deadlines[0].at <= now:
            deadline = heapq.heappop(self._deadlines)
            if not deadline.ledger.deadlines:
                self._stale -= 1
                continue
            deadline.ledger.deadlines -= 1
            if deadline.last_look is not None:
                self._give_up_expired(deadline.ledger, deadline.last_look, now)
            elif deadline.records is not None:
                deadline.ledger.pass_deadline(deadline.records, deadline.at)
                passed.setdefault((deadline.ledger, deadline.timeout), []).extend(deadline.records)
            else:
                deadline.ledger.cut_input(deadline.timeout)
                self._look_last(deadline.ledger, deadline.ledger.open_records(), deadline.timeout, now, whole=True)
        for (ledger, timeout), records in passed.items():  # together, so that the list may show them
            self._look_last(ledger, records, timeout, now)

    def _look_last(
        self, ledger: Ledger, records: Iterable[Record[Ledger]], timeout: float, now: float, *, whole: bool = False
    ) -> None:
        """Look once more at jobs whose time is over, before that ends them."""
        expiry, left = ledger.expire(records, timeout, now, whole=whole)
        if not left:
            return
        self._expiring[ledger] = None
        patience = min(self._settings.request_timeout, LAST_LOOK_AT_MOST)
        if len(expiry.records) == len(left):  # it is a new one
            self._set_deadline(now + patience, ledger, None, timeout, expiry)
        for name, scope in self._scopes.items():
            here = [record for record in left if record.scope == name]
            if here:
                scope.look_now(here, now)

    def _drop_deadlines(self, ledger: Ledger) -> None:
        """Forget the deadlines of a watch that is left, many at a time, so that each costs little."""
        self._stale += ledger.deadlines
        ledger.deadlines = 0
        if self._stale * 2 > len(self._deadlines):
            self._deadlines = [deadline for deadline in self._deadlines if deadline.ledger.deadlines]
            heapq.heapify(self._deadlines)
            self._stale = 0

    def _set_deadline(
        self,
        at: float,
        ledger: Ledger,
        records: tuple[Record[Ledger], ...] | None,
        timeout: float,
        expiry: Expiry | None = None,
    ) -> None:
        self._numbers += 1
        ledger.deadlines += 1
        heapq.heappush(self._deadlines, _Deadline(at, self._numbers, ledger, records, timeout, expiry))

    def _scope(self, name: str) -> Scope:
        if name not in self._scopes:
            settings, rate = self._settings, self._settings.max_per_second
            has_list = isinstance(self._source, ListingSource)
            queries = Queries(name, has_list, settings.interval, self._rng, RequestBudget(rate))
            listing = Listing(queries, RequestBudget(rate))
            outage = Outage(settings.outage_timeout, FIRST_PATIENCE)
            self._scopes[name] = Scope(queries, listing, Hold(self._rng), outage)
        return self._scopes[name]
