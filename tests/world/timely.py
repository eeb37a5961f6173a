"""Whether each end came in time, counted from the moment at which a channel that is believed tells it.

A run is cut where anything that a channel says of a job may change. For what both say between two cuts a table gives
the seconds after which the end must be known; the first stretch that is long enough sets the time by which it is due.
Where the table has no entry (queries deny and a list shows the job open, or both lie) nothing is asked for.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from itertools import pairwise

import attrs

from gespoll import JobStatus

from .channels import HONEST, Kind, Manner, Phase, Said
from .cost import A_MINUTE, scan_pages
from .fault import Fault
from .log import Answered, Joined, Left, Log, Taken
from .plan import Case, World
from .scripts import Scripts

VERIFY_CYCLES = 12
VERIFY_SHARE = 0.1
"""Of the rate, what verification takes at most while nothing is found."""
LEFT_AFTER = 10.0
"""Seconds that a list must fail before it may be left."""
OPEN_GRACES = 5
_TURN_SLACK = 1.1
_SLACK = 1.25
"""Jitter of paces and retries."""


class Regime(enum.Enum):
    """What a channel does for a job during a stretch."""

    END = "tells the end"
    OPEN = "says open"
    HALTED = "an unknown word with an end time"
    SIGHT = "shows it without status"
    DENY = "denies"
    HIDE = "may or may not show it"
    FAIL = "fails"
    REFUSED = "refuses"
    NONE = "cannot be asked"


def judge_times(world: World, log: Log) -> list[Fault]:
    """Return which ends came late."""
    paces = Paces(world, log)
    cases = {case.truth.job_id: case for case in world.cases}
    waiting: dict[tuple[int, str], Joined] = {}
    faults: list[Fault] = []
    for event in log.events:
        if isinstance(event, Joined):
            waiting[event.watch, event.job_id] = event
        elif isinstance(event, Taken) and event.is_final and (event.watch, event.job_id) in waiting:
            joined = waiting.pop((event.watch, event.job_id))
            case = cases[event.job_id]
            faults += _late(paces, case, joined, event)
        elif isinstance(event, Left):
            waiting = {key: joined for key, joined in waiting.items() if key[0] != event.watch}
    return faults


def _late(paces: Paces, case: Case, joined: Joined, end: Taken) -> Iterator[Fault]:
    job_id = case.truth.job_id
    due = paces.due(case, joined, end.observed_at)
    if due is not None and end.observed_at > due.at:
        text = f"{job_id}: {end.ended_as} was due at {due.at:.0f} s: since {due.since:.0f} s {due.why}"
        kind = due.why if end.ended_as != "WaitTimeout" else f"{due.why}; never"
        yield Fault("late", kind, text, end.observed_at)


@attrs.frozen
class Due:
    """By when an end must be known, and why."""

    at: float
    since: float
    why: str


class Paces:
    """How long anything may take in a run: its periods, minutes and patience."""

    def __init__(self, world: World, log: Log) -> None:
        self.world, self.until = world, log.ended_at
        self._scripts = Scripts(world)
        knobs = world.knobs
        jobs, pages = len(world.cases), scan_pages(world, log.ended_at)
        rate = min(log.rate, knobs.max_per_second, knobs.max_at_once / world.slowest)
        self.period = self._period(log, rate, pages)
        hangs = 3 if world.hung else int(self._hangs())  # in a row
        hung = hangs * knobs.request_timeout
        held = world.throttled * (world.retry_after or A_MINUTE)
        common = 4 * world.slowest + hung + held + 2.0
        queue = 4 * (jobs + pages) / rate
        self.listed_cycle = 2 * self.period + common + pages / rate
        self.cycle = self.listed_cycle + jobs / rate
        self.minute = _SLACK * A_MINUTE + queue + common
        self.scan = self.minute + pages * world.slowest
        self.grace, self.patience = knobs.not_found_grace, knobs.patience
        turn = VERIFY_CYCLES * self.period
        self.verify = math.inf if knobs.verify is None else max(knobs.verify, jobs / (VERIFY_SHARE * rate))
        self.verified_by_query = _TURN_SLACK * min(self.verify, turn * jobs) + self.cycle
        self.found_stale = _TURN_SLACK * turn + self.period + self.cycle + jobs / rate
        is_one_page = pages <= 4
        self.verified_by_list = (_SLACK * turn if is_one_page else self.verify) + self.scan
        self.list_is_doubtful = self._list_is_doubtful()
        self._refused = _refusals(log)

    def _list_fails_for_long(self) -> bool:
        return any(
            phase.manner is not Manner.TRUE and following.start - phase.start >= LEFT_AFTER
            for phase, following in pairwise([*self.world.listing.phases, Phase(math.inf)])
        )

    def _period(self, log: Log, rate: float, pages: int) -> float:
        """Return the seconds from one poll of each job to the next: not the poller's own where the list serves."""
        behind = [case for case in self.world.cases if case.listed.phases != HONEST]
        if not self.world.plane.has_list or not self.world.listing.is_orderly or behind or self._list_fails_for_long():
            scopes = {self.world.scope(case.truth.graph) for case in self.world.cases}
            shared = (len(self.world.cases) + pages * len(scopes)) / (0.95 * rate) if len(scopes) > 1 else 0.0
            return max(log.period, self.world.knobs.interval, shared)  # a scope does not know what the others take
        return max(self.world.knobs.interval, _SLACK * pages / (0.95 * rate))

    def _hangs(self) -> bool:
        voices = [voice.phases for case in self.world.cases for voice in (case.query, case.listed)]
        return any(
            phase.manner is Manner.HANG
            for phases in [*voices, self.world.queries, self.world.listing.phases]
            for phase in phases
        )

    def _list_is_doubtful(self) -> bool:
        """Whether the list may be left for a while: because it fails, or is behind for any job."""
        behind = {Manner.FROZEN, Manner.LAG}
        stale = any(phase.manner in behind for case in self.world.cases for phase in case.listed.phases)
        return stale or self._list_fails_for_long() or not self.world.listing.is_orderly

    def due(self, case: Case, joined: Joined, ended_at: float) -> Due | None:
        """Return by when the end of a job is due; nothing where it is not, or after its deadline."""
        refused_at = self._refused.get((joined.life, case.truth.job_id), math.inf)
        cuts = [*self._scripts.turns(case.truth.job_id), refused_at]
        times = sorted({joined.at, *[cut for cut in cuts if joined.at < cut < ended_at]})
        ends = [*times[1:], math.inf]
        is_pending = True
        for begin, end in zip(times, ends, strict=True):
            is_pending = is_pending and self._is_pending(case, begin)
            query, listed = self.regimes(case, begin)
            query = Regime.REFUSED if begin >= refused_at else query
            if joined.graph is not None:
                takes = self.takes(case, query, listed, begin)
            else:  # its graph may be learned, or not
                takes = _longer(self.takes(case, query, listed, begin), self.takes(case, Regime.NONE, listed, begin))
                query = Regime.NONE
            if is_pending and self.world.knobs.pending_timeout is not None:
                takes = self.world.knobs.pending_timeout + self.cycle
            if takes is not None and begin + takes <= end:
                return Due(begin + takes, begin, _why(query, listed))
        return None

    def _is_pending(self, case: Case, at: float) -> bool:
        """Whether a query and the list call a job pending."""
        said = [self._scripts.query(case.truth.job_id, at)]
        if self.world.plane.has_list:
            said.append(self._scripts.listed(case.truth.job_id, at))
        return all(each.status is JobStatus.PENDING for each in said) and self._shows_all()

    def regimes(self, case: Case, at: float) -> tuple[Regime, Regime]:
        """Return what query and list do for a job at a moment."""
        world = self.world
        query = _regime(self._scripts.query(case.truth.job_id, at), is_query=True)
        if not world.plane.has_list:
            return query, Regime.NONE
        listed = _regime(self._scripts.listed(case.truth.job_id, at), is_query=False)
        if listed in {Regime.OPEN, Regime.END, Regime.HALTED, Regime.SIGHT} and not self._shows_all():
            listed = Regime.HIDE
        return query, listed

    def _shows_all(self) -> bool:
        """Whether every entry of the list is shown by reading it as it asks to be read."""
        listing = self.world.listing
        if listing.is_orderly:
            return True
        arrivals = self.until / listing.arrivals if listing.arrivals else 0
        rows = len(self.world.cases) + listing.foreign + listing.nameless + listing.repeats + arrivals
        return listing.page_max >= 100 and rows < 100 and not listing.shown_max

    def _is_stale_as_a_whole(self, at: float) -> bool:
        """Whether the list is behind for every job: then the first verification finds it out."""
        regimes = [self.regimes(case, at) for case in self.world.cases]
        return all(pair == (Regime.END, Regime.OPEN) for pair in regimes)

    def takes(self, case: Case, query: Regime, listed: Regime, at: float) -> float | None:
        """Return the seconds after which an end is known while the channels do this."""
        if Regime.END in {query, listed}:
            return self._known(query, listed, at) + self._confirmed(case, query, listed, at)
        if Regime.HALTED in {query, listed}:
            ends = [Regime.END if each is Regime.HALTED else each for each in (query, listed)]
            return self._known(ends[0], ends[1], at) + self.grace + self.cycle
        return self._missing(query, listed)

    def _known(self, query: Regime, listed: Regime, at: float) -> float:
        """Return after how long an end is read that a channel tells."""
        if query is Regime.END and listed is Regime.OPEN and self._is_stale_as_a_whole(at):
            return self.found_stale
        if query is Regime.END:
            return self._known_by_query(listed)
        if query in {Regime.OPEN, Regime.HALTED}:
            return self.verify + self.scan if self.list_is_doubtful else self.verified_by_list
        if query in {Regime.DENY, Regime.FAIL}:
            return 2 * self.scan
        return self.listed_cycle + (2 * self.scan if self.list_is_doubtful else 0.0)

    def _known_by_query(self, listed: Regime) -> float:
        doubt = self.minute if self._was_in_trouble() else 0.0
        if listed in {Regime.OPEN, Regime.HALTED}:
            return self.verified_by_query + doubt
        if listed is Regime.HIDE:
            return 2 * self.cycle + self.verified_by_query + doubt
        if listed is Regime.FAIL:
            return self.cycle + self.minute + doubt
        return doubt + (self.cycle if listed is not Regime.END or self.list_is_doubtful else self.listed_cycle)

    def _was_in_trouble(self) -> bool:
        """Whether queries may have slowed down before."""
        world = self.world
        phases = [*world.queries, *[phase for case in world.cases for phase in case.query.phases]]
        return world.hung > 0 or any(phase.manner is not Manner.TRUE for phase in phases)

    def _confirmed(self, case: Case, query: Regime, listed: Regime, at: float) -> float:
        """Return how long an end waits for what the fuller channel may add."""
        said = (self._scripts.query(case.truth.job_id, at), self._scripts.listed(case.truth.job_id, at))
        is_import = None if None in {each.is_import for each in said} else said[0].is_import or said[1].is_import
        ends = [each for each, regime in zip(said, (query, listed), strict=True) if regime is Regime.END]
        fuller = query if self.world.plane.fuller == "query" else listed
        return max(self._adds(end, fuller, is_import=is_import) for end in ends)

    def _adds(self, end: Said, fuller: Regime, *, is_import: bool | None) -> float:
        """Return how long one end waits."""
        plane = self.world.plane
        if end.status is JobStatus.FAILED and plane.is_engine and not end.reason:
            return self.grace + self.scan
        if plane.fuller is None or end.files or end.status in {JobStatus.FAILED, JobStatus.CANCELLED}:
            return 0.0
        if end.status is JobStatus.PARTIALLY_FAILED:
            return self.grace + self.scan
        if end.is_import is False or is_import is False:
            return 0.0
        return self._success_waits(fuller, self.minute if plane.fuller == "query" else self.scan)

    def _success_waits(self, fuller: Regime, pace: float) -> float:
        match fuller:
            case Regime.END:
                return 2 * pace
            case Regime.OPEN | Regime.HALTED | Regime.HIDE:
                return OPEN_GRACES * self.grace + pace
            case Regime.DENY if self.world.plane.fuller == "list" and not self.world.listing.is_orderly:
                return OPEN_GRACES * self.grace + pace  # its scans deny nothing: that it said open stays its last word
            case Regime.FAIL:
                return self.patience + pace
            case Regime.REFUSED | Regime.NONE:
                return self.grace + self.cycle
            case _:
                return self.grace + 2 * pace

    def _missing(self, query: Regime, listed: Regime) -> float | None:
        """Return after how long a job is given up that no channel shows, or shows without status."""
        if Regime.OPEN in {query, listed} or listed in {Regime.HALTED, Regime.HIDE}:
            return None
        if query is Regime.FAIL or listed is Regime.SIGHT:
            return None if self.world.knobs.outage_timeout is None else self.patience + self.minute + self.scan
        if listed is Regime.FAIL:
            if self.world.knobs.outage_timeout is None and query in {Regime.NONE, Regime.REFUSED}:
                return None  # a list that merely fails is waited for
            return 2 * self.patience + self.grace + 2 * self.scan
        if query is Regime.DENY:
            cannot = listed in {Regime.REFUSED, Regime.NONE}
            return self.grace + self.minute + (self.cycle if cannot else 4 * self.scan)
        if listed in {Regime.REFUSED, Regime.NONE}:
            return self.cycle + self.scan
        doubt = self.patience if self.list_is_doubtful else 0.0
        return doubt + self.grace + 4 * self.scan


def _refusals(log: Log) -> dict[tuple[int, str], float]:
    """Return when a query of each job was first refused: from then on that process asks none."""
    refused: dict[tuple[int, str], float] = {}
    for event in log.events:
        if not isinstance(event, Answered) or not isinstance(event.reply, Said) or event.asked.job_id is None:
            continue
        if event.reply.kind is Kind.REFUSED:
            refused.setdefault((event.asked.life, event.asked.job_id), event.at)
    return refused


def _why(query: Regime, listed: Regime) -> str:
    if Regime.HALTED in {query, listed} and Regime.END not in {query, listed}:
        return Regime.HALTED.value
    return f"query {query.value}, list {listed.value}"


def _longer(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def _regime(said: Said, *, is_query: bool) -> Regime:
    if said.kind is Kind.STATUS:
        return Regime.END if said.is_end else Regime.HALTED if said.over else Regime.OPEN
    if said.kind is Kind.SIGHTING:
        return Regime.FAIL if is_query else Regime.SIGHT
    return {
        Kind.DENIED: Regime.DENY,
        Kind.FAILED: Regime.FAIL,
        Kind.HANGS: Regime.FAIL,
        Kind.REFUSED: Regime.REFUSED,
    }[said.kind]
