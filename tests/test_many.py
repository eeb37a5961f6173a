"""Two thousand jobs over real sockets, while everything the server can do wrong is done, again and again."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any, get_args

import pytest

from gespoll import JobRef, JobStatus, ManagementSource, Poller, StateChange, Token
from gespoll._scheduler import Knobs
from gespoll.testing import FakeFile, FakeGES, FaultKind, Faults

pytestmark = pytest.mark.anyio

CLEAN = FakeFile("edgeset", "edge.csv", total_lines=10, failed_lines=0, successful_lines=10)
PARTLY = FakeFile("vertexset", "v.csv", status="partFailed", cause="bad", total_lines=10, failed_lines=2)
LOSSY = FakeFile("edgeset", "edge.csv", total_lines=10, failed_lines=1, successful_lines=9)
BROKEN = FakeFile("schema", "schema.xml", status="failed", cause="no such file")
OUTCOMES: dict[str, tuple[str, list[FakeFile] | None, JobStatus]] = {
    "loaded": ("success", [CLEAN], JobStatus.SUCCESS),
    "no import": ("success", None, JobStatus.SUCCESS),
    "failed": ("failed", [BROKEN], JobStatus.FAILED),
    "partly, by its word": ("partiallyFailed", [CLEAN, PARTLY], JobStatus.PARTIALLY_FAILED),
    "partly, by a file": ("success", [CLEAN, PARTLY], JobStatus.PARTIALLY_FAILED),
    "partly, by a count": ("success", [LOSSY], JobStatus.PARTIALLY_FAILED),
    "failed, by its files": ("success", [BROKEN], JobStatus.FAILED),
    "cancelled": ("cancelled", [], JobStatus.CANCELLED),
}
MIDDLES = [["pending", "running"], ["waiting"], ["running"], [], ["pending", "thawing"]]


def submit(ges: FakeGES, count: int, rng: random.Random) -> dict[JobRef, JobStatus]:
    """Add jobs of every kind; gives how each is to end."""
    expected = {}
    for number in range(count):
        word, files, status = OUTCOMES[rng.choice(list(OUTCOMES))]
        middle = rng.choice(MIDDLES)
        end = rng.uniform(1, 400) if middle else 0.0
        steps = [(end * index / len(middle), step) for index, step in enumerate(middle)]
        kind: dict[str, Any] = {"files": files} if files is not None else {"name": "DeleteGraph", "files": None}
        ref = JobRef(f"job-{number}", f"graph-{number % 7}")
        late = rng.choice([0.0, 0.0, 5.0])
        ges.add_job(ref.job_id, graph=ref.graph or "", steps=[*steps, (end, word)], visible_after=late, **kind)
        expected[ref] = status
    return expected


def most_over(arrivals: list[float], rate: float, window: float) -> float:
    """Tell by how many requests any window exceeds `rate * window + 1`."""
    first = 0
    worst = -1.0
    for last, at in enumerate(arrivals):
        while arrivals[first] < at - window - 1e-9:
            first += 1
        worst = max(worst, last - first + 1 - (rate * window + 1))
    return worst


@pytest.mark.parametrize(
    ("api", "shape", "at_least"),
    [
        pytest.param("v2", {"list_refused": True}, 20, id="without list"),
        pytest.param("v2", {"order": "oldest", "list_lag": 10.0}, 2, id="late list"),
        pytest.param("v1.0", {"order": "random", "page_policy": "refuse"}, 5, id="list in random order"),
    ],
)
async def test_2000_jobs_end_once_and_right_whatever_the_server_does(
    api: Any, shape: dict[str, Any], at_least: int
) -> None:
    """With every kind of fault, many times: right ends, legal orders, budget and concurrency kept."""
    rates: dict[FaultKind, float] = dict.fromkeys(get_args(FaultKind), 0.025)
    faults = Faults(rates, slow_seconds=2.0)
    told: defaultdict[JobRef, list[StateChange]] = defaultdict(list)
    async with FakeGES(seed=4, faults=faults, max_page=100, **shape) as ges:
        ges.add_foreign(500)
        expected = submit(ges, 2000, random.Random(4))
        source = ManagementSource(ges.endpoint, ges.project_id, credentials=Token(ges.token), api=api)
        knobs = Knobs(max_per_second=50.0, max_at_once=8, interval=0.5)
        poller = Poller(source, close_source=True, rng=random.Random(4), **knobs)
        async with poller, poller.watch(expected, on_failure="never") as changes:
            async for change in changes:
                told[change.ref].append(change)
    assert {ref: story[-1].status for ref, story in told.items()} == expected
    for story in told.values():
        assert [change.is_final for change in story] == [False] * (len(story) - 1) + [True]
        assert [change.previous for change in story] == [None, *(change.status for change in story[:-1])]
        ranks = [change.status.rank for change in story if change.status is not None]
        assert ranks == sorted(ranks)
    assert {kind: count for kind in rates if (count := ges.fault_counts[kind]) < at_least} == {}
    assert ges.max_in_flight <= 8
    assert max(most_over(ges.arrivals(), 50.0, window) for window in (0.0, 0.1, 1.0, 10.0)) <= 0
