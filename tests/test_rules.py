"""The rules that may not break, one name each; rule 9 is in test_secrets.py."""

from __future__ import annotations

import ast
import asyncio
import gc
import logging
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
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
    Watch,
)
from gespoll._scheduler import Get, Ledger, Outcome, Request, Window
from gespoll._scheduler._verdict import DENIALS_AT_LEAST
from gespoll._slices import pull
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
    assert len(desk.queries) >= DENIALS_AT_LEAST


def test_rule_6_misses_in_a_row_are_needed_however_short_the_grace() -> None:
    """Fewer answers that there is no such job than `DENIALS_AT_LEAST` are never enough."""
    assert DENIALS_AT_LEAST >= 3
    desk = Desk(not_found_grace=0.0)
    ledger = desk.watch(["a"])
    for _ in range(DENIALS_AT_LEAST - 1):
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


def test_rule_6_without_a_graph_two_complete_scans_a_grace_apart_decide() -> None:
    """A job that only the list can show is not found when two complete scans lack it."""
    desk = Desk({str(number): ends_at(str(number), 0) for number in range(30)}, listing=True)
    desk.max_page = 10
    ledger = desk.watch(["a"], graph=None)
    desk.run(until=59.9)
    assert not ledger.changes
    desk.run()
    assert type(finals(ledger)["a"].error) is JobNotFound
    assert not desk.queries


def test_rule_6_an_incomplete_scan_says_nothing_about_absence() -> None:
    """When pages shift under the scan, what it did not show may still be there."""
    rng = random.Random(0)
    desk = Desk({str(number): ends_at(str(number), 0) for number in range(100)}, listing=True)
    desk.max_page = 10
    desk.order = lambda ids: rng.sample(ids, len(ids))
    ledger = desk.watch(["a"], graph=None)
    desk.run(until=600.0)
    assert not ledger.changes


def test_rule_6_an_entry_that_cannot_be_read_is_no_absence() -> None:
    """Its job is there, and ends as soon as its entry can be read."""
    desk = Desk({"a": ends_at("a", 0), "b": ends_at("b", 0)}, listing=True)
    told = desk.tell
    blank = ListWindow(ids=("a", "b"), jobs=(), total=2, unread=frozenset("a"))
    desk.tell = lambda request: told(request) if desk.now > 300 else blank  # type: ignore[method-assign]
    ledger = desk.watch(["a"], graph=None)
    desk.run(until=299)
    assert not ledger.changes
    desk.run(until=400)
    assert statuses(ledger) == ["success"]


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


def throttled(*, seconds: float | None = None, limit: float | None = None, policy: str | None = None) -> Throttled:
    """Make a throttled reply: wait so long, or ask so often a second."""
    error = Throttled("slow down", retry_after=seconds)
    error.limit, error.policy = limit, policy
    return error


def ends_at_times(ledger: Ledger) -> dict[str, float]:
    """Give when each job timed out."""
    assert all(isinstance(change.error, WaitTimeout) for change in finals(ledger).values())
    return {job_id: round(change.observed_at, 1) for job_id, change in finals(ledger).items()}


@pytest.mark.parametrize("limits", [{"timeout": 3.0}, {"job_timeout": 3.0}])
@pytest.mark.parametrize(("listing", "ids"), [(False, "a"), (True, "ab"), (False, "abc")])
def test_rule_11_a_timeout_does_not_wait_for_a_final_poll_that_may_not_leave(
    limits: dict[str, Any], listing: bool, ids: str
) -> None:
    """The server asked to wait for a minute: the jobs end at their deadline, and the error says what it said."""
    desk = Desk(listing=listing)
    ledger = desk.watch(ids, **limits)
    desk.answer(desk.next(), throttled(seconds=60.0))
    desk.run(until=100.0)
    assert ends_at_times(ledger) == dict.fromkeys(ids, 3.0)
    assert len(desk.asked) == 1


def test_rule_11_timeout_0_does_not_wait_where_nothing_may_leave() -> None:
    """Another wait was told to wait for a minute; so was a wait that goes on from a snapshot of long ago."""
    desk = Desk()
    old = desk.watch("b", timeout=5.0)
    snapshot = desk.snapshot(old)
    desk.answer(desk.next(), throttled(seconds=60.0))
    desk.now = 20.0
    desk.scheduler.leave(old)
    desk.watch("a")
    desk.answer(desk.next(), throttled(seconds=60.0))
    at_once, resumed = desk.watch("b", timeout=0), desk.resume(snapshot, "")
    resumed.ends_at = 5.0
    desk.scheduler.open(resumed, desk.now)
    begun = round(desk.now, 1)
    desk.run(until=70.0)
    assert ends_at_times(at_once) == ends_at_times(resumed) == {"b": begun}


