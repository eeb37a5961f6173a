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
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs
import msgspec

from gespoll._errors import (
    EndUnconfirmed,
    GespollError,
    JobNotFound,
    ServiceUnavailable,
    SourceError,
    Throttled,
    TransportError,
)
from gespoll._jobs import Job, JobRef, JobStatus
from gespoll._pacing import Hit, Hold, Outage, RequestBudget, hit_of, is_answer
from gespoll._scheduler._evidence import Channel, Evidence
from gespoll._scheduler._explanation import Explanation, reports
from gespoll._scheduler._judge import Judge
from gespoll._scheduler._latest import Latest
from gespoll._scheduler._ledger import Expiry, Ledger
from gespoll._scheduler._listing import LIST_FROM, Listing
from gespoll._scheduler._memory import Clocks, Writing, profile_in, recall
from gespoll._scheduler._observation import Leave, Scope
from gespoll._scheduler._queries import Queries
from gespoll._scheduler._record import Key, Profile, Record, merged, of_known_kind, profile_of
from gespoll._scheduler._requests import Get, Request, Window
from gespoll._scheduler._scan import Scan
from gespoll._scheduler._settings import Settings
from gespoll._scheduler._slots import ChannelKey, Slots
from gespoll._scheduler._statistics import Statistics, Tally
from gespoll._scheduler._verdict import Line, Phase, Verdict
from gespoll._scheduler._verify import Verify
from gespoll._scheduler._verify_by_list import VerifyByList
from gespoll._snapshot import Entry, Snapshot
from gespoll._source import CredentialsRenewed, JobSource, ListingSource, ListWindow

_logger = logging.getLogger("gespoll")

