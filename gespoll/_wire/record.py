"""One job record of the management plane, in either spelling.

Rule: v1.0 writes camelCase, v2 writes snake_case, the shape is the same; the spelling is a
table, the reading is written once. A record that cannot be read in full is never read in part:
in a list it is `None`, a sighting, and as the reply to a query a failed poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import msgspec

from gespoll._errors import GespollError, ProtocolError
from gespoll._jobs import (
    STATUS_WORDS,
    FileKind,
    ImportFile,
    Job,
    JobRef,
    JobStatus,
    StatusWords,
    effective_status,
    status_of_word,
)
from gespoll._wire.fields import (
    count,
    decode_object,
    decode_record,
    first_text,
    identifier,
    is_unreadable_count,
    one_line,
    text,
    time,
    word,
)
from gespoll._wire.reply import Reply, error_code, failure

_IMPORT = "importgraph"
_EXPLAINED = frozenset({JobStatus.FAILED, JobStatus.PARTIALLY_FAILED, JobStatus.CANCELLED})
"""What an error beside it explains; beside anything else it is the poll's."""


@attrs.frozen(kw_only=True)
class Counts:
    """How a document spells what became of a file's lines, or of a schema's labels."""

    total: str
    failed: str
    successful: str

    @property
    def names(self) -> tuple[str, str, str]:
        """The fields, in the order of `ImportFile`."""
        return self.total, self.failed, self.successful


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
    counts: Counts


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
    counts=Counts(total="total_lines", failed="failed_lines", successful="successful_lines"),
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
    counts=Counts(total="totalLines", failed="failedLines", successful="successfulLines"),
)


def read_single(reply: Reply, ref: JobRef, spelling: Spelling, words: StatusWords = STATUS_WORDS) -> Job:
    """Read the reply to a single status query.

    Raises:
        JobNotFound: when the server says that there is no such job or graph.
        SourceError: when the reply is an error, whatever its HTTP status, or unreadable.
    """
    record, fields = single_record(reply, ref, words)
    described = identifier(fields.get(spelling.job_id))
    if described is not None and described != ref.job_id:
        text_ = f"looking at job {ref}: the reply describes another job, {one_line(described)}"
        raise ProtocolError(text_, request_id=reply.request_id)
    return read_job(record, fields, ref, spelling, reply.as_of, words)


