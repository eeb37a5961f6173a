"""Draw a world from a seed: every kind of lie, few jobs, times of minutes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, TypeVar

from .channels import HONEST, Manner, Phase, Trouble, Voice
from .plan import Case, Kill, Knobs, Listing, Plane, Wait, World
from .themes import themed
from .truth import Stage, Truth

_Item = TypeVar("_Item")
_PLANES = {Plane.MANAGEMENT: 5, Plane.DATABASE: 2, Plane.MEMORY: 2, Plane.QUERY_ONLY: 2}
_ENDS = {Stage.SUCCESS: 10, Stage.PARTIAL: 5, Stage.FAILED: 3, Stage.CANCELLED: 2, Stage.HALTED: 1}
_QUERY_LIES = {
    Manner.DENY: 5,
    Manner.FROZEN: 5,
    Manner.LAG: 3,
    Manner.FAIL: 4,
    Manner.BLANK: 2,
    Manner.HANG: 1,
    Manner.GONE: 2,
}
_LIST_LIES = {Manner.DENY: 5, Manner.FROZEN: 4, Manner.LAG: 3, Manner.BLANK: 3}
_TROUBLES: list[Trouble] = ["503", "503", "reset", "garbled", "429", "403", "400"]
_PASSING: list[Trouble] = ["503", "503", "reset", "garbled", "429"]
_LIES_UNTIL = 150.0
_THEMED = 0.4
"""Share of the worlds in which all jobs meet the same lie."""


def draw(seed: int, plane: Plane | None = None) -> World:
    """Return the world of a seed."""
    return _Drawing(random.Random(seed)).world(seed, plane)


class _Drawing:
    """Chance, and what it makes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lies = rng.choice([0.05, 0.3, 0.7])

    def world(self, seed: int, plane: Plane | None) -> World:
        """Draw all of it."""
        rng = self._rng
        drawn = self._weighted(_PLANES)
        plane = plane or drawn
        count = rng.choice([1, 1, 1, 2, 2, 3, 4, 5, 7, 10, 15, 25])
        cases = tuple(self._case(number, plane) for number in range(count))
        hangs = self._maybe(0.12, 0.02, 0.0)
        knobs = self._knobs()
        world = World(
            cases=cases,
            waits=self._waits(cases, plane, min(max(900.0, 250 * knobs.interval), 3000.0)),
            plane=plane,
            listing=self._listing(),
            queries=self._queries(),
            kills=self._kills(),
            knobs=knobs,
            latency=rng.choice([0.05, 0.3, 0.3, 1.0]),
            jitter=rng.choice([0.0, 0.0, 0.5, 3.0]),
            hung=hangs,
            throttled=self._maybe(0.12, rng.randint(1, 3), 0),
            retry_after=rng.choice([None, 5.0, 30.0]),
            seed=seed,
        )
        return themed(world, rng) if rng.random() < _THEMED else world

    def _maybe(self, chance: float, value: _Item, otherwise: _Item) -> _Item:
        return value if self._rng.random() < chance else otherwise

    def _weighted(self, weights: dict[_Item, int]) -> _Item:
        return self._rng.choices(list(weights), list(weights.values()))[0]

    def _time(self, until: float) -> float:
        return round(self._rng.uniform(0.0, until), 1)

    def _case(self, number: int, plane: Plane) -> Case:
        truth = self._truth(number, plane)
        return Case(truth, self._query_voice(plane, truth), self._list_voice(plane))

    def _truth(self, number: int, plane: Plane) -> Truth:
        rng = self._rng
        ends_at = rng.choices([0.0, self._time(120.0), math.inf], [3, 20, 1])[0]
        gone = ends_at + self._time(60.0) if ends_at < math.inf else self._time(120.0)
        appears = rng.choices([0.0, self._time(40.0), math.inf], [20, 3, 2])[0]
        return Truth(
            job_id=f"job-{number}",
            graph=f"g{rng.randrange(3)}" if plane.is_engine else "g0",
            is_import=rng.random() < 0.6,
            end=self._weighted(_ENDS),
            running_at=min(self._maybe(0.1, self._time(120.0), self._time(20.0)), ends_at),
            ends_at=ends_at,
            appears_at=appears,
            gone_at=self._maybe(0.1, gone, math.inf),
            loses_early=rng.random() < 0.3,
            partial_word=rng.random() < 0.3,
        )

    def _query_voice(self, plane: Plane, truth: Truth) -> Voice:
        files = plane in {Plane.MANAGEMENT, Plane.QUERY_ONLY} and self._rng.random() < 0.85
        phases = self._phases(_QUERY_LIES, _TROUBLES)
        return Voice(phases, files, kind=not plane.is_engine, end=self._other_end(), reason=self._rng.random() < 0.9)

    def _list_voice(self, plane: Plane) -> Voice:
        files = plane is Plane.MEMORY and self._rng.random() < 0.85
        reason = plane is not Plane.DATABASE and self._rng.random() < 0.8
        return Voice(self._phases(_LIST_LIES, _PASSING), files, self._rng.random() < 0.7, reason, self._other_end())

    def _other_end(self) -> Stage | None:
        return self._maybe(0.06, self._rng.choice([Stage.SUCCESS, Stage.FAILED, Stage.CANCELLED]), None)

    def _phases(self, lies: dict[Manner, int], troubles: Sequence[Trouble]) -> tuple[Phase, ...]:
        """Draw lies of one voice; it may come back to the truth."""
        if self._rng.random() > self._lies:
            return HONEST
        starts = sorted({self._maybe(0.4, 0.0, self._time(_LIES_UNTIL)) for _ in range(self._rng.randint(1, 3))})
        phases = [self._phase(start, self._weighted(lies), troubles) for start in starts]
        if self._rng.random() < 0.5:
            phases.append(Phase(starts[-1] + self._time(_LIES_UNTIL)))
        return tuple(phases) if starts[0] == 0.0 else (Phase(0.0), *phases)

    def _phase(self, start: float, manner: Manner, troubles: Sequence[Trouble]) -> Phase:
        rng = self._rng
        value = start if manner is Manner.FROZEN else self._time(40.0)
        return Phase(start, manner, value, rng.choice(troubles), self._maybe(0.15, rng.choice([8.0, 30.0, 90.0]), 0.0))

    def _whole(self, manners: list[Manner], chance: float = 0.12) -> tuple[Phase, ...]:
        """Draw what a whole channel does."""
        if self._rng.random() > chance:
            return HONEST
        start = self._maybe(0.4, 0.0, self._time(_LIES_UNTIL))
        phases = [Phase(start, self._rng.choice(manners), 0.0, self._rng.choice(_PASSING))]
        if self._rng.random() < 0.75:
            phases.append(Phase(start + self._time(_LIES_UNTIL)))
        return tuple(phases) if start == 0.0 else (Phase(0.0), *phases)

    def _queries(self) -> tuple[Phase, ...]:
        if self._rng.random() < 0.03:
            return Phase(0.0), Phase(self._time(_LIES_UNTIL), Manner.FAIL, 0.0, self._rng.choice(["401", "tls"]))
        return self._whole([Manner.FAIL, Manner.FAIL, Manner.GONE, Manner.HANG, Manner.DENY])

    def _listing(self) -> Listing:
        rng = self._rng
        odd = rng.random() < 0.4
        chaos: dict[str, Any] = {}
        if odd:
            chaos = {
                "above": rng.choice(["cut", "empty", "400", "413", "422", "500"]),
                "total": rng.choice(["true", "absent", "high", "low", "jumping", "page"]),
                "offsets": rng.choice(["entries", "entries", "entries", "ignored", "pages"]),
                "repeats": rng.random() < 0.1,
                "shown_max": self._maybe(0.1, rng.choice([2, 10]), 0),
                "nameless": self._maybe(0.1, 1, 0),
                "arrivals": self._maybe(0.25, rng.choice([7.0, 30.0]), 0.0),
                "departures": self._maybe(0.2, rng.choice([7.0, 30.0]), 0.0),
            }
        phases = self._whole([Manner.FAIL, Manner.FAIL, Manner.HANG])
        if rng.random() < 0.05:
            phases = (Phase(0.0, Manner.FAIL, 0.0, "403"),)
        return Listing(
            order=rng.choice(["newest", "newest", "oldest", "id", "random"] if odd else ["newest", "oldest", "id"]),
            page_max=rng.choices([1000, 100, 10, 3, 1], [12, 3, 4, 2, 1 if odd else 0])[0],
            foreign=rng.choices([0, 2, 12, 130], [8, 4, 4, 1])[0],
            newest_known=rng.random() < 0.5,
            phases=phases,
            **chaos,
        )

    def _waits(self, cases: tuple[Case, ...], plane: Plane, timeout: float) -> tuple[Wait, ...]:
        without_graph = self._rng.choice([0.0, 0.2, 1.0]) if plane is Plane.MANAGEMENT else 0.0
        return tuple(
            self._wait(cases, without_graph, timeout, first=number == 0)
            for number in range(self._rng.choice([1, 1, 1, 2, 3]))
        )

    def _wait(self, cases: tuple[Case, ...], without_graph: float, timeout: float, *, first: bool) -> Wait:
        rng = self._rng
        chosen = cases if first else [case for case in cases if rng.random() < 0.5] or cases[:1]
        refs = tuple((case.truth.job_id, None if rng.random() < without_graph else case.truth.graph) for case in chosen)
        timeout = rng.choices([timeout, round(rng.uniform(5.0, 150.0), 1)], [9, 1])[0]
        job_timeout = self._maybe(0.06, round(rng.uniform(5.0, 150.0), 1), None)
        return Wait(refs, 0.0 if first else self._time(60.0), timeout, job_timeout)

    def _kills(self) -> tuple[Kill, ...]:
        rng = self._rng
        if rng.random() > 0.25:
            return ()
        return tuple(
            Kill(rng.randint(1, 40), rng.choice([0.0, 1.0, 40.0]), rng.choice(["moment", "change"]))
            for _ in range(rng.randint(1, 3))
        )

    def _knobs(self) -> Knobs:
        rng = self._rng
        return Knobs(
            interval=rng.choice([2.0, 5.0, 5.0, 10.0, 15.0]),
            max_per_second=rng.choice([10.0, 10.0, 3.0, 1.0, 20.0]),
            max_at_once=rng.choice([10, 10, 4, 3]),
            request_timeout=rng.choice([30.0, 10.0, 5.0]),
            not_found_grace=rng.choice([60.0, 20.0, 10.0]),
            outage_timeout=rng.choices([120.0, 200.0, None], [6, 6, 1])[0],
            verify=rng.choices([3600.0, 60.0, None], [8, 1, 1])[0],
            pending_timeout=self._maybe(0.08, round(rng.uniform(2.0, 60.0), 1), None),
            unconfirmed=self._maybe(0.1, "raise", "accept"),
        )
