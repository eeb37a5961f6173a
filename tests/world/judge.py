"""All judges together."""

from __future__ import annotations

from .cost import judge_cost
from .fault import Fault
from .log import Log
from .plan import World
from .right import judge_verdicts
from .run import run
from .shrink import smallest
from .story import told
from .timely import judge_times


def judge(world: World, log: Log) -> list[Fault]:
    """Return all faults of a run: wrong ends, late ones, needless requests, leftovers."""
    return [*judge_verdicts(world, log), *judge_times(world, log), *judge_cost(world, log)]


def tried(world: World) -> list[Fault]:
    """Run a world, and return its faults; what the library raises is one."""
    try:
        log = run(world)
    except Exception as error:  # whatever it is, the library must not raise it into its caller's task group
        return [Fault("wrong", f"raised {type(error).__name__}", repr(error))]
    return judge(world, log)


def shortest_story(world: World, fault: Fault) -> str:
    """Return the story of the smallest world in which a fault of the same kind shows."""

    def is_faulty(smaller: World) -> bool:
        return any((each.sort, each.kind) == (fault.sort, fault.kind) for each in tried(smaller))

    small = smallest(world, is_faulty)
    return told(small, run(small), [each for each in tried(small) if each.kind == fault.kind])
