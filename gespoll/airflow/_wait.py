"""The wait itself, the same in a triggerer and in a worker.

Rule: everything is known before it returns, and nothing of ours is open by then. Whoever calls it may yield
afterwards. It lets the event loop run between any few changes, because a triggerer shares its loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import anyio.lowlevel

import gespoll
from gespoll.airflow._report import Report, bad_files

OnFailure = Literal["end", "first", "never"]

POLLER_KNOBS = ("interval", "max_per_second", "verify", "pending_timeout", "unconfirmed", "status_words")
"""What a task and its trigger hand on to the poller."""
ONE_LOOK = 5.0
"""Seconds that are enough to look at every job, and once more at an import that does not tell its files."""
_CHANGES_AT_ONCE = 50


def poller_knobs(options: object) -> dict[str, Any]:
    """Return the knobs among the attributes of a task or a trigger."""
    return {name: getattr(options, name) for name in POLLER_KNOBS}


async def wait_for(
    poller: gespoll.Poller,
    refs: Iterable[gespoll.JobRef],
    *,
    timeout: float | None,
    on_failure: OnFailure,
    log: Any,
    max_failed_lines: float | str | None = None,
) -> Report:
    """Wait for jobs, log each that does not end well with all its files, and report.

    Cancelling it stops its own requests and nothing else; the jobs go on at the service.

    Args:
        poller: not entered yet.
        refs: the jobs; pulled in slices.
        timeout: seconds for all; `None` waits without limit, 0 looks once.
        on_failure: with "first", the first job that does not end well ends the wait.
        log: where to.
        max_failed_lines: as for `gespoll.Poller.wait`.

    Raises:
        ValueError: when something handed over is no job.
    """
    report = Report()
    open_jobs: dict[str, gespoll.JobRef] = {}
    noted = _noted(refs, open_jobs)
    async with (
        poller,
        poller.watch(noted, timeout=timeout, max_failed_lines=max_failed_lines, on_failure="never") as changes,
    ):
        taken = 0
        async for change in changes:
            taken += 1
            if taken % _CHANGES_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            if not change.is_final:
                continue
            open_jobs.pop(change.ref.job_id, None)
            report.take(change)
            _log(change, log)
            if on_failure == "first" and report.bad:
                break
    for ref in open_jobs.values():
        report.leave_open(ref)
    return report


def _noted(refs: Iterable[gespoll.JobRef], open_jobs: dict[str, gespoll.JobRef]) -> Iterable[gespoll.JobRef]:
    """Note each job once: with its graph and without it, an id is the same job."""
    for ref in refs:
        open_jobs.setdefault(ref.job_id, ref)
        yield ref


def _log(change: gespoll.StateChange, log: Any) -> None:
    if change.error is None or not isinstance(change.error, gespoll.JobError):
        return
    log.error("%s: %s", type(change.error).__name__, change.error)
    for file in bad_files(change.error):
        log.error("    %s", file)
