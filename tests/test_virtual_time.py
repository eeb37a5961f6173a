"""The virtual clock: waiting is free, real sockets are heard, and a stuck run fails instead of hanging."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import math
import random
import signal
import threading
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
from aiohttp import web

from gespoll.testing._virtual_time import VirtualDeadlockError, VirtualTimeLoop, virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOUR = 3600.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Every async test of this module runs on the virtual clock, through anyio's own plugin."""
    return "asyncio", {"loop_factory": virtual_time}


@pytest.fixture
async def opened_at() -> AsyncIterator[float]:
    """An async fixture that waits ten virtual seconds on either side of its test."""
    await anyio.sleep(10)
    yield anyio.current_time()
    await anyio.sleep(10)


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run a program on a virtual loop of its own."""
    return anyio.run(main, backend_options={"loop_factory": virtual_time})


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve a handler from this process and give its address."""
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def say_ok(_request: web.Request) -> web.Response:
    """Answer at once."""
    return web.Response(text="ok")


class TestClock:
    """Waiting moves the clock and nothing else does."""

    @pytest.mark.anyio
    async def test_the_plugin_runs_a_test_on_the_virtual_loop(self) -> None:
        """The loop factory passes through anyio's pytest plugin."""
        assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)

    @pytest.mark.anyio
    async def test_async_fixtures_share_the_clock_of_their_test(self, opened_at: float) -> None:
        """An async fixture's wait is seen by the test it serves."""
        assert opened_at == anyio.current_time() == 10.0

    @pytest.mark.anyio
    async def test_an_hour_of_sleep_passes(self) -> None:
        """Sleeping an hour moves the clock by an hour."""
        began = anyio.current_time()
        await anyio.sleep(HOUR)
        assert anyio.current_time() - began == HOUR

    @pytest.mark.anyio
    async def test_asyncio_sleep_follows_too(self) -> None:
        """One clock serves asyncio and anyio."""
        await asyncio.sleep(1.5)
        assert asyncio.get_running_loop().time() == anyio.current_time() == 1.5

    @pytest.mark.anyio
    async def test_work_without_waiting_takes_no_time(self) -> None:
        """Checkpoints alone do not move the clock."""
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert anyio.current_time() == 0.0

    @pytest.mark.anyio
    async def test_timers_fire_in_the_order_of_their_times(self) -> None:
        """Whatever the order of starting, the sooner timer fires first and at its own time."""
        log: list[tuple[float, int]] = []

        async def wait(delay: int) -> None:
            await anyio.sleep(delay)
            log.append((anyio.current_time(), delay))

        async with anyio.create_task_group() as tasks:
            for delay in (30, 10, 20, 5):
                tasks.start_soon(wait, delay)
        assert log == [(5.0, 5), (10.0, 10), (20.0, 20), (30.0, 30)]

    @pytest.mark.anyio
    async def test_timers_of_one_time_fire_in_the_order_of_setting(self) -> None:
        """Plain calls due at the same time keep the order in which they were set."""
        log: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_later(5 + number * 1e-3, log.append, number)
        await asyncio.sleep(6)
        assert log == list(range(20))

    @pytest.mark.anyio
    async def test_tenths_of_a_second_add_up_without_spinning(self) -> None:
        """Float error neither loses a timer nor runs it long before its time."""
        for _ in range(10_000):
            await anyio.sleep(0.1)
        assert anyio.current_time() == pytest.approx(1000, abs=1e-6)

    @pytest.mark.anyio
    @pytest.mark.parametrize("delay", [1e-12, 1e-9, 1e-6, 0.3])
    async def test_short_timers_fire_far_into_the_future(self, delay: float) -> None:
        """Ten virtual years in, where a float's spacing exceeds a nanosecond, timers still come due."""
        await anyio.sleep(10 * 365 * 24 * HOUR)
        far = anyio.current_time()
        await asyncio.sleep(delay)
        with anyio.move_on_after(delay):
            await anyio.sleep_forever()
        assert anyio.current_time() - far == pytest.approx(2 * delay, abs=1e-5)

    @pytest.mark.anyio
    async def test_a_timer_set_again_for_now_sees_the_clock_pass(self) -> None:
        """Code that asks again until the clock is beyond its time gets there, as on a real clock."""
        loop = asyncio.get_running_loop()
        passed = asyncio.Event()

        def check() -> None:
            if loop.time() <= 10:
                loop.call_at(10, check)
            else:
                passed.set()

        loop.call_at(10, check)
        await passed.wait()
        assert loop.time() == pytest.approx(10)

    @pytest.mark.anyio
    async def test_idle_connections_are_closed_by_the_server_and_opened_again(self) -> None:
        """A client that is silent longer than aiohttp's keep-alive of 75 s goes on without an error."""
        async with serving(say_ok) as url, aiohttp.ClientSession() as session:
            for _ in range(10):
                async with session.get(url) as response:
                    assert response.status == 200
                await anyio.sleep(100)
        assert anyio.current_time() == pytest.approx(1000)

    def test_each_loop_starts_at_zero(self) -> None:
        """No clock is shared between loops."""
        run(functools.partial(anyio.sleep, HOUR))
        loop = virtual_time()
        assert loop.time() == 0.0
        loop.close()

    def test_two_loops_in_two_threads_keep_their_own_time(self) -> None:
        """Loops of several threads do not disturb each other."""
        ends: dict[int, float] = {}

        async def wait(delay: int) -> None:
            await anyio.sleep(delay)
            ends[delay] = anyio.current_time()

        threads = [threading.Thread(target=run, args=(functools.partial(wait, n),)) for n in (10, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ends == {10: 10.0, 1000: 1000.0}


class TestTimeouts:
    """Cancel scopes and timeouts fire in virtual time."""

    @pytest.mark.anyio
    async def test_move_on_after_leaves_at_its_deadline(self) -> None:
        """A cancel scope ends when the virtual clock reaches it."""
        with anyio.move_on_after(60) as scope:
            await anyio.sleep(HOUR)
        assert scope.cancelled_caught
        assert anyio.current_time() == 60.0

    @pytest.mark.anyio
    async def test_fail_after_raises_at_its_deadline(self) -> None:
        """fail_after raises TimeoutError at its virtual deadline."""
        with pytest.raises(TimeoutError), anyio.fail_after(60):
            await anyio.sleep_forever()
        assert anyio.current_time() == 60.0

    @pytest.mark.anyio
    async def test_a_scope_that_is_left_in_time_does_not_fire(self) -> None:
        """What ends before the deadline is not cut."""
        with anyio.fail_after(60):
            await anyio.sleep(59.999)
        assert anyio.current_time() == 59.999

    @pytest.mark.anyio
    async def test_asyncio_timeout_follows_too(self) -> None:
        """asyncio.timeout reads the same clock."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        assert anyio.current_time() == 60.0

    @pytest.mark.anyio
    async def test_cancellation_runs_cleanup_that_waits(self) -> None:
        """A cancelled task's shielded cleanup gets its virtual time."""
        log: list[float] = []

        async def wait() -> None:
            try:
                await anyio.sleep(HOUR)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(5)
                log.append(anyio.current_time())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.sleep(7)
            tasks.cancel_scope.cancel()
        assert log == [12.0]

    @pytest.mark.anyio
    async def test_a_cancelled_task_ends_at_the_time_of_its_cancelling(self) -> None:
        """Task.cancel takes effect before the clock moves."""
        task = asyncio.create_task(asyncio.sleep(HOUR))
        await asyncio.sleep(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert anyio.current_time() == 3.0


class TestSockets:
    """A real aiohttp server and client hold their conversation before the clock moves."""

    @pytest.mark.anyio
    async def test_a_prompt_conversation_takes_no_time(self) -> None:
        """Fifty requests over real sockets pass without a virtual second, timeouts set or not."""
        async with serving(say_ok) as url, aiohttp.ClientSession() as session:
            for _ in range(50):
                async with session.get(url, timeout=aiohttp.ClientTimeout(total=0.001)) as response:
                    assert await response.text() == "ok"
            assert anyio.current_time() == 0.0

    @pytest.mark.anyio
    async def test_a_large_body_takes_no_time(self) -> None:
        """Bodies larger than the socket buffers pass while the clock stands still."""

        async def send(_request: web.Request) -> web.Response:
            return web.Response(body=b"x" * 20_000_000)

        async with serving(send) as url, aiohttp.ClientSession() as session:
            async with session.get(url, timeout=aiohttp.ClientTimeout(total=1)) as response:
                assert len(await response.read()) == 20_000_000
            assert anyio.current_time() == 0.0

    @pytest.mark.anyio
    async def test_a_slow_server_costs_only_virtual_time(self) -> None:
        """A handler that sleeps 30 s is answered at 30 s under a 60 s client timeout."""

        async def answer(_request: web.Request) -> web.Response:
            await anyio.sleep(30)
            return web.Response(text="late")

        timeout = aiohttp.ClientTimeout(total=60)
        async with serving(answer) as url, aiohttp.ClientSession(timeout=timeout) as session:
            async with session.get(url) as response:
                assert await response.text() == "late"
            assert anyio.current_time() == 30.0

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "timeout",
        [aiohttp.ClientTimeout(total=20), aiohttp.ClientTimeout(total=None, sock_read=20)],
        ids=["total", "sock_read"],
    )
    async def test_a_client_timeout_fires_in_virtual_time(self, timeout: aiohttp.ClientTimeout) -> None:
        """A server that outlasts the client's timeout is given up at 20 virtual seconds."""

        async def answer(_request: web.Request) -> web.Response:
            await anyio.sleep(30)
            return web.Response(text="too late")

        async with serving(answer) as url, aiohttp.ClientSession(timeout=timeout) as session:
            with pytest.raises(TimeoutError):
                await session.get(url)
            assert anyio.current_time() == 20.0

    def test_the_same_seed_gives_the_same_log(self) -> None:
        """Twenty concurrent HTTP pollers write one and the same log in two loops."""
        first, second = run(poll_twenty_jobs), run(poll_twenty_jobs)
        assert first == second
        assert len(first) > 200
        assert {job for _, job, state in first if state == "done"} == set(range(20))


async def poll_twenty_jobs() -> list[tuple[float, int, str]]:
    """Poll twenty jobs of up to ten minutes over HTTP, with seeded jitter, and log every reply."""
    chance = random.Random(7)
    ends = [chance.uniform(60, 600) for _ in range(20)]
    log: list[tuple[float, int, str]] = []

    async def answer(request: web.Request) -> web.Response:
        await anyio.sleep(chance.uniform(0, 0.5))
        return web.Response(text="done" if anyio.current_time() >= ends[int(request.path[1:])] else "running")

    async def poll(session: aiohttp.ClientSession, url: str, job: int) -> None:
        state = "running"
        while state == "running":
            async with session.get(f"{url}/{job}") as response:
                state = await response.text()
            log.append((anyio.current_time(), job, state))
            await anyio.sleep(chance.uniform(5, 30))

    async with serving(answer) as url, aiohttp.ClientSession() as session, anyio.create_task_group() as tasks:
        for job in range(20):
            tasks.start_soon(poll, session, url, job)
    return log


class TestDeadlock:
    """A run in which nothing can ever happen fails at once."""

    def test_waiting_for_nothing_raises(self) -> None:
        """A wait that nobody can end fails with the time and the waiting tasks."""

        async def main() -> None:
            await anyio.sleep(12.5)
            await anyio.Event().wait()

        with pytest.raises(VirtualDeadlockError) as caught:
            run_named(main)
        assert caught.value.now == 12.5
        assert caught.value.waiting == ("main",)

    def test_the_text_says_what_it_means_and_where_to_look(self) -> None:
        """The message is one to act on."""
        assert str(VirtualDeadlockError(12.5, ("main", "poller"))) == (
            "Deadlock at 12.5 s of virtual time: no socket is ready, no timer is set and no worker thread is "
            "busy, but 2 tasks wait (main, poller). Look for an event, queue or future that nothing on this "
            "loop will set, a peer in another process, or a thread started without anyio.to_thread, "
            "asyncio.to_thread or run_in_executor."
        )

    @pytest.mark.parametrize(
        ("waiting", "said"),
        [
            ((), "but the run is not over."),
            (("main",), "but 1 task waits (main)."),
            (tuple("abcdefghij"), "but 10 tasks wait (a, b, c, d, e, f, g, h and 2 more)."),
        ],
        ids=["none", "one", "many"],
    )
    def test_the_text_counts_the_tasks(self, waiting: tuple[str, ...], said: str) -> None:
        """However many tasks wait, the sentence stays one and short."""
        assert said in str(VirtualDeadlockError(0.0, waiting))

    def test_a_stuck_program_is_cleaned_up(self) -> None:
        """The tasks of a stuck run are cancelled and their cleanup runs, waits included."""
        log: list[float] = []

        async def main() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(5)
                log.append(anyio.current_time())

        with pytest.raises(VirtualDeadlockError):
            run(main)
        assert log == [5.0]

    @pytest.mark.parametrize(
        "wait",
        [anyio.sleep_forever, anyio.Event().wait, functools.partial(asyncio.sleep, math.inf)],
        ids=["sleep_forever", "event", "infinite sleep"],
    )
    def test_waiting_for_ever_is_no_timer(self, wait: Callable[[], Awaitable[Any]]) -> None:
        """A sleep without end is a deadlock, not a timer to jump towards."""
        with pytest.raises(VirtualDeadlockError):
            run(wait)

    def test_an_open_but_silent_server_does_not_hide_it(self) -> None:
        """Listening sockets and the loop's own wake-up pipe do not count as something to wait for."""

        async def main() -> None:
            async with serving(say_ok):
                await anyio.sleep_forever()

        with pytest.raises(VirtualDeadlockError):
            run(main)

    def test_idle_worker_threads_do_not_hide_it(self) -> None:
        """Threads that have done their work are not waited for."""

        async def main() -> None:
            await anyio.to_thread.run_sync(int)
            await asyncio.to_thread(int)
            await anyio.sleep_forever()

        with pytest.raises(VirtualDeadlockError):
            run(main)

    def test_a_bare_future_deadlocks_too(self) -> None:
        """With no task at all the loop still says so."""
        loop = virtual_time()
        with pytest.raises(VirtualDeadlockError, match="the run is not over"):
            loop.run_until_complete(loop.create_future())
        loop.close()


def run_named(main: Callable[[], Any]) -> None:
    """Run a program whose only task has the program's name."""
    with asyncio.Runner(loop_factory=virtual_time) as runner:
        loop = runner.get_loop()
        loop.run_until_complete(loop.create_task(main(), name="main"))


class TestThreads:
    """The loop waits in real time for the worker threads it started."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("how", ["run_in_executor", "asyncio", "anyio"])
    async def test_a_busy_thread_holds_the_clock(self, how: str) -> None:
        """While a worker thread works, neither a far timer fires nor a deadlock is seen."""
        loop = asyncio.get_running_loop()
        release = threading.Event()
        threading.Timer(0.02, release.set).start()
        with anyio.fail_after(HOUR):
            if how == "run_in_executor":
                assert await loop.run_in_executor(None, release.wait)
            elif how == "asyncio":
                assert await asyncio.to_thread(release.wait)
            else:
                assert await anyio.to_thread.run_sync(release.wait)
        assert loop.time() == 0.0

    @pytest.mark.anyio
    async def test_a_busy_thread_alone_is_no_deadlock(self) -> None:
        """With no timer set, the loop waits until the thread reports back."""
        release = threading.Event()
        threading.Timer(0.02, release.set).start()
        assert await asyncio.to_thread(release.wait)

    @pytest.mark.anyio
    async def test_a_thread_may_wait_for_the_loop(self) -> None:
        """A thread that calls back into the loop gets its timers, at real speed."""
        await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 0.02)
        assert anyio.current_time() == pytest.approx(0.02)

    @pytest.mark.anyio
    async def test_an_error_in_a_thread_reaches_the_caller(self) -> None:
        """What a worker thread raises is raised here, and the clock jumps again afterwards."""
        with pytest.raises(ValueError, match="no"):
            await asyncio.get_running_loop().run_in_executor(None, int, "no")
        await anyio.sleep(HOUR)
        assert anyio.current_time() == HOUR

    @pytest.mark.anyio
    async def test_a_given_up_call_frees_the_clock(self) -> None:
        """Once nobody waits for a call in the executor, time jumps again though the call runs on."""
        release = threading.Event()
        call = asyncio.get_running_loop().run_in_executor(None, release.wait)
        await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.sleep(HOUR)
        assert anyio.current_time() == pytest.approx(HOUR + 0.001)
        release.set()

    @pytest.mark.anyio
    async def test_threads_that_anyio_retires_do_not_hold_the_clock(self) -> None:
        """Workers that anyio stops after idling never report back, and are not waited for."""

        async def meet(barrier: threading.Barrier) -> None:
            await anyio.to_thread.run_sync(barrier.wait)

        barrier = threading.Barrier(3)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(meet, barrier)
        await anyio.sleep(HOUR)
        await anyio.to_thread.run_sync(int)
        await anyio.sleep(HOUR)
        assert anyio.current_time() == 2 * HOUR

    @pytest.mark.anyio
    async def test_names_are_resolved(self) -> None:
        """A name lookup runs in the default executor and is waited for."""
        assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        assert anyio.current_time() == 0.0

    @pytest.mark.anyio
    async def test_the_default_executor_shuts_down(self) -> None:
        """Joining the pool takes real time only, and leaves the clock free."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(int)
        await loop.shutdown_default_executor()
        await anyio.sleep(1)
        assert loop.time() == 1.0


class TestRunning:
    """The loop is an ordinary one to whoever runs it."""

    def test_asyncio_runner_takes_the_factory(self) -> None:
        """asyncio.Runner runs, shuts the executor down and closes the loop."""
        with asyncio.Runner(loop_factory=virtual_time) as runner:
            loop = runner.get_loop()
            runner.run(asyncio.sleep(HOUR))
            runner.run(asyncio.to_thread(int))
            assert loop.time() == HOUR
        assert loop.is_closed()
        assert loop.time() == HOUR

    def test_the_loop_runs_in_debug_mode(self) -> None:
        """The loop works in asyncio's debug mode and calls no callback slow."""
        with asyncio.Runner(loop_factory=virtual_time, debug=True) as runner:
            runner.run(asyncio.sleep(HOUR))

    def test_nothing_is_left_open(self) -> None:
        """A run with sockets and threads ends without a ResourceWarning."""

        async def main() -> None:
            async with serving(say_ok) as url, aiohttp.ClientSession() as session, session.get(url) as response:
                await response.text()
            await asyncio.to_thread(int)
            await anyio.to_thread.run_sync(int)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            run(main)
            gc.collect()
        assert [each for each in caught if each.category is ResourceWarning] == []

    def test_ctrl_c_interrupts_a_virtual_wait(self) -> None:
        """SIGINT ends a run that only waits, as on any loop."""

        async def main() -> None:
            asyncio.get_running_loop().call_later(5, signal.raise_signal, signal.SIGINT)
            await anyio.sleep_forever()

        with pytest.raises(KeyboardInterrupt):
            run(main)
