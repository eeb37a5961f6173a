"""Lies that all jobs of a world meet together: what chance seldom makes, and services do."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import attrs

from .channels import HONEST, Manner, Phase, Voice
from .plan import Case, Listing, World
from .truth import Stage

_Theme = Callable[[World, random.Random], World]


def themed(world: World, rng: random.Random) -> World:
    """Return a world in which one lie meets all jobs."""
    return rng.choices(list(THEMES), list(THEMES.values()))[0](world, rng)


def _each(world: World, change: Callable[[Case], Case]) -> World:
    return attrs.evolve(world, cases=tuple(change(case) for case in world.cases))


def _listed(case: Case, *phases: Phase) -> Case:
    return attrs.evolve(case, listed=attrs.evolve(case.listed, phases=phases))


def _queried(case: Case, *phases: Phase) -> Case:
    return attrs.evolve(case, query=attrs.evolve(case.query, phases=phases))


def _honest(case: Case) -> Case:
    truth = attrs.evolve(case.truth, appears_at=0.0, gone_at=math.inf)
    ends_at = truth.ends_at if truth.ends_at < math.inf else 100.0
    truth = attrs.evolve(truth, ends_at=max(ends_at, 30.0), running_at=5.0)
    case = attrs.evolve(case, truth=truth, query=attrs.evolve(case.query, end=None))
    return attrs.evolve(
        _queried(_listed(case, *HONEST), *HONEST), listed=attrs.evolve(case.listed, phases=HONEST, end=None)
    )


def ended_jobs_leave(world: World, rng: random.Random) -> World:
    """Jobs leave the list as they end, or some time before or after."""
    apart = rng.choice([-20.0, -5.0, 0.0, 0.0, 10.0])

    def leaves(case: Case) -> Case:
        case = _honest(case)
        return _listed(case, Phase(0.0), Phase(case.truth.ends_at + apart, Manner.DENY))

    return _each(world, leaves)


def list_turns_empty(world: World, rng: random.Random) -> World:
    """The list shows no job any longer, for a while or for ever."""
    start = round(rng.uniform(5.0, 60.0), 1)
    phases = [Phase(0.0), Phase(start, Manner.DENY)]
    if rng.random() < 0.3:
        phases.append(Phase(start + round(rng.uniform(20.0, 120.0), 1)))
    return _each(world, lambda case: _listed(_honest(case), *phases))


def list_is_stale(world: World, rng: random.Random) -> World:
    """The list is behind for all jobs."""
    start = round(rng.uniform(0.0, 30.0), 1)
    phase = rng.choice([Phase(start, Manner.FROZEN, start), Phase(start, Manner.LAG, 40.0)])
    return _each(world, lambda case: _listed(_honest(case), Phase(0.0), phase))


def one_is_stale_in_the_list(world: World, rng: random.Random) -> World:
    """The list is behind for one job alone, for ever; the others run on."""
    stale = rng.randrange(len(world.cases))

    def changed(number: int, case: Case) -> Case:
        case = _honest(case)
        if number == stale:
            return _listed(case, Phase(0.0), Phase(6.0, Manner.FROZEN, 6.0))
        return attrs.evolve(case, truth=attrs.evolve(case.truth, ends_at=math.inf))

    return attrs.evolve(world, cases=tuple(changed(number, case) for number, case in enumerate(world.cases)))


def list_blinks(world: World, rng: random.Random) -> World:
    """The list fails for a few seconds; queries of all jobs would take long."""
    start = round(rng.uniform(1.0, 12.0), 1)
    blink = (
        Phase(0.0),
        Phase(start, Manner.FAIL, 0.0, rng.choice(["503", "reset"])),
        Phase(start + rng.uniform(1.0, 8.0)),
    )
    ends_at = start + rng.uniform(8.0, 15.0)

    def soon(case: Case) -> Case:
        case = _honest(case)
        return attrs.evolve(case, truth=attrs.evolve(case.truth, ends_at=ends_at, is_import=False))

    knobs = attrs.evolve(world.knobs, interval=2.0, max_per_second=1.0)
    world = attrs.evolve(_each(world, soon), listing=Listing(phases=blink), knobs=knobs, kills=(), hung=0.0)
    return attrs.evolve(world, queries=HONEST)


def queries_are_stale(world: World, rng: random.Random) -> World:
    """Queries are behind for all jobs, or deny them, or fail for them."""
    start = round(rng.uniform(0.0, 30.0), 1)
    phase = rng.choice(
        [
            Phase(start, Manner.FROZEN, start),
            Phase(start, Manner.LAG, 40.0),
            Phase(start, Manner.DENY),
            Phase(start, Manner.GONE),
            Phase(start, Manner.FAIL),
            Phase(start, Manner.FAIL, 0.0, "403"),
        ]
    )
    return _each(world, lambda case: _queried(_honest(case), Phase(0.0), phase))


def imports_lose_lines(world: World, rng: random.Random) -> World:
    """Every import loses lines, and one channel alone reports it, for a while."""
    until = rng.choice([20.0, 60.0, math.inf])

    def lossy(case: Case) -> Case:
        case = _honest(case)
        truth = attrs.evolve(case.truth, is_import=True, end=Stage.PARTIAL, loses_early=rng.random() < 0.5)
        case = attrs.evolve(case, truth=truth)
        lie = rng.choice([Manner.DENY, Manner.FROZEN, Manner.FAIL, Manner.TRUE])
        quiet = [Phase(0.0), Phase(6.0, lie, 6.0)] + ([Phase(truth.ends_at + until)] if until < math.inf else [])
        return _queried(case, *quiet)

    return _each(world, lossy)


def only_some_are_listed(world: World, rng: random.Random) -> World:
    """Some jobs never stand in the list, whose pages are small."""
    unlisted = Voice(phases=(Phase(0.0, Manner.DENY),))

    def some(case: Case) -> Case:
        case = _honest(case)
        return attrs.evolve(case, listed=unlisted) if rng.random() < 0.3 else case

    return attrs.evolve(
        _each(world, some), listing=Listing(page_max=rng.choice([1, 3, 10]), foreign=rng.choice([0, 12]))
    )


THEMES: dict[_Theme, int] = {
    ended_jobs_leave: 2,
    list_turns_empty: 2,
    list_is_stale: 3,
    one_is_stale_in_the_list: 3,
    list_blinks: 3,
    queries_are_stale: 2,
    imports_lose_lines: 2,
    only_some_are_listed: 2,
}
"""How often each is drawn: those that bring out a fault in few worlds more often."""
