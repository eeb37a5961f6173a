"""One field of a record, as every document's variants allow it.

Rule: an optional field never makes a reply unreadable; what cannot be read is `None`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_LINE_AT_MOST = 200
_decode_anything = msgspec.json.Decoder().decode


def decode(body: bytes | msgspec.Raw) -> Any:
    """Decode JSON; `None` when the bytes are none. What is no UTF-8 in a text does not hide the rest."""
    try:
        try:
            return _decode_anything(body)
        except UnicodeDecodeError:
            return _decode_anything(bytes(body).decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return None


def decode_object(body: bytes | msgspec.Raw) -> dict[str, Any] | None:
    """Decode a JSON object; `None` when the bytes are anything else."""
    value = decode(body)
    return value if isinstance(value, dict) else None


def text(value: Any) -> str | None:
    """Read a text; a list of one text counts as that text (v1.0 documents `jobName` as an array)."""
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value.strip() else None


def count(value: Any) -> int | None:
    """Read a number of lines or jobs; -1 says that this version does not tell."""
    if isinstance(value, str) and value.isascii() and value.strip().isdigit():
        value = int(value.strip().lstrip("0")[:18] or "0")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def time(value: Any) -> datetime | None:
    """Read a UTC time without zone: `yyyy-MM-ddTHH:mm:ss`, or a space for the T, as the v2 page writes it."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def first_text(record: Mapping[str, Any], *names: str) -> str | None:
    """Read the first of several fields that holds a text."""
    return next((found for name in names if (found := text(record.get(name))) is not None), None)


def one_line(told: str) -> str:
    """Make of what a server says a line that any log can take: printable, and no novel."""
    return "".join(letter if letter.isprintable() else " " for letter in told[:_LINE_AT_MOST])
