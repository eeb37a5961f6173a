"""The temporary access key of a cloud server's agency: `GET /openstack/latest/securitykey` of its metadata service.

Newer servers want a session first (`PUT /meta-data/latest/api/token`); older ones do not know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gespoll._errors import AuthenticationError, ProtocolError, ServiceUnavailable
from gespoll._wire.decoding import decode_object
from gespoll._wire.fields import time
from gespoll._wire.reply import Reply

SESSION_PATH = "/meta-data/latest/api/token"
SESSION_HEADERS = {"X-Metadata-Token-Ttl-Seconds": "300"}
KEY_PATH = "/openstack/latest/securitykey"
_SESSION = "X-Metadata-Token"
_ADVICE = "the server needs a cloud service agency, with the right to read the jobs"
_UNKNOWN_THERE = frozenset({404, 405})


def headers(session: Reply, action: str) -> Mapping[str, str]:
    """Return what a request in the session carries; nothing where there are no sessions.

    Raises:
        ServiceUnavailable: when it cannot answer.
        ProtocolError: when it is no session.
    """
    if session.status in _UNKNOWN_THERE:
        return {}
    _check(session, action)
    token = session.body.decode("ascii", "replace").strip()
    if not token or not token.isprintable() or not token.isascii():
        raise ProtocolError(f"{action}: the reply holds no session", status=session.status)
    return {_SESSION: token}


def read(reply: Reply, action: str) -> tuple[str, str, str, datetime | None]:
    """Return key id, secret key, security token, and until when they live.

    Raises:
        AuthenticationError: when the server has no agency.
        ServiceUnavailable: when it cannot answer now.
        ProtocolError: when the reply is unreadable.
    """
    if reply.status in {401, 403, 404}:
        raise AuthenticationError(f"{action}: it has none; {_ADVICE}", status=reply.status)
    _check(reply, action)
    told = (decode_object(reply.body) or {}).get("credential")
    record: dict[str, Any] = told if isinstance(told, dict) else {}
    ak, sk, token = (record.get(name) for name in ("access", "secret", "securitytoken"))
    texts = [each for each in (ak, sk, token) if isinstance(each, str) and each.isascii() and each.isprintable()]
    if len(texts) < 3 or not all(texts):
        del told, record, ak, sk, token, texts
        raise ProtocolError(f"{action}: the reply holds no key", status=reply.status)
    return texts[0], texts[1], texts[2], time(record.get("expires_at"))


def _check(reply: Reply, action: str) -> None:
    if reply.status != 200:
        kind = ServiceUnavailable if reply.status >= 500 or reply.status == 429 else ProtocolError
        raise kind(f"{action}: it answers with HTTP {reply.status}", status=reply.status)
