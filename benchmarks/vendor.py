"""The vendor's own SDK beside gespoll, in real time.

Rule: only where `huaweicloudsdkges` is installed. Its client blocks, so each job gets a thread, virtual time
is out of reach, and jobs are few and short; nothing else here is to be concluded from it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import peers, pictures
from benchmarks.api import Pace, Sightings
from benchmarks.figures import Row, Run, Runs, ratio
from benchmarks.over_http import GRAPH, HttpApi, serving
from benchmarks.peers import MORE, is_open
from benchmarks.progress import tell
from benchmarks.workload import Work, burst
from gespoll.testing import FakeGES

JOBS = 20
MEDIAN = 2.0
PER_SECOND = 10.0
INTERVAL = 1.0
SEEDS = 3
BESIDE = "vendor SDK, a thread per job"
SETUP = (
    f"Vendor SDK: real time over HTTP, {JOBS} jobs at once of which half have ended after {MEDIAN:g} s, no limit of "
    f"the service; gespoll with `interval={INTERVAL:g}, max_per_second={PER_SECOND:g}`; {SEEDS} seeds"
)

Waiting = Callable[[FakeGES, HttpApi, Sightings, Pace], Awaitable[None]]


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure on seeds 0, 1 and 2; draws no picture.

    Args:
        seeds: not more seeds than this are run.
        into: not used.
    """
    what = f"detection in real time, {JOBS} jobs"
    if find_spec("huaweicloudsdkges") is None:
        note = "not run: `huaweicloudsdkges` is not installed"
        return [Row(what=what, beside=BESIDE, reach="", measured="", note=note)]
    ours, theirs = [], []
    for seed in range(min(seeds, SEEDS)):
        tell(f"vendor: seed {seed}")
        works, pace = burst(JOBS, seed, MEDIAN), Pace(PER_SECOND, INTERVAL, seed)
        ours.append(asyncio.run(contest(gespoll_waits, works, pace)))
        theirs.append(asyncio.run(contest(sdk_waits, works, pace)))
    return [row(what, Runs(ours), Runs(theirs))]


def row(what: str, ours: Runs, theirs: Runs) -> Row:
    """Put gespoll beside the SDK."""
    note = f"gespoll: {ours}; SDK: {theirs}; real time, few jobs, as its client blocks"
    measured = f"mean {ratio(ours.mean, theirs.mean)}x, requests {ratio(ours.requests, theirs.requests)}x"
    return Row(what=what, beside=BESIDE, reach="", measured=measured, note=note)


async def contest(waiting: Waiting, works: Sequence[Work], pace: Pace) -> Run:
    """Let one of the two wait."""
    async with serving(works, seed=pace.seed) as (ges, api):
        sightings = Sightings({work.job_id for work in works})
        began_at = asyncio.get_running_loop().time()
        await waiting(ges, api, sightings, pace)
        latencies = [sightings.seen_at[work.job_id] - began_at - work.ends_at for work in works]
        return Run.of(latencies, len(ges.requests), sum(request.status == 429 for request in ges.requests))


async def gespoll_waits(ges: FakeGES, api: HttpApi, sightings: Sightings, pace: Pace) -> None:
    """Let gespoll wait."""
    await peers.gespoll_watch(api, sightings, pace)


async def sdk_waits(ges: FakeGES, api: HttpApi, sightings: Sightings, pace: Pace) -> None:
    """Let the SDK wait, with a thread for each job.

    Settings: one client for all, the same pause as the other peers; as the service limits nothing, no retries.
    """
    client, loop = client_of(ges), asyncio.get_running_loop()

    async def one(job_id: str) -> None:
        sightings.saw(job_id, await loop.run_in_executor(threads, ended, client, ges.token, job_id, pace.interval))

    with ThreadPoolExecutor(JOBS) as threads:
        await asyncio.gather(*(one(job_id) for job_id in sorted(sightings.open)))


def client_of(ges: FakeGES) -> Any:
    """Make a client of the SDK, which signs with dummy keys."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkges.v2 import GesClient

    keys = BasicCredentials("dummy-ak", "dummy-sk", ges.project_id)
    return GesClient.new_builder().with_credentials(keys).with_endpoint(ges.endpoint).build()


def ended(client: Any, token: str, job_id: str, interval: float) -> str:
    """Look at a job until it has ended; blocks its thread."""
    from huaweicloudsdkges.v2 import ShowJob2Request

    request = ShowJob2Request(graph_id=GRAPH, job_id=job_id)
    while is_open(word := client.show_job2_invoker(request).add_header("X-Auth-Token", token).invoke().status):
        time.sleep(interval * (1 + MORE / 2))
    return str(word)
