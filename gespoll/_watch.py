"""One watch: the stream of changes a caller iterates over, and the refs that flow in.

Rule: the stream needs no back-pressure, because a job changes its status a handful of times, and of its progress
only the latest waits to be taken; the input has it, through `max_open`. Leaving the block stops everything that was
done for it alone.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from gespoll._errors import GespollError, JobNotFound, SourceError, counted
from gespoll._jobs import JobRef, StateChange
from gespoll._loop import Loop
from gespoll._scheduler import Ledger
from gespoll._slices import pull
from gespoll._snapshot import Snapshot
from gespoll._tasks import OwnTask

Refs = Iterable[JobRef | str] | AsyncIterable[JobRef | str]
"""What jobs may be handed over as: any iterable or async iterable of refs or, with `graph=`, of ids."""

_SLICE = 500
_NAMED_AT_MOST = 5


def as_ref(job: JobRef | str, graph: str | None) -> JobRef:
    """Make a ref of what a caller handed over.

    Raises:
        TypeError: when it is neither a `JobRef` nor a `str`.
        ValueError: when the id cannot be one, or the ref names another graph than `graph`.
    """
    if isinstance(job, JobRef):
        if graph is not None and job.graph is not None and job.graph != graph:
            raise ValueError(f"{job!r} names the graph {job.graph!r} and is handed in with graph={graph!r}: drop one")
        return job
    if isinstance(job, str):
        return JobRef(job, graph)
    raise TypeError(f"a job is handed over as JobRef or str, not {type(job).__name__}: {job!r}")


def check_refs(refs: object) -> None:
    """Refuse what is one job, or no collection of jobs.

    Raises:
        TypeError: with advice.
    """
    if isinstance(refs, str | bytes | JobRef):
        raise TypeError(f"refs must be an iterable of jobs, and {refs!r} is one: put it in a list, or use wait()")
    if not isinstance(refs, Iterable | AsyncIterable):
        raise TypeError(f"refs must be an iterable or async iterable of jobs, not {type(refs).__name__}")


class Watch:
    """A stream of the changes of some jobs. Made by `Poller.watch`; entered and iterated by its user.

    Each change is told once, as it is seen; each job ends in exactly one change with `is_final`. The
    iteration ends when all jobs have, and then raises what `on_failure` demands. Cancelling it, or
    leaving the block in any way, stops the requests made for it alone and changes nothing at the server.

    With `progress=True` it also gives changes whose `is_progress` is True: the status stayed, and `job.progress` has
    grown. They are given once the changes of status that wait are taken, of each job only the latest, and never after
    its end. A snapshot does not cover them: after `Poller.resume` one may come again, with the same `id`.
    """

    def __init__(
        self,
        loop: Loop,
        ledger: Ledger,
        refs: Refs | None,
        graph: str | None,
        resumed: Snapshot | None = None,
    ) -> None:
        self._loop = loop
        self._resumed = resumed
        self._ledger = ledger
        self._refs = refs
        self._graph = graph
        self._news = anyio.Event()
        self._feeder: OwnTask | None = None
        self._input_error: Exception | None = None
        self._entered = False
        self._left = False
        self._told_end = False
        ledger.notify = self._notify

    def __repr__(self) -> str:
        state = "left" if self._left else "open" if self._entered else "not entered"
        jobs = counted(self._ledger.open_count, "job")
        return f"<watch, {state}: {jobs} open, {counted(self._ledger.waiting, 'change')} to take>"

    async def __aenter__(self) -> Self:
        self._loop.ensure_here()
        if self._entered:
            raise RuntimeError("a watch is entered once: call watch() again for another")
        self._entered = True
        self._loop.open(self._ledger, None if self._resumed is None else self._resumed.deadline)
        try:
            await self._recall()
            await self._start_input()
            self._loop.start_clock(self._ledger)
        except BaseException as error:
            await self._leave(error)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        self._loop.ensure_here()
        before = self._input_error
        await self._leave(error)
        if error is None and self._input_error is not before and self._input_error is not None:
            raise self._input_error

    def __aiter__(self) -> AsyncIterator[StateChange]:
        return self

    async def __anext__(self) -> StateChange:
        if not self._entered:
            raise RuntimeError("enter the watch first: async with poller.watch(...) as changes")
        self._loop.ensure_here()
        while not self._ledger.waiting:
            if self._left or self._told_end:
                raise StopAsyncIteration
            if self._ledger.is_over:
                self._told_end = True
                error = self._ledger.outcome()
                raise StopAsyncIteration if error is None else self.carried(error)
            await self._news.wait()
        return self._ledger.take_change()

    def snapshot(self) -> dict[str, Any]:
        """Write down how its jobs stand, so that another process may go on: `Poller.resume`.

        It covers the changes that were taken, no more and no less: take a change, act on it, then keep a snapshot.
        A process that is killed in between acts on that change once more, and knows it by its `id`. It takes
        about ten microseconds a job, in which the event loop does nothing else: see `snapshot_async`.

        Returns:
            Plain JSON, without secrets: `taken_at`, `deadline` (moments), `timeout`, `job_timeout` (seconds),
            `on_failure`, and in `jobs` each `job_id` with its `graph`, its `key`, the `statuses` told, the
            `change_id` of the last change where it is known, its own `deadline`, whether it has `ended`, and the
            `failure` that was. A job left open at a timeout, or by a service out of reach, has not ended. Jobs share
            parts that are alike: copy it (`copy.deepcopy`) before you change it.

        Raises:
            RuntimeError: when the watch was not entered yet, or was left; or in another event loop.
        """
        self._ensure_can_be_written()
        return self._loop.written(self._ledger)

    async def snapshot_async(self) -> dict[str, Any]:
        """Write down how its jobs stand, as `snapshot` does, and let the event loop run in between.

        It covers the changes that were taken by the call, whatever is taken, added, discarded or reported while it is
        written: it is what `snapshot` would have returned at once. The loop is held for some five milliseconds at a
        stretch, however many jobs there are; what encodes the result had better run in a thread. Cancelling it leaves
        nothing behind.

        Returns:
            What `snapshot` returns.

        Raises:
            RuntimeError: as by `snapshot`, and when the watch is left while it is written.
        """
        self._ensure_can_be_written()
        return await self._loop.written_in_slices(self._ledger)

    def _ensure_can_be_written(self) -> None:
        self._loop.ensure_here()
        if not self._entered or self._left:
            raise RuntimeError("take a snapshot inside the block of the watch; an error that ends it carries one, too")

    def carried(self, error: Exception) -> Exception:
        """Let an error that ends the watch carry a snapshot; one that others may get, too, is copied first.

        The submitter's own comes out as it is.
        """
        if not isinstance(error, GespollError) or error is self._input_error:
            return error
        carrier = copy.copy(error) if isinstance(error, SourceError | JobNotFound) else error
        carrier.snapshot = self.snapshot()
        return carrier

    def add(self, job: JobRef | str, graph: str | None = None) -> None:
        """Watch another job; one that is watched already is not watched twice.

        Args:
            job: a ref, or a job id.
            graph: with an id: its graph; the watch's own `graph=` when `None`.

        Raises:
            RuntimeError: when the watch is over, or its input was closed and all its jobs have ended; or in another
                event loop.
            TypeError: when `job` is neither a ref nor an id.
            ValueError: when the source cannot look at such a job.
        """
        self._loop.ensure_here()
        if not self._entered or self._left or self._ledger.is_over:
            raise RuntimeError("the watch is over or not entered: add jobs inside its block, before the last has ended")
        self._loop.join(self._ledger, [as_ref(job, graph or self._graph)])

    def discard(self, job: JobRef | str, graph: str | None = None) -> None:
        """Watch a job no longer; it gets no further change. One that is not watched is passed over."""
        self._loop.ensure_here()
        self._loop.discard(self._ledger, as_ref(job, graph or self._graph))

    def close_input(self) -> None:
        """Say that no further job will be added: the iteration ends when the jobs have."""
        self._loop.ensure_here()
        self._ledger.close_input()

    def _notify(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    # Input

    async def _recall(self) -> None:
        """Take in the jobs of the snapshot it goes on from, many at a time."""
        if self._resumed is None:
            return
        for start in range(0, len(self._resumed.jobs), _SLICE):
            self._loop.recall(self._ledger, self._resumed, self._resumed.jobs[start : start + _SLICE])
            await anyio.lowlevel.checkpoint()
        self._resumed = None

    async def _start_input(self) -> None:
        refs = self._refs
        if refs is None:
            return
        if isinstance(refs, AsyncIterable):
            self._start_feeder(refs, aiter(refs))
            return
        try:
            jobs = iter(refs)
            exhausted = await self._take(jobs)
        except Exception as error:
            raise self._noted(error) from None
        if exhausted:
            self.close_input()
        else:
            self._start_feeder(refs, _Stepwise(jobs))

    async def _take(self, jobs: Iterator[JobRef | str]) -> bool:
        """Take refs while there is room, many at a time; tell whether those were all."""
        while True:
            most = self._ledger.max_open
            room = _SLICE if most is None else min(_SLICE, most - self._ledger.open_count)
            if room <= 0:
                return False
            taken: list[JobRef] = []
            try:
                is_exhausted = pull((as_ref(job, self._graph) for job in jobs), taken, room)
            finally:
                self._loop.join(self._ledger, taken)
            if is_exhausted:
                return True
            await anyio.lowlevel.checkpoint()

    def _start_feeder(self, refs: Refs, jobs: AsyncIterator[JobRef | str]) -> None:
        self._feeder = self._loop.feed(partial(self._feed, refs, jobs))

    async def _feed(self, refs: Refs, jobs: AsyncIterator[JobRef | str]) -> None:
        """Pull refs while there is room; what the caller's iterable raises ends the watch, bare."""
        try:
            try:
                await self._pull(jobs)
            finally:
                await _close(refs)
        except anyio.get_cancelled_exc_class():
            if self._feeder is not None and self._feeder.scope.cancel_called:
                raise
            self._fail(RuntimeError("the iterable of refs awaited something that was cancelled"))
        except Exception as error:
            self._fail(error)
        else:
            self._ledger.close_input()

    def _fail(self, error: Exception) -> None:
        self._input_error = self._noted(error)
        self._ledger.stop(error)

    async def _pull(self, jobs: AsyncIterator[JobRef | str]) -> None:
        while await self._room():
            try:
                job = await jobs.__anext__()
            except StopAsyncIteration:
                return
            self._loop.join(self._ledger, [as_ref(job, self._graph)])

    async def _room(self) -> bool:
        """Wait until another ref may be pulled; tell whether any is wanted."""
        most = self._ledger.max_open
        while most is not None and self._ledger.open_count >= most and self._ledger.takes_input:
            await self._news.wait()
        return self._ledger.takes_input

    def _noted(self, error: Exception) -> Exception:
        pending = [str(ref) for ref in self._ledger.pending()]
        were = "was" if len(pending) == 1 else "were"
        shown = ", ".join(pending[:_NAMED_AT_MOST]) + (", …" if len(pending) > _NAMED_AT_MOST else "")
        named = f": {shown}" if shown else ""
        count = counted(len(pending), "ref")
        error.add_note(f"gespoll: raised by the iterable of refs; {count} {were} pending{named}")
        return error

    async def _leave(self, error: BaseException | None) -> None:
        self._left, before = True, self._input_error
        self._ledger.takes_input = False
        self._notify()
        try:
            if self._feeder is not None:
                await self._feeder.stop()
            if self._input_error is not before:
                error = error or self._input_error
        except BaseException as cut:
            error = error or cut
            raise
        finally:
            await self._loop.leave(self._ledger, error)


class _Stepwise(AsyncIterator[JobRef | str]):
    """An iterator, one at a time, letting the event loop run in between."""

    def __init__(self, refs: Iterator[JobRef | str]) -> None:
        self._refs = refs

    async def __anext__(self) -> JobRef | str:
        await anyio.lowlevel.checkpoint()
        for job in self._refs:
            return job
        raise StopAsyncIteration


async def _close(refs: object) -> None:
    """Close a generator that was handed over and not exhausted."""
    if isinstance(refs, Generator):
        refs.close()
    elif isinstance(refs, AsyncGenerator):
        with anyio.CancelScope(shield=True):
            await refs.aclose()
