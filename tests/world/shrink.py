"""Make a world that goes wrong as small as it can be while it goes wrong in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from .channels import HONEST, Voice
from .plan import Case, Wait, World

RUNS_AT_MOST = 500
"""Worlds that are tried before the smallest so far is taken: about half a minute."""


def smallest(world: World, is_faulty: Callable[[World], bool]) -> World:
    """Return the smallest world found that is still faulty."""
    runs = position = 0
    while True:
        candidates = list(_smaller(world))
        for turn in range(len(candidates)):
            runs += 1
            if runs > RUNS_AT_MOST:
                return world
            at = (position + turn) % len(candidates)
            if is_faulty(candidates[at]):
                world, position = candidates[at], at  # what stands there now was not tried yet
                break
        else:
            return world


def _smaller(world: World) -> Iterator[World]:
    """Go through the worlds with one thing less, or plainer."""
    yield from _fewer(world)
    yield from _plainer(world, "queries", "hung", "throttled", "jitter", "latency")
    for listing in _plainer(world.listing):
        yield attrs.evolve(world, listing=listing)
    for number, case in enumerate(world.cases):
        for plainer in _plainer_case(case):
            yield attrs.evolve(world, cases=_replaced(world.cases, number, plainer))
    for number, wait in enumerate(world.waits):
        for plainer_wait in _plainer(wait, "joins_at", "timeout", "job_timeout"):
            yield attrs.evolve(world, waits=_replaced(world.waits, number, plainer_wait))
    for knobs in _plainer(world.knobs):
        yield attrs.evolve(world, knobs=knobs)


def _fewer(world: World) -> Iterator[World]:
    size = len(world.cases) // 2
    while size:
        for start in range(0, len(world.cases), size):
            gone = {case.truth.job_id for case in world.cases[start : start + size]}
            if len(gone) < len(world.cases):
                yield _without_cases(world, gone)
        size //= 2
    for number in range(len(world.waits)) if len(world.waits) > 1 else ():
        yield attrs.evolve(world, waits=_without(world.waits, number))
    for number in range(len(world.kills)):
        yield attrs.evolve(world, kills=_without(world.kills, number))


def _without_cases(world: World, gone: set[str]) -> World:
    left = tuple(case for case in world.cases if case.truth.job_id not in gone)
    waits = [attrs.evolve(wait, refs=tuple(ref for ref in wait.refs if ref[0] not in gone)) for wait in world.waits]
    return attrs.evolve(world, cases=left, waits=tuple(wait for wait in waits if wait.refs) or (_of_all(left),))


def _of_all(cases: tuple[Case, ...]) -> Wait:
    return Wait(tuple((case.truth.job_id, case.truth.graph) for case in cases))


def _plainer_case(case: Case) -> Iterator[Case]:
    for truth in _plainer(case.truth, "appears_at", "running_at", "gone_at", "loses_early", "partial_word", "end"):
        yield attrs.evolve(case, truth=truth)
    for voice in _plainer_voice(case.query):
        yield attrs.evolve(case, query=voice)
    for voice in _plainer_voice(case.listed):
        yield attrs.evolve(case, listed=voice)


def _plainer_voice(voice: Voice) -> Iterator[Voice]:
    if voice.phases != HONEST:
        yield attrs.evolve(voice, phases=HONEST)
    for number, phase in enumerate(voice.phases) if len(voice.phases) > 1 else ():
        if number:
            yield attrs.evolve(voice, phases=_without(voice.phases, number))
        else:
            rest = voice.phases[1:]
            yield attrs.evolve(voice, phases=(attrs.evolve(rest[0], start=0.0), *rest[1:]))
        for plainer in _plainer(phase, "flap"):
            yield attrs.evolve(voice, phases=_replaced(voice.phases, number, plainer))
    yield from _plainer(voice, "kind", "reason", "end")


def _plainer(part: Any, *names: str) -> Iterator[Any]:
    """Go through the same with one field at its default."""
    for field in attrs.fields(type(part)):
        if (not names or field.name in names) and getattr(part, field.name) != field.default:
            yield attrs.evolve(part, **{field.name: field.default})


def _without(parts: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    return parts[:number] + parts[number + 1 :]


def _replaced(parts: tuple[Any, ...], number: int, part: Any) -> tuple[Any, ...]:
    return (*parts[:number], part, *parts[number + 1 :])
