"""Every error gespoll raises.

    GespollError
    ├── JobError                  about one job; `.ref`, `.job`
    │   ├── JobFailed
    │   │   └── ImportFailed      `.failed_files`
    │   │       └── ImportPartiallyFailed
    │   ├── JobCancelled
    │   ├── UnknownEnd            it ended, in a status that no API document names
    │   └── JobNotFound
    │       └── JobVanished
    ├── WaitTimeout               also a TimeoutError
    │   └── PendingTimeout        one job never started
    ├── JobsFailed                also an ExceptionGroup
    └── SourceError               the status could not be read; no verdict on any job
        ├── TransportError, AuthenticationError, PermissionDenied, Throttled,
        ├── ServiceUnavailable, RequestRejected, ProtocolError,
        └── ListIncomplete, EndUnconfirmed

Rule: fields first, and the text is one sentence built from the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from gespoll._jobs import ImportFile, Job, JobRef, JobStatus

_NAMED_AT_MOST = 5


def _rebuild(kind: type[GespollError], args: tuple[Any, ...], state: dict[str, Any]) -> GespollError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


def _names(names: Sequence[object]) -> str:
    shown = ", ".join(str(name) for name in names[:_NAMED_AT_MOST])
    rest = len(names) - _NAMED_AT_MOST
    return shown if rest <= 0 else f"{shown} and {rest} more"


def counted(number: int, noun: str) -> str:
    """Put a number before a noun: 1 job, 2 jobs."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class GespollError(Exception):
    """The root of everything gespoll raises on purpose.

    Attributes:
        snapshot: what `Poller.resume` goes on from, plain JSON; set on an error that ends a watch or a wait.
    """

    snapshot: dict[str, Any] | None = None

    def _sentence(self) -> str:
        return "; ".join(str(fact) for fact in self.args) or "waiting failed"

    def __str__(self) -> str:
        return self._sentence()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), (), self.__dict__.copy())


class JobError(GespollError):
    """One job did not end well.

    Attributes:
        ref: the job, as it was handed in.
        job: the last record of it, or `None` when it was never seen.
    """

    def __init__(self, ref: JobRef, job: Job | None = None) -> None:
        super().__init__()
        self.ref = ref
        self.job = job

    @property
    def _subject(self) -> str:
        name = self.job.name if self.job is not None else None
        return f"job {self.ref}" if name is None else f"{name} job {self.ref}"

    def _sentence(self) -> str:
        return f"{self._subject} did not end well"


class JobFailed(JobError):
    """The job failed; `job.fail_reason` holds the server's words."""

    job: Job

    def __init__(self, ref: JobRef, job: Job) -> None:
        super().__init__(ref, job)

    def _sentence(self) -> str:
        reason = self.job.fail_reason or "the server gave no reason"
        return f"{self._subject} failed: {reason}"


class ImportFailed(JobFailed):
    """A bulk import failed; nothing of it may be relied on.

    Attributes:
        failed_files: the files that were not, or not wholly, loaded.
    """

    _verdict = "failed"

    @property
    def failed_files(self) -> tuple[ImportFile, ...]:
        """The files that were not, or not wholly, loaded; each with cause, log and line counts."""
        return self.job.bad_files

    def _sentence(self) -> str:
        parts = [self.job.fail_reason] if self.job.fail_reason else []
        files = [str(file) for file in self.failed_files[:_NAMED_AT_MOST]]
        rest = len(self.failed_files) - _NAMED_AT_MOST
        if rest > 0:
            files.append(f"and {counted(rest, 'more file')}")
        if files:
            parts.append("; ".join(files))
        details = ": ".join(parts) or "the server names no file and no reason"
        return f"{self._subject} {self._verdict}: {details}"


class ImportPartiallyFailed(ImportFailed):
    """A bulk import loaded only a part: the graph is half filled. `failed_files` tells what is missing."""

    _verdict = "was only partly loaded"


class JobCancelled(JobError):
    """Somebody cancelled the job at the server."""

    def _sentence(self) -> str:
        return f"{self._subject} was cancelled at the server"


class UnknownEnd(JobError):
    """The job has ended in a status that no API document names, so whether it went well is not known."""

    job: Job

    def __init__(self, ref: JobRef, job: Job) -> None:
        super().__init__(ref, job)

    def _sentence(self) -> str:
        return (
            f"{self._subject} ended as {self.job.reported_status!r}, a status that no API document names; look at the "
            "graph itself to learn how it ended, and tell connect(status_words=...) what the word means"
        )


