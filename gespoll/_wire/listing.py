"""A list reply, read in two stages and in slices.

Rule: id and status word of each entry first; the whole record only of an entry somebody wants. A
reply may hold a hundred thousand entries, so a long one is never decoded at once: it is cut where one
entry ends and another begins, and each part is decoded by itself, so that the caller can let its event
loop run in between. A part that decodes from one entry's beginning to another's end was cut rightly. Where an
entry is no JSON, or nested too deeply, only it is unreadable: entries are then told apart by their brackets,
and each is read by itself, leniently. Other arrays may stand before and behind the jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Any, Literal

import attrs
import msgspec

from gespoll._errors import ProtocolError
from gespoll._jobs import is_identifier
from gespoll._wire.decoding import decode, decode_object
from gespoll._wire.fields import absolute_time, count, identifier, text, time
from gespoll._wire.redaction import Secrets
from gespoll._wire.reply import Reply, error_code, failure

_PART = 256 * 1024
_CUTS_AT_MOST = 8
_SAMPLES = 6
_MANY = 20
_OPENINGS_AT_MOST = 4
_CLOSINGS_AT_MOST = 16  # those of other arrays that stand behind the jobs
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
_decode_glances = msgspec.json.Decoder(list[_Glance]).decode
_decode_loose_glances = msgspec.json.Decoder(list[_LooseGlance]).decode
_decode_glance = msgspec.json.Decoder(_Glance).decode
_decode_begin = msgspec.json.Decoder(_Begin).decode


@attrs.frozen
class Glance:
    """Id and status word of one entry, and the entry."""

    job_id: str
    word: str | None
    entry: msgspec.Raw | bytes = attrs.field(repr=False)
    secrets: Secrets | None = None
    """What may stand in it and must not be told; `None` where nothing does."""


@attrs.frozen
class Part:
    """Some entries in a row, of which ids and status words are known."""

    ids: list[str]
    words: list[str | None]
    """The server's words; `None` or blank where it has none."""
    skipped: int
    """Entries without a readable id."""
    _entries: bytes | list[bytes] = attrs.field(repr=False)
    """An array of them, or where one is no JSON each by itself."""
    _places: list[int] | None = None
    """At which places of the text those with a readable id stand; `None` where all have one."""
    _secrets: Secrets = attrs.field(factory=Secrets)

    def glances(self, places: Sequence[int]) -> list[Glance]:
        """Give some of the entries; one whose id cannot be an id is passed over."""
        if not places:
            return []
        entries = self._apart()
        if self._places is not None:
            entries = [entries[place] for place in self._places]
        found = [self._glance(place, entries[place]) for place in places if is_identifier(self.ids[place])]
        if len(places) >= _MANY and isinstance(self._entries, bytes) and not self._secrets.may_stand_in(self._entries):
            return found  # searching the part once is faster than searching each entry
        found = [self._with_secrets(glance) for glance in found]
        return [glance for glance in found if glance.secrets is None or not glance.secrets.name(glance.job_id)]

    def _glance(self, place: int, entry: msgspec.Raw | bytes) -> Glance:
        return Glance(self.ids[place], text(self.words[place]), entry)

    def _with_secrets(self, glance: Glance) -> Glance:
        return (
            attrs.evolve(glance, secrets=self._secrets) if self._secrets.may_stand_in(bytes(glance.entry)) else glance
        )

    def _apart(self) -> Sequence[msgspec.Raw | bytes]:
        return self._entries if isinstance(self._entries, list) else _decode_entries(self._entries)

    def samples(self) -> Sequence[msgspec.Raw | bytes]:
        """Return some entries from all over the part."""
        entries = self._apart()
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
    _secrets: Secrets
    _body: bytes = attrs.field(repr=False)
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
                yield self._with_secrets(_read_whole(self._body))
                return
            at = self._start
            while at < self._end:
                part, at = _next_part(self._body, at, self._end)
                yield self._with_secrets(part)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _no_array(self._action, self._request_id) from error

    def _with_secrets(self, part: Part) -> Part:
        return attrs.evolve(part, secrets=self._secrets)


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
    envelope = _opened(reply.body, entries) if reply.is_success else None
    if envelope is None:
        raise failure(reply, action)
    fields = envelope.fields
    if error_code(fields) is not None or (text(fields.get("result")) or "").strip().lower() == "failed":
        raise failure(reply, action)
    if fields.keys().isdisjoint({entries, *totals}):
        text_ = f"{action}: the reply holds no list of jobs"
        raise ProtocolError(text_, status=reply.status, request_id=reply.request_id)
    total = next((number for name in totals if (number := count(fields.get(name))) is not None), None)
    if envelope.span is not None:
        return Page(action, reply.request_id, reply.secrets, reply.body, total, *envelope.span)
    if envelope.entries != b"null" and not envelope.entries.startswith(b"["):
        raise _no_array(action, reply.request_id)
    found = b"[]" if envelope.entries == b"null" else envelope.entries
    return Page(action, reply.request_id, reply.secrets, found, total)


