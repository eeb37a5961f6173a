"""A server in a process of its own that answers with replies made beforehand.

Rule: it costs the measured process nothing and is faster than any client here. It listens on 127.0.0.1
alone, and ends with the block that started it, or after an hour.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

import attrs

LONGEST_SECONDS = 3600.0
END_OF_HEAD = b"\r\n\r\n"
ANY_ID = "x" * 32
"""Stands in a path and its reply for the id of any job, which is as long."""


@attrs.define(eq=False)
class FixedServer:
    """A running server, as the process that started it sees it."""

    endpoint: str
    """Its base URL."""
    _sent: Any

    @property
    def lists(self) -> int:
        """How many replies it has sent to paths with a query: the lists."""
        return int(self._sent[0])

    @property
    def gets(self) -> int:
        """How many other replies it has sent."""
        return int(self._sent[1])


@contextmanager
def running(replies: Mapping[bytes, bytes]) -> Iterator[FixedServer]:
    """Start a server, and end it with the block.

    Args:
        replies: whole HTTP responses by path, without the query.
    """
    context = multiprocessing.get_context("spawn")
    sent = context.RawArray(ctypes.c_longlong, 2)
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, sent), daemon=True)
    process.start()
    try:
        ours.send(dict(replies))
        yield FixedServer(f"http://127.0.0.1:{ours.recv()}", sent)
    finally:
        process.terminate()
        process.join()


def serve(parent: Connection, sent: Any) -> None:
    """Serve what the parent hands over, and tell it the port."""
    replies = parent.recv()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Answering(replies, sent), "127.0.0.1", 0)
        parent.send(server.sockets[0].getsockname()[1])
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                await server.serve_forever()

    asyncio.run(main())


class Answering(asyncio.Protocol):
    """One connection; its requests are GETs without a body."""

    def __init__(self, replies: Mapping[bytes, bytes], sent: Any) -> None:
        self._replies = replies
        self._sent = sent
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that has come whole."""
        self._unread += data
        while END_OF_HEAD in self._unread:
            head, _, self._unread = self._unread.partition(END_OF_HEAD)
            path, query, _ = head.split(b" ", 2)[1].partition(b"?")
            self._sent[0 if query else 1] += 1
            self._transport.write(self._replies.get(path) or self._reply_for_job(path))

    def _reply_for_job(self, path: bytes) -> bytes:
        start, job_id, end = path.rsplit(b"/", 2)
        return self._replies[b"/".join((start, ANY_ID.encode(), end))].replace(ANY_ID.encode(), job_id)
