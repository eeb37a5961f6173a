"""A month of jobs that come and go while everything goes wrong now and then, and a minute of the same over HTTP.

Rule: every job must end exactly once and rightly, and what is held in memory after a month is what was held after a
day. The service of the month lives on virtual time; the poller, its loop and its watches are the real ones. Nothing
here keeps anything of a job that has ended.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import anyio
import anyio.abc
import attrs

import gespoll
from benchmarks import soak_over_http
from benchmarks.figures import Row, percentile, short
from benchmarks.progress import tell
from gespoll import ImportFile, Job, JobRef, JobStatus, ListWindow
from gespoll._source import CredentialsRenewed
from gespoll.testing import virtual_time

DAY = 86_400.0
DAYS = 30
JOBS_A_DAY = 3350
SECONDS = 60.0
INTERVAL = 60.0
PER_SECOND = 5.0
MAX_PAGE = 100
LISTED = 2000
REFUSED_SECONDS = 3600.0
MEDIAN_SECONDS = 1200.0
GROWTH_AT_MOST = 1.1
ORIGIN = datetime(2030, 1, 1, tzinfo=UTC)
SETUP = (
    f"Soak: {JOBS_A_DAY} jobs a day on {DAYS} days of virtual time, of 20 minutes in the median, nine in ten in a "
    f"watch a day, the others in a wait each that is cut off and begun again; `interval={INTERVAL:g}, "
    f"max_per_second={PER_SECOND:g}`, pages of {MAX_PAGE}; one request in 13 goes wrong, and each day five minutes of "
    f"every one; an hour a day the list is five minutes old, one hour it is refused, at midnight the token is "
    f"renewed. Over HTTP: {SECONDS:g} s of real time, FakeGES in a process of its own, a poller opened and closed each "
    "round, one request in ten faulty. One run each, whatever the seeds"
)
LOADED = (ImportFile(kind="edgeset", path="e.csv", status="success", total_lines=9, failed_lines=0),)
PARTLY = (ImportFile(kind="edgeset", path="e.csv", status="partFailed", total_lines=9, failed_lines=1),)
Wanted = Callable[[Sequence[str], Sequence[str | None]], Sequence[int]]
ENDS: Sequence[tuple[str, tuple[ImportFile, ...] | None, JobStatus]] = (
    ("success", LOADED, JobStatus.SUCCESS),
    ("success", PARTLY, JobStatus.PARTIALLY_FAILED),
    ("partiallyFailed", PARTLY, JobStatus.PARTIALLY_FAILED),
    ("failed", None, JobStatus.FAILED),
    ("cancelled", None, JobStatus.CANCELLED),
)


@attrs.frozen
class Story:
    """What becomes of one job. Times are seconds of the loop's clock."""

    ref: JobRef
    begins_at: float
    ends_at: float
    word: str
    files: tuple[ImportFile, ...] | None
    end: JobStatus

    def at(self, now: float) -> Job:
        """Tell how the job looks at a time."""
        ended = now >= self.ends_at
        return Job(
            ref=self.ref,
            status=self.end if ended else JobStatus.RUNNING,
            reported_status=self.word if ended else "running",
            name="ImportGraph",
            is_import=True,
            related_graph="movies",
            begin_time=ORIGIN + timedelta(seconds=int(self.begins_at)),
            end_time=ORIGIN + timedelta(seconds=int(self.ends_at)) if ended else None,
            files=self.files if ended else None,
            as_of=ORIGIN + timedelta(seconds=int(now)),
        )


FAULTS: Sequence[tuple[str, float, Callable[[], gespoll.GespollError]]] = (
    ("throttled", 0.01, lambda: gespoll.Throttled("soak", status=429)),
    ("throttled, Retry-After", 0.01, lambda: gespoll.Throttled("soak", status=429, retry_after=20.0)),
    ("503", 0.02, lambda: gespoll.ServiceUnavailable("soak", status=503)),
    ("dropped", 0.02, lambda: gespoll.TransportError("soak")),
    ("unreadable", 0.01, lambda: gespoll.ProtocolError("soak")),
)
SILENCE = 0.001
DENIED = 0.005


