"""How a job was last reported, without a request: `Poller.last_seen`."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from gespoll import Job, JobRef, JobStatus, Poller
from gespoll._scheduler._latest import Latest
from gespoll.testing import ScriptedSource
from tests.desk import Desk, ends_at, job

pytestmark = pytest.mark.anyio
OK, RUNNING = JobStatus.SUCCESS, JobStatus.RUNNING


def polled(delay: Any = 0.0, **stories: Any) -> Poller:
    """Make a poller of jobs that tell these stories."""
    return Poller(ScriptedSource(stories, delay=delay), rng=random.Random(0))


def imported(job_id: str) -> Job:
    """Make a reading of an import's success of which no file is told."""
    return job(job_id, "success", is_import=True, name="ImportGraph")


class TestLastSeen:
    """How a job was last reported, without a request."""

    async def test_nothing_is_known_before_a_reply_and_after_the_end(self) -> None:
        """In between it is the last record that came."""
        async with polled(a=[RUNNING, OK]) as poller:
            assert poller.last_seen("a") is None
            async with poller.watch(["a"]) as changes:
                assert poller.last_seen("a") is None
                await anext(changes)
                seen = poller.last_seen("a")
                assert seen is not None
                assert seen.status is RUNNING
                await anext(changes)
                assert poller.last_seen("a") is None
            assert poller.source.looks["a"] == 2  # type: ignore[attr-defined]

    async def test_it_is_the_whole_record(self) -> None:
        """Also where nothing but what it holds besides the status has changed."""
        stages = [Job(ref=JobRef("a"), status=RUNNING, reported_status="busy", raw={"step": step}) for step in "123"]
        async with polled(a=[*stages, RUNNING]) as poller, poller.watch(["a"]):
            await anyio.sleep(14)
            assert poller.last_seen("a") == stages[2]
            assert poller.last_seen("a").raw == {"step": "3"}  # type: ignore[union-attr]

    async def test_it_is_called_what_it_is_asked_by(self) -> None:
        """Like what `explain` gives."""
        async with polled(a=[RUNNING]) as poller, poller.watch([JobRef("a", key="load")]) as changes:
            await anext(changes)
            assert poller.last_seen(JobRef("a", "g", key="mine")).ref.key == "mine"  # type: ignore[union-attr]

    async def test_a_step_back_and_an_unconfirmed_end_are_not_shown(self) -> None:
        """It agrees with the changes."""
        stages = {0: job("a"), 1: job("a", "pending")}
        desk = Desk({"a": lambda now: stages.get(int(now // 10)) or imported("a")})
        desk.scheduler._source.confirms_imports = True
        desk.watch(["a"])
        for now in (1, 16, 26):
            desk.run(until=now)
            assert desk.scheduler.last_seen(JobRef("a", "g")) == job("a")
        assert desk.scheduler.explain(JobRef("a", "g"), desk.now).reason.startswith("its end")  # type: ignore[union-attr]

    async def test_of_a_resumed_job_it_is_what_the_snapshot_knew(self) -> None:
        """Until a reply shows it."""
        async with polled(a=[RUNNING]) as poller, poller.watch(["a"]) as changes:
            await anext(changes)
            snapshot = changes.snapshot()
        async with polled(delay=1.0, a=[RUNNING]) as poller, poller.resume(snapshot):
            assert poller.last_seen("a").status is RUNNING  # type: ignore[union-attr]

    def test_of_many_jobs_the_state_is_kept(self) -> None:
        """Whole records of a hundred, so that a job costs no more than it did."""
        names = [str(number) for number in range(150)]
        desk = Desk({name: ends_at(name, 50) for name in names}, listing=True)
        desk.watch(names)
        desk.run(until=20)
        told = [desk.scheduler.last_seen(JobRef(name, "g")) for name in names]
        assert {seen.status for seen in told if seen} == {RUNNING}
        assert all(told)
        assert len(desk.scheduler._latest) == 100
        desk.run()
        assert len(desk.scheduler._latest) == 0

    def test_at_a_deadline_whole_records_are_kept_of_all(self) -> None:
        """The timeouts carry them; then they are dropped."""
        latest = Latest()
        for number in range(150):
            latest.keep(("", str(number)), job(str(number)), all_of_them=True)
        assert len(latest) == 150
        latest.trim()
        assert latest.of(("", "49")) is None
        assert latest.of(("", "50")) == job("50")
