"""What a caller calls the work, `JobRef.key`, stands in all that a watch gives."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gespoll import EndUnconfirmed, Job, JobError, JobRef, JobStatus, Poller, WaitTimeout
from gespoll.testing import ScriptedSource

pytestmark = pytest.mark.anyio

OK, RUNNING, FAILED = JobStatus.SUCCESS, JobStatus.RUNNING, JobStatus.FAILED


def polling(**stories: Any) -> Poller:
    """Make a poller of jobs that tell these stories."""
    return Poller(ScriptedSource(stories), rng=random.Random(0))


KEYED = JobRef("a", "g", key="film 1")


async def test_a_key_stands_in_results() -> None:
    """Of one job and of many."""
    async with polling(a=[OK]) as poller:
        assert (await poller.wait(KEYED)).ref.key == "film 1"
        (job,) = await poller.wait_all([KEYED])
    assert isinstance(job, Job)
    assert job.ref.key == "film 1"


async def test_each_watch_has_its_own_key() -> None:
    """In changes, in errors, and in what was not found."""
    async with polling(a=[RUNNING, FAILED]) as poller, poller.watch(on_failure="never") as others:
        others.add(JobRef("a", "g", key="film 2"))
        others.add(JobRef("b", "g", key="film 3"))
        others.close_input()
        async with poller.watch([KEYED, JobRef("b", "g")], on_failure="never") as changes:
            seen = [change async for change in changes]
        other = [change async for change in others]
    assert {(change.ref.job_id, change.ref.key) for change in seen} == {("a", "film 1"), ("b", None)}
    assert {(change.ref.job_id, change.ref.key) for change in other} == {("a", "film 2"), ("b", "film 3")}
    for change in [*seen, *other]:
        if isinstance(change.error, JobError):
            assert change.error.ref.key == change.ref.key
        assert change.job is None or change.job.ref.key == change.ref.key


async def test_an_end_that_is_not_confirmed_names_the_key_of_each_watch() -> None:
    """In the job as it was reported."""
    job = Job(ref=KEYED, status=OK, reported_status="success", name="ImportGraph", is_import=True)
    source = ScriptedSource({"a": [job]})
    async with (
        Poller(source, rng=random.Random(0), unconfirmed="raise") as poller,
        poller.watch([KEYED], on_failure="never") as changes,
        poller.watch([JobRef("a", key="film 2")], on_failure="never") as others,
    ):
        errors = [(await anext(each)).error for each in (changes, others)]
    keys = [error.job.ref.key for error in errors if isinstance(error, EndUnconfirmed) and error.job is not None]
    assert keys == ["film 1", "film 2"]


async def test_a_key_stands_in_a_timeout() -> None:
    """Whose refs are those that were handed in."""
    async with polling(a=[RUNNING]) as poller:
        with pytest.raises(WaitTimeout) as caught:
            await poller.wait(KEYED, timeout=1)
    assert [ref.key for ref in caught.value.pending] == ["film 1"]


@pytest.mark.parametrize("story", [[RUNNING], [OK]])
async def test_two_keys_for_one_job_are_refused(story: list[Any]) -> None:
    """Also when it has ended; the text names both."""
    text = "job a was handed in with two keys, 'film 1' and 'film 2': a job has one key in a watch"
    async with polling(a=story) as poller, poller.watch() as changes:
        changes.add(KEYED)
        changes.add("b")
        await anext(changes)
        changes.add(KEYED)
        changes.add(JobRef("a"))
        with pytest.raises(ValueError, match="two keys") as caught:
            changes.add(JobRef("a", key="film 2"))
        assert str(caught.value) == text


@pytest.mark.parametrize("story", [[RUNNING], [FAILED]])
async def test_a_key_that_comes_later_is_taken(story: list[Any]) -> None:
    """As a graph is that comes later."""
    async with polling(a=story) as poller, poller.watch() as changes:
        changes.add("a", "g")
        changes.add("b")
        await anext(changes)
        changes.add(KEYED)
        with pytest.raises(ValueError, match="'film 1' and 'x'"):
            changes.add(JobRef("a", key="x"))
