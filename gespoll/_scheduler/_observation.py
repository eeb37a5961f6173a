"""Which request next, for the jobs of one scope.

Rule: a list window where it shows more jobs than it costs requests, single queries otherwise and
for whatever the list does not show. Everything here counts requests; nothing here knows what a
state means, who waits for it, or how fast requests may leave.

The scheduler asks `next_due` and `next_request`, and reports back what each request brought.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import OrderedDict, deque
from collections.abc import Iterable
from functools import partial

import attrs

from gespoll._errors import RequestRejected, SourceError, Throttled
from gespoll._pacing import Outage, RetryDelays, look_delay, wait_asked
from gespoll._scheduler._doubt import Doubt
from gespoll._scheduler._record import Record
from gespoll._scheduler._requests import Get, Request, Window
from gespoll._scheduler._sweep import Sweep
from gespoll._source import ListWindow

LIST_FROM = 3
"""Open jobs from which a list window is asked for: below, single queries cost as little."""
LIMITS = (1000, 500, 100, 10)
"""Page sizes, tried in this order when the server refuses one."""
_LIST_FAILURES_AT_MOST = 2
_LIMIT_HOLDS = 600.0
_CANARY_EVERY = 20
_SHARE_OF_RATE = 0.95
_ENDED_KEPT = 1000
_DOUBT_FIRST = 10.0
_DISTRUST_FIRST = 600.0
_DOUBT_LONGEST = 600.0
_DISTRUST_LONGEST = 14400.0
FRONT = -math.inf
"""Due before anything else, list windows included."""


@attrs.define(eq=False)
class Scope:
    """The open jobs of one list, and how they are looked at."""

    name: str
    has_list: bool
    interval: float
    outage: Outage
    rng: random.Random
    records: dict[str, Record] = attrs.field(factory=dict)
    refusal: SourceError | None = None
    """Why the list may not be read, until the credentials are renewed."""
    held_until: float = -math.inf
    """Nothing is sent before: the server asked for it, or keeps failing."""
    graph_ids: dict[str, str] = attrs.field(factory=dict)
    """Graph ids by graph name, learned from jobs whose both are known."""
    limit: int = LIMITS[0]
    sweep: Sweep | None = None
    sweep_due: float = math.inf
    """When the list is swept next; infinite while single queries serve."""
    period: float = 0.0
    """Seconds from one sweep to the next, as last planned."""
    _queue: list[tuple[float, int, Record]] = attrs.field(factory=list)
    _count: int = 0
    _unhelpful: Doubt = attrs.field(factory=partial(Doubt, _DOUBT_FIRST, _DOUBT_LONGEST))
    _untrue: Doubt = attrs.field(factory=partial(Doubt, _DISTRUST_FIRST, _DISTRUST_LONGEST))
    _list_failures: int = 0
    _list_retries: RetryDelays | None = None
    _limit_holds_until: float = math.inf
    _sweep_again: bool = False
    _listed_only: set[str] = attrs.field(factory=set)
    _streak: RetryDelays | None = None
    _last_failure: float = -math.inf
    _since_canary: int = 0
    _canaries: deque[Record] = attrs.field(factory=deque)
    _ended_at: OrderedDict[str, float] = attrs.field(factory=OrderedDict)

    # What is open

    def add(self, record: Record, now: float) -> None:
        """Take an open job in and plan its first look."""
        self.records[record.ref.job_id] = record
        self._canaries.append(record)
        if len(self._canaries) > 2 * len(self.records):
            self._canaries = deque(self.records.values())
        self.locate(record, record.graph)
        if not self._covers(now):
            self.query(record, now)
        elif not self._in_rounds:
            self.sweep_due = now
        elif self.sweep is not None and self.sweep.pages == 0 and self.sweep.asked is None:
            self.sweep.missing.add(record.ref.job_id)
            self.sweep.to_the_end = bool(self._listed_only)
            self.sweep.pages_at_most = len(self.records)

    def locate(self, record: Record, graph: str | None) -> None:
        """Note in which graph a job can be queried; `None` when only the list can show it."""
        record.graph = graph
        if graph is None and self.has_list:
            self._listed_only.add(record.ref.job_id)
        else:
            self._listed_only.discard(record.ref.job_id)

    def remove(self, record: Record) -> None:
        """Let a job go that has ended or is no longer waited on."""
        record.ended = True
        record.due = math.inf
        self.records.pop(record.ref.job_id, None)
        self._listed_only.discard(record.ref.job_id)
        if self.sweep is not None:
            self.sweep.missing.discard(record.ref.job_id)
        if not self.records:
            self.sweep = None
            self.sweep_due = math.inf
            self._queue.clear()
            self._canaries.clear()
            self._forget_failures()

    def _forget_failures(self) -> None:
        """Start over with a clean record: time in which nobody asked is no outage."""
        self.outage.since = None
        self._streak = None
        self._list_failures = 0
        self._list_retries = None

    def query(self, record: Record, at: float) -> None:
        """Plan a single query of one job."""
        if record.graph is None and self.has_list:
            if self.sweep is None:
                self.sweep_due = min(self.sweep_due, at)
            return
        record.due = at
        self._count += 1
        heapq.heappush(self._queue, (at, self._count, record))

    def look_now(self, records: Iterable[Record], now: float) -> None:
        """Look at some jobs once more, before anything else: list windows first."""
        listing = self._covers(now)
        if self.sweep is not None:
            self._sweep_again = True
        elif self._sweeps(now):
            self.sweep_due = FRONT
        for record in records:
            if record.in_flight:
                record.urgent = True
            elif record.is_personal or not listing:
                self.query(record, FRONT)

    # Which request next

    def next_due(self) -> float:
        """Tell when a request is due; it may not leave before the budget allows it."""
        return max(min(self._sweep_ready(), self._query_due()), self.held_until)

    def next_request(self, now: float) -> Request | None:
        """Give the request that is due, and count it as sent; `None` when there is none."""
        if self.held_until > now:
            return None
        if self.sweep is None and self.sweep_due <= now:
            self._start_round(now)
        canary = self._canary()
        if canary is not None:
            return self._sent(canary, now)
        query_due = self._query_due()
        if query_due > FRONT and self.sweep is not None and self._sweep_ready() <= now:
            return self._next_window(self.sweep, now)
        return self._sent(heapq.heappop(self._queue)[2], now) if query_due <= now else None

    def _sweep_ready(self) -> float:
        if self.sweep is None:
            return self.sweep_due
        return self.sweep.ready_at if self.sweep.asked is None else math.inf

    def _query_due(self) -> float:
        while self._queue:
            due, _, record = self._queue[0]
            if record.due == due and not record.ended and not record.in_flight:
                return due
            heapq.heappop(self._queue)
        return math.inf

    def _sent(self, record: Record, now: float) -> Get:
        record.in_flight = True
        record.due = math.inf
        self._since_canary += 1
        return Get(self.name, record.ref.job_id, record.graph, now)

    def _next_window(self, sweep: Sweep, now: float) -> Window:
        self._since_canary += 1
        sweep.asked = window = Window(self.name, sweep.offset, sweep.limit, now)
        return window

    def _canary(self) -> Record | None:
        """Pick a job that the list shows for a single query, one request in twenty."""
        if not self._in_rounds:
            self._since_canary = 0
        if self._since_canary < _CANARY_EVERY:
            return None
        self._since_canary = 0
        return self._next_canary(listed=True)

    def _next_canary(self, *, listed: bool) -> Record | None:
        """Take the next job in turn that can be queried, of those the list shows or of all."""
        for _ in range(len(self._canaries)):
            record = self._canaries.popleft()
            if record.ended:
                continue
            self._canaries.append(record)
            if (record.listed or not listed) and record.graph is not None and not record.in_flight:
                return record
        return None

    @property
    def can_query(self) -> bool:
        """Whether any job here can be looked at without the list."""
        return len(self._listed_only) < len(self.records)

    # Rounds over the list

    def _sweeps(self, now: float) -> bool:
        """Whether the list is to be read at all."""
        return self._covers(now) or (bool(self._listed_only) and self.refusal is None)

    def _covers(self, now: float) -> bool:
        """Whether the list is to show every job; those that only the list can show are looked for anyway."""
        if not self.has_list or self.refusal is not None or now < max(self._unhelpful.until, self._untrue.until):
            return False
        return len(self.records) >= LIST_FROM or bool(self._listed_only)

    @property
    def _in_rounds(self) -> bool:
        """Whether the list is swept again and again."""
        return self.sweep is not None or self.sweep_due < math.inf

    def _start_round(self, now: float) -> None:
        if not self._sweeps(now):
            self._leave_list(now)
            return
        if now >= self._limit_holds_until:
            self.limit = LIMITS[0]
        self.sweep = Sweep(started_at=now, limit=self.limit, ready_at=now)
        self._aim(self.sweep, now)

    def _aim(self, sweep: Sweep, now: float) -> None:
        """Say what the sweep looks for; what it is to show is not queried meanwhile."""
        covers = self._covers(now)
        sweep.missing = set(self.records if covers else self._listed_only)
        sweep.to_the_end = bool(self._listed_only)
        sweep.pages_at_most = len(self.records)
        for record in self.records.values() if covers else ():
            if record.listed and not record.is_personal:
                record.due = math.inf

    def _leave_list(self, now: float) -> None:
        """Look at every job by its own query from now on, as long as the list does not serve."""
        self.sweep = None
        self.sweep_due = math.inf
        for record in self.records.values():
            record.listed = False
            if record.graph is None and record.ref.graph is not None:
                self.locate(record, record.ref.graph)
            if not record.in_flight and record.due == math.inf:
                self.query(record, now)

    def read(self, request: Window, window: ListWindow, now: float) -> Sweep | None:
        """Take a page in; gives the sweep when that was its last page."""
        self._list_failures = 0
        self._list_retries = None
        for job_id in self.records.keys() & window.ids:
            self.records[job_id].listed = job_id not in window.unread
        sweep = self._page_back(request, now)
        if sweep is None:
            return None
        sweep.read(window)
        return sweep if sweep.is_over else None

    def _page_back(self, request: Window, now: float) -> Sweep | None:
        """Note that a page is under way no more; gives its sweep, unless that was broken off."""
        sweep = self.sweep
        if sweep is None or sweep.asked is not request:
            return None
        sweep.asked = None
        sweep.ready_at = now
        return sweep

    def shown(self, record: Record, now: float) -> None:
        """Spare a job its own query: the list has just shown it, and will again."""
        if self._covers(now):
            record.due = math.inf

    def end_round(self, sweep: Sweep, rate: float, now: float) -> None:
        """Plan what follows a sweep: single queries for what it did not show, then the next sweep.

        Pages go before queries, so where queries wait, sweeps take half of the budget at most.
        """
        self.sweep = None
        queries = [self.records[job_id] for job_id in sweep.missing if self.records[job_id].graph is not None]
        share = 0.5 if queries else 1.0
        self.period = max(self.interval, sweep.pages / (_SHARE_OF_RATE * share * rate))
        if self.records:
            self.sweep_due = FRONT if self._sweep_again else max(sweep.started_at + self.period, now)
        self._sweep_again = False
        for record in queries:
            record.listed = False
            if not record.in_flight and record.due == math.inf:
                self.query(record, now)
        self._weigh(sweep, now)

    def _weigh(self, sweep: Sweep, now: float) -> None:
        if sweep.to_the_end or sweep.found > sweep.pages or not self.records:
            self._unhelpful.clear()
            return
        self._unhelpful.raise_at(now)
        self._settle(now)

    def _settle(self, now: float) -> None:
        """Go over to single queries without looking again at what was just seen."""
        self.sweep_due = math.inf
        for record in self.records.values():
            if not record.in_flight and record.due == math.inf:
                delay = look_delay(self.interval, now - record.added_at, self.rng) if record.listed else 0.0
                record.listed = False
                self.query(record, now + delay)

    def queried(self, record: Record, now: float) -> None:
        """Plan the next look at a job that a single query just showed."""
        if self._list_failures >= _LIST_FAILURES_AT_MOST:
            self._list_failures = 0
            self._unhelpful.raise_at(now)
            self._leave_list(now)
        if record.urgent or not self._covers(now):
            self.query_again(record, now)
            return
        record.in_flight = False
        if not self._in_rounds:
            self.sweep_due = now

    def query_again(self, record: Record, now: float) -> None:
        """Plan the next single query of a job that only its own query can settle."""
        self._requery(record, now + look_delay(self.interval, now - record.added_at, self.rng))

    def _requery(self, record: Record, at: float) -> None:
        record.in_flight = False
        self.query(record, FRONT if record.urgent else at)
        record.urgent = False

    # Whether the list tells the truth

    def ended_by_query(self, job_id: str, now: float) -> None:
        """Note that a single query showed the end of a job: a list asked later must show it, too."""
        self._ended_at[job_id] = now
        if len(self._ended_at) > _ENDED_KEPT:
            self._ended_at.popitem(last=False)

    def contradicts(self, job_id: str, sent_at: float) -> bool:
        """Whether an entry that says `job_id` is open is older than what a single query told."""
        return self._ended_at.get(job_id, math.inf) <= sent_at

    def distrust(self, now: float) -> None:
        """Ask for the list no more, for a while: it tells old states as new."""
        self._ended_at.clear()
        self._untrue.raise_at(now)
        self._leave_list(now)

    # Failures

    def answered(self) -> None:
        """Note that the server answered."""
        self.outage.answered()
        self._streak = None

    def failed(self, error: SourceError, sent_at: float, now: float) -> None:
        """Hold the scope as a failed look demands: by Retry-After, by throttling, by failures in a row."""
        asked = wait_asked(error)
        if asked is not None:
            self.held_until = max(self.held_until, now + asked)
        if sent_at < self._last_failure:
            return
        self._last_failure = now
        if self._streak is None:
            self._streak = RetryDelays(self.rng)
            if not isinstance(error, Throttled):
                return
        self.held_until = max(self.held_until, now + self._streak.next())

    def query_failed(self, record: Record, now: float) -> None:
        """Plan the next attempt of a single query that failed."""
        if record.retries is None:
            record.retries = RetryDelays(self.rng)
        self._requery(record, now + record.retries.next())

    def window_failed(self, request: Window, now: float) -> None:
        """Plan the next attempt of a list query that failed.

        A single query goes first; if it is answered while the list has failed some times in a row, single
        queries serve.
        """
        sweep = self._page_back(request, now)
        if sweep is None:
            return
        self._list_failures += 1
        self._list_retries = self._list_retries or RetryDelays(self.rng)
        sweep.ready_at = now + self._list_retries.next()
        probe = self._next_canary(listed=False)
        if probe is not None and not probe.is_personal:
            self.query(probe, FRONT)

    def again(self, request: Request, now: float) -> None:
        """Send a request again that brought nothing, through nobody's fault."""
        if isinstance(request, Window):
            self._page_back(request, now)
            return
        record = self.records.get(request.job_id)
        if record is not None and record.in_flight:
            record.in_flight = False
            self.query(record, now)

    def renewed(self) -> None:
        """Ask for the list again: the credentials are new, and so may be what they allow."""
        self.refusal = None
        self.limit = LIMITS[0]

    def refused(self, request: Window, error: SourceError, now: float) -> bool:
        """Take a refused list query in: a smaller page is tried, else the list is given up.

        Returns:
            Whether the list is given up.
        """
        sweep = self._page_back(request, now)
        smaller = next((limit for limit in LIMITS if limit < request.limit), None)
        if smaller and isinstance(error, RequestRejected) and error.status in {400, 413}:
            self.limit = smaller
            self._limit_holds_until = now + _LIMIT_HOLDS
            if sweep is not None:
                sweep.limit = smaller
            return False
        self.refusal = error
        self._leave_list(now)
        return True