@attrs.frozen
class _Envelope:
    """What a list reply holds besides its entries, and where those stand."""

    fields: dict[str, Any]
    entries: bytes = b"null"
    span: tuple[int, int] | None = None
    """Where the entries of a long or damaged reply begin and end, inside the brackets."""


def _opened(body: bytes, name: str) -> _Envelope | None:
    """Decode an envelope; where it is long or damaged, without its entries."""
    whole = None if len(body) > _PART else _envelope(body)
    if whole is None and (found := _cut_open(body, name)) is not None:
        return found
    whole = whole or _envelope(body)
    if whole is not None:
        fields = {each: None if each == name else decode(raw) for each, raw in whole.items()}
        return _Envelope(fields, bytes(whole.get(name, b"null")))
    damaged = decode_object(body)
    return None if damaged is None or damaged.get(name) is not None else _Envelope(damaged)


def _no_array(action: str, request_id: str | None) -> ProtocolError:
    return ProtocolError(f"{action}: the list of jobs is no array", status=200, request_id=request_id)


def _read_whole(body: bytes) -> Part:
    try:
        return _read_part(body)
    except _UNREADABLE:
        return _read_damaged_part(body)


def _read_part(part: bytes) -> Part:
    return _part(_glances(part), part)


def _part(found: list[_Glance], part: bytes | list[bytes]) -> Part:
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
    """Read a part in which entries are no JSON, or nested too deeply.

    Raises:
        msgspec.DecodeError: when they cannot be told apart, not even by their brackets.
    """
    texts = (part[start:end].strip() for start, end in _spans(part, 1, len(part)))
    entries = [text_ for text_ in texts if text_]
    return _part([_glance(entry) for entry in entries], entries)


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


def _begin(entry: msgspec.Raw | bytes) -> datetime | None:
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


def _cut_open(body: bytes, name: str) -> _Envelope | None:
    """Cut the entries out of a reply and decode the rest, leniently; `None` when it is not sure where they are.

    Other arrays may stand behind them: of the brackets that could be the end, the first leaves an envelope behind.
    """
    for opening in islice(re.finditer(rb'"%s"\s*:\s*\[' % name.encode(), body), _OPENINGS_AT_MOST):
        start = opening.end()
        for end in reversed(list(islice(_closings(body, start), _CLOSINGS_AT_MOST))):
            fields = decode_object(body[:start] + body[end:])
            if fields is not None and fields.get(name) == []:
                return _Envelope(fields, span=(start, end))
    return None


def _closings(body: bytes, start: int) -> Iterator[int]:
    """Iterate over the places of closing brackets, from the last."""
    at = len(body)
    while (at := body.rfind(b"]", start, at)) >= 0:
        yield at


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
