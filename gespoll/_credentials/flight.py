"""Work that many need and that is done once.

Rule: it goes on while anybody waits for it, whoever began it; when the last one is cancelled it is
stopped before that cancellation goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import attrs

from gespoll._errors import ServiceUnavailable
from gespoll._secrecy import without_frames


@attrs.define(eq=False)
class _Run:
    task: asyncio.Task[None]
    waiting: int = 0


class Flight:
    """At most one run of some work at a time."""

    def __init__(self) -> None:
        self._run: _Run | None = None

    async def join(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the run under way, or begin one. Cancelling it leaves the run to those who still wait.

        Raises:
            Exception: what the work raised, to each who waited.
            ServiceUnavailable: when somebody else cancelled the run.
        """
        run = self._run
        if run is None or run.task.done():
            run = self._run = _Run(asyncio.create_task(work()))
        run.waiting += 1
        try:
            await asyncio.wait([run.task])
        finally:
            run.waiting -= 1
            if not run.waiting:
                self._run = None if self._run is run else self._run
                await _stop(run.task)
        if run.task.cancelled():
            raise ServiceUnavailable("the renewal of the credentials was cancelled from outside")
        error = run.task.exception()
        if error is not None:
            raise without_frames(error)


async def _stop(task: asyncio.Task[None]) -> None:
    """End a task that nobody waits for; what it raised is looked at, so that nothing warns of it."""
    if not task.done():
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
