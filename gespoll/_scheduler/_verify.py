"""What one channel alone shows is asked for by the other, in turn: so a channel that reports old states is found out.

Rule: a job that the list shows is asked for by a query, and where only queries show jobs the list is read until it has
shown them all. That takes what the cycles leave of the budget, and a small share of it in any case. A list that still
reports as open what a query reported to have moved is behind; from then on every job is verified as fast as the
cycles allow, until a whole turn finds nothing.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable

import attrs

from gespoll._jobs import Job, JobStatus
from gespoll._scheduler._listing import Listing
from gespoll._scheduler._queries import Queries
from gespoll._scheduler._requests import Get

CYCLES_AT_MOST = 12
"""Cycles from one verification to the next, at most: a list that is stale as a whole is found out within a minute by
default (rule 16), for one request in a dozen where a page shows all jobs."""
REQUESTS_AT_MOST = 100
"""Requests from one verification to the next, at most: a budget that the cycles use up pays one in a hundred. One in
twenty cost all that lay between the 99th percentile and that of a plain loop."""
SHARE_AT_MOST = 0.1
"""Of the rate, what verification takes while nothing is found."""
INTERVALS_BEHIND = 2
"""Intervals for which a list must go on reporting a state that a query reported to be over: by then it was read at
least once more, so that what moved between two readings says nothing against it."""
BEHIND_SHARE = 1 / 3
"""Of a turn of queries, for how long besides: asking for every job brings little forward that the list reports so soon.
At a third a list of 2,000 jobs that is 30 s behind costs 500 queries in five minutes; at two intervals 2,000."""
STALE_SHARE = 0.5
"""Of the jobs that a turn asked for, those that the list must be behind for to be stale as a whole."""
STALE_AT_LEAST = 2
"""Jobs that it must be behind for besides: the entry of a single one is disbelieved, and the others' are not."""
_SKIPPED_AT_MOST = 500
"""Jobs of a turn passed over at once that need no verification: more would hold the event loop."""
_MOVES_KEPT = 1000
_SORTED_AT_MOST = 1000
"""Jobs of a turn that are put in order: sorting more would hold the event loop."""


@attrs.define(eq=False)
class _Turn:
    """One pass over all jobs that the list shows."""

    number: int = 0
    began: float = -math.inf
    job_ids: list[str] = attrs.field(factory=list)
    at: int = 0
    """The next of them to ask for."""
    asked: int = 0
    """How many were asked for."""
    stale: int = 0
    """For how many of those the list was found to report states older than a turn of queries would."""

    @property
    def is_over(self) -> bool:
        return self.at >= len(self.job_ids)

    @property
    def is_stale(self) -> bool:
        return self.is_over and self.stale >= max(STALE_SHARE * self.asked, STALE_AT_LEAST)


@attrs.define(eq=False)
class _Move:
    """What a query reported of a job that was new."""

    status: JobStatus
    at: float
    turn: _Turn
    is_contradicted: bool = False
    is_stale: bool = False


