"""The list of one scope: which window of it to ask for next, and what the windows show.

Rule: in rounds, each within its period, the list is asked for every open job once: first a scan that
looks for jobs whose places are not known, then the windows that show all others. A window that would show
one job is a single query. Nothing is believed of a list beforehand: neither its order, nor its page size,
nor that it tells the truth; each is found out, and a list that does not serve is left for a while.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice
from typing import Any, Literal

import attrs

from gespoll._errors import SourceError, TransportError
from gespoll._pacing import RequestBudget, RetryDelays
from gespoll._scheduler._doubt import Doubt
from gespoll._scheduler._line import Line, Place
from gespoll._scheduler._page_size import PageSize, is_about_numbers
from gespoll._scheduler._queries import Queries
from gespoll._scheduler._record import ASKED, SOMEWHERE, Record
from gespoll._scheduler._requests import Request, Window
from gespoll._scheduler._scan import Scan
from gespoll._source import ListWindow

LIST_FROM = 2
"""Open jobs from which a list window is asked for: it shows them all in one request."""
FRONT = -math.inf
"""Due before anything else."""
_SLICE = 250
_FAILURES_AT_LEAST = 3
_FAILING_SECONDS = 10.0
"""A list is suspended after so many failures in a row, over so many seconds, while queries work (rule 17)."""
_PROBES = 50
_LOST_SHARE = 0.1
_LOST_FROM = 10
_BAD_ROUNDS = 2
_PAGES_TO_JUDGE = 5
_ROUNDS_UNSEEN = 2
"""Cycles in which a list without order did not show a job, after which that is queried (rule 16). Of 2,000 jobs it
misses some in any two: that costs an eighth more requests than eight cycles would."""
_OFFSETS_REFUSED = 3
_HUNT_EVERY = 60.0
"""Seconds, at most, from one scan to the next for jobs that are denied, or that only the list can show: one serves them
all, and at this rate a list of 100,000 entries costs less than two requests a second. The first follow an interval
apart and then each after twice the time, so that a job that comes into the list late is not found a minute late."""
_short_doubt = partial(Doubt, 10.0, 600.0)
_long_doubt = partial(Doubt, 600.0, 14400.0)


@attrs.define(eq=False)
class Listing:
    """What is known of a list, and the round that is going on."""

    queries: Queries
    """The open jobs, and how they are looked at without the list."""
    pace: RequestBudget
    refusal: SourceError | None = None
    """Why the list may not be read, until the credentials are renewed."""
    serves_from: int = LIST_FROM
    """Open jobs from which it serves; one where only it tells what is asked for."""
    size: PageSize = attrs.field(factory=PageSize)
    line: Line = attrs.field(factory=Line)
    scan: Scan | None = None
    """The scan that is going on."""
    round_due: float = math.inf
    """When the next round begins; infinite while single queries serve."""
    round_began: float = -math.inf
    before_began: float = -math.inf
    """When the round before this one began."""
    period: float = 0.0
    """Seconds from one round to the next, as last planned."""
    cost: int = 0
    """Requests of the last round."""
    under_way: dict[Window, int] = attrs.field(factory=dict)
    """The windows asked for, in that order, and in which round each was."""
    _patience: float = 0.0
    """Seconds after which a window that was not answered holds up nothing any more; an interval at least."""
    _reads_again: bool = False
    """Whether the scan is the second of its round."""
    _page_hangs: bool = False
    """Whether a page of the scan hung, and was asked for again."""
    _unlocated: dict[str, None] = attrs.field(factory=dict)
    _fresh: int = 0
    failing_since: float = math.inf
    """When the row of failures began that is not over, in seconds."""
    failure: SourceError | None = None
    """The last failure, whatever came since."""
    scan_failing_since: float = math.inf
    """The same of the pages of scans, whatever other pages bring."""
    failed_at: float = -math.inf
    """When the last failure was, whatever came since."""
    _looks_for_others: bool = False
    _served: bool = False
    _in_round: bool = False
    _again: bool = False
    _units: int = 0
    _total: int | None = None
    _newest_at: Literal["start", "end"] | None = None
    _ignores_offset: bool = False
    _offsets_refused: int = 0
    _bad_rounds: int = 0
    _is_scattered: bool = False
    _alternates: bool = False
    _failures: int = 0
    _answered_at: float = -math.inf
    """When a page came last, or the list was first asked for."""
    _suspect_since: float = math.inf
    """When the first of the failures in a row came that say something against the list."""
    _ready_at: float = -math.inf
    _retries: RetryDelays | None = None
    _hunt: Doubt = attrs.field(init=False)
    """Until when no scan is begun for the jobs that need the list and that it does not show."""
    _lost: Doubt = attrs.field(factory=_short_doubt)
    _unhelpful: Doubt = attrs.field(factory=_short_doubt)
    _untrue: Doubt = attrs.field(factory=_long_doubt)
    _jumbled: Doubt = attrs.field(factory=_long_doubt)

    @_hunt.default
    def _new_hunt(self) -> Doubt:
        return Doubt(max(self.queries.interval, 1.0), _HUNT_EVERY)

    @property
    def _records(self) -> dict[str, Record[Any]]:
        return self.queries.records

    @property
    def kept(self) -> int:
        """How much is kept for open jobs; nothing when none is open."""
        return len(self.line) + len(self._unlocated) + len(self.under_way)

    def add(self, record: Record[Any], now: float) -> bool:
        """Look for another open job; tell whether the list is to show it."""
        record.seen = self.line.round
        depends = self.queries.depends_on_list(record)
        if self.is_readable:
            self._unlocated[record.ref.job_id] = None
            self._fresh += 1
            if depends:
                self._hunt.clear()
        self.begin_rounds(now)
        return self.serves(now) or (depends and self.is_readable)

    def remove(self, job_id: str) -> None:
        """Look for a job no more."""
        self._unlocated.pop(job_id, None)
        if self.scan is not None:
            self.scan.missing.discard(job_id)

    def rest(self) -> None:
        """Start over with a clean record when nothing is open."""
        self._end_rounds()
        self.under_way.clear()
        self._unlocated.clear()
        self._fresh = self._failures = 0
        self._retries = None
        self._hunt.clear()
        self.failing_since = self.scan_failing_since = math.inf
        self.failure = None
        self._served = False
        self._ready_at = -math.inf

    # Whether it serves

    @property
    def is_readable(self) -> bool:
        """Whether there is a list, and it is not refused."""
        return self.queries.has_list and self.refusal is None

    @property
    def suspect_since(self) -> float:
        """When a row of failures began that is not over, of all pages or of those of scans, in seconds."""
        return min(self.failing_since, self.scan_failing_since)

    def is_stale(self, now: float) -> bool:
        """Whether it was found to report old states as new, not long ago."""
        return now < self._untrue.until

    def serves(self, now: float) -> bool:
        """Whether the list is to show all jobs: it is readable, not suspended, and costs less than queries."""
        enough = len(self._records) >= self.serves_from
        return enough and self.is_readable and now >= max(self._unhelpful.until, self._untrue.until)

    def covers(self, now: float) -> bool:
        """Whether the list is asked for, be it for all jobs or for those alone that need it."""
        return self.is_readable and (self.serves(now) or bool(self.queries.listed_only or self.queries.needs_list))

    def shows(self, record: Record[Any], now: float) -> bool:
        """Whether the list is to show a job in each cycle: a list that is suspended shows only those that need it."""
        return self.serves(now) or self.queries.depends_on_list(record)

    def hunt(self, record: Record[Any], now: float) -> None:
        """Look for a job in the list, by a scan that serves all such jobs; none is begun for one that is shown."""
        if self.is_readable:
            self.queries.needs_list.add(record.ref.job_id)
            if record.place is None:
                self._unlocated[record.ref.job_id] = None
            self.begin_rounds(now)

    def release(self, record: Record[Any], now: float) -> None:
        """Look for a job in the list no longer than for all others: a query shows it."""
        self.queries.needs_list.discard(record.ref.job_id)
        if record.place is not None and not self.shows(record, now):
            record.place = None
            self._unlocated[record.ref.job_id] = None

    def disbelieve(self, job_id: str, now: float) -> None:
        """Query a job by itself whose entry is behind, as long as it is."""
        record = self._records.get(job_id)
        if record is not None:
            self.queries.disbelieved.add(job_id)
            self._unlocated.pop(job_id, None)
            record.place = None
            self.queries.in_turn(record, now)

    def believe(self, job_id: str) -> None:
        """Let the list show a job again whose entry is behind no more."""
        if job_id in self.queries.disbelieved:
            self.queries.disbelieved.discard(job_id)
            self._unlocated[job_id] = None

    @property
    def not_shown(self) -> Collection[str]:
        """The ids of the jobs that only queries show."""
        return self._unlocated if self.in_rounds else self._records

    @property
    def is_left(self) -> bool:
        """Whether it serves nobody, though there are jobs enough: it was suspended."""
        return not self.in_rounds and len(self._records) >= self.serves_from

    @property
    def stale_until(self) -> float:
        """Until when it is not believed, in seconds."""
        return self._untrue.until

    @property
    def shows_any(self) -> bool:
        """Whether it is known where any open job stands in it."""
        return len(self._records) > len(self._unlocated) + len(self.queries.disbelieved)

    @property
    def in_rounds(self) -> bool:
        """Whether the list is asked for again and again."""
        return self._in_round or self.round_due < math.inf

    def begin_rounds(self, now: float) -> None:
        """Ask for the list from now on, if it is to serve and is not asked for already."""
        if not self.in_rounds and self.covers(now):
            self.round_due = self._answered_at = now

    def distrust(self, now: float) -> None:
        """Ask for the list no more, for a while: it tells old states as new."""
        self._untrue.raise_at(now)
        self._leave(now)

    def answers_alone(self, now: float) -> None:
        """Note that a single query was answered: a list that failed some times in a row is left for a while."""
        if self._failures >= _FAILURES_AT_LEAST and now - self._suspect_since >= _FAILING_SECONDS:
            self._failures = 0
            self._unhelpful.raise_at(now)
            self._leave(now)

    def _leave(self, now: float) -> None:
        """Look at every job by its own query from now on, as long as the list does not serve."""
        self._end_rounds()
        self.queries.disbelieved.clear()
        self._served = False
        if any(record.place is not None and self.queries.depends_on_list(record) for record in self._records.values()):
            self._hunt.clear()  # it showed a job that nothing else shows: a scan is to find that at once
        for job_id, record in self._records.items():
            record.place = None
            self._unlocated[job_id] = None
            self.queries.in_turn(record, now)
        self.begin_rounds(now)

    # Rounds

    def due(self) -> float:
        """Tell when a request of a round is due; it may not leave before the budget allows it."""
        if not self.in_rounds:
            due = self._taken_up_at
        elif not self._in_round:
            due = max(self.round_due, self._can_begin_at)
        elif self.scan is not None and isinstance(self.scan.asked, Window):
            due = self._ready_at if self._passes_by else self._hung_at(self.scan.asked)
        else:
            due = self._ready_at
        return max(due, self.pace.ready_at)

    # Windows that hang

    def _hung_at(self, window: Window) -> float:
        """Return when a window holds up nothing any more, if it is not answered before."""
        return window.sent_at + max(self._patience, self.queries.interval)

    @property
    def _passes_by(self) -> bool:
        """Whether the windows of the round go on while a page of the scan hangs."""
        return self._page_hangs and self.line.has_next()

    def _give_hung_page_up(self, scan: Scan, now: float) -> None:
        """Ask for a page of the scan again that hangs, and for the jobs that it was to show by themselves."""
        if isinstance(scan.asked, Window) and now >= self._hung_at(scan.asked):
            self._wait_longer()
            scan.asked = None
            self._page_hangs = True
            self._query_missing(scan)

    def _query_what_hangs(self, now: float) -> None:
        """Query the jobs of windows that hang, where the list has not answered for two rounds."""
        oldest = next(iter(self.under_way), None)
        if oldest is None or self._answered_at >= oldest.sent_at or self.under_way[oldest] >= self.line.round:
            return
        self._wait_longer()
        for window in self.under_way:
            self._unlocate(window.expected)

    def _wait_longer(self) -> None:
        self._patience = 2 * max(self._patience, self.queries.interval)

    @property
    def _taken_up_at(self) -> float:
        """When a list that is suspended serves again, by the clock alone; infinite where it would not."""
        serves = self.queries.has_list and self.refusal is None and len(self._records) >= self.serves_from
        return max(self._unhelpful.until, self._untrue.until) if serves else math.inf

    @property
    def _can_begin_at(self) -> float:
        """When another round may begin: not before most of this one has come back, but for what hangs."""
        wait_for = len(self.under_way) - (max(self.cost, 2) - 1) // 2
        return self._hung_at(next(islice(self.under_way, wait_for - 1, None))) if wait_for > 0 else -math.inf

    def began(self, seen: int) -> float:
        """Tell when the round began in which the list showed a job, or the one before where that is longer ago."""
        return self.round_began if seen >= self.line.round else self.before_began

    def next_look(self) -> float:
        """Tell when the jobs that the list shows are looked at next."""
        return self.round_due if not self._in_round else -math.inf

    def next(self, now: float) -> Request | None:
        """Give the next request of a round; `None` when there is none, and at the end of a round."""
        self.begin_rounds(now)
        if not self._in_round and self.in_rounds and self._can_begin_at <= now:
            self._begin_round(now)
        if not self._in_round:
            return None
        scan = self.scan
        if scan is None:
            return self._next_of_line(now)
        self._give_hung_page_up(scan, now)
        if scan.asked is not None:
            return self._next_of_line(now) if self._passes_by else None
        if not scan.pages:
            scan.started_at = now  # it has shown nothing yet, however often its first page failed
        scan.asked = self._window(scan.offset, scan.limit, now)
        return scan.asked

    def _next_of_line(self, now: float) -> Request | None:
        while (reach := self.line.next_reach(self.size.limit, now)) is not None:
            alone = reach.records[0] if len(reach.records) == 1 else None
            if alone is None or self.serves_from == 1 or self.queries.depends_on_list(alone):
                window = self._window(0 if self._ignores_offset else reach.offset, reach.limit, now, reach.records)
                window.is_repeat = reach.is_repeat
                return window
            self.line.queried(alone)
            if self.queries.is_free(alone):
                self._units += 1
                return self.queries.ask(alone, now)
        if self.scan is None:
            self._end_round(now)
        return None

    def _window(self, offset: int, limit: int, now: float, expected: tuple[Record[Any], ...] = ()) -> Window:
        window = Window(self.queries.scope, offset, limit, now, expected)
        self.under_way[window] = self.line.round
        self._units += 1
        self.pace.spend(now)
        return window

    def extra_window(self, offset: int, jobs: int, now: float) -> Window:
        """Return a window outside of the cycles, large enough for some jobs."""
        self.pace.spend(now)
        return Window(self.queries.scope, offset, self.size.for_jobs(jobs), now)

    @property
    def alternates(self) -> bool:
        """Whether pages and queries are to take turns, in a scan that shows fewer jobs than it costs requests."""
        return self.scan is not None and self._alternates

    @property
    def ready_at(self) -> float:
        """When a request may leave, by what the list's own limits and failures allow."""
        return max(self._ready_at, self.pace.ready_at)

    def look_now(self, count: int, now: float, *, must: bool) -> bool:
        """Begin a round at once, where that takes fewer requests than querying some jobs, or must serve.

        Returns:
            Whether it does.
        """
        if not self.covers(now) or (count <= max(self.cost, 1) and not must):
            return False
        self.hurry()
        return True

    def hurry(self) -> None:
        """Begin a round at once, or when the scan that is going on is over."""
        self._hunt.clear()
        self._again = self.scan is not None
        if not self._again:
            self._in_round = False
            self.round_due = FRONT

    def _begin_round(self, now: float) -> None:
        serves = self.serves(now)
        if not self.covers(now) or (self._served and not serves):
            self._leave(now)
            return
        self._served = serves
        self._query_what_hangs(now)
        self.size.begin_round(now)
        self._judge_order(now)
        self.line.begin_round([window.expected for window in self.under_way if window.expected])
        self._in_round = True
        self.before_began, self.round_began = self.round_began, now
        self._units = 0
        self.scan = self._next_scan(now)
        self._page_hangs = self._reads_again = False
        self._fresh = 0

    def _next_scan(self, now: float) -> Scan | None:
        """Return the scan that the round begins with, if it needs one."""
        hunted = self._hunted() if now >= self._hunt.until else set()
        if hunted:
            self._hunt.raise_at(now)
        looks_for_all = self._served and now >= self._lost.until
        self._looks_for_others = looks_for_all or (self._served and self._fresh > 0)
        to_the_end, trusted = bool(hunted), self.size.trusted
        if self.is_jumbled(now):
            wanted = set(self._records) if self._served else self._dependents()
            if not self._served and not hunted and wanted <= self._unlocated.keys():
                return None  # none that it shows: the next scan is for those that it lacks, in its time
            pages = len(wanted)
            return Scan(now, self.size.limit, wanted, to_the_end, pages_at_most=pages, trusted=trusted, overlaps=False)
        missing = hunted | (set(self._unlocated) if self._looks_for_others else set())
        if not missing:
            return None
        return Scan(
            now,
            self.size.limit if hunted else self.size.for_jobs(len(missing)),
            missing,
            to_the_end,
            pages_at_most=1 if self._ignores_offset else len(self._unlocated) if looks_for_all else self._fresh,
            trusted=trusted,
            newest_at=self._newest_at,
            total=self._total,
        )

    def _dependents(self) -> set[str]:
        return self.queries.listed_only | self.queries.needs_list

    def _hunted(self) -> set[str]:
        """Return the ids of the jobs that need the list and that it does not show, or shows as they were long ago."""
        disbelieved = self.queries.disbelieved
        return {job_id for job_id in self._dependents() if job_id in self._unlocated or job_id in disbelieved}

    def _end_round(self, now: float) -> None:
        """Plan the next round.

        Windows go before queries, so rounds leave time for the queries that wait, half of the budget at most.
        """
        self.cost = self._units
        requests = max(self._units, 1) + min(self.queries.singles.waiting, self._units)
        self.period = max(self.queries.interval, requests / self.pace.rate)
        self._in_round = False
        self.round_due = FRONT if self._again else max(self.round_began + self.period, now)
        self._again = False

    def _end_rounds(self) -> None:
        self._in_round = self._again = self._alternates = False
        self.round_due = math.inf
        self.scan = None
        self.line.clear()

    # Its order

    def is_jumbled(self, now: float) -> bool:
        """Whether the list is taken to have no order."""
        return now < self._jumbled.until

    def _judge_order(self, now: float) -> None:
        """Find out whether the list keeps its order, by how many jobs were not where they were to be."""
        elsewhere = sum(not record.has_ended and self._is_elsewhere(record) for record in self.line.lost)
        is_bad = self.line.expected >= _LOST_FROM and elsewhere > _LOST_SHARE * self.line.expected
        self._bad_rounds = self._bad_rounds + 1 if is_bad else 0
        if self._bad_rounds >= _BAD_ROUNDS:
            self._doubt_order(now)
        elif self._is_scattered and not self.is_jumbled(now):
            self._is_scattered = False
            self._lost.clear()
            self._place_all(None)
            self._unlocated.update(dict.fromkeys(self._records))

    def _is_elsewhere(self, record: Record[Any]) -> bool:
        """Whether a job that a window lacked was shown since: it has not just left the list at its end."""
        return record.place is not None or record.shown_at >= self.round_began

    def _doubt_order(self, now: float) -> None:
        self._bad_rounds = 0
        self._jumbled.raise_at(now)
        self._is_scattered = True
        self._place_all(SOMEWHERE)
        self.line.clear()

    def _place_all(self, place: int | None) -> None:
        for job_id, record in self._records.items():
            record.place = None if job_id in self.queries.disbelieved else place

    # What windows show

    def read(self, request: Window, window: ListWindow, now: float) -> Iterator[list[Place]]:
        """Take in a page, a slice at a time; gives the open jobs of each slice, with their places in it.

        Between two slices anything else may happen. `end_page` is to follow.
        """
        self._failures = 0
        self._retries = None
        self.failing_since = math.inf
        self._answered_at = now
        if self.scan is not None and self.scan.asked is request:
            self.scan_failing_since = math.inf
        self._patience = 2 * (now - request.sent_at)
        if request.offset:
            self._offsets_refused = 0
        self._total = window.total
        self._newest_at = window.newest_at or self._newest_at
        self.line.drifts = self._newest_at == "start"
        offset = 0 if self._ignores_offset else request.offset
        scan = self.scan if self.scan is not None and self.scan.asked is request else None
        is_placed = False
        for start in range(0, max(len(window.ids), 1), _SLICE):
            ids = window.ids[start : start + _SLICE]
            places = self._places(ids, start)
            if start == 0 and not self.is_jumbled(now):
                is_placed = self.line.correct(offset, places, now)
            if scan is not None:
                scan.see(ids, window.unread)
            if not self.is_stale(now):
                _note_shown(places, window.unread | self.queries.disbelieved, now)
            self._see(request, offset, places, now)
            yield places
        self._look_for_missed(request, offset, window, is_placed=is_placed)

    def _places(self, ids: tuple[str, ...], start: int) -> list[Place]:
        find = self._records.get
        return [(at, record) for at, job_id in enumerate(ids, start) if (record := find(job_id)) is not None]

    def _see(self, request: Window, offset: int, places: list[Place], now: float) -> None:
        if not self.in_rounds:
            return  # the list was left while this was under way: single queries serve
        if not self._served:
            places = [place for place in places if self.queries.depends_on_list(place[1])]
        if self.queries.disbelieved:
            places = [place for place in places if place[1].ref.job_id not in self.queries.disbelieved]
        self._found(places)
        if self.is_jumbled(now):
            for _, record in places:
                record.place = SOMEWHERE
                record.seen = self.line.round
        else:
            self.line.see(offset, places, self.under_way.get(request, self.line.round))

    def _found(self, places: list[Place]) -> None:
        if not self._unlocated:
            return
        for _, record in places:
            self._unlocated.pop(record.ref.job_id, None)
        if not self._unlocated:
            self._unlocated = {}  # an emptied dictionary keeps its room

    def _look_for_missed(self, request: Window, offset: int, window: ListWindow, *, is_placed: bool) -> None:
        """Ask in the same round once more for jobs that the list was to show and did not.

        What is missed again, or by a window that returns after its round, is queried at once, and looked for in the
        next round.
        """
        asked_in = self.under_way.get(request)
        if asked_in is None or not request.expected or not self.in_rounds:
            return
        if asked_in != self.line.round:
            lost = self.line.missed_late(request.expected, window.ids)
        else:
            count = len(window.ids) + window.skipped
            may_repeat = not request.is_repeat and (is_placed or count < request.limit)
            lost = self.line.missed(request.expected, offset, count, may_repeat=may_repeat)
            self._go_on_with_round()
        self._unlocate(lost)

    def _go_on_with_round(self) -> None:
        """Take the round up again, all of whose windows were sent, if a job is to be asked for once more."""
        if not self._in_round and self.line.has_next():
            self._again = self.round_due == FRONT
            self._in_round = True

    def end_page(self, request: Window, window: ListWindow, now: float) -> Scan | None:
        """Plan what follows a page; gives the scan that is over with it."""
        scan = self.scan if self.scan is not None and self.scan.asked is request else None
        self.returned(request)
        self.size.learn(request, window, now)
        if scan is None:
            return None
        self._page_hangs = False
        scan.end_page(window, request.offset, request.limit)
        if scan.cut_at is not None:
            self.size.cut(scan.cut_at, now)
        if scan.is_jumbled and not self.is_jumbled(now):
            self._doubt_order(now)
        if scan.began_beyond:
            self._newest_at = self._total = None
        self._ignores_offset = self._ignores_offset or scan.ignores_offset
        self._judge_yield(scan, now)
        return scan if scan.is_over else None

    def _judge_yield(self, scan: Scan, now: float) -> None:
        """Let queries and pages take turns once pages show fewer jobs than queries; where they always will, stop."""
        was_poor, self._alternates = self._alternates, scan.found < scan.pages and not scan.to_the_end
        if self._alternates and self.is_jumbled(now) and scan.pages >= _PAGES_TO_JUDGE:
            scan.stop()
        elif self._alternates and not was_poor:
            self._query_missing(scan)

    def _query_missing(self, scan: Scan) -> None:
        self.queries.missing([job_id for job_id in self._unlocated if job_id in scan.missing])

    def end_scan(self, scan: Scan, now: float) -> None:
        """Plan what follows a scan: single queries for what it did not show."""
        self.scan = None
        self._alternates = False
        if self.is_jumbled(now):
            if not self._reads_again:
                self._weigh(scan, now)
            self._read_again(scan, now)
            return
        self._query_missing(scan)
        if not self._unlocated:
            self._lost.clear()
        elif self._looks_for_others:
            self._lost.raise_at(now)
        if self._served and not scan.found and not len(self.line):
            self._unhelpful.raise_at(now)
            self._leave(now)

    def _read_again(self, scan: Scan, now: float) -> None:
        """Read a list without order once more in the round, where that shows more jobs than it costs requests.

        Where each page is drawn anew, a scan misses a quarter of the jobs, and each of two in a row misses others.
        """
        self._reads_again = not self._reads_again
        if self._reads_again and self._in_round and len(scan.missing) >= LIST_FROM * scan.pages:
            pages = len(scan.missing)
            self.scan = Scan(
                now, self.size.limit, scan.missing, pages_at_most=pages, trusted=self.size.trusted, overlaps=False
            )

    def _weigh(self, scan: Scan, now: float) -> None:
        """Of a list without order, see whether a page shows more jobs than single queries would."""
        if scan.found < LIST_FROM * scan.pages and not scan.to_the_end:
            self._unhelpful.raise_at(now)
            self._leave(now)
            return
        self._unhelpful.clear()
        for record in [record for job_id, record in self._records.items() if job_id in scan.missing]:
            if self.line.round - record.seen > _ROUNDS_UNSEEN and not record.state & ASKED:
                record.place = None
                self.queries.soon(record)

    # Failures

    def returned(self, request: Window) -> None:
        """Note that a window is under way no more."""
        self.under_way.pop(request, None)
        if self.scan is not None and self.scan.asked is request:
            self.scan.asked = None

    def put_back(self, request: Window) -> None:
        """Ask for the jobs of a window again, which brought nothing."""
        if self.under_way.get(request) == self.line.round:
            self.line.put_back(request.expected)
            if self.in_rounds:
                self._go_on_with_round()
        self.returned(request)

    def failed(self, request: Window, error: SourceError, now: float) -> None:
        """Plan the next attempt of a window that failed.

        A single query goes first; if it is answered while the list has failed for some time, single queries serve.
        Until then the jobs are queried whose period has passed. A dropped connection says nothing against a list.
        """
        if now - self._answered_at >= max(self.period, self.queries.interval):
            self._query_missing_in(request)
        if self.scan is not None and self.scan.asked is request:
            self.scan_failing_since = min(self.scan_failing_since, request.sent_at)
        self.put_back(request)
        self.failing_since = min(self.failing_since, request.sent_at)
        self.failure, failed_at, self.failed_at = error, self.failed_at, now
        if request.sent_at < failed_at:
            return
        if not isinstance(error, TransportError):
            self._suspect_since = self._suspect_since if self._failures else now
            self._failures += 1
        self._retries = self._retries or RetryDelays(self.queries.rng)
        self._ready_at = now + self._retries.next()
        probe = next(filter(self.queries.is_free, islice(self._records.values(), _PROBES)), None)
        if probe is not None:  # a job in trouble is asked for at its own pace
            self.queries.first(probe)

    def _query_missing_in(self, request: Window) -> None:
        """Query the jobs that a window was to show, or a scan, be it the next, until the list shows them again."""
        self._unlocate(request.expected)
        if self.scan is not None and self.scan.asked is request:
            self.queries.missing(self._unlocated)

    def _unlocate(self, records: Iterable[Record[Any]]) -> None:
        """Query jobs that the list has lost; those for which no query can be asked are hunted for."""
        for record in records:
            if record.place is not None and not record.has_ended:
                record.place = None
                self._unlocated[record.ref.job_id] = None
                if not self.queries.depends_on_list(record):  # else its queries brought nothing: they keep their pace
                    self.queries.soon(record)

    def page_failed(self, request: Window, error: SourceError, now: float) -> None:
        """Try a smaller page where the size of a page may be why the server failed."""
        self.size.failed(request.limit, error, now)
        self._resize_scan()

    def _resize_scan(self) -> None:
        if self.scan is not None and self.scan.page_size > self.size.limit:
            self.scan.resize(self.size.limit)

    def _lose_places(self, request: Window) -> None:
        """Look for the jobs of a window again, from the start; where that does not help, in the first page only."""
        self._offsets_refused += 1
        self._ignores_offset = self._ignores_offset or self._offsets_refused >= _OFFSETS_REFUSED
        if self.scan is not None and self.scan.asked is request:
            self.scan = None
            self._alternates = False
        self.returned(request)
        self._unlocate(request.expected)
        self._newest_at = self._total = None
        self._lost.clear()

    def renewed(self) -> None:
        """Ask for the list again: the credentials are new, and so may be what they allow."""
        if self.refusal is not None:
            self._unlocated.update(dict.fromkeys(self._records))
        self.refusal = None
        self.size = PageSize()

    def refused(self, request: Window, error: SourceError, now: float) -> bool:
        """Take a refused window in: a smaller page is tried, else the list is given up, and this tells so.

        Where the same page size was answered before, it is the offset that is refused: the places are wrong.
        """
        if request.offset and self.size.was_answered(request.limit) and is_about_numbers(error):
            self._lose_places(request)
            return False
        if self.size.shrink(request.limit, error, now):
            self._resize_scan()
            self.put_back(request)
            return False
        self.returned(request)
        self.refusal = error
        self._leave(now)
        self._unlocated.clear()
        return True


def _note_shown(places: list[Place], unread: AbstractSet[str], now: float) -> None:
    """Note when a status of these jobs was read; of some it could not be, or is not believed."""
    for _, record in places:
        if not unread or record.ref.job_id not in unread:
            record.shown_at = now
