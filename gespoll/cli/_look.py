"""`status` and `list`: one look, and the jobs that a service keeps.

Rule: a job that is open is not an error here; one that cannot be seen is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import aclosing
from datetime import date
from typing import Any, Literal

import attrs

import gespoll
from gespoll import Job, JobRef, JobStatus, StateChange, WaitTimeout
from gespoll.cli._connection import poller_of, spoken, told_as_usage
from gespoll.cli._exit import ExitStatus, UsageError, cause_of, status_of, status_of_error, worst
from gespoll.cli._jobs_input import Jobs
from gespoll.cli._options import Service
from gespoll.cli._output import complain, plain, say_record
from gespoll.cli._records import job_record

Format = Literal["human", "json"]
Seen = tuple[JobRef, Job | None, str | None]
"""A job, how it stands, and what is to be told of that it could not be seen."""


async def look(names: Iterable[str], service: Service, graph: str | None, output: Format) -> int:
    """Look once at jobs, tell how they stand, and give the exit status.

    Raises:
        UsageError: when it cannot begin as asked for.
    """
    jobs = Jobs(list(names), graph)
    poller = poller_of(service, jobs.graphs)

    def accept(ref: JobRef) -> None:
        with told_as_usage():
            poller.source.check(ref)

    for ref in jobs.named:
        accept(ref)
    last: dict[JobRef, StateChange] = {}
    async with poller, aclosing(jobs.come(accept, narrow=False)) as refs:
        taken = dict.fromkeys([ref async for ref in refs])
        async with poller.watch(taken, timeout=0, on_failure="never") as changes:
            async for change in changes:
                last[change.ref] = change
        told = poller.statistics()
        answered = told.failures < told.queries + told.windows
    seen = [last[ref] for ref in taken if ref in last]
    show([(each.ref, each.job, _problem(each)) for each in seen], output)
    return worst(_status(each, answered=answered) for each in seen)


def _problem(change: StateChange) -> str | None:
    if change.error is None or (isinstance(change.error, WaitTimeout) and change.status is not None):
        return None
    cause = cause_of(change) or change.error
    return "one look did not show it" if isinstance(cause, WaitTimeout) else spoken(cause)


def _status(change: StateChange, *, answered: bool) -> ExitStatus:
    status = status_of(change)
    if status is not ExitStatus.TIMED_OUT:
        return status
    if change.status is not None:
        return ExitStatus.SUCCEEDED
    cause = cause_of(change)
    if cause is not None:
        return status_of_error(cause)
    return ExitStatus.NOT_FOUND if answered else ExitStatus.UNREACHABLE


@attrs.frozen(kw_only=True)
class Filters:
    """Which jobs of a list are wanted."""

    status: JobStatus | None
    graph: str | None
    start: date | None
    end: date | None
    limit: int | None


async def list_jobs(service: Service, wanted: Filters, output: Format) -> int:
    """Tell the jobs of a list, page by page, and give the exit status.

    Raises:
        UsageError: when it cannot begin as asked for, or the plane has no such filter.
    """
    poller = poller_of(service, [] if wanted.graph is None else [wanted.graph])
    filters: dict[str, Any] = {"status": wanted.status, "graph": wanted.graph}
    dates = {"start": wanted.start, "end": wanted.end}
    if service.plane == "management":
        filters |= dates
    elif any(dates.values()):
        raise UsageError("the engine tells no times: leave out --start and --end with --plane engine")
    source = poller.source
    assert isinstance(source, gespoll.ManagementSource | gespoll.EngineSource)  # what connect() makes
    try:
        async with poller:
            await _show_all(source.jobs(**filters), wanted.limit, output)
    except gespoll.GespollError as error:
        complain(plain(spoken(error)))
        return status_of_error(error)
    return ExitStatus.SUCCEEDED


async def _show_all(jobs: Any, limit: int | None, output: Format) -> None:
    """Show jobs, as JSON each as it comes."""
    kept: list[Seen] = []
    number = 0
    async with aclosing(jobs) as coming:
        async for job in coming:
            number += 1
            if output == "json":
                show([(job.ref, job, None)], output)
            else:
                kept.append((job.ref, job, None))
            if number == limit:
                break
    show(kept, output)


def show(seen: Iterable[Seen], output: Format) -> None:
    """Show jobs as they stand."""
    if output == "json":
        for ref, job, problem in seen:
            say_record(job_record(ref, job, problem))
        return
    from gespoll.cli._tables import print_jobs

    print_jobs(seen)
    sys.stdout.flush()
