"""What a watch leaves behind for another process: plain JSON, versioned, without a secret.

Rule: a snapshot holds what the consumer was given and nothing later. It is written by one function and read by
one, which refuses what it does not understand in full; the raw records and requests of jobs stay out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import msgspec

from gespoll import _errors
from gespoll._errors import EndUnconfirmed, JobError, JobNotFound, SourceError, UnknownEnd, error_of
from gespoll._jobs import ImportFile, Job, JobRef, JobStatus
from gespoll._tolerance import MaxFailedLines, read_tolerance

OnFailure = Literal["end", "first", "never"]
"""What a failure does to the iteration of a watch."""
Kept = Literal["kept"]
"""In place of an argument: as it was when the snapshot was taken."""
End = Job | Exception | None
"""How a job ended: its record, the error it deserves, or `None` where only that it ended is known."""
VERSION = 2
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
_FORMAT: Literal["gespoll snapshot"] = "gespoll snapshot"


def present() -> datetime:
    """Tell the present moment by this machine's clock, which only a snapshot holds."""
    return datetime.now(UTC)


def kind_of(error: Exception) -> str:
    """Return the name of the nearest error type that this library knows."""
    known = (kind.__name__ for kind in type(error).__mro__ if getattr(_errors, kind.__name__, None) is kind)
    return next(known, "Exception")


def leaves_open(error: Exception | None) -> bool:
    """Whether a job that got this error as its last change may be going on at the server."""
    if isinstance(error, SourceError):
        return bool(error.pending)
    return error is not None and not isinstance(error, JobError)


class Reading(msgspec.Struct, omit_defaults=True, frozen=True):
    """What is kept of a job's record."""

    status: JobStatus
    reported_status: str
    job_type: str | None = None
    name: str | None = None
    related_graph: str | None = None
    is_import: bool | None = None
    begin_time: Moment | None = None
    end_time: Moment | None = None
    fail_reason: str | None = None
    files: list[ImportFile] | None = None
    as_of: Moment | None = None
    confirmed: bool = True

    @classmethod
    def of(cls, job: Job) -> Self:
        """Take of a record what is kept."""
        kept = {name: getattr(job, name) for name in cls.__struct_fields__}
        return cls(**kept | {"files": None if job.files is None else list(job.files)})

    def job(self, ref: JobRef) -> Job:
        """Make a record of what was kept."""
        kept = {name: getattr(self, name) for name in self.__struct_fields__}
        return Job(ref=ref, **kept | {"files": None if self.files is None else tuple(self.files)})


