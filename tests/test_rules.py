"""The rules that may not break, one name each; rule 9 is in test_secrets.py."""

from __future__ import annotations

import ast
import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import gespoll
from gespoll import (
    AuthenticationError,
    ImportFile,
    ImportPartiallyFailed,
    Job,
    JobFailed,
    JobNotFound,
    JobRef,
    JobStatus,
    JobVanished,
    ListWindow,
    ManagementSource,
    PermissionDenied,
    Poller,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    StateChange,
    Throttled,
    Token,
    TransportError,
    WaitTimeout,
)
from gespoll._scheduler import Get, Outcome, Request, Window
from gespoll._scheduler._record import MISSES_AT_LEAST
from gespoll._snapshot import Snapshot
from gespoll.testing import FakeGES, ScriptedSource
from tests.desk import Desk, ends_at, finals, job, statuses

SOURCES = [
    path
    for path in Path(gespoll.__file__).parent.rglob("*.py")
    if not {"testing", "cli"} & set(path.relative_to(Path(gespoll.__file__).parent).parts)
]
LOADED = ImportFile(kind="edgeset", path="e.csv", status="success")
PARTLY = ImportFile(kind="edgeset", path="e.csv", status="partFailed", failed_lines=3, total_lines=9)
TRANSIENT = [
    TransportError("reset"),
    Throttled("slow down"),
    ServiceUnavailable("later"),
    ProtocolError("half a reply"),
]


def imported(job_id: str, status: str = "success", files: tuple[ImportFile, ...] | None = None) -> Job:
    """Make a reading of a bulk import."""
    return job(job_id, status, is_import=True, name="ImportGraph", files=files)


def hostile(rng: random.Random, ids: list[str]) -> list[Outcome]:
    """Draw the answers of a server that says anything about some jobs."""
    words = [*JobStatus]
    readings: list[Outcome] = [job(rng.choice(ids), rng.choice(words).value) for _ in range(30)]
    return [*readings, *TRANSIENT, JobNotFound(JobRef("x")), RequestRejected("no"), PermissionDenied("no")]


@given(seed=st.integers(0, 10_000), listing=st.booleans(), count=st.integers(1, 12))
def test_rule_1_every_job_ends_in_exactly_one_final_change(seed: int, listing: bool, count: int) -> None:
    """Whatever is answered in whatever order, each job gets one final change, and nothing after it."""
    rng = random.Random(seed)
    ids = [f"job{number}" for number in range(count)]
    desk = Desk(listing=listing, interval=1.0, max_per_second=100.0, not_found_grace=5.0)
    desk.stories = {job_id: ends_at(job_id, rng.uniform(0, 20), rng.choice(["success", "failed"])) for job_id in ids}
    answers = hostile(rng, ids)
    ledger = desk.watch(ids, timeout=200.0)
    under_way: list[Request] = []
    for _ in range(60):
        desk.now += rng.uniform(0, 1)
        request = desk.scheduler.next_request(desk.now)
        under_way += [request] if request is not None else []
        if under_way and rng.random() < 0.6:
            sent = under_way.pop(rng.randrange(len(under_way)))
            fits = isinstance(sent, Get) and rng.random() < 0.5
            desk.answer(sent, rng.choice(answers) if fits else None)
    for sent in under_way:
        desk.answer(sent)
    desk.run()
    assert set(finals(ledger)) == set(ids)
    for job_id in ids:
        assert [change.is_final for change in ledger.changes if change.ref.job_id == job_id].index(True) == len(
            [change for change in ledger.changes if change.ref.job_id == job_id]
        ) - 1
    assert ledger.is_over


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_rule_2_a_failed_poll_is_never_a_failed_job(error: SourceError) -> None:
    """A transient error delays the look at a job and says nothing about the job."""
    desk = Desk({"a": ends_at("a", 0.0)})
    ledger = desk.watch(["a"])
    desk.answer(desk.next(), error)
    assert not ledger.changes
    desk.run()
    assert statuses(ledger) == ["success"]


