"""`max_failed_lines`: which partial failures are accepted, and what becomes of them."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from gespoll import (
    ImportFile,
    ImportPartiallyFailed,
    Job,
    JobFailed,
    JobRef,
    JobsFailed,
    JobStatus,
    Observer,
    Poller,
    WaitEnded,
)
from gespoll._tolerance import read_tolerance, tolerates
from gespoll.testing import ScriptedSource

PARTLY, FAILED, OK = JobStatus.PARTIALLY_FAILED, JobStatus.FAILED, JobStatus.SUCCESS


def file(
    lost: int | None = None, total: int | None = None, status: str | None = "partFailed", **told: Any
) -> ImportFile:
    """Make a file that lost lines."""
    return ImportFile(**{"kind": "edgeset", "status": status, "failed_lines": lost, "total_lines": total} | told)


GOOD = file(0, 900, "success")
BAD = file(3, 100)
ADVICE = "must be a percentage below 100, such as '1%'; give lines as an int, and a share as a float"


def partly(*files: ImportFile, status: JobStatus = PARTLY) -> Job:
    """Make an import of these files that was only partly loaded."""
    return Job(ref=JobRef("any"), status=status, reported_status="success", is_import=True, files=files)


@pytest.mark.parametrize(
    ("most", "files", "is_tolerated"),
    [
        pytest.param(3, [BAD, GOOD], True, id="as many lines as may be"),
        pytest.param(2, [BAD, GOOD], False, id="one line more"),
        pytest.param(6, [BAD, BAD], True, id="over all files"),
        pytest.param(5, [BAD, BAD], False, id="over all files, one line more"),
        pytest.param(0.003, [BAD, GOOD], True, id="a share of all lines"),
        pytest.param(0.0029, [BAD, GOOD], False, id="a share of all lines, too many"),
        pytest.param(0.29, [file(29, 100)], True, id="29 of 100 are 29 %"),
        pytest.param(0.9, [BAD, file(1)], True, id="a share, a total that is not told"),
        pytest.param(0.9, [file(3)], False, id="a share, no total at all"),
        pytest.param(9, [file(3)], True, id="lines, no total"),
        pytest.param(40, [file(None, 100, "success", successful_lines=60)], True, id="lines that are missing"),
        pytest.param(39, [file(3, 100, "success", successful_lines=60)], False, id="more missing than failed"),
        pytest.param(9, [BAD, file()], False, id="a bad file without lines"),
        pytest.param(9, [BAD, file(0, 5)], False, id="a bad file that lost none"),
        pytest.param(9, [BAD, file(3, 100, "failed")], False, id="a file that failed"),
        pytest.param(9, [BAD, file(4, 4)], False, id="a file of which nothing was loaded"),
        pytest.param(9, [file(1, 9, kind="schema")], False, id="the schema"),
        pytest.param(9, [file(1, 9, has_unreadable_count=True)], False, id="a count that cannot be read"),
        pytest.param(9, [BAD, file(None, None, None)], False, id="a file of which nothing is told"),
        pytest.param(9, [GOOD], False, id="no bad file"),
        pytest.param(9, [], False, id="no file"),
    ],
)
def test_lost_lines_are_counted(most: float, files: list[ImportFile], is_tolerated: bool) -> None:
    """What cannot be counted in lines is never tolerated."""
    assert tolerates(most, partly(*files)) is is_tolerated


@pytest.mark.parametrize("status", [FAILED, JobStatus.CANCELLED, OK])
def test_only_a_partial_failure_is_tolerated(status: JobStatus) -> None:
    """A job that failed has loaded nothing that may be relied on."""
    assert not tolerates(9, partly(BAD, status=status))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, None),
        (0, 0),
        (7, 7),
        (0.0, 0.0),
        (0.25, 0.25),
        ("1%", 0.01),
        (" 0.5 % ", 0.005),
        ("29%", 0.29),
        ("0%", 0.0),
    ],
)
def test_a_tolerance_is_lines_or_a_share(value: Any, read: float | None) -> None:
    """An int is lines, also 0; a float or a percentage is a share."""
    assert read_tolerance(value) == read
    assert type(read_tolerance(value)) is type(read)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-1, ValueError, "max_failed_lines=-1 must be 0 or more lines"),
        (1.0, ValueError, "max_failed_lines=1.0 must be a share from 0 to below 1; give lines as an int"),
        (-0.1, ValueError, "max_failed_lines=-0.1 must be a share from 0 to below 1; give lines as an int"),
        (float("nan"), ValueError, "max_failed_lines=nan must be a share from 0 to below 1; give lines as an int"),
        *((text, ValueError, f"max_failed_lines={text!r} {ADVICE}") for text in ("1", "100%", "-1%", "1%%", "one", "")),
        (True, TypeError, "max_failed_lines must be lines (100), a share (0.01) or a percentage ('1%'), not bool"),
        ([1], TypeError, "max_failed_lines must be lines (100), a share (0.01) or a percentage ('1%'), not list"),
    ],
)
@pytest.mark.anyio
async def test_what_is_no_tolerance_is_refused(value: Any, error: type[Exception], text: str) -> None:
    """At once, by each verb, and with what to give."""
    source = ScriptedSource({"a": [OK]})
    async with Poller(source) as poller:
        async with poller.watch(["a"]) as changes:
            snapshot = changes.snapshot()
        for wait in (poller.wait("a", max_failed_lines=value), poller.wait_all(["a"], max_failed_lines=value)):
            with pytest.raises(error) as caught:
                await wait
            assert str(caught.value) == text
        for watch in (partial(poller.watch, ["a"]), partial(poller.resume, snapshot)):
            with pytest.raises(error) as caught:
                watch(max_failed_lines=value)
            assert str(caught.value) == text


@pytest.mark.anyio
class TestWaiting:
    """A tolerated import is no error, and stays PARTIALLY_FAILED."""

    def polling(self, *observers: Observer, **stories: Any) -> Poller:
        """Make a poller of jobs that tell these stories."""
        return Poller(ScriptedSource(stories), rng=random.Random(0), observers=observers)

    async def test_a_wait_returns_the_job(self) -> None:
        """As it ended."""
        async with self.polling(a=[partly(BAD, GOOD)]) as poller:
            job = await poller.wait("a", max_failed_lines="1%")
            with pytest.raises(ImportPartiallyFailed):
                await poller.wait("a", max_failed_lines=2)
            with pytest.raises(ImportPartiallyFailed):
                await poller.wait("a")
        assert (job.status, job.failed_lines, job.total_lines) == (PARTLY, 3, 1000)

    async def test_many_waits_raise_only_what_is_not_tolerated(self) -> None:
        """The others stand in the results as jobs."""
        async with self.polling(a=[partly(BAD)], b=[FAILED], c=[partly(BAD, BAD)]) as poller:
            assert [type(end) for end in await poller.wait_all(["a"], max_failed_lines=3)] == [Job]
            with pytest.raises(JobsFailed) as caught:
                await poller.wait_all(["a", "b", "c"], max_failed_lines=3)
        assert [type(end) for end in caught.value.results] == [Job, JobFailed, ImportPartiallyFailed]

    async def test_a_change_says_that_it_was_tolerated(self) -> None:
        """It has no error, ends no watch early, and is no failure to an observer; its id is as always."""
        ended: list[WaitEnded] = []

        class Notes(Observer):
            def wait_ended(self, event: WaitEnded, /) -> None:
                ended.append(event)

        async with self.polling(Notes(), a=[partly(BAD)], b=[OK]) as poller:
            async with poller.watch(["a", "b"], max_failed_lines=3, on_failure="first") as changes:
                seen = {change.ref.job_id: change async for change in changes}
            async with poller.watch(["a"], on_failure="never") as changes:
                (strict,) = [change async for change in changes]
        lossy = seen["a"]
        assert (lossy.status, lossy.is_final, lossy.tolerated, lossy.error) == (PARTLY, True, True, None)
        lossy.raise_for_status()
        assert [seen["b"].tolerated, strict.tolerated] == [False, False]
        assert [event.jobs_failed for event in ended] == [0, 1]
        assert lossy.id == strict.id

    async def test_a_resume_keeps_the_tolerance(self) -> None:
        """For jobs that end after it, unless it names another; what was tolerated before stays so."""
        stories = {"a": [partly(BAD)], "b": [JobStatus.RUNNING, partly(BAD, GOOD)]}
        async with self.polling(**stories) as poller, poller.watch(stories, max_failed_lines="1%") as changes:
            seen = [await anext(changes), await anext(changes)]
            snapshot = changes.snapshot()
        assert sorted(change.tolerated for change in seen) == [False, False]  # 3 of 100 lines are 3 %
        for terms, tolerated in (({}, True), ({"max_failed_lines": 2}, False), ({"max_failed_lines": None}, False)):
            async with (
                self.polling(b=[partly(BAD, GOOD)]) as poller,
                poller.resume(snapshot, on_failure="never", **terms) as changes,
            ):
                (change,) = [change async for change in changes]
            assert change.tolerated is tolerated
        async with self.polling(**stories) as poller, poller.watch(stories, max_failed_lines="3%") as changes:
            await anext(changes)
            await anext(changes)
            snapshot = changes.snapshot()
        async with self.polling(b=[OK]) as poller, poller.resume(snapshot, max_failed_lines=None) as changes:
            assert [change.status async for change in changes] == [OK]

    @pytest.mark.parametrize("value", [-1, 1.5])
    async def test_a_snapshot_with_an_impossible_tolerance_is_damaged(self, value: float) -> None:
        """The text says what is wrong."""
        async with self.polling(a=[OK]) as poller:
            async with poller.watch(["a"]) as changes:
                snapshot = changes.snapshot()
            with pytest.raises(ValueError, match=f"this snapshot is damaged: max_failed_lines={value!r} must be"):
                poller.resume(snapshot | {"max_failed_lines": value})
