"""The documented reply shapes.

The rule: a body has exactly the keys its API document has. Bodies are built once in the snake_case of v2;
v1.0 is the same body respelled by one table, minus what v1.0 does not tell. The engine and the five error
envelopes have their own shapes. Nothing here knows which job is meant or what time it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._timeline import FakeFile, FakeJob, FileKind, Look

__all__ = ["Api", "EmptyArrays", "ErrorKeys", "Reply"]

Api = Literal["v2", "v1.0", "engine"]
EmptyArrays = Literal["null", "absent", "empty"]
ErrorKeys = Literal["absent", "blank", "null"]

JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"

_ARRAYS: tuple[tuple[str, FileKind], ...] = (
    ("vertexset_path", "vertexset"),
    ("edgeset_path", "edgeset"),
    ("schema_path", "schema"),
)
_MEMORY_KEYS: Mapping[FileKind, str] = {"edgeset": "edgeFiles", "vertexset": "vertexFiles", "schema": "schemaFiles"}
_COUNTS = ("total_lines", "failed_lines", "successful_lines")
_V1_KEYS = {
    "job_id": "jobId",
    "job_type": "jobType",
    "job_name": "jobName",
    "related_graph": "relatedGraph",
    "begin_time": "beginTime",
    "end_time": "endTime",
    "job_detail": "jobDetail",
    "fail_reason": "failReason",
    "job_progress": "jobProgress",
    "job_count": "jobCount",
    "job_list": "jobList",
    "vertexset_path": "vertexsetPath",
    "edgeset_path": "edgesetPath",
    "schema_path": "schemaPath",
    "total_lines": "totalLines",
    "failed_lines": "failedLines",
    "successful_lines": "successfulLines",
    "error_code": "errorCode",
    "error_msg": "errorMessage",
}


@attrs.frozen
class Reply:
    """What the server sends."""

    status: int
    """The HTTP status."""
    body: bytes
    """The whole body."""
    content_type: str = JSON_TYPE
    """The media type."""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    """Headers beyond those every reply has."""


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Return `body` as a JSON reply."""
    return Reply(status, msgspec.json.encode(body), headers=headers or {})


def spell(body: Any, api: Api) -> Any:
    """Return `body`, written in snake_case, with the keys of `api`."""
    if api == "v2":
        return body
    if isinstance(body, dict):
        return {_V1_KEYS.get(key, key): spell(value, api) for key, value in body.items()}
    if isinstance(body, list):
        return [spell(value, api) for value in body]
    return body


def job_body(
    job: FakeJob, look: Look, api: Api, *, begin_time: str, end_time: str | None, empty_arrays: EmptyArrays
) -> dict[str, Any]:
    """Return one management job, as the status call and the job centre tell it.

    Args:
        job: The job.
        look: How it looks now.
        api: Whose spelling to use.
        begin_time: The begin time as text.
        end_time: The end time as text; None leaves the key out.
        empty_arrays: How an array of `job_detail` without files is told.
    """
    body: dict[str, Any] = {
        "job_id": job.job_id,
        "status": look.word,
        "job_type": job.job_type,
        "job_name": job.name,
        "related_graph": job.graph_name,
        "begin_time": begin_time,
    }
    if end_time is not None:
        body["end_time"] = end_time
    if look.files is not None:
        body["job_detail"] = _job_detail(look.files, api, empty_arrays)
    if look.fail_reason is not None:
        body["fail_reason"] = look.fail_reason
    body["job_progress"] = 0
    spelled: dict[str, Any] = spell(body, api)
    return spelled


def _job_detail(files: Sequence[FakeFile], api: Api, empty_arrays: EmptyArrays) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    for key, kind in _ARRAYS:
        entries = [_file_body(file, api) for file in files if file.kind == kind]
        if entries or empty_arrays != "absent":
            detail[key] = entries if entries or empty_arrays == "empty" else None
    return detail


def _file_body(file: FakeFile, api: Api) -> dict[str, Any]:
    body: dict[str, Any] = {"path": file.path, "log": file.log, "cause": file.cause, "status": file.status}
    if api == "v1.0" and file.kind == "schema":
        return body
    counts = {key: getattr(file, key) for key in _COUNTS}
    return body | {key: count for key, count in counts.items() if count is not None}


def list_body(entries: Sequence[msgspec.Raw], count: int | None, api: Api) -> dict[str, Any]:
    """Return a page of the job centre; a count of None leaves the key out."""
    body: dict[str, Any] = {} if count is None else {"job_count": count}
    body["job_list"] = list(entries)
    spelled: dict[str, Any] = spell(body, api)
    return spelled


def success_keys(api: Api, told: ErrorKeys) -> dict[str, str | None]:
    """Return the error keys a successful reply carries."""
    if told == "absent":
        return {}
    value = "" if told == "blank" else None
    keys: dict[str, str | None] = spell({"error_code": value, "error_msg": value}, api)
    return keys


