"""How late ends are known when more jobs end in a second than may be asked for.

Rule: beside somebody who knows the ends beforehand, and who is bound by the same rate and the same pages.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import peers, pictures
from benchmarks.api import Pace
from benchmarks.bounds import clairvoyant_gets, clairvoyant_lists
from benchmarks.contest import simulate
from benchmarks.figures import Row, Runs, ratio
from benchmarks.progress import tell
from benchmarks.service import Behaviour
from benchmarks.workload import burst

JOBS = 10_000
PER_SECOND = 50.0
INTERVAL = 1.0
MEDIAN = 60.0  # seconds; more than 100 jobs/s end in the thick of it
SERVICE = Behaviour(per_second=PER_SECOND, max_page=100)
SETUP = (
    f"Simulated, {JOBS} jobs at once of which half have ended after {MEDIAN:g} s, {PER_SECOND:g} requests/s let "
    f"through, pages of {SERVICE.max_page}, newest first; gespoll with "
    f"`interval={INTERVAL:g}, max_per_second={PER_SECOND:g}`"
)


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure on seeds 0, 1, and so on; draws no picture."""
    ours, lists, gets = [], [], []
    for seed in range(seeds):
        tell(f"overload: seed {seed}")
        works = burst(JOBS, seed, MEDIAN)
        ours.append(simulate(peers.gespoll_watch, works, SERVICE, Pace(PER_SECOND, INTERVAL, seed)))
        lists.append(clairvoyant_lists(works, PER_SECOND, SERVICE.max_page, SERVICE.round_trip))
        gets.append(clairvoyant_gets(works, PER_SECOND, SERVICE.round_trip))
    return [row(Runs(ours), Runs(lists), Runs(gets))]


def row(ours: Runs, lists: Runs, gets: Runs) -> Row:
    """Put gespoll beside the bounds."""
    worse = ratio(ours.mean, lists.mean)
    return Row(
        what=f"mean latency in overload, {JOBS} jobs",
        beside="bound: clairvoyant list",
        reach="mean <= 2x",
        measured=f"mean {worse}x",
        reached=worse.median <= 2,
        note=f"gespoll: {ours}; clairvoyant list: {lists}; clairvoyant GETs: {gets}",
    )