@pytest.mark.parametrize(("kind", "other"), [(Window, Get), (Get, Window)])
def test_rule_11_final_polls_leave_by_the_api_that_is_not_held(kind: type[Request], other: type[Request]) -> None:
    """One API may be asked once in minutes: the other shows all that are open, and the ends of those that ended."""
    desk = Desk({job_id: ends_at(job_id, 18.0) for job_id in "abc"}, listing=True, interval=60.0)
    ledger = desk.watch("abc", timeout=20.0)
    if kind is Get:
        desk.unlisted = set("abc")
    request = desk.next()
    while not isinstance(request, kind):
        desk.answer(request)
        request = desk.next()
    desk.answer(request, throttled(limit=1 / 300, policy="api"))
    desk.unlisted = set()
    desk.run(until=100.0)
    assert {change.status for change in finals(ledger).values()} == {JobStatus.SUCCESS}
    assert max(change.observed_at for change in finals(ledger).values()) < 22.0
    assert {type(each) for each in desk.asked if each.sent_at >= 20.0} == {other}


def test_rule_11_as_many_final_polls_are_taken_as_may_leave_in_time() -> None:
    """Three of ten queries may leave in half a minute: seven jobs end at the deadline, and all in one error."""
    desk = Desk(dict.fromkeys("abcdefghij", lambda now: None) | {n: ends_at(n, 1e9) for n in "abcdefghij"})
    ledger = desk.watch("abcdefghij", timeout=20.0)
    desk.answer(desk.next(), throttled(limit=0.1 / 0.95))
    desk.run(until=100.0)
    at = ends_at_times(ledger)
    assert list(at.values()).count(20.0) == 7
    assert max(at.values()) < 50.0
    error = ledger.outcome()
    assert isinstance(error, WaitTimeout)
    assert {ref.job_id for ref in error.pending} == set("abcdefghij")


def test_rule_11_a_final_poll_that_is_throttled_ends_what_waits_behind_it() -> None:
    """What it holds back could not leave in time any more."""
    desk = Desk({n: ends_at(n, 1e9) for n in "abc"}, interval=60.0, max_per_second=1.0)
    ledger = desk.watch("abc", timeout=20.0)
    desk.run(until=19.9)
    desk.now = 20.0
    desk.scheduler.pass_deadlines(20.0)
    desk.answer(desk.next(), throttled(seconds=60.0))
    desk.run(until=100.0)
    assert ends_at_times(ledger) == dict.fromkeys("abc", 20.0)


def test_rule_11_no_final_poll_is_waited_for_while_all_that_is_under_way_hangs() -> None:
    """With no slot free within half a minute the timeout comes at once."""
    desk = Desk({n: ends_at(n, 1e9) for n in "abc"}, max_at_once=2, request_timeout=300.0)
    ledger = desk.watch("abc", timeout=10.0)
    desk.next()
    desk.next()
    desk.now = 10.0
    desk.scheduler.pass_deadlines(10.0)
    assert ends_at_times(ledger) == dict.fromkeys("abc", 10.0)


def test_rule_11_lag_is_told_by_the_servers_clock_alone() -> None:
    """Lag is the reply's Date minus the server's end_time; without either there is none."""
    end = datetime(2020, 1, 1, tzinfo=UTC)
    ended = job("a", "success", end_time=end, as_of=end.replace(second=7))
    desk = Desk({"a": lambda now: ended, "b": ends_at("b", 0)})
    ledger = desk.watch("ab")
    desk.run()
    assert [finals(ledger)[name].lag for name in "ab"] == [7.0, None]


def test_rule_11_nothing_reads_the_wall_clock() -> None:
    """No module asks what time of day it is, but for snapshots, signatures, and a reply that has no Date of its own."""
    clocks = {"now", "utcnow", "today", "time_ns", "gmtime", "localtime", "monotonic", "perf_counter"}
    for path in SOURCES:
        if path.name in {"access_key.py", "_snapshot.py", "_slices.py", "_http.py"}:
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


