"""A list reply, read in two stages and in slices.

Rule: id and status word of each entry first; the whole record only of an entry somebody wants. A
reply may hold a hundred thousand entries, so a long one is never decoded at once: it is cut where one
entry ends and another begins, and each part is decoded by itself, so that the caller can let its event
loop run in between. A part that decodes from one entry's beginning to another's end was cut rightly. Where an
entry is no JSON, or nested too deeply, only it is unreadable: entries are then told apart by their brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Literal

import attrs
import msgspec

from gespoll._errors import ProtocolError
from gespoll._jobs import is_identifier
from gespoll._wire.fields import absolute_time, count, decode, decode_object, identifier, text, time
from gespoll._wire.reply import Reply, error_code, failure

_PART = 256 * 1024
_CUTS_AT_MOST = 8
_SAMPLES = 6
_DAMAGED_PART = 64 * 1024  # telling entries apart by their brackets takes longer: some 5 ms for so many bytes
_SCANNED_AT_MOST = _PART  # 50 ms at worst, if all of it is brackets
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]+|[\]}]+|,|"', re.DOTALL)
_BRACKET = re.compile(
    rb'(?:[^"\[\]{},]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([\[{]+|[\]}]+|,|")', re.DOTALL
)  # with the texts before it
_COLON = re.compile(rb"\s*:\s*")
_ID_NAMES = (b'"job_id"', b'"jobId"')
_CLOSING = bytes.maketrans(b"[{", b"]}")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # which one bad UTF-8 is depends on msgspec
_BETWEEN_ENTRIES = re.compile(rb"\}\s*,\s*\{")


class _Glance(msgspec.Struct, gc=False):
    snake: str | None = msgspec.field(name="job_id", default=None)
    camel: str | None = msgspec.field(name="jobId", default=None)
    status: str | None = None


class _LooseGlance(msgspec.Struct, gc=False):
    """As some services write ids: as numbers. Apart from `_Glance`, which is the faster to decode."""

    snake: str | int | None = msgspec.field(name="job_id", default=None)
    camel: str | int | None = msgspec.field(name="jobId", default=None)
    status: str | None = None

    def strict(self) -> _Glance:
        return _Glance(identifier(self.snake), identifier(self.camel), self.status)


class _Begin(msgspec.Struct, gc=False):
    snake: str | None = msgspec.field(name="begin_time", default=None)
    camel: str | None = msgspec.field(name="beginTime", default=None)
    engine: str | int | None = msgspec.field(name="startTime", default=None)


_decode_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_glances = msgspec.json.Decoder(list[_Glance]).decode
_decode_loose_glances = msgspec.json.Decoder(list[_LooseGlance]).decode
_decode_glance = msgspec.json.Decoder(_Glance).decode
_decode_begin = msgspec.json.Decoder(_Begin).decode


@attrs.frozen
class Glance:
    """Id and status word of one entry, and the entry."""

    job_id: str
    word: str | None
    entry: msgspec.Raw


@attrs.frozen
class Part:
    """Some entries in a row, of which ids and status words are known."""

    ids: list[str]
    words: list[str | None]
    """The server's words; `None` or blank where it has none."""
    skipped: int
    """Entries without a readable id."""
    _text: bytes
    _places: list[int] | None = None
    """At which places of the text those with a readable id stand; `None` where all have one."""

    def glances(self, places: Sequence[int]) -> list[Glance]:
        """Give some of the entries; one whose id cannot be an id is passed over."""
        if not places:
            return []
        entries = _decode_entries(self._text)
        if self._places is not None:
            entries = [entries[place] for place in self._places]
        found = [Glance(self.ids[place], text(self.words[place]), entries[place]) for place in places]
        return [glance for glance in found if is_identifier(glance.job_id)]

    def samples(self) -> list[msgspec.Raw]:
        """Return some entries from all over the part."""
        entries = _decode_entries(self._text)
        return entries[:: max((len(entries) - 1) // (_SAMPLES - 1), 1)]

    def newest_at(self) -> Literal["start", "end"] | None:
        """Tell at which end the newer entries stand, as far as the times at which they began tell."""
        if len(self.ids) < 2:
            return None
        begins = [begin for entry in self.samples() if (begin := _begin(entry)) is not None]
        rising = [later > earlier for earlier, later in pairwise(begins) if later != earlier]
        if not rising or len(set(rising)) > 1:
            return None
        return "end" if rising[0] else "start"


@attrs.frozen
class Page:
    """The envelope of a list reply: entries still undecoded."""

    _action: str
    _request_id: str | None
    _body: bytes
    """A JSON array; in a long reply it is only a part of the bytes, from `_start` to `_end`."""
    total: int | None
    _start: int = 0
    _end: int | None = None

    def parts(self) -> Iterator[Part]:
        """Read the entries, some at a time.

        Raises:
            ProtocolError: when the list of jobs is no array of entries.
        """
        try:
            if self._end is None:
                yield _read_whole(self._body)
                return
            at = self._start
            while at < self._end:
                part, at = _next_part(self._body, at, self._end)
                yield part
        except (msgspec.DecodeError, RecursionError) as error:
            raise _no_array(self._action, self._request_id) from error


def read_page(reply: Reply, action: str, *, entries: str, totals: Sequence[str]) -> Page:
    """Read the envelope of a list reply.

    Args:
        reply: the reply.
        action: what was asked for, in words.
        entries: how the document spells the list of jobs.
        totals: how its versions spell the number of all jobs.

    Raises:
        SourceError: when the reply is an error, whatever its HTTP status, or unreadable.
    """
    envelope, span = _opened(reply.body, entries) if reply.is_success else (None, None)
    if envelope is None:
        raise failure(reply, action)
    plain = {name: decode(raw) for name, raw in envelope.items() if name != entries}
    if error_code(plain) is not None or (text(plain.get("result")) or "").strip().lower() == "failed":
        raise failure(reply, action)
    if envelope.keys().isdisjoint({entries, *totals}):
        text_ = f"{action}: the reply holds no list of jobs"
        raise ProtocolError(text_, status=reply.status, request_id=reply.request_id)
    total = next((number for name in totals if (number := count(plain.get(name))) is not None), None)
    if span is not None:
        return Page(action, reply.request_id, reply.body, total, *span)
    found = bytes(envelope.get(entries, b"null"))
    if found != b"null" and not found.startswith(b"["):
        raise _no_array(action, reply.request_id)
    return Page(action, reply.request_id, b"[]" if found == b"null" else found, total)


def _opened(body: bytes, entries: str) -> tuple[dict[str, msgspec.Raw] | None, tuple[int, int] | None]:
    """Decode an envelope; where it is long, or an entry unreadable, without its entries, whose span comes beside it."""
    whole = None if len(body) > _PART else _envelope(body)
    if whole is not None:
        return whole, None
    span = _span_of_entries(body, entries)
    return _envelope(body if span is None else body[: span[0]] + body[span[1] :]), span


def _no_array(action: str, request_id: str | None) -> ProtocolError:
    return ProtocolError(f"{action}: the list of jobs is no array", status=200, request_id=request_id)


def _read_whole(body: bytes) -> Part:
    try:
        return _read_part(body)
    except _UNREADABLE:
        return _read_damaged_part(body)


def _read_part(part: bytes) -> Part:
    return _part(_glances(part), part)


def _part(found: list[_Glance], part: bytes) -> Part:
    ids = [glance.snake or glance.camel for glance in found]
    words = [glance.status for glance in found]
    if all(ids):
        return Part(ids, words, 0, part)  # type: ignore[arg-type]  # no id is None
    kept = [(place, job_id) for place, job_id in enumerate(ids) if job_id]
    places = [place for place, _ in kept]
    return Part([job_id for _, job_id in kept], [words[place] for place in places], len(ids) - len(kept), part, places)


def _glances(part: bytes) -> list[_Glance]:
    """Read ids and words of a part: at once where all are as documented, else one by one."""
    try:
        return _decode_glances(part)
    except _UNREADABLE:
        pass
    try:
        return [found.strict() for found in _decode_loose_glances(part)]
    except _UNREADABLE:
        return [_glance(entry) for entry in _decode_entries(part)]


def _glance(entry: bytes | msgspec.Raw) -> _Glance:
    """Read id and word of one entry, as far as they are readable. A word of a wrong type is none."""
    try:
        return _decode_glance(entry)
    except _UNREADABLE:
        record = decode_object(entry)
    if record is None:
        return _Glance(_id_in(bytes(entry)))
    ids = identifier(record.get("job_id")), identifier(record.get("jobId"))
    return _Glance(*ids, text(record.get("status")))


def _id_in(entry: bytes) -> str | None:
    """Find the id in an entry that cannot be decoded: a text beside its name, in no object but the entry's own."""
    depth, name, ends_at = 0, b"", 0
    for token in _TOKEN.finditer(entry):
        found = token[0]
        if found[0] in b"[{":
            depth += len(found)
        elif found[0] in b"]}":
            depth -= len(found)
        elif depth == 1 and found != b",":
            if name in _ID_NAMES and _COLON.fullmatch(entry, ends_at, token.start()):
                return identifier(decode(found))
            name, ends_at = found, token.end()
    return None


def _read_damaged_part(part: bytes) -> Part:
    """Read a part in which entries are no JSON, or nested too deeply; null stands in their place from then on.

    Raises:
        msgspec.DecodeError: when they cannot be told apart, not even by their brackets.
    """
    texts = (part[start:end].strip() for start, end in _spans(part, 1, len(part)))
    entries = [text_ for text_ in texts if text_]
    sound = b",".join(entry if _is_sound(entry) else b"null" for entry in entries)
    return _part([_glance(entry) for entry in entries], b"[%b]" % sound)


def _is_sound(entry: bytes) -> bool:
    try:
        _decode_raw(entry)
    except _UNREADABLE:
        return False
    return True


def _spans(body: bytes, start: int, enough: int) -> list[tuple[int, int]]:
    """Tell entries of an array apart by their brackets, whatever else stands in them.

    Args:
        body: what holds the array.
        start: where the first entry begins.
        enough: stop at the first entry that ends there or later.

    Returns:
        Where each entry begins and ends.

    Raises:
        msgspec.DecodeError: when a text or a bracket is left open, or too much would have to be read.
    """
    spans: list[tuple[int, int]] = []
    for ends_at in _ends(body, start):
        spans.append((start, ends_at))
        if ends_at >= enough:
            break
        start = ends_at + 1
    return spans


def _ends(body: bytes, start: int) -> Iterator[int]:
    opened = bytearray()
    for token in _BRACKET.finditer(body, start, start + _SCANNED_AT_MOST):
        found = token[1]
        kind = found[:1]
        if kind in {b"[", b"{"}:
            opened += found
        elif kind in {b"]", b"}"}:
            left = _closed(opened, found)
            if left:
                yield token.end() - left
                return
        elif found == b"," and not opened:
            yield token.start(1)
        elif found == b'"':
            break
    raise msgspec.DecodeError("the entries cannot be told apart")


def _closed(opened: bytearray, closing: bytes) -> int:
    """Close brackets; gives how many are left over, of which the first closes the array.

    Raises:
        msgspec.DecodeError: when they are not those that are open.
    """
    open_now = len(opened)
    closes = closing[:open_now]
    expected = opened[open_now - len(closes) :][::-1].translate(_CLOSING)
    if expected != closes or closing[open_now : open_now + 1] == b"}":
        raise msgspec.DecodeError("the brackets do not match")
    del opened[open_now - len(closes) :]
    return len(closing) - len(closes)


def _begin(entry: msgspec.Raw) -> datetime | None:
    try:
        found = _decode_begin(entry)
    except _UNREADABLE:
        return None
    told = found.snake or found.camel or found.engine
    return absolute_time(told) or time(told)  # a local time is good enough among times of one zone


def _envelope(body: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _decode_envelope(body)
    except _UNREADABLE:
        return None


def _span_of_entries(body: bytes, name: str) -> tuple[int, int] | None:
    """Tell where the entries of a long reply begin and end, inside the brackets; `None` when that is not sure."""
    opening = re.search(rb'"%s"\s*:\s*\[' % name.encode(), body)
    closing = body.rfind(b"]")
    if opening is None or closing < opening.end():
        return None
    envelope = _envelope(body[: opening.end()] + body[closing:])
    return (opening.end(), closing) if envelope is not None and name in envelope else None


def _next_part(body: bytes, start: int, end: int) -> tuple[Part, int]:
    """Read the next entries; gives them, and where the rest begins.

    Raises:
        msgspec.DecodeError: when they are no entries.
    """
    at = start
    for _ in range(_CUTS_AT_MOST):
        cut = _BETWEEN_ENTRIES.search(body, min(max(at, start + _PART), end), end)
        if cut is None and at == start:
            return _read_whole(b"[%b]" % body[start:end]), end
        if cut is None:
            break
        try:
            return _read_part(b"[%b]" % body[start : cut.start() + 1]), cut.end() - 1
        except (msgspec.DecodeError, RecursionError):
            at = cut.end() - 1  # it was inside an entry
    try:
        *_, (_, ends_at) = _spans(body, start, min(start + _DAMAGED_PART, end))
    except _UNREADABLE:  # perhaps one entry that is very long
        return _read_part(b"[%b]" % body[start:end]), end
    part = _read_whole(b"[%b]" % body[start:ends_at])
    return part, end if body[ends_at : ends_at + 1] == b"]" else ends_at + 1