@pytest.mark.parametrize(
    "error", [PermissionDenied("no"), RequestRejected("no")], ids=lambda error: type(error).__name__
)
def test_rule_2_a_rejected_query_hits_its_own_job_only(error: SourceError) -> None:
    """What is refused on one single query ends that job, and no other."""
    desk = Desk({"b": ends_at("b", 20.0)})
    ledger = desk.watch(["a", "b"])
    desk.answer(desk.next(), error)
    assert finals(ledger)["a"].error is error
    desk.run()
    assert finals(ledger)["b"].status is JobStatus.SUCCESS


def test_rule_2_a_refused_list_is_replaced_by_single_queries() -> None:
    """A list that may not be read costs one request, and nobody the wait."""
    desk = Desk({name: ends_at(name, 20.0) for name in "abcd"}, listing=True)
    desk.list_error = PermissionDenied("no", status=403)
    ledger = desk.watch("abcd")
    desk.run()
    assert {change.status for change in finals(ledger).values()} == {JobStatus.SUCCESS}
    assert len(desk.windows) == 1


def test_rule_2_rejected_credentials_hit_all_jobs_at_once_and_name_them() -> None:
    """A rejection after the renewal ends every wait with the pending jobs named."""
    desk = Desk()
    ledger = desk.watch(["a", "b"])
    desk.answer(desk.next(), AuthenticationError("rejected"))
    errors = {change.error for change in finals(ledger).values()}
    assert len(errors) == 1
    error = errors.pop()
    assert isinstance(error, AuthenticationError)
    assert error.pending == (JobRef("a", "g"), JobRef("b", "g"))


@pytest.mark.parametrize(("ever_good", "patience"), [(True, 900.0), (False, 60.0)])
def test_rule_2_an_outage_ends_all_jobs_after_its_time_and_not_before(ever_good: bool, patience: float) -> None:
    """No good answer for 900 s, or for 60 s when there never was one, ends the wait."""
    desk = Desk({"a": lambda now: job("a") if ever_good and now < 1 else TransportError("reset")})
    ledger = desk.watch(["a"])
    desk.run(until=patience - 1)
    assert not finals(ledger)
    desk.run()
    assert isinstance(finals(ledger)["a"].error, TransportError)
    assert patience <= finals(ledger)["a"].observed_at < patience + 70


def test_rule_3_a_partly_failed_import_never_ends_as_a_success() -> None:
    """A success whose files the list leaves out is not told before a single query showed them."""
    desk = Desk({name: lambda now, name=name: imported(name) for name in "abc"}, listing=True)  # type: ignore[misc]
    ledger = desk.watch("abc")
    desk.answer(desk.next())
    assert not ledger.changes
    query = desk.next()
    assert isinstance(query, Get)
    desk.answer(query, imported(query.job_id, "partially_failed", (PARTLY,)))
    assert isinstance(finals(ledger)[query.job_id].error, ImportPartiallyFailed)


def test_rule_3_an_import_that_tells_its_files_needs_no_confirmation() -> None:
    """A success with every file loaded is final at once."""
    desk = Desk({name: lambda now, name=name: imported(name, files=(LOADED,)) for name in "abc"}, listing=True)  # type: ignore[misc]
    ledger = desk.watch("abc")
    desk.answer(desk.next())
    assert statuses(ledger) == ["success"] * 3


def test_rule_3_one_confirming_query_decides() -> None:
    """Where even the single query tells no files, the server's word is taken after one confirmation."""
    desk = Desk({"a": lambda now: imported("a")}, listing=True)
    ledger = desk.watch("a")
    desk.run()
    assert statuses(ledger) == ["success"]
    assert desk.queries == ["a", "a"]


def test_rule_3_a_confirmation_that_is_denied_once_is_asked_for_again() -> None:
    """One answer that there is no such job settles nothing."""
    desk = Desk({name: lambda now, name=name: imported(name) for name in "abc"}, listing=True)  # type: ignore[misc]
    ledger = desk.watch("abc")
    desk.answer(desk.next())
    denied = desk.next()
    assert isinstance(denied, Get)
    desk.answer(denied, JobNotFound(JobRef(denied.job_id)))
    assert denied.job_id not in finals(ledger)
    desk.stories[denied.job_id] = lambda now: imported(denied.job_id, "partially_failed", (PARTLY,))
    desk.run()
    assert finals(ledger)[denied.job_id].status is JobStatus.PARTIALLY_FAILED


