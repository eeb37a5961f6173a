"""The shortest story of each fault that worlds can show: numbers are those of the list of faults."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from gespoll import JobStatus
from tests.world.channels import HONEST, Manner, Phase, Trouble, Voice
from tests.world.judge import judge, tried
from tests.world.log import Log, Taken
from tests.world.plan import QUERY, Case, Kill, Knobs, Listing, Plane, Wait, World
from tests.world.run import run
from tests.world.story import told
from tests.world.truth import Stage, Truth

FROM_THE_START = 0.0
RIGHT: list[Any] = []


def lie(
    manner: Manner, start: float = FROM_THE_START, *, until: float = math.inf, at: float = 0.0, trouble: Trouble = "503"
) -> tuple[Phase, ...]:
    """Return phases that lie from a moment until another."""
    phases = (
        [Phase(start, manner, at, trouble)]
        if start == FROM_THE_START
        else [Phase(0.0), Phase(start, manner, at, trouble)]
    )
    return (*phases, Phase(until)) if until < math.inf else tuple(phases)


def silent(phases: tuple[Phase, ...] = HONEST, **fields: Any) -> Voice:
    """Return a voice that reports no files."""
    return Voice(phases, **fields)


def told_in_full(phases: tuple[Phase, ...] = HONEST, **fields: Any) -> Voice:
    """Return a voice that reports files, too."""
    return Voice(phases, files=True, **fields)


def case(number: int = 0, *, query: Voice = QUERY, listed: Voice | None = None, **truth: Any) -> Case:
    """Return a job that runs from the start."""
    return Case(Truth(f"job-{number}", **truth), query, listed or silent())


def world(*cases: Case, graph: str | None = "g0", **fields: Any) -> World:
    """Return a world in which one watch waits for all jobs."""
    fields.setdefault("waits", (waiting(*cases, graph=graph),))
    return World(cases, **fields)


def waiting(*cases: Case, graph: str | None = "g0", **fields: Any) -> Wait:
    """Return a watch on some jobs."""
    return Wait(tuple((case.truth.job_id, graph) for case in cases), **fields)


def ends(log: Log) -> dict[str, Taken]:
    """Return the end of each job."""
    return {change.job_id: change for change in log.taken() if change.is_final}


def holds(story: World) -> None:
    """Assert that a story has no fault; else it is told."""
    log = run(story)
    faults = judge(story, log)
    assert not faults, told(story, log, faults)


# What ends say


def test_a_job_that_queries_deny_and_the_list_shows_ends_as_the_list_says() -> None:
    """A denial by queries alone ends no job while a list can be read (A2)."""
    holds(world(case(query=told_in_full(lie(Manner.DENY)), ends_at=90.0)))


def test_a_job_whose_graph_is_said_to_be_missing_ends_as_the_list_says() -> None:
    """That the graph is missing is a denial like others (A2)."""
    cases = [case(number, query=told_in_full(lie(Manner.GONE)), ends_at=200.0) for number in range(3)]
    holds(world(*cases, listing=Listing(total="absent", foreign=130, page_max=10)))


def test_denials_confirm_a_success_only_after_the_grace() -> None:
    """A success without files waits a grace for the query, which then shows what was lost (A3)."""
    denied = told_in_full(lie(Manner.DENY, until=40.0))
    cases = [case(number, query=denied, end=Stage.PARTIAL) for number in range(2)]
    holds(world(*cases))


@pytest.mark.parametrize(
    "listing",
    [
        pytest.param(Listing(page_max=100, above="cut", total="page", foreign=130), id="the total is the page's"),
        pytest.param(Listing(page_max=50, above="empty", foreign=60), id="larger pages are empty"),
        pytest.param(Listing(page_max=50, offsets="pages", foreign=130), id="offsets count pages"),
    ],
)
def test_an_incomplete_scan_proves_no_absence(listing: Listing) -> None:
    """A job without graph that stands in the list is never not found (A4)."""
    last = case(ends_at=10.0)
    story = world(last, graph=None, listing=attrs.evolve(listing, order="id"))
    holds(attrs.evolve(story, waits=(waiting(last, graph=None, timeout=600.0),)))


def test_a_job_whose_entry_cannot_be_read_is_not_missing() -> None:
    """An entry without status shows that the job is there (A4)."""
    holds(world(case(listed=silent(lie(Manner.BLANK, until=300.0)), ends_at=10.0), graph=None))


def test_a_list_that_is_frozen_for_one_import_is_still_asked_for_its_files() -> None:
    """Where the list alone tells files, an entry that is behind holds a success up for five graces, no longer (A5)."""
    frozen = told_in_full(lie(Manner.FROZEN, at=6.0))
    holds(world(case(query=silent(kind=False), listed=frozen, ends_at=30.0), plane=Plane.MEMORY))


def test_a_list_that_was_behind_before_the_end_still_holds_it_up_for_five_graces() -> None:
    """Where it alone tells files, its word that an import is open counts, believed or not (A5)."""
    frozen = told_in_full(lie(Manner.FROZEN, at=0.0))
    late = case(query=silent(), listed=frozen, running_at=12.0, ends_at=100.0)
    holds(world(late, plane=Plane.MEMORY, knobs=Knobs(not_found_grace=10.0)))


def test_a_job_whose_first_change_was_not_taken_is_known_to_have_been_there() -> None:
    """A snapshot covers what was taken, and keeps that the job was shown: it vanished (A21)."""
    gone = case(ends_at=28.0, gone_at=45.0)
    story = world(gone, plane=Plane.QUERY_ONLY, kills=(Kill(1, 60.0, "moment"),))
    holds(story)
    assert ends(run(story))["job-0"].ended_as == "JobVanished"


def test_a_list_that_is_left_again_and_again_is_scanned_once_a_minute() -> None:
    """It shows none of the jobs, and that it is left is no reason to look for them at once (A13)."""
    left = case(query=silent(), listed=told_in_full(lie(Manner.DENY, 33.7)), ends_at=39.2)
    never = case(1, query=silent(lie(Manner.BLANK)), appears_at=math.inf, ends_at=78.0)
    holds(world(left, never, plane=Plane.MEMORY, listing=Listing(total="high", foreign=12)))


def test_queries_that_fail_keep_their_pace_whatever_a_list_without_order_misses() -> None:
    """A job that only the list shows is looked for there, and queried once a minute (A13)."""
    cases = [case(0, listed=told_in_full(), ends_at=math.inf), case(1, listed=told_in_full(), ends_at=76.0)]
    failing = (Phase(FROM_THE_START, Manner.FAIL),)
    holds(world(*cases, plane=Plane.MEMORY, listing=Listing(order="random"), queries=failing))


def test_jobs_that_leave_a_list_without_order_are_queried_after_two_cycles() -> None:
    """Such a list misses some in any cycle; what it misses twice may be gone (A1)."""
    gone = [case(number, listed=silent(lie(Manner.DENY, 30.0 + number)), ends_at=30.0 + number) for number in range(6)]
    here = [case(number, ends_at=200.0) for number in range(6, 20)]
    holds(world(*gone, *here, listing=Listing(order="random", page_max=10)))


def test_a_newcomer_is_queried_while_a_scan_waits_for_a_list_that_breaks_off() -> None:
    """A job that joins after the scan began is known as soon as those that it began for (A13)."""
    long, late = case(ends_at=math.inf), case(1, ends_at=39.0, is_import=False)
    broken = Listing(phases=lie(Manner.FAIL, trouble="reset"))
    waits = (waiting(long, timeout=300.0), attrs.evolve(waiting(late, timeout=300.0), joins_at=43.0))
    holds(world(long, late, listing=broken, waits=waits))


def test_the_kind_of_a_job_is_remembered_whoever_told_it() -> None:
    """A success of what a query once called no import needs no files, though the list tells no kind (A3)."""
    hangs = Voice(lie(Manner.HANG, 42.0))
    listed = silent(kind=False)
    holds(
        world(case(query=hangs, listed=listed, is_import=False, running_at=14.0, ends_at=87.0), case(1, ends_at=200.0))
    )


def test_bad_files_that_the_list_shows_of_a_job_that_queries_called_running_are_remembered() -> None:
    """The first entry of a job is read in full where the list tells files, though its word is no news (A11)."""
    listing = Listing(phases=(Phase(0.0), Phase(77.0, Manner.FAIL)))
    lossy = case(query=silent(), listed=told_in_full(), ends_at=114.0, loses_early=True, end=Stage.PARTIAL)
    holds(world(lossy, listing=listing, plane=Plane.MEMORY))


def test_a_job_that_is_never_more_than_sighted_ends_where_its_query_is_refused() -> None:
    """Its record cannot be read, and nothing else can be asked: it ends after the outage timeout (A20)."""
    refused = silent(lie(Manner.FAIL, trouble="403"))
    holds(world(case(query=refused, listed=silent(lie(Manner.BLANK)))))


def test_the_list_of_the_memory_edition_confirms_an_import() -> None:
    """Where only the list tells files, a success is confirmed there (A7)."""
    holds(world(case(query=silent(kind=False), listed=told_in_full(), end=Stage.PARTIAL), plane=Plane.MEMORY))


def test_the_worse_of_two_ends_stands() -> None:
    """A failure that the list told is not taken back by a query's success (A11)."""
    cases = [case(number, listed=silent(end=Stage.FAILED, reason=False), ends_at=10.0) for number in range(2)]
    holds(world(*cases, plane=Plane.DATABASE))


