"""Let a poller live in a world: watches that join, processes that are killed, and the next that goes on."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from datetime import UTC, datetime, timedelta

import anyio
import attrs

from gespoll import GespollError, JobRef, Poller, StateChange, Watch
from gespoll.testing import virtual_time

from .log import Joined, Kept, Left, Log, Taken
from .plan import Kill, Wait, World
from .source import ListSource, QuerySource

_BEGINNING = datetime(2026, 3, 29, tzinfo=UTC)
_SAMPLED = 8
"""Each so many replies the poller is asked for its period."""


def run(world: World) -> Log:
    """Run a world on virtual time, and return what happened."""
    log = Log()
    anyio.run(_main, world, log, backend_options={"loop_factory": virtual_time})
    return log


async def _main(world: World, log: Log) -> None:
    await _Run(world, log).all_lives()
    current = asyncio.current_task()
    log.left_over += sorted(task.get_name() for task in asyncio.all_tasks() if task is not current)
    log.ended_at = anyio.current_time()


@attrs.define(eq=False)
class _Memory:
    """What a process wrote down of a watch."""

    text: str
    ended: frozenset[str]


class _Run:
    """The lives of a run, one process after the other."""

    def __init__(self, world: World, log: Log) -> None:
        self._world, self._log = world, log
        self._source: QuerySource = (ListSource if world.plane.has_list else QuerySource)(world, log)
        self._kept: dict[int, _Memory] = {}
        self._deadlines: dict[int, float | None] = {}
        self._joined: dict[str, float] = {}
        self._over: set[int] = set()
        self._life = 0

    async def all_lives(self) -> None:
        """Live, be killed, and go on until no watch is left."""
        for kill in [*self._world.kills, None]:
            await self._live(kill)
            if self._log.flooded or len(self._over) == len(self._world.waits):
                return
            if kill is not None:
                await anyio.sleep(kill.downtime)
            self._life += 1
            self._source.life = self._life

    async def _live(self, kill: Kill | None) -> None:
        log, world = self._log, self._world
        killed_at = None if kill is None else log.replies + kill.after_replies
        with anyio.CancelScope(deadline=world.until) as life:
            log.on_flood = life.cancel
            async with Poller(
                self._source,
                rng=random.Random(world.seed),
                wall_clock=lambda: _BEGINNING + timedelta(seconds=anyio.current_time()),
                **attrs.asdict(world.knobs),
            ) as poller:
                log.on_reply = functools.partial(self._replied, poller, life, killed_at)
                async with anyio.create_task_group() as tasks:
                    for number, wait in enumerate(world.waits):
                        if number not in self._over:
                            tasks.start_soon(self._watch, poller, number, wait, kill)
                self._sample(poller)
                if poller.statistics().open_jobs:
                    log.left_over.append(f"{poller.statistics().open_jobs} open jobs of life {self._life}")
        log.on_reply = log.on_flood = None

    def _replied(self, poller: Poller, life: anyio.CancelScope, killed_at: int | None) -> None:
        if self._log.replies % _SAMPLED == 1:
            self._sample(poller)
        if self._log.replies == killed_at:
            life.cancel()

    def _sample(self, poller: Poller) -> None:
        figures = poller.statistics()
        self._log.period = max(self._log.period, figures.period)
        self._log.rate = min(self._log.rate, figures.rate)

    async def _watch(self, poller: Poller, number: int, wait: Wait, kill: Kill | None) -> None:
        kept = self._kept.get(number)
        if kept is None and anyio.current_time() < wait.joins_at:
            await anyio.sleep(wait.joins_at - anyio.current_time())
        raised = None
        try:
            async with self._opened(poller, number, wait, kept) as changes:
                await self._consume(changes, number, kill)
        except GespollError as error:
            raised = type(error).__name__
        except anyio.get_cancelled_exc_class():
            self._leave(number, killed=True)
            raise
        self._over.add(number)
        self._leave(number, raised=raised)

    def _opened(self, poller: Poller, number: int, wait: Wait, kept: _Memory | None) -> Watch:
        now = anyio.current_time()
        limits = [limit for limit in (wait.timeout, wait.job_timeout) if limit is not None]
        ends_at = self._deadlines.setdefault(number, now + min(limits) if limits else None)
        for job_id, graph in wait.refs:
            if kept is None or job_id not in kept.ended:
                first_at, is_resumed = self._joined.setdefault(job_id, now), kept is not None
                self._log.add(Joined(now, number, self._life, job_id, graph, ends_at, is_resumed, first_at))
        if kept is not None:
            return poller.resume(json.loads(kept.text))
        return poller.watch(
            [JobRef(job_id, graph) for job_id, graph in wait.refs],
            timeout=wait.timeout,
            job_timeout=wait.job_timeout,
            on_failure="never",
        )

    async def _consume(self, changes: Watch, number: int, kill: Kill | None) -> None:
        keeps = None if kill is None else kill.keeps
        try:
            if keeps == "change":
                self._keep(changes, number)
            async for change in changes:
                self._log.add(taken(change, number, self._life, anyio.current_time()))
                if keeps == "change":
                    self._keep(changes, number)
        finally:
            if keeps == "moment":
                self._keep(changes, number)

    def _keep(self, changes: Watch, number: int) -> None:
        snapshot = changes.snapshot()
        kept = {job["job_id"] for job in snapshot["jobs"] if job.get("ended")}
        final = [change for change in self._log.taken() if change.watch == number and change.is_final]
        ended = frozenset(change.job_id for change in final if change.is_verdict or change.job_id in kept)
        self._kept[number] = _Memory(json.dumps(snapshot), ended)
        self._log.add(Kept(anyio.current_time(), number))

    def _leave(self, number: int, *, killed: bool = False, raised: str | None = None) -> None:
        self._log.add(Left(anyio.current_time(), number, self._life, killed, raised))


def taken(change: StateChange, watch: int, life: int, now: float) -> Taken:
    """Put down a change."""
    error, job = change.error, change.job
    return Taken(
        at=now,
        watch=watch,
        life=life,
        job_id=change.ref.job_id,
        status=change.status,
        is_final=change.is_final,
        error=None if error is None else " ".join(kind.__name__ for kind in type(error).__mro__[:-3]),
        observed_at=change.observed_at,
        files=job is not None and job.tells_files,
        reason=job is not None and job.fail_reason is not None,
        confirmed=job is None or job.confirmed,
        text="" if error is None else str(error),
    )
