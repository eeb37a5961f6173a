"""What a job that is waited for holds in memory.

Rule: `tracemalloc` counts what was allocated since the first job was handed in and is still held after a full
garbage collection, the refs included and the text of the ids not. Every job has been looked at once.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import anyio

from benchmarks import pictures
from benchmarks.api import RUNNING, Pace
from benchmarks.contest import on_virtual_time
from benchmarks.figures import Row, Spread, ratio
from benchmarks.peers import WAITER_SECONDS, is_open
from benchmarks.progress import tell
from benchmarks.service import Behaviour, SimulatedService
from benchmarks.simulated import SimulatedApi
from benchmarks.workload import Work, burst

JOBS = 100_000
ROUNDS = 2  # the figure hardly scatters
LONG = 1e9  # seconds; nothing ends
PACE = Pace(per_second=1000.0, interval=WAITER_SECONDS)
SETUP = (
    f"{JOBS} jobs that are waited for, each looked at once; gespoll in the simulator with "
    f"`interval={PACE.interval:g}, max_per_second={PACE.per_second:g}` and pages of 1000, beside a sleeping asyncio "
    f"task a job; {ROUNDS} rounds"
)


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure; draws no picture.

    Args:
        seeds: not more rounds than this are run.
        into: not used.
    """
    works = burst(JOBS, 0, LONG)
    ours, fresh, theirs = [], [], []
    for turn in range(min(seeds, ROUNDS)):
        tell(f"memory: round {turn + 1}")
        handed_in, seen = gespoll_bytes(works)
        fresh.append(handed_in)
        ours.append(seen)
        theirs.append(task_bytes(works))
    return rows(Spread(ours), Spread(fresh), Spread(theirs))


def rows(ours: Spread, fresh: Spread, theirs: Spread) -> list[Row]:
    """Put gespoll beside the tasks."""
    less = ratio(theirs, ours)
    what = f"bytes per waiting job, {JOBS} jobs"
    beside = "asyncio task per job"
    return [
        Row(
            what=what,
            beside=beside,
            reach="<= 250 B, >= 6x less",
            measured=f"{ours} B, {less}x less",
            reached=ours.median <= 250 and less.median >= 6,
            note=f"the task: {theirs} B",
        ),
        Row(
            what=f"{what}, before the first look",
            beside=beside,
            reach="",
            measured=f"{fresh} B, {ratio(theirs, fresh)}x less",
        ),
    ]


def gespoll_bytes(works: Sequence[Work]) -> tuple[float, float]:
    """Measure bytes per job of a watch: when all are handed in, and when all were seen."""

    async def main() -> tuple[float, float]:
        api = SimulatedApi(SimulatedService(works, Behaviour(per_second=None, max_page=1000)))
        async with api.poller(PACE) as poller:
            tracemalloc.start()
            refs = (api.ref(work.job_id) for work in works)
            async with poller.watch(refs, on_failure="never") as changes:
                handed_in = held()
                for _ in works:
                    await anext(changes)
                await anyio.sleep(WAITER_SECONDS / 3)
                return handed_in, held()

    try:
        return on_virtual_time(main)
    finally:
        tracemalloc.stop()


def task_bytes(works: Sequence[Work]) -> float:
    """Measure bytes per job of a task each, that has looked once and sleeps."""

    async def get(job_id: str) -> str:
        return RUNNING

    async def ended(job_id: str) -> None:
        while is_open(await get(job_id)):  # noqa: ASYNC110  # what people write is what is measured
            await asyncio.sleep(WAITER_SECONDS)

    async def main() -> float:
        tracemalloc.start()
        async with asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(ended(work.job_id)) for work in works]
            await asyncio.sleep(WAITER_SECONDS / 3)
            found = held()
            for wait in waits:
                wait.cancel()
        return found

    try:
        return on_virtual_time(main)
    finally:
        tracemalloc.stop()


def held() -> float:
    """Tell the bytes per job that are held now."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / JOBS
