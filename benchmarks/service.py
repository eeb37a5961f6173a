"""The simulated service: jobs, a list, a rate limit and a round trip, on the event loop's clock.

Rule: it does what the documents of GES leave open in whatever way it is told to, and it counts every
request. Chance is seeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Literal

import anyio
import attrs

from benchmarks.api import ENDED, FAILED, RUNNING, ListRefused, PageTooLarge, ServiceDown, TooManyRequests
from benchmarks.workload import Work

Order = Literal["newest", "oldest", "id", "random"]
FOREIGN_SECONDS = 60.0
JITTER = 0.2


@attrs.frozen(kw_only=True)
class Behaviour:
    """What one service does. Times are in seconds."""

    per_second: float | None = None
    """Requests let through on average, a second's worth of them at once; `None` lets all through."""
    round_trip: float = 0.1
    """From sending a request to having its reply; the service looks half-way."""
    jitter: float = JITTER
    """How much more or less a round trip may take, as a part of it."""
    max_page: int = 100
    """Most entries in a page; a larger limit is cut to it."""
    order: Order = "newest"
    """Which job comes first; "random" reshuffles for every request."""
    foreign_before: int = 0
    """Other people's jobs that had ended before ours were submitted."""
    foreign_among: int = 0
    """Other people's jobs that were submitted between ours."""
    foreign_per_second: float = 0.0
    """Other people's jobs that arrive while ours are waited for."""
    foreign_leaving_per_second: float = 0.0
    """Oldest entries that the list drops while ours are waited for."""
    list_refused: bool = False
    """Whether the list answers 403."""
    list_lag: float = 0.0
    """The list shows the jobs as they were this many seconds ago."""
    refuses_larger: bool = False
    """Whether a limit above `max_page` is refused instead of cut."""
    tells_total: bool = True
    """Whether the list tells how many jobs there are."""
    total_share: tuple[float, float] = (1.0, 1.0)
    """The total that the list tells, as a part of the true one: drawn between these two for each reply."""
    ignores_offset: bool = False
    """Whether every page is the first."""
    tells_files: bool = True
    """Whether the list tells how the files of an import fared; without, a partial failure is a success there."""
    ended_leave: bool = False
    """Whether the list drops a job when it ends."""
    unlisted: frozenset[str] = frozenset()
    """Our jobs that the list never shows."""
    list_frozen: frozenset[str] = frozenset()
    """Our jobs that the list shows as running for ever."""
    queries_frozen: frozenset[str] = frozenset()
    """Our jobs that queries show as running for ever."""
    failing: float = 0.0
    """The share of the requests that are answered 503."""
    hung: float = 0.0
    """The share of the requests that are never answered."""
    list_down: tuple[float, float] | None = None
    """From when until when the list answers 503."""


