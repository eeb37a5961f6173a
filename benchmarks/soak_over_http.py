"""The soak over HTTP: real sockets, real time, and the service in a process of its own.

Rule: each round opens a poller, submits imports, leaves some watches early, and closes everything; what this process
holds afterwards, in tasks and file descriptors, is what it held before; and memory grows no more. `python -m
benchmarks.soak_over_http` is the service: it tells its URL, and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import aiohttp
import anyio
import attrs

import gespoll
from benchmarks.figures import Row
from gespoll.testing import FakeFile, FakeGES, FakeJob, FaultKind, Faults

GROWTH_AT_MOST = 1.1
WARM_UP = 5
FAULTY = 0.1
JOBS = 60
AT_ONCE = 30
PARTLY = FakeFile("edgeset", "e.csv", status="partFailed", cause="row 3", total_lines=9, failed_lines=1)
LOADED = FakeFile("edgeset", "e.csv", total_lines=9, failed_lines=0, successful_lines=9)
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


def fate(number: int) -> FakeJob:
    """Tell what becomes of the n-th import: one in three is only partly loaded."""
    steps = [(0.0, "pending"), (0.2, "running"), (1.0 + number % 7 / 5, "success")]
    return FakeJob(f"import-{number}", steps=steps, files=[LOADED if number % 3 else PARTLY])


@attrs.frozen
class Census:
    """What a process holds."""

    tasks: int
    descriptors: int
    """Open file descriptors; 0 where the system does not tell."""
    held: int
    """Bytes that are traced, after a full collection."""

    @classmethod
    def now(cls) -> Census:
        """Count."""
        gc.collect()
        folder = Path("/proc/self/fd")
        descriptors = sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
        return cls(len(asyncio.all_tasks()), descriptors, tracemalloc.get_traced_memory()[0])


@attrs.define
class Found:
    """What came of it."""

    before: Census
    """What was held before the first round."""
    rounds: list[Census] = attrs.field(factory=list)
    """What was held after each round."""
    ended: int = 0
    wrong: int = 0
    twice: int = 0
    left_early: int = 0
    requests: int = 0
    failures: int = 0
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        """Memory after the last round against that after the fifth, when the caches of what is below are full."""
        return self.rounds[-1].held / self.rounds[min(WARM_UP, len(self.rounds)) - 1].held

    @property
    def leaked(self) -> tuple[int, int]:
        """Tasks and file descriptors more than before the first round."""
        last = self.rounds[-1]
        return last.tasks - self.before.tasks, last.descriptors - self.before.descriptors


async def soak(seconds: float) -> Found:
    """Let rounds follow each other for some seconds of real time."""
    began_at = time.monotonic()
    tracemalloc.start()
    command = [sys.executable, "-m", "benchmarks.soak_over_http"]
    try:
        async with await anyio.open_process(command, stderr=None) as service:
            assert service.stdin is not None
            assert service.stdout is not None
            found = Found(Census.now())
            endpoint = (await service.stdout.receive()).decode().strip()
            while len(found.rounds) < 2 or time.monotonic() - began_at < seconds:
                await one_round(endpoint, found)
                found.rounds.append(Census.now())
            await service.stdin.aclose()
    finally:
        tracemalloc.stop()
    found.seconds = time.monotonic() - began_at
    return found


async def one_round(endpoint: str, found: Found) -> None:
    """Open everything, load some graphs, leave a watch early, close everything."""
    project, token = FakeGES().project_id, FakeGES().token
    async with (
        aiohttp.ClientSession(headers={"X-Auth-Token": token}) as session,
        gespoll.connect(
            endpoint, project, credentials=gespoll.Token(token), interval=0.2, max_per_second=100.0, request_timeout=1.0
        ) as poller,
    ):

        async def submitted() -> AsyncIterator[gespoll.JobRef]:
            for _ in range(JOBS):
                yield await submit(session, f"{endpoint}/v2/{project}/graphs/g/import-graph")

        ends: set[str] = set()
        async with poller.watch(submitted(), max_open=AT_ONCE, on_failure="never") as changes:
            async for change in changes:
                if change.is_final:
                    found.twice += change.ref.job_id in ends
                    ends.add(change.ref.job_id)
                    found.wrong += change.status is not wanted(change.ref.job_id)
        found.ended += len(ends)
        early = [await submit(session, f"{endpoint}/v2/{project}/graphs/g/import-graph") for _ in range(5)]
        async with poller.watch(early) as changes:
            await anext(changes)
            found.left_early += 1
        told = poller.statistics()
        found.requests += told.queries + told.windows
        found.failures += told.failures


async def submit(session: aiohttp.ClientSession, url: str) -> gespoll.JobRef:
    """Submit an import."""
    async with session.post(url, json={"edgeset_path": "e.csv"}, raise_for_status=True) as reply:
        return gespoll.JobRef((await reply.json())["job_id"], "g")


def wanted(job_id: str) -> gespoll.JobStatus:
    """Tell how an import is to end."""
    is_partial = int(job_id.removeprefix("import-")) % 3 == 0
    return gespoll.JobStatus.PARTIALLY_FAILED if is_partial else gespoll.JobStatus.SUCCESS


def row(found: Found) -> Row:
    """Put it into a line of the table."""
    tasks, descriptors = found.leaked
    return Row(
        what=f"soak over HTTP, {found.seconds:.0f} s of real time",
        beside="itself",
        reach=f"every job ends once and rightly; no task, no file descriptor more; memory <= {GROWTH_AT_MOST}x",
        measured=(
            f"{found.ended} ends, {found.twice} twice, {found.wrong} wrong; {tasks} tasks and {descriptors} "
            f"descriptors more; memory {found.growth:.3f}x of that after the fifth of {len(found.rounds)} rounds"
        ),
        reached=not (found.twice or found.wrong or tasks > 0 or descriptors > 0) and found.growth <= GROWTH_AT_MOST,
        note=(
            f"{found.requests} requests, {found.failures} of them failed; {found.left_early} watches left early; "
            f"{found.rounds[-1].tasks} task, {found.rounds[-1].descriptors} descriptors, "
            f"{found.rounds[-1].held / 1024:.0f} KiB in the end"
        ),
    )


async def serve() -> None:
    """Serve until the input ends."""
    faults = Faults(dict.fromkeys(KINDS, FAULTY / len(KINDS)), slow_seconds=0.5, retry_after=1.0)
    async with FakeGES(seed=7, faults=faults, imports=fate, max_page=20) as ges:
        print(ges.endpoint, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    anyio.run(serve)
