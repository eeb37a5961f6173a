"""Querying the Job List: `GET /ges/v1.0/{project_id}/graphs/{graph_name}/jobs/status`.

One graph's engine tells id, status and original request of each job it keeps, up to 100,000;
no files, no times, no reason. The request's body stands in `rawRequest` as a text, or in `body`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gespoll._jobs import Job, JobRef, JobRequest, effective_status
from gespoll._wire.fields import decode, decode_object, text
from gespoll._wire.listing import Glance, Page, read_page
from gespoll._wire.reply import Reply

PATH = "/ges/v1.0/{project}/graphs/{graph}/jobs/status"
_IMPORT = "import_graph"


def read(reply: Reply, graph: str) -> Page:
    """Read the envelope; raises as `gespoll._wire.listing.read_page` does."""
    return read_page(reply, f"listing the jobs of graph {graph}", entries="jobs", total="totalCount")


def read_job(glance: Glance, graph: str, as_of: datetime | None) -> Job:
    """Read the whole record of an entry that has a status word."""
    record = decode_object(glance.entry) or {}
    request = _request(record.get("request"))
    word = glance.word or ""
    return Job(
        ref=JobRef(glance.job_id, graph),
        status=effective_status(word, None),
        reported_status=word,
        name=request.command if request else None,
        related_graph=graph,
        is_import=None if request is None or request.command is None else request.command == _IMPORT,
        request=request,
        as_of=as_of,
        raw=record,
    )


def _request(value: Any) -> JobRequest | None:
    if not isinstance(value, Mapping):
        return None
    body = value.get("body")
    if body is None:
        body = _decoded(value.get("rawRequest"))
    return JobRequest(command=text(value.get("command")), url=text(value.get("url")), body=body)


def _decoded(raw: Any) -> Any:
    decoded = decode(raw.encode(errors="replace")) if isinstance(raw, str) else None
    return raw if decoded is None else decoded
