"""A GES that runs inside the test.

The rule: it is written from the API documents alone and shares no code with the client, so that a
misreading of either shows. Every request is logged on arrival, meets at most one fault, and is answered
for that moment of the event loop's clock; the same seed and requests get the same answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Any, Self

import attrs
from aiohttp import web

from ._catalogue import Catalogue, WallClock
from ._desk import Desk
from ._front import Front
from ._options import Options
from ._timeline import FakeJob
from ._transport import Delivery, send

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from ._faults import FaultKind, RequestKind
    from ._routes import Call, LoggedRequest

__all__ = ["FakeGES"]

_LARGEST_HEADER = 64 * 1024  # a project-scoped token has about 9 KB, more than aiohttp's default allows


@attrs.define(kw_only=True, eq=False, repr=False)
class FakeGES(Options):
    """A fake Graph Engine Service on 127.0.0.1, both planes on one port.

    Use it as an async context manager; entering it raises `OSError` when its port cannot be had. Leaving the
    block ends every request being served and leaves no task, socket or warning. All times are seconds of the
    running event loop's clock, which may be virtual.
    """

    _foreign: int = attrs.field(default=0, init=False)
    _catalogue: Catalogue = attrs.field(init=False)
    _front: Front = attrs.field(init=False)
    _desk: Desk | None = attrs.field(default=None, init=False)
    _runner: web.ServerRunner | None = attrs.field(default=None, init=False)
    _stopping: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _port: int | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._catalogue = Catalogue(Random(self.seed))
        self._front = Front.of(self)

    def __repr__(self) -> str:
        where = "not running" if self._port is None else f"at {self.endpoint}"
        jobs = len(self._catalogue.managed) + len(self._catalogue.engine)
        return f"<FakeGES {where}, {jobs} jobs, {len(self.requests)} requests, {self._front.in_flight} in flight>"

    @property
    def endpoint(self) -> str:
        """The base URL of the management plane and of every engine.

        Raises:
            RuntimeError: When the server is not running.
        """
        if self._port is None:
            raise RuntimeError("FakeGES is not running: enter it with `async with` first")
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request so far, in the order of arrival."""
        return self._front.requests

    @property
    def max_in_flight(self) -> int:
        """Most requests ever being served at once."""
        return self._front.max_in_flight

    @property
    def fault_counts(self) -> Counter[FaultKind]:
        """How many requests each fault kind has hit."""
        return Counter(logged.fault for logged in self.requests if logged.fault is not None)

    def arrivals(self, kind: RequestKind | None = None) -> list[float]:
        """Return the loop times, in seconds, at which requests of `kind` arrived; None: of any kind."""
        return [logged.at for logged in self.requests if kind in {None, logged.kind}]

    def add_job(self, job_id: str, **details: Any) -> FakeJob:
        """Add a job now, with the keyword arguments of `FakeJob`, and return it.

        Raises:
            RuntimeError: When no event loop is running, since a job's time is the loop's.
            ValueError: When its plane has a job of that id already.
        """
        job = FakeJob(job_id, **details)
        self.add_jobs([job])
        return job

    def add_jobs(self, jobs: Iterable[FakeJob]) -> None:
        """Add `jobs` now, all at the same moment.

        Raises:
            RuntimeError: When no event loop is running, since a job's time is the loop's.
            ValueError: When a plane has a job of that id already.
        """
        now = asyncio.get_running_loop().time()
        for job in jobs:
            self._catalogue.add(job, now)

    def add_foreign(
        self, count: int, *, graph_name: str = "foreign", status: str = "success", age: float = 3600.0
    ) -> None:
        """Add `count` finished jobs of other people, which fill the lists.

        Args:
            count: How many.
            graph_name: Their graph.
            status: Their status word.
            age: Seconds since they ended; 0 makes them the newest.
        """
        start, self._foreign = self._foreign, self._foreign + count
        self.add_jobs(
            FakeJob(
                f"foreign-{number:06d}",
                graph=f"{graph_name}-id",
                graph_name=graph_name,
                steps=((0.0, status),),
                name="CreateGraph",
                age=age,
            )
            for number in range(start, start + count)
        )

    def delete_graph(self, graph: str) -> None:
        """Delete a graph, by id or engine name: single calls about it fail, the job centre still tells."""
        self._catalogue.deleted.add(graph)

    def expire_token(self, new: str) -> None:
        """Let the present token expire and make `new` the valid one."""
        self._front.accounts.expired.add(self.token)
        self._front.accounts.expired.discard(new)
        self.token = new

    def revoke_tokens(self) -> None:
        """Let every token that IAM has issued die now, as a change of the user's permissions does."""
        self._front.accounts.revoke()

    def wall_clock(self) -> datetime:
        """Return the server's present time, in UTC, which follows the event loop's clock.

        Raises:
            RuntimeError: When the server is not running.
        """
        return self._running.clock.at(asyncio.get_running_loop().time())

    def inject(self, kind: FaultKind, times: int = 1, match: str = "") -> None:
        """Hit the next requests with a fault, before any fault is drawn.

        Args:
            kind: The fault.
            times: How many requests are hit.
            match: Only requests whose path contains this text are hit.

        Raises:
            ValueError: When `kind` is no fault kind.
        """
        self._front.plan.inject(kind, times=times, match=match)

    def freeze_list(self) -> None:
        """Keep the lists as they are now until `thaw_list`."""
        self._running.frozen_at = asyncio.get_running_loop().time()

    def thaw_list(self) -> None:
        """Let the lists move again."""
        self._running.frozen_at = None

    @property
    def _running(self) -> Desk:
        if self._desk is None:
            raise RuntimeError("FakeGES is not running: enter it with `async with` first")
        return self._desk

    async def __aenter__(self) -> Self:
        if self._desk is not None:
            raise RuntimeError("a FakeGES runs once: make another")
        origin = (self.origin or datetime.now(UTC)).astimezone(UTC)
        clock = WallClock(origin, asyncio.get_running_loop().time(), self.space_in_times)
        self._desk = Desk(self, self._catalogue, clock)
        server = web.Server(
            self._serve,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=3600.0,
            max_field_size=_LARGEST_HEADER,
            max_line_size=_LARGEST_HEADER,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        except OSError:
            await self.aclose()
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop serving and close every connection. Cancelling it may leave connections open."""
        self._stopping.set()
        runner, self._runner, self._port = self._runner, None, None
        if runner is not None:
            await runner.cleanup()
            await asyncio.sleep(0)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        loop, front = asyncio.get_running_loop(), self._front
        logged, call = front.arrive(request, loop.time())
        try:
            if request.can_read_body:
                call = attrs.evolve(call, body=await request.read())
            reply = front.reply(call, self._running)
            logged.status = None if call.fault == "drop" else reply.status
            return await send(request, reply, self._delivery(call, loop.time()))
        finally:
            front.in_flight -= 1

    def _delivery(self, call: Call, now: float) -> Delivery:
        date = format_datetime(self._running.clock.at(now), usegmt=True)
        headers = {"X-Request-Id": call.request_id, "Date": date}
        return Delivery(headers, call.fault, self.faults, self._stopping)
