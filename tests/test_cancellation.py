"""Cut a running watch at every step of the event loop: nothing runs on, nothing is asked, nothing warns."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from gespoll import (
    JobRef,
    JobStatus,
    Observer,
    PasswordCredentials,
    Poller,
    RequestMade,
    Token,
    WaitEnded,
    WaitStarted,
    connect,
)
from gespoll.testing import FakeFile, FakeGES, ScriptedSource, VirtualTimeLoop

Program = Callable[[], Awaitable[None]]
FILES = [FakeFile("edgeset", "e.csv")]


class Books(Observer):
    """Counts what was begun and is not over."""

    def __init__(self) -> None:
        self.requests = 0
        self.open_jobs = 0
        self.waits: set[WaitStarted] = set()

    def request_made(self, event: RequestMade, /) -> None:
        """Count it."""
        self.requests += 1

    def open_jobs_changed(self, by: int, /) -> None:
        """Add it up."""
        self.open_jobs += by

    def wait_started(self, event: WaitStarted, /) -> None:
        """Take it in."""
        self.waits.add(event)

    def wait_ended(self, event: WaitEnded, /) -> None:
        """Strike it out."""
        self.waits.remove(event.started)

    def assert_closed(self) -> None:
        """All that was begun is over."""
        assert (self.open_jobs, self.waits) == (0, set())


class SteppingLoop(VirtualTimeLoop):
    """Counts its steps from when it is told to, and cuts at one of them."""

    def __init__(self, cut_at: int) -> None:
        super().__init__()
        self.cut: Callable[[], object] | None = None
        self.left = cut_at
        self.was_due: object = False

    def _run_once(self) -> None:
        if self.cut is not None:
            self.left -= 1
            if self.left == 0:
                self.was_due = self.cut()
        super()._run_once()  # type: ignore[misc]


async def cut_natively(loop: SteppingLoop, program: Program) -> bool:
    """Run a program as a task that asyncio cancels at the loop's step; tell whether it was cut."""
    task = asyncio.ensure_future(program())
    loop.cut = task.cancel
    await asyncio.wait([task])
    loop.cut = None
    if not task.cancelled():
        task.result()
    return task.cancelled()


async def cut_by_scope(loop: SteppingLoop, program: Program) -> bool:
    """Run a program in a scope that anyio cancels at the loop's step; tell whether it was cut."""
    with anyio.CancelScope() as scope:
        loop.cut = scope.cancel
        await program()
    loop.cut = None
    return scope.cancelled_caught


async def scripted(loop: SteppingLoop, cut: Callable[[SteppingLoop, Program], Awaitable[bool]]) -> bool:
    """Cut three nested blocks, a feeder among them, on a source without sockets."""
    source = ScriptedSource({name: [JobStatus.RUNNING, JobStatus.SUCCESS] for name in "abcd"}, delay=0.5)
    closed: list[str] = []
    books = Books()

    async def submitted() -> AsyncIterator[JobRef]:
        try:
            for name in "abc":
                await anyio.sleep(0.2)
                yield JobRef(name)
        finally:
            await anyio.lowlevel.checkpoint()
            closed.append("submitter")

    async def program() -> None:
        async with Poller(source, max_at_once=2, observers=[books]) as poller, poller.watch(["a", "d"]) as few:
            async with poller.watch(submitted(), max_open=2, timeout=100) as many:
                async for _ in many:
                    pass
            async for _ in few:
                pass

    before = asyncio.all_tasks()
    was_cut = await cut(loop, program)
    assert asyncio.all_tasks() == before
    assert source.at_once == 0
    looks = source.looks.total()
    await anyio.sleep(100)
    assert source.looks.total() == looks == books.requests
    books.assert_closed()
    assert len(closed) <= 1
    return was_cut


async def over_http(loop: SteppingLoop, cut: Callable[[SteppingLoop, Program], Awaitable[bool]]) -> bool:
    """Cut single waits and a watch of many, with list windows and single queries, on real sockets."""
    books = Books()
    async with FakeGES() as ges:
        for number in range(5):
            ges.add_job(f"job{number}", graph="g", steps=[(0, "running"), (number, "success")], files=FILES)

        async def program() -> None:
            async with connect(
                ges.endpoint, ges.project_id, credentials=Token(ges.token), interval=1.0, observers=[books]
            ) as poller:
                await anyio.lowlevel.checkpoint()
                await poller.wait(JobRef("job0", "g"))
                await poller.wait_all((f"job{number}" for number in range(5)), graph="g")

        was_cut = await cut(loop, program)
        await anyio.sleep(0.001)
        asked = len(ges.requests)
        await anyio.sleep(100)
        assert len(ges.requests) == asked
    books.assert_closed()
    return was_cut


async def with_a_password(loop: SteppingLoop, cut: Callable[[SteppingLoop, Program], Awaitable[bool]]) -> bool:
    """Cut one of two watches whose tokens expire in mid-wait: the other gets every token that it needs."""
    async with FakeGES(token_lifetime=4.0) as ges:
        ges.add_job("job", graph="g", steps=[(0, "running"), (6, "success")], files=FILES)
        user = PasswordCredentials(
            domain="fake-domain", user="fake-user", password="fake-password", endpoint=ges.endpoint
        )

        async def program() -> None:
            async with connect(ges.endpoint, ges.project_id, credentials=user, interval=1.0) as poller:
                await poller.wait(JobRef("job", "g"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(program)
            was_cut = await cut(loop, program)
        assert {request.status for request in ges.requests if request.plane == "management"} <= {200, None}
        await anyio.sleep(0.001)
        asked = len(ges.requests)
        await anyio.sleep(100)
        assert len(ges.requests) == asked
    return was_cut


@pytest.mark.parametrize("scenario", [scripted, over_http, with_a_password])
@pytest.mark.parametrize("cut", [cut_natively, cut_by_scope])
def test_a_watch_cut_at_any_step_leaves_nothing_behind(
    scenario: Callable[[SteppingLoop, Callable[[SteppingLoop, Program], Awaitable[bool]]], Awaitable[bool]],
    cut: Callable[[SteppingLoop, Program], Awaitable[bool]],
) -> None:
    """Cancelled at the n-th step, for every n until it completes, a watch ends at once and cleanly."""

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        was_cut = await scenario(loop, cut)
        assert was_cut or not loop.was_due, "a cancellation was swallowed"
        return was_cut

    steps = 1
    while anyio.run(main, backend_options={"loop_factory": partial(SteppingLoop, steps)}):
        steps += 1
    gc.collect()
    assert steps > 40
