"""How soon ends are known, over HTTP, when 1000 jobs meet a small quota.

Rule: everybody asks the same fake service with the same jobs, and wants each looked at once a second.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import peers, pictures
from benchmarks.api import Pace
from benchmarks.bounds import clairvoyant_gets, clairvoyant_lists
from benchmarks.contest import over_http
from benchmarks.figures import Row, Runs, ratio
from benchmarks.peers import Contestant
from benchmarks.progress import tell
from benchmarks.workload import burst

JOBS = 1000
PER_SECOND = 5.0
MAX_PAGE = 100
INTERVAL = 1.0
WHAT = f"detection latency over HTTP, {JOBS} jobs"
SETUP = (
    f"{JOBS} jobs at once over HTTP, {PER_SECOND:g} requests/s let through, pages of {MAX_PAGE} at most, newest first; "
    f"gespoll with `interval={INTERVAL:g}, max_per_second={PER_SECOND:g}`"
)
CONTESTANTS: dict[str, Contestant] = {
    "gespoll": peers.gespoll_watch,
    "task per job + backoff": peers.task_per_job_with_backoff,
    "task per job + tenacity": peers.task_per_job_with_tenacity,
    "GETs behind a shared limiter": peers.gets_behind_limiter,
    "30-line list loop": peers.list_loop,
    "the list loop, stopping early": peers.list_loop_that_stops_early,
}


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure on seeds 0, 1, and so on.

    Args:
        seeds: how many.
        into: folder of the picture.
    """
    runs = {name: contest(name, contestant, seeds) for name, contestant in CONTESTANTS.items()}
    bounds = bounds_of(seeds)
    pictures.latency_against_requests(runs | bounds, SETUP, into / "detection.svg")
    return [*compared(runs), *(Row(what=WHAT, beside=name, reach="", measured=str(of)) for name, of in bounds.items())]


def contest(name: str, contestant: Contestant, seeds: int) -> Runs:
    """Let one contestant run on every seed."""
    tell(f"detection: {name}")
    return Runs(
        over_http(
            contestant, burst(JOBS, seed), Pace(PER_SECOND, INTERVAL, seed), max_page=MAX_PAGE, max_rate=PER_SECOND
        )
        for seed in range(seeds)
    )


def bounds_of(seeds: int) -> dict[str, Runs]:
    """Tell what is possible at all."""
    works = [burst(JOBS, seed) for seed in range(seeds)]
    return {
        "bound: clairvoyant GETs": Runs(clairvoyant_gets(each, PER_SECOND) for each in works),
        "bound: clairvoyant list": Runs(clairvoyant_lists(each, PER_SECOND, MAX_PAGE) for each in works),
    }


def compared(runs: dict[str, Runs]) -> list[Row]:
    """Put gespoll beside each peer."""
    ours = runs["gespoll"]
    rows = [Row(what=WHAT, beside="", reach="", measured=str(ours), note="gespoll itself")]
    for name, theirs in runs.items():
        if name != "gespoll":
            rows.append(beside(name, ours, theirs))
    return rows


def beside(name: str, ours: Runs, theirs: Runs) -> Row:
    """Put gespoll beside one peer, in the terms of what it is to reach there."""
    reach, reached = "", None
    mean, p99, requests = (
        ratio(ours.mean, theirs.mean),
        ratio(ours.p99, theirs.p99),
        ratio(ours.requests, theirs.requests),
    )
    measured = f"mean {mean}x, p99 {p99}x, requests {requests}x"
    if name == "task per job + backoff":
        reach = "mean and p99 >= 100x lower, no 429, >= 8x fewer requests"
        mean, p99 = ratio(theirs.mean, ours.mean), ratio(theirs.p99, ours.p99)
        fewer, refused = ratio(theirs.requests, ours.requests), max(ours.throttled.values)
        measured = f"mean {mean}x lower, p99 {p99}x lower, {refused:g} times 429, {fewer}x fewer requests"
        reached = min(mean.median, p99.median) >= 100 and not refused and fewer.median >= 8
    elif name == "GETs behind a shared limiter":
        reach, reached = "mean and p99 <= 1/5", max(mean.median, p99.median) <= 1 / 5
    elif name == "30-line list loop":
        reach = "mean and p99 <= 0.7x, at no more requests"
        reached = max(mean.median, p99.median) <= 0.7 and requests.median <= 1
    return Row(what=WHAT, beside=name, reach=reach, measured=measured, reached=reached, note=f"peer: {theirs}")
