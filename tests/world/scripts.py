"""What every channel says of every job, from turn to turn: worked out once, looked up often."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import attrs

from .channels import Said
from .plan import Case, World


@attrs.frozen
class Script:
    """What one channel says of one job: the moments at which that changes, and what it says from then on."""

    times: list[float]
    says: list[Said]

    def at(self, now: float) -> Said:
        """Return what it says at a moment."""
        return self.says[max(bisect_right(self.times, now) - 1, 0)]


class Scripts:
    """All scripts of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._end = max(wait.joins_at + (wait.timeout or world.until) for wait in world.waits) + 100.0
        self._queries: dict[str, Script] = {}
        self._lists: dict[str, Script] = {}
        for case in world.cases:
            job_id = case.truth.job_id
            self._queries[job_id] = self._script(self._turns(case, is_query=True), case, world.query_says)
            self._lists[job_id] = self._script(self._turns(case, is_query=False), case, world.list_says)

    def query(self, job_id: str, now: float) -> Said:
        """Return what a query for a job brings."""
        return self._queries[job_id].at(now)

    def listed(self, job_id: str, now: float) -> Said:
        """Return what the list brings of a job."""
        return self._lists[job_id].at(now)

    def turns(self, job_id: str) -> list[float]:
        """Return when anything may change that is said of a job."""
        return sorted({*self._queries[job_id].times, *self._lists[job_id].times})

    def _turns(self, case: Case, *, is_query: bool) -> list[float]:
        voice = case.query if is_query else case.listed
        whole = self._world.queries if is_query else self._world.listing.phases
        overlay = attrs.evolve(voice, phases=whole)
        turns = {0.0, *voice.turns(case.truth, self._end), *overlay.turns(case.truth, self._end)}
        return sorted(turn for turn in turns if 0.0 <= turn < self._end)

    def _script(self, turns: list[float], case: Case, says: Callable[[Case, float], Said]) -> Script:
        script = Script([], [])
        for turn, following in zip(turns, [*turns[1:], self._end], strict=True):
            said = says(case, (turn + following) / 2)  # not at the turn itself, where floats would decide
            if not script.says or said != script.says[-1]:
                script.times.append(turn)
                script.says.append(said)
        return script
