"""A reply, and what an error reply means.

Rule: codes decide, then the HTTP status, never the message text: its language is the
caller's choice. The codes are those of the vendor's error code pages of the management
plane, the engine, the API gateway and IAM; a gateway says APIG. or APIGW. for the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import attrs

from gespoll._errors import (
    AuthenticationError,
    GespollError,
    JobNotFound,
    PermissionDenied,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
)
from gespoll._jobs import JobRef
from gespoll._wire.fields import decode_object, first_text, one_line

_NO_SUCH_JOB = frozenset({"GES.7007", "GES.8301"})
_NO_SUCH_GRAPH = frozenset({"GES.7000", "GES.7054"})

_KIND_OF_CODE: dict[str, type[SourceError]] = {
    **dict.fromkeys(("GES.8007", "APIG.0301", "APIG.0303", "APIG.0305", "APIG.0307"), AuthenticationError),
    **dict.fromkeys(("GES.7041", "GES.8020", "APIG.0302", "APIG.0306"), PermissionDenied),
    **dict.fromkeys(("APIG.0308", "IAM.0012"), Throttled),
    **dict.fromkeys(("GES.7004", "GES.7005", "GES.7006", "GES.7051", "GES.9999"), ServiceUnavailable),
    # 8301 denies the job that a single query asked for; of a list it says "network fluctuation: retry"
    **dict.fromkeys(("GES.8002", "GES.8008", "GES.8301", "GES.8302", "GES.8601", "GES.8602"), ServiceUnavailable),
    **dict.fromkeys(("APIG.0201", "APIG.0601", "APIG.0606", "APIG.0608"), ServiceUnavailable),
    **dict.fromkeys(("GES.0001", "GES.0016", "GES.7000", "GES.7001", "GES.7002", "GES.7003"), RequestRejected),
    **dict.fromkeys(("GES.7007", "GES.7008", "GES.7009", "GES.7016", "GES.7042", "GES.7048"), RequestRejected),
    **dict.fromkeys(("GES.7054", "GES.8000", "GES.8001", "GES.8005", "GES.8006", "GES.8011"), RequestRejected),
    **dict.fromkeys(("GES.8012", "GES.8013", "GES.8303", "GES.8304"), RequestRejected),
    **dict.fromkeys(("APIG.0101", "APIG.0602"), RequestRejected),
}
_ADVICE = {
    "GES.0001": "check the project id, the graph and the token",
    "GES.0016": "check that the project id is that of the credentials and of the graph",
    "GES.8002": "check whether the token has expired",
    "GES.8005": "check the project id and the token",
    "GES.8006": "check the project id",
    "APIG.0303": "check this machine's clock: a signature made more than 15 minutes from the service's time is refused",
}
_KIND_OF_STATUS: dict[int, type[SourceError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    408: ServiceUnavailable,
    429: Throttled,
    501: RequestRejected,
}
_USUAL_DATE = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_SECONDS_TO_WAIT = re.compile(r"(\d+)(?:\.(\d*))?", re.ASCII)
_SAID_BY_STATUS_ALONE = frozenset({401, 407, 408, 429})
_POLICY = re.compile(r"policy (\w+) over ratelimit")
_LIMIT = re.compile(r"limit:(\d+),\s*time:(\d+)\s*(second|minute|hour|day)")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@attrs.frozen
class Reply:
    """What came back over HTTP."""

    status: int
    body: bytes = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    received_at: datetime | None = attrs.field(default=None, repr=False)
    """When it came, by this machine's clock (aware)."""

    @property
    def is_success(self) -> bool:
        """Whether the HTTP status is one of success: a proxy in between may make a 203 of a 200."""
        return 200 <= self.status < 300

    @property
    def as_of(self) -> datetime | None:
        """The server's clock when it answered."""
        return _http_date(self.headers.get("Date"))

    @property
    def request_id(self) -> str | None:
        """The server's id of the request."""
        told = self.headers.get("X-Request-Id")
        return None if told is None else one_line(told)

    @property
    def retry_after(self) -> float | None:
        """Whole seconds the server asks to wait, a fraction rounded up.

        A date counts from the server's own clock, and from this machine's where the reply does not tell that.
        """
        value = self.headers.get("Retry-After", "").strip()
        number = _SECONDS_TO_WAIT.fullmatch(value)
        if number is not None:
            return float(number[1][:9]) + bool((number[2] or "").strip("0"))
        until, now = _http_date(value), self.as_of or self.received_at
        return None if until is None or now is None else float(max(math.ceil((until - now).total_seconds()), 0))