def test_bad_files_seen_while_a_job_ran_are_remembered() -> None:
    """A success without files is a partial failure when lost lines were seen before (A11)."""
    listed = told_in_full(lie(Manner.FROZEN, at=5.0))
    query = silent(kind=False, end=Stage.SUCCESS)
    cases = [case(n, query=query, listed=listed, end=Stage.PARTIAL, loses_early=True, ends_at=20.0) for n in range(2)]
    holds(world(*cases, plane=Plane.MEMORY))


def test_the_list_serves_where_queries_are_refused() -> None:
    """Who may only list waits as well as who may only query (A15)."""
    holds(world(case(query=told_in_full(lie(Manner.FAIL, trouble="403")), is_import=False, ends_at=10.0)))


@pytest.mark.parametrize("status", ["422", "500"])
def test_a_refused_page_is_asked_for_smaller(status: Trouble) -> None:
    """Whatever status a page that is too large is refused with, a smaller one is tried (A16)."""
    holds(world(case(ends_at=10.0), graph=None, listing=Listing(page_max=10, above=status)))


def test_bad_files_are_remembered_over_a_restart() -> None:
    """A kill makes no verdict better than what was told before it (A21)."""
    listed = told_in_full((Phase(0.0), Phase(15.0, Manner.DENY)))
    query = silent(kind=False, end=Stage.SUCCESS)
    cases = [case(n, query=query, listed=listed, end=Stage.PARTIAL, loses_early=True, ends_at=20.0) for n in range(2)]
    holds(world(*cases, plane=Plane.MEMORY, kills=(Kill(3, downtime=30.0, keeps="moment"),)))


