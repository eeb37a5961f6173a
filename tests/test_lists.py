"""However a list behaves, every end is seen once, in time, and within the budget: simulated, and over sockets."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product
from typing import Any

import anyio
import attrs
import pytest

from benchmarks.service import Behaviour, SimulatedService
from benchmarks.simulated import SimulatedSource
from benchmarks.workload import Work
from gespoll import ManagementSource, Poller, StateChange, Token
from gespoll.testing import FakeGES, FakeJob
from tests.test_many import most_over

pytestmark = pytest.mark.anyio
RATE = 10.0
INTERVAL = 2.0
DONE = [(0.0, "success")]


@attrs.frozen(kw_only=True)
class Case:
    """One way a list behaves, and how late an end may be seen with it."""

    name: str
    within: float
    """Seconds from an end to its being seen, at most."""
    jobs: int = 60
    requests: int | None = None
    """Requests at most, where the list is to save any."""
    simulated: dict[str, Any] = attrs.field(factory=dict)
    served: dict[str, Any] = attrs.field(factory=dict)
    foreign: int = 0
    """Other people's jobs that had ended before."""
    comes_and_goes: bool = False
    """Whether other people's jobs come and go meanwhile."""
    freezes: bool = False


def shapes() -> Iterable[Case]:
    """Name every order with every page, cut and refused."""
    for order, page, refuses in product(["newest", "oldest", "id", "random"], [10, 100, 1000], [False, True]):
        yield Case(
            name=f"{order}, pages of {page} {'refused' if refuses else 'cut'}",
            within=40.0 if order == "random" and page < 60 else 6.0,
            requests=None if page < 60 else 120,
            simulated={"order": order, "max_page": page, "refuses_larger": refuses},
            served={"order": order, "max_page": page, "page_policy": "refuse" if refuses else "cut"},
        )


COMING_AND_GOING = {"foreign_per_second": 5.0, "foreign_leaving_per_second": 5.0}
CASES = [
    *shapes(),
    Case(name="lag", within=20.0, simulated={"list_lag": 10.0}, served={"list_lag": 10.0}),
    Case(name="frozen", within=150.0, simulated={"list_lag": 1e6}, freezes=True),
    Case(name="list refused", within=10.0, simulated={"list_refused": True}, served={"list_refused": True}),
    Case(name="count missing", within=6.0, simulated={"tells_total": False}, served={"list_count": False}),
    Case(
        name="count missing, pages of 10",
        within=12.0,
        simulated={"tells_total": False, "max_page": 10},
        served={"list_count": False, "max_page": 10},
    ),
    Case(
        name="offset ignored",
        within=10.0,
        simulated={"ignores_offset": True, "max_page": 10},
        served={"list_ignores_offset": True, "max_page": 10},
    ),
    *(
        Case(
            name=f"10,000 foreign jobs that come and go, {order}",
            within=25.0,
            simulated={"order": order, "foreign_before": 10_000, **COMING_AND_GOING},
            served={"order": order},
            foreign=10_000,
            comes_and_goes=True,
        )
        for order in ("newest", "oldest", "id")
    ),
    *(
        Case(
            name=f"a history of 100,000 jobs, {order}",
            jobs=50,
            within=15.0,
            requests=None if order == "id" else 120,
            simulated={"order": order, "foreign_before": 100_000},
            served={"order": order},
            foreign=100_000,
        )
        for order in ("newest", "oldest", "id")
    ),
]


def drawn(case: Case) -> list[Work]:
    """Draw the jobs of a case: submitted within a few seconds, and ending within a minute."""
    chance = random.Random(case.name)
    return [
        Work(f"{chance.getrandbits(64):016x}", begins_at=-5.0 + number * 0.08, ends_at=chance.uniform(5.0, 60.0))
        for number in range(case.jobs)
    ]


async def changes_of(poller: Poller, works: list[Work]) -> list[StateChange]:
    """Watch jobs to their ends."""
    ids = [work.job_id for work in works]
    with anyio.fail_after(3600):
        async with poller, poller.watch(ids, graph="movies", on_failure="never") as changes:
            return [change async for change in changes]


def knobs() -> dict[str, Any]:
    """Give what every case runs with."""
    return {"rng": random.Random(0), "interval": INTERVAL, "max_per_second": RATE}


def check(case: Case, works: list[Work], changes: list[StateChange], started_at: float, requests: int) -> None:
    """Hold a run against what its case allows."""
    ends = [change for change in changes if change.is_final]
    assert [change.error for change in ends] == [None] * len(works)
    seen_at = {change.ref.job_id: change.observed_at - started_at for change in ends}
    assert seen_at.keys() == {work.job_id for work in works}
    late = [seen_at[work.job_id] - work.ends_at for work in works]
    assert min(late) >= -0.01
    assert max(late) <= case.within
    assert case.requests is None or requests <= case.requests


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_simulated(case: Case) -> None:
    """The real scheduler and poller, a simulated service."""
    works = drawn(case)
    service = SimulatedService(works, Behaviour(**{"max_page": 1000, **case.simulated}))
    changes = await changes_of(Poller(SimulatedSource(service), **knobs()), works)
    check(case, works, changes, 0.0, service.requests)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_over_sockets(case: Case) -> None:
    """The real client, and a server that speaks HTTP."""
    works = drawn(case)
    async with FakeGES(**case.served) as ges:
        ges.add_jobs(
            FakeJob(f"old-{age}", steps=DONE, age=age + 10.0, files=None) for age in range(case.foreign, 0, -1)
        )
        ges.add_jobs(FakeJob(f"leaving-{number}", vanishes_after=number * 0.2, age=9.0) for number in coming(case))
        ges.add_jobs(map(served, works))
        ges.add_jobs(FakeJob(f"coming-{number}", visible_after=number * 0.2) for number in coming(case))
        if case.freezes:
            ges.freeze_list()
        source = ManagementSource(ges.endpoint, ges.project_id, credentials=Token(ges.token))
        changes = await changes_of(Poller(source, close_source=True, **knobs()), works)
        check(case, works, changes, 0.0, len(ges.requests))
        assert most_over(ges.arrivals(), RATE, 1.0) <= 0


def coming(case: Case) -> range:
    """Number the jobs of others that come, and those that go."""
    return range(300 if case.comes_and_goes else 0)


def served(work: Work) -> FakeJob:
    """Make a job that began before the server did, and needs no confirmation of its end."""
    steps = [(0, "running"), (work.ends_at - work.begins_at, "success")]
    return FakeJob(work.job_id, graph="movies", name="StartGraph", steps=steps, files=None, age=-work.begins_at)
