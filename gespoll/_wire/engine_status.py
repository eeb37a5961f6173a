"""Querying one engine job: `GET /ges/v1.0/{project_id}/graphs/{graph_name}/jobs/{job_id}/status`.

The reply of a finished algorithm carries its results, up to 100,000 of them unless a `limit` is
sent: always send a small one. The status is blank when the query itself failed; an error code
beside `failed` is the job's, beside any other word the query's.
"""

from __future__ import annotations

from typing import Any

from gespoll._jobs import Job, JobRef, effective_status
from gespoll._wire.fields import decode_object, text
from gespoll._wire.record import failure_or_blank, tells_status
from gespoll._wire.reply import Reply, error_code

PATH = "/ges/v1.0/{project}/graphs/{graph}/jobs/{job}/status"
QUERY = {"offset": "0", "limit": "1"}


def read(reply: Reply, ref: JobRef) -> Job:
    """Read the reply.

    Raises:
        JobNotFound: when the engine says that there is no such job or graph.
        SourceError: when the reply is an error, whatever its HTTP status, or unreadable.
    """
    record = decode_object(reply.body) if reply.status == 200 else None
    if record is None or not tells_status(record):
        raise failure_or_blank(reply, f"looking at job {ref}", ref)
    word = text(record.get("status")) or ""
    return Job(
        ref=ref,
        status=effective_status(word, None),
        reported_status=word,
        related_graph=ref.graph,
        fail_reason=_reason(record) if word.strip().lower() == "failed" else None,
        as_of=reply.as_of,
        raw={name: value for name, value in record.items() if name != "data"},
    )


def _reason(record: dict[str, Any]) -> str | None:
    message, code = text(record.get("errorMessage")), error_code(record)
    if message is None or code is None:
        return message or code
    return f"{message} ({code})"
