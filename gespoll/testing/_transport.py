"""How a reply travels.

The rule: the reply is finished before it is sent; a transport fault changes how its bytes travel, never what
they say. Every wait here ends when the server stops.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._faults import FaultKind, Faults
    from ._replies import Reply

__all__ = ["Delivery", "send"]

_SLOW_CHUNKS = 8


@attrs.frozen
class Delivery:
    """How one reply is to be sent."""

    headers: Mapping[str, str]
    """Headers every reply has."""
    fault: FaultKind | None
    """The transport fault; any other kind sends normally."""
    faults: Faults
    """The seconds a slow or a stalled reply takes."""
    stopping: asyncio.Event
    """Set when the server stops, which ends a stall."""


async def send(request: web.BaseRequest, reply: Reply, delivery: Delivery) -> web.StreamResponse:
    """Send `reply` as `delivery` says. Cancelling it leaves the reply unfinished."""
    said = {"Content-Type": reply.content_type, **delivery.headers, **reply.headers}
    if delivery.fault == "drop":
        _hang_up(request)
        return web.Response()
    if delivery.fault not in {"truncate", "slow", "stall"}:
        return web.Response(status=reply.status, body=reply.body, headers=said)
    response = web.StreamResponse(status=reply.status, headers=said)
    response.content_length = len(reply.body) + (64 if delivery.fault == "truncate" else 0)
    await response.prepare(request)
    if delivery.fault == "slow":
        await _dribble(response, reply.body, delivery.faults.slow_seconds)
        return response
    if delivery.fault == "truncate":
        await response.write(reply.body[: len(reply.body) // 2])
    else:
        await _stall(delivery.stopping, delivery.faults.stall_seconds)
    _hang_up(request)
    return response


def _hang_up(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


async def _dribble(response: web.StreamResponse, body: bytes, seconds: float) -> None:
    size = max(-(-len(body) // _SLOW_CHUNKS), 1)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    for chunk in chunks:
        await asyncio.sleep(seconds / len(chunks))
        await response.write(chunk)


async def _stall(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