def engine_entry(job: FakeJob, word: str, url: str, *, raw_request: bool) -> dict[str, Any]:
    """Return one job of a database edition's list; `raw_request` tells its body as a JSON string."""
    request: dict[str, Any] = {"command": job.command, "url": url}
    if raw_request:
        request["rawRequest"] = msgspec.json.encode(job.request_body).decode()
    else:
        request["body"] = job.request_body
    return {"jobId": job.job_id, "status": word, "request": request}


def memory_entry(job: FakeJob, look: Look, *, progress: int, times: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return one job of a memory edition's list.

    Args:
        job: The job.
        look: How it looks now.
        progress: How far it is, in percent.
        times: When it began and, once it has, ended: local text, and microseconds since 1970.
    """
    body: dict[str, Any] = {
        "jobId": job.job_id,
        "rawRequest": msgspec.json.encode(job.request_body).decode() if job.request_body else "",
        "taskType": job.name,
        "canStop": look.ended_after is None,
        "progress": str(progress),
        "status": look.word,
    }
    body |= dict(zip(("startTime", "endTime"), [text for text, _ in times], strict=False))
    if look.word.casefold() == "failed":
        body["failReason"] = look.fail_reason or "job failed"
    if look.files is not None:
        span = dict(zip(("startTime", "endTime"), [count for _, count in times], strict=False))
        body["files"] = [{_MEMORY_KEYS[file.kind]: _memory_file(file) | span} for file in look.files]
    return body


def _memory_file(file: FakeFile) -> dict[str, Any]:
    unit = "Labels" if file.kind == "schema" else "Lines"
    counts = {"total": file.total_lines, "successful": file.successful_lines, "failed": file.failed_lines}
    told = {f"{name}{unit}": count for name, count in counts.items() if count is not None}
    return {"fileName": file.path, **told, "status": file.status}


def memory_list_body(entries: Sequence[msgspec.Raw], count: int | None) -> dict[str, Any]:
    """Return a page of a memory edition's list; a count of None leaves the key out."""
    body: dict[str, Any] = {"jobs": list(entries)}
    return body if count is None else body | {"jobCount": count}


def engine_list_body(entries: Sequence[msgspec.Raw], count: int | None) -> dict[str, Any]:
    """Return a page of a database edition's list; a count of None leaves the key out."""
    body: dict[str, Any] = {"jobs": list(entries)}
    if count is not None:
        body["totalCount"] = count
    return body | {"result": "success"}


def engine_body(job: FakeJob, look: Look, *, offset: int, limit: int, blank: str | None) -> dict[str, Any]:
    """Return the engine's status of one job, with at most `limit` of its results once it has ended.

    Args:
        job: The job.
        look: How it looks now.
        offset: The first result record told.
        limit: How many result records are told at most.
        blank: What the error keys of a job without an error say.
    """
    failed = look.word.casefold() == "failed"
    body: dict[str, Any] = {
        "errorCode": job.error_code if failed else blank,
        "errorMessage": (look.fail_reason or "job failed") if failed else blank,
        "status": look.word,
    }
    if look.ended_after is not None and not failed:
        body["data"] = _engine_data(job.results, offset, limit)
    return body


def _engine_data(results: int, offset: int, limit: int) -> dict[str, Any]:
    told = range(offset, min(offset + limit, results))
    outputs = {"data_return_size": len(told), "data_offset": offset, "data_total_size": results}
    return {"vertices": [{"id": f"v{number}"} for number in told], "edges": [], "outputs": outputs}


def submitted_body(job_id: str, api: Api) -> dict[str, str]:
    """Return what a write call answers: the job id and nothing else."""
    return {"job_id" if api == "v2" else "jobId": job_id}


def service_error(status: int, code: str, message: str, api: Api, *, listing: bool = False, old: bool = False) -> Reply:
    """Return an error of the service itself, in the envelope of the document.

    Args:
        status: The HTTP status.
        code: The vendor's code.
        message: The vendor's text.
        api: Whose envelope to use.
        listing: Whether the list is answering.
        old: Whether the older pages' envelopes are used: `errCode` and `externalMessage` for the v1.0 job
            centre, an additional `result` on the engine.
    """
    if api == "v1.0" and listing and old:
        return json_reply(status, {"errCode": code, "externalMessage": message})
    body: dict[str, Any] = spell({"error_msg": message, "error_code": code}, api)
    if api == "engine" and old:
        body["result"] = "failed"
    return json_reply(status, body)


def gateway_error(
    status: int, code: str, message: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """Return an error of the API gateway, which has one envelope for all documents."""
    return json_reply(status, {"error_msg": message, "error_code": code, "request_id": request_id}, headers=headers)


def html_page(status: int) -> Reply:
    """Return what a proxy in between answers."""
    return Reply(status, b"<html><head><title>Bad Gateway</title></head><body></body></html>\n", HTML_TYPE)