@given(words=st.lists(st.sampled_from(list(JobStatus)), max_size=12))
@example(words=[JobStatus.RUNNING, JobStatus.PENDING, JobStatus.RUNNING, JobStatus.UNKNOWN])
def test_rule_4_states_only_move_forward(words: list[JobStatus]) -> None:
    """Whatever order readings come in, no change goes back, repeats a status or follows a terminal one."""
    desk = Desk()
    ledger = desk.watch(["a"])
    for word in words:
        if desk.scheduler.next_due() < math.inf:
            desk.answer(desk.next(), job("a", word.value))
    told = [change.status for change in ledger.changes if change.status is not None]
    assert len(told) == len(set(told))
    assert [status.rank for status in told] == sorted(status.rank for status in told)
    assert sum(status.is_terminal for status in told) <= 1


def test_rule_4_a_reply_that_was_under_way_never_takes_a_job_back() -> None:
    """The first confirmed terminal state wins over a contradicting reply that arrives later."""
    desk = Desk({name: ends_at(name, 0.0) for name in "abc"}, listing=True, max_per_second=1000.0)
    ledger = desk.watch("ab")
    query = desk.next()
    desk.scheduler.join(ledger, [JobRef("c", "g")], desk.now)
    desk.now += 1
    desk.answer(desk.next())
    desk.answer(query, job("a", "failed"))
    desk.run()
    assert statuses(ledger, "a") == ["success"]


def test_rule_5_an_unknown_word_is_told_once_with_a_warning_and_waited_on(caplog: pytest.LogCaptureFixture) -> None:
    """UNKNOWN is no end: it is announced once and the wait goes on."""
    thawing = Job(ref=JobRef("a"), status=JobStatus.UNKNOWN, reported_status="thawing")
    desk = Desk({"a": lambda now: thawing if now < 30 else job("a", "success")})
    with caplog.at_level(logging.WARNING, "gespoll"):
        ledger = desk.watch(["a"])
        desk.run()
    assert statuses(ledger) == ["unknown", "success"]
    assert [record.message for record in caplog.records] == [
        "job g/a has status 'thawing', which no API document names; it is waited on"
    ]
    assert ledger.changes[0].job is not None
    assert ledger.changes[0].job.reported_status == "thawing"


def test_rule_5_an_unknown_word_is_bounded_by_the_timeout() -> None:
    """A job that stays in an unknown state ends in `WaitTimeout`."""
    desk = Desk({"a": lambda now: job("a", "unknown")})
    ledger = desk.watch(["a"], timeout=100.0)
    desk.run()
    assert isinstance(finals(ledger)["a"].error, WaitTimeout)


def test_rule_6_absence_ends_a_job_only_after_grace_and_several_misses() -> None:
    """A job that is not found is looked for again until the grace is over."""
    desk = Desk(interval=25.0)
    ledger = desk.watch(["a"])
    desk.run(until=59.9)
    assert not ledger.changes
    desk.run()
    error = finals(ledger)["a"].error
    assert type(error) is JobNotFound
    assert error.waited >= 60.0
    assert len(desk.queries) >= MISSES_AT_LEAST


def test_rule_6_misses_in_a_row_are_needed_however_short_the_grace() -> None:
    """Fewer answers that there is no such job than `MISSES_AT_LEAST` are never enough."""
    assert MISSES_AT_LEAST >= 3
    desk = Desk(not_found_grace=0.0)
    ledger = desk.watch(["a"])
    for _ in range(MISSES_AT_LEAST - 1):
        desk.answer(desk.next())
    assert not ledger.changes
    desk.answer(desk.next())
    assert "a" in finals(ledger)


def test_rule_6_one_sighting_starts_the_grace_anew() -> None:
    """Answers that there is no such job count from the last time that it was seen."""
    desk = Desk({"a": lambda now: job("a", "success") if now > 95 else job("a") if 30 < now < 40 else None})
    ledger = desk.watch(["a"])
    desk.run()
    assert statuses(ledger) == ["running", "success"]


