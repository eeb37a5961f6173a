"""How long the event loop stands still while a long list is read.

Rule: a task that does nothing but give way measures the longest time until it is its turn again, garbage
collection on. Beside it `json.loads` of the same body stands, in the same process with the same jobs open.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import anyio
import attrs

import gespoll
from benchmarks import pictures, replies
from benchmarks.cpu import PROJECT, TOKEN, ids
from benchmarks.figures import Row, Spread, ratio
from benchmarks.fixed_server import FixedServer, running
from benchmarks.over_http import GRAPH
from benchmarks.progress import tell

JOBS = 100_000
READS = 2
ROUNDS = 5
INTERVAL = 1.0
AT_A_TIME = 256  # changes the consumer takes before it gives way
LONGEST_SECONDS = 120.0
SETUP = (
    f"An engine without paging, whose list holds {JOBS} running jobs in one body, all of them waited for; the list is "
    f"read {READS} times after every job was told of; "
    f"gespoll over `EngineSource` with `interval={INTERVAL:g}`; {ROUNDS} rounds"
)


@attrs.define(eq=False)
class Ticker:
    """Gives way to the loop again and again."""

    longest: float = 0.0
    """Seconds until it was its turn again, at most."""

    async def tick(self) -> None:
        """Go on until cancelled."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    def take(self) -> float:
        """Take the longest so far, and start over."""
        longest, self.longest = self.longest, 0.0
        return longest


@attrs.frozen
class Delays:
    """Longest delays of one round, in milliseconds."""

    first: float
    """While the list was read for the first time, and every job was told of."""
    later: float
    """While it was read again."""
    loads: float
    """Of `json.loads`."""


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure; draws no picture.

    Args:
        seeds: not more rounds than this are run.
        into: not used.
    """
    recorded = replies.engine(ids(JOBS))
    response = max(recorded.values(), key=len)
    body = response.partition(b"\r\n\r\n")[2]
    rounds = []
    with running(recorded) as server:
        for turn in range(min(seeds, ROUNDS)):
            tell(f"loop_delay: round {turn + 1}")
            rounds.append(anyio.run(measured, server, body))
    return rows(rounds, len(body))


def rows(rounds: list[Delays], size: int) -> list[Row]:
    """Put gespoll beside json."""
    later, first = Spread(each.later for each in rounds), Spread(each.first for each in rounds)
    loads = Spread(each.loads for each in rounds)
    less = ratio(loads, later)
    what = f"longest loop delay, list of {JOBS} jobs"
    return [
        Row(
            what=what,
            beside="json.loads",
            reach="<= 10 ms, >= 30x less",
            measured=f"{later} ms, {less}x less",
            reached=later.median <= 10 and less.median >= 30,
            note=f"json.loads: {loads} ms for {size / 1e6:.0f} MB",
        ),
        Row(
            what=f"{what}, the first reading",
            beside="json.loads",
            reach="",
            measured=f"{first} ms, {ratio(loads, first)}x less",
            note="all jobs are told of at once",
        ),
    ]


async def measured(server: FixedServer, body: bytes) -> Delays:
    """Read the list with all jobs open."""
    source = gespoll.EngineSource({GRAPH: server.endpoint}, PROJECT, credentials=gespoll.Token(TOKEN))
    poller = gespoll.Poller(source, close_source=True, interval=INTERVAL)
    ticker = Ticker()
    with anyio.fail_after(LONGEST_SECONDS):
        async with poller, poller.watch(ids(JOBS), graph=GRAPH) as changes, anyio.create_task_group() as tasks:
            tasks.start_soon(ticker.tick)
            for number in range(JOBS):
                await anext(changes)
                if number % AT_A_TIME == 0:
                    await asyncio.sleep(0)
            await reads(server, 1)
            first = ticker.take()
            await reads(server, READS)
            later = ticker.take()
            tasks.cancel_scope.cancel()
            loads = seconds_of_loads(body)
    return Delays(first * 1e3, later * 1e3, loads * 1e3)


async def reads(server: FixedServer, count: int) -> None:
    """Wait until the list was asked for some more times, which is when the reading before has ended."""
    wanted = server.lists + count
    while server.lists < wanted:  # noqa: ASYNC110  # another process counts
        await asyncio.sleep(0.01)


def seconds_of_loads(body: bytes) -> float:
    """Measure how long `json.loads` takes."""
    began_at = time.perf_counter()
    json.loads(body)
    return time.perf_counter() - began_at