class JobNotFound(JobError):
    """The server knows no such job, and said so for longer than the grace allows.

    A source raises it for one answer; the poller gives the server `not_found_grace` seconds to change its mind.

    Attributes:
        waited: seconds from the first such answer to the last.
        graph_missing: whether the answer was that the graph itself is gone.
    """

    def __init__(
        self, ref: JobRef, job: Job | None = None, *, waited: float = 0.0, graph_missing: bool = False
    ) -> None:
        super().__init__(ref, job)
        self.waited = waited
        self.graph_missing = graph_missing

    def _sentence(self) -> str:
        missing = "its graph" if self.graph_missing else "it"
        answered = f"has answered for {self.waited:.0f} s" if self.waited >= 1 else "answers"
        return (
            f"job {self.ref} was not found: the server {answered} that {missing} "
            "does not exist; check the job id, the graph and the project"
        )


class JobVanished(JobNotFound):
    """The job was seen before and is gone from the server: how it ended can no longer be told."""

    def _sentence(self) -> str:
        last = "" if self.job is None else f", last seen {self.job.reported_status}"
        return (
            f"{self._subject} has vanished{last}: the server has answered for {self.waited:.0f} s that it does "
            "not exist; look at the graph itself to learn how it ended"
        )


class WaitTimeout(GespollError, TimeoutError):
    """The time given to a wait is over, and a last look found jobs still open. They go on at the server.

    Attributes:
        timeout: the budget that is spent, in seconds.
        pending: the refs still open.
        last_seen: the last known status of each of them, `None` where it was never seen.
        last_failure: what the last look at one of them ended in, if it brought nothing, or the denial of one.
        unconfirmed: the refs among them that were reported as a success, which nothing confirmed.
    """

    def __init__(
        self,
        timeout: float,
        last_seen: Mapping[JobRef, JobStatus | None],
        *,
        last_failure: Exception | None = None,
        unconfirmed: Iterable[JobRef] = (),
    ) -> None:
        super().__init__()
        self.last_failure = last_failure
        self.unconfirmed: tuple[JobRef, ...] = tuple(unconfirmed)
        self.timeout = timeout
        self.last_seen: dict[JobRef, JobStatus | None] = dict(last_seen)

    @property
    def pending(self) -> tuple[JobRef, ...]:
        """The refs still open, in the order they were handed in."""
        return tuple(self.last_seen)

    def _sentence(self) -> str:
        if not self.last_seen:
            return f"the jobs to wait for were not all handed over after {self.timeout:g} s; none was open"
        states = [
            f"{ref} ({'never seen' if status is None else status.value})" for ref, status in self.last_seen.items()
        ]
        text = f"{counted(len(states), 'job')} still open after {self.timeout:g} s: {_names(states)}"
        if self.last_failure is not None:
            text += f"; the last look brought nothing: {self.last_failure}"
        if self.unconfirmed:
            text += f"; reported as a success, which nothing confirmed: {_names(self.unconfirmed)}"
        if any(status is not None for status in self.last_seen.values()):
            return f"{text}; what was seen goes on at the server, wait again to follow it"
        return f"{text}; check ids, graph and endpoint, or wait longer"


class PendingTimeout(WaitTimeout):
    """One job was still pending `pending_timeout` seconds after it was handed in: it never started."""

    def _sentence(self) -> str:
        names = _names([str(ref) for ref in self.last_seen])
        return (
            f"job {names} is still pending after {self.timeout:g} s (pending_timeout); it may still start at the "
            "server, so cancel it there before you submit it again"
        )