def test_rule_6_a_job_seen_before_has_vanished() -> None:
    """Gone after a sighting is another error than never found."""
    desk = Desk({"a": lambda now: job("a") if now < 10 else None})
    ledger = desk.watch(["a"])
    desk.run()
    error = finals(ledger)["a"].error
    assert type(error) is JobVanished
    assert error.job is not None


def test_rule_6_the_delete_job_of_a_deleted_graph_is_found_in_the_list() -> None:
    """When the graph is gone, the list is asked before the job counts as gone."""
    gone = JobNotFound(JobRef("a", "g"), graph_missing=True)
    desk = Desk({"a": ends_at("a", 30.0)}, listing=True)
    ledger = desk.watch(["a"])
    desk.answer(desk.next(), gone)
    desk.run()
    assert statuses(ledger) == ["running", "success"]
    assert desk.windows


def test_rule_6_without_a_graph_two_complete_sweeps_a_grace_apart_decide() -> None:
    """A job that only the list can show is not found when two complete sweeps lack it."""
    desk = Desk({str(number): ends_at(str(number), 0) for number in range(30)}, listing=True)
    desk.max_page = 10
    ledger = desk.watch(["a"], graph=None)
    desk.run(until=59.9)
    assert not ledger.changes
    desk.run()
    assert type(finals(ledger)["a"].error) is JobNotFound
    assert not desk.queries


def test_rule_6_an_incomplete_sweep_says_nothing_about_absence() -> None:
    """When pages shift under the sweep, what it did not show may still be there."""
    rng = random.Random(0)
    desk = Desk({str(number): ends_at(str(number), 0) for number in range(100)}, listing=True)
    desk.max_page = 10
    desk.order = lambda ids: rng.sample(ids, len(ids))
    ledger = desk.watch(["a"], graph=None)
    desk.run(until=600.0)
    assert not ledger.changes


@given(
    seed=st.integers(0, 10_000), rate=st.sampled_from([0.5, 3.0, 10.0]), count=st.integers(1, 40), listing=st.booleans()
)
def test_rule_7_requests_stay_within_the_budget(seed: int, rate: float, count: int, listing: bool) -> None:
    """In any window of W seconds at most rate * W + 1 requests leave, whatever is answered."""
    rng = random.Random(seed)
    desk = Desk(listing=listing, max_per_second=rate, interval=1.0)
    desk.stories = {str(n): ends_at(str(n), rng.uniform(0, 60)) for n in range(count)}
    for _ in range(3):
        desk.watch([str(n) for n in range(count)], timeout=60.0)
    sent_at: list[float] = []
    while desk.scheduler.next_due() < 60.0:
        desk.now = max(desk.now, desk.scheduler.next_due())
        request = desk.scheduler.next_request(desk.now)
        if request is not None:
            sent_at.append(desk.now)
            desk.answer(request, rng.choice([*TRANSIENT, None, None, None]))
    for window in (0.0, 1.0, 10.0):
        for start in sent_at:
            inside = [at for at in sent_at if start <= at <= start + window]
            assert len(inside) <= rate * window + 1 + 1e-6


def test_rule_7_retry_after_holds_everything_it_covers_and_15_minutes_at_most() -> None:
    """No request leaves before the server's Retry-After is over; a longer one is shortened."""
    desk = Desk({name: ends_at(name, 0.0) for name in "ab"})
    desk.watch("ab")
    desk.answer(desk.next(), Throttled("slow down", retry_after=40.0))
    assert desk.scheduler.next_request(39.9) is None
    assert 40.0 <= desk.scheduler.next_due() < 42.0
    desk.answer(desk.next(), ServiceUnavailable("tomorrow", retry_after=86_400.0))
    assert desk.now + 900 <= desk.scheduler.next_due() < desk.now + 935


@pytest.mark.anyio
async def test_rule_7_never_more_than_max_at_once() -> None:
    """However many jobs and watches, `max_at_once` bounds the requests under way."""
    source = ScriptedSource({str(n): [JobStatus.RUNNING, JobStatus.SUCCESS] for n in range(50)}, delay=3.0)
    async with Poller(source, max_at_once=4, max_per_second=100) as poller, anyio.create_task_group() as tasks:
        for n in range(50):
            tasks.start_soon(poller.wait, str(n))
    assert source.most_at_once == 4


