"""A desk for the scheduler: a server made of stories, and a clock that is only a number."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from gespoll import Job, JobNotFound, JobRef, JobStatus, ListingSource, ListWindow, StateChange
from gespoll._scheduler import Clocks, Get, Ledger, Outcome, Request, Scheduler, Settings, Window
from gespoll._snapshot import OnFailure, Snapshot, read_snapshot
from gespoll._source import JobSource, Wanted

Story = Callable[[float], Outcome | None]
"""What a job looks like at a time: a job, an error, or `None` where the server does not know it."""


def job(job_id: str, status: str = "running", **fields: Any) -> Job:
    """Make a reading of a job that is no import, unless the fields say otherwise."""
    fields.setdefault("is_import", False)
    fields.setdefault("name", "StartGraph")
    return Job(ref=JobRef(job_id, "g"), status=JobStatus(status), reported_status=status, **fields)


def ends_at(job_id: str, end: float, status: str = "success", **fields: Any) -> Story:
    """Tell of a job that runs until `end`."""
    return lambda now: job(job_id, status, **fields) if now >= end else job(job_id)


class QueryOnly(JobSource):
    """A source that can query and nothing else; the desk answers in its place."""

    async def get(self, ref: JobRef, /) -> Job:
        """Never called."""
        raise NotImplementedError


class Listing(ListingSource):
    """A source that can list, too; the desk answers in its place."""

    confirms_imports = True

    async def get(self, ref: JobRef, /) -> Job:
        """Never called."""
        raise NotImplementedError

    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Wanted) -> ListWindow:
        """Never called."""
        raise NotImplementedError


class Desk:
    """A scheduler, the stories its server tells, and everything that was asked."""

    def __init__(self, stories: dict[str, Story] | None = None, *, listing: bool = False, **knobs: Any) -> None:
        self.stories = stories or {}
        self.scheduler = Scheduler(Listing() if listing else QueryOnly(), Settings(**knobs), random.Random(0))
        self.asked: list[Request] = []
        self.now = 0.0
        self.list_error: Exception | None = None
        self.max_page = 1000
        self.unlisted: set[str] = set()
        self.order: Callable[[list[str]], list[str]] = list
        self.list_lag = 0.0
        self.listed: dict[str, Story] = {}
        self.ignores_offset = False

    def watch(self, job_ids: Iterable[str], graph: str | None = "g", **fields: Any) -> Ledger:
        """Open a watch on some jobs, at the desk's time."""
        ledger = Ledger(**fields)
        self.scheduler.open(ledger, self.now)
        self.scheduler.join(ledger, [JobRef(job_id, graph) for job_id in job_ids], self.now)
        ledger.close_input()
        return ledger

    def resume(
        self, snapshot: Snapshot, job_ids: Iterable[str], graph: str | None = "g", on_failure: OnFailure = "end"
    ) -> Ledger:
        """Go on from a snapshot, handing over jobs besides."""
        ledger = Ledger(timeout=snapshot.timeout, job_timeout=snapshot.job_timeout, on_failure=on_failure)
        self.scheduler.recall(ledger, snapshot, snapshot.jobs, self._clocks())
        self.scheduler.join(ledger, [JobRef(job_id, graph) for job_id in job_ids], self.now)
        ledger.close_input()
        return ledger

    def snapshot(self, ledger: Ledger) -> Snapshot:
        """Take a snapshot, and read what came of it."""
        return read_snapshot(self.written(ledger))

    def written(self, ledger: Ledger) -> dict[str, Any]:
        """Take a snapshot at a stretch."""
        writing = self.scheduler.writing(ledger, self._clocks())
        for _ in writing.steps():
            pass
        self.scheduler.end_writing(writing)
        return writing.json

    def _clocks(self) -> Clocks:
        return Clocks(self.now, datetime(2026, 3, 29, tzinfo=UTC) + timedelta(seconds=self.now))

    def next(self) -> Request:
        """Let time pass until a request is due, which must happen, and give it."""
        for _ in range(5):  # what is due may be the end of a round
            due = self.scheduler.next_due()
            assert due < math.inf, "nothing is left to ask"
            self.now = max(self.now, due)
            request = self.scheduler.next_request(self.now)
            if request is not None:
                self.asked.append(request)
                return request
        raise AssertionError("what is due is never asked for")

    def answer(self, request: Request, outcome: Outcome | None = None) -> None:
        """Hand in what came of a request; by default what the stories tell."""
        told = self.tell(request) if outcome is None else outcome
        self.scheduler.record(request, told, self.now)

    def tell(self, request: Request) -> Outcome:
        """Tell what the server says."""
        if isinstance(request, Window):
            return self._page(request)
        reading = self._story(request.job_id, self.now)
        return JobNotFound(JobRef(request.job_id, request.graph)) if reading is None else reading

    def _story(self, job_id: str, now: float) -> Outcome | None:
        story = self.stories.get(job_id)
        return None if story is None else story(now)

    def _page(self, request: Window) -> Outcome:
        if self.list_error is not None:
            return self.list_error  # type: ignore[return-value]
        shown = [job_id for job_id in self.stories if job_id not in self.unlisted]
        then = self.now - self.list_lag
        readings = {
            job_id: self.listed[job_id](then) if job_id in self.listed else self._story(job_id, then)
            for job_id in self.order(shown)
        }
        jobs = [reading for reading in readings.values() if isinstance(reading, Job)]
        offset = 0 if self.ignores_offset else request.offset
        page = jobs[offset : offset + min(request.limit, self.max_page)]
        ids = tuple(entry.ref.job_id for entry in page)
        wanted = self.scheduler.wants(request, ids, [entry.reported_status for entry in page])
        return ListWindow(ids=ids, jobs=tuple(page[at] for at in wanted), total=len(jobs))

    def run(self, until: float = math.inf, *, step: float = 0.01) -> None:
        """Let time pass: send what is due, answer it, until nothing is left to do."""
        for _ in range(200_000):
            due = min(self.scheduler.next_due(), self.scheduler.next_deadline())
            if due > until or due == math.inf:
                self.now = max(self.now, until) if until < math.inf else self.now
                return
            self.now = max(self.now, due)
            self.scheduler.pass_deadlines(self.now)
            request = self.scheduler.next_request(self.now)
            if request is not None:
                self.asked.append(request)
                self.now += step
                self.answer(request)
        raise AssertionError(f"still busy at {self.now}")

    @property
    def queries(self) -> list[str]:
        """The job ids of the single queries, in order."""
        return [request.job_id for request in self.asked if isinstance(request, Get)]

    @property
    def windows(self) -> list[Window]:
        """The list queries, in order."""
        return [request for request in self.asked if isinstance(request, Window)]


def statuses(ledger: Ledger, job_id: str | None = None) -> list[str]:
    """Give the statuses told, of one job or of all, in order."""
    changes = [change for change in ledger.changes if job_id in {None, change.ref.job_id}]
    return [change.status.value if change.status else "none" for change in changes]


def finals(ledger: Ledger) -> dict[str, StateChange]:
    """Give the final changes by job id; each job has one at most."""
    ends = [change for change in ledger.changes if change.is_final]
    assert len(ends) == len({change.ref.job_id for change in ends})
    return {change.ref.job_id: change for change in ends}
