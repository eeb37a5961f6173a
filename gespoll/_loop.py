"""The one async loop: ask the scheduler, send, record, sleep until due.

Rule: it decides nothing. A few workers take turns at asking for the next request, a timekeeper lets
deadlines pass; what cannot go on is stored in the scheduler as fatal and raised in every open watch,
never in the task that opened the poller. All of it belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import attrs

from gespoll._cancellation import is_stray
from gespoll._errors import JobNotFound, SourceError, TransportError
from gespoll._jobs import Job, JobRef
from gespoll._observer import Observer
from gespoll._observing import Observing
from gespoll._scheduler import (
    Clocks,
    Explanation,
    Get,
    Ledger,
    Outcome,
    Request,
    Scheduler,
    Settings,
    Statistics,
    Window,
    Writing,
)
from gespoll._slices import run
from gespoll._snapshot import Entry, Snapshot
from gespoll._source import CredentialsRenewed, JobSource, ListingSource, ListWindow
from gespoll._tasks import OwnTask, OwnTasks

_logger = logging.getLogger("gespoll")


@attrs.define(eq=False)
class _UnderWay:
    """A request that was sent, and how to withdraw it."""

    scope: anyio.CancelScope
    withdrawn: bool = False
    given_up: bool = False
    """Whether it hung while others had to leave."""
    stopped: bool = False
    _stops: anyio.Event | None = None

    def withdraw(self) -> None:
        self.withdrawn = True
        self.scope.cancel()

    def give_up(self) -> None:
        self.given_up = True
        self.scope.cancel()

    async def has_stopped(self) -> None:
        """Wait until the request has stopped."""
        if not self.stopped:
            self._stops = self._stops or anyio.Event()
            await self._stops.wait()

    def stops(self) -> None:
        """Note that it has stopped, and tell who waits for that."""
        self.stopped = True
        if self._stops is not None:
            self._stops.set()


class Loop:
    """Runs the scheduler against a source, in the event loop in which it is made."""

    def __init__(
        self,
        source: JobSource,
        settings: Settings,
        rng: random.Random,
        wall_clock: Callable[[], datetime],
        observers: tuple[Observer, ...] = (),
    ) -> None:
        self._wall_clock = wall_clock
        self._source = source
        self._observing = Observing(observers) if observers else None
        self._listing = source if isinstance(source, ListingSource) else None
        self._settings = settings
        self._scheduler = Scheduler(source, settings, rng)
        self._event_loop = asyncio.get_running_loop()
        self._thread = threading.current_thread().name
        self._tasks = OwnTasks(self.close)
        self._ledgers: set[Ledger] = set()
        self._under_way: dict[Request, _UnderWay] = {}
        self._turn = anyio.Lock()
        self._due_changed = anyio.Event()
        self._deadline_changed = anyio.Event()
        self._last_moment: Clocks | None = None
        self._wakes_at = math.inf

    def start(self) -> None:
        """Start workers and timekeeper."""
        self._tasks.start(self._keep_time)
        for _ in range(self._settings.max_at_once):
            self._tasks.start(self._work)

    async def stop(self) -> None:
        """End every open watch, and stop all tasks before returning, also when cancelled."""
        self.close(RuntimeError("the poller was closed while jobs were waited on; wait inside its `async with`"))
        await self._tasks.stop()

    def close(self, error: Exception) -> None:
        """Store what makes going on impossible, raise it in every open watch, and let the tasks end."""
        if self._scheduler.fatal is None:
            self._scheduler.give_up(error, anyio.current_time())
        for ledger in self._ledgers:
            ledger.stop(self._scheduler.fatal or error)
        self._tasks.cancel()
        self._tell()

    def ensure_open(self) -> None:
        """Refuse work that nobody would do.

        Raises:
            Exception: what closed the poller.
        """
        if self._scheduler.fatal is not None:
            raise self._scheduler.fatal

    def ensure_here(self) -> None:
        """Refuse to be used from anywhere but the event loop that it belongs to.

        Raises:
            RuntimeError: with what to do.
        """
        if _running_loop() is self._event_loop:
            return
        owner = f"this poller belongs to the event loop {self._event_loop!r} of thread {self._thread!r}"
        if self._event_loop.is_closed():
            raise RuntimeError(f"{owner}, which has ended: open another poller in the event loop that waits")
        raise RuntimeError(
            f"{owner}: open another poller in the event loop that waits, or hand the call over with "
            "asyncio.run_coroutine_threadsafe"
        )

    def feed(self, feeder: Callable[[], Awaitable[None]]) -> OwnTask:
        """Start what pulls the refs of a watch."""
        self.ensure_open()
        return self._tasks.start(feeder)

    # Watches

    def open(self, ledger: Ledger, deadline: datetime | None = None) -> None:
        """Start a watch, whose time runs from now or until a moment; `start_clock` lets it pass."""
        self.ensure_open()
        self._ledgers.add(ledger)
        ledger.moment = self._moment
        if deadline is not None:
            ledger.ends_at = self._clocks().time(deadline)
        elif ledger.timeout is not None:
            ledger.ends_at = anyio.current_time() + ledger.timeout
        if self._observing is not None:
            self._observing.opened(ledger, anyio.current_time())

    def start_clock(self, ledger: Ledger) -> None:
        """Let the time of a watch pass, which has its first jobs: no deadline comes between two of them."""
        self._scheduler.open(ledger, anyio.current_time())
        self._deadline_changed.set()

    def join(self, ledger: Ledger, refs: Iterable[JobRef]) -> None:
        """Hand jobs to a watch."""
        self._scheduler.join(ledger, refs, anyio.current_time())
        if self._observing is not None:
            self._observing.counted(ledger)
        self._due_changed.set()
        if ledger.job_timeout is not None or len(self._under_way) >= self._settings.max_at_once:
            self._deadline_changed.set()

    def check(self, snapshot: Snapshot) -> None:
        """Refuse a snapshot of another source.

        Raises:
            ValueError: with what to do.
        """
        self._scheduler.check(snapshot)

    def recall(self, ledger: Ledger, snapshot: Snapshot, entries: Iterable[Entry]) -> None:
        """Hand jobs out of a snapshot to a watch."""
        self._scheduler.recall(ledger, snapshot, entries, self._clocks())
        if self._observing is not None:
            self._observing.counted(ledger)
        self._due_changed.set()
        self._deadline_changed.set()

    def written(self, ledger: Ledger) -> dict[str, Any]:
        """Write down how a watch stands, at a stretch."""
        with self._writing(ledger) as writing:
            for _ in writing.steps():
                pass
            return writing.json

    async def written_in_slices(self, ledger: Ledger) -> dict[str, Any]:
        """Write down how a watch stands now, and let the event loop run in between.

        Raises:
            RuntimeError: when the watch is left meanwhile.
        """
        with self._writing(ledger) as writing:
            steps = writing.steps()
            while not run(steps):
                await anyio.lowlevel.checkpoint()
                if writing.view.is_void:
                    raise RuntimeError("the watch was left while its snapshot was written: take it before leaving")
            return writing.json

    @contextlib.contextmanager
    def _writing(self, ledger: Ledger) -> Iterator[Writing]:
        writing = self._scheduler.writing(ledger, self._clocks())
        try:
            yield writing
        finally:
            self._scheduler.end_writing(writing)

    def _clocks(self) -> Clocks:
        return Clocks(anyio.current_time(), self._wall_clock())

    def _moment(self, at: float) -> datetime:
        """Return the moment of a time that has just been; asked for once for all that happens at it."""
        if self._last_moment is None or self._last_moment.at != at:
            clocks = self._clocks()
            self._last_moment = Clocks(at, clocks.moment(at) or clocks.wall)
        return self._last_moment.wall

    def discard(self, ledger: Ledger, ref: JobRef) -> None:
        """Let a watch forget a job, and withdraw a request made for it alone."""
        if self._scheduler.discard(ledger, self._scheduler.key(ref), anyio.current_time()):
            self._withdraw_unwanted()
        ledger.notify()
        if self._observing is not None:
            self._observing.counted(ledger)

    async def leave(self, ledger: Ledger, error: BaseException | None) -> None:
        """End a watch that is left with an error, if any. When this returns, its own requests have stopped."""
        self._ledgers.discard(ledger)
        self._scheduler.leave(ledger)
        if self._observing is not None:
            self._observing.left(ledger, error, anyio.current_time())
        with anyio.CancelScope(shield=True):
            for request in self._withdraw_unwanted():
                await request.has_stopped()

    def _withdraw_unwanted(self) -> list[_UnderWay]:
        unwanted = [sent for request, sent in self._under_way.items() if not self._scheduler.is_wanted(request)]
        for sent in unwanted:
            sent.withdraw()
        return unwanted

    def statistics(self) -> Statistics:
        """Tell what was done so far."""
        return self._scheduler.statistics()

    def last_seen(self, ref: JobRef) -> Job | None:
        """Return how an open job was last reported; `None` when it never was, or nobody waits for it."""
        return self._scheduler.last_seen(ref)

    def explain(self, ref: JobRef) -> Explanation | None:
        """Tell how a job stands and is looked at; `None` when nobody waits for it."""
        return self._scheduler.explain(ref, anyio.current_time())

    def _observe(self, request: Request, outcome: Outcome | None) -> None:
        if self._observing is not None:
            self._observing.request_over(request, outcome, anyio.current_time())

    def _tell(self) -> None:
        if self._observing is not None:
            self._observing.tell()

    # Tasks

    async def _work(self) -> None:
        while True:
            request = self._scheduler.next_request(anyio.current_time())
            if request is None:
                async with self._turn:  # one worker waits until something is due, the others for their turn
                    request = await self._next_request()
            await self._perform(request)

    async def _next_request(self) -> Request:
        while True:
            request = self._scheduler.next_request(anyio.current_time())
            if request is not None:
                return request
            self._due_changed = anyio.Event()
            with anyio.CancelScope(deadline=self._scheduler.next_due()):
                await self._due_changed.wait()

    async def _keep_time(self) -> None:
        while True:
            self._deadline_changed = anyio.Event()
            self._wakes_at = min(self._scheduler.next_deadline(), self._scheduler.next_giving_up())
            with anyio.CancelScope(deadline=self._wakes_at):
                await self._deadline_changed.wait()
            self._scheduler.pass_deadlines(anyio.current_time())
            self._give_up_hanging()
            self._due_changed.set()
            self._tell()

    def _give_up_hanging(self) -> None:
        request = self._scheduler.give_up_hanging(anyio.current_time())
        if request is not None and request in self._under_way:
            self._under_way[request].give_up()

    async def _perform(self, request: Request) -> None:
        outcome: Outcome | None = None
        sent = _UnderWay(anyio.CancelScope(deadline=anyio.current_time() + self._settings.request_timeout))
        self._under_way[request] = sent
        if len(self._under_way) >= self._settings.max_at_once:
            self._deadline_changed.set()  # one that hangs may have to be given up
        try:
            with sent.scope:
                outcome = await self._ask(request)
        except anyio.get_cancelled_exc_class():  # the poller closes
            self._observe(request, None)
            self._tell()
            raise
        finally:
            del self._under_way[request]
            sent.stops()
        if outcome is None and not sent.withdrawn:
            outcome = TransportError(self._silence(request, sent))
        await self._record(request, outcome)

    def _silence(self, request: Request, sent: _UnderWay) -> str:
        if not sent.given_up:
            return f"no reply came within request_timeout={self._settings.request_timeout:g} s"
        waited = anyio.current_time() - request.sent_at
        at_once = self._settings.max_at_once
        return f"no reply came within {waited:.3g} s, and others were kept waiting by max_at_once={at_once}"

    async def _record(self, request: Request, outcome: Outcome | None) -> None:
        now = anyio.current_time()
        self._observe(request, outcome)
        if outcome is None:
            self._scheduler.abandon(request, now)
        else:
            _logger.debug("%s brought %r", request, outcome)
            await self._take_in(request, outcome, now)
            if isinstance(outcome, SourceError):
                self._withdraw_unwanted()
        if self._scheduler.fatal is not None:
            self.close(self._scheduler.fatal)
        self._due_changed.set()
        if self._scheduler.next_deadline() < self._wakes_at:
            self._deadline_changed.set()
        self._tell()

    async def _take_in(self, request: Request, outcome: Outcome, now: float) -> None:
        """Let the scheduler take a reply in, and the event loop run between the slices of a long one."""
        for _ in self._scheduler.taking_in(request, outcome, now):
            self._tell()
            await anyio.lowlevel.checkpoint()

    async def _ask(self, request: Request) -> Outcome:
        try:
            return await (self._query(request) if isinstance(request, Get) else self._list(request))
        except (SourceError, JobNotFound, CredentialsRenewed) as error:
            if isinstance(error, JobNotFound) and isinstance(request, Window):
                raise TypeError(f"{type(self._source).__name__}.list_window() must not raise JobNotFound") from error
            return error
        except anyio.get_cancelled_exc_class():
            if not is_stray():
                raise
            return TransportError("the source awaited something that was cancelled")

    async def _query(self, request: Get) -> Job:
        job = await self._source.get(self._scheduler.ref_of(request))
        if not isinstance(job, Job):
            raise TypeError(f"{type(self._source).__name__}.get() must return a gespoll.Job, not {type(job).__name__}")
        return job

    async def _list(self, request: Window) -> ListWindow:
        assert self._listing is not None  # the scheduler asks no other for a list
        wanted = partial(self._scheduler.wants, request)
        window = await self._listing.list_window(
            request.scope, offset=request.offset, limit=request.limit, wanted=wanted
        )
        if not isinstance(window, ListWindow):
            name = type(self._source).__name__
            raise TypeError(f"{name}.list_window() must return a gespoll.ListWindow, not {type(window).__name__}")
        return window


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