@pytest.mark.anyio
async def test_rule_8_leaving_a_block_stops_its_requests_before_the_block_is_left() -> None:
    """A request made for a watch alone is gone when the watch is; one shared with another goes on."""
    source = ScriptedSource({"alone": [JobStatus.RUNNING], "shared": [JobStatus.SUCCESS]}, delay=5.0)
    async with Poller(source) as poller, anyio.create_task_group() as tasks:
        tasks.start_soon(poller.wait, "shared")
        async with poller.watch(["alone", "shared"]):
            await anyio.sleep(1)
            assert source.at_once == 2
        assert source.at_once == 1
        assert anyio.current_time() == pytest.approx(1)
    looks = source.looks.copy()
    await anyio.sleep(100)
    assert source.looks == looks


def test_rule_10_a_long_list_is_taken_in_by_slices() -> None:
    """Between two of them anything else may happen."""
    desk = Desk({f"job{number}": ends_at(f"job{number}", 50.0) for number in range(5000)}, listing=True)
    desk.max_page = 5000
    desk.watch([f"job{number}" for number in range(4000)])
    request = desk.next()
    while not isinstance(request, Window):
        desk.answer(request)
        request = desk.next()
    window = desk.tell(request)
    assert isinstance(window, ListWindow)
    slices = sum(1 for _ in desk.scheduler.taking_in(request, window, desk.now))
    assert slices >= len(window.ids) / 250


@pytest.mark.anyio
async def test_rule_10_a_long_reply_is_decoded_part_by_part() -> None:
    """Others get their turn while 20,000 entries are read, and while as many jobs are handed over."""
    async with FakeGES(max_page=20_000) as ges:
        ges.add_foreign(20_000)
        turns: list[int] = []
        at_each_part: list[int] = []

        async def take_turns() -> None:
            while True:
                turns.append(1)
                await anyio.lowlevel.checkpoint()

        def all_of(ids: Sequence[str], words: Sequence[str | None]) -> Sequence[int]:
            at_each_part.append(len(turns))
            return range(len(ids))

        source = ManagementSource(ges.endpoint, ges.project_id, credentials=Token(ges.token))
        async with source, anyio.create_task_group() as tasks:
            tasks.start_soon(take_turns)
            window = await source.list_window(ges.project_id, offset=0, limit=20_000, wanted=all_of)
            read = len(turns)
            async with Poller(source) as poller, poller.watch([f"job{number}" for number in range(20_000)], graph="g"):
                handed_over = len(turns) - read
            tasks.cancel_scope.cancel()
    assert len(window.jobs) == 20_000
    assert len(set(at_each_part)) == len(at_each_part) >= 10
    assert handed_over >= 20


def test_rule_11_a_last_look_comes_after_the_deadline_and_before_the_timeout() -> None:
    """What ended shortly before the deadline is still told; what is open after a last look times out."""
    desk = Desk({"done": ends_at("done", 9.5), "open": ends_at("open", 1e9)}, interval=8.0)
    ledger = desk.watch(["done", "open"], timeout=10.0)
    desk.run()
    assert finals(ledger)["done"].status is JobStatus.SUCCESS
    error = finals(ledger)["open"].error
    assert isinstance(error, WaitTimeout)
    assert error.last_seen == {JobRef("open", "g"): JobStatus.RUNNING}
    assert 10.0 <= finals(ledger)["open"].observed_at <= 10.5


def test_rule_11_last_looks_are_list_windows_first() -> None:
    """At the deadline of many jobs, the list is asked before any single query."""
    desk = Desk({str(n): ends_at(str(n), 1e9) for n in range(50)}, listing=True, interval=60.0)
    ledger = desk.watch(map(str, range(50)), timeout=10.0)
    desk.run()
    after = [request for request in desk.asked if request.sent_at >= 10.0]
    assert isinstance(after[0], Window)
    assert len(after) == 1
    assert len(finals(ledger)) == 50


def test_rule_11_a_last_look_takes_30_seconds_at_most() -> None:
    """When nothing is answered any more, the timeout still comes."""
    desk = Desk(outage_timeout=None, request_timeout=300.0)
    ledger = desk.watch(["a"], timeout=10.0)
    desk.next()
    assert desk.scheduler.next_deadline() == 10.0
    desk.scheduler.pass_deadlines(10.0)
    assert desk.scheduler.next_deadline() == 40.0
    desk.scheduler.pass_deadlines(40.0)
    assert isinstance(finals(ledger)["a"].error, WaitTimeout)


