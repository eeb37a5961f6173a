"""The signature of a request: SDK-HMAC-SHA256, as the vendor's signer makes it.

Rule: pure; the time is an argument. Every header that is given is signed, and the headers that come
back must be sent as they are. In the canonical form the path ends with a slash, on the wire it need not.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

DATE = "X-Sdk-Date"
SKEW_AT_MOST = 900.0
"""Seconds between the signature's time and the service's, beyond which it is refused."""

_ALGORITHM = "SDK-HMAC-SHA256"
_STAMP = "%Y%m%dT%H%M%SZ"
_HASHED_TYPES = ("application/json", "application/bson")
_UNSIGNED = "UNSIGNED-PAYLOAD"
_DEFAULT_PORTS = frozenset({("https", 443), ("http", 80)})


def sign(
    method: str, url: str, headers: Mapping[str, str], *, ak: str, sk: str, at: datetime, body: bytes = b""
) -> dict[str, str]:
    """Sign a request.

    Args:
        method: the HTTP method.
        url: the URL as it is sent, encoded.
        headers: the headers to sign besides `Host` and `X-Sdk-Date`; one whose name has an underscore is not signed.
        ak: the access key.
        sk: the secret key.
        at: the present time, aware.
        body: the body as it is sent.

    Returns:
        All headers to send: those given, `Host`, `X-Sdk-Date`, and `Authorization`.
    """
    stamp = at.astimezone(UTC).strftime(_STAMP)
    given = {**headers, **_content(headers), "Host": _host(url), DATE: stamp}
    signed = {name.lower(): value.strip() for name, value in given.items() if "_" not in name}
    names = ";".join(sorted(signed))
    lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
    digest = signed.get("x-sdk-content-sha256", "") if body else ""
    digest = digest or hashlib.sha256(body).hexdigest()
    parts = urlsplit(url)
    canonical = "\n".join([method.upper(), _path(parts.path), _query(parts.query), *lines, "", names, digest])
    text = f"{_ALGORITHM}\n{stamp}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(sk.encode(), text.encode(), hashlib.sha256).hexdigest()
    return given | {"Authorization": f"{_ALGORITHM} Access={ak}, SignedHeaders={names}, Signature={signature}"}


def skew(headers: Mapping[str, str], server_time: datetime | None) -> float | None:
    """Tell by how many seconds the clock that signed some headers is ahead of the server's; `None` when unknown."""
    stamp = headers.get(DATE)
    if stamp is None or server_time is None:
        return None
    return (datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC) - server_time).total_seconds()


def _content(headers: Mapping[str, str]) -> dict[str, str]:
    """Tell that the body is not signed, where its type is not one that is."""
    kind = next((value for name, value in headers.items() if name == "Content-Type"), "")
    return {"X-Sdk-Content-Sha256": _UNSIGNED} if kind and not kind.startswith(_HASHED_TYPES) else {}


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return host.removesuffix(f":{parts.port}") if (parts.scheme, parts.port) in _DEFAULT_PORTS else host


def _path(path: str) -> str:
    """Encode each segment anew, and end with a slash."""
    encoded = "/".join(_encoded(segment) for segment in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _query(query: str) -> str:
    """Sort the parameters by what they say, and encode each anew; a plus sign is a plus sign."""
    pairs = [part.partition("=") for part in query.split("&") if part]
    said = sorted((unquote(name), unquote(value)) for name, _, value in pairs)
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in said)


def _encoded(text: str) -> str:
    return quote(text, safe="~")
