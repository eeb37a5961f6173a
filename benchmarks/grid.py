"""Every list the documents of GES allow, and the best peer in each.

Rule: nobody is told how the list behaves. The best peer of a cell is the one that is soonest there, by its
mean latency; of peers within 5 % of it, the one with the fewest requests. Peers that read no list meet the
same service in every cell, so they run once a seed, and so does the one cell where the list is refused.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import attrs

from benchmarks import peers, pictures
from benchmarks.api import Pace
from benchmarks.contest import simulate
from benchmarks.figures import Row, Runs, ratio, short
from benchmarks.peers import Contestant
from benchmarks.progress import tell
from benchmarks.service import Behaviour, Order
from benchmarks.workload import burst

JOBS = 300
PER_SECOND = 5.0
INTERVAL = 5.0  # gespoll's default
WORST = 1.1
ABOUT_AS_SOON = 1.05
MAX_PAGES = (10, 100, 1000)
ORDERS: tuple[Order, ...] = ("newest", "oldest", "random")
CROWDS = {
    "none": Behaviour(per_second=PER_SECOND),
    "10k": Behaviour(per_second=PER_SECOND, foreign_before=8000, foreign_among=2000, foreign_per_second=1.0),
}
LIST_PEERS: dict[str, Contestant] = {
    "list loop": peers.list_loop,
    "list loop, stopping early": peers.list_loop_that_stops_early,
}
GET_PEERS: dict[str, Contestant] = {
    "task per job + backoff": peers.task_per_job_with_backoff,
    "task per job + tenacity": peers.task_per_job_with_tenacity,
    "GETs behind a limiter": peers.gets_behind_limiter,
    "30 s waiter": peers.waiter_30_seconds,
}
SETUP = (
    f"Simulated, {JOBS} jobs at once, {PER_SECOND:g} requests/s let through, every list that the documents allow; "
    f"gespoll with `interval={INTERVAL:g}, max_per_second={PER_SECOND:g}`. With foreign 10k the list holds 8,000 "
    "older jobs of others, 2,000 between ours, and one more arrives each second. The best peer of a cell is the one "
    "with the lowest mean latency, and of those within 5 % of it the one with the fewest requests"
)
REFUSED = Behaviour(per_second=PER_SECOND, list_refused=True)


@attrs.frozen
class Cell:
    """One way the list behaves."""

    name: str
    behaviour: Behaviour
    ours: Runs
    peers: dict[str, Runs]

    @property
    def best(self) -> str:
        """The name of the best peer."""
        soonest = min(runs.mean.median for runs in self.peers.values())
        near = {name: runs for name, runs in self.peers.items() if runs.mean.median <= soonest * ABOUT_AS_SOON}
        return min(near, key=lambda name: near[name].requests.median)

    @property
    def ratios(self) -> dict[str, float]:
        """Mean latency, p99 and requests, as parts of the best peer's."""
        best = self.peers[self.best]
        return {
            "mean": ratio(self.ours.mean, best.mean).median,
            "p99": ratio(self.ours.p99, best.p99).median,
            "requests": ratio(self.ours.requests, best.requests).median,
        }

    @property
    def worst(self) -> float:
        """The worst of the ratios."""
        return max(self.ratios.values())

    @property
    def told(self) -> str:
        """The ratios as text."""
        return ", ".join(f"{what} {short(value)}x" for what, value in self.ratios.items())


def behaviours() -> dict[str, Behaviour]:
    """Name every cell where the list may be read."""
    return {
        f"pages of {size}, {order}, foreign {crowd}": attrs.evolve(behaviour, max_page=size, order=order)
        for size, order, (crowd, behaviour) in product(MAX_PAGES, ORDERS, CROWDS.items())
    }


def run(seeds: int, into: Path = pictures.FOLDER) -> list[Row]:
    """Measure on seeds 0, 1, and so on.

    Args:
        seeds: how many.
        into: folder of the picture.
    """
    tell("grid: list refused, and the peers that read no list")
    blind = {name: runs(contestant, REFUSED, seeds) for name, contestant in GET_PEERS.items()}
    cells = [Cell("list refused", REFUSED, runs(peers.gespoll_watch, REFUSED, seeds), blind)]
    for name, behaviour in behaviours().items():
        tell(f"grid: {name}")
        listing = {peer: runs(contestant, behaviour, seeds) for peer, contestant in LIST_PEERS.items()}
        cells.append(Cell(name, behaviour, runs(peers.gespoll_watch, behaviour, seeds), blind | listing))
    pictures.grid({cell.name: cell.ratios for cell in cells}, WORST, into / "grid.svg")
    return rows(cells)


def runs(contestant: Contestant, behaviour: Behaviour, seeds: int) -> Runs:
    """Let one contestant run on every seed."""
    return Runs(
        simulate(contestant, burst(JOBS, seed), behaviour, Pace(PER_SECOND, INTERVAL, seed)) for seed in range(seeds)
    )


def rows(cells: list[Cell]) -> list[Row]:
    """Tell of the worst cell, and of every cell by itself."""
    worst = max(cells, key=lambda cell: cell.worst)
    within = sum(cell.worst <= WORST for cell in cells)
    summary = Row(
        what=f"the worst of {len(cells)} cells of the grid",
        beside=f"the best peer there: {worst.best}",
        reach=f"mean, p99 and requests <= {WORST:g}x",
        measured=f"{worst.told} in: {worst.name}",
        reached=worst.worst <= WORST,
        note=f"{within} of {len(cells)} cells are within it; a refused list is one cell, as nothing else matters then",
    )
    return [summary, *(Row(what=cell.name, beside=cell.best, reach="", measured=cell.told) for cell in cells)]