def test_rule_11_lag_is_told_by_the_servers_clock_alone() -> None:
    """Lag is the reply's Date minus the server's end_time; without either there is none."""
    end = datetime(2020, 1, 1, tzinfo=UTC)
    ended = job("a", "success", end_time=end, as_of=end.replace(second=7))
    desk = Desk({"a": lambda now: ended, "b": ends_at("b", 0)})
    ledger = desk.watch("ab")
    desk.run()
    assert [finals(ledger)[name].lag for name in "ab"] == [7.0, None]


def test_rule_11_nothing_reads_the_wall_clock() -> None:
    """No module of the library asks what time of day it is, but for snapshots and for signatures, which tell it."""
    clocks = {"now", "utcnow", "today", "time_ns", "gmtime", "localtime", "monotonic", "perf_counter"}
    for path in SOURCES:
        if path.name in {"access_key.py", "_snapshot.py"}:
            continue
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not names & clocks, path


def test_rule_12_no_module_keeps_state_or_touches_the_collector() -> None:
    """No `global`, no `gc`, and no mutable container at module level."""
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)], path
        imports = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
        assert "gc" not in imports, path
        assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
        mutable = [node for node in assigned if isinstance(node.value, ast.List | ast.Set)]
        assert not [node for node in mutable if "__all__" not in ast.unparse(node)], path


class Mine(BaseException):
    """An error of the caller, which is no `Exception`."""


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ValueError("mine"), Mine("mine")], ids=["Exception", "BaseException"])
async def test_rule_13_an_error_in_the_body_leaves_as_the_same_object(error: BaseException) -> None:
    """Three blocks deep, with a feeder and requests under way, what is raised comes out bare."""
    source = ScriptedSource({"a": [JobStatus.RUNNING]}, delay=1.0)

    async def fail_inside() -> None:
        async with Poller(source) as poller, poller.watch(["a"]), poller.watch(["a"], max_open=1):
            await anyio.sleep(0.5)
            raise error

    with pytest.raises(type(error)) as caught:
        await fail_inside()
    assert caught.value is error


@pytest.mark.anyio
async def test_rule_13_native_cancellation_passes_through() -> None:
    """A task cancelled by asyncio inside our blocks ends cancelled, and cleanly."""
    source = ScriptedSource({"a": [JobStatus.RUNNING]}, delay=1.0)

    async def wait() -> None:
        async with Poller(source) as poller, poller.watch(["a"], max_open=1) as changes:
            async for _ in changes:
                pass

    task = asyncio.get_running_loop().create_task(wait())
    await anyio.sleep(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert source.at_once == 0


@pytest.mark.anyio
async def test_rule_13_anyio_cancellation_passes_through() -> None:
    """A cancelled scope around our blocks ends, and code after it runs."""
    source = ScriptedSource({"a": [JobStatus.RUNNING]}, delay=1.0)
    with anyio.move_on_after(3) as scope:
        async with Poller(source) as poller, poller.watch(["a"], max_open=1) as changes:
            async for _ in changes:
                pass
    assert scope.cancelled_caught
    assert source.at_once == 0
    await anyio.sleep(1)


@pytest.mark.anyio
async def test_rule_13_asyncio_timeout_passes_through() -> None:
    """`asyncio.timeout` around our blocks becomes a `TimeoutError`, inside and outside of the poller."""
    source = ScriptedSource({"a": [JobStatus.RUNNING]}, delay=1.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3), Poller(source) as poller:
            await poller.wait("a")
    async with Poller(source) as poller:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await poller.wait("a")
        await anyio.sleep(1)
    assert source.at_once == 0


@pytest.mark.anyio
async def test_rule_14_a_fatal_error_is_raised_in_every_open_wait_and_watch_and_closes_the_poller() -> None:
    """What makes going on impossible reaches everybody who waits, bare, and cancels nobody."""
    bug = KeyError("a bug in the source")
    source = ScriptedSource({"a": [JobStatus.RUNNING], "b": [JobStatus.RUNNING, bug]})
    caught: list[BaseException] = []

    async def collect(poller: Poller) -> None:
        try:
            await poller.wait("a")
        except KeyError as error:
            caught.append(error)

    async def watch(poller: Poller) -> None:
        async with poller.watch() as changes:
            changes.add("b")
            with pytest.raises(KeyError) as seen:
                _ = [change async for change in changes]
            caught.append(seen.value)

    async with Poller(source) as poller:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect, poller)
            tasks.start_soon(watch, poller)
        await collect(poller)
    assert caught == [bug] * 3