@attrs.define(eq=False)
class Bucket:
    """A token bucket that starts full and holds a second's worth, one token at least."""

    per_second: float | None
    tokens: float = attrs.field(init=False)
    filled_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.tokens = self.most

    @property
    def most(self) -> float:
        """The most tokens it holds."""
        return max(self.per_second or 0.0, 1.0)

    def admits(self, now: float) -> bool:
        """Take a token at a time in seconds; tell whether there was one."""
        if self.per_second is None:
            return True
        self.tokens = min(self.most, self.tokens + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        # A client that waits exactly as long as a token takes must not fail by a rounding error.
        if self.tokens < 1.0 - 1e-9:
            return False
        self.tokens -= 1.0
        return True

    def next_at(self, now: float) -> float:
        """Tell when, from a time in seconds on, there is a token."""
        if self.per_second is None:
            return now
        tokens = min(self.most, self.tokens + (now - self.filled_at) * self.per_second)
        return now + max(1.0 - tokens, 0.0) / self.per_second


class Shelf:
    """All jobs of the service, oldest first, as far as they have been submitted."""

    def __init__(self, works: Iterable[Work], behaviour: Behaviour, chance: Random) -> None:
        ours = list(works)
        first = min((work.begins_at for work in ours), default=0.0)
        self._foreign_ids = Random("foreign")
        before = [self._foreign(first - number) for number in range(behaviour.foreign_before, 0, -1)]
        among = [self._foreign(chance.uniform(first, 0.0)) for _ in range(behaviour.foreign_among)]
        self.works = before + sorted(ours + among, key=lambda work: work.begins_at)
        self._per_second = behaviour.foreign_per_second
        self._arrived = self._left = 0
        self._by_id: list[Work] = []

    def _foreign(self, begins_at: float) -> Work:
        return Work(f"{self._foreign_ids.getrandbits(64):016x}", begins_at, begins_at + FOREIGN_SECONDS)

    def arrive(self, now: float) -> None:
        """Let the foreign jobs come in that were submitted up to a time in seconds."""
        while self._arrived < int(now * self._per_second):
            self._arrived += 1
            self.works.append(self._foreign(self._arrived / self._per_second))

    def leave(self, dropped: int) -> None:
        """Let the oldest entries go, so that so many have gone in all."""
        del self.works[: dropped - self._left]
        self._left = max(self._left, dropped)

    def by_id(self) -> list[Work]:
        """List the jobs in the order of their ids."""
        if len(self._by_id) != len(self.works):
            self._by_id = sorted(self.works, key=lambda work: work.job_id)
        return self._by_id


@attrs.frozen
class Look:
    """What the service saw when a request arrived."""

    works: Sequence[Work]
    """The jobs that were asked for, in the order of the reply."""
    total: int
    """Number of all jobs in the list."""
    at: float
    """When it looked, in seconds."""
    frozen: frozenset[str] = frozenset()
    """Jobs that are shown as running whatever became of them."""
    tells_files: bool = True
    """Whether it shows how the files of an import fared."""

    def word(self, work: Work) -> str:
        """Return the status word of one of the jobs; there is none for a partial failure, which files show."""
        if self.at < work.ends_at or work.job_id in self.frozen:
            return RUNNING
        return FAILED if work.outcome == "failed" else ENDED


class SimulatedService:
    """One service that one contestant asks. Make it inside the event loop whose clock it is to follow."""

    def __init__(self, works: Iterable[Work], behaviour: Behaviour, seed: int = 0) -> None:
        self.behaviour = behaviour
        self.requests = 0
        self.throttled = 0
        self._chance = Random(seed)
        ours = list(works)
        self._ours = {work.job_id: work for work in ours}
        self._shelf = Shelf(ours, behaviour, self._chance)
        self._bucket = Bucket(behaviour.per_second)
        self._started_at = anyio.current_time()

    @property
    def now(self) -> float:
        """Seconds since waiting began."""
        return anyio.current_time() - self._started_at

    async def look(self, job_id: str) -> Look:
        """Ask for one job. May be cancelled.

        Raises:
            TooManyRequests: when the rate limit is met.
            ServiceDown: when the request is one of those that fail.
        """
        at = await self._admit()
        await self._travel()
        return Look([self._ours[job_id]], len(self._shelf.works), at, self.behaviour.queries_frozen)

    async def window(self, offset: int, limit: int) -> Look:
        """Ask for a part of the list. May be cancelled.

        Raises:
            TooManyRequests: when the rate limit is met.
            ListRefused: when the list may not be read.
            PageTooLarge: when more entries were asked for than there are in a page.
            ServiceDown: when the list is down, or the request is one of those that fail.
        """
        at, behaviour = await self._admit(), self.behaviour
        self._shelf.arrive(at)
        self._shelf.leave(int(at * behaviour.foreign_leaving_per_second))
        is_too_large = behaviour.refuses_larger and limit > behaviour.max_page
        listed = self._listed(at)
        works = self._cut(listed, 0 if behaviour.ignores_offset else offset, min(limit, behaviour.max_page))
        total = self._total(len(listed))
        await self._travel()
        if behaviour.list_down is not None and behaviour.list_down[0] <= at < behaviour.list_down[1]:
            raise ServiceDown
        if behaviour.list_refused:
            raise ListRefused
        if is_too_large:
            raise PageTooLarge
        return Look(works, total, at - behaviour.list_lag, behaviour.list_frozen, behaviour.tells_files)

    async def _travel(self) -> None:
        # Without jitter contestants that pause for a whole number of seconds would meet the same tokens for ever.
        jitter = self.behaviour.jitter
        await anyio.sleep(self.behaviour.round_trip / 2 * self._chance.uniform(1 - jitter, 1 + jitter))

    async def _admit(self) -> float:
        """Travel to the service, and pass its rate limit; gives the time of arrival."""
        await self._travel()
        at = self.now
        self.requests += 1
        if not self._bucket.admits(at):
            self.throttled += 1
            await self._travel()
            raise TooManyRequests
        await self._go_wrong()
        return at

    async def _go_wrong(self) -> None:
        """Fail the request, or never answer it, as often as that is to happen."""
        behaviour = self.behaviour
        if behaviour.hung and self._chance.random() < behaviour.hung:
            await anyio.sleep_forever()
        if behaviour.failing and self._chance.random() < behaviour.failing:
            await self._travel()
            raise ServiceDown

    def _total(self, true: int) -> int:
        least, most = self.behaviour.total_share
        return round(true * (least if least == most else self._chance.uniform(least, most)))

    def _listed(self, at: float) -> list[Work]:
        """Return the jobs that the list shows at a time in seconds, oldest first."""
        works, behaviour = self._shelf.works, self.behaviour
        if behaviour.ended_leave:
            works = [work for work in works if at < work.ends_at]
        if behaviour.unlisted:
            works = [work for work in works if work.job_id not in behaviour.unlisted]
        return works

    def _cut(self, works: list[Work], offset: int, limit: int) -> list[Work]:
        order = self.behaviour.order
        if order == "oldest":
            return works[offset : offset + limit]
        if order == "newest":
            end = max(len(works) - offset, 0)
            return works[max(end - limit, 0) : end][::-1]
        if order == "id":
            listed = self._shelf.by_id() if works is self._shelf.works else sorted(works, key=lambda work: work.job_id)
            return listed[offset : offset + limit]
        # A part of a list that is shuffled anew is a sample of it.
        return self._chance.sample(works, max(min(limit, len(works) - offset), 0))