class Service(gespoll.ListingSource):
    """A project whose jobs come and go, and whose service fails at random."""

    confirms_imports = True

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.listed: list[Story] = []
        self.known: dict[str, Story] = {}
        self.met: Counter[str] = Counter()
        self.requests = 0
        self._count = 0
        self._renewed_on = 0

    def submit(self) -> JobRef:
        """Take a job in."""
        self._count += 1
        now = anyio.current_time()
        word, files, end = self.rng.choice(ENDS)
        ref = JobRef(f"{self._count:08x}", "g")
        story = Story(ref, now, now + self.rng.lognormvariate(0, 0.6) * MEDIAN_SECONDS, word, files, end)
        self.known[ref.job_id] = story
        self.listed.append(story)
        del self.listed[:-LISTED]
        return ref

    def scope(self, ref: JobRef, /) -> str:
        """Name the project."""
        return "project"

    async def get(self, ref: JobRef, /) -> Job:
        """Read one job. May be cancelled."""
        story = self.known[ref.job_id]
        await self._way()
        if self.rng.random() < DENIED:
            self.met["denied"] += 1
            raise gespoll.JobNotFound(ref)
        return story.at(anyio.current_time())

    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Wanted) -> ListWindow:
        """Read a part of the list. May be cancelled."""
        await self._way()
        now = anyio.current_time()
        if now % DAY >= DAY - REFUSED_SECONDS:
            self.met["list refused"] += 1
            raise gespoll.PermissionDenied("soak", status=403)
        is_stale = 12 <= now % DAY / 3600 < 13
        self.met["stale list"] += is_stale
        at = now - 300.0 if is_stale else now
        shown = [story for story in self.listed if story.begins_at <= at] if is_stale else self.listed
        end = max(len(shown) - offset, 0)
        page = shown[max(end - min(limit, MAX_PAGE), 0) : end][::-1]
        ids = tuple(story.ref.job_id for story in page)
        words = ["running" if at < story.ends_at else story.word for story in page]
        jobs = tuple(page[place].at(at) for place in wanted(ids, words))
        return ListWindow(ids=ids, jobs=jobs, total=len(shown), newest_at="start")

    async def _way(self) -> None:
        """Travel to the service, and meet what there is to meet."""
        self.requests += 1
        await anyio.sleep(self.rng.uniform(0.02, 0.2))
        today = int(anyio.current_time() // DAY)
        if today > self._renewed_on:
            self._renewed_on = today
            self.met["token renewed"] += 1
            raise CredentialsRenewed
        if 6 * 3600 <= anyio.current_time() % DAY < 6 * 3600 + 300:
            self.met["outage"] += 1
            raise gespoll.TransportError("soak")
        if self.rng.random() < SILENCE:
            self.met["silence"] += 1
            await anyio.sleep(DAY)
        point = self.rng.random()
        for name, share, error in FAULTS:
            point -= share
            if point < 0:
                self.met[name] += 1
                raise error()


@attrs.define
class Month:
    """What came of it."""

    latencies: array[float]
    """Seconds from each job's end to its being known."""
    ended: int = 0
    twice: int = 0
    """Ends of jobs that had ended before."""
    wrong: int = 0
    """Jobs that ended otherwise than they did at the service."""
    begun_again: int = 0
    """Waits that ran out of time or were cancelled, and were begun again."""
    held: list[int] = attrs.field(factory=list)
    """Bytes held at ten in the evening of each day, after a full collection."""
    open_most: int = 0
    requests: int = 0
    met: Counter[str] = attrs.field(factory=Counter)
    left: int = 0
    """Jobs that had not ended when all waiting had."""
    cpu: float = 0.0
    """Seconds of processor time."""

    @property
    def growth(self) -> float:
        """What is held in the end against what was after the first day."""
        return self.held[-1] / self.held[0]

    def take(self, service: Service, ref: JobRef, status: JobStatus | None) -> None:
        """Count an end."""
        story = service.known.pop(ref.job_id, None)
        if story is None:
            self.twice += 1
            return
        self.latencies[self.ended] = anyio.current_time() - story.ends_at
        self.ended += 1
        self.wrong += status is not story.end


class Program:
    """A program that submits jobs and waits for them."""

    def __init__(self, days: int, jobs_a_day: int, seed: int) -> None:
        self.days = days
        self.jobs_a_day = jobs_a_day
        self.rng = Random(seed)
        self.service = Service(Random(seed + 1))
        self.found = Month(array("d", bytes(8 * days * jobs_a_day)))
        self.poller = gespoll.Poller(self.service, rng=Random(seed + 2), interval=INTERVAL, max_per_second=PER_SECOND)

    async def run(self) -> Month:
        """Let jobs come and go for some days, with a watch for the jobs of each."""
        async with self.poller, anyio.create_task_group() as tasks:
            for day in range(self.days):
                await anyio.sleep_until(day * DAY)
                tasks.start_soon(self.one_day, tasks)
                tasks.start_soon(self.weigh, day)
        self.found.left = len(self.service.known)
        self.found.requests, self.found.met = self.service.requests, self.service.met
        return self.found

    async def one_day(self, tasks: anyio.abc.TaskGroup) -> None:
        """Watch the jobs of a day to their ends."""
        async with self.poller.watch(on_failure="never") as watch:
            tasks.start_soon(self.submit, watch, tasks)
            async for change in watch:
                self.found.open_most = max(self.found.open_most, len(self.service.known))
                if change.is_final:
                    self.found.take(self.service, change.ref, change.status)

    async def submit(self, watch: gespoll.Watch, tasks: anyio.abc.TaskGroup) -> None:
        """Submit the jobs of a day at random, and hand them to the watch or to waits of their own."""
        for number in range(self.jobs_a_day):
            await anyio.sleep(self.rng.expovariate(self.jobs_a_day / DAY))
            ref = self.service.submit()
            if number % 10:
                watch.add(ref)
            else:
                tasks.start_soon(self.wait_alone, ref)
        watch.close_input()

    async def wait_alone(self, ref: JobRef) -> None:
        """Wait for one job, and begin again when that is cut off."""
        while True:
            with anyio.move_on_after(self.rng.expovariate(1 / MEDIAN_SECONDS)):
                try:
                    status = await self.end_of(ref)
                except gespoll.WaitTimeout:
                    pass
                else:
                    self.found.take(self.service, ref, status)
                    return
            self.found.begun_again += 1

    async def end_of(self, ref: JobRef) -> JobStatus | None:
        """Wait for one job, half of the times for ten minutes at most."""
        try:
            return (await self.poller.wait(ref, timeout=self.rng.choice([None, 600.0]))).status
        except gespoll.JobError as error:
            return None if error.job is None else error.job.status

    async def weigh(self, day: int) -> None:
        """Note in the evening what is held."""
        await anyio.sleep_until((day + 1) * DAY - REFUSED_SECONDS - 3600)
        gc.collect()
        self.found.held.append(tracemalloc.get_traced_memory()[0])
        tell(f"soak: day {day + 1}, {self.found.ended} jobs ended")


def simulated(days: int, jobs_a_day: int, seed: int = 0) -> Month:
    """Measure a month, or less of it."""
    began_at = time.process_time()
    tracemalloc.start()
    try:
        found = anyio.run(Program(days, jobs_a_day, seed).run, backend_options={"loop_factory": virtual_time})
    finally:
        tracemalloc.stop()
    found.cpu = time.process_time() - began_at
    return found


def run(seeds: int, into: Path = Path()) -> list[Row]:
    """Measure once; draws no picture.

    Args:
        seeds: not used.
        into: not used.
    """
    tell("soak: a month")
    rows = [row(simulated(DAYS, JOBS_A_DAY))]
    tell("soak: over HTTP")
    return [*rows, soak_over_http.row(anyio.run(soak_over_http.soak, SECONDS))]


def row(found: Month) -> Row:
    """Put a month into a line of the table."""
    latencies = sorted(found.latencies[: found.ended])
    mean = sum(latencies) / len(latencies)
    met = ", ".join(f"{count} {name}" for name, count in sorted(found.met.items()))
    counts = (found.ended, found.twice, found.wrong, found.left)
    return Row(
        what=f"soak, {len(found.latencies)} jobs in {len(found.held)} days of virtual time",
        beside="itself",
        reach=f"every job ends once and rightly; memory <= {GROWTH_AT_MOST}x of the first day's",
        measured=(
            f"{found.ended} ends, {found.twice} twice, {found.wrong} wrong, {found.left} left; "
            f"memory {found.growth:.3f}x ({found.held[0] / 1024:.0f} to {found.held[-1] / 1024:.0f} KiB)"
        ),
        reached=counts == (len(found.latencies), 0, 0, 0) and found.growth <= GROWTH_AT_MOST,
        note=(
            f"{found.requests} requests, of them {met}; {found.begun_again} waits begun again; at most "
            f"{found.open_most} jobs open; ends known after {short(mean)} s in the mean, 99 % within "
            f"{short(percentile(latencies, 0.99))} s; {found.cpu:.0f} s of CPU"
        ),
    )
