"""A list reply, read in two stages.

Rule: the envelope first, with every entry left as bytes; then id and status word of each
entry; the whole record only of an entry somebody wants. The stages are separate so that
the caller can let its event loop run between slices of entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import msgspec

from gespoll._errors import ProtocolError
from gespoll._wire.fields import count, decode, text
from gespoll._wire.reply import Reply, error_code, failure

_decode_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw] | None).decode


@attrs.frozen
class Page:
    """The envelope of a list reply: entries still undecoded."""

    entries: list[msgspec.Raw]
    total: int | None


@attrs.frozen
class Glance:
    """Id and status word of one entry; the word is `None` where it is blank."""

    job_id: str
    word: str | None
    entry: msgspec.Raw


class _Glance(msgspec.Struct, gc=False):
    snake: str | None = msgspec.field(name="job_id", default=None)
    camel: str | None = msgspec.field(name="jobId", default=None)
    status: Any = None


_decode_glance = msgspec.json.Decoder(_Glance).decode


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
    envelope = _envelope(reply.body) if reply.status == 200 else None
    if envelope is None:
        raise failure(reply, action)
    plain = {name: decode(raw) for name, raw in envelope.items() if name != entries}
    if error_code(plain) is not None or text(plain.get("result")) == "failed":
        raise failure(reply, action)
    if entries not in envelope and total not in envelope:
        raise ProtocolError(f"{action}: the reply holds no list of jobs", status=200, request_id=reply.request_id)
    try:
        found = _decode_entries(envelope.get(entries, b"null"))
    except msgspec.DecodeError as error:
        text_ = f"{action}: the list of jobs is no array"
        raise ProtocolError(text_, status=200, request_id=reply.request_id) from error
    return Page(found or [], count(plain.get(total)))


def glance(entries: Iterable[msgspec.Raw]) -> Iterator[Glance]:
    """Read id and status word of each entry; an entry without a readable id is passed over."""
    for entry in entries:
        try:
            found = _decode_glance(entry)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        job_id = found.snake or found.camel
        if job_id and job_id.isprintable() and not job_id.isspace():
            yield Glance(job_id, text(found.status), entry)


def _envelope(body: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _decode_envelope(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
