"""One job record of the management plane, in either spelling.

Rule: v1.0 writes camelCase, v2 writes snake_case, the shape is the same; the spelling is a
table, the reading is written once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from gespoll._errors import ProtocolError
from gespoll._jobs import FileKind, ImportFile, Job, JobRef, effective_status
from gespoll._wire.fields import count, decode_object, first_text, is_unreadable_count, one_line, text, time, word
from gespoll._wire.reply import Reply, error_code, failure

_IMPORT = "importgraph"


@attrs.frozen(kw_only=True)
class Spelling:
    """How one API version spells the fields of a job record."""

    job_id: str
    job_type: str
    job_name: str
    related_graph: str
    begin_time: str
    end_time: str
    job_detail: str
    fail_reason: str
    files: Mapping[str, FileKind]
    total_lines: str
    failed_lines: str
    successful_lines: str


SNAKE_CASE = Spelling(
    job_id="job_id",
    job_type="job_type",
    job_name="job_name",
    related_graph="related_graph",
    begin_time="begin_time",
    end_time="end_time",
    job_detail="job_detail",
    fail_reason="fail_reason",
    files={"schema_path": "schema", "vertexset_path": "vertexset", "edgeset_path": "edgeset"},
    total_lines="total_lines",
    failed_lines="failed_lines",
    successful_lines="successful_lines",
)
CAMEL_CASE = Spelling(
    job_id="jobId",
    job_type="jobType",
    job_name="jobName",
    related_graph="relatedGraph",
    begin_time="beginTime",
    end_time="endTime",
    job_detail="jobDetail",
    fail_reason="failReason",
    files={"schemaPath": "schema", "vertexsetPath": "vertexset", "edgesetPath": "edgeset"},
    total_lines="totalLines",
    failed_lines="failedLines",
    successful_lines="successfulLines",
)


def read_single(reply: Reply, ref: JobRef, spelling: Spelling) -> Job:
    """Read the reply to a single status query.

    Raises:
        JobNotFound: when the server says that there is no such job or graph.
        SourceError: when the reply is an error, whatever its HTTP status, or unreadable.
    """
    action = f"looking at job {ref}"
    record = decode_object(reply.body) if reply.status == 200 else None
    if record is None or not tells_status(record):
        raise failure_or_blank(reply, action, ref)
    told = text(record.get(spelling.job_id))
    if told is not None and told != ref.job_id:
        text_ = f"{action}: the reply describes another job, {one_line(told)}"
        raise ProtocolError(text_, request_id=reply.request_id)
    return read_job(record, ref, spelling, reply.as_of)


def tells_status(record: Mapping[str, Any]) -> bool:
    """Whether a record describes a job: with an error code beside it, only a failed job does."""
    told = text(record.get("status"))
    return told is not None and (error_code(record) is None or told.strip().lower() == "failed")


def failure_or_blank(reply: Reply, action: str, ref: JobRef) -> Exception:
    """Tell why a reply holds no record: the error it carries, or a blank status."""
    record = decode_object(reply.body)
    if reply.status == 200 and record is not None and error_code(record) is None:
        return ProtocolError(f"{action}: the reply has no status", status=200, request_id=reply.request_id)
    return failure(reply, action, ref)


def read_job(record: Mapping[str, Any], ref: JobRef, spelling: Spelling, as_of: datetime | None) -> Job:
    """Read a record that has a status word."""
    told = text(record.get("status")) or ""
    name = text(record.get(spelling.job_name))
    files = _files(record.get(spelling.job_detail), spelling)
    return Job(
        ref=ref,
        status=effective_status(told, files),
        reported_status=told,
        job_type=text(record.get(spelling.job_type)),
        name=name,
        related_graph=text(record.get(spelling.related_graph)),
        is_import=_is_import(name, files),
        begin_time=time(record.get(spelling.begin_time)),
        end_time=time(record.get(spelling.end_time)),
        fail_reason=first_text(record, spelling.fail_reason, "errorMessage", "error_msg"),
        files=files,
        as_of=as_of,
        raw=record,
    )


def _is_import(name: str | None, files: tuple[ImportFile, ...] | None) -> bool | None:
    if files:
        return True
    return None if name is None else name.strip().lower() == _IMPORT


def _files(detail: Any, spelling: Spelling) -> tuple[ImportFile, ...] | None:
    if not isinstance(detail, Mapping):
        return None
    return tuple(
        _file(entry, kind, spelling) for field, kind in spelling.files.items() for entry in _entries(detail.get(field))
    )


def _entries(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _file(entry: Any, kind: FileKind, spelling: Spelling) -> ImportFile:
    if not isinstance(entry, Mapping):
        return ImportFile(kind=kind, path=text(entry))
    counts = [entry.get(name) for name in (spelling.total_lines, spelling.failed_lines, spelling.successful_lines)]
    total, failed, successful = map(count, counts)
    return ImportFile(
        kind=kind,
        path=text(entry.get("path")),
        status=word(entry.get("status")),
        log=text(entry.get("log")),
        cause=text(entry.get("cause")),
        total_lines=total,
        failed_lines=failed,
        successful_lines=successful,
        has_unreadable_count=any(map(is_unreadable_count, counts)),
    )