class Failure(msgspec.Struct, omit_defaults=True, frozen=True):
    """What is kept of the error that a job ended in."""

    error: str
    """Its type, the nearest that this library knows."""
    waited: float = 0.0
    graph_missing: bool = False
    detail: str = ""
    status: int | None = None
    code: str | None = None
    request_id: str | None = None

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Take of an error what is kept."""
        kind = kind_of(error)
        if isinstance(error, JobNotFound):
            return cls(kind, waited=error.waited, graph_missing=error.graph_missing)
        if isinstance(error, SourceError):
            return cls(kind, detail=error.detail, status=error.status, code=error.code, request_id=error.request_id)
        return cls(kind)

    def exception(self, ref: JobRef, job: Job | None) -> Exception:
        """Make an error of what was kept.

        Raises:
            ValueError: when there is no such error, or not for such a job.
        """
        kind = getattr(_errors, self.error, None)
        if isinstance(kind, type) and issubclass(kind, JobNotFound):
            return kind(ref, job, waited=self.waited, graph_missing=self.graph_missing)
        if kind is UnknownEnd and job is not None:
            return UnknownEnd(ref, job)
        if isinstance(kind, type) and issubclass(kind, SourceError):
            read = kind(self.detail, status=self.status, code=self.code, request_id=self.request_id)
            if isinstance(read, EndUnconfirmed):
                read.job = job
            return read
        error = None if job is None else error_of(job)
        if type(error) is not kind or error is None:
            raise ValueError(f"job {ref} cannot have ended in {self.error}")
        return error


class Reported(msgspec.Struct, omit_defaults=True):
    """What one channel reported of a job that is open, as far as verdicts need it."""

    end: Reading | None = None
    """The worst end."""
    files: list[ImportFile] = []
    """The files of a reply with bad ones."""


class Entry(msgspec.Struct, omit_defaults=True):
    """One job, as the consumer knows it."""

    job_id: str
    graph: str | None = None
    key: str | None = None
    """The caller's own name for the work."""
    scope: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Its place in `scopes`."""
    statuses: list[JobStatus] = []
    """The statuses that the consumer was given, the present one last."""
    change_id: str | None = None
    """The id of the last change that it was given of the job, unless that left it open; for its own use."""
    reading: Reading | None = None
    """The last record of it, as far as it was kept."""
    deadline: Moment | None = None
    """When its own time is over."""
    joined: Moment | None = None
    """When it was first handed in, while it has not begun to run."""
    shown: bool = False
    """Whether anybody ever showed it, where its statuses do not say so."""
    by_query: Reported | None = None
    """What queries reported of it."""
    by_list: Reported | None = None
    """What the list reported of it."""
    ended: bool = False
    failure: Failure | None = None
    """What it ended in, unless it ended well or the watch keeps no ends."""

    @property
    def tells_more(self) -> bool:
        """Whether it tells more of an open job than its statuses, or of a word that must be looked at anew."""
        more = self.shown or self.by_query is not None or self.by_list is not None
        return more or (bool(self.statuses) and self.statuses[-1] is JobStatus.UNKNOWN)

    @property
    def ref(self) -> JobRef:
        """The job, as it was handed in.

        Raises:
            ValueError: when it can be none.
        """
        return JobRef(self.job_id, self.graph, self.key)

    def end(self) -> End:
        """Tell how it ended.

        Raises:
            ValueError: when it cannot have ended so, or there can be no such job.
        """
        ref = self.ref
        job = None if self.reading is None else self.reading.job(ref)
        return job if self.failure is None else self.failure.exception(ref, job)


class Snapshot(msgspec.Struct, omit_defaults=True):
    """A watch, as its consumer knows it."""

    format: Literal["gespoll snapshot"]
    version: Annotated[int, msgspec.Meta(ge=1)]
    taken_at: Moment
    scopes: list[str]
    jobs: list[Entry]
    on_failure: OnFailure = "end"
    keeps_ends: bool = True
    """Whether it tells how jobs ended, or only that they did."""
    timeout: Seconds | None = None
    """The budget of the whole watch, in seconds."""
    deadline: Moment | None = None
    """When the time of the whole watch is over."""
    job_timeout: Seconds | None = None
    """The budget of each job, in seconds."""
    max_open: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many jobs may be open before the next ref is pulled."""
    progress: bool = False
    """Whether changes of progress are told, too."""
    max_failed_lines: int | float | None = None
    """The lines, or the share of them, that an import may lose without being an error."""

    def scope_of(self, entry: Entry) -> str:
        """Name the scope of a job."""
        return self.scopes[entry.scope]

    def renewed(
        self,
        timeout: float | Kept | None,
        job_timeout: float | Kept | None,
        max_open: int | Kept | None,
        max_failed_lines: MaxFailedLines | Kept | None,
        on_failure: OnFailure | Kept,
        progress: bool | Kept,
    ) -> Self:
        """Copy it, with other terms from now on.

        Raises:
            TypeError: when `max_failed_lines` is none.
            ValueError: when it is none, or `on_failure` would raise ends that the snapshot does not hold.
        """
        if on_failure == "end" and not self.keeps_ends and any(entry.ended for entry in self.jobs):
            raise ValueError(
                f"this snapshot was taken with on_failure={self.on_failure!r}, which keeps no ends to raise later: "
                "resume it with on_failure='first' or 'never'"
            )
        new = msgspec.structs.replace(self)
        if on_failure != "kept":
            new.on_failure = on_failure
        if max_failed_lines != "kept":
            new.max_failed_lines = read_tolerance(max_failed_lines)
        if max_open != "kept":
            new.max_open = max_open
        if progress != "kept":
            new.progress = progress
        if timeout != "kept":
            new.timeout, new.deadline = timeout, None
        if job_timeout != "kept":
            new.job_timeout = job_timeout
            new.jobs = [msgspec.structs.replace(entry, deadline=None) for entry in self.jobs]
        return new


