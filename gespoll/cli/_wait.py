"""One wait: jobs in, changes told, an exit status out.

Rule: however it ends, what is still open is told with the command that goes on, on standard error.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from pathlib import Path

import anyio
import attrs

import gespoll
from gespoll.cli._connection import poller_of, spoken, told_as_usage
from gespoll.cli._exit import VERDICTS, ExitStatus, UsageError, status_of_error, worst
from gespoll.cli._jobs_input import Jobs
from gespoll.cli._options import Output, Service, Waiting, typed
from gespoll.cli._output import complain, plain
from gespoll.cli._reports import End, Json, Lines, Quiet, Report
from gespoll.cli._standing import Standing
from gespoll.cli._words import counted, named, status_words

_AS_ARGUMENTS_AT_MOST = 50


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
    jobs = Jobs(list(names), waiting.graph)
    poller = poller_of(service, jobs.graphs, interval=waiting.interval, max_per_second=waiting.rate)
    for ref in jobs.named:
        with told_as_usage():
            poller.source.check(ref)
    standing = Standing(anyio.current_time(), per_graph=service.plane == "engine")
    following = _Following(jobs, poller, waiting, standing, _report_of(waiting.output, standing, jobs))
    try:
        error = await following.run()
    except anyio.get_cancelled_exc_class():
        following.finish([ExitStatus.INTERRUPTED], service)
        raise
    except UsageError as wrong:
        complain(str(wrong))
        return following.finish([ExitStatus.USAGE], service)
    return following.finish([] if error is None else [status_of_error(error)], service)


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
    standing: Standing
    report: Report
    requests: int = 0
    stopped: bool = False
    """Whether a failure has ended it before all jobs have."""

    async def run(self) -> Exception | None:
        """Follow all jobs to their ends; give the error of gespoll's that ended it otherwise.

        Raises:
            UsageError: when a line of standard input is no job.
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
        waiting = self.waiting
        watch = self.poller.watch(refs, timeout=waiting.timeout, max_open=waiting.max_open, on_failure="never")
        async with watch as changes:
            with self.report:
                await self._follow(changes)

    async def _follow(self, changes: gespoll.Watch) -> None:
        """Take every change, and let the report tick until the last has come."""
        pace = self.report.ticks_per_second
        ticks = 0
        while True:
            ticks += 1
            deadline = self.standing.started_at + ticks / pace if pace else None
            with anyio.CancelScope() as scope:
                scope.deadline = deadline if deadline is not None else scope.deadline
                await self._take_all(changes)
            self._count()
            self.report.tick(anyio.current_time(), self.requests)
            if not scope.cancelled_caught:
                return

    async def _take_all(self, changes: gespoll.Watch) -> None:
        async for change in changes:
            self.standing.take(change)
            self.report.take(change)
            if self.waiting.on_failure == "first" and change.error is not None:
                self.stopped = True
                return

    def _count(self) -> None:
        told = self.poller.statistics()
        self.requests = told.queries + told.windows

    # The end

    def finish(self, ended_by: list[ExitStatus], service: Service) -> int:
        """Tell how it ended, and give the exit status."""
        status = worst([*ended_by, *self._statuses()])
        end = End(status=status, elapsed=anyio.current_time() - self.standing.started_at, requests=self.requests)
        self.report.finish(end)
        self._tell_trouble(ended_by)
        self._tell_open(service)
        return status

    def _statuses(self) -> set[ExitStatus]:
        statuses = set(self.standing.statuses)
        if not self.stopped and (self.jobs.is_unread or self._some_unsettled):
            statuses.add(ExitStatus.TIMED_OUT)  # the time was over before they were taken in
        return statuses - VERDICTS if self.waiting.on_failure == "never" else statuses

    @property
    def _some_unsettled(self) -> bool:
        """Whether jobs are open of which no last change was told."""
        return len(self.standing.unsettled) < self.standing.total - self.standing.ended

    def _tell_trouble(self, ended_by: list[ExitStatus]) -> None:
        """Tell what kept jobs from being waited for, each thing once."""
        if ExitStatus.INTERRUPTED in ended_by:
            complain("interrupted")
        shared = {id(change.error): change.error for change in self.standing.unsettled}
        for error in filter(None, shared.values()):
            complain(plain(spoken(error)))
        if not self.standing.total and not self.jobs.is_unread:
            complain("no job was given: standard input held none")

    def _tell_open(self, service: Service) -> None:
        left = self.standing.open_jobs()
        unread = self.jobs.is_unread
        if self._some_unsettled:  # the others have just been named
            names = named(f"{ref} ({status_words(status)})" for ref, status in left)
            complain(f"{counted(len(left), 'job')} still open, which nothing here stops: {names}")
        if unread:
            complain("standard input was not read to its end")
        if left or unread:
            complain(f"to go on: {self._command([str(ref) for ref, _ in left], service, unread=unread)}")

    def _command(self, names: list[str], service: Service, *, unread: bool) -> str:
        """Write the command that goes on, to be pasted into a shell."""
        start = ["gespoll"] if Path(sys.argv[0]).name == "gespoll" else [sys.executable, "-m", "gespoll"]
        words = shlex.join([*start, "wait", *typed(service), *typed(self.waiting)])
        if len(names) <= _AS_ARGUMENTS_AT_MOST:
            return " ".join([words, shlex.join([*names, *["-"] * unread])])
        lines = "\n".join(names)
        return f"{words} - <<'END'\n{lines}\nEND"