def _http_date(value: str | None) -> datetime | None:
    if value is None:
        return None
    usual = _USUAL_DATE.fullmatch(value)
    if usual is not None and usual[2] in _MONTHS:
        day, month, year, hour, minute, second = usual.groups()
        try:
            return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        except ValueError:
            return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def error_code(record: Mapping[str, Any]) -> str | None:
    """Return the error code of any of the five envelopes; `None` when there is none, or it is blank or "0"."""
    nested = record.get("error")
    if isinstance(nested, Mapping):
        code = nested.get("code")
        code = f"IAM.{code}" if isinstance(code, int) and code else first_text(nested, "code")
    else:
        code = first_text(record, "error_code", "errorCode", "errCode")
    if code is None or code.strip() == "0":
        return None
    return re.sub(r"^APIGW\.", "APIG.", one_line(code))


def _error_text(record: Mapping[str, Any]) -> str:
    nested = record.get("error")
    found = first_text(nested if isinstance(nested, Mapping) else record, "message", "error_msg", "errorMessage")
    found = found or first_text(record, "externalMessage") or "it gave no text"
    return one_line(found)


def failure(
    reply: Reply, action: str, ref: JobRef | None = None, no_such_graph: frozenset[str] = frozenset()
) -> GespollError:
    """Return what an error reply means.

    Args:
        reply: a reply that is no record, whatever its HTTP status.
        action: what was asked for, such as "looking at job x".
        ref: the job that a single status query asked for; `None` for a list.
        no_such_graph: codes that say so on the plane that was asked, besides those that say so everywhere.

    Returns:
        `JobNotFound` when a single query was answered that there is no such job, else a `SourceError`.
    """
    record = decode_object(reply.body)
    if record is None and not _tells_without_record(reply):
        return _unreadable(reply, action)
    code = error_code(record or {})
    no_such_graph |= _NO_SUCH_GRAPH
    if ref is not None and (code in no_such_graph or _is_absence(reply.status, code)):
        return JobNotFound(ref, graph_missing=code in no_such_graph)
    kind = _KIND_OF_CODE.get(code or "") or _kind_of_status(reply.status)
    fields: dict[str, Any] = {
        "status": reply.status,
        "code": code,
        "request_id": reply.request_id,
        "retry_after": reply.retry_after,
    }
    text = _error_text(record or {})
    if kind is Throttled:
        fields["limit"] = _allowed_rate(text)
        fields["policy"] = found[1] if (found := _POLICY.search(text)) else None
    advice = _ADVICE.get(code or "")
    return kind(f"{action}: {_WHAT[kind]}: {text}{f'; {advice}' if advice else ''}", **fields)


_WHAT: dict[type[SourceError], str] = {
    AuthenticationError: "the credentials were rejected",
    PermissionDenied: "no permission",
    Throttled: "too many requests",
    ServiceUnavailable: "the service cannot answer now",
    RequestRejected: "the request was rejected",
    ProtocolError: "an unexpected answer",
}


def _tells_without_record(reply: Reply) -> bool:
    if reply.status < 400:
        return False
    return not reply.body.strip() or reply.status in _SAID_BY_STATUS_ALONE or reply.status >= 500


def _unreadable(reply: Reply, action: str) -> ProtocolError:
    if 300 <= reply.status < 400:
        detail = "was answered with a redirect, which is never followed; check the endpoint"
    else:
        detail = "was answered with something that is no JSON object, perhaps by a proxy in between"
    return ProtocolError(
        f"{action} {detail}",
        status=reply.status,
        request_id=reply.request_id,
        retry_after=reply.retry_after,
    )


def _is_absence(status: int, code: str | None) -> bool:
    if code is None:
        return status == 404
    return code in _NO_SUCH_JOB or (status == 404 and code not in _KIND_OF_CODE)


def _kind_of_status(status: int) -> type[SourceError]:
    if status in _KIND_OF_STATUS:
        return _KIND_OF_STATUS[status]
    if 400 <= status < 500:
        return RequestRejected
    return ProtocolError if 300 <= status < 400 else ServiceUnavailable


def _allowed_rate(text: str) -> float | None:
    found = _LIMIT.search(text)
    if found is None:
        return None
    window = int(found[2]) * _SECONDS[found[3]]
    return int(found[1]) / window if window and int(found[1]) else None
