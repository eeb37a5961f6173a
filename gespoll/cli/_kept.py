"""The file that a wait is gone on from.

Rule: at every moment the file holds one whole snapshot, of changes that were told and no others. It is written after
each; once that has taken a second it takes no more than a tenth of the time, so that many jobs do not make it the work.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import msgspec

import gespoll
from gespoll import JobRef, JobStatus
from gespoll.cli._exit import ExitStatus, UsageError, status_of_kind

_GRACE = 1.0
_SHARE = 0.1


class _Failure(msgspec.Struct):
    error: str


class _Reading(msgspec.Struct):
    status: JobStatus


class KeptJob(msgspec.Struct):
    """One job of a snapshot."""

    job_id: str
    graph: str | None = None
    key: str | None = None
    statuses: list[JobStatus] = []
    ended: bool = False
    failure: _Failure | None = None
    reading: _Reading | None = None

    @property
    def ref(self) -> JobRef:
        """The job, as it was handed in."""
        return JobRef(self.job_id, self.graph, self.key)

    @property
    def status(self) -> JobStatus | None:
        """How it stood last."""
        return self.statuses[-1] if self.statuses else None

    @property
    def error(self) -> type[Exception] | None:
        """What it ended in."""
        return None if self.failure is None else getattr(gespoll, self.failure.error, gespoll.GespollError)

    @property
    def end(self) -> ExitStatus | None:
        """What it made of the wait when it ended; `None` while it is open."""
        if not self.ended:
            return None
        return ExitStatus.SUCCEEDED if self.error is None else status_of_kind(self.error)

    @property
    def was_tolerated(self) -> bool:
        """Whether it was only partly loaded, and that was accepted."""
        partly = self.reading is not None and self.reading.status is JobStatus.PARTIALLY_FAILED
        return self.ended and self.failure is None and partly

    @property
    def was_refused(self) -> bool:
        """Whether it is over because it might not be looked at, which may be different now."""
        return self.end in {ExitStatus.DENIED, ExitStatus.UNREACHABLE}


class _Jobs(msgspec.Struct):
    jobs: list[KeptJob] = []


class Kept:
    """A file with a snapshot, once there is one.

    Args:
        path: the file; a link is followed.

    Raises:
        UsageError: when there is a file that holds no snapshot, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._begun_at: float | None = None
        self._spent = 0.0
        self._snapshot = self._read()
        try:
            kept = msgspec.convert(self._snapshot or {}, _Jobs)
        except msgspec.ValidationError as error:
            raise self._unusable(error) from None
        self.jobs = [job for job in kept.jobs if not job.was_refused]
        """The jobs to go on with; empty when there is no file."""
        self.refused = [job.ref for job in kept.jobs if job.was_refused]
        """The jobs to begin anew with."""
        if self.refused and self._snapshot is not None:
            told = zip(self._snapshot["jobs"], kept.jobs, strict=True)
            self._snapshot["jobs"] = [entry for entry, job in told if not job.was_refused]

    def _read(self) -> dict[str, Any] | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"the snapshot {self._path} cannot be read: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> UsageError:
        return UsageError(f"the snapshot {self._path} cannot be gone on from: {error}; move it away to begin anew")

    def watch(self, poller: gespoll.Poller, refs: Any, **terms: Any) -> gespoll.Watch:
        """Resume what is kept, or begin.

        Args:
            poller: which watches.
            refs: the jobs.
            terms: as for `Poller.watch`; what is left out is as it was kept.

        Raises:
            UsageError: when the snapshot cannot be gone on from.
        """
        if self._snapshot is None:
            return poller.watch(refs, **terms)
        try:
            watch = poller.resume(self._snapshot, refs, **terms)
        except ValueError as error:
            raise self._unusable(error) from None
        return watch

    def keep(self, changes: gespoll.Watch, *, at_once: bool) -> None:
        """Write down what was told, at once or when it is time to.

        Raises:
            UsageError: when it cannot be written.
        """
        now = anyio.current_time()
        self._begun_at = now if self._begun_at is None else self._begun_at
        if at_once or self._spent <= _GRACE + _SHARE * (now - self._begun_at):
            self._write(msgspec.json.encode(changes.snapshot()))
            self._spent += anyio.current_time() - now

    def _write(self, text: bytes) -> None:
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            with beside.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise UsageError(f"the snapshot {self._path} cannot be written: {error.strerror}") from None