class JobsFailed(GespollError, ExceptionGroup[Exception]):
    """Some of many jobs did not end well. Catch it with `except*`, by its name or by the root.

    Attributes:
        results: one entry a ref, in the order of refs: its `Job`, or the error it ended in.
    """

    results: tuple[Job | Exception, ...]

    def __new__(cls, results: Iterable[Job | Exception], exceptions: Sequence[Exception] = ()) -> Self:
        """Gather the errors among `results`, each once, unless `exceptions` names a part of them."""
        everything = tuple(results)
        members = exceptions or distinct_errors(everything)
        group = super().__new__(cls, f"{len(members)} of {len(everything)} did not end well", members)
        group.results = everything
        return group

    def __init__(self, results: Iterable[Job | Exception], exceptions: Sequence[Exception] = ()) -> None:
        pass

    def derive(self, excs: Sequence[Exception], /) -> JobsFailed:  # type: ignore[override]
        """Give `except*` the part it asks for; `results` stays whole."""
        part = JobsFailed(self.results, excs)
        part.snapshot = self.snapshot
        return part

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), (self.results, self.exceptions), self.__dict__.copy())

    def _sentence(self) -> str:
        bad = sum(isinstance(result, Exception) for result in self.results)
        named = [error.ref if isinstance(error, JobError) else type(error).__name__ for error in self.exceptions]
        jobs = counted(len(self.results), "job")
        return f"{bad} of {jobs} did not end well: {_names(named)}; the first error: {self.exceptions[0]}"


def distinct_errors(results: Iterable[object]) -> list[Exception]:
    """List the errors among results, each object once, in order."""
    return list({id(result): result for result in results if isinstance(result, Exception)}.values())


class SourceError(GespollError):
    """The status could not be read. It says nothing about how any job fares.

    Attributes:
        detail: what happened, in words.
        status: the HTTP status, if a reply came.
        code: the server's error code, such as GES.8301 or APIG.0308.
        request_id: the server's id of the request, for its support.
        retry_after: seconds the server asked to wait, or `None`.
        pending: the refs left open by it; empty while it is one failed look among others.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        pending: Iterable[JobRef] = (),
    ) -> None:
        super().__init__()
        self.detail = detail
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.pending: tuple[JobRef, ...] = tuple(pending)

    def with_pending(self, pending: Iterable[JobRef]) -> Self:
        """Copy the error, naming the jobs that it leaves open."""
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__, pending=tuple(pending))
        return copy

    def _sentence(self) -> str:
        marks = [
            f"HTTP {self.status}" if self.status is not None else "",
            f"code {self.code}" if self.code else "",
            f"request {self.request_id}" if self.request_id else "",
        ]
        facts = ", ".join(mark for mark in marks if mark)
        text = f"{self.detail} ({facts})" if facts else self.detail
        if not self.pending:
            return text
        return f"{text}; {counted(len(self.pending), 'job')} left open: {_names(self.pending)}"


class TransportError(SourceError):
    """No reply came: refused, reset, timed out, not resolved, or TLS failed."""


class AuthenticationError(SourceError):
    """The credentials were rejected, also after one renewal."""


class PermissionDenied(SourceError):
    """The credentials are good but may not read this."""


class Throttled(SourceError):
    """Too many requests. The poller slows down by itself.

    Attributes:
        limit: requests per second that the server allows, where it tells; else `None`.
        policy: what the limit is for, where the server tells: "api" (one kind of request), "user", "app" or "ip".
    """

    def __init__(self, detail: str, *, limit: float | None = None, policy: str | None = None, **fields: Any) -> None:
        super().__init__(detail, **fields)
        self.limit = limit
        self.policy = policy


class ServiceUnavailable(SourceError):
    """The service answered that it cannot answer now."""


class RequestRejected(SourceError):
    """The service refuses the request as it stands; asking again will not help."""


class ProtocolError(SourceError):
    """A reply came that no API document describes: cut off, no JSON, wrong shape, blank status, too large."""


class ListIncomplete(SourceError):
    """The job list could never be read in full, so a job missing from it can be neither found nor ruled out."""


class EndUnconfirmed(SourceError):
    """A success was reported, but nothing could confirm that everything was loaded.

    Attributes:
        job: the job as it was reported, with `confirmed` false.
    """

    def __init__(self, detail: str, *, job: Job | None = None, **fields: Any) -> None:
        super().__init__(detail, **fields)
        self.job = job


def error_of(job: Job) -> JobError | None:
    """Tell which error the end of a job deserves; `None` for a success, and while it is open."""
    match job.status:
        case JobStatus.PARTIALLY_FAILED:
            return ImportPartiallyFailed(job.ref, job)
        case JobStatus.FAILED:
            return ImportFailed(job.ref, job) if job.is_import else JobFailed(job.ref, job)
        case JobStatus.CANCELLED:
            return JobCancelled(job.ref, job)
        case _:
            return None
