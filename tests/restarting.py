"""A consumer that is killed again and again: `python -m tests.restarting FOLDER SEED KILLS`.

One process is the service. Others follow its jobs, one after the other: each goes on from the snapshot that the
last one left, drops the changes that it finds in the log, writes down each other one, then a snapshot. All but the
last are ended by SIGKILL, half of them at a random moment, half at a random step of their work. At the end the log
and what the service knows are printed as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio

import gespoll
from gespoll import JobRef, StateChange
from gespoll.testing import FakeGES, FakeJob

JOBS = 120
SECONDS = 20.0
"""When the last job has ended."""


def jobs(rng: random.Random) -> list[FakeJob]:
    """Make jobs that end all along."""
    made = []
    for number in range(JOBS):
        end = SECONDS * (number + 1) / JOBS
        steps = [(0.0, "pending"), (end * rng.uniform(0.1, 0.9), "running"), (end, rng.choice(["success", "failed"]))]
        made.append(FakeJob(f"job-{number}", graph="movies", name="StartGraph", steps=steps, files=None))
    return made


def forked(child: Callable[[], None]) -> int:
    """Run something in a process of its own; gives its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        child()
    except BaseException:  # must not go on as the parent
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


async def serve(made: list[FakeJob], told: int) -> None:
    """Be the service until killed; tell its address."""
    async with FakeGES() as ges:
        ges.add_jobs(made)
        os.write(told, json.dumps([ges.endpoint, ges.project_id, ges.token]).encode())
        os.close(told)
        await anyio.sleep(600)


class Consumer:
    """Follows the jobs; its memory is in two files."""

    def __init__(self, folder: Path, address: list[str], ids: list[str], kill_after: int | None) -> None:
        self.log = folder / "log"
        self.snapshot = folder / "snapshot.json"
        self.address = address
        self.ids = ids
        self.kill_after = kill_after

    def step(self) -> None:
        """Count what was done, and die where that is due."""
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async def run(self) -> None:
        """Follow the jobs to their ends."""
        endpoint, project_id, token = self.address
        known = {entry["id"] for entry in read_log(self.log)}
        options: dict[str, Any] = {"interval": 0.05, "max_per_second": 200.0}
        async with gespoll.connect(endpoint, project_id, credentials=gespoll.Token(token), **options) as poller:
            refs = [JobRef(job_id, "movies") for job_id in self.ids]
            watch = poller.watch(refs, on_failure="never")
            if self.snapshot.exists():
                watch = poller.resume(json.loads(self.snapshot.read_text()), refs)
            async with watch as changes:
                async for change in changes:
                    self.step()
                    if change.id not in known:
                        self.note(change)
                    self.step()
                    self.keep(changes.snapshot())

    def note(self, change: StateChange) -> None:
        """Write a change down."""
        with self.log.open("ab", buffering=0) as log:
            log.write(line_of(change))

    def keep(self, snapshot: dict[str, Any]) -> None:
        """Put a snapshot in the place of the last one."""
        new = self.snapshot.with_suffix(".new")
        new.write_text(json.dumps(snapshot))
        self.step()
        new.replace(self.snapshot)
        self.step()


def line_of(change: StateChange) -> bytes:
    """Word a change for the log."""
    status = None if change.status is None else change.status.value
    fields = {"id": change.id, "job": change.ref.job_id, "status": status, "final": change.is_final}
    return json.dumps(fields).encode() + b"\n"


def read_log(log: Path) -> list[dict[str, Any]]:
    """Read what was written down."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def end(pid: int, within: float) -> bool:
    """Kill a process after some time, unless it ends before; tell whether it was killed, by this or by itself."""
    latest = time.monotonic() + within
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.WIFSIGNALED(status)
        if time.monotonic() >= latest:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def main(folder: Path, seed: int, kills: int) -> None:
    """Kill consumers, let the last one live, and tell what they wrote down."""
    rng = random.Random(seed)
    made = jobs(rng)
    ids = [job.job_id for job in made]
    heard, told = os.pipe()
    service = forked(partial(anyio.run, serve, made, told))
    os.close(told)
    try:
        address = json.loads(os.read(heard, 1000))
        killed = 0
        for number in range(kills):
            rng.shuffle(ids)  # the order of refs tells nothing
            consumer = Consumer(folder, address, ids, rng.randrange(8) if number % 2 else None)
            killed += end(forked(partial(anyio.run, consumer.run)), within=rng.uniform(0, 0.15))
        last = Consumer(folder, address, ids, None)
        _, status = os.waitpid(forked(partial(anyio.run, last.run)), 0)
    finally:
        os.kill(service, signal.SIGKILL)
        os.waitpid(service, 0)
    truth = {job.job_id: job.steps[-1][1] for job in made}
    print(json.dumps({"killed": killed, "status": status, "log": read_log(folder / "log"), "truth": truth}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
