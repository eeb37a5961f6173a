"""Which request next, for the jobs of one scope.

Rule: a list window where it shows at least two open jobs, single queries otherwise and for whatever
the list does not show. Everything here counts requests; nothing here knows what a state means, who
waits for it, or how fast requests may leave.

In rounds, each within its period, the list is asked for every open job once: first a walk that looks for
jobs whose places are not known, then the windows that show all others. The scheduler asks `next_due` and
`next_request`, and reports back what each request brought.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, Literal

import attrs

from gespoll._errors import RequestRejected, SourceError, Throttled
from gespoll._pacing import Outage, RequestBudget, RetryDelays, look_delay, wait_asked
from gespoll._scheduler._doubt import Doubt
from gespoll._scheduler._line import Line, Place
from gespoll._scheduler._record import ASKED, SOMEWHERE, Record
from gespoll._scheduler._requests import Get, Request, Window
from gespoll._scheduler._singles import Singles
from gespoll._scheduler._sweep import Sweep
from gespoll._source import ListWindow

LIST_FROM = 2
"""Open jobs from which a list window is asked for: it shows them all in one request."""
LIMITS = (1000, 500, 100, 10)
"""Page sizes, tried in this order when the server refuses one."""
FIRST_PAGE = 100
"""Entries asked for at least when jobs are looked for."""
SLICE = 1000
"""Entries of a reply taken in at a time."""
FRONT = -math.inf
"""Due before anything else."""
_LIST_FAILURES_AT_MOST = 2
_LIMIT_HOLDS = 600.0
_CANARY_EVERY = 20
_ENDED_KEPT = 1000
_PROBES = 50
_LOST_SHARE = 0.1
_LOST_FROM = 10
_BAD_ROUNDS = 2
_PAGES_TO_JUDGE = 5
_ROUNDS_UNSEEN = 8
_DOUBT_FIRST = 10.0
_DISTRUST_FIRST = 600.0
_DOUBT_LONGEST = 600.0
_DISTRUST_LONGEST = 14400.0


@attrs.define(eq=False)
class Scope:
    """The open jobs of one list, and how they are looked at."""

    name: str
    has_list: bool
    interval: float
    outage: Outage
    rng: random.Random
    query_pace: RequestBudget
    list_pace: RequestBudget
    records: dict[str, Record[Any]] = attrs.field(factory=dict)
    refusal: SourceError | None = None
    """Why the list may not be read, until the credentials are renewed."""
    held_until: float = -math.inf
    """Nothing is sent before: the server asked for it, or keeps failing."""
    graph_ids: dict[str, str] = attrs.field(factory=dict)
    """Graph ids by graph name, learned from jobs whose both are known."""
    listed_only: set[str] = attrs.field(factory=set)
    """Ids of jobs that only the list can show."""
    limit: int = LIMITS[0]
    """Entries that one list request may ask for, as far as is known."""
    sweep: Sweep | None = None
    round_due: float = math.inf
    """When the next round begins; infinite while single queries serve."""
    period: float = 0.0
    """Seconds from one round to the next, as last planned."""
    cost: int = 0
    """Requests of the last round."""
    _line: Line = attrs.field(factory=Line)
    _singles: Singles = attrs.field(factory=Singles)
    _unlocated: dict[str, None] = attrs.field(factory=dict)
    _fresh: int = 0
    _in_round: bool = False
    _alternates: bool = False
    _page_was_last: bool = True
    _round_began: float = -math.inf
    _units: int = 0
    _again: bool = False
    _under_way: dict[Window, int] = attrs.field(factory=dict)
    _total: int | None = None
    _newest_at: Literal["start", "end"] | None = None
    _ignores_offset: bool = False
    _bad_rounds: int = 0
    _is_scattered: bool = False
    _lost: Doubt = attrs.field(factory=partial(Doubt, _DOUBT_FIRST, _DOUBT_LONGEST))
    _unhelpful: Doubt = attrs.field(factory=partial(Doubt, _DOUBT_FIRST, _DOUBT_LONGEST))
    _untrue: Doubt = attrs.field(factory=partial(Doubt, _DISTRUST_FIRST, _DISTRUST_LONGEST))
    _jumbled: Doubt = attrs.field(factory=partial(Doubt, _DISTRUST_FIRST, _DISTRUST_LONGEST))
    _list_failures: int = 0
    _list_failed_at: float = -math.inf
    _list_ready_at: float = -math.inf
    _list_retries: RetryDelays | None = None
    _limit_holds_until: float = math.inf
    _streak: RetryDelays | None = None
    _last_failure: float = -math.inf
    _since_canary: int = 0
    _ended_at: OrderedDict[str, float] = attrs.field(factory=OrderedDict)

    # What is open

    def add(self, record: Record[Any], now: float) -> None:
        """Take an open job in and plan its first look."""
        job_id = record.ref.job_id
        self.records[job_id] = record
        record.seen = self._line.round
        self.locate(record, record.graph)
        if self.has_list and self.refusal is None:
            self._unlocated[job_id] = None
            self._fresh += 1
        if not self._covers(now):
            self._query_soon(record)
        elif not self._in_rounds:
            self.round_due = now

    def locate(self, record: Record[Any], graph: str | None) -> None:
        """Note in which graph a job can be queried; `None` when only the list can show it."""
        if graph != record.graph:
            record.cared().graph = graph
        if graph is None and self.has_list:
            self.listed_only.add(record.ref.job_id)
        else:
            self.listed_only.discard(record.ref.job_id)

    def learn_graph(self, name: str, graph: str) -> None:
        """Note the id of the graph of this name: jobs of it that only the list could show can be queried now."""
        if self.graph_ids.get(name) == graph:
            return
        self.graph_ids[name] = graph
        for job_id in sorted(self.listed_only):
            record = self.records[job_id]
            if record.ref.graph is None and record.profile is not None and record.profile.related_graph == name:
                self.locate(record, graph)

    def remove(self, record: Record[Any]) -> None:
        """Let a job go that has ended or is no longer waited on."""
        job_id = record.ref.job_id
        self.records.pop(job_id, None)
        self._unlocated.pop(job_id, None)
        self.listed_only.discard(job_id)
        if self.sweep is not None:
            self.sweep.missing.discard(job_id)
        if not self.records:
            self._rest()

    def _rest(self) -> None:
        """Start over with a clean record when nothing is open: time in which nobody asked is no outage."""
        self._end_rounds()
        self._singles.clear()
        self._under_way.clear()
        self._fresh = self._since_canary = 0
        self.outage.since = None
        self._streak = None
        self._list_failures = 0
        self._list_retries = None
        self._list_ready_at = -math.inf

    @property
    def can_query(self) -> bool:
        """Whether any job here can be looked at without the list."""
        return len(self.listed_only) < len(self.records)

    @property
    def kept(self) -> int:
        """How much is kept for the jobs of this scope; nothing when none is open."""
        return len(self.records) + len(self._singles) + len(self._line) + len(self._unlocated) + len(self.listed_only)

    # Single queries

    def _query_soon(self, record: Record[Any]) -> None:
        if self._can_be_queried(record):
            self._singles.soon(record)

    def _can_be_queried(self, record: Record[Any]) -> bool:
        """Whether a job can be queried; one that cannot is looked for in the list."""
        if record.graph is not None or not self.has_list:
            return True
        if not self._in_rounds:
            self.round_due = FRONT
        return False

    def query_first(self, record: Record[Any]) -> None:
        """Query a job before anything else."""
        if record.state & ASKED:
            record.cared().is_urgent = True
        elif self._can_be_queried(record):
            self._singles.first(record)

    def query_at(self, record: Record[Any], due: float) -> None:
        """Query a job at a time of its own."""
        if record.care is not None and record.care.is_urgent:
            record.care.is_urgent = False
            self.query_first(record)
        elif self._can_be_queried(record):
            self._singles.at(record, due)

    def query_again(self, record: Record[Any], now: float) -> None:
        """Plan the next single query of a job that only its own query can settle."""
        self.query_at(record, now + self._delay(record, now))

    def _delay(self, record: Record[Any], now: float) -> float:
        return look_delay(self.interval, now - record.added_at, self.rng)

    def queried(self, record: Record[Any], now: float) -> None:
        """Plan the next look at a job that a single query just showed."""
        if self._list_failures >= _LIST_FAILURES_AT_MOST:
            self._list_failures = 0
            self._unhelpful.raise_at(now)
            self._leave_list(now)
        if record.care is not None and record.care.is_urgent:
            record.care.is_urgent = False
            self.query_first(record)
        elif (record.place is None or not self._covers(now)) and self._can_be_queried(record):
            self._singles.later(record, now + self._delay(record, now))
        if self._covers(now) and not self._in_rounds:
            self.round_due = now

    def returned(self, request: Request) -> Record[Any] | None:
        """Note that a request is under way no more; gives the job that a single query was about."""
        if isinstance(request, Window):
            self._under_way.pop(request, None)
            if self.sweep is not None and self.sweep.asked is request:
                self.sweep.asked = None
            return None
        record = self.records.get(request.job_id)
        if record is not None:
            record.state &= ~ASKED
        return record

    def look_now(self, records: list[Record[Any]], now: float) -> None:
        """Look at some jobs once more, before anything else: by the list where that takes fewer requests."""
        listing = self._covers(now) and len(records) > max(self.cost, 1)
        if listing or any(record.graph is None for record in records):
            self._again = self.sweep is not None
            if not self._again:
                self._in_round = False
                self.round_due = FRONT
        for record in records:
            if record.is_personal or not listing or record.place is None:
                self.query_first(record)

    # Which request next

    def next_due(self) -> float:
        """Tell when a request is due; it may not leave before the budget allows it."""
        queries = max(self._singles.due(), self.query_pace.ready_at)
        return max(min(self._list_due(), queries), self.held_until)

    def _list_due(self) -> float:
        if not self._in_round:
            return max(self.round_due, self.list_pace.ready_at)
        if self.sweep is not None and self.sweep.asked is not None:
            return math.inf
        return max(self._list_ready_at, self.list_pace.ready_at)

    def next_request(self, now: float) -> Request | None:
        """Give the request that is due, and count it as sent; `None` when there is none."""
        if self.held_until > now:
            return None
        queries = self.query_pace.ready_at <= now
        if queries and self._singles.is_urgent:
            return self._next_query(now)
        canary = self._next_canary() if queries else None
        if canary is not None:
            return self._ask(canary, now)
        if not self._in_round and self.round_due <= now:
            self._begin_round(now)
        listing = self._in_round and self._list_due() <= now and not (queries and self._takes_turns(now))
        request = self._next_of_round(now) if listing else None
        if request is None and queries:
            request = self._next_query(now)
        return request

    def _takes_turns(self, now: float) -> bool:
        """Whether a query is to go before the next page, of a walk that shows fewer jobs than it costs requests."""
        if self.sweep is None or not self._alternates or self._singles.due() > now:
            return False
        self._page_was_last = not self._page_was_last
        return not self._page_was_last

    def _next_query(self, now: float) -> Get | None:
        record = self._singles.pop(now)
        return None if record is None else self._ask(record, now)

    def _ask(self, record: Record[Any], now: float) -> Get:
        record.state |= ASKED
        if record.care is not None:
            record.care.due = math.inf
        self._since_canary += 1
        self.query_pace.spend(now)
        return Get(self.name, record.ref.job_id, record.graph, now)

    def _next_of_round(self, now: float) -> Request | None:
        if self.sweep is not None:
            request = self._window(self.sweep.offset, self.sweep.limit, now)
            self.sweep.asked = request
            return request
        while (reach := self._line.next_reach(self.limit, now)) is not None:
            alone = reach.records[0] if len(reach.records) == 1 else None
            if alone is None or alone.graph is None:
                offset = 0 if self._ignores_offset else reach.offset
                return self._window(offset, reach.limit, now, reach.records, is_repeat=reach.is_repeat)
            self._line.queried(alone)
            if not alone.state & ASKED and not alone.is_personal:
                self._units += 1
                return self._ask(alone, now)
        self._end_round(now)
        return None

    def _window(
        self, offset: int, limit: int, now: float, records: tuple[Record[Any], ...] = (), *, is_repeat: bool = False
    ) -> Window:
        window = Window(self.name, offset, limit, now, records, is_repeat)
        self._under_way[window] = self._line.round
        self._units += 1
        self._since_canary += 1
        self.list_pace.spend(now)
        return window

    def _next_canary(self) -> Record[Any] | None:
        """Pick a job that the list shows for a single query, one request in twenty."""
        if not self._in_rounds:
            self._since_canary = 0
        if self._since_canary < _CANARY_EVERY:
            return None
        self._since_canary = 0
        record = self._line.next_canary()
        return None if record is None or record.state & ASKED else record

    # Rounds over the list

    def _covers(self, now: float) -> bool:
        """Whether the list is to show the jobs."""
        if not self.has_list or self.refusal is not None:
            return False
        if self.listed_only:
            return True
        return len(self.records) >= LIST_FROM and now >= max(self._unhelpful.until, self._untrue.until)

    @property
    def _in_rounds(self) -> bool:
        """Whether the list is asked for again and again."""
        return self._in_round or self.round_due < math.inf

    def _is_jumbled(self, now: float) -> bool:
        return now < self._jumbled.until

    def _begin_round(self, now: float) -> None:
        if not self._covers(now):
            self._leave_list(now)
            return
        if now >= self._limit_holds_until:
            self.limit = LIMITS[0]
            self._limit_holds_until = math.inf
        self._judge_order(now)
        if self._is_scattered and not self._is_jumbled(now):
            self._gather()
        behind = [window.expected for window in self._under_way if window.expected]
        self._line.begin_round(behind)
        self._in_round = True
        self._round_began = now
        self._units = 0
        if self._is_jumbled(now):
            self.sweep = Sweep(
                started_at=now,
                limit=self.limit,
                missing=set(self.records),
                to_the_end=bool(self.listed_only),
                pages_at_most=len(self.records),
                overlaps=False,
            )
        elif self._unlocated and (self.listed_only or self._fresh or now >= self._lost.until):
            pages = len(self._unlocated) if now >= self._lost.until else max(self._fresh, 1)
            self._sweep_for(set(self._unlocated), pages)
        self._fresh = 0

    def _sweep_for(self, missing: set[str], pages: int) -> None:
        limit = self.limit if self._is_long(len(missing)) else FIRST_PAGE
        self.sweep = Sweep(
            started_at=self._round_began,
            limit=limit,
            missing=missing,
            to_the_end=bool(self.listed_only),
            pages_at_most=pages,
            newest_at=self._newest_at,
            total=self._total,
        )

    def _is_long(self, count: int) -> bool:
        return self.limit <= FIRST_PAGE or count > FIRST_PAGE // 2 or bool(self.listed_only)

    def _judge_order(self, now: float) -> None:
        """Find out whether the list keeps its order, by how many jobs were not where they were to be."""
        line = self._line
        is_bad = line.expected >= _LOST_FROM and line.lost > _LOST_SHARE * line.expected
        self._bad_rounds = self._bad_rounds + 1 if is_bad else 0
        if self._bad_rounds >= _BAD_ROUNDS:
            self._doubt_order(now)

    def _doubt_order(self, now: float) -> None:
        self._bad_rounds = 0
        self._jumbled.raise_at(now)
        self._is_scattered = True
        for record in self.records.values():
            record.place = SOMEWHERE
        self._line.clear()

    def _gather(self) -> None:
        """Look for the place of each job again, in a list that had no order."""
        self._is_scattered = False
        for job_id, record in self.records.items():
            record.place = None
            self._unlocated[job_id] = None

    def _end_round(self, now: float) -> None:
        """Plan the next round.

        Windows go before queries, so rounds leave time for the queries that wait, half of the budget at most.
        """
        self.cost = self._units
        requests = max(self._units, 1) + min(self._singles.waiting, self._units)
        self.period = max(self.interval, requests / self.list_pace.rate)
        self._in_round = False
        self.round_due = max(self._round_began + self.period, now)
        if self._again:
            self._again = False
            self.round_due = FRONT
        if not self.records:
            self._end_rounds()

    def _end_rounds(self) -> None:
        self._in_round = self._again = False
        self.round_due = math.inf
        self.sweep = None
        self._alternates = False
        self._line.clear()

    def _leave_list(self, now: float) -> None:
        """Look at every job by its own query from now on, as long as the list does not serve."""
        self._end_rounds()
        for job_id, record in self.records.items():
            record.place = None
            self._unlocated[job_id] = None
            if record.graph is None and record.ref.graph is not None:
                self.locate(record, record.ref.graph)
            if not record.state & ASKED and not record.is_personal and self._can_be_queried(record):
                self._singles.later(record, now)

    # What windows show

    def read(self, request: Window, window: ListWindow, now: float) -> Iterator[list[Place]]:
        """Take in a page, a slice at a time; gives the open jobs of each slice, with their places in it.

        Between two slices anything else may happen. `end_of_window` is to follow.
        """
        self._list_failures = 0
        self._list_retries = None
        offset = 0 if self._ignores_offset else request.offset
        count = len(window.ids) + window.skipped
        self._total = window.total
        self._newest_at = window.newest_at or self._newest_at
        self._line.drifts = self._newest_at == "start"
        sweep = self.sweep if self.sweep is not None and self.sweep.asked is request else None
        is_placed = False
        for start in range(0, max(len(window.ids), 1), SLICE):
            ids = window.ids[start : start + SLICE]
            places = self._places(ids, start, window)
            if start == 0 and not self._is_jumbled(now):
                is_placed = self._line.correct(offset, places, now)
            if sweep is not None:
                sweep.see(ids, window.unread)
            self._see(request, offset, places, now)
            yield places
        self._look_for_missed(request, offset, count, is_placed=is_placed)
        if 0 < count < request.limit and self._total is not None and offset + count < self._total:
            self._cut(count, now)

    def _places(self, ids: tuple[str, ...], start: int, window: ListWindow) -> list[Place]:
        find = self.records.get
        places = [(at, record) for at, job_id in enumerate(ids, start) if (record := find(job_id)) is not None]
        if window.unread:
            places = [(at, record) for at, record in places if record.ref.job_id not in window.unread]
        return places

    def _see(self, request: Window, offset: int, places: list[Place], now: float) -> None:
        if not self._in_rounds:
            return  # the list was left while this was under way: single queries serve
        for _, record in places if self._unlocated else ():
            self._unlocated.pop(record.ref.job_id, None)
        if self._is_jumbled(now):
            for _, record in places:
                record.place = SOMEWHERE
                record.seen = self._line.round
        else:
            self._line.see(offset, places, self._under_way.get(request, self._line.round))

    def _look_for_missed(self, request: Window, offset: int, count: int, *, is_placed: bool) -> None:
        if self._under_way.get(request) != self._line.round or not request.expected:
            return
        may_repeat = not request.is_repeat and (is_placed or count < request.limit)
        for record in self._line.missed(request.expected, offset, count, may_repeat=may_repeat):
            self._lose(record)

    def _lose(self, record: Record[Any]) -> None:
        """Query a job that the list was to show and did not, and look for it in the next round."""
        record.place = None
        self._unlocated[record.ref.job_id] = None
        if not record.state & ASKED and not record.is_personal:
            self._query_soon(record)

    def _cut(self, count: int, now: float) -> None:
        """Note that the server gives no more than so many entries, whatever it is asked for."""
        self.limit = min(self.limit, count)
        self._limit_holds_until = now + _LIMIT_HOLDS

    def end_of_window(self, request: Window, window: ListWindow, now: float) -> Sweep | None:
        """Plan what follows a page; gives the sweep when that was its last page."""
        sweep = self.sweep if self.sweep is not None and self.sweep.asked is request else None
        self.returned(request)
        if sweep is None:
            return None
        sweep.end_page(window)
        self._judge_yield(sweep, now)
        if sweep.cut_at is not None:
            self._cut(sweep.cut_at, now)
        if sweep.is_jumbled and not self._is_jumbled(now):
            self._doubt_order(now)
        self._ignores_offset = self._ignores_offset or sweep.ignores_offset
        return sweep if sweep.is_over else None

    def _judge_yield(self, sweep: Sweep, now: float) -> None:
        """Let queries and pages take turns once pages show fewer jobs than queries would; where they always will, stop."""
        if sweep.found >= sweep.pages or sweep.to_the_end:
            return
        if self._is_jumbled(now) and sweep.pages >= _PAGES_TO_JUDGE:
            sweep.is_over = True
        elif not self._alternates:
            self._alternates = self._page_was_last = True
            self._query_missing(sweep)

    def _query_missing(self, sweep: Sweep) -> None:
        for job_id in [job_id for job_id in self._unlocated if job_id in sweep.missing]:
            record = self.records[job_id]
            if not record.state & ASKED and not record.is_personal:
                self._query_soon(record)

    def end_sweep(self, sweep: Sweep, now: float) -> None:
        """Plan what follows a sweep: single queries for what it did not show."""
        self.sweep = None
        self._alternates = False
        if self._is_jumbled(now):
            self._weigh(sweep, now)
            return
        self._query_missing(sweep)
        if self._unlocated:
            self._lost.raise_at(now)
        else:
            self._lost.clear()
        if not sweep.found and not len(self._line) and not self.listed_only:
            self._unhelpful.raise_at(now)
            self._leave_list(now)

    def _weigh(self, sweep: Sweep, now: float) -> None:
        """Of a list without order, see whether a page shows more jobs than single queries would."""
        if sweep.found < LIST_FROM * sweep.pages and not sweep.to_the_end:
            self._unhelpful.raise_at(now)
            self._leave_list(now)
            return
        self._unhelpful.clear()
        for record in [record for job_id, record in self.records.items() if job_id in sweep.missing]:
            if self._line.round - record.seen > _ROUNDS_UNSEEN and not record.state & ASKED:
                record.place = None
                self._query_soon(record)

    # Whether the list tells the truth

    def ended_by_query(self, job_id: str, now: float) -> None:
        """Note that a single query showed the end of a job: a list asked later must show it, too."""
        self._ended_at[job_id] = now
        if len(self._ended_at) > _ENDED_KEPT:
            self._ended_at.popitem(last=False)

    @property
    def ended_by_queries(self) -> bool:
        """Whether single queries showed the end of any job lately."""
        return bool(self._ended_at)

    def contradicts(self, job_id: str, sent_at: float) -> bool:
        """Whether an entry that says `job_id` is open is so old that single queries would tell sooner."""
        ended_at = self._ended_at.get(job_id)
        if ended_at is None:
            return False
        return sent_at - ended_at >= max(self.interval, len(self.records) / self.query_pace.rate)

    def distrust(self, now: float) -> None:
        """Ask for the list no more, for a while: it tells old states as new."""
        self._ended_at.clear()
        self._untrue.raise_at(now)
        self._leave_list(now)

    # Failures

    def answered(self, request: Request) -> None:
        """Note that the server answered."""
        self.outage.answered()
        self._streak = None
        (self.list_pace if isinstance(request, Window) else self.query_pace).answered()

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

    def query_failed(self, record: Record[Any], now: float) -> None:
        """Plan the next attempt of a single query that failed."""
        care = record.cared()
        care.retries = care.retries or RetryDelays(self.rng)
        self.query_at(record, now + care.retries.next())

    def window_failed(self, request: Window, now: float) -> None:
        """Plan the next attempt of a list query that failed.

        A single query goes first; if it is answered while the list has failed some times in a row, single
        queries serve.
        """
        self._put_back(request)
        if request.sent_at < self._list_failed_at:
            return
        self._list_failed_at = now
        self._list_failures += 1
        self._list_retries = self._list_retries or RetryDelays(self.rng)
        self._list_ready_at = now + self._list_retries.next()
        probe = next(filter(self._can_probe, islice(self.records.values(), _PROBES)), None)
        if probe is not None:
            self._singles.first(probe)

    @staticmethod
    def _can_probe(record: Record[Any]) -> bool:
        return record.graph is not None and not record.state & ASKED and not record.is_personal

    def _put_back(self, request: Window) -> None:
        if self._under_way.get(request) == self._line.round:
            self._line.put_back(request.expected)
            self._in_round = self._in_round or bool(request.expected)
        self.returned(request)

    def again(self, request: Request, now: float) -> None:
        """Send a request again that brought nothing, through nobody's fault."""
        if isinstance(request, Window):
            self._put_back(request)
            return
        was_asked = request.job_id in self.records and self.records[request.job_id].state & ASKED
        record = self.returned(request)
        if record is not None and was_asked:
            self.query_first(record)

    def renewed(self) -> None:
        """Ask for the list again: the credentials are new, and so may be what they allow."""
        if self.refusal is not None:
            self._unlocated.update(dict.fromkeys(self.records))
        self.refusal = None
        self.limit = LIMITS[0]

    def refused(self, request: Window, error: SourceError, now: float) -> bool:
        """Take a refused list query in: a smaller page is tried, else the list is given up.

        Returns:
            Whether the list is given up.
        """
        smaller = next((limit for limit in LIMITS if limit < request.limit), None)
        if smaller and isinstance(error, RequestRejected) and error.status in {400, 413}:
            self.limit = min(self.limit, smaller)
            self._limit_holds_until = now + _LIMIT_HOLDS
            if self.sweep is not None:
                self.sweep.limit = min(self.sweep.limit, smaller)
            self._put_back(request)
            return False
        self.returned(request)
        self.refusal = error
        self._leave_list(now)
        self._unlocated.clear()
        return True
