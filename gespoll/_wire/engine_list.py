"""Querying the Job List: `GET /ges/v1.0/{project_id}/graphs/{graph_name}/jobs/status`.

One graph's engine keeps up to 100,000 jobs, and its list has two shapes. The database edition's entry holds id, status
and the request that started the job, whose body stands in `rawRequest` as a text, or in `body`; no files, no reason.
The memory edition's holds `taskType`, `progress`, `failReason`, the files of an import and the request's body; a partly
loaded import is found there and nowhere else. Its times are local to a zone that nothing names, so they are read only
where they name one themselves, or count from 1970.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from gespoll._jobs import STATUS_WORDS, FileKind, ImportFile, Job, JobRef, JobRequest, StatusWords, effective_status
from gespoll._wire.fields import absolute_time, decode, percentage, text
from gespoll._wire.listing import Glance, Page, read_page
from gespoll._wire.record import Counts, entries_of, fail_reason, is_import, read_entry, read_file
from gespoll._wire.reply import Reply

Edition = Literal["memory", "database"]
PATH = "/ges/v1.0/{project}/graphs/{graph}/jobs/status"
_OF_MEMORY_EDITION = frozenset({"taskType", "canStop", "progress", "failReason", "files", "rawRequest"})
_KINDS: Mapping[str, FileKind] = {"edgeFiles": "edgeset", "vertexFiles": "vertexset", "schemaFiles": "schema"}
_LINES = Counts(total="totalLines", failed="failedLines", successful="successfulLines")
_LABELS = Counts(total="totalLabels", failed="failedLabels", successful="successfulLabels")
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read(reply: Reply, graph: str) -> Page:
    """Read the envelope; raises as `gespoll._wire.listing.read_page` does."""
    return read_page(reply, f"listing the jobs of graph {graph}", entries="jobs", totals=("totalCount", "jobCount"))


def read_job(glance: Glance, graph: str, as_of: datetime | None, words: StatusWords = STATUS_WORDS) -> Job | None:
    """Read the whole record of an entry; `None` when it tells no status, or cannot be read in full."""
    record = read_entry(glance.entry, words)
    if record is None:
        return None
    reported = text(record.get("status")) or ""
    request = _request(record)
    name = text(record.get("taskType")) or (request.command if request else None)
    files = _files(record.get("files"))
    status = effective_status(reported, files, words)
    return Job(
        ref=JobRef(glance.job_id, graph),
        status=status,
        reported_status=reported,
        name=name,
        related_graph=graph,
        is_import=is_import(name, files),
        begin_time=absolute_time(record.get("startTime")),
        end_time=absolute_time(record.get("endTime")),
        fail_reason=fail_reason(record, "failReason", status, words),
        files=files,
        progress=percentage(record.get("progress")),
        request=request,
        as_of=as_of,
        raw=record,
    )


def edition_of(entry: bytes | msgspec.Raw) -> Edition | None:
    """Return which edition writes such an entry; `None` where it has neither's fields."""
    try:
        fields = _decode_fields(entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not _OF_MEMORY_EDITION.isdisjoint(fields):
        return "memory"
    return "database" if "request" in fields else None


def _request(record: Mapping[str, Any]) -> JobRequest | None:
    value = record.get("request")
    if not isinstance(value, Mapping):
        body = _decoded(record.get("rawRequest"))
        return None if body is None or body == "" else JobRequest(body=body)
    body = value.get("body")
    if body is None:
        body = _decoded(value.get("rawRequest"))
    return JobRequest(command=text(value.get("command")), url=text(value.get("url")), body=body)


def _decoded(raw: Any) -> Any:
    decoded = decode(raw.encode(errors="replace")) if isinstance(raw, str) else None
    return raw if decoded is None else decoded


def _files(value: Any) -> tuple[ImportFile, ...] | None:
    """Read the files, each alone in an object whose key says what it holds."""
    if not isinstance(value, list | Mapping):
        return None
    return tuple(_file(entry, kind) for keyed in entries_of(value) for kind, entry in _keyed(keyed))


def _keyed(value: Any) -> Iterator[tuple[FileKind, Any]]:
    if not isinstance(value, Mapping) or "fileName" in value:
        yield "other", value
        return
    for key, entries in value.items():
        for entry in entries_of(entries):
            yield _KINDS.get(key, "other"), entry


def _file(entry: Any, kind: FileKind) -> ImportFile:
    counts = _LABELS if isinstance(entry, Mapping) and not entry.keys().isdisjoint(_LABELS.names) else _LINES
    return read_file(entry, kind, counts, path="fileName")
