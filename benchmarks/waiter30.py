"""How many requests gespoll needs to know as soon as a waiter that looks each 30 s.

Rule: the waiter meets no quota, which is the best it can meet. gespoll gets the longest interval of a ladder
at which neither its mean nor its p99 latency is worse.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import peers, pictures
from benchmarks.api import Pace
from benchmarks.contest import simulate
from benchmarks.figures import Row, Runs, ratio
from benchmarks.peers import Contestant
from benchmarks.progress import tell
from benchmarks.service import Behaviour
from benchmarks.workload import burst

FEWER = {10: 4.0, 100: 12.0, 1000: 12.0}
LADDER = (30.0, 28.0, 26.0, 24.0, 22.0, 20.0, 18.0, 15.0)
PER_SECOND = 10.0  # gespoll's default, written out; the waiter knows no rate
SERVICE = Behaviour(per_second=None, max_page=100)
SETUP = (
    f"Simulated, no limit of the service, pages of {SERVICE.max_page}, newest first; gespoll with "
    f"`max_per_second={PER_SECOND:g}` and the longest `interval` that is no later, out of "
    + ", ".join(f"{interval:g}" for interval in LADDER)
)


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure on seeds 0, 1, and so on; draws no picture."""
    return [row(jobs, seeds) for jobs in FEWER]


def row(jobs: int, seeds: int) -> Row:
    """Measure one number of jobs."""
    tell(f"waiter30: {jobs} jobs")
    waiter = runs(peers.waiter_30_seconds, jobs, peers.WAITER_SECONDS, seeds)
    interval, ours = as_soon_as(waiter, jobs, seeds)
    fewer = ratio(waiter.requests, ours.requests)
    no_worse = is_no_worse(ours, waiter)
    return Row(
        what=f"requests at no worse mean and p99, {jobs} jobs, `interval={interval:g}`",
        beside="30 s waiter",
        reach=f">= {FEWER[jobs]:g}x fewer",
        measured=f"{fewer}x fewer",
        reached=no_worse and fewer.median >= FEWER[jobs],
        note=f"gespoll: {ours}; waiter: {waiter}" + ("" if no_worse else "; gespoll is later at every interval tried"),
    )


def as_soon_as(waiter: Runs, jobs: int, seeds: int) -> tuple[float, Runs]:
    """Find the longest interval at which gespoll is no later than the waiter, else the shortest tried."""
    for interval in LADDER:
        ours = runs(peers.gespoll_watch, jobs, interval, seeds)
        if is_no_worse(ours, waiter):
            break
    return interval, ours


def is_no_worse(ours: Runs, theirs: Runs) -> bool:
    """Compare the medians of mean and p99 latency."""
    return ours.mean.median <= theirs.mean.median and ours.p99.median <= theirs.p99.median


def runs(contestant: Contestant, jobs: int, interval: float, seeds: int) -> Runs:
    """Let one contestant run on every seed."""
    return Runs(
        simulate(contestant, burst(jobs, seed), SERVICE, Pace(PER_SECOND, interval, seed)) for seed in range(seeds)
    )
