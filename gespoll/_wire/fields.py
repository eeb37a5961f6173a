"""One field of a record, as every document's variants allow it.

Rule: an optional field never makes a reply unreadable; what cannot be read is `None`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_LINE_AT_MOST = 200
_DIGITS_AT_MOST = 18  # what fits into 64 bits; no list has more lines
_UNITS = (1, 1_000, 1_000_000)
_YEAR_2000 = 946_684_800
_YEAR_2100 = 4_102_444_800
_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,18})?", re.ASCII)
_SPACED_COLONS = (b" :", b"\t:", b"\n:", b"\r:")
_TEXT_OR_FIELD = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*:)?', re.DOTALL)
_decode_anything = msgspec.json.Decoder().decode


def decode(body: bytes | msgspec.Raw) -> Any:
    """Decode JSON; `None` when the bytes are none. What is no UTF-8 in a text does not hide the rest."""
    try:
        return _decode_anything(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # which of them tells bad UTF-8 depends on msgspec's version
        return _decoded_leniently(bytes(body))
    except RecursionError:
        return None


def _decoded_leniently(body: bytes) -> Any:
    try:
        return _decode_anything(body.decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return None


def decode_object(body: bytes | msgspec.Raw) -> dict[str, Any] | None:
    """Decode a JSON object; `None` when the bytes are anything else."""
    value = decode(body)
    return value if isinstance(value, dict) else None


def decode_record(body: bytes | msgspec.Raw) -> dict[str, Any] | None:
    """Decode a job's record; `None` when it would be less than what was sent.

    JSON that holds a field twice is decoded by its last value, so what the first one says, such as files that were
    not loaded, would be lost.
    """
    record = decode_object(body)
    if record is None:
        return None
    decoded, sent = _fields_in(record), bytes(body)
    may_be_more = sent.count(b'":') > decoded or any(map(sent.__contains__, _SPACED_COLONS))
    return None if may_be_more and sum(map(bool, _TEXT_OR_FIELD.findall(sent))) > decoded else record


def _fields_in(record: dict[str, Any]) -> int:
    fields = 0
    left: list[Any] = [record]
    while left:
        value = left.pop()
        if type(value) is dict:
            fields += len(value)
            left += value.values()
        elif type(value) is list:
            left += value
    return fields


def text(value: Any) -> str | None:
    """Read a text; a list of one text counts as that text (v1.0 documents `jobName` as an array)."""
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value.strip() else None


def word(value: Any) -> str | None:
    """Read a file's word; what is there and no text is a word, too, and not one that says success."""
    found = text(value)
    return found if found is not None or value is None or isinstance(value, str) else "unreadable"


def identifier(value: Any) -> str | None:
    """Read an id, which is its digits where it is a whole number; one that was no UTF-8 is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = text(value)
    return None if found is None or "\ufffd" in found else found


def count(value: Any) -> int | None:
    """Read a number of lines or jobs; `None` where it is not told, and where it is no whole number."""
    if isinstance(value, str) and value.isascii() and value.strip().isdigit():
        value = int(value.strip().lstrip("0")[:_DIGITS_AT_MOST] or "0")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def is_unreadable_count(value: Any) -> bool:
    """Whether a count is there and is no whole number. Absent, null, blank and -1 say that it is not told."""
    blank = value.strip() in {"", "-1"} if isinstance(value, str) else value is None
    return not blank and count(value) is None and (isinstance(value, bool) or value != -1)


def time(value: Any) -> datetime | None:
    """Read a UTC time without zone: `yyyy-MM-ddTHH:mm:ss`, or a space for the T, as the v2 page writes it."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def absolute_time(value: Any) -> datetime | None:
    """Read a time that is one wherever it was written: with its zone, or counted from 1970.

    Seconds, milliseconds and microseconds are told apart by their size, which leaves the years 2000 to 2100.
    """
    if isinstance(value, str):
        found = value.strip()
        if not (found.isascii() and found.isdigit()):
            return time(found) if _names_its_zone(found) else None
        value = count(found)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    seconds = next((value / unit for unit in _UNITS if _YEAR_2000 <= value / unit < _YEAR_2100), None)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _names_its_zone(moment: str) -> bool:
    try:
        return datetime.fromisoformat(moment).tzinfo is not None
    except ValueError:
        return False


def percentage(value: Any) -> float | None:
    """Read a number from 0 to 100, or its text, as a share of 1; `None` where it is neither."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return value / 100


def first_text(record: Mapping[str, Any], *names: str) -> str | None:
    """Read the first of several fields that holds a text."""
    return next((found for name in names if (found := text(record.get(name))) is not None), None)


def one_line(told: str) -> str:
    """Make of what a server says a line that any log can take: printable, and no novel."""
    return "".join(letter if letter.isprintable() else " " for letter in told[:_LINE_AT_MOST])
