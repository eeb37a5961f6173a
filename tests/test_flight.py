"""Work that many need is done once, and is stopped when nobody needs it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import pytest

from gespoll import AuthenticationError, ServiceUnavailable
from gespoll._credentials.flight import Flight
from tests.test_cancellation import SteppingLoop

pytestmark = pytest.mark.anyio


class Work:
    """Takes ten seconds, and counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = self.done = self.stopped = 0
        self.error = error

    async def __call__(self) -> None:
        """Do it."""
        self.begun += 1
        try:
            await anyio.sleep(10)
        except BaseException:
            self.stopped += 1
            raise
        if self.error is not None:
            raise self.error
        self.done += 1


async def test_a_thousand_share_one_run() -> None:
    """However many come while it is under way."""
    flight, work = Flight(), Work()
    async with anyio.create_task_group() as tasks:
        for number in range(1000):
            tasks.start_soon(flight.join, work)
            if number % 100 == 0:
                await anyio.sleep(0.5)
    assert (work.begun, work.done) == (1, 1)


async def test_the_next_one_begins_another() -> None:
    """A run that has ended is not shared."""
    flight, work = Flight(), Work()
    await flight.join(work)
    await flight.join(work)
    assert work.done == 2


async def test_all_get_the_error() -> None:
    """It is the same, and holds no frame of the work, in which secrets may stand."""
    error = AuthenticationError("no")
    flight, work = Flight(), Work(error)
    found = await asyncio.gather(*(flight.join(work) for _ in range(5)), return_exceptions=True)
    assert found == [error] * 5
    assert work.begun == 1


@pytest.mark.parametrize("first", [True, False])
async def test_cancelling_one_takes_nothing_from_the_others(first: bool) -> None:
    """Also when it began the work."""
    flight, work = Flight(), Work()
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await flight.join(work)

    async with anyio.create_task_group() as tasks:
        for is_cut in (first, not first):
            tasks.start_soon(cancelled if is_cut else partial(flight.join, work))
            await anyio.sleep(1)
        scope.cancel()
    assert (work.begun, work.done, work.stopped) == (1, 1, 0)


async def test_the_last_one_cancelled_stops_it() -> None:
    """Before it is gone itself; the next one begins anew."""
    flight, work = Flight(), Work()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(flight.join, work)
        await anyio.sleep(1)
        tasks.cancel_scope.cancel()
    assert (work.begun, work.stopped) == (1, 1)
    await flight.join(work)
    assert work.done == 1


async def test_work_that_somebody_else_cancels_is_an_error() -> None:
    """Nobody who waits is cancelled by that."""
    flight, work = Flight(), Work()
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(flight.join(work))
    await anyio.sleep(1)
    (task,) = asyncio.all_tasks() - before - {waiting}
    task.cancel()
    with pytest.raises(ServiceUnavailable, match=r"^the renewal of the credentials was cancelled from outside$"):
        await waiting


async def fails() -> None:
    """Work that fails after a while."""
    await anyio.sleep(1)
    raise ServiceUnavailable("no")


async def succeeds() -> None:
    """Work that takes a while."""
    await anyio.sleep(1)


@pytest.mark.parametrize("work", [succeeds, fails])
@pytest.mark.parametrize("native", [True, False])
def test_cut_at_any_step_it_leaves_nothing_behind(work: Callable[[], Coroutine[Any, Any, None]], native: bool) -> None:
    """Two wait, one of them is cancelled at the n-th step: the other ends well, and no task and no warning is left."""

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        loop.set_exception_handler(lambda _, context: pytest.fail(str(context)))
        flight, ends, scope = Flight(), list[str](), anyio.CancelScope()

        async def wait(name: str) -> None:
            with scope if name == "cut" else anyio.CancelScope():
                try:
                    await flight.join(work)
                except ServiceUnavailable:
                    pass
                finally:
                    ends.append(name)

        before = asyncio.all_tasks()
        cut, other = asyncio.ensure_future(wait("cut")), asyncio.ensure_future(wait("other"))
        loop.cut = cut.cancel if native else scope.cancel
        await asyncio.wait([cut, other])
        loop.cut = None
        assert asyncio.all_tasks() == before
        assert not other.cancelled()
        assert "other" in ends
        return loop.left <= 0

    steps = 1
    while anyio.run(main, backend_options={"loop_factory": partial(SteppingLoop, steps)}):
        steps += 1
    assert steps > 3
