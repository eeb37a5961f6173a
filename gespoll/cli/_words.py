"""How changes and jobs are worded for humans.

Rule: one line each, and nothing that a server said can break it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gespoll import ImportFile, Job, JobError, JobStatus, StateChange
from gespoll.cli._output import plain

_NAMED_AT_MOST = 10


def status_words(status: JobStatus | None) -> str:
    """Word how a job stands."""
    return "never seen" if status is None else status.value.replace("_", " ")


def counted(number: int, noun: str) -> str:
    """Put a number before a noun: 1 job, 2 jobs."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def named(names: Iterable[str]) -> str:
    """List the first names, and how many more there are."""
    known = list(names)
    shown = ", ".join(known[:_NAMED_AT_MOST])
    more = len(known) - _NAMED_AT_MOST
    return shown if more <= 0 else f"{shown} and {more} more"


def change_words(change: StateChange) -> str:
    """Word a change: which job, how it stood, how it stands, and why that is bad."""
    before = "" if change.previous is None else f"{status_words(change.previous)} -> "
    words = f"{change.ref} {before}{_end_words(change)}"
    return f"{words}: {trouble_words(change.job, change.error)}" if isinstance(change.error, JobError) else words


def _end_words(change: StateChange) -> str:
    if change.tolerated:
        return f"{status_words(change.status)} (tolerated)"
    if change.error is None or _has_ended(change.job):
        return status_words(change.status) + _called(change)
    if not isinstance(change.error, JobError):
        return "left open"
    return "not found" if change.job is None else "vanished"


def _called(change: StateChange) -> str:
    """Say so where the service called a success what is none."""
    reported = "" if change.job is None else change.job.reported_status
    return f' (called "{plain(reported)}")' if change.error is not None and reported == "success" else ""


def _has_ended(job: Job | None) -> bool:
    return job is not None and job.status.is_terminal


def trouble_words(job: Job | None, error: Exception) -> str:
    """Word why a job did not end well."""
    if job is None or not _has_ended(job):
        return plain(str(error))
    causes = filter(None, [job.fail_reason, *(file.cause for file in job.bad_files)])
    return plain(next(causes, "no reason told"))


def losses(file: ImportFile) -> str:
    """Word how many lines of a file were lost."""
    if file.failed_lines is None:
        return "not counted"
    return f"{file.failed_lines} of {'?' if file.total_lines is None else file.total_lines}"


def moment(time: datetime | None) -> str:
    """Word a time in UTC."""
    return "" if time is None else time.strftime("%Y-%m-%d %H:%M:%SZ")


def graph_of(job: Job) -> str:
    """Name the graph of a job: by the name that the service tells, else as it was asked for."""
    return plain(job.related_graph or job.ref.graph or "")
