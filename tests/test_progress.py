"""How far jobs are, as a watch with `progress=True` tells it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from gespoll import EngineSource, Job, JobRef, JobStatus, Observer, Poller, StateChange, Token, Watch
from gespoll._scheduler import Ledger, Window
from gespoll.testing import FakeGES, ScriptedSource
from tests.desk import Desk, Story, ends_at, job
from tests.test_face import says

pytestmark = pytest.mark.anyio
FOREVER = 1e9


def goes_on(job_id: str, seconds: float) -> Story:
    """Tell of a job that comes a tenth further every second, ten tenths after `seconds`, and then succeeds."""

    def story(now: float) -> Job:
        if now >= seconds:
            return job(job_id, "success")
        return job(job_id, progress=round(now / seconds, 1))

    return story


def engine(stories: dict[str, Story], **knobs: Any) -> Desk:
    """Make a desk whose list, and no query, tells how far jobs are."""
    desk = Desk(stories, listing=True, **knobs)
    desk.scheduler._source.list_tells_progress = True
    return desk


def taken(ledger: Ledger) -> list[StateChange]:
    """Take all changes that wait."""
    return [ledger.take_change() for _ in range(ledger.waiting)]


def told(changes: list[StateChange]) -> list[tuple[str, str | float | None]]:
    """Give for each change its job, and the progress or the new status."""
    return [(each.ref.job_id, each.job.progress if each.is_progress and each.job else each.status) for each in changes]


class Counting(Observer):
    """Counts the changes that it is told."""

    def __init__(self) -> None:
        self.seen: list[StateChange] = []

    def changed(self, change: StateChange, /) -> None:
        """Note it."""
        self.seen.append(change)


class TestTold:
    """What comes, and when."""

    @pytest.mark.parametrize("names", ["a", "ab"])
    def test_each_step_is_told_once(self, names: str) -> None:
        """Also of one job alone, which without that would be queried."""
        desk = engine({name: goes_on(name, 50.0) for name in names})
        ledger = desk.watch(names, progress=True)
        seen = []
        for second in range(60):
            desk.run(until=second)
            seen += [each for each in taken(ledger) if each.ref.job_id == "a"]
        moves = [each for each in seen if each.is_progress]
        steps = [each.job.progress for each in moves if each.job and each.job.progress is not None]
        assert steps == sorted(set(steps))
        assert len(steps) >= 8
        assert {(each.previous, each.status, each.is_final, each.error) for each in moves} == {
            (JobStatus.RUNNING, JobStatus.RUNNING, False, None)
        }
        assert [each.status for each in seen if not each.is_progress] == [JobStatus.RUNNING, JobStatus.SUCCESS]

    def test_only_the_latest_waits_to_be_taken(self) -> None:
        """However long nobody reads; and nothing of it comes after the change that it waits behind."""
        desk = engine({"a": goes_on("a", FOREVER / 1e7), "b": goes_on("b", 1000.0)})
        ledger = desk.watch("ab", progress=True)
        desk.run(until=99)
        assert told(taken(ledger)) == [("a", "running"), ("b", "running"), ("b", 0.1), ("a", 1.0)]
        desk.run(until=450)
        assert told(taken(ledger)) == [("a", "success"), ("b", 0.5)]
        desk.run()
        assert told(taken(ledger)) == [("b", "success")]

    def test_none_comes_after_the_end(self) -> None:
        """One that waits is dropped."""
        desk = engine({"a": goes_on("a", 50.0)})
        ledger = desk.watch("a", progress=True)
        desk.run(until=30)
        assert ledger.waiting == 2
        desk.run()
        assert told(taken(ledger)) == [("a", "running"), ("a", "success")]

    def test_it_never_goes_back(self) -> None:
        """An older reply takes nothing back, so each value has an id of its own."""
        stages = {0: 0.2, 1: 0.5, 2: 0.3, 3: None, 4: 0.5, 5: 0.6}
        desk = engine({"a": lambda now: job("a", progress=stages[min(int(now // 10), 5)])})
        ledger = desk.watch("a", progress=True)
        changes = []
        for second in range(0, 70, 5):
            desk.run(until=second)
            changes += taken(ledger)
        assert told(changes) == [("a", "running"), ("a", 0.5), ("a", 0.6)]
        assert len({each.id for each in changes}) == 3

    def test_a_change_of_status_tells_it_too(self) -> None:
        """What it tells is not told once more."""
        desk = engine({"a": lambda now: job("a", "pending" if now < 10 else "running", progress=0.3)})
        ledger = desk.watch("a", progress=True)
        desk.run(until=30)
        assert told(taken(ledger)) == [("a", "pending"), ("a", "running")]

    def test_a_job_that_is_discarded_tells_nothing_more(self) -> None:
        """Not even what waits to be taken."""
        desk = engine({"a": goes_on("a", 500.0), "b": goes_on("b", 500.0)})
        ledger = desk.watch("ab", progress=True)
        desk.run(until=60)
        desk.scheduler.discard(ledger, desk.scheduler.key(JobRef("a", "g")), desk.now)
        assert told(taken(ledger)) == [("b", "running"), ("b", 0.1)]

    def test_a_query_may_tell_it(self) -> None:
        """A source of one's own, without a list."""
        desk = Desk({"a": goes_on("a", 50.0)})
        ledger = desk.watch("a", progress=True)
        desk.run(until=23)
        assert told(taken(ledger)) == [("a", "running"), ("a", 0.4)]


