"""URLs of servers: which may be used, and which a region has.

Rule: credentials travel over https, but for loopback and for those who ask for plain http.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_DOMAINS = {"eu-west-101": "eu"}  # every other region is under .com


def of_region(service: str, region: str) -> str:
    """Name the base URL of a service ("ges", "iam") in a region.

    Raises:
        ValueError: when the region is none, such as an empty text.
    """
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise ValueError(f"region {region!r} must be the id of a region, such as cn-north-4")
    return f"https://{service}.{region}.myhuaweicloud.{_DOMAINS.get(region, 'com')}"


def checked_base(endpoint: str, name: str, *, allow_http: bool) -> str:
    """Check the base URL of a server, and strip its last slash.

    Args:
        endpoint: the URL.
        name: what the URL is, for the error's text.
        allow_http: allow plain http to a host other than loopback.

    Raises:
        TypeError: when it is no `str`.
        ValueError: when it is no such URL; the text does not show it where a password may stand in it.
    """
    if not isinstance(endpoint, str):
        raise TypeError(f"{name} must be a URL as str, not {type(endpoint).__name__}")
    if not {"@", "?", "#"}.isdisjoint(endpoint):
        raise ValueError(f"{name} must be scheme, host and port only: no user, password, query or fragment")
    if not endpoint.isprintable() or " " in endpoint:
        raise ValueError(f"{name} {endpoint!r} holds blanks or control characters: strip it")
    try:
        parts = urlsplit(endpoint)
        _ = parts.port  # read for the error it raises when it is none
    except ValueError as error:
        raise ValueError(f"{name} {endpoint!r} is no URL: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{name} {endpoint!r} must be a URL with its scheme, such as https://{endpoint or 'host'}")
    if is_clear_text(endpoint) and not allow_http:
        raise ValueError(
            f"{name} {endpoint!r} would send credentials in clear text: use https, or pass allow_http=True"
        )
    return endpoint.rstrip("/")


def is_clear_text(url: str) -> bool:
    """Whether what is sent there can be read on the way."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
