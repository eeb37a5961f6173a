"""Tell a run: the world in a few lines, then each request, reply and change."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import attrs

from .channels import Said
from .fault import Fault
from .log import Answered, Asked, Event, Joined, Left, Log, Page, Taken
from .plan import World

_ENTRIES_SHOWN = 8
_FOLDED = 4
"""A line that is one of so many before it is not told again."""
_SOON = 2.0
"""Seconds: a reply that took longer says so."""


def told(world: World, log: Log, faults: list[Fault]) -> str:
    """Return world, happenings and faults as lines."""
    return "\n".join([*_world(world), *_happenings(log), *(f"FAULT {fault}" for fault in faults)])


def _world(world: World) -> Iterator[str]:
    rest = [_set(world.knobs), _set(world, "cases", "waits", "plane", "listing", "knobs")]
    yield ", ".join([world.plane.value, *filter(None, rest)])
    if world.plane.has_list:
        yield f"list: {_set(world.listing) or 'ordinary'}"
    for case in world.cases:
        yield f"{case.truth.job_id}: {_set(case.truth, 'job_id')}"
        yield f"    query: {_set(case.query) or 'honest'}"
        if world.plane.has_list:
            yield f"    list:  {_set(case.listed) or 'honest'}"
    for number, wait in enumerate(world.waits):
        yield f"watch {number}: {_set(wait)}"


def _set(value: Any, *without: str) -> str:
    """Name the fields that are not at their defaults."""
    fields = [field for field in attrs.fields(type(value)) if field.name not in without]
    changed = [
        (field.name, getattr(value, field.name)) for field in fields if getattr(value, field.name) != field.default
    ]
    return ", ".join(f"{name}={_word(part)}" for name, part in changed)


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_word(part) for part in value) + "]"
    if attrs.has(type(value)):
        return f"{type(value).__name__}({_set(value)})"
    return str(getattr(value, "value", value))


def _happenings(log: Log) -> Iterator[str]:
    """Go through what happened, one line each; what was just told again and again is folded."""
    recent: deque[str] = deque(maxlen=_FOLDED)
    again = 0
    for event in log.events:
        text = _happening(event)
        if text in recent:
            again += 1
        elif text:
            if again:
                yield f"{'':12}… {again} more like these"
            again = 0
            recent.append(text)
            yield f"{event.at:9.2f} s  {text}"
    if again:
        yield f"{'':12}… {again} more like these"
    yield f"{log.ended_at:9.2f} s  over: {log.requests} requests, longest period {log.period:g} s"


def _happening(event: Event) -> str:
    match event:
        case Answered():
            took = event.at - event.asked.at
            return f"{_request(event.asked)} -> {_reply(event)}" + (f" after {took:.0f} s" if took > _SOON else "")
        case Joined():
            graph = "without graph" if event.graph is None else f"of {event.graph}"
            again = ", from a snapshot" if event.resumed else ""
            return f"watch {event.watch} waits for {event.job_id} {graph} until {event.ends_at}{again}"
        case Taken():
            what = f"ENDS as {event.ended_as}" if event.is_final else f"is {event.status and event.status.value}"
            return f"watch {event.watch}: {event.job_id} {what}"
        case Left():
            end = "is killed" if event.killed else f"raises {event.raised}" if event.raised else "is over"
            return f"watch {event.watch} {end}"
        case _:
            return ""


def _request(asked: Asked) -> str:
    if asked.job_id is not None:
        return f"query {asked.job_id}" + ("" if asked.graph is None else f" of {asked.graph}")
    return f"list{' ' * bool(asked.scope)}{asked.scope} offset {asked.offset} limit {asked.limit}"


def _reply(event: Answered) -> str:
    reply = event.reply
    if reply is None:
        return "cancelled"
    if isinstance(reply, Said):
        return str(reply) + ("" if event.retry_after is None else f", Retry-After {event.retry_after:g}")
    return _page(reply)


def _page(page: Page) -> str:
    entries = [f"{row} {page.said[row]}" if row in page.said else str(row) for row in page.ids[:_ENTRIES_SHOWN] if row]
    more = f" and {len(page.ids) - _ENTRIES_SHOWN} more" if len(page.ids) > _ENTRIES_SHOWN else ""
    return f"[{', '.join(entries)}{more}] of {page.total}"
