"""How late ends are known, and at how many requests, whatever shape the list and the queries of a service have.

Rule: gespoll runs with its default knobs, on virtual time. Every verdict is compared with the truth: a wrong
one is counted in the table and named beside it. A row ends by itself also where an end is never known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import anyio
import attrs

import gespoll
from benchmarks import pictures
from benchmarks.api import RUNNING
from benchmarks.contest import ROUNDING, on_virtual_time
from benchmarks.figures import Row, Spread, percentile, short
from benchmarks.progress import tell
from benchmarks.service import Behaviour, Look, SimulatedService
from benchmarks.simulated import SimulatedApi, SimulatedSource
from benchmarks.workload import Outcome, Work, evenly

JOBS = 2000
FEWER_JOBS = 600  # where some are frozen: each of those may cost many requests
ENDING_SECONDS = 300.0
CROWDED_SECONDS = 100.0  # 20 ends a second, twice of what the default budget can confirm
SHARE = 0.1  # of the jobs, those that end badly or that a channel lies about
KNOWN_WITHIN = 1800.0  # seconds after the last end until a row is over: twice the longest patience by default
ONE_KNOWN_WITHIN = 60_000.0  # the same for one of 500: a query in a hundred seconds takes 50,000 for all of them
DRAWS = 5  # of the one of 500 on each seed: its figure is where it stands in the turn of queries, which is chance
PLAIN = Behaviour(per_second=None, round_trip=0.3, jitter=1 / 3, max_page=1000)
FAULTLESS = 10.4  # seconds: two periods of 5 s and a round trip
SETUP = (
    f"Shapes: simulated, gespoll with default knobs, {JOBS} jobs ({FEWER_JOBS} where some are frozen) that end evenly "
    f"over {ENDING_SECONDS:g} s, in no order unless said, 0.2 to 0.4 s a request, no limit of the service, pages of "
    f"{PLAIN.max_page} unless said, newest first. Latencies in seconds from a job's end at the service to its final "
    f"change; inf: not known within {KNOWN_WITHIN:g} s after the last end ({ONE_KNOWN_WITHIN:g} s for one of 500, "
    f"which is drawn {DRAWS} times on a seed). The worst is judged by the worst run. All requests are counted, failed "
    "and hung ones too; of them verify and confirm, the queries of jobs that the list shows and had shown before, as "
    "open (verify) or as ended (confirm), whatever they were sent for. Wrong verdicts and jobs without an end are sums "
    "over all runs"
)


@attrs.frozen(kw_only=True)
class Shape:
    """One way in which a service answers."""

    name: str
    behaviour: Behaviour = PLAIN
    jobs: int = JOBS
    """Jobs that end."""
    running: int = 0
    """Jobs among those that never end."""
    ending_seconds: float = ENDING_SECONDS
    """Seconds from the begin of waiting until the last end."""
    in_order: bool = False
    """Whether the job that was submitted first ends first."""
    lie: str | None = None
    """The field of `Behaviour` that names the jobs about which one of the channels lies."""
    lied_about: float = SHARE
    """The share of the ending jobs that this is true of."""
    outcome: Outcome = "success"
    """How a tenth of the jobs end. Unless it is the success of all others, the figures are those of this tenth."""
    draws: int = 1
    """Runs on each seed."""
    known_within: float = KNOWN_WITHIN
    """Seconds after the last end until it is over, whatever is not known."""
    p99: float | None = None
    """Seconds that the 99th percentile is to reach."""
    worst: float | None = None
    """Seconds that the latest is to reach."""

    def works(self, seed: int) -> list[Work]:
        """Draw the jobs, those that never end among the others in the list."""
        works = evenly(self.jobs + self.running, seed, self.ending_seconds, in_order=self.in_order)
        running = some(works, self.running, seed)
        bad = some(works, round(len(works) * SHARE), seed) if self.outcome != "success" else frozenset()
        return [
            attrs.evolve(
                work,
                ends_at=math.inf if work.job_id in running else work.ends_at,
                outcome=self.outcome if work.job_id in bad else "success",
            )
            for work in works
        ]

    def behaviour_towards(self, works: Sequence[Work], seed: int) -> Behaviour:
        """Return how the service answers when it has these jobs."""
        if self.lie is None:
            return self.behaviour
        ending = [work for work in works if work.ends_at < math.inf]
        lies: dict[str, Any] = {self.lie: some(ending, round(len(ending) * self.lied_about), seed)}
        return attrs.evolve(self.behaviour, **lies)

    @property
    def reach(self) -> str:
        """What is to be reached, as text."""
        aims = [f"{name} <= {aim:g} s" for name, aim in (("p99", self.p99), ("worst", self.worst)) if aim is not None]
        return ", ".join([*aims, "0 wrong, 0 not ended"])


def some(works: Sequence[Work], count: int, seed: int) -> frozenset[str]:
    """Pick the ids of some jobs."""
    return frozenset(Random(seed).sample([work.job_id for work in works], count))


def plain(**fields: Any) -> Behaviour:
    """Make a behaviour that differs from the plain one."""
    return attrs.evolve(PLAIN, **fields)


SHAPES = (
    Shape(name="newest first", p99=FAULTLESS),
    Shape(name="oldest first", behaviour=plain(order="oldest"), p99=FAULTLESS),
    Shape(name="by id", behaviour=plain(order="id"), p99=FAULTLESS),
    Shape(name="random", behaviour=plain(order="random"), p99=12.0),
    Shape(name="pages of 100 with arrivals", behaviour=plain(max_page=100, foreign_per_second=1.0), p99=FAULTLESS),
    Shape(name="30 s of lag", behaviour=plain(list_lag=30.0)),
    Shape(name="total absent", behaviour=plain(tells_total=False)),
    Shape(name="total too high", behaviour=plain(total_share=(1.3, 1.3))),
    Shape(name="total too low", behaviour=plain(total_share=(0.7, 0.7))),
    Shape(name="total jumping", behaviour=plain(total_share=(0.7, 1.3))),
    Shape(name="ended jobs leave at once", behaviour=plain(ended_leave=True), p99=20.0, worst=40.0),
    Shape(
        name="ended jobs leave at once, in order",
        behaviour=plain(ended_leave=True),
        in_order=True,
        p99=20.0,
        worst=40.0,
    ),
    Shape(name="10 % never listed", lie="unlisted"),
    Shape(name="10 % frozen in the list", lie="list_frozen", jobs=FEWER_JOBS, p99=130.0, worst=200.0),
    Shape(
        name="one of 500 frozen in the list",
        lie="list_frozen",
        lied_about=1.0,
        jobs=1,
        running=499,
        draws=DRAWS,
        known_within=ONE_KNOWN_WITHIN,
        worst=3700.0,
    ),
    Shape(name="10 % frozen in queries", lie="queries_frozen", jobs=FEWER_JOBS),
    Shape(
        name="10 % frozen in queries, files not told",
        behaviour=plain(tells_files=False),
        lie="queries_frozen",
        jobs=FEWER_JOBS,
    ),
    Shape(
        name="files not told, the partly failed",
        behaviour=plain(tells_files=False),
        outcome="partially_failed",
        worst=15.0,
    ),
    Shape(
        name=f"files not told, {JOBS / CROWDED_SECONDS:g} ends a second, the failed",
        behaviour=plain(tells_files=False),
        outcome="failed",
        ending_seconds=CROWDED_SECONDS,
        worst=15.0,
    ),
    Shape(name="10 % errors", behaviour=plain(failing=0.1)),
    Shape(name="3 % hung", behaviour=plain(hung=0.03)),
    Shape(name="list down for a minute", behaviour=plain(list_down=(120.0, 180.0))),
)


class CountingService(SimulatedService):
    """A service that counts the queries of jobs that its list shows."""

    def __init__(self, works: Sequence[Work], behaviour: Behaviour, seed: int) -> None:
        super().__init__(works, behaviour, seed)
        self.verified = self.confirmed = 0
        self._works = {work.job_id: work for work in works}
        self._shown: dict[str, str] = {}

    async def look(self, job_id: str) -> Look:
        """Answer a query, and count it where the list shows the job and had shown it."""
        if not (self.behaviour.ended_leave and self.now >= self._works[job_id].ends_at):
            word = self._shown.get(job_id)
            self.verified += word == RUNNING
            self.confirmed += word is not None and word != RUNNING
        return await super().look(job_id)

    async def window(self, offset: int, limit: int) -> Look:
        """Answer a list query, and keep what it shows."""
        look = await super().window(offset, limit)
        self._shown.update((work.job_id, look.word(work)) for work in look.works)
        return look


@attrs.define(eq=False)
class Ends:
    """The final changes of one run, beside the truth."""

    open: dict[str, Work]
    """Jobs that end, or have ended, without a final change so far."""
    latencies: dict[str, float] = attrs.field(factory=dict)
    """Seconds from the end of a job to its final change, where that is right."""
    wrong: Counter[str] = attrs.field(factory=Counter)
    """How often which wrong verdict was given."""

    def told(self, works: dict[str, Work], change: gespoll.StateChange, at: float) -> None:
        """Take in a final change at a time in seconds."""
        work = works[change.ref.job_id]
        self.open.pop(work.job_id, None)
        fault = fault_of(change, work, at)
        if fault is None:
            self.latencies[work.job_id] = at - work.ends_at
        else:
            self.wrong[fault] += 1


def fault_of(change: gespoll.StateChange, work: Work, at: float) -> str | None:
    """Say what is wrong with a final change at a time in seconds; `None` when it is the truth, and not too early."""
    if change.error is not None and not isinstance(change.error, gespoll.JobFailed):
        return type(change.error).__name__
    told = "nothing" if change.status is None else change.status.value
    if at < work.ends_at - ROUNDING:
        return f"{told} while it ran"
    return None if told == work.outcome else f"{told} instead of {work.outcome}"


@attrs.frozen(kw_only=True)
class Result:
    """What gespoll did in one shape on one seed."""

    latencies: list[float]
    """Sorted; infinite where an end was not known in time."""
    others: list[float]
    """The same of the jobs that the figures are not about."""
    requests: int
    verified: int
    confirmed: int
    wrong: Counter[str]
    not_ended: int


def simulate(shape: Shape, seed: int) -> Result:
    """Let gespoll wait for the jobs of one shape."""
    works = shape.works(seed)
    by_id = {work.job_id: work for work in works}
    ends = Ends({work.job_id: work for work in works if work.ends_at < math.inf})

    async def main() -> CountingService:
        service = CountingService(works, shape.behaviour_towards(works, seed), seed)
        refs = [SimulatedApi(service).ref(work.job_id) for work in works]
        async with (
            gespoll.Poller(SimulatedSource(service), rng=Random(seed)) as poller,
            poller.watch(refs, on_failure="never") as changes,
        ):
            with anyio.move_on_after(shape.ending_seconds + shape.known_within):
                async for change in changes:
                    if change.is_final:
                        ends.told(by_id, change, service.now)
                    if not ends.open:
                        break
        return service

    service = on_virtual_time(main)
    ends.latencies |= dict.fromkeys(ends.open, math.inf)
    counts = {job_id for job_id in ends.latencies if by_id[job_id].outcome == shape.outcome}
    return Result(
        latencies=sorted(ends.latencies[job_id] for job_id in counts),
        others=sorted(latency for job_id, latency in ends.latencies.items() if job_id not in counts),
        requests=service.requests,
        verified=service.verified,
        confirmed=service.confirmed,
        wrong=ends.wrong,
        not_ended=len(ends.open),
    )


def run(seeds: int, into: Path = pictures.FOLDER, only: str = "") -> list[Row]:
    """Measure on seeds 0, 1, and so on; draws no picture.

    Args:
        seeds: how many.
        into: not used.
        only: text that the names of the shapes to be run have in them.
    """
    return [measured(shape, seeds) for shape in SHAPES if only in shape.name]


def measured(shape: Shape, seeds: int) -> Row:
    """Measure one shape."""
    tell(f"shapes: {shape.name}")
    return row(shape, [simulate(shape, seed) for seed in range(seeds * shape.draws)])


def row(shape: Shape, results: Sequence[Result]) -> Row:
    """Sum the seeds up."""
    p50, p99, worst = (spread_of(results, share) for share in (0.5, 0.99, 1.0))
    wrong = sum((result.wrong for result in results), Counter[str]())
    not_ended = sum(result.not_ended for result in results)
    in_time = within(p99.median, shape.p99) and within(max(worst.values), shape.worst)
    return Row(
        what=shape.name,
        beside="",
        reach=shape.reach,
        measured="",
        reached=in_time and not wrong and not not_ended,
        note=note_of(shape, results, wrong),
        columns={
            "p50": str(p50),
            "p99": str(p99),
            "worst": str(worst),
            "requests": str(Spread(result.requests for result in results)),
            "verify": str(Spread(result.verified for result in results)),
            "confirm": str(Spread(result.confirmed for result in results)),
            "wrong": str(wrong.total()),
            "not ended": str(not_ended),
        },
    )


def spread_of(results: Sequence[Result], share: float) -> Spread:
    """Return a percentile of the latencies over the runs; it is no number where no verdict of a run was right."""
    return Spread(percentile(result.latencies or [math.nan], share) for result in results)


def within(seconds: float, aim: float | None) -> bool:
    """Return whether an aim in seconds is reached; without one it is."""
    return aim is None or seconds <= aim


def note_of(shape: Shape, results: Sequence[Result], wrong: Counter[str]) -> str:
    """Say what the columns leave out: the wrong verdicts by kind, what was not known, and the other jobs."""
    notes = [f"wrong: {', '.join(f'{count} {fault}' for fault, count in wrong.most_common())}"] if wrong else []
    if any(result.not_ended for result in results):
        notes.append(f"not known within {shape.known_within:g} s after the last end")
    others = sorted(latency for result in results for latency in result.others)
    if others:
        notes.append(f"the successes: p99 {short(percentile(others, 0.99))} s, worst {short(others[-1])} s")
    return "; ".join(notes)