@attrs.define(eq=False)
class Verify:
    """What is asked for by the other channel next, and what came of it. Times are seconds on the monotonic clock."""

    queries: Queries
    listing: Listing
    every: float | None
    """Seconds in which each job is verified, as far as the budget allows; `None` leaves the least."""
    sent: int = 0
    """Requests sent to verify."""
    _turn: _Turn = attrs.field(factory=_Turn)
    _hot_through: int = -1
    """The number of the turn that must find nothing before verification slows down again."""
    _last: float = -math.inf
    _cycle: int = 0
    """The cycle in which the last verification was."""
    _since: int = 0
    """Requests since then."""
    _rests_until: float = -math.inf
    """Until when a turn that found nobody to ask for is not begun again."""
    _moves: OrderedDict[str, _Move] = attrs.field(factory=OrderedDict)

    @property
    def is_hot(self) -> bool:
        """Whether the list was found to be behind for a job, not long ago."""
        return self._turn.number <= self._hot_through

    def rest(self) -> None:
        """Start over with a clean record when nothing is open."""
        self.suspended()
        self._last = self._rests_until = -math.inf
        self._since = 0

    # Which job next

    def due(self) -> float:
        """Return when a job is to be verified if nothing else is to be sent then; infinite when none is."""
        if not self._can_query:
            return math.inf
        at = self._turn_ready if self.is_hot or self._is_overdue else max(self._last + self._pace, self._turn_ready)
        return max(at, self.queries.pace.ready_at)

    def must(self) -> bool:
        """Return whether a job is to be verified before anything else."""
        return self._can_query and self._is_overdue

    @property
    def _can_query(self) -> bool:
        return self.listing.in_rounds and self.listing.shows_any

    @property
    def _is_overdue(self) -> bool:
        return self._since >= REQUESTS_AT_MOST or self.listing.line.round - self._cycle >= CYCLES_AT_MOST

    @property
    def _pace(self) -> float:
        """Seconds from one verification to the next while nothing is found: jobs that end make no turn longer."""
        if self.every is None:
            return math.inf
        jobs = max(len(self._turn.job_ids), len(self.queries.records))
        return max(self.every / jobs, 1.0 / (SHARE_AT_MOST * self.queries.pace.rate))

    @property
    def _turn_ready(self) -> float:
        """When the next job of a turn may be asked for: a turn takes an interval at least."""
        begin = self._turn.began + self.queries.interval if self._turn.is_over else -math.inf
        return max(begin, self._rests_until)

    def count(self, now: float) -> None:
        """Count a request, of whatever kind."""
        if not self._can_query:
            self._pass_by(now)
        self._since += 1

    def next(self, now: float) -> Get | None:
        """Return the query that verifies the next job in turn, if any is to be verified now."""
        if self.due() > now:
            return None
        if self._turn.is_over:
            self._begin_turn(now)
        turn = self._turn
        for job_id in turn.job_ids[turn.at : turn.at + _SKIPPED_AT_MOST]:
            turn.at += 1
            record = self.queries.records.get(job_id)
            if record is not None and record.place is not None and self.queries.is_free(record):
                turn.asked += 1
                self._pass_by(now)
                self.sent += 1
                return self.queries.ask(record, now)
        if turn.is_over and not turn.asked:
            self._pass_by(now)
            self._rests_until = now + self.queries.interval
        return None

    def _pass_by(self, now: float) -> None:
        self._last, self._since, self._cycle = now, 0, self.listing.line.round

    def _begin_turn(self, now: float) -> None:
        """Begin with the jobs that joined since the last turn began; the others waited for less long.

        Of either those in the middle are first: a window goes on showing one that has ended between others that have
        not, and only so can the list be found to be behind.
        """
        began, records = self._turn.began, self.queries.records
        new = [job_id for job_id, record in records.items() if record.added_at >= began]
        old = [job_id for job_id, record in records.items() if record.added_at < began]
        self._turn = _Turn(self._turn.number + 1, now, self._from_the_middle(new) + self._from_the_middle(old))

    def _from_the_middle(self, job_ids: list[str]) -> list[str]:
        """Return jobs in the order of the list, those in its middle first; of very many the ends are few anyway."""
        records = self.queries.records
        if len(job_ids) <= _SORTED_AT_MOST:
            job_ids = sorted(job_ids, key=lambda job_id: records[job_id].place or 0)
        half = len(job_ids) // 2
        return job_ids[half:] + job_ids[:half]

    # What queries and pages reported

    def note_move(self, job_id: str, status: JobStatus, now: float) -> None:
        """Keep what a query reported that was new: a list that is asked for later must report it, too."""
        self._moves.pop(job_id, None)
        self._moves[job_id] = _Move(status, now, self._turn)
        if len(self._moves) > _MOVES_KEPT:
            self._moves.popitem(last=False)

    @property
    def compares(self) -> bool:
        """Whether any list entry is to be compared with what a query reported."""
        return bool(self._moves)

    def wants(self, job_id: str) -> bool:
        """Return whether an entry of this job is to be compared."""
        return job_id in self._moves

    def compare(self, entries: Iterable[Job], sent_at: float, now: float) -> bool:
        """Compare list entries with what queries reported before; return whether the list is stale as a whole.

        Args:
            entries: those of one page that are to be compared, others besides.
            sent_at: when the page was asked for.
            now: seconds on the monotonic clock.
        """
        is_stale = False
        for entry in entries:
            move = self._moves.get(entry.ref.job_id)
            if move is None:
                continue
            if entry.status.rank >= move.status.rank:
                del self._moves[entry.ref.job_id]
                self.listing.believe(entry.ref.job_id)
            else:
                self._weigh(entry.ref.job_id, move, sent_at - move.at, now)
                is_stale = is_stale or move.turn.is_stale
        return is_stale

    def _weigh(self, job_id: str, move: _Move, age: float, now: float) -> None:
        """Judge a list that reports the state before a move which a query reported long before it was asked."""
        least, turn = INTERVALS_BEHIND * self.queries.interval, len(self.queries.records) / self.queries.pace.rate
        if age >= max(least, BEHIND_SHARE * turn) and not move.is_contradicted:
            move.is_contradicted = True
            if not self.is_hot:
                self._begin_turn(now)
            self._hot_through = self._turn.number + 1
            self.listing.disbelieve(job_id, now)
        if age >= max(least, turn) and not move.is_stale:
            move.is_stale = True
            move.turn.stale += 1

    def suspended(self) -> None:
        """Start over: the list is stale as a whole, and queries serve."""
        self._moves.clear()
        self._turn = _Turn(self._turn.number + 1)
        self._hot_through = -1
