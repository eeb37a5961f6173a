"""Snapshots: what they cover, what a resumed watch tells, and which are refused."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import pickle
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import pytest

from gespoll import (
    AuthenticationError,
    EndUnconfirmed,
    EngineSource,
    GespollError,
    ImportFile,
    ImportPartiallyFailed,
    Job,
    JobCancelled,
    JobError,
    JobFailed,
    JobNotFound,
    JobRef,
    JobsFailed,
    JobStatus,
    JobVanished,
    PermissionDenied,
    Poller,
    ServiceUnavailable,
    SourceError,
    StateChange,
    Token,
    TransportError,
    UnknownEnd,
    WaitTimeout,
    Watch,
    connect,
    snapshot_refs,
)
from gespoll.testing import FakeGES, ScriptedSource

pytestmark = pytest.mark.anyio

PENDING, RUNNING, OK = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.SUCCESS
UNKNOWN, FAILED = JobStatus.UNKNOWN, JobStatus.FAILED
EPOCH = datetime(2026, 3, 29, tzinfo=UTC)
NONSENSE: list[Any] = [None, [], {}, -1, "x", True]
LOSSY = Job(
    ref=JobRef("any"),
    status=JobStatus.PARTIALLY_FAILED,
    reported_status="success",
    name="ImportGraph",
    is_import=True,
    begin_time=EPOCH,
    files=(ImportFile(kind="edgeset", path="e.csv", status="partFailed", failed_lines=3, total_lines=9),),
    raw={"secret": "of the record"},
)


def wall_clock() -> datetime:
    """Tell a moment that follows the virtual clock."""
    return EPOCH + timedelta(seconds=anyio.current_time())


def polling(delay: float = 0.0, **stories: Any) -> Poller:
    """Make a poller of jobs that tell these stories."""
    return Poller(ScriptedSource(stories, delay=delay), rng=random.Random(0), wall_clock=wall_clock)


async def take(changes: Watch, number: int) -> list[StateChange]:
    """Take some changes."""
    return [await anext(changes) for _ in range(number)]


@contextlib.contextmanager
def says(kind: type[Exception], text: str) -> Iterator[None]:
    """Expect an error with exactly this text."""
    with pytest.raises(kind) as caught:
        yield
    assert str(caught.value) == text


def told(changes: list[StateChange]) -> list[tuple[str, JobStatus | None, JobStatus | None]]:
    """Tell of changes the job, and from which status to which."""
    return [(change.ref.job_id, change.previous, change.status) for change in changes]


def as_json(snapshot: dict[str, Any] | None) -> dict[str, Any]:
    """Send a snapshot through JSON, as another process would get it."""
    assert snapshot is not None
    read = json.loads(json.dumps(snapshot, allow_nan=False))
    assert read == snapshot
    return dict(read)


async def cut(number: int, refs: list[str], watch: dict[str, Any] | None = None, **stories: Any) -> dict[str, Any]:
    """Take some changes of jobs, then a snapshot, and leave."""
    async with polling(**stories) as poller, poller.watch(refs, **watch or {}) as changes:
        await take(changes, number)
        return as_json(changes.snapshot())


async def resumed(snapshot: Any, *, refs: Any = (), terms: dict[str, Any] | None = None, **stories: Any) -> list[Any]:
    """Go on from a snapshot until the end; gives the changes."""
    async with polling(**stories) as poller, poller.resume(snapshot, refs, **terms or {}) as changes:
        return [change async for change in changes]


def most_open(changes: list[StateChange], started: set[str]) -> int:
    """Count the jobs that were open at once, at most; each was first seen running."""
    most, open_jobs = 0, set(started)
    for change in changes:
        (open_jobs.discard if change.is_final else open_jobs.add)(change.ref.job_id)
        most = max(most, len(open_jobs))
    return most


def _all(names: list[str], status: JobStatus) -> dict[str, Any]:
    return {name: [status] for name in names}


class TestGoingOn:
    """What was taken is not told again, and nothing else is missing."""

    async def test_what_was_taken_is_not_told_again(self) -> None:
        """A job seen running is told when it has ended, from where it stood."""
        snapshot = await cut(1, ["a"], a=[RUNNING])
        assert told(await resumed(snapshot, a=[PENDING, RUNNING, OK])) == [("a", RUNNING, OK)]

    async def test_it_tells_the_ids_of_the_last_changes(self) -> None:
        """Those that the consumer was given; none of a job that was never seen."""
        async with polling(a=[RUNNING], b=[OK]) as poller, poller.watch(["a", "b", "c"]) as changes:
            seen = await take(changes, 2)
            snapshot = as_json(changes.snapshot())
        numbers = {entry["job_id"]: entry.get("change_id") for entry in snapshot["jobs"]}
        assert numbers == {change.ref.job_id: change.id for change in seen} | {"c": None}

    async def test_it_tells_the_ids_of_ends_that_are_not_kept(self) -> None:
        """Beside what the watch calls the job."""
        ref = JobRef("a", "movies", key="film 1")
        async with polling(a=[OK]) as poller, poller.watch([ref], on_failure="never") as changes:
            (ended,) = await take(changes, 1)
            (entry,) = as_json(changes.snapshot())["jobs"]
        assert entry == {
            "job_id": "a",
            "graph": "movies",
            "key": "film 1",
            "change_id": ended.id,
            "ended": True,
        }

    async def test_keys_go_on(self) -> None:
        """They stand in changes and errors after the resume."""
        refs = [JobRef("a", "movies", key="film 1"), JobRef("b", "movies", key="film 2")]
        async with polling(a=[RUNNING], b=[FAILED]) as poller, poller.watch(refs) as changes:
            await take(changes, 2)
            snapshot = as_json(changes.snapshot())
        with pytest.raises(JobsFailed) as caught:
            await resumed(snapshot, refs=[JobRef("a")], a=[OK])
        keys = [end.ref.key for end in caught.value.results if isinstance(end, Job | JobError)]
        assert keys == ["film 1", "film 2"]
        with pytest.raises(ValueError, match="two keys, 'film 2' and 'film 3'"):
            await resumed(snapshot, refs=[JobRef("b", key="film 3")], a=[OK])

    async def test_what_waits_to_be_taken_is_not_covered(self) -> None:
        """A change that the watch has and the consumer does not is told after the resume."""
        async with polling(a=[PENDING, RUNNING, OK], b=[RUNNING]) as poller, poller.watch(["a", "b"]) as changes:
            first = await anext(changes)
            await anyio.sleep(60)
            snapshot = as_json(changes.snapshot())
        assert told([first]) == [("a", None, PENDING)]
        assert told(await resumed(snapshot, a=[OK], b=[RUNNING, OK])) == [
            ("a", PENDING, OK),
            ("b", None, RUNNING),
            ("b", RUNNING, OK),
        ]

    async def test_an_end_that_waits_to_be_taken_is_told_again(self) -> None:
        """With the id it had."""
        async with polling(a=[RUNNING, FAILED]) as poller, poller.watch(["a"], on_failure="never") as changes:
            await anext(changes)
            await anyio.sleep(60)
            snapshot = as_json(changes.snapshot())
            ended = await anext(changes)
        (again,) = await resumed(snapshot, a=[FAILED])
        assert (again.status, again.is_final, again.id) == (FAILED, True, ended.id)

    async def test_both_statuses_of_one_rank_are_remembered(self) -> None:
        """A job that was running and then of unknown word does not run once more."""
        snapshot = await cut(2, ["a"], a=[RUNNING, UNKNOWN])
        assert told(await resumed(snapshot, a=[RUNNING, OK])) == [("a", UNKNOWN, OK)]

    async def test_ended_jobs_are_passed_over(self) -> None:
        """They are not looked at, also where all refs are handed over again."""
        snapshot = await cut(2, ["a", "b"], a=[OK], b=[RUNNING])
        assert told(await resumed(snapshot, refs=["b", "a", "c"], b=[OK], c=[OK])) == [
            ("b", RUNNING, OK),
            ("c", None, OK),
        ]

    @pytest.mark.parametrize("on_failure", ["end", "never"])
    async def test_many_ends_need_no_request(self, on_failure: str) -> None:
        """A watch of which nothing is open ends at once."""
        snapshot = await cut(2, ["a", "b"], {"on_failure": on_failure}, a=[OK], b=[OK])
        assert await resumed(snapshot) == []

    async def test_input_may_stay_open(self) -> None:
        """With `refs=None` more can be added, until the input is closed."""
        snapshot = await cut(1, ["a"], a=[RUNNING])
        async with polling(a=[OK], b=[OK]) as poller, poller.resume(snapshot, None) as changes:
            seen = await take(changes, 1)
            changes.add("b")
            changes.close_input()
            seen += [change async for change in changes]
        assert told(seen) == [("a", RUNNING, OK), ("b", None, OK)]

    async def test_a_job_that_was_seen_has_vanished(self) -> None:
        """Not: was never found."""
        snapshot = await cut(1, ["a"], a=[RUNNING])
        with pytest.raises(JobsFailed) as caught:
            await resumed(snapshot)
        assert [type(error) for error in caught.value.exceptions] == [JobVanished]

    async def test_another_watch_on_the_job_changes_nothing(self) -> None:
        """Joining what another watch sees, a resumed watch is told what it does not know."""
        snapshot = await cut(2, ["a"], a=[PENDING, RUNNING])
        async with polling(a=[PENDING, RUNNING, OK]) as poller, poller.watch(["a"]) as others:
            await anext(others)
            async with poller.resume(snapshot) as changes:
                assert told([change async for change in changes]) == [("a", RUNNING, OK)]

    async def test_what_is_known_is_known_also_where_another_watch_has_not_seen_it_yet(self) -> None:
        """A snapshot of the resumed watch, its timeout and a vanished job tell what the consumer knew."""
        snapshot = await cut(2, ["a"], {"timeout": 50}, a=[PENDING, RUNNING])
        async with (
            polling(a=[TransportError("reset")]) as poller,
            poller.watch(["a"]),
            poller.resume(snapshot) as changes,
        ):
            assert changes.snapshot()["jobs"][0]["statuses"] == ["pending", "running"]
            (left,) = await take(changes, 1)
        assert (left.previous, left.status) == (RUNNING, RUNNING)
        assert isinstance(left.error, WaitTimeout)
        assert left.error.last_seen == {JobRef("a"): RUNNING}
        async with (
            polling() as poller,
            poller.watch(["a"], on_failure="never"),
            poller.resume(snapshot, timeout=None) as changes,
        ):
            (vanished,) = await take(changes, 1)
        assert (type(vanished.error), vanished.previous) == (JobVanished, RUNNING)

    async def test_statuses_of_one_rank_are_remembered_before_an_end_that_waits(self) -> None:
        """Also where the end is told and not taken."""
        async with polling(a=[RUNNING, UNKNOWN, OK]) as poller, poller.watch(["a"]) as changes:
            await take(changes, 2)
            await anyio.sleep(60)
            snapshot = as_json(changes.snapshot())
        assert snapshot["jobs"][0]["statuses"] == ["running", "unknown"]
        assert told(await resumed(snapshot, a=[RUNNING, OK])) == [("a", UNKNOWN, OK)]

    async def test_fewer_may_be_open_than_go_on(self) -> None:
        """Further refs are pulled when there is room."""
        snapshot = await cut(3, ["a", "b", "c"], a=[RUNNING], b=[RUNNING], c=[RUNNING])
        changes = await resumed(snapshot, refs=["d"], terms={"max_open": 2}, **_all(["a", "b", "c", "d"], OK))
        assert sorted(told(changes)) == [("a", RUNNING, OK), ("b", RUNNING, OK), ("c", RUNNING, OK), ("d", None, OK)]

    async def test_max_open_is_kept(self) -> None:
        """Unless the resume names another, or none."""
        stories: dict[str, Any] = {name: [RUNNING, RUNNING, OK] for name in "abcdef"}
        snapshot = await cut(1, ["a"], {"max_open": 2}, a=[RUNNING])
        for terms, most in (({}, 2), ({"max_open": 3}, 3), ({"max_open": None}, 6)):
            source = ScriptedSource(copy.deepcopy(stories), delay=1)
            async with (
                Poller(source, rng=random.Random(0), max_per_second=1000.0) as poller,
                poller.resume(snapshot, list("abcdef"), **terms) as changes,
            ):
                seen = [change async for change in changes]
            assert most_open(seen, started={"a"}) == most
            again = await cut(0, ["a"], {"max_open": 2} | terms, a=[RUNNING])
            assert again.get("max_open") == ({"max_open": 2} | terms)["max_open"]

    async def test_a_discarded_job_is_forgotten(self) -> None:
        """It is in no snapshot, and told from its start when added again."""
        snapshot = await cut(1, ["a"], a=[RUNNING])
        async with polling(a=[RUNNING, OK]) as poller, poller.resume(snapshot, None) as changes:
            changes.discard("a")
            assert changes.snapshot()["jobs"] == []
            changes.add("a")
            assert told(await take(changes, 2)) == [("a", None, RUNNING), ("a", RUNNING, OK)]

    async def test_many_jobs_go_on(self) -> None:
        """Also more than are taken in at a time; the order of refs is kept."""
        names = [f"job-{number}" for number in range(1100)]
        snapshot = await cut(1100, names, **_all(names, RUNNING))
        assert [entry["job_id"] for entry in snapshot["jobs"]] == names
        changes = await resumed(snapshot, **_all(names, OK))
        assert sorted(change.ref.job_id for change in changes) == sorted(names)

    async def test_a_snapshot_of_a_resumed_watch_is_as_good(self) -> None:
        """Nothing is lost from one process to the next."""
        snapshot = await cut(1, ["a", "b"], a=[RUNNING], b=[JobNotFound(JobRef("b"))])
        async with polling(b=[PENDING]) as poller, poller.resume(snapshot) as changes:
            await take(changes, 1)
            again = as_json(changes.snapshot())
        assert told(await resumed(again, a=[OK], b=[OK])) == [("a", RUNNING, OK), ("b", PENDING, OK)]


class TestRefs:
    """What a submitter needs to know of a snapshot."""

    async def test_refs_come_with_their_keys(self) -> None:
        """Also those of jobs that have ended, in a watch that keeps no ends."""
        refs = [JobRef("a", "movies", key="film 1"), JobRef("b", "movies", key="film 2"), JobRef("c", "movies")]
        async with polling(a=[OK], b=[RUNNING]) as poller:
            for on_failure in ("end", "never"):
                async with poller.watch(refs, on_failure=on_failure) as changes:
                    await take(changes, 2)
                    found = snapshot_refs(as_json(changes.snapshot()))
                assert {(ref, ref.key) for ref in found} == {(ref, ref.key) for ref in refs}

    def test_refs_of_version_1_are_listed(self) -> None:
        """As far as it kept them."""
        found = snapshot_refs(json.loads((GOLDEN / "snapshot_v1_end.json").read_text()))
        assert found[:2] == [JobRef("lossy", "movies"), JobRef("loaded", "movies")]
        assert len(found) == 9

    def test_what_is_no_snapshot_is_refused(self) -> None:
        """As by a resume."""
        with says(ValueError, "this is no gespoll snapshot: give what snapshot() gave, unchanged"):
            snapshot_refs({})


class TestEnds:
    """How jobs ended before a snapshot still counts at the end."""

    async def test_failures_before_are_raised_at_the_end(self) -> None:
        """With their files, beside what comes after; successes keep their places."""
        snapshot = await cut(3, ["a", "b", "c"], a=[LOSSY], b=[OK], c=[PermissionDenied("no", code="GES.7041")])
        assert "secret" not in json.dumps(snapshot)
        with pytest.raises(JobsFailed) as caught:
            await resumed(snapshot, refs=["d"], d=[FAILED])
        lossy, fine, denied, failed = caught.value.results
        assert isinstance(lossy, ImportPartiallyFailed)
        assert lossy.failed_files == LOSSY.files
        assert lossy.job.begin_time == EPOCH
        assert isinstance(fine, Job)
        assert (fine.ref, fine.status) == (JobRef("b"), OK)
        assert isinstance(denied, PermissionDenied)
        assert (denied.code, str(denied)) == ("GES.7041", "no (code GES.7041)")
        assert isinstance(failed, JobError)

    async def test_not_found_before_is_raised_at_the_end(self) -> None:
        """With how long the server denied it."""
        snapshot = await cut(1, ["a"])
        with pytest.raises(JobsFailed) as caught:
            await resumed(snapshot)
        (error,) = caught.value.exceptions
        assert isinstance(error, JobNotFound)
        assert error.waited >= 60

    @pytest.mark.parametrize("error", [UnknownEnd, EndUnconfirmed])
    async def test_an_odd_end_before_is_raised_at_the_end(self, error: type[Exception]) -> None:
        """With the job as it was reported: in an unknown word, or as a success that nothing confirmed."""
        halted = Job(ref=JobRef("a"), status=UNKNOWN, reported_status="halted", end_time=EPOCH)
        loaded = Job(ref=JobRef("a"), status=OK, reported_status="success", name="ImportGraph", is_import=True)
        source = ScriptedSource({"a": [halted if error is UnknownEnd else loaded]})
        async with (
            Poller(source, rng=random.Random(0), wall_clock=wall_clock, unconfirmed="raise") as poller,
            poller.watch(["a"]) as changes,
        ):
            while not (change := await anext(changes)).is_final:
                pass
            snapshot = as_json(changes.snapshot())
        with pytest.raises((JobsFailed, EndUnconfirmed)) as caught:
            await resumed(snapshot)
        (raised,) = getattr(caught.value, "exceptions", [caught.value])
        assert type(raised) is type(change.error) is error
        assert str(raised) == str(change.error)
        assert getattr(raised, "job", None) == getattr(change.error, "job", None)
        again = snapshot["jobs"][0]
        assert (again["ended"], again["change_id"]) == (True, change.id)

    async def test_texts_that_no_json_takes_are_kept(self) -> None:
        """What a source of one's own says may hold anything; it never takes the place of the error."""
        job = Job(ref=JobRef("a"), status=FAILED, reported_status="failed", fail_reason="x\ud800")
        async with polling(a=[job]) as poller:
            with pytest.raises(JobsFailed) as caught:
                await poller.wait_all(["a"])
        with pytest.raises(JobsFailed) as again:
            await resumed(caught.value.snapshot)
        assert str(again.value) == str(caught.value)

    async def test_never_and_first_keep_no_ends(self) -> None:
        """What was raised or told before is not raised again."""
        for on_failure in ("never", "first"):
            snapshot = await cut(1, ["a", "b"], {"on_failure": on_failure}, a=[FAILED], b=[RUNNING])
            assert told(await resumed(snapshot, b=[OK])) == [("b", None, OK)]

    async def test_ends_that_were_not_kept_cannot_be_raised(self) -> None:
        """The text says what can be done."""
        snapshot = await cut(1, ["a", "b"], {"on_failure": "never"}, a=[FAILED], b=[RUNNING])
        text = (
            "this snapshot was taken with on_failure='never', which keeps no ends to raise later: "
            "resume it with on_failure='first' or 'never'"
        )
        with says(ValueError, text):
            await resumed(snapshot, terms={"on_failure": "end"})

    async def test_an_error_type_of_ones_own_comes_back_as_the_nearest(self) -> None:
        """A source may raise its own kind of a known error."""

        class Forbidden(PermissionDenied):
            pass

        snapshot = await cut(1, ["a"], a=[Forbidden("mine")])
        with pytest.raises(PermissionDenied) as caught:
            await resumed(snapshot)
        assert type(caught.value) is PermissionDenied