async def in_another_task(awaitable: Awaitable[object]) -> None:
    """Await something in a task of its own."""

    async def run() -> None:
        await awaitable

    await asyncio.create_task(run())


@pytest.mark.anyio
async def test_rule_14_a_poller_left_in_another_task_says_so() -> None:
    """Entering here and leaving there is refused with advice."""
    poller = await Poller(ScriptedSource({"a": [JobStatus.RUNNING]})).__aenter__()
    with pytest.raises(RuntimeError, match="a poller is entered and left in one task: open it where it is closed"):
        await in_another_task(poller.__aexit__(None, None, None))


@pytest.mark.anyio
async def test_rule_8_a_poller_left_in_another_task_leaves_nothing_behind() -> None:
    """Its tasks have ended, the wait that was open too, and the session it owned is closed."""
    before = asyncio.all_tasks()
    async with FakeGES() as ges:
        ges.add_job("a", graph="g", steps=[(0, "running")])
        poller = gespoll.connect(ges.endpoint, ges.project_id, credentials=Token(ges.token))
        await in_another_task(poller.__aenter__())
        waiting = asyncio.create_task(poller.wait("a", graph="g"))
        await anyio.sleep(7)
        with pytest.raises(RuntimeError, match="entered and left in one task"):
            await in_another_task(poller.__aexit__(None, None, None))
        with pytest.raises(RuntimeError, match="the poller was closed"):
            await waiting
    assert asyncio.all_tasks() == before
    gc.collect()  # an unclosed session would warn, which is an error here


@pytest.mark.anyio
async def test_rule_13_an_error_of_the_body_leaves_a_poller_in_another_task_as_itself() -> None:
    """It is worth more than the advice."""
    poller = await Poller(ScriptedSource({"a": [JobStatus.RUNNING]})).__aenter__()
    await in_another_task(poller.__aexit__(LookupError, LookupError("mine"), None))
    with pytest.raises(RuntimeError, match="not open"):
        poller.statistics()


USES: dict[str, Callable[[Poller, Watch], object]] = {
    "wait": lambda poller, changes: poller.wait("a", timeout=1),
    "wait_all": lambda poller, changes: poller.wait_all(["a"], timeout=1),
    "watch": lambda poller, changes: poller.watch(["a"]),
    "resume": lambda poller, changes: poller.resume({"version": 1}),
    "statistics": lambda poller, changes: poller.statistics(),
    "explain": lambda poller, changes: poller.explain("a"),
    "last_seen": lambda poller, changes: poller.last_seen("a"),
    "enter the poller": lambda poller, changes: poller.__aenter__(),
    "leave the poller": lambda poller, changes: poller.__aexit__(None, None, None),
    "enter a watch": lambda poller, changes: changes.__aenter__(),
    "next change": lambda poller, changes: changes.__anext__(),
    "add": lambda poller, changes: changes.add("b"),
    "discard": lambda poller, changes: changes.discard("a"),
    "close_input": lambda poller, changes: changes.close_input(),
    "snapshot": lambda poller, changes: changes.snapshot(),
    "snapshot_async": lambda poller, changes: changes.snapshot_async(),
    "leave a watch": lambda poller, changes: changes.__aexit__(None, None, None),
}


async def used(use: Callable[[Poller, Watch], object], poller: Poller, changes: Watch) -> None:
    """Use a poller or a watch of it, and await what that gives."""
    given = use(poller, changes)
    if isinstance(given, Awaitable):
        await given


@pytest.mark.anyio
@pytest.mark.parametrize("use", USES)
async def test_rule_14_a_poller_used_in_another_event_loop_says_so_at_once(use: str) -> None:
    """The event loop of another thread is told whose the poller is and what to do; the poller goes on."""
    source = ScriptedSource({"a": [JobStatus.RUNNING, JobStatus.SUCCESS]})
    async with Poller(source) as poller, poller.watch(["a"]) as changes:
        with pytest.raises(RuntimeError, match=r"belongs to the event loop .*run_coroutine_threadsafe"):
            await anyio.to_thread.run_sync(lambda: asyncio.run(used(USES[use], poller, changes)))
        assert [change.status async for change in changes] == [JobStatus.RUNNING, JobStatus.SUCCESS]


