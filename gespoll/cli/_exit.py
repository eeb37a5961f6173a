"""Which exit status a command ends with.

Rule: one table, in order of precedence, decides. The first row that anything of the command belongs to is its
exit status; every error belongs to the row of its nearest class.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

from gespoll import (
    AuthenticationError,
    GespollError,
    ImportPartiallyFailed,
    JobError,
    JobNotFound,
    PermissionDenied,
    RequestRejected,
    SourceError,
    StateChange,
    WaitTimeout,
)


class UsageError(Exception):
    """What was asked for cannot be done; the text says what to do instead."""


class ExitStatus(enum.IntEnum):
    """The exit statuses, by what they mean."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    PARTLY_FAILED = 3
    NOT_FOUND = 4
    DENIED = 5
    UNREACHABLE = 6
    TIMED_OUT = 124
    INTERRUPTED = 130


@attrs.frozen
class Row:
    """One exit status."""

    status: ExitStatus
    meaning: str
    errors: tuple[type[Exception], ...] = ()
    """What errors stand for it, subclasses included that no other row names."""


TABLE = (
    Row(ExitStatus.INTERRUPTED, "interrupted (Ctrl-C)"),
    Row(ExitStatus.USAGE, "usage: an argument, a line of standard input or the environment cannot work", (UsageError,)),
    Row(ExitStatus.DENIED, "authentication or permission", (AuthenticationError, PermissionDenied)),
    Row(
        ExitStatus.UNREACHABLE,
        "the service is unreachable, or gives no usable answer; a success could not be confirmed",
        (SourceError, GespollError),
    ),
    Row(
        ExitStatus.TIMED_OUT,
        "the time was over while jobs were open, or a job was pending for too long",
        (WaitTimeout,),
    ),
    Row(
        ExitStatus.NOT_FOUND,
        "a job was not found or has vanished, or its id is rejected",
        (JobNotFound, RequestRejected),
    ),
    Row(ExitStatus.FAILED, "a job failed, was cancelled, or ended in a status that nobody documents", (JobError,)),
    Row(ExitStatus.PARTLY_FAILED, "an import was partly loaded, and no job failed", (ImportPartiallyFailed,)),
    Row(ExitStatus.SUCCEEDED, "all jobs succeeded, or lost no more lines than is tolerated"),
)
"""In order of precedence."""
VERDICTS = frozenset({ExitStatus.FAILED, ExitStatus.PARTLY_FAILED})
"""What is about jobs that were seen to end badly."""
TERMINATED = 143
"""When SIGTERM interrupted it, as shells and CI know it."""
READER_GONE = 1
"""When the reader of a pipe has left, whatever became of the jobs."""
_STATUS_OF: dict[type, ExitStatus] = {error: row.status for row in TABLE for error in row.errors}
_PRECEDENCE = {row.status: place for place, row in enumerate(TABLE)}


def status_of_error(error: Exception) -> ExitStatus:
    """Tell what an error makes of a command.

    Raises:
        KeyError: when it is none of gespoll's.
    """
    return status_of_kind(type(error))


def status_of_kind(error: type[Exception]) -> ExitStatus:
    """Tell what errors of a class make of a command.

    Raises:
        KeyError: when they are none of gespoll's.
    """
    nearest = next((kind for kind in error.__mro__ if kind in _STATUS_OF), error)
    return _STATUS_OF[nearest]


def status_of(change: StateChange) -> ExitStatus:
    """Tell what the last change of a job makes of a command.

    That the time was over before the service could be asked at all is the service's row.
    """
    if change.error is None:
        return ExitStatus.SUCCEEDED
    cause = cause_of(change)
    return status_of_error(cause if isinstance(cause, SourceError) else change.error)


def cause_of(change: StateChange) -> Exception | None:
    """Tell why a job was not even seen when its time was over, where that is known."""
    error = change.error
    if not isinstance(error, WaitTimeout) or change.status is not None:
        return None
    failure = error.last_failure
    about_another = isinstance(failure, JobError) and failure.ref != change.ref
    return None if about_another else failure


def worst(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """Choose the one that precedes the others; without any, all is well."""
    return min(statuses, key=_PRECEDENCE.__getitem__, default=ExitStatus.SUCCEEDED)


def help_text() -> str:
    """Word the table for `--help`."""
    rows = "\n".join(f"| {row.status.value} | {row.meaning} |" for row in TABLE)
    return f"| exit status | meaning; the first that applies |\n| --- | --- |\n{rows}"
