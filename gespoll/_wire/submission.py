"""The reply to a call that starts a job: the job id, or the service's error.

Every such call of both planes answers one id and nothing else, spelled `job_id` by v2 and `jobId` by the others;
creating a graph answers the graph's id and name instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gespoll._errors import GespollError, SourceError
from gespoll._wire.fields import decode_object, first_text, identifier, one_line
from gespoll._wire.reply import Reply, error_code, failure

_ACTION = "submitting a job"
_ERROR_TEXTS = ("error_msg", "errorMessage", "message", "externalMessage")
_NAMED_AT_MOST = 10
_REJECTED = 400


def read_job_id(body: Mapping[str, Any] | str | bytes) -> str:
    """Read the id of the job that was started.

    Args:
        body: the body of the reply, decoded or not.

    Raises:
        SourceError: when the reply is an error, whether or not there is an id beside it.
        TypeError: when `body` is neither a mapping nor text.
        ValueError: when it holds neither an id nor an error.
    """
    record = _record(body)
    job_id = identifier(record.get("job_id")) or identifier(record.get("jobId"))
    if error_code(record) is not None or (job_id is None and _says_failed(record)):
        raise _error(record)
    if job_id is None:
        raise ValueError(f"the reply holds no job id, neither job_id nor jobId, {_what_it_holds(record)}")
    return job_id


def _record(body: object) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    if not isinstance(body, str | bytes):
        raise TypeError(f"a reply is a mapping, or its JSON as str or bytes, not {type(body).__name__}")
    as_bytes = body.encode(errors="replace") if isinstance(body, str) else body
    record = decode_object(as_bytes)
    if record is None:
        start = one_line(as_bytes[:80].decode(errors="replace"))
        raise ValueError(f"the reply is no JSON object but {start!r}: pass the body of a reply to a submission")
    return record


def _says_failed(record: Mapping[str, Any]) -> bool:
    told = record.get("error"), (first_text(record, "result") or "").strip().lower()
    return isinstance(told[0], Mapping) or told[1] == "failed" or first_text(record, *_ERROR_TEXTS) is not None


def _error(record: Mapping[str, Any]) -> GespollError:
    """Return what the error means; where its code alone does not say, it is about the request."""
    nested = record.get("error")
    code = nested.get("code") if isinstance(nested, Mapping) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else _REJECTED
    error = failure(Reply(status, msgspec.json.encode(_told(record))), _ACTION)
    if isinstance(error, SourceError):
        error.status = None  # only the body is known
    return error


def _told(record: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what tells of the error; the rest may hold what no JSON takes."""
    nested = record.get("error")
    if isinstance(nested, Mapping):
        return {"error": _told(nested)}
    told = {name: _encodable(value) for name, value in record.items() if isinstance(value, str)}
    code = record.get("code")
    return told | {"code": code} if isinstance(code, int) else told


def _encodable(value: str) -> str:
    return value.encode(errors="replace").decode()


def _what_it_holds(record: Mapping[str, Any]) -> str:
    if not record:
        return "and nothing else"
    names = ", ".join(one_line(str(name)) for name in list(record)[:_NAMED_AT_MOST])
    more = ", …" if len(record) > _NAMED_AT_MOST else ""
    return f"but {names}{more}: pass the body of a reply to a submission"
