"""The file that a wait is gone on from.

Rule: at every moment the file holds one whole snapshot, of changes that were told and no others. It is written after
each; once that has taken a second it takes no more than a tenth of the time, so that many jobs do not make it the work.
A link in its place is refused: whoever may write the directory could point it at any file of the user's, and taking
its place would leave behind a file that nobody keeps up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import msgspec

import gespoll
from gespoll import JobRef, JobStatus
from gespoll.cli._exit import ExitStatus, UsageError, status_of_kind
from gespoll.cli._files import read_regular, replace_whole
from gespoll.cli._output import plain

_GRACE = 1.0
_SHARE = 0.1
_TOLD_AT_MOST = 300  # letters of what is wrong with a file: its own words may stand in it


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
        path: the file; a link in its place is refused.

    Raises:
        UsageError: when there is a file that holds no snapshot, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.parent.absolute() / path.name
        self._begun_at: float | None = None
        self._spent = 0.0
        self._snapshot = self._read()
        kept = _Jobs() if self._snapshot is None else msgspec.convert(self._snapshot, _Jobs)
        self.jobs = [job for job in kept.jobs if not job.was_refused]
        """The jobs to go on with; empty when there is no file."""
        self.refused = [job.ref for job in kept.jobs if job.was_refused]
        """The jobs to begin anew with."""
        if self.refused and self._snapshot is not None:
            told = zip(self._snapshot["jobs"], kept.jobs, strict=True)
            self._snapshot["jobs"] = [entry for entry, job in told if not job.was_refused]

    def _read(self) -> dict[str, Any] | None:
        """Read the file, if there is one, and refuse what cannot be gone on from in any way."""
        try:
            text = read_regular(self._path)
            snapshot = msgspec.json.decode(text, type=dict[str, Any])
            gespoll.snapshot_refs(snapshot)  # reads all of it
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"the snapshot {self._path} cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise self._unusable(error) from None
        return snapshot

    def _unusable(self, error: Exception) -> UsageError:
        told = plain(str(error))
        told = told if len(told) <= _TOLD_AT_MOST else f"{told[:_TOLD_AT_MOST]}..."
        return UsageError(f"the snapshot {self._path} cannot be gone on from: {told}; move it away to begin anew")

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
        try:
            replace_whole(self._path, text)
        except OSError as error:
            raise UsageError(f"the snapshot {self._path} cannot be written: {error.strerror}") from None
