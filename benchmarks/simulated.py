"""The simulated service as peers see it, and as gespoll does.

Rule: gespoll's source behaves as the one over HTTP. Each entry is asked for by id and status, the whole
record is made only of the wanted ones, and errors are gespoll's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Literal

import gespoll
from benchmarks.api import FAILED, RUNNING, ListRefused, Pace, Page, PageTooLarge, ServiceDown, TooManyRequests
from benchmarks.service import Look, SimulatedService
from benchmarks.workload import Work
from gespoll import ImportFile, Job, JobRef, JobStatus, ListWindow

Wanted = Callable[[Sequence[str], Sequence[str | None]], Sequence[int]]
ORIGIN = datetime(2030, 1, 1, tzinfo=UTC)
LOADED = (ImportFile(kind="edgeset", path="edges.csv", status="success"),)
PARTLY_LOADED = (ImportFile(kind="edgeset", path="edges.csv", status="partFailed"),)
SAMPLES = 8


class SimulatedApi:
    """An `Api` of the simulated service."""

    def __init__(self, service: SimulatedService) -> None:
        self._service = service

    async def get(self, job_id: str) -> str:
        """Read the status word of one job. May be cancelled."""
        look = await self._service.look(job_id)
        return look.word(look.works[0])

    async def page(self, offset: int, limit: int) -> Page:
        """Read a part of the list. May be cancelled."""
        look = await self._service.window(offset, limit)
        return Page([(work.job_id, look.word(work)) for work in look.works], look.total)

    def poller(self, pace: Pace) -> gespoll.Poller:
        """Make a poller of the same service."""
        source = SimulatedSource(self._service)
        return gespoll.Poller(source, rng=Random(pace.seed), interval=pace.interval, max_per_second=pace.per_second)

    def ref(self, job_id: str) -> JobRef:
        """Name a job as gespoll is to know it."""
        return JobRef(job_id, "graph")


class SimulatedSource(gespoll.ListingSource):
    """A gespoll source of the simulated service."""

    confirms_imports = True

    def __init__(self, service: SimulatedService) -> None:
        self._service = service

    def scope(self, ref: JobRef, /) -> str:
        """Name the project: one list shows its jobs."""
        return "project"

    async def get(self, ref: JobRef, /) -> Job:
        """Read one job. May be cancelled.

        Raises:
            Throttled: when the rate limit is met.
            ServiceUnavailable: when the service is down.
        """
        try:
            look = await self._service.look(ref.job_id)
        except TooManyRequests:
            raise gespoll.Throttled(f"looking at job {ref}", status=429) from None
        except ServiceDown:
            raise gespoll.ServiceUnavailable(f"looking at job {ref}", status=503) from None
        return record(look, look.works[0], ref)

    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Wanted) -> ListWindow:
        """Read a part of the list. May be cancelled.

        Raises:
            Throttled: when the rate limit is met.
            PermissionDenied: when the list is refused.
            RequestRejected: when the page is too large.
            ServiceUnavailable: when the service or its list is down.
        """
        try:
            look = await self._service.window(offset, limit)
        except TooManyRequests:
            raise gespoll.Throttled("listing jobs", status=429) from None
        except ListRefused:
            raise gespoll.PermissionDenied("listing jobs", status=403) from None
        except PageTooLarge:
            raise gespoll.RequestRejected("listing jobs", status=400) from None
        except ServiceDown:
            raise gespoll.ServiceUnavailable("listing jobs", status=503) from None
        ids = tuple(work.job_id for work in look.works)
        jobs = [record(look, work, JobRef(work.job_id)) for work in wanted_of(look, wanted)]
        return ListWindow(
            ids=ids,
            jobs=tuple(jobs),
            total=look.total if self._service.behaviour.tells_total else None,
            newest_at=newest_at(look.works),
        )


def status(look: Look, work: Work) -> JobStatus:
    """Tell how a job stands."""
    word = look.word(work)
    if word == RUNNING:
        return JobStatus.RUNNING
    if word == FAILED:
        return JobStatus.FAILED
    is_partly_loaded = look.tells_files and work.outcome == "partially_failed"
    return JobStatus.PARTIALLY_FAILED if is_partly_loaded else JobStatus.SUCCESS


def files(look: Look, work: Work) -> tuple[ImportFile, ...] | None:
    """Return how the files of an ended import fared, where the look shows it."""
    if not look.tells_files or work.outcome == "failed":
        return None
    return PARTLY_LOADED if work.outcome == "partially_failed" else LOADED


def record(look: Look, work: Work, ref: JobRef) -> Job:
    """Make the whole record of a job, as a reply tells it: times to the second."""
    ended = status(look, work).is_terminal
    return Job(
        ref=ref,
        status=status(look, work),
        reported_status=look.word(work),
        name="ImportGraph",
        is_import=True,
        begin_time=moment(work.begins_at),
        end_time=moment(work.ends_at) if ended else None,
        files=files(look, work) if ended else None,
        as_of=moment(look.at),
    )


def moment(seconds: float) -> datetime:
    """Tell the service's clock, to the second."""
    return ORIGIN + timedelta(seconds=int(seconds // 1))


def wanted_of(look: Look, wanted: Wanted) -> list[Work]:
    """Ask the poller which of a page's whole records it wants."""
    places = wanted([work.job_id for work in look.works], [look.word(work) for work in look.works])
    return [look.works[place] for place in places]


def newest_at(works: Sequence[Work]) -> Literal["start", "end"] | None:
    """Tell which end of a page holds the newest entries.

    As over HTTP, some entries are compared by their times to the second; where they disagree, nothing is told.
    """
    step = max((len(works) - 1) // (SAMPLES - 1), 1)
    begins = [moment(work.begins_at) for work in works[::step]]
    rising = {later > earlier for earlier, later in pairwise(begins) if later != earlier}
    return None if len(rising) != 1 else "end" if rising == {True} else "start"
