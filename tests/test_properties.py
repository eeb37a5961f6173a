"""What holds for every history, every server and every order of things."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gespoll import JobRef, ManagementSource, Poller, StateChange, Token
from gespoll._scheduler import Ledger, Request
from gespoll.testing import FakeGES, virtual_time
from tests.desk import Desk, ends_at
from tests.strategies import History, servers, workloads

RATE = 20.0
AT_ONCE = 4


@attrs.define
class Run:
    """What came of waiting for a workload."""

    changes: list[StateChange] = attrs.field(factory=list)
    arrivals: list[float] = attrs.field(factory=list)
    holds: list[tuple[float, float]] = attrs.field(factory=list)
    """When a Retry-After was answered, and until when it holds."""
    at_once: int = 0
    left_over: Any = None
    took: float = 0.0


async def wait_for(workload: list[History], server: dict[str, Any], watches: int) -> Run:
    """Wait for a workload in some watches at once; everything one of them sees is kept."""
    run = Run()
    async with FakeGES(**server) as ges:
        ges.add_jobs([history.job for history in workload])
        ges.add_foreign(15)
        source = ManagementSource(ges.endpoint, ges.project_id, credentials=Token(ges.token))
        poller = Poller(
            source, close_source=True, rng=random.Random(0), interval=2.0, max_per_second=RATE, max_at_once=AT_ONCE
        )

        async def watch(keep: list[StateChange]) -> None:
            async with poller.watch([history.ref for history in workload], on_failure="never") as changes:
                keep += [change async for change in changes]

        async with poller:
            async with anyio.create_task_group() as tasks:
                for number in range(watches):
                    tasks.start_soon(watch, [] if number else run.changes)
            run.left_over = left_over(poller)
            run.took = anyio.current_time()
        run.arrivals = ges.arrivals()
        told = [request.at for request in ges.requests if request.fault == "throttle_retry_after"]
        run.holds = [(at, at + ges.faults.retry_after) for at in told]
        run.at_once = ges.max_in_flight
    return run


def left_over(poller: Poller) -> dict[str, int]:
    """Count what a poller still keeps."""
    loop: Any = poller._loop
    scheduler = loop._scheduler
    kept = {"requests": loop._under_way, "watches": loop._ledgers, "deadlines": scheduler._deadlines}
    for scope in scheduler._scopes.values():
        kept |= {"jobs": range(scope.kept), "scan": scope.listing.scan or ()}
    return {name: len(things) for name, things in kept.items() if things}


def on_virtual_time(program: Callable[[], Awaitable[Run]]) -> Run:
    """Run a program on a clock that jumps."""
    return anyio.run(program, backend_options={"loop_factory": virtual_time})


@settings(max_examples=60)
@given(workload=workloads(), server=servers(), watches=st.integers(1, 3))
def test_every_wait_tells_the_truth_once_within_its_budget(
    workload: list[History], server: dict[str, Any], watches: int
) -> None:
    """One final change a job, the right one, never backwards; budget and concurrency kept; nothing left."""
    run = on_virtual_time(lambda: wait_for(workload, server, watches))
    finals = {change.ref: change.status for change in run.changes if change.is_final}
    assert Counter(change.ref for change in run.changes if change.is_final) == Counter(finals.keys())
    assert finals == {history.ref: history.end for history in workload}
    for history in workload:
        told = [change for change in run.changes if change.ref == history.ref]
        ranks = [change.status.rank for change in told if change.status is not None]
        assert ranks == sorted(ranks)
        assert told[-1].is_final
    assert len({change.id for change in run.changes}) == len(run.changes)
    assert run.at_once <= AT_ONCE
    for earlier, later in zip(run.arrivals, run.arrivals[10:], strict=False):
        assert later - earlier >= 10 / RATE - 1e-6
    for start, end in run.holds:
        assert not [at for at in run.arrivals if start + 1e-6 < at < end - 1e-6]
    assert run.left_over == {}
    assert run.took <= max(history.ends_at for history in workload) + 150  # five requests in a row may stall


@settings(max_examples=15)
@given(workload=workloads(), server=servers())
def test_the_same_history_gives_the_same_events(workload: list[History], server: dict[str, Any]) -> None:
    """With seeded jitter, two runs in virtual time tell the same at the same moments."""
    first = on_virtual_time(lambda: wait_for(workload, server, 1))
    second = on_virtual_time(lambda: wait_for(workload, server, 1))
    strip = [[(change.ref, change.status, change.observed_at) for change in run.changes] for run in (first, second)]
    assert strip[0] == strip[1]
    assert first.arrivals == second.arrivals


def open_ids(ledger: Ledger) -> set[str]:
    """Name the jobs that a watch still waits for."""
    return {record.ref.job_id for record in ledger.open_records()}


class Watching(RuleBasedStateMachine):
    """Add, discard, close, leave and let time pass, in any order, on two watches."""

    def __init__(self) -> None:
        super().__init__()
        ids = [str(number) for number in range(8)]
        stories = {job_id: ends_at(job_id, 12.0 * int(job_id)) for job_id in ids[:6]}
        self.desk = Desk(stories, listing=True, interval=2.0, not_found_grace=10.0)
        self.ledgers = [Ledger(on_failure="never", timeout=timeout) for timeout in (None, 40.0)]
        self.wanted: list[set[str]] = [set(), set()]
        self.dropped: list[set[str]] = [set(), set()]
        self.left = [False, False]
        self.under_way: list[Request] = []
        for ledger in self.ledgers:
            self.desk.scheduler.open(ledger, 0.0)

    watches = st.integers(0, 1)
    jobs = st.sampled_from([str(number) for number in range(8)])

    @rule(watch=watches, job_id=jobs, graph=st.sampled_from(["g", None]))
    def add(self, watch: int, job_id: str, graph: str | None) -> None:
        """Hand a job in."""
        ledger = self.ledgers[watch]
        if not self.left[watch] and ledger.takes_input:
            self.desk.scheduler.join(ledger, [JobRef(job_id, graph)], self.desk.now)
            self.wanted[watch].add(job_id)
            self.dropped[watch].discard(job_id)

    @rule(watch=watches, job_id=jobs)
    def discard(self, watch: int, job_id: str) -> None:
        """Wait for a job no longer."""
        ledger = self.ledgers[watch]
        if not self.left[watch] and job_id in open_ids(ledger):
            self.desk.scheduler.discard(ledger, ("", job_id), self.desk.now)
            self.dropped[watch].add(job_id)

    @rule(watch=watches)
    def close_input(self, watch: int) -> None:
        """Say that no more jobs come."""
        self.ledgers[watch].close_input()

    @precondition(lambda self: not all(self.left))
    @rule(watch=watches)
    def leave(self, watch: int) -> None:
        """Leave a watch, whatever it still has."""
        if not self.left[watch]:
            self.left[watch] = True
            self.desk.scheduler.leave(self.ledgers[watch])

    @rule(seconds=st.floats(0.0, 20.0))
    def let_time_pass(self, seconds: float) -> None:
        """Serve what is due, in order."""
        for request in self.under_way:
            self.desk.answer(request)
        self.under_way.clear()
        self.desk.run(until=self.desk.now + seconds)

    @rule()
    def send(self) -> None:
        """Send one request that is answered only later."""
        request = self.desk.scheduler.next_request(self.desk.now)
        self.under_way += [request] if request is not None else []

    @invariant()
    def each_job_ends_once_and_is_forgotten_when_discarded(self) -> None:
        """No second end, and no word of what was discarded after it was."""
        for watch, ledger in enumerate(self.ledgers):
            ends = Counter(change.ref.job_id for change in ledger.changes if change.is_final)
            readded = self.wanted[watch] - self.dropped[watch]
            assert all(count == 1 for job_id, count in ends.items() if job_id in readded)
            assert not open_ids(ledger) & self.dropped[watch]
            assert len(open_ids(ledger)) == ledger.open_count or self.left[watch]
            assert self.left[watch] or open_ids(ledger) | set(ends) >= readded

    @invariant()
    def nothing_is_kept_for_nobody(self) -> None:
        """Every record has a watcher that still has it open."""
        for scope in self.desk.scheduler._scopes.values():
            for record in scope.records.values():
                assert record.waiting()
                assert all(record.ref.job_id in open_ids(ledger) for ledger, _ in record.waiting())

    def teardown(self) -> None:
        """In the end everything ends, and nothing is kept."""
        for ledger in self.ledgers:
            ledger.close_input()
        self.let_time_pass(0.0)
        self.desk.run()
        for watch, ledger in enumerate(self.ledgers):
            assert self.left[watch] or not ledger.open_count
            self.desk.scheduler.leave(ledger)
        assert not self.desk.scheduler._deadlines
        assert not [scope for scope in self.desk.scheduler._scopes.values() if scope.kept]


TestWatching = Watching.TestCase
TestWatching.settings = settings(max_examples=60, stateful_step_count=25)