def single_record(
    reply: Reply, ref: JobRef, words: StatusWords, no_such_graph: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the record that the reply to a single status query holds, and the fields of its job; it has a status.

    Args:
        reply: the reply.
        ref: the job that was asked for.
        words: what words mean.
        no_such_graph: error codes that say so on this plane, besides those that say so everywhere.

    Raises:
        JobNotFound: when the server says that there is no such job or graph.
        SourceError: when the reply is an error, whatever its HTTP status, or unreadable.
    """
    action = f"looking at job {ref}"
    record = decode_record(reply.body) if reply.is_success else None
    if record is None:
        raise _why_unreadable(reply, action, ref, no_such_graph)
    fields = job_fields(record)
    if poll_error(fields, words) is not None:
        raise failure(reply, action, ref, no_such_graph)
    if text(fields.get("status")) is None:
        raise ProtocolError(f"{action}: the reply has no status", status=reply.status, request_id=reply.request_id)
    return record, fields


def _why_unreadable(reply: Reply, action: str, ref: JobRef, no_such_graph: frozenset[str]) -> GespollError:
    if reply.is_success and decode_object(reply.body) is not None:
        text_ = f"{action}: the reply holds a field twice, of which only one could be read"
        return ProtocolError(text_, status=reply.status, request_id=reply.request_id)
    return failure(reply, action, ref, no_such_graph)


def job_fields(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a job, which one document shows inside `Job`, beside the error's."""
    nested = record.get("Job")
    if not isinstance(nested, Mapping) or text(record.get("status")) is not None:
        return record
    return {**record, **{name: value for name, value in nested.items() if value not in (None, "")}}


def poll_error(fields: Mapping[str, Any], words: StatusWords) -> str | None:
    """Return the error code of the poll; `None` where there is none, or the job's end is what it explains."""
    code = error_code(fields)
    return None if code is None or status_of_word(text(fields.get("status")) or "", words) in _EXPLAINED else code


def read_entry(entry: bytes | msgspec.Raw, words: StatusWords) -> dict[str, Any] | None:
    """Decode the record of a list; `None` when it tells no status, or cannot be read in full."""
    record = decode_record(entry)
    if record is None or text(record.get("status")) is None or poll_error(record, words) is not None:
        return None
    return record


def read_job(
    record: Mapping[str, Any],
    fields: Mapping[str, Any],
    ref: JobRef,
    spelling: Spelling,
    as_of: datetime | None,
    words: StatusWords,
) -> Job:
    """Read a job that has a status word.

    Args:
        record: as it came.
        fields: those of the job, in it.
        ref: the job.
        spelling: how the document spells them.
        as_of: the server's clock when it answered.
        words: what words mean.
    """
    reported = text(fields.get("status")) or ""
    name = text(fields.get(spelling.job_name))
    files = _files(fields.get(spelling.job_detail), spelling)
    status = effective_status(reported, files, words)
    return Job(
        ref=ref,
        status=status,
        reported_status=reported,
        job_type=text(fields.get(spelling.job_type)),
        name=name,
        related_graph=text(fields.get(spelling.related_graph)),
        is_import=is_import(name, files),
        begin_time=time(fields.get(spelling.begin_time)),
        end_time=time(fields.get(spelling.end_time)),
        fail_reason=fail_reason(fields, spelling.fail_reason, status, words),
        files=files,
        as_of=as_of,
        raw=record,
    )


def fail_reason(fields: Mapping[str, Any], name: str, status: JobStatus, words: StatusWords) -> str | None:
    """Return why a job failed: its own reason, else the error beside a word for a bad end.

    Args:
        fields: the job's.
        name: how the document spells the reason.
        status: how the job stands; a success has no reason to have failed.
        words: what words mean.
    """
    reason = None if status is JobStatus.SUCCESS else text(fields.get(name))
    if reason is not None or status_of_word(text(fields.get("status")) or "", words) not in _EXPLAINED:
        return reason
    return first_text(fields, "errorMessage", "error_msg") or error_code(fields)


def is_import(name: str | None, files: tuple[ImportFile, ...] | None) -> bool | None:
    """Whether a job is an import: its files say so, else its name; `None` where neither does."""
    if files:
        return True
    return None if name is None else name.strip().lower().replace("_", "") == _IMPORT


def _files(detail: Any, spelling: Spelling) -> tuple[ImportFile, ...] | None:
    if not isinstance(detail, Mapping):
        return None
    return tuple(
        read_file(entry, kind, spelling.counts)
        for field, kind in spelling.files.items()
        for entry in entries_of(detail.get(field))
    )


def entries_of(value: Any) -> list[Any]:
    """Return the entries of an array, or what stands in its place as the only one; none of null."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def read_file(entry: Any, kind: FileKind, names: Counts, path: str = "path") -> ImportFile:
    """Read one file of an import.

    Args:
        entry: an object, or the path alone.
        kind: what the file holds.
        names: how the document spells its counts.
        path: how the document spells its path.
    """
    if not isinstance(entry, Mapping):
        return ImportFile(kind=kind, path=text(entry))
    told = [entry.get(name) for name in names.names]
    total, failed, successful = counts = [count(value) for value in told]
    return ImportFile(
        kind=kind,
        path=text(entry.get(path)),
        status=word(entry.get("status")),
        log=text(entry.get("log")),
        cause=text(entry.get("cause")),
        total_lines=total,
        failed_lines=failed,
        successful_lines=successful,
        has_unreadable_count=None in counts and any(map(is_unreadable_count, told)),
    )