class TestDeadlines:
    """Deadlines are moments, whichever process sees them pass."""

    async def test_the_deadline_is_kept(self) -> None:
        """Time passes also while no process waits."""
        snapshot = await cut(1, ["a"], {"timeout": 100}, a=[RUNNING])
        assert snapshot["deadline"] == "2026-03-29T00:01:40Z"
        started = anyio.current_time()
        with pytest.raises(WaitTimeout) as caught:
            await resumed(snapshot, a=[RUNNING])
        assert 100 <= anyio.current_time() <= 101
        assert started < 10
        assert caught.value.timeout == 100

    async def test_a_deadline_that_has_passed_gives_one_look(self) -> None:
        """What ended meanwhile is told, what did not is left open."""
        snapshot = await cut(2, ["a", "b"], {"timeout": 100}, a=[RUNNING], b=[RUNNING])
        await anyio.sleep(1000)
        async with polling(a=[OK], b=[RUNNING]) as poller, poller.resume(snapshot) as changes:
            seen = await take(changes, 2)
            with pytest.raises(WaitTimeout) as caught:
                await anext(changes)
        assert told(seen) == [("a", RUNNING, OK), ("b", RUNNING, RUNNING)]
        assert caught.value.pending == (JobRef("b"),)

    @pytest.mark.parametrize("which", ["timeout", "job_timeout"])
    async def test_each_jobs_deadline_is_kept_or_renewed(self, which: str) -> None:
        """Kept by default; seconds from now when given."""
        snapshot = await cut(1, ["a"], {which: 100}, a=[RUNNING])
        await anyio.sleep(50)
        for terms, end in (({}, 100), ({which: 500}, 600)):
            with pytest.raises(WaitTimeout):
                await resumed(snapshot, terms=terms, a=[RUNNING])
            assert end <= anyio.current_time() <= end + 1

    async def test_a_jobs_own_deadline_that_has_passed_gives_one_look(self) -> None:
        """Kept, it has passed; also when the snapshot was taken during the last look."""
        async with (
            polling(delay=10.0, a=[RUNNING]) as poller,
            poller.watch(["a"], job_timeout=100, on_failure="never") as changes,
        ):
            await take(changes, 1)
            await anyio.sleep_until(102)
            early = as_json(changes.snapshot())
            await take(changes, 1)
            late = as_json(changes.snapshot())
        assert [each["jobs"][0]["deadline"] for each in (early, late)] == ["2026-03-29T00:01:40Z"] * 2
        began = anyio.current_time()
        await resumed(late, a=[RUNNING])
        assert anyio.current_time() < began + 1

    @pytest.mark.parametrize("timeout", [1e12, 1e308, 2**63])
    async def test_a_deadline_that_no_calendar_has_is_none(self, timeout: float) -> None:
        """It never hides how a job ended."""
        async with polling(a=[FAILED]) as poller:
            with pytest.raises(JobsFailed) as caught:
                await poller.wait_all(["a"], timeout=timeout, job_timeout=timeout)
        assert "deadline" not in as_json(caught.value.snapshot)

    async def test_none_takes_the_limits_away(self) -> None:
        """Both."""
        snapshot = await cut(1, ["a"], {"timeout": 10, "job_timeout": 10}, a=[RUNNING])
        terms = {"timeout": None, "job_timeout": None}
        assert told(await resumed(snapshot, terms=terms, a=[RUNNING] * 20 + [OK])) == [("a", RUNNING, OK)]

    async def test_a_number_of_ones_own_kind_is_kept_as_a_number(self) -> None:
        """Of whatever class a timeout is."""

        class Seconds(float):
            pass

        snapshot = await cut(1, ["a"], {"timeout": Seconds(9), "job_timeout": Seconds(8)}, a=[RUNNING])
        assert (snapshot["timeout"], snapshot["job_timeout"]) == (9, 8)

    async def test_ends_on_an_engine_whose_graphs_were_not_kept_go_on(self) -> None:
        """A watch that keeps no ends keeps no graphs of them."""
        async with FakeGES() as ges:
            ges.add_job("a", graph="movies", engine=True, steps=[(0, "success")])
            source = EngineSource({"movies": ges.endpoint}, ges.project_id, credentials=Token(ges.token))
            async with Poller(source, close_source=True) as poller:
                async with poller.watch(["a"], graph="movies", on_failure="never") as changes:
                    await take(changes, 1)
                    snapshot = as_json(changes.snapshot())
                async with poller.resume(snapshot, ["a"], graph="movies") as changes:
                    assert [change async for change in changes] == []

    async def test_new_jobs_get_the_job_timeout_of_the_snapshot(self) -> None:
        """From when they are handed over."""
        snapshot = await cut(1, ["a"], {"job_timeout": 100}, a=[OK])
        await anyio.sleep(1000)
        with pytest.raises(WaitTimeout):
            await resumed(snapshot, refs=["b"], b=[RUNNING])
        assert 1100 <= anyio.current_time() <= 1101


