"""A server of bytes: what it answers, and how it breaks off, is up to the test to the last byte."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
import attrs


@attrs.frozen
class Turn:
    """One request, whose answer is to be written."""

    path: str
    number: int
    """Which request it is at this server, from 0."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def write(self, answer: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(answer)

    def hang_up(self) -> None:
        """Close the connection after what was written."""
        self.writer.close()

    def reset(self) -> None:
        """Let the connection break off with a reset."""
        told = self.writer.get_extra_info("socket")
        told.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_the_client_leaves(self) -> None:
        """Say no more, and wait."""
        await self.reader.read()


Answer = Callable[[Turn], Awaitable[None]]


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Write a reply whose length is told rightly."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@attrs.define(eq=False)
class RawServer:
    """Listens on a port of 127.0.0.1, and may stop and listen there again.

    Leaving its block breaks off every connection and leaves no task.
    """

    answer: Answer
    port: int = attrs.field(default=0, init=False)
    asked: list[str] = attrs.field(factory=list, init=False)
    """The path of every request so far."""
    connections: set[asyncio.StreamWriter] = attrs.field(factory=set, init=False)
    """Those that are open now."""
    _server: asyncio.Server | None = attrs.field(default=None, init=False)

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> int:
        """Count the connections that are open."""
        return len(self.connections)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and break off those that are open."""
        if self._server is not None:
            self._server.close()
        for writer in self.connections:
            writer.transport.abort()
        for _ in range(100):
            if not self.connections:
                return
            await anyio.sleep(0.01)
        raise AssertionError("a connection outlives its server")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                turn = Turn(head.split()[1].decode(), len(self.asked), reader, writer)
                self.asked.append(turn.path)
                await self.answer(turn)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()
            self.connections.discard(writer)
            with suppress(ConnectionError):  # or asyncio would complain that nobody asked how it closed
                await writer.wait_closed()
