"""One wait: jobs in, changes told, an exit status out.

Rule: a change is told before it counts as taken in, so that a snapshot never holds what nobody was told.
"""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from typing import Any

import anyio
import attrs

import gespoll
from gespoll.cli._connection import poller_of, told_as_usage
from gespoll.cli._ending import Ending
from gespoll.cli._exit import ExitStatus, UsageError, status_of_error, worst
from gespoll.cli._jobs_input import Jobs
from gespoll.cli._kept import Kept
from gespoll.cli._options import Output, Service, Waiting, lines_or_share, seconds
from gespoll.cli._outages import Outages
from gespoll.cli._output import complain
from gespoll.cli._reports import End, Json, Lines, Quiet, Report
from gespoll.cli._standing import Standing

_KEPT_PER_SECOND = 1


async def wait(names: Iterable[str], service: Service, waiting: Waiting) -> int:
    """Wait for jobs, and give the exit status.

    Cancelling it, as Ctrl-C does, tells what is still open and ends it at once.

    Args:
        names: the jobs, as they were typed.
        service: which service is asked.
        waiting: how they are waited for.

    Raises:
        UsageError: when it cannot begin as asked for.
    """
    kept = None if waiting.snapshot is None else Kept(waiting.snapshot)
    before = [] if kept is None else [*kept.refused, *(job.ref for job in kept.jobs)]
    jobs = Jobs(list(names), waiting.graph, before=() if kept is None else kept.refused, may_be_none=bool(before))
    graphs = [*jobs.graphs, *(ref.graph for ref in before if ref.graph is not None)]
    observers = [Outages()]
    poller = poller_of(
        service,
        graphs,
        interval=waiting.interval,
        max_per_second=waiting.rate,
        verify=waiting.verify,
        pending_timeout=waiting.pending_timeout,
        unconfirmed=waiting.unconfirmed,
        observers=observers,
    )
    for ref in jobs.named:
        with told_as_usage():
            poller.source.check(ref)
    standing = Standing(anyio.current_time(), per_graph=service.plane == "engine")
    following = _Following(jobs, poller, waiting, kept, standing, _report_of(waiting.output, standing, jobs))
    try:
        error = await following.run()
    except anyio.get_cancelled_exc_class():
        following.finish([ExitStatus.INTERRUPTED], service)
        raise
    except UsageError as wrong:
        if not following.begun:
            raise
        complain(str(wrong))
        return following.finish([ExitStatus.USAGE], service)
    return following.finish([] if error is None else [status_of_error(error)], service, error)


def _report_of(output: Output, standing: Standing, jobs: Jobs) -> Report:
    """Choose the report: for humans a live display where it can be shown, lines elsewhere."""
    if output == "json":
        return Json(standing)
    if output == "quiet":
        return Quiet(standing)
    if not sys.stdout.isatty():
        return Lines(standing)
    from gespoll.cli._wait_live import live

    return live(standing, lambda: jobs.is_unread) or Lines(standing)


@attrs.define
class _Following:
    """A wait under way."""

    jobs: Jobs
    poller: gespoll.Poller
    waiting: Waiting
    kept: Kept | None
    standing: Standing
    report: Report
    requests: int = 0
    begun: bool = False
    untold: bool = False
    """Whether a change was taken that is not told yet."""
    stopped: bool = False
    """Whether a failure has ended it before all jobs have."""

    async def run(self) -> Exception | None:
        """Follow all jobs to their ends; give the error of gespoll's that ended it otherwise.

        Raises:
            UsageError: when a line of standard input is no job, or the snapshot cannot be used.
        """
        for ref in self.jobs.named:
            self.standing.expect(ref)
        try:
            async with self.poller, aclosing(self._come()) as coming:
                try:
                    # What is known already is handed in at once, so that even a wait of no time looks at it.
                    await self._watch(coming if self.jobs.reads_stdin else self.jobs.named)
                finally:
                    self._count()
        except gespoll.JobsFailed as failed:
            self.standing.recall_troubles(failed.results)
        except gespoll.GespollError as error:
            return error
        return None

    def _come(self) -> AsyncGenerator[gespoll.JobRef]:
        return self.jobs.come(self._accept, narrow=self.waiting.max_open is not None)

    def _accept(self, ref: gespoll.JobRef) -> None:
        with told_as_usage():
            self.poller.source.check(ref)
        self.standing.expect(ref)

    async def _watch(self, refs: AsyncIterable[gespoll.JobRef] | Iterable[gespoll.JobRef]) -> None:
        async with self._opened(refs) as changes:
            self.begun = True
            with self.report:
                try:
                    self._keep(changes, at_once=True)
                    await self._follow(changes)
                finally:
                    self._keep(changes, at_once=True)

    def _opened(self, refs: AsyncIterable[gespoll.JobRef] | Iterable[gespoll.JobRef]) -> gespoll.Watch:
        terms: dict[str, Any] = {"timeout": seconds(self.waiting.timeout)}
        if self.waiting.max_open is not None:
            terms["max_open"] = self.waiting.max_open
        if self.waiting.max_failed_lines is not None:
            terms["max_failed_lines"] = lines_or_share(self.waiting.max_failed_lines)
        if self.kept is None:
            return self.poller.watch(refs, **terms)
        watch = self.kept.watch(self.poller, refs, **terms)
        for job in self.kept.jobs:
            self.standing.recall(job)
        return watch

    def _keep(self, changes: gespoll.Watch, *, at_once: bool = False) -> None:
        if self.kept is not None and not self.untold:
            self.kept.keep(changes, at_once=at_once)

    async def _follow(self, changes: gespoll.Watch) -> None:
        """Take every change, and let the report tick until the last has come."""
        pace = self.report.ticks_per_second or (0 if self.kept is None else _KEPT_PER_SECOND)
        ticks = 0
        while True:
            ticks += 1
            try:
                with anyio.CancelScope(deadline=self.standing.started_at + ticks / pace if pace else math.inf) as scope:
                    await self._take_all(changes)
            finally:
                self._count()
                self.report.tick(anyio.current_time(), self.requests)
            if not scope.cancelled_caught:
                return
            self._keep(changes)

    async def _take_all(self, changes: gespoll.Watch) -> None:
        async for change in changes:
            self.untold = True
            self.standing.take(change)
            self.report.take(change)
            self.untold = False
            self._keep(changes)
            if self.waiting.on_failure == "first" and change.error is not None:
                self.stopped = True
                return

    def _count(self) -> None:
        told = self.poller.statistics()
        self.requests = told.queries + told.windows

    def finish(self, ended_by: list[ExitStatus], service: Service, error: Exception | None = None) -> int:
        """Tell how it ended, and give the exit status."""
        end = Ending(jobs=self.jobs, waiting=self.waiting, standing=self.standing, stopped=self.stopped)
        status = worst([*ended_by, *end.statuses()])
        elapsed = anyio.current_time() - self.standing.started_at
        self.report.finish(End(status=status, elapsed=elapsed, requests=self.requests))
        if ended_by == [ExitStatus.INTERRUPTED]:
            complain("interrupted")
        end.tell(service, error)
        return status