@pytest.mark.anyio
async def test_rule_14_cancelling_one_wait_detaches_only_that_one() -> None:
    """Another wait on the same job goes on and ends well."""
    source = ScriptedSource({"a": [JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.SUCCESS]})
    async with Poller(source) as poller, anyio.create_task_group() as tasks:
        with anyio.move_on_after(1):
            tasks.start_soon(poller.wait, "a")
            await poller.wait("a")
    assert source.looks["a"] == 3


@pytest.mark.anyio
async def test_rule_14_a_poller_left_in_another_task_says_so() -> None:
    """Entering here and leaving there is refused with advice, and its tasks end."""
    source = ScriptedSource({"a": [JobStatus.RUNNING]})
    advice = "a poller is entered and left in one task: open it where it is closed"

    async def leave(poller: Poller) -> None:
        with pytest.raises(RuntimeError, match=advice):
            await poller.__aexit__(None, None, None)

    async def enter_and_hand_over() -> None:
        poller = await Poller(source).__aenter__()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(leave(poller))

    await enter_and_hand_over()


def test_rule_14_a_failed_job_is_no_fatal_error() -> None:
    """A job that failed ends alone; the poller goes on."""
    desk = Desk({"a": ends_at("a", 0, "failed"), "b": ends_at("b", 50)})
    ledger = desk.watch("ab")
    desk.run()
    assert isinstance(finals(ledger)["a"].error, JobFailed)
    assert finals(ledger)["b"].status is JobStatus.SUCCESS
    assert desk.scheduler.fatal is None


@given(seed=st.integers(0, 100_000), listing=st.booleans(), count=st.integers(1, 12))
def test_rule_15_a_consumer_that_drops_known_ids_has_every_change_once(seed: int, listing: bool, count: int) -> None:
    """However often it is cut between a change and the snapshot that covers it, whatever happens meanwhile."""
    rng = random.Random(seed)
    names = [f"job{number}" for number in range(count)]
    ends = {name: (rng.uniform(0, 40), rng.choice(["success", "failed", "cancelled"])) for name in names}
    stories = {name: ends_at(name, *end) for name, end in ends.items()}
    snapshot: Snapshot | None = None
    kept: dict[str, StateChange] = {}
    now = 0.0
    for life in range(6):
        desk = Desk(stories, listing=listing, interval=1.0, max_per_second=100.0)
        desk.now = now
        order = rng.sample(names, count)
        if rng.random() < 0.3:
            desk.watch(rng.sample(names, count // 2))  # others share what is seen
        on_failure: Any = rng.choice(["end", "end", "first"]) if life < 5 else "end"
        ledger = desk.watch(order) if snapshot is None else desk.resume(snapshot, order, on_failure=on_failure)
        for _ in range(rng.randrange(5) if life < 5 else count * 4):
            desk.run(until=desk.now + rng.uniform(0, 6))
            for change in [ledger.take_change() for _ in range(rng.randrange(len(ledger.changes) + 1))]:
                kept.setdefault(change.id, change)
                if rng.random() < 0.7:
                    snapshot = desk.snapshot(ledger)
        if life == 5:
            desk.run()
            for change in ledger.changes:
                kept.setdefault(change.id, change)
        now = desk.now + rng.uniform(0, 5)
    told = Counter((change.ref, change.status) for change in kept.values())
    assert set(told.values()) == {1}
    last = {change.ref.job_id: change.status for change in kept.values() if change.is_final}
    assert last == {name: JobStatus(status) for name, (_, status) in ends.items()}
    assert sum(change.is_final for change in kept.values()) == count
