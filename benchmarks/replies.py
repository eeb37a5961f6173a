"""Replies of a service with running jobs, for a server that sends them again and again.

Rule: they are taken from `gespoll.testing.FakeGES`, byte by byte as it sends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aiohttp

from benchmarks.api import RUNNING
from benchmarks.contest import on_virtual_time
from benchmarks.fixed_server import ANY_ID
from benchmarks.over_http import GRAPH, LOADED
from gespoll.testing import FakeGES, FakeJob

HEADERS = ("Content-Type", "Content-Length", "Date", "X-Request-Id")


def management(ids: Sequence[str], *, list_refused: bool = False) -> dict[bytes, bytes]:
    """Record the management plane: the list in one page, and any job by itself.

    Args:
        ids: of running imports, whose files are told; 32 characters each.
        list_refused: whether the list is forbidden.
    """
    jobs = [imported(each) for each in ids]
    listed = recorded(jobs, f"/v2/{{}}/graphs/jobs?limit={len(ids)}", list_refused=list_refused)
    return listed | recorded([imported(ANY_ID)], f"/v2/{{}}/graphs/{GRAPH}/jobs/{ANY_ID}/status")


def imported(job_id: str) -> FakeJob:
    """Make a running import that tells its file."""
    return FakeJob(job_id, graph=GRAPH, steps=[(0, RUNNING)], files=LOADED, files_always=True)


def engine(ids: Sequence[str]) -> dict[bytes, bytes]:
    """Record one engine: its list with all jobs in one body, and any job by itself.

    Args:
        ids: of running jobs of the graph; 32 characters each.
    """
    jobs = [engine_job(each) for each in ids]
    listed = recorded(jobs, f"/ges/v1.0/{{}}/graphs/{GRAPH}/jobs/status?limit={len(ids)}")
    return listed | recorded([engine_job(ANY_ID)], f"/ges/v1.0/{{}}/graphs/{GRAPH}/jobs/{ANY_ID}/status")


def engine_job(job_id: str) -> FakeJob:
    """Make a running job of the engine."""
    body = {"edgesetPath": "bucket/edges", "schemaPath": "bucket/schema.xml"}
    return FakeJob(job_id, graph=GRAPH, engine=True, steps=[(0, RUNNING)], request_body=body)


def recorded(jobs: Iterable[FakeJob], path: str, *, list_refused: bool = False) -> dict[bytes, bytes]:
    """Ask a fake service with some jobs for a path; gives the response by the path without its query.

    Args:
        jobs: what the service knows.
        path: with `{}` for the project id.
        list_refused: whether the list is forbidden.
    """

    async def main() -> dict[bytes, bytes]:
        async with FakeGES(list_refused=list_refused) as ges:
            ges.add_jobs(jobs)
            headers = {"X-Auth-Token": ges.token, "X-Language": "en-us"}
            async with aiohttp.ClientSession(ges.endpoint, headers=headers) as session:
                whole = path.format(ges.project_id)
                return {whole.partition("?")[0].encode(): await response(session, whole)}

    return on_virtual_time(main)


async def response(session: aiohttp.ClientSession, path: str) -> bytes:
    """Ask for a path, and write the response as it came."""
    async with session.get(path) as reply:
        body = await reply.read()
        head = [f"HTTP/1.1 {reply.status} {reply.reason}", *(f"{name}: {reply.headers[name]}" for name in HEADERS)]
        return "\r\n".join([*head, "", ""]).encode() + body
