"""Runs one contestant on one workload, on virtual time.

Rule: every contestant gets a service of its own, fresh and from the same seed; a run that does not end is
an error.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import anyio

from benchmarks.api import Pace, Sightings
from benchmarks.figures import Run
from benchmarks.over_http import serving
from benchmarks.peers import Contestant
from benchmarks.service import Behaviour, SimulatedService
from benchmarks.simulated import SimulatedApi
from benchmarks.workload import Work
from gespoll.testing import virtual_time

LONGEST_RUN = 24 * 3600.0
ROUNDING = 1e-6

Result = TypeVar("Result")


def on_virtual_time(main: Callable[[], Awaitable[Result]]) -> Result:
    """Run a program on an event loop whose waits cost nothing."""
    return anyio.run(main, backend_options={"loop_factory": virtual_time})


def simulate(contestant: Contestant, works: Sequence[Work], behaviour: Behaviour, pace: Pace) -> Run:
    """Let a contestant wait for jobs of a simulated service."""

    async def main() -> Run:
        service = SimulatedService(works, behaviour, pace.seed)
        latencies = await waited(contestant, SimulatedApi(service), works, pace)
        return Run.of(latencies, service.requests, service.throttled)

    return on_virtual_time(main)


def over_http(contestant: Contestant, works: Sequence[Work], pace: Pace, **options: Any) -> Run:
    """Let a contestant wait for jobs of a fake service over HTTP.

    Args:
        contestant: who waits.
        works: the jobs.
        pace: how fast it may be.
        options: keyword arguments of `FakeGES`.
    """

    async def main() -> Run:
        async with serving(works, seed=pace.seed, **options) as (ges, api):
            latencies = await waited(contestant, api, works, pace)
            return Run.of(latencies, len(ges.requests), sum(request.status == 429 for request in ges.requests))

    return on_virtual_time(main)


async def waited(contestant: Contestant, api: Any, works: Sequence[Work], pace: Pace) -> list[float]:
    """Let a contestant wait; gives the latency of each job in seconds."""
    random.seed(pace.seed)  # backoff and tenacity draw their jitter from the module
    sightings = Sightings({work.job_id for work in works})
    began_at = anyio.current_time()
    with anyio.fail_after(LONGEST_RUN):
        await contestant(api, sightings, pace)
    latencies = [sightings.seen_at[work.job_id] - began_at - work.ends_at for work in works]
    if min(latencies) < -ROUNDING:
        raise AssertionError("an end was known before it came")
    return latencies
