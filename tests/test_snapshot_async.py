"""A snapshot written in slices is the one that was asked for, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gespoll import ImportFile, Job, JobNotFound, JobRef, JobStatus, Poller, ServiceUnavailable, Watch
from gespoll._scheduler import Ledger
from gespoll._slices import run
from gespoll.testing import ScriptedSource
from tests.desk import Desk, Story, job
from tests.test_face import says

pytestmark = pytest.mark.anyio
RUNNING = JobStatus.RUNNING
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
BAD = (ImportFile(kind="edgeset", path="edges.csv", status="partFailed", total_lines=9, failed_lines=1),)


def stories(rng: random.Random, names: list[str]) -> dict[str, Story]:
    """Make stories of every kind: plain ends, unconfirmed ones, bad files, denials, failures, unknown words."""
    return {name: _story(rng, name) for name in names}


def _story(rng: random.Random, name: str) -> Story:
    begins, ends = sorted(rng.uniform(0, 40) for _ in range(2))
    kinds: list[dict[str, Any]] = [
        {"status": "success"},
        {"status": "failed", "fail_reason": "disk full"},
        {"status": "success", "is_import": True, "name": "ImportGraph"},
        {"status": "partially_failed", "is_import": True, "files": BAD},
        {"status": "cancelled"},
    ]
    end = rng.choice(kinds)
    trouble = rng.choice(["", "", "bad files", "denied", "fails", "unknown"])

    def story(now: float) -> Any:
        if now >= ends:
            return job(name, **end)
        if now < begins:
            return job(name, "pending", job_type="GraphManagement")
        match trouble:
            case "bad files":
                return job(name, files=BAD, is_import=True)
            case "denied" if int(now) % 3:
                return JobNotFound(JobRef(name, "g"))
            case "fails" if int(now) % 2:
                return ServiceUnavailable("down", status=503)
            case "unknown":
                return Job(ref=JobRef(name, "g"), status=JobStatus.UNKNOWN, reported_status="halted", name="Stop")
        return job(name)

    return story


def something(rng: random.Random, desk: Desk, ledger: Ledger, names: list[str]) -> None:
    """Let anything happen that may happen between two slices."""
    name = rng.choice(names)
    ref = JobRef(name, "g", key=rng.choice([None, f"key of {name}"]))

    def let_time_pass() -> None:
        desk.run(until=desk.now + rng.uniform(0, 9))

    def take() -> None:
        if ledger.waiting:
            ledger.take_change()

    choices: list[Callable[[], object]] = [
        let_time_pass,
        let_time_pass,
        take,
        take,
        take,
        lambda: desk.scheduler.join(ledger, [ref], desk.now),
        lambda: desk.scheduler.discard(ledger, desk.scheduler.key(ref), desk.now),
        lambda: desk.watch(rng.sample(names, 2), timeout=rng.choice([None, 3.0])),
    ]
    rng.choice(choices)()


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), listing=st.booleans())
def test_rule_15_what_happens_between_two_slices_is_not_in_it(seed: int, listing: bool) -> None:
    """It is what a snapshot at a stretch would have been when it was begun, to the letter."""
    rng = random.Random(seed)
    names = [f"job{number}" for number in range(rng.randrange(2, 8))]
    desk = Desk(stories(rng, [*names, "new"]), listing=listing, interval=1.0, not_found_grace=5.0, outage_timeout=20.0)
    terms: dict[str, Any] = {
        "on_failure": rng.choice(["end", "first", "never"]),
        "timeout": rng.choice([None, None, 15.0]),
        "job_timeout": rng.choice([None, 10.0]),
    }
    terms["keeps_results"] = terms["on_failure"] == "end"
    ledger = desk.watch(names, **terms)
    if rng.random() < 0.3:
        desk.run(until=rng.uniform(0, 20))
        ledger = desk.resume(desk.snapshot(ledger), ["new"], on_failure=terms["on_failure"])
    ledger.takes_input = True
    for _ in range(rng.randrange(8)):
        something(rng, desk, ledger, [*names, "new"])
    for _ in range(3):
        at_a_stretch = desk.written(ledger)
        writing = desk.scheduler.writing(ledger, desk._clocks())
        for _ in writing.steps():
            for _ in range(rng.randrange(4)):
                something(rng, desk, ledger, [*names, "new"])
        desk.scheduler.end_writing(writing)
        assert writing.json == at_a_stretch
    assert (ledger._views, desk.scheduler._writings) == ([], [])


class Meddling:
    """A watch that is meddled with by another task while its snapshot is written."""

    def __init__(self, poller: Poller, watch: Watch) -> None:
        self.watch = watch
        self.turns = 0
        self.poller = poller

    async def go_on(self) -> None:
        """Take changes and add jobs, one a turn of the event loop."""
        while True:
            await anyio.lowlevel.checkpoint()
            self.turns += 1
            self.watch.add(f"new{self.turns}")
            self.watch.discard(f"{self.turns}")
            if self.watch._ledger.waiting:
                await anext(self.watch)


def many(count: int) -> Poller:
    """Make a poller of jobs that run."""
    source = ScriptedSource({str(number): [RUNNING] for number in range(count)})
    return Poller(source, max_per_second=1e6, wall_clock=lambda: NOON)


async def test_rule_10_the_event_loop_runs_in_between() -> None:
    """And what it does there is not in the snapshot, which resumes like any other."""
    async with many(5000) as poller, poller.watch(map(str, range(5000))) as changes:
        await anyio.sleep(1)
        meddling = Meddling(poller, changes)
        at_once = changes.snapshot()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(meddling.go_on)
            in_slices = await changes.snapshot_async()
            turns = meddling.turns
            tasks.cancel_scope.cancel()
        assert turns >= 3
        assert in_slices == at_once
        assert poller.resume(in_slices)


async def test_a_cancelled_one_leaves_nothing_behind() -> None:
    """The watch goes on, and keeps nothing for it."""
    async with many(5000) as poller, poller.watch(map(str, range(5000))) as changes:
        writing = asyncio.create_task(changes.snapshot_async())
        await anyio.lowlevel.checkpoint()
        assert changes._ledger._views
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert not changes._ledger._views
        assert not poller._loop._scheduler._writings  # type: ignore[union-attr]
        assert (await anext(changes)).status is RUNNING


async def test_leaving_the_watch_meanwhile_ends_it() -> None:
    """It says what to do; nothing is kept for it."""
    async with many(5000) as poller:
        async with poller.watch(map(str, range(5000))) as changes:
            writing = asyncio.create_task(changes.snapshot_async())
            await anyio.lowlevel.checkpoint()
        with says(RuntimeError, "the watch was left while its snapshot was written: take it before leaving"):
            await writing
        with says(
            RuntimeError, "take a snapshot inside the block of the watch; an error that ends it carries one, too"
        ):
            await changes.snapshot_async()


def test_a_slice_ends_when_its_time_is_over() -> None:
    """After one step at least; the last says that it was."""
    clock = iter(range(1000))
    steps = iter(range(10))
    assert not run(steps, lambda: next(clock) / 1000)
    assert next(steps) == 5
    assert not run(steps, lambda: next(clock) / 10)
    assert next(steps) == 7
    assert run(steps, lambda: 0.0)
    assert run(steps, lambda: 0.0)
