"""The jobs that are waited for.

Rule: a workload is drawn from a seed and knows nothing of who waits. Times are seconds, and 0 is when
all waiting begins.
"""

from __future__ import annotations

import math
from random import Random
from typing import Literal

import attrs

MEDIAN_SECONDS = 100.0
SIGMA = 0.6
SUBMITTED_PER_SECOND = 50.0

Outcome = Literal["success", "partially_failed", "failed"]


@attrs.frozen
class Work:
    """One job of the service."""

    job_id: str
    """Opaque text."""
    begins_at: float
    """When it was submitted, which is its place in the list; before 0, so negative."""
    ends_at: float
    """When it ends."""
    outcome: Outcome = "success"
    """How it ends."""


def burst(count: int, seed: int, median: float = MEDIAN_SECONDS) -> list[Work]:
    """Draw jobs that one program submits in a row, and then waits for.

    Imports differ in size by orders of magnitude while one batch holds similar ones: a lognormal with a long
    tail on the right, 90 % of it between a third and three times the median. Nothing ties a job's end to its
    place in the list. Ids are random text, so that their order is none.

    Args:
        count: how many jobs.
        seed: what chance starts from.
        median: seconds from the begin of waiting until half of them have ended.
    """
    chance = Random(seed)
    return [
        Work(
            job_id=f"{chance.getrandbits(64):016x}",
            begins_at=(number - count) / SUBMITTED_PER_SECOND,
            ends_at=chance.lognormvariate(math.log(median), SIGMA),
        )
        for number in range(count)
    ]


def evenly(count: int, seed: int, seconds: float, *, in_order: bool = False) -> list[Work]:
    """Draw jobs that one program submits in a row, and that end at equal distances over some time.

    Args:
        count: how many jobs.
        seed: what chance starts from.
        seconds: from the begin of waiting until the last one ends.
        in_order: end first what was submitted first; without, nothing ties a job's end to its place in the list.
    """
    works, ends = burst(count, seed), [seconds * (number + 1) / count for number in range(count)]
    if not in_order:
        Random(seed).shuffle(ends)
    return [attrs.evolve(work, ends_at=end) for work, end in zip(works, ends, strict=True)]
