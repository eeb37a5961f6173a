"""Whether a request was signed with a key the server knows.

The rule: written from the vendor's signing guide, from the request as it came over the wire, and sharing no
code with the client. What the client says it signed must hold what came, and must include host and date.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_to_bytes

import attrs

if TYPE_CHECKING:
    from ._routes import Call

__all__ = ["Claim", "matches", "seconds_off"]

_CLAIM = re.compile(r"SDK-HMAC-SHA256 Access=([^,\s]+), SignedHeaders=([^,\s]+), Signature=([0-9a-f]{64})")


@attrs.frozen
class Claim:
    """What a request says of its signature."""

    ak: str
    signed: tuple[str, ...]
    signature: str

    @classmethod
    def of(cls, call: Call) -> Claim | None:
        """Return what the `Authorization` header says, or None when it says nothing of this kind."""
        match = _CLAIM.fullmatch(call.headers.get("Authorization", ""))
        return match and cls(match[1], tuple(match[2].split(";")), match[3])


def seconds_off(call: Call, now: datetime) -> float | None:
    """Return how far the time of the signature is from `now`, in seconds; None when it tells none."""
    try:
        said = datetime.strptime(call.headers.get("X-Sdk-Date", ""), "%Y%m%dT%H%M%SZ")
    except ValueError:
        return None
    return abs((said.replace(tzinfo=UTC) - now).total_seconds())


def matches(call: Call, claim: Claim, sk: str) -> bool:
    """Return whether the signature is the one that `sk` gives this request."""
    needed = {"host", "x-sdk-date"} | ({"x-security-token"} if "X-Security-Token" in call.headers else set())
    if not needed <= set(claim.signed) or list(claim.signed) != sorted(claim.signed):
        return False
    if any(name not in call.headers for name in claim.signed):
        return False
    raw_path, _, raw_query = call.target.partition("?")
    request = [
        call.method,
        _uri(raw_path),
        _query(raw_query),
        "".join(f"{name}:{call.headers[name].strip()}\n" for name in claim.signed),
        ";".join(claim.signed),
        sha256(call.body).hexdigest(),
    ]
    digest = sha256("\n".join(request).encode()).hexdigest()
    text = f"SDK-HMAC-SHA256\n{call.headers['X-Sdk-Date']}\n{digest}"
    right = hmac.digest(sk.encode(), text.encode(), "sha256").hex()
    return hmac.compare_digest(right, claim.signature)


def _escape(raw: bytes) -> str:
    """Return bytes with all but letters, digits and `-_.~` as %XX."""
    return quote_plus(raw, safe="~").replace("+", "%20")


def _uri(raw_path: str) -> str:
    said = unquote_to_bytes(raw_path).split(b"/")
    uri = "/".join(map(_escape, said))
    return uri if uri[-1] == "/" else uri + "/"


def _query(raw_query: str) -> str:
    pairs: list[tuple[bytes, bytes]] = []
    for item in filter(None, raw_query.split("&")):
        name, _, value = item.partition("=")
        pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return "&".join(f"{_escape(name)}={_escape(value)}" for name, value in sorted(pairs))
