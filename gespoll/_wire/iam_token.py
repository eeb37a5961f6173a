"""Obtaining a token with a password: `POST /v3/auth/tokens?nocatalog=true` of IAM.

The token comes in a header, of about 9 KB; the body tells until when it lives. The service accepts only
tokens whose scope is a project. Whatever IAM refuses is final: repeated wrong passwords lock the account.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gespoll._errors import (
    AuthenticationError,
    PermissionDenied,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
)
from gespoll._wire.fields import decode_object, time
from gespoll._wire.reply import Reply, failure

PATH = "/v3/auth/tokens?nocatalog=true"
_TOKEN = "X-Subject-Token"
_ADVICE = (
    "check domain, user, password and project, then make new credentials: "
    "these are not tried again, because wrong passwords lock an account"
)


def body(*, domain: str, user: str, password: str, project: dict[str, str]) -> bytes:
    """Write the request; `project` is `{"id": …}` or `{"name": …}`."""
    who = {"name": user, "password": password, "domain": {"name": domain}}
    identity = {"methods": ["password"], "password": {"user": who}}
    return msgspec.json.encode({"auth": {"identity": identity, "scope": {"project": project}}})


def read(reply: Reply, action: str) -> tuple[str, float | None]:
    """Give the token and its lifetime in seconds, by the server's own clock; `None` when it is not told.

    Raises:
        AuthenticationError: when IAM refuses, which is final.
        ServiceUnavailable: when it cannot answer now, or throttles.
        ProtocolError: when the reply is unreadable.
    """
    if reply.status not in {200, 201}:
        raise _refusal(reply, action)
    token = reply.headers.get(_TOKEN, "")
    if not token.strip() or not token.isprintable() or not token.isascii():
        text = f"{action}: the reply has no token in its header {_TOKEN}"
        raise ProtocolError(text, status=reply.status, request_id=reply.request_id)
    return token, _lifetime(reply)


def _lifetime(reply: Reply) -> float | None:
    told = (decode_object(reply.body) or {}).get("token")
    record: dict[str, Any] = told if isinstance(told, dict) else {}
    until, since = time(record.get("expires_at")), time(record.get("issued_at")) or reply.as_of
    if until is None or since is None:
        return None
    seconds = (until - since).total_seconds()
    return seconds if seconds > 0 else None


def _refusal(reply: Reply, action: str) -> SourceError:
    error = failure(reply, action)
    assert isinstance(error, SourceError)  # no job was asked for that could be missing
    facts: dict[str, Any] = {"status": error.status, "code": error.code, "request_id": error.request_id}
    if isinstance(error, AuthenticationError | PermissionDenied | RequestRejected):
        return AuthenticationError(f"{error.detail}; {_ADVICE}", **facts)
    if isinstance(error, Throttled):
        return ServiceUnavailable(error.detail, retry_after=error.retry_after, **facts)
    return error
