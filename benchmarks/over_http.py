"""The same protocol over HTTP: aiohttp against `gespoll.testing.FakeGES`.

Rule: a peer's request goes out as `session.get` sends it, with aiohttp's defaults.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

import aiohttp

import gespoll
from benchmarks.api import ENDED, RUNNING, ListRefused, Pace, Page, TooManyRequests
from benchmarks.workload import Work
from gespoll.testing import FakeFile, FakeGES, FakeJob

GRAPH = "graph-1"
ORIGIN = datetime(2030, 1, 1, tzinfo=UTC)
LOADED = (FakeFile("edgeset", "edges.csv", total_lines=1000, failed_lines=0, successful_lines=1000),)


class HttpApi:
    """An `Api` of a fake service over HTTP."""

    def __init__(self, ges: FakeGES, session: aiohttp.ClientSession) -> None:
        self._ges = ges
        self._session = session
        self._base = f"{ges.endpoint}/v2/{ges.project_id}/graphs"

    async def get(self, job_id: str) -> str:
        """Read the status word of one job. May be cancelled."""
        record = await self._json(f"{self._base}/{GRAPH}/jobs/{job_id}/status")
        return str(record["status"])

    async def page(self, offset: int, limit: int) -> Page:
        """Read a part of the list. May be cancelled."""
        body = await self._json(f"{self._base}/jobs?offset={offset}&limit={limit}")
        return Page([(entry["job_id"], entry["status"]) for entry in body["job_list"]], body["job_count"])

    def poller(self, pace: Pace) -> gespoll.Poller:
        """Make a poller of the same service, with a session of its own."""
        return gespoll.connect(
            self._ges.endpoint,
            self._ges.project_id,
            credentials=gespoll.Token(self._ges.token),
            rng=Random(pace.seed),
            interval=pace.interval,
            max_per_second=pace.per_second,
        )

    def ref(self, job_id: str) -> gespoll.JobRef:
        """Name a job as gespoll is to know it."""
        return gespoll.JobRef(job_id, GRAPH)

    async def _json(self, url: str) -> Any:
        async with self._session.get(url) as response:
            body = await response.read()
        if response.status == 429:
            raise TooManyRequests
        if response.status == 403:
            raise ListRefused
        response.raise_for_status()
        return json.loads(body)


@asynccontextmanager
async def serving(works: Iterable[Work], **options: Any) -> AsyncIterator[tuple[FakeGES, HttpApi]]:
    """Serve jobs, of which waiting begins now, and give the service and an `Api` of it.

    Args:
        works: the jobs.
        options: keyword arguments of `FakeGES`.
    """
    async with FakeGES(origin=ORIGIN, **options) as ges:
        ges.add_jobs([fake_job(work) for work in works])
        headers = {"X-Auth-Token": ges.token, "X-Language": "en-us"}
        async with aiohttp.ClientSession(headers=headers) as session:
            yield ges, HttpApi(ges, session)


def fake_job(work: Work) -> FakeJob:
    """Make the fake server's job: an import that tells its one file once it has ended."""
    age = -work.begins_at
    steps = ((0.0, RUNNING), (age + work.ends_at, ENDED))
    return FakeJob(work.job_id, graph=GRAPH, steps=steps, files=LOADED, age=age)
