"""JSON as services write it, from bytes to values.

Rule: strictly first, which is fast; leniently only where that fails, so that a cut emoji, NaN, a raw control character
or a byte order mark does not hide the rest. What is not JSON even then, and a number that no float holds, is not
guessed at; and what was mended never reads as less than was sent: a letter that is lost is U+FFFD, and NaN is no count.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

import msgspec

_LENIENT_AT_MOST = 2 * 1024 * 1024  # some 30 ms; what is damaged beyond that is unreadable
_SPACED_COLONS = (b" :", b"\t:", b"\n:", b"\r:")
_TEXT_OR_FIELD = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*:)?', re.DOTALL)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_USUAL = frozenset({"application/json", "application/json;charset=UTF-8", "application/json; charset=utf-8"})
_UNICODE = ("utf-16", "utf-32", "utf16", "utf32", "ucs-2", "unicode")
_MULTIBYTE = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "cp936", "hz-gb-2312"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "cp950"), "big5hkscs"),
    **dict.fromkeys(("shift-jis", "sjis", "windows-31j", "cp932"), "cp932"),
    **dict.fromkeys(("euc-jp", "eucjp"), "euc_jp"),
    **dict.fromkeys(("euc-kr", "euckr", "ks-c-5601-1987", "cp949"), "cp949"),
}
_SINGLE_BYTE = {
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252"), "latin-1"),
    **{f"iso-8859-{number}": f"iso8859_{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **{f"windows-{number}": f"cp{number}" for number in (1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)},
    **{name: name for name in ("koi8-r", "koi8-u")},
}
_decode_strictly = msgspec.json.Decoder().decode


def in_utf_8(body: bytes, content_type: str) -> bytes:
    """Return a body in UTF-8, without a byte order mark, whatever charset its label names.

    UTF-16 and UTF-32 are told by their bytes. A label that the bytes contradict is none, as where a server calls
    everything ISO-8859-1; a label that is not known here is none, either.

    Args:
        body: as it came.
        content_type: what the reply says that it is.
    """
    if content_type in _USUAL and body.startswith(b'{"'):
        return body
    label = found[1].lower().replace("_", "-") if (found := _CHARSET.search(content_type)) else ""
    encoding: str = json.detect_encoding(body) if label.startswith(_UNICODE) or b"\0" in body[:4] else "utf-8"
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        legacy = _MULTIBYTE.get(label)
        if legacy is not None and not _is(body, legacy) and _is(body, "utf-8"):
            legacy = None
        if label in _SINGLE_BYTE and not _is(body, "utf-8"):
            legacy = _SINGLE_BYTE[label]
        if legacy is None:
            return body.removeprefix(codecs.BOM_UTF8)
        encoding = legacy
    return body.decode(encoding, errors="replace").removeprefix("\ufeff").encode(errors="replace")


def _is(body: bytes, encoding: str) -> bool:
    try:
        body.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def decode(body: bytes | msgspec.Raw) -> Any:
    """Decode JSON; `None` when the bytes are none."""
    return _decoded(body)[0]


def decode_object(body: bytes | msgspec.Raw) -> dict[str, Any] | None:
    """Decode a JSON object; `None` when the bytes are anything else."""
    value = decode(body)
    return value if isinstance(value, dict) else None


def decode_record(body: bytes | msgspec.Raw) -> dict[str, Any] | None:
    """Decode a job's record; `None` when it would be less than what was sent.

    JSON that holds a field twice is decoded by its last value, so what the first one says, such as files that were
    not loaded, would be lost; so would a field whose name cannot be read.
    """
    record, is_strict = _decoded(body)
    if not isinstance(record, dict):
        return None
    decoded, sent = _fields_in(record), bytes(body)
    may_be_more = sent.count(b'":') > decoded or any(map(sent.__contains__, _SPACED_COLONS))
    if may_be_more and sum(map(bool, _TEXT_OR_FIELD.findall(sent))) > decoded:
        return None
    return record if is_strict or _has_readable_names(record) else None


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


def _has_readable_names(value: Any) -> bool:
    if isinstance(value, dict):
        return all("\ufffd" not in name and _has_readable_names(part) for name, part in value.items())
    return all(map(_has_readable_names, value)) if isinstance(value, list) else True


def _decoded(body: bytes | msgspec.Raw) -> tuple[Any, bool]:
    """Decode JSON; tell besides whether it is strict JSON."""
    try:
        return _decode_strictly(body), True
    except (msgspec.DecodeError, UnicodeDecodeError):  # which of them tells bad UTF-8 depends on msgspec's version
        return _decoded_leniently(bytes(body)), False
    except RecursionError:
        return None, False


def _decoded_leniently(body: bytes) -> Any:
    if len(body) > _LENIENT_AT_MOST:
        return None
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode(errors="replace")
        return _without_surrogates(_decode_leniently(text))
    except (ValueError, RecursionError):
        return None


def _without_surrogates(value: Any) -> Any:
    """Put U+FFFD in the place of halves of letters, which nothing that writes texts takes."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _has_surrogates(value) else value
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(part) for name, part in value.items()}
    return [_without_surrogates(part) for part in value] if isinstance(value, list) else value


def _has_surrogates(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _number(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError("no float holds it")
    return number


_decode_leniently = json.JSONDecoder(strict=False, parse_float=_number).decode