# When they are known


def test_a_job_that_leaves_the_list_is_queried() -> None:
    """Its end is known as soon as that of any job that queries show (A1)."""
    gone = silent(lie(Manner.DENY, 30.0))
    holds(world(*[case(number, listed=gone, is_import=False, ends_at=60.0) for number in range(3)]))


def test_a_success_that_queries_contradict_is_told_after_five_graces() -> None:
    """A frozen query delays a success, and does not hold it for ever (A5)."""
    frozen = told_in_full(lie(Manner.FROZEN))
    holds(world(*[case(number, query=frozen, ends_at=10.0) for number in range(2)]))


def test_a_success_that_nobody_can_confirm_ends_unconfirmed() -> None:
    """After the patience it is an error that says so (A5)."""
    down = told_in_full(lie(Manner.FAIL))
    holds(world(*[case(number, query=down, ends_at=10.0) for number in range(2)]))


def test_a_list_that_failed_for_a_moment_is_taken_up_again() -> None:
    """Ends of many jobs are known by the list soon after it works again (A6)."""
    cases = [case(number, is_import=False, ends_at=12.0) for number in range(50)]
    failing = Listing(phases=lie(Manner.FAIL, 2.0, until=5.0))
    holds(world(*cases, knobs=Knobs(interval=1.0, max_per_second=2.0), listing=failing))