class TestErrorsCarryOne:
    """An error that ends a watch or a wait tells how to go on."""

    @pytest.mark.parametrize("on_failure", ["end", "never"])
    async def test_jobs_left_open_at_a_timeout_are_open(self, on_failure: str) -> None:
        """A snapshot after the timeout, or in its error, goes on with them; the end has an id of its own."""
        async with polling(a=[RUNNING], b=[OK]) as poller:
            async with poller.watch(["a", "b"], timeout=20, on_failure=on_failure) as changes:  # type: ignore[arg-type]
                error = None
                try:
                    seen = [change async for change in changes]
                except WaitTimeout as timeout:
                    error = timeout
                snapshot = as_json(changes.snapshot())
            if error is None:
                assert seen[-1].ref == JobRef("a")
            else:
                assert as_json(error.snapshot) == snapshot
        (last,) = await resumed(snapshot, terms={"timeout": 60}, a=[RUNNING, OK])
        assert told([last]) == [("a", RUNNING, OK)]
        assert error is not None or last.id not in {change.id for change in seen}

    async def test_wait_and_wait_all_carry_one(self) -> None:
        """Also through pickle and copy."""
        async with polling(a=[RUNNING], b=[RUNNING], c=[FAILED]) as poller:
            for waiting in (
                poller.wait("a", timeout=5),
                poller.wait_all(["a", "b"], timeout=5),
                poller.wait_all(["a", "c"], timeout=5),
            ):
                with pytest.raises(GespollError) as caught:
                    await waiting
                for error in (caught.value, copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
                    terms = {"timeout": None, "on_failure": "never"}
                    changes = await resumed(as_json(error.snapshot), terms=terms, a=[OK], b=[OK])
                    assert told(changes)[0] == ("a", RUNNING, OK)

    async def test_a_part_of_many_failures_carries_it_too(self) -> None:
        """As `except*` splits them."""
        async with polling(a=[FAILED], b=[RUNNING]) as poller:
            with pytest.raises(JobsFailed) as caught:
                await poller.wait_all(["a", "b"], timeout=5)
        part, rest = caught.value.split(JobError)
        assert isinstance(part, JobsFailed)
        assert isinstance(rest, JobsFailed)
        assert as_json(part.snapshot) == as_json(rest.snapshot) == as_json(caught.value.snapshot)

    async def test_the_first_failure_carries_one(self) -> None:
        """The others go on."""
        async with polling(a=[FAILED], b=[RUNNING]) as poller:
            with pytest.raises(JobError) as caught:
                async with poller.watch(["a", "b"], on_failure="first") as changes:
                    await take(changes, 9)
        assert told(await resumed(as_json(caught.value.snapshot), b=[OK]))[-1] == ("b", None, OK)

    @pytest.mark.parametrize("error", [AuthenticationError("no"), TransportError("reset")], ids=["fatal", "outage"])
    async def test_what_is_not_told_after_the_first_failure_is_open(self, error: Exception) -> None:
        """Neither an end nor a change that nobody was told counts as told."""
        async with polling(a=[RUNNING, error], b=[RUNNING, error], c=[PENDING, RUNNING, error]) as poller:
            with pytest.raises(SourceError) as caught:
                async with poller.watch(["a", "b", "c"], on_failure="first") as changes:
                    await take(changes, 99)
        jobs = {entry["job_id"]: entry["statuses"] for entry in as_json(caught.value.snapshot)["jobs"]}
        assert jobs.keys() == {"a", "b", "c"}
        goes_on = await resumed(caught.value.snapshot, **_all(["a", "b", "c"], OK))
        assert sorted(change.ref.job_id for change in goes_on) == ["a", "b", "c"]

    async def test_what_ends_after_the_submitters_error_is_open(self) -> None:
        """A consumer that comes late to it loses nothing."""

        async def refs() -> AsyncIterator[str]:
            yield "a"
            yield "b"
            await anyio.sleep(7)
            raise KeyError("mine")

        async with (
            polling(a=[RUNNING, RUNNING, OK], b=[PENDING, PENDING, RUNNING]) as poller,
            poller.watch(refs()) as changes,
        ):
            await anyio.sleep(60)
            seen = await take(changes, 2)
            snapshot = as_json(changes.snapshot())
        assert told(seen) == [("a", None, RUNNING), ("b", None, PENDING)]
        assert told(await resumed(snapshot, a=[OK], b=[RUNNING, OK])) == [
            ("a", RUNNING, OK),
            ("b", PENDING, RUNNING),
            ("b", RUNNING, OK),
        ]

    async def test_what_another_watch_sees_of_a_job_left_open_is_not_known(self) -> None:
        """It was left open as the consumer knew it."""
        async with (
            polling(a=[PENDING] * 5 + [RUNNING] * 5 + [OK]) as poller,
            poller.watch(["a"]),
            poller.watch(["a"], job_timeout=10, on_failure="never") as changes,
        ):
            await take(changes, 2)
            await anyio.sleep(60)
            snapshot = as_json(changes.snapshot())
        assert told(await resumed(snapshot, terms={"job_timeout": None}, a=[RUNNING, OK])) == [
            ("a", PENDING, RUNNING),
            ("a", RUNNING, OK),
        ]

    async def test_the_submitters_own_error_comes_out_as_it_is(self) -> None:
        """Also where it is one of ours."""
        error = JobNotFound(JobRef("mine"))

        async def refs() -> AsyncIterator[str]:
            yield "a"
            raise error

        async with polling(a=[RUNNING]) as poller:
            with pytest.raises(JobNotFound) as caught:
                await poller.wait_all(refs())
        assert caught.value is error
        assert error.snapshot is None

    async def test_each_watch_gets_its_own(self) -> None:
        """An error that ends all watches carries in each the jobs of that one."""
        errors: list[GespollError] = []

        async def watch(poller: Poller, job_id: str) -> None:
            try:
                async with poller.watch([job_id]) as changes:
                    await take(changes, 9)
            except AuthenticationError as error:
                errors.append(error)

        rejected = [RUNNING, AuthenticationError("rejected")]
        async with polling(a=rejected, b=rejected) as poller, anyio.create_task_group() as tasks:
            tasks.start_soon(watch, poller, "a")
            tasks.start_soon(watch, poller, "b")
        jobs = [[entry["job_id"] for entry in as_json(error.snapshot)["jobs"]] for error in errors]
        assert sorted(jobs) == [["a"], ["b"]]
        assert told(await resumed(errors[0].snapshot, a=[OK], b=[OK])) == [(jobs[0][0], RUNNING, OK)]

    async def test_a_job_not_found_by_several_waits_carries_for_each_its_own(self) -> None:
        """Two watches that share a look share no snapshot."""
        errors: list[JobNotFound] = []

        async def watch(poller: Poller, refs: list[str]) -> None:
            with pytest.raises(JobNotFound) as caught:
                async with poller.watch(refs, on_failure="first") as changes:
                    await take(changes, 9)
            errors.append(caught.value)

        async with polling(b=[RUNNING]) as poller, anyio.create_task_group() as tasks:
            tasks.start_soon(watch, poller, ["a"])
            tasks.start_soon(watch, poller, ["a", "b"])
        assert sorted(len(as_json(error.snapshot)["jobs"]) for error in errors) == [1, 2]

    async def test_an_outage_leaves_jobs_open(self) -> None:
        """They go on when the service does."""
        async with polling(a=[RUNNING, ServiceUnavailable("down")]) as poller:
            with pytest.raises(ServiceUnavailable) as caught:
                await poller.wait_all(["a"])
        assert told(await resumed(caught.value.snapshot, a=[OK])) == [("a", RUNNING, OK)]


GOLDEN = Path(__file__).parent / "golden"
WITHOUT_LIMIT: dict[str, Any] = {"timeout": None, "job_timeout": None}


class TestFirstVersion:
    """Snapshots that version 1 wrote, stored as they were."""

    async def test_the_ends_it_kept_are_raised(self) -> None:
        """With their files, reasons and codes."""
        snapshot = json.loads((GOLDEN / "snapshot_v1_end.json").read_text())
        with pytest.raises(JobsFailed) as caught:
            await resumed(snapshot, terms=WITHOUT_LIMIT, **_all(["running", "pending", "unseen"], OK))
        results = dict(zip(_ids(snapshot), caught.value.results, strict=True))
        ends = {
            "lossy": ImportPartiallyFailed,
            "loaded": Job,
            "failed": JobFailed,
            "cancelled": JobCancelled,
            "denied": PermissionDenied,
            "running": Job,
            "pending": Job,
            "missing": JobNotFound,
            "unseen": Job,
        }
        assert {name: type(result) for name, result in results.items()} == ends
        assert isinstance(results["lossy"], ImportPartiallyFailed)
        assert results["lossy"].failed_files == LOSSY.files

    @pytest.mark.parametrize("name", ["snapshot_v1_end.json", "snapshot_v1_never.json"])
    async def test_its_open_jobs_go_on(self, name: str) -> None:
        """From where they stood; what had ended is not told again."""
        snapshot = json.loads((GOLDEN / name).read_text())
        terms = WITHOUT_LIMIT | {"on_failure": "never"}
        changes = await resumed(snapshot, terms=terms, running=[RUNNING, OK], pending=[PENDING, OK], unseen=[OK])
        assert sorted(told(changes), key=str) == [
            ("pending", PENDING, OK),
            ("running", UNKNOWN, OK),
            ("unseen", None, OK),
        ]

    async def test_a_snapshot_of_the_resumed_watch_has_the_present_version(self) -> None:
        """With the ids of changes that version 1 did not know."""
        snapshot = json.loads((GOLDEN / "snapshot_v1_end.json").read_text())
        async with polling(running=[RUNNING]) as poller, poller.resume(snapshot, **WITHOUT_LIMIT) as changes:
            again = as_json(changes.snapshot())
        assert again["version"] == 2
        assert all("sequence" not in entry for entry in again["jobs"])
        assert [entry["job_id"] for entry in again["jobs"] if "change_id" not in entry] == ["unseen"]


def _ids(snapshot: dict[str, Any]) -> list[str]:
    return [entry["job_id"] for entry in snapshot["jobs"]]


class TestRefusals:
    """What cannot be gone on from is refused before anything is asked, in words that help."""

    @pytest.mark.parametrize(
        ("damage", "text"),
        [
            ({"format": "other"}, "this is no gespoll snapshot: give what snapshot() gave, unchanged"),
            ({"format": None}, "this is no gespoll snapshot: give what snapshot() gave, unchanged"),
            (
                {"version": 3},
                (
                    "this snapshot was written by a later gespoll (its version is 3, this one reads up to 2): resume "
                    "it with that one, or upgrade"
                ),
            ),
            ({"version": "1"}, "this snapshot is damaged: Expected `int`, got `str` - at `$.version`"),
            ({"version": 0}, "this snapshot is damaged: Expected `int` >= 1 - at `$.version`"),
            ({"jobs": None}, "this snapshot is damaged: Expected `array`, got `null` - at `$.jobs`"),
            ({"jobs": [{}]}, "this snapshot is damaged: Object missing required field `job_id` - at `$.jobs[0]`"),
            (
                {"jobs": [{"job_id": "a", "statuses": ["melting"]}]},
                "this snapshot is damaged: Invalid enum value 'melting' - at `$.jobs[0].statuses[0]`",
            ),
            (
                {"jobs": [{"job_id": "a", "statuses": ["success"]}]},
                "this snapshot is damaged: job 0 is told to be open in a status that ends it",
            ),
            ({"jobs": [{"job_id": "a"}] * 2}, "this snapshot is damaged: job 1 is there twice"),
            ({"jobs": [{"job_id": "a", "scope": 7}]}, "this snapshot is damaged: job 0 is of scope 7, and there are 1"),
            (
                {"jobs": [{"job_id": "\n"}]},
                "this snapshot is damaged: job_id '\\n' is not an id: pass the text the API answered, unchanged",
            ),
            (
                {"jobs": [{"job_id": "a", "ended": True, "failure": {"error": "SystemExit"}}]},
                "this snapshot is damaged: job a cannot have ended in SystemExit",
            ),
            (
                {"deadline": "2026-03-29T00:00:00"},
                "this snapshot is damaged: Expected `datetime` with a timezone component - at `$.deadline`",
            ),
            ({"scopes": ["", ""]}, "this snapshot is damaged: a scope is there twice"),
            ({"keeps_ends": False}, "this snapshot is damaged: it is to raise ends that it does not keep"),
            (
                {"jobs": [{"job_id": "a", "ended": True}]},
                "this snapshot is damaged: job 0 has ended, and how is missing",
            ),
            ({"deadline": "9999-12-31T23:59:59-14:00"}, "this snapshot is damaged: deadline is out of bounds"),
            (
                {"jobs": [{"job_id": "a", "deadline": "0001-01-01T00:00:00+14:00"}]},
                "this snapshot is damaged: the deadline of job 0 is out of bounds",
            ),
            ({"timeout": -1}, "this snapshot is damaged: Expected `float` >= 0.0 - at `$.timeout`"),
            ({"timeout": math.nan}, "this snapshot is damaged: Expected `float` >= 0.0 - at `$.timeout`"),
        ],
        ids=str,
    )
    async def test_a_damaged_snapshot_is_refused(self, damage: dict[str, Any], text: str) -> None:
        """The text names the place."""
        snapshot = await cut(1, ["a"], a=[RUNNING])
        async with polling() as poller:
            with says(ValueError, text):
                poller.resume(snapshot | damage)

    async def test_no_field_may_be_missing_or_of_another_type(self) -> None:
        """Whatever is taken away or put in its place, a snapshot is refused or still one."""
        snapshot = await cut(2, ["a", "b"], {"timeout": 9, "job_timeout": 9}, a=[LOSSY], b=[RUNNING])
        taken = [without, *(partial(replaced, value=value) for value in NONSENSE)]
        refused = 0
        async with polling() as poller:
            for where in ([], [0], [1], [0, "reading"], [1, "reading"], [0, "failure"]):
                for name, damage in product(_within(snapshot, where), taken):
                    damaged = copy.deepcopy(snapshot)
                    damage(_within(damaged, where), name)
                    with contextlib.suppress(ValueError):
                        poller.resume(damaged)
                        continue
                    refused += 1
        assert refused > 100

    async def test_a_snapshot_is_a_mapping(self) -> None:
        """Its text must be decoded."""
        async with polling() as poller:
            with says(TypeError, "a snapshot is the dict that snapshot() gave, not str: decode its JSON first"):
                poller.resume("{}")  # type: ignore[arg-type]

    @pytest.mark.parametrize("status", ["running", "success"])
    async def test_a_snapshot_of_another_project_is_refused(self, status: str) -> None:
        """The same job id means another job there, also where it has ended."""
        async with FakeGES() as ges:
            ges.add_job("a", graph="movies", name="StartGraph", steps=[(0, status)])
            async with ges_poller(ges, ges.project_id) as poller, poller.watch(["a"], graph="movies") as changes:
                await take(changes, 1)
                snapshot = as_json(changes.snapshot())
            text = (
                f"this snapshot is of another source: its job movies/a belongs to {ges.project_id!r}, and here to "
                "'elsewhere'; resume it with a poller of the same project and plane"
            )
            async with ges_poller(ges, "elsewhere") as poller:
                with says(ValueError, text):
                    poller.resume(snapshot)

    async def test_a_snapshot_is_taken_inside_the_block(self) -> None:
        """Before and after it there is nothing to tell."""
        text = "take a snapshot inside the block of the watch; an error that ends it carries one, too"
        async with polling(a=[OK]) as poller:
            watch = poller.watch(["a"])
            with says(RuntimeError, text):
                watch.snapshot()
            async with watch:
                watch.snapshot()
            with says(RuntimeError, text):
                watch.snapshot()


def without(where: dict[str, Any], name: str) -> None:
    """Take a field away."""
    where.pop(name)


def replaced(where: dict[str, Any], name: str, *, value: Any) -> None:
    """Put something in a field's place."""
    where[name] = value


def _within(snapshot: dict[str, Any], where: list[Any]) -> dict[str, Any]:
    place: Any = snapshot["jobs"] if where else snapshot
    for name in where:
        place = place[name]
    assert isinstance(place, dict)
    return place


def ges_poller(ges: FakeGES, project_id: str) -> Poller:
    """Make a poller of a project of the fake service."""
    return connect(ges.endpoint, project_id, credentials=Token(ges.token), wall_clock=ges.wall_clock)
