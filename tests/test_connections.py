"""Connections that are kept: a closed one costs a request and no verdict, and one with unread bytes is not used."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import anyio
import pytest

from gespoll import (
    JobRef,
    JobStatus,
    ManagementSource,
    Poller,
    Token,
    TransportError,
)
from gespoll._credentials import Errand
from gespoll._source import ConnectionStale, keeps_budget
from tests.raw_server import RawServer, Turn, http
from tests.test_http import assert_within_budget

pytestmark = pytest.mark.anyio

RUNNING = b'{"status": "running", "job_name": "StopGraph"}'
SUCCESS = b'{"status": "success", "job_name": "StopGraph"}'


@asynccontextmanager
async def reading(server: RawServer, **options: Any) -> AsyncIterator[ManagementSource]:
    """Open a source."""
    options = {"credentials": Token("t" * 20), **options}
    async with ManagementSource(server.endpoint, "p", **options) as source:
        yield source


@contextmanager
def within_a_budget() -> Iterator[None]:
    """Ask as a poller does."""
    mark = keeps_budget.set(True)
    try:
        yield
    finally:
        keeps_budget.reset(mark)


class Idle:
    """Answers the first requests of each connection, and resets it at the next."""

    def __init__(self, answers: int = 1, body: bytes = RUNNING) -> None:
        self.answers, self.body = answers, body
        self.served: dict[object, int] = {}

    async def __call__(self, turn: Turn) -> None:
        """Answer or reset."""
        served = self.served.setdefault(turn.writer, 0)
        self.served[turn.writer] += 1
        if served < self.answers:
            turn.write(http(self.body))
        else:
            turn.reset()


class TestStale:
    """Servers close what is idle, sometimes just when it is used again."""

    @pytest.mark.parametrize("lent", [False, True])
    async def test_who_keeps_a_budget_is_told_to_send_it_again(self, lent: bool) -> None:
        """It is no failure, and nobody but the budget lets it leave."""
        async with RawServer(Idle()) as server, aiohttp.ClientSession() as session:
            options = {"session": session} if lent else {}
            async with reading(server, **options) as source:
                with within_a_budget():
                    for _ in range(5):
                        assert (await source.get(JobRef("j", "g"))).status is JobStatus.RUNNING
                        with pytest.raises(ConnectionStale):
                            await source.get(JobRef("j", "g"))
            assert len(server.asked) == 10

    async def test_who_keeps_none_is_told_what_happened(self) -> None:
        """A source that is asked by itself sends nothing twice."""
        async with RawServer(Idle()) as server, reading(server) as source:
            await source.get(JobRef("j", "g"))
            with pytest.raises(TransportError, match="no usable reply came"):
                await source.get(JobRef("j", "g"))
            assert len(server.asked) == 2

    @pytest.mark.parametrize("lent", [False, True])
    async def test_a_new_connection_that_is_reset_is_a_failure(self, lent: bool) -> None:
        """Nobody closed what was idle there."""
        async with RawServer(Idle(0)) as server, aiohttp.ClientSession() as session:
            options = {"session": session} if lent else {}
            async with reading(server, **options) as source:
                with within_a_budget():
                    for _ in range(3):
                        with pytest.raises(TransportError):
                            await source.get(JobRef("j", "g"))

    async def test_an_errand_is_not_sent_again(self) -> None:
        """The password in it may have come, and be wrong."""
        async with RawServer(Idle()) as server, reading(server) as source:
            await source.get(JobRef("j", "g"))
            errand = Errand(url=f"{server.endpoint}/v3/auth/tokens", body=b"{}", action="asking for a token")
            with within_a_budget(), pytest.raises(TransportError, match="asking for a token: no usable reply came"):
                await source._client.run(errand)
            assert len(server.asked) == 2

    async def test_a_wait_does_not_notice(self) -> None:
        """No request fails, whatever is closed, and the budget holds."""
        arrivals: list[float] = []
        idle = Idle()

        async def answer(turn: Turn) -> None:
            arrivals.append(anyio.current_time())
            if "/jobs?" in turn.path:
                entries = b'{"job_id": "a", "status": "running"}, {"job_id": "b", "status": "running"}'
                idle.body = b'{"job_count": 2, "job_list": [' + entries + b"]}"
            else:
                idle.body = RUNNING if anyio.current_time() < 60 else SUCCESS
            await idle(turn)

        async with RawServer(answer) as server:
            source = ManagementSource(server.endpoint, "p", credentials=Token("t" * 20))
            async with Poller(
                source, close_source=True, interval=1.0, max_per_second=5.0, rng=random.Random(0)
            ) as poller:
                with anyio.move_on_after(60):
                    await poller.wait_all(["a", "b"], graph="g")
                told = poller.statistics()
        assert told.failures == 0
        assert told.windows > 40
        assert_within_budget(arrivals, 5.0)


class TestUnread:
    """What nobody asked for is no reply to whoever asks next."""

    @pytest.mark.parametrize("seconds", [0.0, 0.05])
    async def test_a_second_reply_ends_no_other_job(self, seconds: float) -> None:
        """Whether it comes with the first, or while the connection is idle."""

        async def answer(turn: Turn) -> None:
            turn.write(http(RUNNING))
            if turn.number == 0:
                await anyio.sleep(seconds)
                turn.write(http(SUCCESS))

        async with RawServer(answer) as server, reading(server) as source:
            await source.get(JobRef("a", "g"))
            await anyio.sleep(0.1)
            for _ in range(5):
                assert (await source.get(JobRef("b", "g"))).status is JobStatus.RUNNING
            assert len(server.asked) == 6

    @pytest.mark.parametrize(
        "rest", [b"H", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"\0" * 100_000]
    )
    async def test_half_a_reply_spoils_no_other(self, rest: bytes) -> None:
        """Whatever the bytes are."""

        async def answer(turn: Turn) -> None:
            turn.write(http(RUNNING))
            if turn.number == 0:
                await anyio.sleep(0.05)
                turn.write(rest)

        async with RawServer(answer) as server, reading(server) as source:
            await source.get(JobRef("a", "g"))
            await anyio.sleep(0.2)
            assert (await source.get(JobRef("b", "g"))).status is JobStatus.RUNNING

    async def test_a_closed_connection_is_not_used(self) -> None:
        """That it is closed is seen before a request is lost on it."""

        async def answer(turn: Turn) -> None:
            turn.write(http(RUNNING))
            await anyio.sleep(0.05)
            turn.hang_up()

        async with RawServer(answer) as server, reading(server) as source:
            for _ in range(5):
                assert (await source.get(JobRef("a", "g"))).status is JobStatus.RUNNING
                await anyio.sleep(0.1)

    async def test_a_clean_connection_is_kept(self) -> None:
        """One is enough for requests that follow each other."""

        async def answer(turn: Turn) -> None:
            turn.write(http(RUNNING))

        async with RawServer(answer) as server, reading(server) as source:
            for _ in range(50):
                await source.get(JobRef("a", "g"))
            assert server.open() == 1
