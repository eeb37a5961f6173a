"""Querying one engine job: `GET /ges/v1.0/{project_id}/graphs/{graph_name}/jobs/{job_id}/status`.

The reply of a finished algorithm carries its results, up to 100,000 of them unless a `limit` is
sent: always send a small one. The status is blank when the query itself failed; an error code
beside the word for a bad end is the job's, beside any other word the query's. A graph that is not
there is told as GES.8000, which the error table calls a wrong parameter: of this query, whose parameters
are always the same, it can say nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gespoll._jobs import STATUS_WORDS, Job, JobRef, StatusWords, effective_status
from gespoll._wire.fields import text
from gespoll._wire.record import fail_reason, single_record
from gespoll._wire.reply import Reply, error_code

PATH = "/ges/v1.0/{project}/graphs/{graph}/jobs/{job}/status"
QUERY = {"offset": "0", "limit": "1"}
_NO_SUCH_GRAPH = frozenset({"GES.8000"})


def read(reply: Reply, ref: JobRef, words: StatusWords = STATUS_WORDS) -> Job:
    """Read the reply.

    Raises:
        JobNotFound: when the engine says that there is no such job or graph.
        SourceError: when the reply is an error, whatever its HTTP status, or unreadable.
    """
    record, fields = single_record(reply, ref, words, _NO_SUCH_GRAPH)
    word = text(fields.get("status")) or ""
    status = effective_status(word, None, words)
    return Job(
        ref=ref,
        status=status,
        reported_status=word,
        related_graph=ref.graph,
        fail_reason=_with_code(fail_reason(fields, "failReason", status, words), fields),
        as_of=reply.as_of,
        raw={name: value for name, value in record.items() if name != "data"},
    )


def _with_code(reason: str | None, fields: Mapping[str, Any]) -> str | None:
    code = error_code(fields)
    return reason if reason is None or code in {None, reason} else f"{reason} ({code})"
