"""The rule: the clock moves only when nothing else can.

While a callback is due or a socket is ready, time stands still. When neither is so, the loop jumps to its
next timer. When there is no timer either, nothing can ever happen again, and the run fails at once with
`VirtualDeadlockError` instead of hanging. While a worker thread is busy the loop waits in real time.

Everything that must be heard has to live on this loop: servers in other processes, uvloop and threads
that the loop did not start are beyond it. Provisional: names and behaviour may change in any release.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from contextvars import Context

    # asyncio hands these between a selector and its loop.
    Ready = list[tuple[selectors.SelectorKey, int]]

__all__ = ["VirtualDeadlockError", "VirtualTimeLoop", "virtual_time"]

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

# Bytes written to a loopback socket are nearly always readable when the write returns; the further looks are
# for the times when the kernel finishes the delivery a moment later.
IDLE_POLLS = 3
# asyncio runs a timer when it is due within this many seconds. Coarser than a float's spacing for the next
# two centuries, so that `now + RESOLUTION > now` always holds and a due timer is always seen as due.
RESOLUTION = 1e-6
NAMES_SHOWN = 8


def virtual_time() -> VirtualTimeLoop:
    """Return a new event loop on which waiting costs no real time.

    Use it wherever asyncio or anyio takes a loop factory::

        anyio.run(main, backend_options={"loop_factory": virtual_time})


        @pytest.fixture
        def anyio_backend():
            return "asyncio", {"loop_factory": virtual_time}

    `asyncio.sleep`, `anyio.sleep`, timeouts, `anyio.current_time` and aiohttp's `ClientTimeout` follow the
    loop's clock. `time.time`, `time.monotonic` and `datetime.now` do not.

    Provisional: this may change in any release.

    Returns:
        A loop of its own, not yet running, whose clock stands at 0.0 seconds. Whoever asked for it closes it;
        `anyio.run` and `asyncio.Runner` do.
    """
    return VirtualTimeLoop()


class VirtualDeadlockError(RuntimeError):
    """Nothing is ready, no timer is set and no worker thread is busy: the program would wait for ever.

    Attributes:
        now: Virtual time at which everything stopped, in seconds since the loop was made.
        waiting: Names of the tasks that were still waiting, sorted.
    """

    def __init__(self, now: float, waiting: tuple[str, ...]) -> None:
        super().__init__(now, waiting)
        self.now = now
        self.waiting = waiting

    def __str__(self) -> str:
        return (
            f"Deadlock at {self.now:g} s of virtual time: no socket is ready, no timer is set and no worker "
            f"thread is busy, but {_listed(self.waiting)}. Look for an event, queue or future that nothing on "
            "this loop will set, a peer in another process, or a thread started without anyio.to_thread, "
            "asyncio.to_thread or run_in_executor."
        )


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector event loop with a clock of its own, which jumps to the next timer when nothing is ready.

    Ready sockets are served in the order of their file descriptors, so a program that draws its chance from
    seeds runs the same way each time. While a call handed to `run_in_executor`, `asyncio.to_thread` or
    `anyio.to_thread` is under way, timers come due at real speed and the clock moves only as they do.

    Provisional: this may change in any release.

    Raises:
        VirtualDeadlockError: Out of `run_until_complete` (so out of `anyio.run`), when nothing is ready, no
            timer is set and no worker thread is busy. The tasks stay pending: closing the runner cancels them.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._calls_in_threads = 0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = RESOLUTION

    def time(self) -> float:
        """Return the virtual time in seconds since the loop was made."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call a function when the clock reaches a time; a time that is never reached sets no timer.

        Args:
            when: Virtual time in seconds. `math.inf`, which is how anyio sleeps for ever, means never. A time
                already reached moves the clock by the smallest step that a float allows.
            callback: What to call.
            *args: Positional arguments of the call.
            context: Context variables to call it in; `None` means a copy of the current ones.

        Returns:
            A handle that cancels the call.
        """
        if when == math.inf:
            return asyncio.TimerHandle(when, callback, args, self, context)
        if when <= self._now:
            # On a real clock this moment is past by the time the call is made. Programs count on that: aiohttp
            # 3.10 sets its keep-alive timer again until the clock has gone beyond it.
            self._now = math.nextafter(self._now, math.inf)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        """Call a function in a thread or process, and wait for it in real time.

        Args:
            executor: Where to run; `None` means the loop's default thread pool.
            func: What to call.
            *args: Positional arguments of the call.

        Returns:
            A future of the result. Cancelling it lets the clock jump again, though a call under way runs on.
        """
        future = super().run_in_executor(executor, func, *args)
        self._calls_in_threads += 1
        future.add_done_callback(self._call_returned)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait, in real time, until the default thread pool has ended.

        Args:
            *args: As in `asyncio`: from Python 3.12, a timeout in seconds, `None` for no limit.
            **kwargs: The same by name.
        """
        # asyncio joins the pool from a plain thread, which no future counts.
        self._calls_in_threads += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._calls_in_threads -= 1

    def _call_returned(self, _future: asyncio.Future[Any]) -> None:
        self._calls_in_threads -= 1

    def _has_busy_thread(self) -> bool:
        return self._calls_in_threads > 0 or any(_works_for(self, each) for each in threading.enumerate())

    def _jump(self, timeout: float | None) -> None:
        """Move the clock by `timeout` seconds; `None` means that there is no timer to jump to."""
        if timeout is None:
            names = sorted(task.get_name() for task in asyncio.all_tasks(self))
            raise VirtualDeadlockError(self._now, tuple(names))
        # A wait shorter than a float's spacing must still move the clock, else the loop would spin.
        self._now = max(self._now + timeout, math.nextafter(self._now, math.inf))


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for ready sockets without blocking, and moves its loop's clock when there are none."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Ready:
        if timeout is not None and timeout <= 0:
            return self._look(0)
        for _ in range(IDLE_POLLS):
            if ready := self._look(0):
                return ready
        return self._wait(timeout)

    def _wait(self, timeout: float | None) -> Ready:
        # A thread reports back through the loop's own socket pair, so a real wait ends when it does.
        if self._loop._has_busy_thread():  # noqa: SLF001  # the loop and its selector are one thing
            ready = self._look(timeout)
            if ready or timeout is None:
                return ready
        self._loop._jump(timeout)  # noqa: SLF001
        return []

    def _look(self, timeout: float | None) -> Ready:
        return sorted(super().select(timeout), key=_file_descriptor)


def _file_descriptor(ready: tuple[selectors.SelectorKey, int]) -> int:
    return ready[0].fd


def _works_for(loop: VirtualTimeLoop, thread: threading.Thread) -> bool:
    # anyio's worker threads never pass through `run_in_executor`. Each names the loop it serves and the
    # deque it is parked in while idle; all of this changes only on the loop's thread, so there is no race.
    # One that is told to stop never reports back, and waiting for its word would hang.
    if getattr(thread, "loop", None) is not loop or getattr(thread, "stopping", False):
        return False
    return thread not in getattr(thread, "idle_workers", (thread,))


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return "the run is not over"
    shown = ", ".join(names[:NAMES_SHOWN])
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{len(names)} task{'s wait' if len(names) > 1 else ' waits'} ({shown}{more})"
