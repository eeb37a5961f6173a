"""Connections that are kept, and taken again only while they are clean.

Rule: bytes that nobody asked for are no reply to whoever asks next.
"""

from __future__ import annotations

import select
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler


class Connector(aiohttp.TCPConnector):
    """Keeps connections; knows which requests went out on one that had been used before."""

    def __init__(self) -> None:
        super().__init__(limit=0)
        self.on_used: WeakSet[aiohttp.ClientRequest] = WeakSet()
        """The requests that were sent, or are about to be, on a connection that had answered before."""
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, req: aiohttp.ClientRequest, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        """Take a kept connection, or open one; one with unread bytes, or that has ended, is closed."""
        while True:
            connection = await super().connect(req, traces, timeout)
            handler = connection.protocol
            assert handler is not None  # it is open
            if handler not in self._used:
                self._used.add(handler)
                return connection
            if not _has_unread(handler):
                self.on_used.add(req)
                return connection
            connection.close()


def _has_unread(handler: ResponseHandler) -> bool:
    """Whether anything came after the last reply: bytes that were read or wait to be, or the connection's end."""
    transport = handler.transport
    if handler.should_close or transport is None:
        return True
    socket = transport.get_extra_info("socket")
    descriptor = -1 if socket is None else socket.fileno()
    return descriptor >= 0 and _is_readable(descriptor)


def _is_readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # on Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
