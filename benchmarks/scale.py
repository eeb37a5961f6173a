"""What a look costs when many jobs are open.

Rule: no socket, no list and no pause; the source answers at once with the same record, so that what is left
is the poller itself. Each job has been seen before it is counted.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import anyio
import anyio.lowlevel

import gespoll
from benchmarks import pictures
from benchmarks.figures import Row, Spread, ratio
from benchmarks.progress import tell

FEW, MANY = 1000, 300_000
LOOKS = 30_000
ROUNDS = 3
PER_SECOND = 1e9
SETUP = (
    f"{LOOKS} single looks without sockets, after each job was seen once, with {FEW} and with {MANY} jobs open, in "
    f"turn; gespoll with `interval=0, max_per_second={PER_SECOND:g}`; {ROUNDS} rounds"
)


class Running(gespoll.JobSource):
    """Answers every look with a running job."""

    def __init__(self) -> None:
        self.looks = 0
        self._wanted = math.inf
        self._reached = anyio.Event()

    async def reached(self, looks: int) -> None:
        """Wait until it has been asked so often."""
        self._wanted = looks
        await self._reached.wait()

    async def get(self, ref: gespoll.JobRef, /) -> gespoll.Job:
        """Read a job. May be cancelled."""
        self.looks += 1
        if self.looks >= self._wanted:
            self._reached.set()
        await anyio.lowlevel.checkpoint()
        return gespoll.Job(ref=ref, status=gespoll.JobStatus.RUNNING, reported_status="running")


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure; draws no picture.

    Args:
        seeds: not more rounds than this are run.
        into: not used.
    """
    few, many = [], []
    for turn in range(min(seeds, ROUNDS)):
        tell(f"scale: round {turn + 1}")
        few.append(anyio.run(cost, FEW))
        many.append(anyio.run(cost, MANY))
    growth = ratio(Spread(many), Spread(few))
    return [
        Row(
            what=f"CPU per look, {FEW} to {MANY} open jobs",
            beside="itself",
            reach="growth <= 1.6x",
            measured=f"{growth}x",
            reached=growth.median <= 1.6,
        )
    ]


async def cost(jobs: int) -> float:
    """Measure the processor time of one look, in microseconds."""
    source = Running()
    poller = gespoll.Poller(source, interval=0.0, max_per_second=PER_SECOND)
    ids = (f"{number:032x}" for number in range(jobs))
    async with poller, poller.watch(ids, graph="graph") as changes:
        for _ in range(jobs):
            await anext(changes)
        looks, spent = source.looks, time.process_time()
        await source.reached(looks + LOOKS)
        return (time.process_time() - spent) / (source.looks - looks) * 1e6