Outcome = Job | ListWindow | GespollError | CredentialsRenewed
"""What came of a request: a reading, or the error it ended in."""
LAST_LOOK_AT_MOST = 30.0
"""Seconds within which the final poll after a deadline must leave and be answered, at most (rule 11)."""
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
        self._reviews: list[tuple[float, int, Record[Ledger]]] = []
        self._judges = Judge(source, settings, rng, self._review)
        self._numbers = 0
        self._stale = 0
        self._unknown_words: set[str] = set()
        self._profiles: dict[Profile, Profile] = {}
        self._expiring: dict[Ledger, None] = {}
        self._slots = Slots(settings.max_at_once, settings.interval)
        self._blocked: set[ChannelKey] = set()
        self._latest = Latest()
        self._writings: list[Writing] = []
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
        if ledger.progress and ledger not in scope.followers:
            scope.followers.add(ledger)
            self._adapt_list(scope)
        record: Record[Ledger] | None = scope.records.get(key[1])
        if record is None:
            record = Record(ref, key[0], now)
            if entry is not None and (profile := profile_in(entry)) is not None:
                record.recall(entry.statuses, self._shared(profile))
            ledger.take(record, ref)
            scope.add(record, now)
            if entry is None:
                self._judge_joined(scope, record, now)
            return record
        if record.graph is None and ref.graph is not None:
            scope.queries.locate(record, ref.graph, is_learned=False)
        if not ledger.take(record, ref):
            return None
        if record.job is not None:
            ledger.tell(record, None, record.job, now)
        return record

    def _adapt_list(self, scope: Scope) -> None:
        """Let the list serve one job alone where somebody follows its progress, and only the list tells that."""
        scope.listing.serves_from = 1 if self._lists_progress(scope) else LIST_FROM

    def _lists_progress(self, scope: Scope) -> bool:
        return bool(scope.followers) and self._source.tells_progress(scope.queries.scope)

    def _judge_joined(self, scope: Scope, record: Record[Ledger], now: float) -> None:
        """Decide about a job that joins, where that can matter already, or will at a known time."""
        if not scope.queries.can_be_queried(record) and not scope.listing.is_readable:
            self._judge(scope, record, now)
        elif self._settings.pending_timeout is not None:
            joined_at = record.added_at if record.evidence is None else record.evidence.first_joined_at
            self._review_at(record, max(joined_at + self._settings.pending_timeout, now))

    def writing(self, ledger: Ledger, clocks: Clocks) -> Writing:
        """Begin to write down how a watch stands, as far as its consumer knows; `end_writing` is to follow."""
        deadlines = list(self._deadlines) if ledger.job_timeout is not None else []
        writing = Writing(ledger, clocks, _deadlines_of(ledger, deadlines))
        self._writings.append(writing)
        return writing

    def end_writing(self, writing: Writing) -> None:
        """Keep nothing for a snapshot any more that was written, or never will be."""
        self._writings.remove(writing)
        writing.ledger.close_view(writing.view)

    def _touch(self, record: Record[Ledger]) -> None:
        """Let snapshots that are being written keep how a job stands that is about to change."""
        if self._writings:
            for ledger, _ in record.waiting():
                ledger.keep(record)

    def _reported(self, record: Record[Ledger]) -> Evidence:
        """Return what was reported of a job, to be changed."""
        self._touch(record)
        return record.reported()

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
            self._recall_evidence(key, entry, clocks)
            if record is not None and ledger.job_timeout is not None:
                at = clocks.at + ledger.job_timeout if entry.deadline is None else clocks.time(entry.deadline)
                timed.setdefault(at, []).append(record)
        for at, records in timed.items():
            self._set_deadline(at, ledger, tuple(records), ledger.job_timeout or 0.0)

    def _recall_evidence(self, key: Key, entry: Entry, clocks: Clocks) -> None:
        """Take in what was reported of a job before its snapshot was taken, and decide from that."""
        scope = self._scope(key[0])
        record: Record[Ledger] | None = scope.records.get(key[1])
        if record is None:
            return
        if entry.tells_more or (entry.joined is not None and self._settings.pending_timeout is not None):
            recall(self._reported(record), entry, clocks)
            self._judge(scope, record, clocks.at)
        if not record.has_ended:
            self._judge_joined(scope, record, clocks.at)

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
        ledger.void_views()
        self._drop_deadlines(ledger)
        for record in list(ledger.open_records()):
            record.detach(ledger)
            self._let_go(record)
        self._stop_expiring(ledger)
        for scope in self._scopes.values() if ledger.progress else ():
            scope.followers.discard(ledger)
            self._adapt_list(scope)

    def _let_go(self, record: Record[Ledger]) -> bool:
        """Forget a job if nobody waits for it any more; tell whether that is so."""
        if record.has_ended:
            self._scopes[record.scope].remove(record)
            self._latest.forget(record.key)
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
        self._block_what_hangs(now)
        scopes = self._scopes.values()
        for scope in scopes if len(scopes) == 1 else sorted(scopes, key=Scope.next_due):
            request = scope.next_request(now)
            if request is not None:
                return self._sent(request, now)
        idle = min(scopes, key=Scope.verification_due, default=None)
        request = None if idle is None else idle.next_to_verify(now)
        return None if request is None else self._sent(request, now)

    def _block_what_hangs(self, now: float) -> None:
        """Let the last slot to channels that answer, or were never asked (rule 18)."""
        blocked = self._slots.blocked(now)
        for name, is_list in blocked ^ self._blocked:
            self._scopes[name].block(is_list=is_list, is_blocked=(name, is_list) in blocked)
        self._blocked = blocked

    def next_giving_up(self) -> float:
        """Return when a request that hangs is to be given up, as far as is known; infinite while a slot is free."""
        at = self._slots.next_time()
        return max(at, self.next_due()) if at < math.inf else math.inf

    def give_up_hanging(self, now: float) -> Request | None:
        """Return the request that has hung for longest, where another channel is kept waiting by it."""
        self._block_what_hangs(now)
        return self._slots.give_up(now) if self.next_due() <= now else None

    def _sent(self, request: Request, now: float) -> Request:
        self._budget.spend(now)
        self._slots.take(request)
        self._tally.sent(request)
        return request

    def ref_of(self, request: Get) -> JobRef:
        """Tell which job a single query is about, in the graph where it can be found."""
        return JobRef(request.job_id, request.graph)

    def wants(self, request: Window, ids: Sequence[str], words: Sequence[str | None]) -> list[int]:
        """Tell which list entries are wanted whole, of some with these ids and status words."""
        scope = self._scopes[request.scope]
        find = scope.records.get
        everything = bool(self._expiring)
        tells_files = self._source.tells_files(request.scope) == Channel.LIST.value
        wanted = []
        for at, (record, word) in enumerate(zip(map(find, ids), words, strict=True)):
            if record is None or not word:
                continue
            is_first = not record.is_shown or (tells_files and record.place is None)
            profile = record.profile
            if is_first or profile is None or profile.word != word or record.care is not None or everything:
                wanted.append(at)
        extra: set[int] = set()
        if scope.verify.compares:
            extra = {at for at, job_id in enumerate(ids) if words[at] and scope.verify.wants(job_id)}
        if self._lists_progress(scope):
            extra |= {at for at, job_id in enumerate(ids) if words[at] and _is_followed(find(job_id))}
        return sorted(extra.union(wanted)) if extra else wanted

    def abandon(self, request: Request, now: float) -> None:
        """Take back a request that was cancelled before it brought anything."""
        self._slots.free(request)
        self._block_what_hangs(now)
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
        self._slots.free(request)
        if not isinstance(outcome, TransportError):
            self._slots.heard(request, now)
        self._block_what_hangs(now)
        if isinstance(outcome, CredentialsRenewed):
            for each in self._scopes.values():
                each.renewed()
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

    # What replies brought

    def _read_single(self, scope: Scope, request: Get, outcome: object, now: float) -> None:
        record = scope.returned(request)
        if record is None:
            return
        if isinstance(outcome, JobNotFound):
            self._reported(record).deny_by_query(now, graph_missing=outcome.graph_missing)
            if outcome.graph_missing:
                scope.queries.forget_graph(record)
            self._judge_queried(scope, record, now)
        elif isinstance(outcome, Job):
            if request.graph is not None and outcome.related_graph is not None:
                scope.queries.learn_graph(outcome.related_graph, request.graph)
            if record.profile is not None and outcome.status.rank > record.profile.status.rank:
                scope.verify.note_move(request.job_id, outcome.status, now)
            self._observe(scope, record, merged(outcome, record.job), Channel.QUERY, now)
            self._judge_queried(scope, record, now)
        self._looked([record], Channel.QUERY, request.sent_at, now)

    def _judge_queried(self, scope: Scope, record: Record[Ledger], now: float) -> None:
        """Decide how a job stands whose query is back, and plan the next."""
        if record.has_ended:
            scope.keep_in_view(record, now)
            return
        if record.evidence is not None:
            self._judge(scope, record, now)
        if not record.has_ended and not record.is_personal:
            scope.queried(record, now)

    def _read_window(self, scope: Scope, request: Window, outcome: object, now: float) -> Iterator[None]:
        if not isinstance(outcome, ListWindow):
            return
        jobs = {job.ref.job_id: job for job in outcome.jobs}
        for places in scope.read(request, outcome, now):
            for record in [record for _, record in places if self._says_more(record, jobs, outcome)]:
                self._read_entry(scope, record, jobs.get(record.ref.job_id), outcome, now)
            if self._expiring:
                self._looked([record for _, record in places], Channel.LIST, request.sent_at, now)
            yield
        self._adapt_list(scope)
        scan = scope.end_page(request, outcome, now)
        if scan is not None:
            self._end_scan(scope, scan, now)
        if scope.verify.compare(outcome.jobs, request.sent_at, now):
            scope.distrust(now)

    def _says_more(self, record: Record[Ledger], jobs: Mapping[str, Job], window: ListWindow) -> bool:
        """Whether an entry may say something else than that an ordinary job stands as before."""
        if record.care is not None:
            return True
        return (bool(jobs) and record.ref.job_id in jobs) or (
            bool(window.unread) and record.ref.job_id in window.unread
        )

    def _read_entry(
        self, scope: Scope, record: Record[Ledger], job: Job | None, window: ListWindow, now: float
    ) -> None:
        if record.has_ended:
            return
        if record.ref.job_id in window.unread:
            if scope.believes_list(record, now):
                self._reported(record).sight(now)
                self._judge(scope, record, now)
        elif (shown := job or (None if record.evidence is None else record.job)) is not None:
            self._read_record(scope, record, shown, now)
        if record.place is None and not record.has_ended:
            scope.queries.in_turn(record, now)  # the list was left meanwhile, and shows it no more

    def _read_record(self, scope: Scope, record: Record[Ledger], job: Job, now: float) -> None:
        if record.graph is None and (graph := scope.queries.graph_of(job.related_graph)) is not None:
            scope.queries.locate(record, graph)
        had_evidence = record.evidence is not None
        self._observe(scope, record, attrs.evolve(job, ref=record.ref), Channel.LIST, now)
        if not record.has_ended and (had_evidence or record.evidence is not None):
            self._judge(scope, record, now)

    def _observe(self, scope: Scope, record: Record[Ledger], job: Job, channel: Channel, now: float) -> None:
        """Take in a status that a channel reported: emit it if it is news, and keep it where it may matter later."""
        is_believed = channel is Channel.QUERY or scope.believes_list(record, now)
        if not is_believed and not job.status.is_terminal:
            if record.evidence is not None or job.bad_files or record.profile is None:
                self._reported(record).show_disbelieved(channel, job, now)
            return
        self._touch(record)
        record.shown_at = now
        job = of_known_kind(job, record.profile)
        is_stuck = job.status is JobStatus.UNKNOWN and job.end_time is not None
        if record.evidence is not None or job.status.is_terminal or job.bad_files or is_stuck:
            record.reported().show(channel, job, now, self._settings.between_reports)
        if job.status.is_terminal:
            self._judge(scope, record, now)
        elif record.moves_to(job.status):
            self._tell(scope, record, job, now)
        else:
            self._note_kind(record, job)
            for ledger, _ in record.waiting() if scope.followers else ():
                ledger.tell_progress(record, job, now)
        if not record.has_ended and record.profile is not None and job.status is record.profile.status:
            self._latest.keep(record.key, job, all_of_them=bool(self._expiring))

    def _note_kind(self, record: Record[Ledger], job: Job) -> None:
        """Keep of a status that is no news whether the job is an import."""
        profile = record.profile
        if profile is not None and profile.is_import is None and job.is_import is not None:
            record.profile = self._shared(msgspec.structs.replace(profile, is_import=job.is_import))

    # Verdicts

    def _judge(self, scope: Scope, record: Record[Ledger], now: float, lost: SourceError | None = None) -> None:
        """Decide how a job stands: end it, or plan what is asked next."""
        if not record.has_ended:
            self._touch(record)
            self._follow(scope, record, self._judges.decide(scope, record, now, lost), now)

    def _follow(self, scope: Scope, record: Record[Ledger], verdict: Verdict, now: float) -> None:
        if verdict.phase is not Phase.ENDED:
            self._judges.plan(scope, record, verdict, now)
            record.forget_care()
        elif verdict.line is Line.SILENT and verdict.error is not None:
            self._end_silent(scope, record, verdict.error, now)
        elif verdict.job is not None:
            self._end_as_reported(scope, record, verdict.job, now, is_unconfirmed=verdict.is_unconfirmed)
        elif verdict.error is not None:
            self._end(scope, record, verdict.error, now)

    def _end_as_reported(
        self, scope: Scope, record: Record[Ledger], job: Job, now: float, *, is_unconfirmed: bool
    ) -> None:
        job = merged(job, record.job)
        if is_unconfirmed:
            _logger.warning("job %s ended as %s, which nothing confirmed", record.ref, job.status.value)
        if self._is_refused(job):
            detail = f"job {record.ref} was reported as {job.reported_status}, and nothing confirmed its files"
            self._end(scope, record, EndUnconfirmed(detail, job=job), now)
        else:
            self._tell(scope, record, job, now)

    def _is_refused(self, job: Job) -> bool:
        """Whether a success is none for the caller, since nothing confirmed it: `unconfirmed="raise"`."""
        return job.status is JobStatus.SUCCESS and not job.confirmed and self._settings.unconfirmed == "raise"

    def _review(self, record: Record[Ledger], at: float) -> None:
        """Decide about a job again at a time."""
        if at < math.inf:
            self._numbers += 1
            heapq.heappush(self._reviews, (at, self._numbers, record))

    def _review_at(self, record: Record[Ledger], at: float) -> None:
        record.cared().review_at = at
        self._review(record, at)

    def _pass_reviews(self, now: float) -> None:
        while self._reviews and self._reviews[0][0] <= now:
            at, _, record = heapq.heappop(self._reviews)
            if record.care is not None and record.care.review_at == at and not record.has_ended:
                record.care.review_at = math.inf
                self._judge(self._scopes[record.scope], record, now)

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
        self._latest.forget(record.key)

    def _end(self, scope: Scope, record: Record[Ledger], error: Exception, now: float) -> None:
        watching = record.waiting()
        for ledger, _ in watching:
            ledger.tell_error(record, self._last_job(record), error, now)
        self._forget(scope, record)
        self._give_up_spent([ledger for ledger, _ in watching], now)

    def _last_job(self, record: Record[Ledger]) -> Job | None:
        return self._latest.of(record.key) or record.job

    def _looked(self, records: Iterable[Record[Ledger]], channel: Channel, sent_at: float, now: float) -> None:
        """Note which jobs have had their last look; one whose end is yet to be confirmed has not."""
        if not self._expiring:
            return
        for record in records:
            if self._is_polled_out(record, channel, now):
                for ledger in self._expiring:
                    ledger.looked(record, sent_at)
        self._give_up_spent(list(self._expiring), now)

    def _is_polled_out(self, record: Record[Ledger], channel: Channel, now: float) -> bool:
        """Whether a final poll was by the channel that can say more of an end; else that is asked next."""
        scope = self._scopes[record.scope]
        fuller = None if record.has_ended else self._judges.confirming_channel(scope, record)
        if fuller is None or (fuller is channel and self._judges.was_tried_since_report(scope, record, fuller)):
            return True
        if fuller is Channel.QUERY:
            scope.queries.first(record)
        else:
            scope.listing.hunt(record, now)
            scope.listing.hurry()
        return False

    def _give_up_spent(self, ledgers: Iterable[Ledger], now: float) -> None:
        """Stop looking for watches whose last looks have all been taken."""
        for ledger in [ledger for ledger in ledgers if ledger.has_spent]:
            for expiry in ledger.take_spent():
                self._give_up_expired(ledger, expiry, now)

    def _give_up_expired(self, ledger: Ledger, expiry: Expiry, now: float) -> None:
        """End what the last looks after a deadline left open, all in one error."""
        for record in list(expiry.records):
            self._end_at_deadline(ledger, record, now)
        error, left = ledger.timeout_of(expiry, self._failure_of)
        for record in left:
            ledger.tell_error(record, self._last_job(record), error, now)
            self._let_go(record)
        if not ledger.is_expiring:
            self._stop_expiring(ledger)

    def _end_at_deadline(self, ledger: Ledger, record: Record[Ledger], now: float) -> None:
        """End a job for a watch whose time is over, where an end was reported that can be relied on by then."""
        if record.ref_for(ledger) is None:
            return
        verdict = self._judges.decide_at_deadline(self._scopes[record.scope], record, now)
        if verdict is not None and verdict.job is not None and not self._is_refused(verdict.job):
            ledger.tell(record, None if record.profile is None else record.profile.status, verdict.job, now)
            self._let_go(record)

    def _stop_expiring(self, ledger: Ledger) -> None:
        self._expiring.pop(ledger, None)
        if not self._expiring:
            self._latest.trim()

    def _failure_of(self, record: Record[Ledger]) -> Exception | None:
        """Return what the last poll of a job ended in, if it brought nothing, or that it is denied."""
        evidence, scope = record.evidence, self._scopes[record.scope]
        denials = None if evidence is None else evidence.by_query.denials or evidence.by_list.denials
        if record.failure is not None:
            return record.failure
        if denials is not None:
            waited = denials.last - denials.first
            return JobNotFound(record.ref, record.job, waited=waited, graph_missing=denials.graph_missing)
        return scope.listing.failure if scope.queries.depends_on_list(record) else None

    # Scans

    def _end_scan(self, scope: Scope, scan: Scan, now: float) -> None:
        """Take in that a scan is over, for the jobs that it was for and did not show."""
        left = []
        for record in self._denied_by(scope, scan, now):
            if scan.is_complete and scope.believes_list(record, now):
                self._reported(record).deny_by_scan(scan.started_at)
            else:
                self._reported(record).incomplete_scan(scan.started_at)
            left.append(record)
            self._judge(scope, record, now)
        self._looked(left, Channel.LIST, scan.started_at, now)
        scope.listing.end_scan(scan, now)

    def _denied_by(self, scope: Scope, scan: Scan, now: float) -> list[Record[Ledger]]:
        """List the jobs to which it matters that a scan lacked them; of a stale list also those that it showed."""
        if not scan.is_complete and not scan.to_the_end:
            return []
        job_ids = set(scan.lacked)
        if scope.listing.is_stale(now):
            job_ids |= scope.queries.needs_list
        found = (scope.records.get(job_id) for job_id in sorted(job_ids))
        return [each for each in found if each and (each.evidence or scope.queries.depends_on_list(each))]

    # Failures

    def _failed(self, scope: Scope, request: Request, error: SourceError, now: float) -> None:
        self._tally.failed(error)
        if isinstance(error, Throttled):
            self._throttled(scope, request, error, now)
        hit = hit_of(error, listing=isinstance(request, Window))
        is_over = False
        scope.hold.asked(error, now)
        if is_answer(error):
            scope.answered(request)
        elif hit is Hit.DELAY:
            scope.hold.failed(error, request.sent_at, now)
            is_over = scope.outage.failed(error, request.sent_at, now)
        if hit is Hit.SOURCE:
            self.give_up(error, now)
        elif hit is Hit.SCOPE:
            self._give_up_scopes([scope], error, now)
            scope.outage.rest()
        elif isinstance(request, Window):
            self._list_failed(scope, request, error, hit, now)
        else:
            self._query_failed(scope, request, error, hit, now)
        if is_over and not (isinstance(request, Window) and scope.can_query):
            self._judge_all(scope, scope.records.values(), now)
        if self._expiring and isinstance(error, Throttled | ServiceUnavailable):
            self._poll_last_again(now)

    def _throttled(self, scope: Scope, request: Request, error: Throttled, now: float) -> None:
        """Slow down what the limit is for: one kind of request, or all where the server does not say."""
        pace = scope.listing.pace if isinstance(request, Window) else scope.queries.pace
        (pace if error.policy == "api" else self._budget).throttled(error, request.sent_at, now)

    def _list_failed(self, scope: Scope, request: Window, error: SourceError, hit: Hit, now: float) -> None:
        scope.verify_by_list.lost(request)
        if hit is Hit.LIST:
            if scope.window_refused(request, error, now):
                self._judge_dependents(scope, now)
            return
        scope.listing.page_failed(request, error, now)
        scope.listing.failed(request, error, now)
        if now - scope.listing.suspect_since >= (scope.outage.limit or math.inf):
            self._judge_dependents(scope, now)
        if self._expiring:
            self._looked(self._listed_only(scope), Channel.LIST, request.sent_at, now)

    def _listed_only(self, scope: Scope) -> list[Record[Ledger]]:
        return [record for job_id in sorted(scope.queries.listed_only) if (record := scope.records.get(job_id))]

    def _judge_dependents(self, scope: Scope, now: float) -> None:
        """Decide about the jobs for which it matters whether the list can be asked."""
        depends = scope.queries.depends_on_list
        self._judge_all(scope, [each for each in scope.records.values() if depends(each) or each.evidence], now)

    def _query_failed(self, scope: Scope, request: Get, error: SourceError, hit: Hit, now: float) -> None:
        record = scope.returned(request)
        if record is None:
            return
        self._reported(record).fail_query(error, now)
        if hit is not Hit.DELAY:
            scope.queries.refuse(record, error)
        self._judge_queried(scope, record, now)
        self._looked([record], Channel.QUERY, request.sent_at, now)

    def _judge_all(self, scope: Scope, records: Iterable[Record[Ledger]], now: float) -> None:
        """Decide about many jobs, of which one may end others."""
        for record in list(records):
            self._judge(scope, record, now)

    def _end_silent(self, scope: Scope, record: Record[Ledger], error: Exception, now: float) -> None:
        """End a job that is silent; in an outage of its scope together with all others that are, in one error."""
        last = scope.outage.error_of_all(now)
        if last is None:
            self._end_together([record], error, now)
            return
        is_silent = self._judges.is_silent
        silent = [each for each in scope.records.values() if each is record or is_silent(scope, each, last, now)]
        self._end_together(silent, last, now)

    def give_up(self, error: Exception, now: float) -> None:
        """End all open jobs with an error that leaves no hope for any, now or later."""
        self.fatal = error
        self._give_up_scopes(list(self._scopes.values()), error, now)

    def _give_up_scopes(self, scopes: list[Scope], error: Exception, now: float) -> None:
        for scope in scopes:
            left = []
            for record in list(scope.records.values()):
                if record.evidence is not None and record.evidence.ends and isinstance(error, SourceError):
                    self._judge(scope, record, now, error)
                else:
                    left.append(record)
            self._end_together(left, error, now)

    def _end_together(self, records: list[Record[Ledger]], error: Exception, now: float) -> None:
        """End some jobs in one error, which names to each watch those of its own."""
        hit: dict[Ledger, list[Record[Ledger]]] = {}
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
        self._give_up_spent(hit, now)

    # What is told of it

    def statistics(self) -> Statistics:
        """Tell what was done so far."""
        scopes = [scope for scope in self._scopes.values() if scope.records]
        return self._tally.statistics(
            verifications=sum(scope.verifications for scope in self._scopes.values()),
            open_jobs=sum(len(scope.records) for scope in scopes),
            rate=min([self._budget.rate, *(scope.rate for scope in scopes)]),
            period=max((scope.period for scope in scopes), default=self._settings.interval),
        )

    def last_seen(self, ref: JobRef) -> Job | None:
        """Return how an open job was last reported; `None` when it never was, or nobody waits for it."""
        name, job_id = self.key(ref)
        record: Record[Ledger] | None = self._scopes[name].records.get(job_id) if name in self._scopes else None
        job = None if record is None else self._last_job(record)
        return None if job is None else attrs.evolve(job, ref=ref)

    def explain(self, ref: JobRef, now: float) -> Explanation | None:
        """Tell how a job stands and is looked at; `None` when nobody waits for it."""
        scope_name, job_id = self.key(ref)
        scope = self._scopes.get(scope_name)
        record: Record[Ledger] | None = None if scope is None else scope.records.get(job_id)
        if scope is None or record is None:
            return None
        due, channel, reason = scope.explain(record, now)
        verdict = self._judges.verdict(scope, record, now)
        by_query, by_list = reports(record.reported_so_far, self._judges.reach(scope, record, now), now)
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
            next_by=channel,
            phase=verdict.phase.value,
            line=verdict.line.number,
            verdict=verdict.line.value,
            by_query=by_query,
            by_list=by_list,
        )

    # Deadlines

    def next_deadline(self) -> float:
        """Tell when the next deadline passes; infinite when there is none."""
        review = self._reviews[0][0] if self._reviews else math.inf
        return min(self._deadlines[0].at, review) if self._deadlines else review

    def pass_deadlines(self, now: float) -> None:
        """Let the deadlines pass that have come: a final poll first, then the end; decide what time alone decides."""
        self._pass_reviews(now)
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
        if len(expiry.records) == len(left):  # it is a new one
            self._set_deadline(now + self._patience, ledger, None, timeout, expiry)
        self._poll_last(ledger, expiry, left, now)

    @property
    def _patience(self) -> float:
        return min(self._settings.request_timeout, LAST_LOOK_AT_MOST)

    def _poll_last(self, ledger: Ledger, expiry: Expiry, left: list[Record[Ledger]], now: float) -> None:
        """Plan the final polls of jobs; those whose poll cannot leave in time end at once, in one error."""
        within = Leave(self._leaves_at(now), expiry.since + self._patience, self._budget.rate)
        unpolled: list[Record[Ledger]] = []
        for name, scope in list(self._scopes.items()):
            here = [record for record in left if record.scope == name]
            if here:
                unpolled += scope.look_now(here, now, within)
        if unpolled:
            self._give_up_expired(ledger, Expiry(since=now, timeout=expiry.timeout, records=unpolled), now)
            self._give_up_spent([ledger], now)

    def _leaves_at(self, now: float) -> float:
        """Return when the next request may leave: by the budget, and by how many are under way."""
        ready = max(self._budget.ready_at, now)
        if not self._slots.is_full:
            return ready
        return max(ready, next(iter(self._slots.under_way)).sent_at + self._settings.request_timeout)

    def _poll_last_again(self, now: float) -> None:
        """Plan anew the final polls that a failure keeps from leaving as planned."""
        for ledger in list(self._expiring):
            for expiry, left in ledger.to_be_polled():
                within = Leave(self._leaves_at(now), expiry.since + self._patience, self._budget.rate)
                blocked = {name: scope for name, scope in self._scopes.items() if scope.is_blocked(within)}
                waiting = [each for each in left if each.scope in blocked and not blocked[each.scope].is_polling(each)]
                self._poll_last(ledger, expiry, waiting, now)

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
            by_query = Verify(queries, listing, settings.verify)
            by_list = VerifyByList(queries, listing, settings.verify)
            self._scopes[name] = Scope(queries, listing, Hold(self._rng), outage, by_query, by_list)
        return self._scopes[name]


def _deadlines_of(ledger: Ledger, deadlines: list[_Deadline]) -> Iterator[tuple[float, Iterable[Key]]]:
    """Go through the deadlines of the jobs of a watch."""
    for each in deadlines:
        mine = each.records if each.ledger is ledger else None
        yield each.at, (record.key for record in mine or ())


def _is_followed(record: Record[Ledger] | None) -> bool:
    """Whether anybody who waits for a job is told how far it is."""
    return record is not None and any(ledger.progress for ledger, _ in record.waiting())