@pytest.mark.parametrize("use", USES)
def test_rule_14_a_poller_used_after_its_event_loop_has_ended_says_so_at_once(use: str) -> None:
    """A second `asyncio.run` is told to open another one."""

    async def opened() -> tuple[Poller, Watch]:
        poller = await Poller(ScriptedSource({"a": [JobStatus.RUNNING]})).__aenter__()
        return poller, await poller.watch(["a"]).__aenter__()

    left_open = asyncio.run(opened())
    with pytest.raises(RuntimeError, match="which has ended: open another poller in the event loop that waits"):
        asyncio.run(used(USES[use], *left_open))


@pytest.mark.anyio
async def test_rule_1_a_wait_ends_when_somebody_cancels_the_tasks_of_the_poller() -> None:
    """It says so instead of waiting for requests that nobody makes."""
    before = asyncio.all_tasks()
    async with Poller(ScriptedSource({"a": [JobStatus.RUNNING]})) as poller:
        for task in asyncio.all_tasks() - before:
            task.cancel()
        with pytest.raises(RuntimeError, match="a task of the poller was cancelled from outside"):
            await poller.wait("a")


def refs_at_once(ids: list[str]) -> list[str]:
    """Give refs as they are."""
    return ids


async def refs_one_by_one(ids: list[str]) -> AsyncIterator[str]:
    """Give refs as an async generator does."""
    for job_id in ids:
        yield job_id


@pytest.mark.anyio
@pytest.mark.parametrize("refs", [refs_at_once, refs_one_by_one])
@pytest.mark.parametrize("max_open", [None, 2])
async def test_rule_13_an_abandoned_generator_around_a_watch_harms_nobody(
    refs: Callable[[list[str]], list[str] | AsyncIterator[str]], max_open: int | None
) -> None:
    """The watch within is left by a task of the event loop; the poller and another watch do not notice."""
    ids = [f"a{number}" for number in range(5)]
    source = ScriptedSource({job_id: [JobStatus.RUNNING] * 3 + [JobStatus.SUCCESS] for job_id in ids})

    async def changes(poller: Poller) -> AsyncIterator[StateChange]:
        async with poller.watch(refs(ids), max_open=max_open) as watch:
            async for change in watch:
                yield change

    before = asyncio.all_tasks()
    async with Poller(source) as poller, poller.watch(refs(ids[:1])) as other:
        async for _ in changes(poller):
            break
        gc.collect()
        await anyio.sleep(0.1)
        assert poller.statistics().open_jobs == 1
        assert [change.status async for change in other] == [JobStatus.RUNNING, JobStatus.SUCCESS]
    assert asyncio.all_tasks() == before


@pytest.mark.anyio
async def test_rule_13_an_iterable_of_refs_that_cancels_itself_ends_its_own_watch_alone() -> None:
    """Others on the same poller go on."""

    async def refs() -> AsyncIterator[str]:
        yield "a"
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await anyio.lowlevel.checkpoint()

    async with Poller(ScriptedSource({"a": [JobStatus.RUNNING, JobStatus.SUCCESS]})) as poller:
        with pytest.raises(RuntimeError, match="the iterable of refs awaited something that was cancelled"):
            await poller.wait_all(refs())
        assert (await poller.wait("a")).status is JobStatus.SUCCESS


@pytest.mark.anyio
async def test_an_iterable_of_refs_sees_the_context_of_who_opened_the_watch() -> None:
    """Context variables mean the same in it as around it."""
    mark: ContextVar[str] = ContextVar("mark", default="nobody's")
    seen = []

    async def refs() -> AsyncIterator[str]:
        seen.append(mark.get())
        yield "a"

    async with Poller(ScriptedSource({"a": [JobStatus.SUCCESS]})) as poller:
        mark.set("mine")
        await poller.wait_all(refs())
    assert seen == ["mine"]


def test_rule_10_refs_are_pulled_for_a_few_milliseconds_at_a_stretch() -> None:
    """Of an iterable that blocks for each, few are pulled before the event loop runs; of a fast one, all."""
    clock = iter(range(1000))
    items = iter(range(10))
    taken: list[int] = []
    assert not pull(items, taken, 100, lambda: next(clock) / 1000)
    assert taken == [0, 1, 2, 3, 4]
    assert not pull(items, taken, 100, lambda: next(clock) / 10)
    assert taken == [0, 1, 2, 3, 4, 5]
    assert not pull(items, taken, 2, lambda: 0.0)
    assert pull(items, taken, 100, lambda: 0.0)
    assert taken == list(range(10))


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
