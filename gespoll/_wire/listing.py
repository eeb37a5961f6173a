"""A list reply, read in two stages and in slices.

Rule: id and status word of each entry first; the whole record only of an entry somebody wants. A
reply may hold a hundred thousand entries, so a long one is never decoded at once: it is cut where one
entry ends and another begins, and each part is decoded by itself, so that the caller can let its event
loop run in between. A part that decodes from one entry's beginning to another's end was cut rightly.
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
from gespoll._wire.fields import count, decode, decode_object, identifier, text, time
from gespoll._wire.reply import Reply, error_code, failure

_PART = 256 * 1024
_CUTS_AT_MOST = 8
_SAMPLES = 6
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


_decode_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
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

    def newest_at(self) -> Literal["start", "end"] | None:
        """Tell at which end the newer entries stand, as far as the times at which they began tell."""
        if len(self.ids) < 2:
            return None
        entries = _decode_entries(self._text)
        step = max((len(entries) - 1) // (_SAMPLES - 1), 1)
        begins = [begin for entry in entries[::step] if (begin := _begin(entry)) is not None]
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
                yield _read_part(self._body)
                return
            at = self._start
            while at < self._end:
                part, at = _next_part(self._body, at, self._end)
                yield part
        except (msgspec.DecodeError, RecursionError) as error:
            raise _no_array(self._action, self._request_id) from error


def read_page(reply: Reply, action: str, *, entries: str, total: str) -> Page:
    """Read the envelope of a list reply.

    Args:
        reply: the reply.
        action: what was asked for, in words.
        entries: how the document spells the list of jobs.
        total: how it spells the number of all jobs.

    Raises:
        SourceError: when the reply is an error, whatever its HTTP status, or unreadable.
    """
    span = _span_of_entries(reply.body, entries) if reply.status == 200 and len(reply.body) > _PART else None
    body = reply.body if span is None else reply.body[: span[0]] + reply.body[span[1] :]
    envelope = _envelope(body) if reply.status == 200 else None
    if envelope is None:
        raise failure(reply, action)
    plain = {name: decode(raw) for name, raw in envelope.items() if name != entries}
    if error_code(plain) is not None or text(plain.get("result")) == "failed":
        raise failure(reply, action)
    if entries not in envelope and total not in envelope:
        raise ProtocolError(f"{action}: the reply holds no list of jobs", status=200, request_id=reply.request_id)
    count_ = count(plain.get(total))
    if span is not None:
        return Page(action, reply.request_id, reply.body, count_, *span)
    found = bytes(envelope.get(entries, b"null"))
    if found != b"null" and not found.startswith(b"["):
        raise _no_array(action, reply.request_id)
    return Page(action, reply.request_id, b"[]" if found == b"null" else found, count_)


def _no_array(action: str, request_id: str | None) -> ProtocolError:
    return ProtocolError(f"{action}: the list of jobs is no array", status=200, request_id=request_id)


def _read_part(part: bytes) -> Part:
    found = _glances(part)
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
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return [found.strict() for found in _decode_loose_glances(part)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [_glance(entry) for entry in _decode_entries(part)]


def _glance(entry: msgspec.Raw) -> _Glance:
    """Read id and word of one entry, as far as they are readable. A word of a wrong type is none."""
    try:
        return _decode_glance(entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        record = decode_object(entry) or {}
        ids = identifier(record.get("job_id")), identifier(record.get("jobId"))
        return _Glance(*ids, text(record.get("status")))


def _begin(entry: msgspec.Raw) -> datetime | None:
    try:
        found = _decode_begin(entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return time(found.snake or found.camel)


def _envelope(body: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _decode_envelope(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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
        if cut is None:
            break
        try:
            return _read_part(b"[%b]" % body[start : cut.start() + 1]), cut.end() - 1
        except (msgspec.DecodeError, RecursionError):
            at = cut.end() - 1  # it was inside an entry
    return _read_part(b"[%b]" % body[start:end]), end
