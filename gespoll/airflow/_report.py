"""What became of a batch, small enough for Airflow's database.

Rule: pure. Counts are complete; what is told job by job is bounded, in number and in length, and says how
much is left out. The whole of it is for the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import attrs

import gespoll

Outcome = Literal["success", "failed", "timeout", "error"]

_JOBS_AT_MOST = 20
_FILES_AT_MOST = 50
_LETTERS_AT_MOST = 300
_OPEN = "open"
_UNREAD = "unread"
_GOOD = ("success", "tolerated")
_ORDER = (*_GOOD, "partially_failed", "failed", "cancelled", "unknown_end", "not_found", "vanished", _OPEN, _UNREAD)
_ENDS: dict[type[gespoll.JobError], str] = {
    gespoll.JobVanished: "vanished",
    gespoll.JobNotFound: "not_found",
    gespoll.UnknownEnd: "unknown_end",
}
_LASTING = (
    gespoll.AuthenticationError,
    gespoll.PermissionDenied,
    gespoll.RequestRejected,
)


@attrs.define(kw_only=True)
class Report:
    """What became of the jobs of one wait. Its `as_dict` is the event of the trigger and the result of the task."""

    counts: dict[str, int] = attrs.field(factory=dict)
    """Number of jobs by how they ended: success, tolerated, partially_failed, failed, cancelled, unknown_end,
    not_found, vanished; open when time ran out or nobody waited on, unread when the source failed."""
    bad_jobs: list[dict[str, Any]] = attrs.field(factory=list)
    """The first jobs that did not end well: job_id, graph, error, reason, files, files_left_out."""
    open_jobs: list[str] = attrs.field(factory=list)
    """The first jobs that were still open, as graph/job_id."""
    error: str | None = None
    """What kept the jobs from being read, if anything did."""
    lasting: bool = False
    """Whether that would be the same if tried again."""
    _files_told: int = attrs.field(default=0, init=False)

    @classmethod
    def of_error(cls, error: Exception) -> Report:
        """Report that nothing could be waited for."""
        report = cls()
        report._blame(error)
        return report

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Report:
        """Read what `as_dict` gave, on the other side of the database."""
        names = {field.name for field in attrs.fields(cls) if field.init}
        return cls(**{name: value for name, value in told.items() if name in names})

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON, with `outcome` and the number of bad jobs that are not told one by one."""
        told = attrs.asdict(self, filter=lambda field, _: field.init)
        left_out = self.bad - len(self.bad_jobs)
        return {"outcome": self.outcome, **told, "counts": self._ordered(), "bad_jobs_left_out": left_out}

    @property
    def bad(self) -> int:
        """Number of jobs that ended, and not well."""
        return sum(number for name, number in self.counts.items() if name not in {*_GOOD, _OPEN, _UNREAD})

    @property
    def still_open(self) -> int:
        """Number of jobs that had not ended when time ran out, or when nobody waited any longer."""
        return self.counts.get(_OPEN, 0)

    @property
    def outcome(self) -> Outcome:
        """What the task deserves. A job that failed counts first: nothing mends it."""
        if self.bad:
            return "failed"
        if self.error is not None:
            return "error"
        return "timeout" if self.still_open else "success"

    def take(self, change: gespoll.StateChange) -> None:
        """Count a job's last change."""
        match change.error:
            case None:
                self._count("tolerated" if change.tolerated else "success")
            case gespoll.JobError() as error:
                self._count(_end(error))
                self._tell(error)
            case gespoll.WaitTimeout():
                self.leave_open(change.ref)
            case error:
                self._count(_UNREAD)
                self._blame(error)

    def leave_open(self, ref: gespoll.JobRef) -> None:
        """Count a job that was not waited for to its end."""
        self._count(_OPEN)
        if len(self.open_jobs) < _JOBS_AT_MOST:
            self.open_jobs.append(str(ref))

    def sentence(self) -> str:
        """Tell it in one sentence."""
        total = sum(self.counts.values())
        counts = ", ".join(f"{number} {name}" for name, number in self._ordered().items())
        text = f"{total} job{'' if total == 1 else 's'}{': ' if counts else ''}{counts}"
        if self.error is not None:
            return f"{text}; not all could be read: {self.error}" if total else self.error
        if self.outcome == "failed" and self.bad_jobs:
            return f"{text}; the first that did not end well: {self.bad_jobs[0]['reason']}"
        if self.outcome == "timeout":
            return f"{text}; time ran out, and they go on at the service: {_some(self.open_jobs, self.still_open)}"
        return text

    def lines(self) -> Iterator[str]:
        """Tell the jobs that did not end well and their files, a line each."""
        for job in self.bad_jobs:
            yield f"{job['error']}: {job['reason']}"
            yield from (f"    {file}" for file in job["files"])
            if job["files_left_out"]:
                yield f"    and {job['files_left_out']} more files"
        left_out = self.bad - len(self.bad_jobs)
        if left_out:
            yield f"and {left_out} more jobs; the log of the trigger names them all"

    def _blame(self, error: Exception) -> None:
        if self.error is None:
            self.error = _cut(str(error))
            self.lasting = isinstance(error, _LASTING) or not isinstance(error, gespoll.SourceError)

    def _ordered(self) -> dict[str, int]:
        return {name: self.counts[name] for name in _ORDER if name in self.counts}

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _tell(self, error: gespoll.JobError) -> None:
        if len(self.bad_jobs) >= _JOBS_AT_MOST:
            return
        files = bad_files(error)
        shown = files[: _FILES_AT_MOST - self._files_told]
        self._files_told += len(shown)
        self.bad_jobs.append(
            {
                "job_id": error.ref.job_id,
                "graph": error.ref.graph,
                "error": type(error).__name__,
                "reason": _cut(str(error)),
                "files": [_cut(str(file)) for file in shown],
                "files_left_out": len(files) - len(shown),
            }
        )


def bad_files(error: Exception) -> tuple[gespoll.ImportFile, ...]:
    """Give the files that a failed import did not load, or not wholly."""
    return error.failed_files if isinstance(error, gespoll.ImportFailed) else ()


def _end(error: gespoll.JobError) -> str:
    named = _ENDS.get(type(error))
    if named is not None or error.job is None:
        return named or "failed"
    return error.job.status.value


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS_AT_MOST else f"{text[: _LETTERS_AT_MOST - 1]}…"


def _some(names: list[str], number: int) -> str:
    shown = names[:5]
    rest = number - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
