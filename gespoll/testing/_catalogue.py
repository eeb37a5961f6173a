"""The jobs a fake server knows, and the windows of its lists.

The rule: jobs are kept in the order they were added; every question is answered for a time that is an
argument. A list entry is encoded once per look of its job, never once per request.
"""

from __future__ import annotations

from bisect import insort
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

import attrs
import msgspec

from . import _replies as replies

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from random import Random

    from ._options import ListOrder
    from ._timeline import FakeJob, Look

__all__ = ["Catalogue", "Placed", "WallClock"]

_AHEAD = timedelta(hours=8)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class WallClock:
    """Wall-clock time derived from the loop's clock, so that a virtual loop moves it too."""

    origin: datetime
    """The wall-clock time at `started_at`, in UTC."""
    started_at: float
    """Loop time in seconds."""
    space: bool = False
    """Whether date and time are parted by a space."""

    def at(self, now: float) -> datetime:
        """Return the wall-clock time at loop time `now`."""
        return self.origin + timedelta(seconds=now - self.started_at)

    def text(self, now: float) -> str:
        """Return the wall-clock time at loop time `now` as the API writes it."""
        return self.at(now).strftime("%Y-%m-%d %H:%M:%S" if self.space else "%Y-%m-%dT%H:%M:%S")

    def local_text(self, now: float) -> str:
        """Return the wall-clock time at loop time `now` as a memory edition's engine writes it: eight hours ahead."""
        return (self.at(now) + _AHEAD).strftime("%Y-%m-%d %H:%M:%S")

    def microseconds(self, now: float) -> int:
        """Return the wall-clock time at loop time `now` in microseconds since 1970."""
        return (self.at(now) - _EPOCH) // timedelta(microseconds=1)


@attrs.define(eq=False)
class Placed:
    """A job with the loop time it was added at."""

    job: FakeJob
    added_at: float
    """Loop time in seconds."""
    encoded: dict[Hashable, msgspec.Raw] = attrs.field(factory=dict, init=False)

    def look(self, now: float, *, listed: bool = False) -> Look:
        """Return how the job looks at loop time `now`."""
        return self.job.look(now - self.added_at, listed=listed)

    def exists(self, now: float) -> bool:
        """Tell whether the server knows the job at loop time `now`."""
        return self.job.exists(now - self.added_at)

    def word(self, now: float) -> str:
        """Return the status word at loop time `now`."""
        return self.job.steps[self.job.step_at(now - self.added_at)][1]

    def times(self, look: Look, clock: WallClock) -> tuple[str, str | None]:
        """Return the begin and end time as text; no end time while the job has not ended."""
        ended = look.ended_after
        return clock.text(self.added_at), None if ended is None else clock.text(self.added_at + ended)

    def entry(self, key: Hashable, build: Callable[[], object]) -> msgspec.Raw:
        """Return the encoded entry of `key`, built at the first time of asking."""
        found = self.encoded.get(key)
        if found is None:
            found = self.encoded[key] = msgspec.Raw(msgspec.json.encode(build()))
        return found

    def management_entry(
        self, look: Look, api: replies.Api, clock: WallClock, empty_arrays: replies.EmptyArrays
    ) -> msgspec.Raw:
        """Return the job's entry in the job centre."""

        def build() -> object:
            begin, end = self.times(look, clock)
            return replies.job_body(self.job, look, api, begin_time=begin, end_time=end, empty_arrays=empty_arrays)

        return self.entry((api, look.step, look.word, look.files is None), build)

    def memory_entry(self, look: Look, clock: WallClock, now: float) -> msgspec.Raw:
        """Return the job's entry in the list of a memory edition's engine at loop time `now`."""
        progress = self.job.progress(now - self.added_at)

        def build() -> object:
            ends_at = None if look.ended_after is None else self.added_at + look.ended_after
            times = [
                (clock.local_text(at), clock.microseconds(at)) for at in (self.added_at, ends_at) if at is not None
            ]
            return replies.memory_entry(self.job, look, progress=progress, times=times)

        return self.entry(("memory", look.step, look.word, look.files is None, progress), build)


@attrs.define(eq=False)
class Catalogue:
    """All jobs of the project, on both planes."""

    rng: Random
    """Reshuffles the random order."""
    managed: dict[str, Placed] = attrs.field(factory=dict, init=False)
    engine: dict[tuple[str, str], Placed] = attrs.field(factory=dict, init=False)
    centre: list[Placed] = attrs.field(factory=list, init=False)
    engine_lists: dict[str, list[Placed]] = attrs.field(factory=dict, init=False)
    graph_names: dict[str, str] = attrs.field(factory=dict, init=False)
    deleted: set[str] = attrs.field(factory=set, init=False)

    def add(self, job: FakeJob, now: float) -> None:
        """Add `job` at loop time `now`.

        Raises:
            ValueError: When its plane has a job of that id already.
        """
        placed = Placed(job, now - job.age)
        if job.engine:
            key = (job.graph_name, job.job_id)
            if key in self.engine:
                raise ValueError(f"graph {job.graph_name!r} has an engine job {job.job_id!r} already")
            self.engine[key] = placed
            listed = self.engine_lists.setdefault(job.graph_name, [])
        else:
            if job.job_id in self.managed:
                raise ValueError(f"there is a job {job.job_id!r} already")
            self.managed[job.job_id] = placed
            self.graph_names.setdefault(job.graph, job.graph_name)
            listed = self.centre
        if job.in_list:
            insort(listed, placed, key=attrgetter("added_at"))

    def find(self, graph: str, job_id: str, now: float) -> Placed | None:
        """Return the management job of that graph id, or None when the server does not know it."""
        placed = self.managed.get(job_id)
        return placed if placed and placed.job.graph == graph and placed.exists(now) else None

    def find_engine(self, graph_name: str, job_id: str, now: float) -> Placed | None:
        """Return the engine job of that graph name, or None when the server does not know it."""
        placed = self.engine.get((graph_name, job_id))
        return placed if placed and placed.exists(now) else None

    def ordered(self, jobs: Iterable[Placed], order: ListOrder) -> list[Placed]:
        """Return `jobs`, which come oldest first, in the order of the list."""
        found = list(jobs)
        if order == "newest":
            found.reverse()
        elif order == "id":
            found.sort(key=lambda placed: placed.job.job_id)
        elif order == "random":
            self.rng.shuffle(found)
        return found