def test_a_job_that_no_list_proves_absent_ends() -> None:
    """A list that is never whole ends the wait with an error that says so, and is not scanned without end (A9)."""
    holds(world(case(appears_at=math.inf), graph=None, listing=Listing(total="high")))


def test_a_deadline_passes_while_the_service_asks_to_wait() -> None:
    """What cannot be polled a last time ends at the deadline (A10)."""
    job = case(ends_at=math.inf)
    log = run(world(job, waits=(waiting(job, timeout=5.0),), throttled=60, retry_after=60.0, plane=Plane.QUERY_ONLY))
    assert ends(log)["job-0"].observed_at <= 6.0


def test_a_list_that_is_behind_for_all_is_found_out_within_twelve_cycles() -> None:
    """The first verification of a job that has moved tells that the list is stale (A12)."""
    frozen = silent(lie(Manner.FROZEN, at=5.0))
    holds(world(*[case(number, listed=frozen, is_import=False, ends_at=100.0) for number in range(4)]))


def test_a_job_that_is_frozen_in_the_list_alone_is_verified_in_its_turn() -> None:
    """One stale entry among many is found out by queries, one every twelve cycles at least (A12)."""
    frozen = silent(lie(Manner.FROZEN, at=5.0))
    jobs = [case(number, is_import=False, ends_at=math.inf) for number in range(6)]
    stale = case(6, listed=frozen, is_import=False, ends_at=20.0)
    holds(world(*jobs, stale, listing=Listing(order="id")))


def test_a_graph_that_is_gone_costs_no_more_queries() -> None:
    """What queries deny is asked for once a minute at most (A13)."""
    gone = told_in_full(lie(Manner.GONE, 30.0))
    cases = [case(number, query=gone, is_import=False, ends_at=900.0) for number in range(5)]
    holds(world(*cases))


def test_a_list_that_hangs_does_not_stop_the_polls() -> None:
    """Jobs whose period has passed are queried while a window hangs (A13)."""
    cases = [case(number, is_import=False, ends_at=60.0) for number in range(20)]
    holds(world(*cases, listing=Listing(phases=lie(Manner.HANG, 30.0))))


def test_a_job_that_queries_cannot_read_ends_though_others_are_answered() -> None:
    """Silence is decided job by job (A20)."""
    down = told_in_full(lie(Manner.FAIL, trouble="500"))
    holds(world(case(0, query=down), case(1, ends_at=2000.0), plane=Plane.QUERY_ONLY))


def test_an_unknown_word_with_an_end_time_ends_after_the_grace() -> None:
    """A job that has stopped in a way that no document names ends (A20)."""
    holds(world(case(end=Stage.HALTED, ends_at=10.0), plane=Plane.QUERY_ONLY))


def test_a_retry_after_outlives_the_jobs_that_it_ended() -> None:
    """Who waits next keeps what the service asked of the last (A22)."""
    job = case(ends_at=math.inf)
    waits = (waiting(job, timeout=1000.0), waiting(job, joins_at=505.0, timeout=100.0))
    story = world(job, waits=waits, throttled=60, retry_after=20.0, knobs=Knobs(outage_timeout=60.0))
    holds(attrs.evolve(story, plane=Plane.QUERY_ONLY))


def test_jobs_that_leave_a_list_as_they_end_are_queried() -> None:
    """Of many jobs, each is known soon after it has left the list (A22)."""
    at = [60.0 + 2.5 * number for number in range(120)]
    left = [silent(lie(Manner.DENY, time)) for time in at]
    cases = [case(number, listed=left[number], is_import=False, ends_at=time) for number, time in enumerate(at)]
    holds(world(*cases, listing=Listing(page_max=100)))


def test_an_honest_world_has_no_fault() -> None:
    """Where nobody lies, everything is right, in time and cheap."""
    kinds = [Stage.SUCCESS, Stage.PARTIAL, Stage.FAILED, Stage.CANCELLED]
    cases = [case(number, end=kinds[number % 4], running_at=5.0, ends_at=10.0 + number) for number in range(12)]
    assert tried(world(*cases, listing=Listing(foreign=130, page_max=100))) == RIGHT
    assert {end.status for end in ends(run(world(*cases))).values()} == {
        JobStatus.SUCCESS,
        JobStatus.PARTIALLY_FAILED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    }