def snapshot_refs(snapshot: Mapping[str, Any]) -> list[JobRef]:
    """List the jobs of a snapshot, those that have ended too, so that a submitter can skip what was submitted.

    `submitted = {ref.key for ref in gespoll.snapshot_refs(snapshot)}`

    Args:
        snapshot: what `Watch.snapshot` gave, or an error carries.

    Returns:
        The refs as they were handed in, with their keys, in that order.

    Raises:
        TypeError: when `snapshot` is no mapping.
        ValueError: when it is damaged, or was written by a later version.
    """
    return [entry.ref for entry in read_snapshot(snapshot).jobs]


def new_snapshot(taken_at: datetime, **fields: Any) -> Snapshot:
    """Make a snapshot of the present version."""
    return Snapshot(format=_FORMAT, version=VERSION, taken_at=taken_at, scopes=[], jobs=[], **fields)


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """Make plain JSON of a snapshot: dicts, lists, strings, numbers."""
    plain: dict[str, Any] = msgspec.to_builtins(snapshot)
    return plain


def read_snapshot(data: Mapping[str, Any]) -> Snapshot:
    """Read what `to_json` made, perhaps in another process and by an earlier version.

    Raises:
        TypeError: when it is no mapping.
        ValueError: when it is no snapshot, was written by a later version, or is damaged; the text says where.
    """
    if not isinstance(data, Mapping):
        raise TypeError(
            f"a snapshot is the dict that snapshot() gave, not {type(data).__name__}: decode its JSON first"
        )
    if data.get("format") != _FORMAT:
        raise ValueError("this is no gespoll snapshot: give what snapshot() gave, unchanged")
    version = data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"this snapshot was written by a later gespoll (its version is {version}, this one reads up to "
            f"{VERSION}): resume it with that one, or upgrade"
        )
    try:
        snapshot = msgspec.convert(dict(data), Snapshot)
        _check(snapshot)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"this snapshot is damaged: {error}") from None
    return snapshot


def _check(snapshot: Snapshot) -> None:
    """Refuse what has the right types and cannot be.

    Raises:
        ValueError: with the place.
    """
    if len(set(snapshot.scopes)) < len(snapshot.scopes):
        raise ValueError("a scope is there twice")
    if snapshot.on_failure == "end" and not snapshot.keeps_ends:
        raise ValueError("it is to raise ends that it does not keep")
    _check_moment("deadline", snapshot.deadline)
    read_tolerance(snapshot.max_failed_lines)
    seen = set()
    for at, entry in enumerate(snapshot.jobs):
        _check_moment(f"the deadline of job {at}", entry.deadline)
        if entry.scope >= len(snapshot.scopes):
            raise ValueError(f"job {at} is of scope {entry.scope}, and there are {len(snapshot.scopes)}")
        if not entry.ended and any(status.is_terminal for status in entry.statuses):
            raise ValueError(f"job {at} is told to be open in a status that ends it")
        ends = [each.end for each in (entry.by_query, entry.by_list) if each is not None and each.end is not None]
        if any(not end.status.is_terminal for end in ends):
            raise ValueError(f"job {at} is told to have ended in a status that is open")
        _check_moment(f"the joining of job {at}", entry.joined)
        if (entry.scope, entry.job_id) in seen:
            raise ValueError(f"job {at} is there twice")
        seen.add((entry.scope, entry.job_id))
        if entry.end() is None and entry.ended and snapshot.keeps_ends:
            raise ValueError(f"job {at} has ended, and how is missing")


def _check_moment(name: str, moment: datetime | None) -> None:
    try:
        if moment is not None:
            moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} is out of bounds") from None
