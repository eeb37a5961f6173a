"""Servers that hang do not take all requests that may be under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

from gespoll import Job, JobRef, JobStatus, Poller
from gespoll._scheduler._requests import Get, Window
from gespoll._scheduler._slots import Slots
from gespoll._source import JobSource
from gespoll.testing import virtual_time


class Engines(JobSource):
    """One server for each graph, of which some hang; jobs end after ten seconds."""

    def __init__(self, hangs: Callable[[str], float]) -> None:
        self.asked: list[str] = []
        self._hangs = hangs

    def scope(self, ref: JobRef, /) -> str:
        """Name the graph."""
        return ref.graph or ""

    async def get(self, ref: JobRef, /) -> Job:
        """Answer, at once or after as long as this server takes."""
        self.asked.append(ref.job_id)
        await anyio.sleep(self._hangs(ref.graph or ""))
        status = JobStatus.SUCCESS if anyio.current_time() >= 10 else JobStatus.RUNNING
        return Job(ref=ref, status=status, reported_status=status.value, is_import=False)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run on virtual time."""
    anyio.run(main, backend_options={"loop_factory": virtual_time})


@pytest.mark.parametrize("max_at_once", [2, 10])
def test_dead_servers_leave_a_slot_to_those_that_answer(max_at_once: int) -> None:
    """Thirty of them hang for ever, and were asked first: the one that answers is polled as if it was alone."""

    async def main() -> None:
        refs = [JobRef(f"dead {number}", f"dead {number}") for number in range(30)] + [JobRef("live", "live")]
        source = Engines(lambda graph: 1e9 if graph.startswith("dead") else 0.3)
        async with Poller(source, max_at_once=max_at_once) as poller, poller.watch(refs, on_failure="never") as changes:
            async for change in changes:
                if change.is_final and change.ref.job_id == "live":
                    break
        assert anyio.current_time() < 30.0 * 5.0 / (max_at_once - 1) + 25.0

    run(main)


def test_servers_that_are_merely_slow_are_heard() -> None:
    """Each takes twelve seconds, and there are more of them than slots."""

    async def main() -> None:
        refs = [JobRef(f"job {number}", f"slow {number}") for number in range(6)]
        async with Poller(Engines(lambda _: 12.0), max_at_once=4) as poller:
            assert len(await poller.wait_all(refs)) == 6

    run(main)


def test_a_job_that_joins_while_all_slots_hang_is_polled_within_an_interval() -> None:
    """The oldest of the requests that hang is given up for it."""

    async def main() -> None:
        source = Engines(lambda graph: 1e9 if graph.startswith("dead") else 0.3)
        dead = [JobRef(f"dead {number}", f"dead {number}") for number in range(3)]
        async with Poller(source, max_at_once=3) as poller, anyio.create_task_group() as tasks:
            async with poller.watch(dead):
                await anyio.sleep(20)
                assert (await poller.wait("live", graph="live")).status is JobStatus.SUCCESS
                assert anyio.current_time() < 26.0
            tasks.cancel_scope.cancel()

    run(main)


def test_a_channel_that_answered_since_does_not_hang() -> None:
    """One slow reply of many is no reason to give anything up."""
    slots = Slots(2, 5.0)
    old, new = Get("a", "1", "g", 0.0), Get("a", "2", "g", 1.0)
    slots.take(old)
    slots.take(new)
    slots.heard(new, 4.0)
    assert slots.hanging(9.0) == set()
    assert slots.give_up(9.0) is None


def test_the_oldest_that_hangs_is_given_up_and_its_channel_gets_twice_as_long() -> None:
    """A list that hangs and a query that hangs are two channels."""
    slots = Slots(2, 5.0)
    window, get = Window("a", 0, 10, 0.0), Get("a", "1", "g", 1.0)
    slots.take(window)
    slots.take(get)
    assert slots.give_up(4.0) is None
    assert slots.next_time() == 5.0
    assert slots.give_up(5.0) is window
    slots.free(window)
    assert slots.blocked(6.0) == {("a", True), ("a", False)}
    later = Window("a", 0, 10, 6.0)
    slots.take(later)
    assert slots.give_up(6.5) is get
    slots.free(get)
    slots.take(Get("b", "2", "h", 7.0))
    assert slots.next_time() == 12.0


def test_a_poller_with_one_slot_waits_as_long_as_a_request_may_take() -> None:
    """Nothing is given up for others."""
    slots = Slots(1, 5.0)
    slots.take(Get("a", "1", "g", 0.0))
    assert slots.give_up(100.0) is None
    assert slots.blocked(100.0) == set()
