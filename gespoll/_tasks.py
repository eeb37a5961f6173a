"""Tasks that belong to a poller and not to the task that opened it.

Rule: they are started, cancelled and awaited by hand, because a task group must be left in the task that entered
it. A poller or a watch may be left in another one: a fixture, an exit stack, a finalised async generator.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import attrs

_logger = logging.getLogger("gespoll")


async def wait_for_end(task: asyncio.Task[None]) -> None:
    """Wait until a task has ended, however often the waiting one is cancelled meanwhile; then be cancelled."""
    cut: asyncio.CancelledError | None = None
    while not task.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cut = error
    if cut is not None:
        raise cut


@attrs.frozen(eq=False)
class OwnTask:
    """A running task, and the scope in which it can be cancelled."""

    scope: anyio.CancelScope
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """Cancel the task, and wait until it has ended."""
        self.scope.cancel()
        await wait_for_end(self.task)


@attrs.define(eq=False)
class OwnTasks:
    """The running tasks of one event loop.

    Args:
        crashed: called with what a task raised, or with a RuntimeError when somebody else cancelled it.
    """

    _crashed: Callable[[Exception], None]
    _running: set[OwnTask] = attrs.field(factory=set)

    def start(self, run: Callable[[], Awaitable[None]]) -> OwnTask:
        """Start a task, which sees the context variables of its starter."""
        scope = anyio.CancelScope()
        own = OwnTask(scope, asyncio.get_running_loop().create_task(self._run(scope, run)))
        self._running.add(own)
        own.task.add_done_callback(partial(self._ended, own))
        return own

    async def _run(self, scope: anyio.CancelScope, run: Callable[[], Awaitable[None]]) -> None:
        with scope:
            try:
                await run()
            except Exception as error:
                _logger.exception("the poller cannot go on")
                self._crashed(error)

    def _ended(self, own: OwnTask, task: asyncio.Task[None]) -> None:
        self._running.discard(own)
        if task.cancelled() and not own.scope.cancel_called:
            self._crashed(RuntimeError("a task of the poller was cancelled from outside: open another poller"))

    def cancel(self) -> None:
        """Cancel all tasks; they end soon."""
        for own in self._running:
            own.scope.cancel()

    async def stop(self) -> None:
        """Cancel all tasks, and wait until the last has ended."""
        self.cancel()
        for own in list(self._running):
            await wait_for_end(own.task)