class TestCost:
    """It costs nothing where nobody asks for it."""

    def test_without_it_nothing_is_told_or_decoded(self) -> None:
        """Of an entry whose word did not change the record is not read."""
        desk = engine({name: goes_on(name, 500.0) for name in "ab"})
        ledger = desk.watch("ab")
        desk.run(until=20)
        page = desk.next()
        while not isinstance(page, Window):
            desk.answer(page)
            page = desk.next()
        assert desk.scheduler.wants(page, ["a", "b"], ["running", "running"]) == []
        assert told(taken(ledger)) == [("a", "running"), ("b", "running")]

    def test_of_others_jobs_nothing_is_decoded(self) -> None:
        """And once it is left, of none."""
        desk = engine({name: goes_on(name, 500.0) for name in "abc"})
        desk.watch("ab")
        ledger = desk.watch("b", progress=True)
        desk.run(until=20)
        page = Window("", 0, 10, 0.0)
        assert desk.scheduler.wants(page, ["a", "b", "c"], ["running"] * 3) == [1]
        desk.scheduler.leave(ledger)
        assert desk.scheduler.wants(page, ["a", "b", "c"], ["running"] * 3) == []

    def test_where_the_list_does_not_tell_it_one_job_is_queried(self) -> None:
        """As without it: reading the list would bring nothing."""
        desk = Desk({"a": ends_at("a", 30)}, listing=True)
        desk.watch("a", progress=True)
        desk.run()
        assert not desk.windows

    def test_nothing_is_kept_of_jobs_that_have_ended(self) -> None:
        """Nor of the watch, once it is left."""
        desk = engine({name: goes_on(name, 20.0) for name in "ab"})
        ledger = desk.watch("ab", progress=True)
        desk.run()
        assert (len(ledger._moves), len(ledger._furthest)) == (0, 0)
        desk.scheduler.leave(ledger)
        assert not any(scope.followers for scope in desk.scheduler._scopes.values())


class TestSnapshots:
    """A snapshot does not cover progress."""

    def test_it_is_told_again_with_the_same_id(self) -> None:
        """In another process, which keeps telling progress without being asked."""
        desk = engine({"a": goes_on("a", 500.0)})
        ledger = desk.watch("a", progress=True)
        desk.run(until=160)
        before = taken(ledger)
        snapshot = desk.snapshot(ledger)
        assert snapshot.progress
        again = engine({"a": goes_on("a", 500.0)})
        again.now = 160.0
        resumed = Ledger(progress=True)
        again.scheduler.recall(resumed, snapshot, snapshot.jobs, again._clocks())
        again.run(until=172)
        [change] = taken(resumed)
        assert change.is_progress
        assert change.id == before[-1].id
        assert change.id != before[0].id

    async def test_resume_keeps_it_unless_told_otherwise(self) -> None:
        """Like all else."""
        async with Poller(ScriptedSource({"a": [JobStatus.RUNNING]})) as poller:
            async with poller.watch(["a"], progress=True) as changes:
                snapshot = changes.snapshot()
            kept = [poller.resume(snapshot), poller.resume(snapshot, progress=False)]
            assert [watch._ledger.progress for watch in kept] == [True, False]

    async def test_it_is_a_bool(self) -> None:
        """Anything else is refused."""
        async with Poller(ScriptedSource({})) as poller:
            with says(TypeError, "progress must be True or False, not 'yes'"):
                poller.watch([], progress="yes")  # type: ignore[arg-type]
            with says(TypeError, "progress must be True, False or 'kept', not None"):
                poller.resume({}, progress=None)  # type: ignore[arg-type]


async def all_of(changes: Watch) -> list[StateChange]:
    """Take every change."""
    return [change async for change in changes]


async def test_a_memory_edition_engine_tells_it() -> None:
    """Over HTTP; observers and statistics count changes of status alone."""
    counting = Counting()
    async with FakeGES(edition="memory") as ges:
        ges.add_job("a", graph="g", engine=True, steps=[(0, "running"), (40, "success")])
        source = EngineSource({"g": ges.endpoint}, ges.project_id, credentials=Token(ges.token))
        async with Poller(source, close_source=True, observers=[counting]) as poller:
            async with poller.watch(["a"], graph="g", progress=True) as changes:
                seen = await all_of(changes)
            assert poller.statistics().ended_jobs == 1
    steps = [each.job.progress for each in seen if each.job and each.job.progress is not None and each.is_progress]
    assert len(steps) >= 5
    assert steps == sorted(set(steps))
    assert [change.status for change in counting.seen] == [JobStatus.RUNNING, JobStatus.SUCCESS]


async def test_a_database_edition_engine_goes_on_being_queried() -> None:
    """Its list tells no progress, which is found out with the first page."""
    async with FakeGES() as ges:
        ges.add_job("a", graph="g", engine=True, steps=[(0, "running"), (40, "success")])
        source = EngineSource({"g": ges.endpoint}, ges.project_id, credentials=Token(ges.token))
        async with (
            Poller(source, close_source=True) as poller,
            poller.watch(["a"], graph="g", progress=True) as changes,
        ):
            with anyio.fail_after(60):
                seen = await all_of(changes)
    assert [each.status for each in seen] == [JobStatus.RUNNING, JobStatus.SUCCESS]
    assert sum(request.kind == "list" for request in ges.requests) <= 3
