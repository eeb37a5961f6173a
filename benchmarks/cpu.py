"""What a look at a job costs the processor.

Rule: the server is another process, only the client's own processor time counts, and what is compared
takes turns in shuffled order, so that a slow moment of the machine hits all alike.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import anyio
import attrs
from yarl import URL

import gespoll
from benchmarks import pictures, replies
from benchmarks.figures import Row, Spread, ratio, short
from benchmarks.fixed_server import FixedServer, running
from benchmarks.over_http import GRAPH
from benchmarks.progress import tell
from gespoll.testing import FakeGES

JOBS = 32
PAGE = 1000
AT_ONCE = 10  # gespoll's default
WARM_UP = 0.15
SECONDS = 0.35
ROUNDS_PER_SEED = 2
PER_SECOND = 1e6
SETUP = (
    f"Processor time of the client for a look at a running import, {AT_ONCE} requests at once, replies of FakeGES sent "
    f"by another process; gespoll over `ManagementSource` with `interval=0, max_per_second={PER_SECOND:g}`; "
    f"{ROUNDS_PER_SEED} rounds a seed in shuffled order"
)
PROJECT = FakeGES().project_id
TOKEN = FakeGES().token
HEADERS = {
    "X-Auth-Token": TOKEN,
    "X-Language": "en-us",
    "Accept": "application/json",
    "Content-Type": "application/json",
}

Load = Callable[[FixedServer], Coroutine[Any, Any, None]]


@attrs.frozen
class Contender:
    """Something that looks at jobs for as long as it is let."""

    load: Load
    server: FixedServer
    per_list: int = 0
    """Jobs that one list shows."""

    def looks(self) -> int:
        """How many looks at a job it has had."""
        return self.server.gets + self.server.lists * self.per_list


def ids(count: int) -> list[str]:
    """Name jobs."""
    return [f"{number:032x}" for number in range(count)]


def urls(server: FixedServer) -> list[str]:
    """Tell where the status of each job is asked for."""
    return [f"{server.endpoint}/v2/{PROJECT}/graphs/{GRAPH}/jobs/{each}/status" for each in ids(JOBS)]


async def bare(server: FixedServer) -> None:
    """Use aiohttp and json as they come: a session, a URL as text, `json.loads`."""
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        await endlessly(session, urls(server))


async def tuned(server: FixedServer) -> None:
    """Use aiohttp and json with what makes them faster: no total timeout, one `URL` object a job."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as session:
        await endlessly(session, [URL(url, encoded=True) for url in urls(server)])


async def endlessly(session: aiohttp.ClientSession, places: list[str] | list[URL]) -> None:
    """Look at jobs in turn, in as many tasks as gespoll has requests at once."""

    async def look(first: int) -> None:
        at = first
        while True:
            async with session.get(places[at % len(places)]) as response:
                record = json.loads(await response.read())
            assert record["status"] == "running"
            at += AT_ONCE

    await asyncio.gather(*(look(first) for first in range(AT_ONCE)))


def shipped(jobs: int) -> Load:
    """Make a load of gespoll, which waits for some jobs."""

    async def load(server: FixedServer) -> None:
        poller = gespoll.connect(
            server.endpoint, PROJECT, credentials=gespoll.Token(TOKEN), interval=0.0, max_per_second=PER_SECOND
        )
        async with poller, poller.watch(ids(jobs), graph=GRAPH) as changes:
            async for change in changes:
                assert not change.is_final

    return load


async def cost(contender: Contender) -> float:
    """Measure the processor time of one look, in microseconds."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(contender.load, contender.server)
        await anyio.sleep(WARM_UP)
        looks, spent = contender.looks(), time.process_time()
        await anyio.sleep(SECONDS)
        spent, looks = time.process_time() - spent, contender.looks() - looks
        tasks.cancel_scope.cancel()
    return spent / looks * 1e6


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure; draws no picture.

    Args:
        seeds: twice as many rounds are run.
        into: not used.
    """
    listed = replies.management(ids(PAGE))
    with running(replies.management(ids(JOBS), list_refused=True)) as single, running(listed) as pages:
        contenders = {
            "bare": Contender(bare, single),
            "tuned": Contender(tuned, single),
            "shipped": Contender(shipped(JOBS), single),
            "page": Contender(shipped(PAGE), pages, per_list=PAGE),
        }
        return rows(measured(contenders, seeds * ROUNDS_PER_SEED))


def measured(contenders: dict[str, Contender], rounds: int) -> dict[str, Spread]:
    """Let the contenders take turns; gives microseconds a look."""
    chance, costs = Random(0), {name: list[float]() for name in contenders}
    for turn in range(rounds):
        tell(f"cpu: round {turn + 1} of {rounds}")
        for name in chance.sample(sorted(contenders), len(contenders)):
            costs[name].append(anyio.run(cost, contenders[name]))
    return {name: Spread(values) for name, values in costs.items()}


def rows(costs: dict[str, Spread]) -> list[Row]:
    """Put gespoll beside aiohttp."""
    plain = ratio(costs["shipped"], costs["bare"])
    listed = ratio(costs["bare"], costs["page"])
    own = ratio(costs["shipped"], costs["page"])
    return [
        Row(
            what="CPU per single look, as shipped",
            beside="bare aiohttp + json",
            reach="<= 0.9x",
            measured=f"{plain}x",
            reached=plain.median <= 0.9,
        ),
        Row(
            what="CPU per single look, as shipped",
            beside="the same with ClientTimeout(total=None) and cached URLs",
            reach="",
            measured=f"{ratio(costs['shipped'], costs['tuned'])}x",
        ),
        Row(
            what=f"CPU per observed job, pages of {PAGE}",
            beside="one GET of bare aiohttp + json",
            reach="<= 1/75",
            measured=f"1/{listed.median:.0f} (1/{short(min(listed.values))}-1/{short(max(listed.values))})",
            reached=listed.median >= 75,
            note=f"1/{own.median:.0f} of one GET of gespoll",
        ),
    ]
