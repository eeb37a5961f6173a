"""How long long work and the caller's own code may run before the event loop gets its turn (rule 10).

Rule: measured in real time, also where the event loop's time is virtual: it does not pass while code runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

SLICE_SECONDS = 0.005
"""Seconds for which items are pulled at a stretch: a quarter of what rule 10 allows, for one may come late."""
Item = TypeVar("Item")


def run(steps: Iterator[object], clock: Callable[[], float] = time.perf_counter) -> bool:
    """Take steps until a slice of time is over, at least one; return whether those were all.

    Args:
        steps: what is to be done, one after the other.
        clock: seconds on a clock that never goes back.
    """
    until = clock() + SLICE_SECONDS
    return all(clock() < until for _ in steps)


def pull(items: Iterator[Item], into: list[Item], at_most: int, clock: Callable[[], float] = time.perf_counter) -> bool:
    """Append the next items to a list until a slice of time is over, at least one; return whether those were all.

    Args:
        items: where they come from; its `__next__` may block.
        into: the list, which has them also when `items` raises.
        at_most: how many items, at most.
        clock: seconds on a clock that never goes back.
    """
    until = clock() + SLICE_SECONDS
    before = len(into)
    for item in islice(items, at_most):
        into.append(item)
        if clock() >= until:
            return False
    return len(into) - before < at_most
