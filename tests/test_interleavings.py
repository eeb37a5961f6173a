"""Replies that come late, in any order and in slices, while watches come, go and run out of time."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from gespoll import JobNotFound, JobRef, PermissionDenied, ServiceUnavailable, Throttled, TransportError
from gespoll._scheduler import Get, Ledger, Outcome, Request
from tests.desk import Desk, ends_at

STEPS = 150
FAULTS = [TransportError("reset"), ServiceUnavailable("later", status=503), Throttled("slow down", status=429)]


@attrs.define
class UnderWay:
    """A request that has left: its reply is yet to come, or is being taken in."""

    request: Request
    slices: Iterator[None] | None = None


class Chaos:
    """A desk whose requests are answered when chance will have it."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.ids = [str(number) for number in range(rng.randint(1, 12))]
        stories = {name: ends_at(name, rng.uniform(0, 120), rng.choice(["success", "failed"])) for name in self.ids}
        foreign = {f"f{number}": ends_at(f"f{number}", 0.0) for number in range(rng.choice([0, 5, 40]))}
        self.desk = Desk(stories | foreign, listing=True, interval=1.0, not_found_grace=5.0, outage_timeout=None)
        self.desk.max_page = rng.choice([1, 3, 10, 1000])
        self.desk.ignores_offset = rng.random() < 0.1
        self.desk.list_lag = rng.choice([0.0, 0.0, 20.0])
        self.desk.unlisted = {name for name in self.ids if rng.random() < rng.choice([0.0, 0.2])}
        self.desk.order = rng.choice([list, lambda names: names[::-1], lambda names: rng.sample(names, len(names))])
        self.faults = rng.choice([0.0, 0.1, 0.5])
        self.under_way: list[UnderWay] = []
        self.watches: list[tuple[Ledger, set[str]]] = []
        self.watch(self.ids, None)

    def watch(self, ids: list[str], timeout: float | None) -> None:
        """Open a watch on some jobs."""
        self.watches.append((self.desk.watch(ids, timeout=timeout, on_failure="never"), set(ids)))

    def step(self) -> None:
        """Let one thing happen."""
        desk, rng = self.desk, self.rng
        desk.now += rng.choice([0.0, 0.0, 0.05, rng.uniform(0, 3)])
        desk.scheduler.pass_deadlines(desk.now)
        match rng.randrange(20):
            case 0 if len(self.watches) < 4:
                self.watch(rng.sample(self.ids, rng.randint(1, len(self.ids))), rng.choice([None, 0.0, 20.0]))
            case 1:
                self.discard()
            case 2 if len(self.watches) > 1:
                desk.scheduler.leave(self.watches.pop()[0])
                self.withdraw()
            case number if number < 11:
                request = desk.scheduler.next_request(desk.now)
                self.under_way += [UnderWay(request)] if request is not None and len(self.under_way) < 6 else []
                if request is not None and self.under_way[-1].request is not request:
                    desk.scheduler.abandon(request, desk.now)
            case _ if self.under_way:
                self.go_on(rng.choice(self.under_way))

    def discard(self) -> None:
        """Let a watch forget one of its jobs."""
        ledger, handed = self.rng.choice(self.watches)
        name = self.rng.choice(self.ids)
        if name in {ref.job_id for ref in ledger.pending()}:
            self.desk.scheduler.discard(ledger, ("", name), self.desk.now)
            handed.discard(name)
            self.withdraw()

    def withdraw(self) -> None:
        """Give up the requests that nobody wants any more; a reply that has come is taken in all the same."""
        scheduler = self.desk.scheduler
        for sent in [sent for sent in self.under_way if sent.slices is None and not scheduler.is_wanted(sent.request)]:
            self.under_way.remove(sent)
            scheduler.abandon(sent.request, self.desk.now)

    def go_on(self, sent: UnderWay) -> None:
        """Let a reply come in, or its next slice be taken in."""
        if sent.slices is None:
            sent.slices = self.desk.scheduler.taking_in(sent.request, self.told(sent.request), self.desk.now)
        if next(sent.slices, self) is self:
            self.under_way.remove(sent)

    def told(self, request: Request) -> Outcome:
        """Tell what the server says, or what goes wrong."""
        if self.rng.random() >= self.faults:
            return self.desk.tell(request)
        if isinstance(request, Get):
            return self.rng.choice([*FAULTS, JobNotFound(JobRef(request.job_id, request.graph))])
        return self.rng.choice([*FAULTS, PermissionDenied("no", status=403)])

    def calm_down(self) -> None:
        """Let everything under way come in, nothing go wrong any more, and time pass."""
        self.faults = 0.0
        while self.under_way:
            self.go_on(self.under_way[0])
        self.desk.run(until=self.desk.now + 3000)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_every_job_ends_once_whatever_happened_and_nothing_is_kept(seed: int) -> None:
    """No job is forgotten or ends twice; in the end no plan, deadline or reading is left."""
    chaos = Chaos(seed)
    for _ in range(STEPS):
        chaos.step()
    chaos.calm_down()
    for ledger, handed in chaos.watches:
        ends = Counter(change.ref.job_id for change in ledger.changes if change.is_final)
        assert set(ends.values()) <= {1}
        assert handed <= set(ends)
        assert not ledger.open_count
        chaos.desk.scheduler.leave(ledger)
    scheduler = chaos.desk.scheduler
    assert [scope.kept for scope in scheduler._scopes.values() if scope.kept] == []
    assert (len(scheduler._expiring), len(scheduler._latest)) == (0, 0)
    assert scheduler.next_deadline() == math.inf
