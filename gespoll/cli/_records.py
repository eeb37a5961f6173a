"""The JSON that programs read.

Rule: README documents every key. A key is never left out, what is not known is null, and keys may be added.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import attrs

from gespoll import ImportFile, Job, JobRef, JobStatus, StateChange


def change_record(change: StateChange) -> dict[str, Any]:
    """Tell a change."""
    job = change.job
    return {
        "event": "change",
        "time": datetime.now(UTC),
        "id": change.id,
        "observed_time": change.observed_time,
        **_named(change.ref),
        "previous": _word(change.previous),
        "status": _word(change.status),
        "is_final": change.is_final,
        "error_type": None if change.error is None else type(change.error).__name__,
        "error": None if change.error is None else str(change.error),
        "tolerated": change.tolerated,
        "lag": change.lag,
        **_facts(job),
    }


def job_record(ref: JobRef, job: Job | None, error: str | None = None) -> dict[str, Any]:
    """Tell a job as it stands; `None` when it was not seen, and then why."""
    request = None if job is None else job.request
    return {
        "event": "job",
        **_named(ref),
        "status": None if job is None else job.status.value,
        "error": error,
        **_facts(job),
        "command": None if request is None else request.command,
        "url": None if request is None else request.url,
    }


def open_record(ref: JobRef, status: JobStatus | None) -> dict[str, Any]:
    """Tell a job that has not ended."""
    return {**_named(ref), "status": _word(status)}


def _named(ref: JobRef) -> dict[str, Any]:
    return {"job_id": ref.job_id, "graph": ref.graph, "key": ref.key}


def _facts(job: Job | None) -> dict[str, Any]:
    """Tell what the service said of a job, but for its status as it is to be understood."""
    return {
        "name": None if job is None else job.name,
        "related_graph": None if job is None else job.related_graph,
        "reported_status": None if job is None else job.reported_status,
        "begin_time": None if job is None else job.begin_time,
        "end_time": None if job is None else job.end_time,
        "fail_reason": None if job is None else job.fail_reason,
        "files": _files(() if job is None else job.bad_files),
    }


def _files(files: Iterable[ImportFile]) -> list[dict[str, Any]]:
    return [attrs.asdict(file) for file in files]


def _word(status: JobStatus | None) -> str | None:
    return None if status is None else status.value
