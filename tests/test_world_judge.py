"""The judge of worlds on logs made by hand: a right one passes, and each kind of wrong one is caught."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from gespoll import JobStatus
from tests.world.channels import DENIED, SIGHTING, Kind, Manner, Phase, Said, Voice, failed
from tests.world.cost import judge_cost
from tests.world.log import Answered, Asked, Joined, Kept, Left, Log, Page, Taken
from tests.world.plan import PLAIN as HONEST_LIST
from tests.world.plan import QUERY, Case, Knobs, Listing, Plane, Wait, World
from tests.world.right import judge_verdicts
from tests.world.timely import judge_times
from tests.world.truth import Stage, Truth

JOB = "job-0"
DEADLINE = 2000.0
RUNNING = Said(Kind.STATUS, JobStatus.RUNNING, is_import=True)
PENDING = Said(Kind.STATUS, JobStatus.PENDING, is_import=True)
LOSING = Said(Kind.STATUS, JobStatus.RUNNING, "bad", True)
SUCCESS = Said(Kind.STATUS, JobStatus.SUCCESS, is_import=True, over=True)
NO_IMPORT = Said(Kind.STATUS, JobStatus.SUCCESS, is_import=False, over=True)
LOADED = Said(Kind.STATUS, JobStatus.SUCCESS, "good", True, over=True)
PARTIAL = Said(Kind.STATUS, JobStatus.PARTIALLY_FAILED, "bad", True, over=True)
FAILED = Said(Kind.STATUS, JobStatus.FAILED, is_import=True, over=True)
HALTED = Said(Kind.STATUS, JobStatus.UNKNOWN, is_import=True, over=True)
NOT_FOUND = "JobNotFound JobError"
VANISHED = "JobVanished JobNotFound JobError"
JOB_FAILED = "JobFailed JobError"
IMPORT_FAILED = "ImportPartiallyFailed ImportFailed JobFailed JobError"
TIMEOUT = "WaitTimeout"
DOWN = failed("503")
ABSENT = Voice(phases=(Phase(0.0, Manner.DENY),))
LIST_INCOMPLETE = "ListIncomplete SourceError"
UNCONFIRMED = "EndUnconfirmed SourceError"
UNKNOWN_END = "UnknownEnd JobError"
UNAVAILABLE = "ServiceUnavailable SourceError"
REFUSED = "PermissionDenied SourceError"


def world(listed: Voice = HONEST_LIST, *, graph: str | None = "g0", **fields: Any) -> World:
    """Return a world of one import that runs for ever, unless fields say otherwise."""
    truth = fields.pop("truth", Truth(JOB, ends_at=math.inf))
    query = fields.pop("query", QUERY)
    return World((Case(truth, query, listed),), (Wait(((JOB, graph),), timeout=DEADLINE),), **fields)


class Hand:
    """Writes a log, event by event."""

    def __init__(self, graph: str | None = "g0", at: float = 0.0) -> None:
        self.log = Log(period=5.0, rate=10.0)
        self._graph, self._life = graph, 0
        self._join(at)

    def _join(self, at: float, *, resumed: bool = False) -> None:
        self.log.add(Joined(at, 0, self._life, JOB, self._graph, DEADLINE, resumed))

    def query(self, at: float, said: Said | None, took: float = 0.2, **fields: Any) -> Hand:
        """Add a query that is answered at a moment."""
        self._answered(Asked(at - took, self.log.requests, "", self._life, JOB, "g0"), at, said, **fields)
        return self

    def page(
        self, at: float, said: Said | None = None, *, total: int | None = 1, others: int = 0, limit: int = 100
    ) -> Hand:
        """Add a list query that is answered at a moment; without a saying its page lacks the job."""
        rows = [*([JOB] if said else []), *[f"foreign-{number}" for number in range(others)]]
        reply = Page(tuple(rows), {JOB: said} if said else {}, total)
        self._answered(Asked(at - 0.2, self.log.requests, "", self._life, None, None, 0, limit), at, reply)
        return self

    def list_fails(self, at: float, said: Said, limit: int = 100) -> Hand:
        """Add a list query that fails at a moment."""
        self._answered(Asked(at - 0.2, self.log.requests, "", self._life, None, None, 0, limit), at, said)
        return self

    def _answered(self, asked: Asked, at: float, reply: Said | Page | None, retry_after: float | None = None) -> None:
        self.log.requests += 1
        self.log.add(asked)
        self.log.add(Answered(at, asked, reply, retry_after))

    def denied(self, *times: float) -> Hand:
        """Add queries that deny the job."""
        for at in times:
            self.query(at, DENIED)
        return self

    def step(self, at: float, status: JobStatus = JobStatus.RUNNING) -> Hand:
        """Add a change that is no end."""
        self.log.add(Taken(at, 0, self._life, JOB, status, observed_at=at))
        return self

    def ends(self, at: float, *, files: bool = False, **fields: Any) -> Hand:
        """Add a success."""
        return self.fails(at, None, JobStatus.SUCCESS, files=files, **fields)

    def fails(self, at: float, error: str | None, status: JobStatus | None = None, **fields: Any) -> Hand:
        """Add an end with an error."""
        self.log.add(Taken(at, 0, self._life, JOB, status, True, error, at, **fields))
        self.log.ended_at = at
        return self

    def killed(self, at: float, *, kept_at: float | None = None) -> Hand:
        """Add the end of a process, and the beginning of the next ten seconds later."""
        if kept_at is not None:
            self.log.events.insert(self._index(kept_at), Kept(kept_at, 0))
        self.log.add(Left(at, 0, self._life, killed=True))
        self._life += 1
        self._join(at + 10.0, resumed=True)
        return self

    def _index(self, at: float) -> int:
        return sum(event.at <= at for event in self.log.events)

    def left(self, at: float) -> Hand:
        """Add that the watch was over."""
        self.log.add(Left(at, 0, self._life))
        self.log.ended_at = at
        return self


def wrong(story: World, hand: Hand) -> list[str]:
    """Return the kinds of wrong verdicts that the judge finds."""
    return sorted({fault.kind for fault in judge_verdicts(story, hand.log)})


MINUTE_OF_DENIALS = (5.0, 20.0, 35.0, 50.0, 66.0)
PARTLY = JobStatus.PARTIALLY_FAILED
ORDINARY = world()
QUERY_ONLY = world(plane=Plane.QUERY_ONLY)
MEMORY = world(plane=Plane.MEMORY, query=Voice(kind=False), listed=Voice(files=True))
UNLISTED = world(ABSENT)
WITHOUT_GRAPH = world(ABSENT, graph=None)
INCOMPLETE = world(ABSENT, graph=None, listing=Listing(total="high"))
LARGE_REFUSED = world(graph=None, listing=Listing(page_max=10, above="422"))

RIGHT: dict[str, tuple[World, Hand]] = {
    "a success with its files": (ORDINARY, Hand().query(5, LOADED).ends(5, files=True)),
    "a success that is no import": (ORDINARY, Hand().page(5, NO_IMPORT).ends(5)),
    "a success that both channels reported": (ORDINARY, Hand().page(5, SUCCESS).query(6, SUCCESS).ends(6)),
    "a success that a query reported twice": (QUERY_ONLY, Hand().query(5, SUCCESS).query(10, SUCCESS).ends(10)),
    "the worse end of two": (ORDINARY, Hand().page(5, FAILED).query(6, LOADED).fails(6, JOB_FAILED, JobStatus.FAILED)),
    "bad files that a success lacks": (
        ORDINARY,
        Hand().query(5, LOSING).query(10, SUCCESS).fails(10, IMPORT_FAILED, PARTLY),
    ),
    "bad files that an end with files replaces": (
        ORDINARY,
        Hand().query(5, LOSING).query(10, LOADED).ends(10, files=True),
    ),
    "a success denied for a grace": (ORDINARY, Hand().page(5, SUCCESS).denied(10, 30, 66).ends(66)),
    "a success called open for five graces": (
        ORDINARY,
        Hand().page(5, SUCCESS).query(10, RUNNING).query(306, RUNNING).ends(306),
    ),
    "a success that only the list could confirm": (
        MEMORY,
        Hand().query(5, SUCCESS).page(6, LOADED).ends(6, files=True),
    ),
    "a success that was dropped, and a failure": (
        ORDINARY,
        Hand().page(5, SUCCESS).page(70, RUNNING).query(80, FAILED).fails(80, JOB_FAILED, JobStatus.FAILED),
    ),
    "a job that neither channel knows": (
        UNLISTED,
        Hand().denied(*MINUTE_OF_DENIALS).page(66.5, others=1).fails(67, NOT_FOUND),
    ),
    "a job that queries deny and three scans miss": (
        world(ABSENT, listing=Listing(total="high")),
        Hand().denied(*MINUTE_OF_DENIALS).page(20, total=9).page(80, total=9).page(140, total=9).fails(140, NOT_FOUND),
    ),
    "a job that vanished": (
        UNLISTED,
        Hand().page(1, RUNNING).denied(*MINUTE_OF_DENIALS).page(67, total=0).fails(67, VANISHED),
    ),
    "a job without graph that two scans lack": (
        WITHOUT_GRAPH,
        Hand(None).page(1, others=1).page(62, others=1).fails(62, NOT_FOUND),
    ),
    "a list that is never whole": (
        INCOMPLETE,
        Hand(None).page(1, total=9).page(61, total=9).page(901, total=9).fails(901, LIST_INCOMPLETE),
    ),
    "a success that nobody could confirm": (ORDINARY, Hand().page(5, SUCCESS).query(906, DOWN).fails(906, UNCONFIRMED)),
    "an unknown word with an end time": (QUERY_ONLY, Hand().query(5, HALTED).query(66, HALTED).fails(66, UNKNOWN_END)),
    "silence": (QUERY_ONLY, Hand().query(5, RUNNING).query(906, DOWN).fails(906, UNAVAILABLE, JobStatus.RUNNING)),
    "a deadline": (QUERY_ONLY, Hand().query(1995, RUNNING).fails(DEADLINE, TIMEOUT, JobStatus.RUNNING)),
    "a failure kept over a restart": (
        ORDINARY,
        Hand().page(5, FAILED).killed(6, kept_at=5.5).query(20, LOADED).fails(20, JOB_FAILED, JobStatus.FAILED),
    ),
    "a failure that no snapshot kept": (
        ORDINARY,
        Hand().page(5, FAILED).killed(6, kept_at=1.0).query(20, LOADED).ends(20, files=True),
    ),
}

WRONG: dict[str, tuple[str, World, Hand]] = {
    "a success out of nothing": ("invented success", ORDINARY, Hand().query(5, RUNNING).ends(5)),
    "a success despite a failure": (
        "better than reported",
        ORDINARY,
        Hand().page(5, FAILED).query(6, LOADED).ends(6, files=True),
    ),
    "a success despite bad files": (
        "better than reported",
        ORDINARY,
        Hand().query(5, LOSING).query(10, SUCCESS).ends(10),
    ),
    "a success after a restart despite a failure": (
        "better than reported",
        ORDINARY,
        Hand().page(5, FAILED).killed(6, kept_at=5.5).query(20, LOADED).ends(20, files=True),
    ),
    "a success after a restart despite bad files": (
        "better than reported",
        QUERY_ONLY,
        Hand().query(5, LOSING).killed(6, kept_at=5.5).query(20, SUCCESS).query(26, SUCCESS).ends(26),
    ),
    "a success that the list alone reported": (
        "unconfirmed success",
        ORDINARY,
        Hand().page(5, SUCCESS).page(30, SUCCESS).ends(30),
    ),
    "a success reported twice in a breath": (
        "unconfirmed success",
        QUERY_ONLY,
        Hand().query(5, SUCCESS).query(6, SUCCESS).ends(6),
    ),
    "a success denied for half a grace": (
        "unconfirmed success",
        ORDINARY,
        Hand().page(5, SUCCESS).denied(10, 20, 30).ends(30),
    ),
    "a success called open for one grace": (
        "unconfirmed success",
        ORDINARY,
        Hand().page(5, SUCCESS).query(10, RUNNING).query(70, RUNNING).ends(70),
    ),
    "a success that the memory edition's list was not asked for": (
        "unconfirmed success",
        MEMORY,
        Hand().query(5, SUCCESS).query(11, SUCCESS).ends(11),
    ),
    "the better end of two": (
        "another end",
        ORDINARY,
        Hand().page(5, FAILED).query(6, PARTIAL).fails(6, IMPORT_FAILED, PARTLY),
    ),
    "a failure that was never reported": (
        "another end",
        ORDINARY,
        Hand().query(5, LOADED).fails(5, JOB_FAILED, JobStatus.FAILED),
    ),
    "a partial failure without its files": (
        "less than reported",
        ORDINARY,
        Hand().query(5, PARTIAL).fails(5, IMPORT_FAILED, PARTLY),
    ),
    "a failure without its reason": (
        "less than reported",
        ORDINARY,
        Hand().query(5, attrs.evolve(FAILED, reason=True)).fails(5, JOB_FAILED, JobStatus.FAILED),
    ),
    "a cancellation as a failure": (
        "odd end",
        ORDINARY,
        Hand().query(5, FAILED).fails(5, "JobCancelled JobError", JobStatus.FAILED),
    ),
    "two ends": ("a second end", ORDINARY, Hand().query(5, LOADED).ends(5, files=True).ends(6, files=True)),
    "no end": ("no end", ORDINARY, Hand().query(5, LOADED).left(9)),
    "a step back": ("backwards", ORDINARY, Hand().page(2, RUNNING).step(2).page(7, PENDING).step(7, JobStatus.PENDING)),
    "a step that nobody reported": ("invented", ORDINARY, Hand().page(2, PENDING).step(2)),
    "four denials": (
        "early not found",
        UNLISTED,
        Hand().denied(*MINUTE_OF_DENIALS[1:]).page(70, others=1).fails(90, NOT_FOUND),
    ),
    "five denials in half a grace": (
        "early not found",
        UNLISTED,
        Hand().denied(1, 8, 15, 22, 29).page(30, others=1).fails(30, NOT_FOUND),
    ),
    "denials while the list shows the job": (
        "early not found",
        UNLISTED,
        Hand().denied(*MINUTE_OF_DENIALS).page(60, RUNNING).page(66.5, others=1).fails(67, NOT_FOUND),
    ),
    "denials, and the list not asked": (
        "absence without the list",
        UNLISTED,
        Hand().denied(*MINUTE_OF_DENIALS).fails(66, NOT_FOUND),
    ),
    "denials, and one scan that was not whole": (
        "absence by an incomplete scan",
        UNLISTED,
        Hand().denied(*MINUTE_OF_DENIALS).page(66.5, others=1, total=5).fails(67, NOT_FOUND),
    ),
    "a page that is not followed by an empty one": (
        "absence by an incomplete scan",
        UNLISTED,
        Hand().denied(*MINUTE_OF_DENIALS).page(66.5, others=3, total=None).fails(67, NOT_FOUND),
    ),
    "denials of a job that stands in the list": (
        "absence of a listed job",
        ORDINARY,
        Hand().denied(*MINUTE_OF_DENIALS).page(66.5, others=1).fails(67, NOT_FOUND),
    ),
    "a job without graph that one scan lacks": (
        "early not found",
        WITHOUT_GRAPH,
        Hand(None).page(1, others=1).page(40, others=1).fails(62, NOT_FOUND),
    ),
    "a vanished job called not found": (
        "vanished or not found",
        UNLISTED,
        Hand().page(1, RUNNING).denied(*MINUTE_OF_DENIALS).page(67, total=0).fails(67, NOT_FOUND),
    ),
    "not found after a sighting": (
        "vanished or not found",
        UNLISTED,
        Hand().page(1, SIGHTING).denied(*MINUTE_OF_DENIALS).page(67, total=0).fails(67, NOT_FOUND),
    ),
    "not found despite an end": (
        "JobVanished despite an end",
        UNLISTED,
        Hand().page(1, FAILED).denied(*MINUTE_OF_DENIALS).page(67, total=0).fails(67, VANISHED),
    ),
    "a list that is whole called incomplete": (
        "odd ListIncomplete",
        WITHOUT_GRAPH,
        Hand(None).page(1).page(61).page(901).fails(901, LIST_INCOMPLETE),
    ),
    "an incomplete list given up at once": (
        "early ListIncomplete",
        INCOMPLETE,
        Hand(None).page(1, total=9).page(61, total=9).page(121, total=9).fails(121, LIST_INCOMPLETE),
    ),
    "an incomplete list where a query can be asked": (
        "odd ListIncomplete",
        ORDINARY,
        Hand().page(1, total=9).page(61, total=9).page(901, total=9).fails(901, LIST_INCOMPLETE),
    ),
    "a success unconfirmed too soon": (
        "early EndUnconfirmed",
        ORDINARY,
        Hand().page(5, SUCCESS).query(60, DOWN).fails(60, UNCONFIRMED),
    ),
    "a failure called unconfirmed": (
        "odd EndUnconfirmed",
        ORDINARY,
        Hand().page(5, FAILED).query(906, DOWN).fails(906, UNCONFIRMED),
    ),
    "an unknown word too soon": ("early UnknownEnd", QUERY_ONLY, Hand().query(5, HALTED).fails(30, UNKNOWN_END)),
    "an unknown word without an end time": (
        "early UnknownEnd",
        QUERY_ONLY,
        Hand().query(5, attrs.evolve(HALTED, over=False)).fails(90, UNKNOWN_END),
    ),
    "silence of a minute": (
        "early silence",
        QUERY_ONLY,
        Hand().query(5, RUNNING).query(66, DOWN).fails(66, UNAVAILABLE),
    ),
    "silence despite an end": (
        "ServiceUnavailable despite an end",
        ORDINARY,
        Hand().page(5, FAILED).fails(950, UNAVAILABLE),
    ),
    "a refusal of a job that the list shows": (
        "refusal of a listed job",
        ORDINARY,
        Hand().page(5, RUNNING).query(6, failed("403")).fails(6, REFUSED),
    ),
    "a refusal that nobody uttered": ("odd refusal", ORDINARY, Hand().query(6, DOWN).fails(6, REFUSED)),
    "a page refused as too large": (
        "no smaller page",
        LARGE_REFUSED,
        Hand(None).list_fails(5, failed("422")).fails(5, "RequestRejected SourceError"),
    ),
    "a deadline too soon": ("early timeout", QUERY_ONLY, Hand().query(1000, RUNNING).fails(1000, TIMEOUT)),
    "a deadline long past": ("late timeout", QUERY_ONLY, Hand().query(2040, RUNNING).fails(2040, TIMEOUT)),
    "a deadline despite a failure": (
        "WaitTimeout despite an end",
        ORDINARY,
        Hand().page(1999, FAILED).fails(DEADLINE, TIMEOUT),
    ),
    "a deadline despite a confirmed success": (
        "WaitTimeout despite an end",
        ORDINARY,
        Hand().page(1990, SUCCESS).query(1999, SUCCESS).fails(DEADLINE, TIMEOUT),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_end_passes(name: str) -> None:
    """What the replies allow is no fault."""
    assert wrong(*RIGHT[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_end_is_caught(name: str) -> None:
    """Each kind of wrong end is found, and called what it is."""
    kind, story, hand = WRONG[name]
    assert kind in wrong(story, hand)


ENDS_AT_50 = Truth(JOB, is_import=False, ends_at=50.0)
FROZEN = Voice(phases=(Phase(0.0, Manner.FROZEN),))
DENYING = attrs.evolve(QUERY, phases=(Phase(0.0, Manner.DENY),))
DOWN_ALWAYS = attrs.evolve(QUERY, phases=(Phase(0.0, Manner.FAIL),))

TIMES: dict[str, tuple[World, float]] = {
    "both tell the end": (world(truth=ENDS_AT_50), 61.0),
    "a query tells it, and the list is frozen": (world(FROZEN, truth=ENDS_AT_50), 140.0),
    "the list tells it, and queries deny": (world(truth=ENDS_AT_50, query=DENYING), 230.0),
    "the list tells it, and queries fail": (world(truth=ENDS_AT_50, query=DOWN_ALWAYS), 230.0),
    "a success without files that queries deny": (world(truth=Truth(JOB, ends_at=50.0), query=DENYING), 470.0),
    "a success without files that queries cannot read": (
        world(truth=Truth(JOB, ends_at=50.0), query=DOWN_ALWAYS),
        1230.0,
    ),
    "a job that does not exist": (world(truth=Truth(JOB, appears_at=math.inf)), 480.0),
    "an unknown word with an end time": (world(truth=Truth(JOB, ends_at=50.0, end=Stage.HALTED)), 140.0),
}


@pytest.mark.parametrize("name", TIMES)
def test_an_end_is_late_only_when_its_time_is_over(name: str) -> None:
    """An end at the bound is in time, one a minute later is not."""
    story, bound = TIMES[name]
    assert [fault.sort for fault in judge_times(story, Hand().ends(bound - 45.0).log)] == []
    assert [fault.sort for fault in judge_times(story, Hand().ends(bound + 15.0).log)] == ["late"]


def test_nothing_is_late_where_both_channels_lie() -> None:
    """Where queries deny and a frozen list shows the job open, only a timeout ends the wait."""
    story = world(FROZEN, truth=ENDS_AT_50, query=DENYING)
    assert judge_times(story, Hand().fails(DEADLINE, TIMEOUT).log) == []


def side_by_side(number: int) -> Hand:
    """Return a log of so many queries that are under way at the same time."""
    hand = Hand()
    asked = [Asked(1.0 + 0.2 * turn, turn, "", 0, JOB, "g0") for turn in range(number)]
    hand.log.events += [*asked, *[Answered(2.0, each, RUNNING) for each in asked]]
    return hand.left(3.0)


def throttled_then(after: float) -> Hand:
    """Return a log of a query that is asked to wait for thirty seconds, and the next."""
    return Hand().query(1.0, failed("429"), retry_after=30.0).query(1.0 + after, RUNNING).left(40.0)


def hurried(number: int, apart: float, said: Said = RUNNING, took: float = 0.1) -> Hand:
    """Return a log of so many queries, so many seconds apart."""
    hand = Hand()
    for turn in range(number):
        hand.query(1.0 + turn * apart, said, took)
    return hand.left(1.0 + number * apart)


def pages(number: int, apart: float, said: Said | None) -> Hand:
    """Return a log of so many list queries, so many seconds apart."""
    hand = Hand(None)
    for turn in range(number):
        hand.page(1.0 + turn * apart, said)
    return hand.left(1.0 + number * apart)


def with_leftovers() -> Hand:
    """Return a log of a run that left a task behind."""
    hand = hurried(3, 5.0)
    hand.log.left_over.append("Task-7")
    return hand


COSTS: dict[str, tuple[list[str], World, Hand]] = {
    "a query an interval": ([], QUERY_ONLY, hurried(300, 5.0)),
    "a query a second": (["whole run"], QUERY_ONLY, hurried(1500, 1.0)),
    "twenty queries a second": (["rate"], QUERY_ONLY, hurried(30, 0.05)),
    "too many at once": (["at once"], world(plane=Plane.QUERY_ONLY, knobs=Knobs(max_at_once=2)), side_by_side(3)),
    "a query before Retry-After is over": (["retry-after"], QUERY_ONLY, throttled_then(20.0)),
    "a query after Retry-After is over": ([], QUERY_ONLY, throttled_then(31.5)),
    "a denied job asked for once a minute": ([], UNLISTED, hurried(30, 60.0, DENIED)),
    "a denied job asked for each interval": (["troubled job"], UNLISTED, hurried(300, 5.0, DENIED)),
    "a job that fails asked for each interval": (["troubled job"], UNLISTED, hurried(300, 5.0, DOWN)),
    "an end confirmed each interval": (["troubled job"], UNLISTED, hurried(300, 5.0, SUCCESS)),
    "a list scanned once a minute": ([], INCOMPLETE, pages(30, 60.0, None)),
    "a list without the job read each interval": (["empty list"], INCOMPLETE, pages(300, 2.0, None)),
    "a list with the job read each interval": ([], INCOMPLETE, pages(300, 5.0, RUNNING)),
    "a task that was left": (["left over"], QUERY_ONLY, with_leftovers()),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_counted(name: str) -> None:
    """Each kind of cost has its bound."""
    kinds, story, hand = COSTS[name]
    assert sorted({fault.kind for fault in judge_cost(story, hand.log)}) == kinds
