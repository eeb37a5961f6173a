"""Keeping secrets out of what is raised.

Rule: the frames an error came through hold headers and bodies in their locals, and crash reporters show
those. An error that leaves the code that handles secrets leaves it without these frames; one that is not
ours keeps their places, as text. What a request was proved with is told to whoever reads its reply, so that
an echo of it can be hidden.
"""

from __future__ import annotations

import base64
import re
import traceback
from collections.abc import Container, Iterator, Mapping
from typing import TypeVar

from gespoll._errors import GespollError

_Error = TypeVar("_Error", bound=BaseException)
_PLACES = "gespoll: raised at, without the values of its variables:\n"
_SIGNED = re.compile(r"(?:Access|Signature)=([^,\s]+)")
_SCHEME = re.compile(r"bearer|basic|digest|negotiate|ntlm|token|apikey|[\w-]+-hmac-[\w-]+", re.IGNORECASE)
_IN_ONE = re.compile(r"[\w.~+/-]+=*")  # its "=" name nothing
_PART = re.compile(r"(\w+)=\"?([^,\s\"]+)")
_PUBLIC_PARTS = frozenset({"signedheaders", "realm", "algorithm", "qop", "uri", "opaque", "nc", "charset"})
_COOKIE = re.compile(r"=([^;]+)")
_TELLING = re.compile(r"auth|token|cookie|secret|key|password|signature|credential|session", re.IGNORECASE)


def without_frames(error: _Error) -> _Error:
    """Give the same error without the frames that it and its chain came through."""
    for each in _chain(error):
        if isinstance(each, Exception) and not isinstance(each, GespollError):
            _note_places(each)
        each.__traceback__ = None
    return error


def _note_places(error: BaseException) -> None:
    known = getattr(error, "__notes__", ())
    if error.__traceback__ is not None and not any(note.startswith(_PLACES) for note in known):
        error.add_note(_PLACES + "".join(traceback.format_tb(error.__traceback__)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an error, its causes, contexts and members, each once."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def secrets_in(headers: Mapping[str, str], public: Container[str]) -> Iterator[str]:
    """Iterate over what proves something in some headers: behind the name of a scheme, in its parts, in cookies.

    Args:
        headers: as they are sent.
        public: the names, in lower case, of those that prove nothing.
    """
    for name, value in headers.items():
        if name.lower() in public:
            continue
        if "cookie" in name.lower():
            yield from _COOKIE.findall(value)[: 1 if name.lower() == "set-cookie" else None]
        else:
            yield from _secrets_of(value)


def secrets_given(headers: Mapping[str, str]) -> Iterator[str]:
    """Iterate over what the headers of a reply hand out."""
    return secrets_in({name: headers[name] for name in ("X-Subject-Token", "Set-Cookie") if name in headers}, ())


def secrets_behind(headers: Mapping[str, str]) -> Iterator[str]:
    """Iterate over what proves something in headers that somebody else made, as far as their names say so."""
    telling = {name: value for name, value in headers.items() if _TELLING.search(name)}
    return secrets_in(telling, ()) if telling else iter(())


def _secrets_of(value: str) -> Iterator[str]:
    if value.startswith("SDK-HMAC-SHA256 "):
        yield from _SIGNED.findall(value)
        return
    scheme, _, proof = value.strip().partition(" ")
    if not proof or not _SCHEME.fullmatch(scheme):
        yield value
    if proof:
        named = [] if _IN_ONE.fullmatch(proof.strip()) else _PART.findall(proof)
        yield from [part for name, part in named if name.lower() not in _PUBLIC_PARTS] or [proof.strip()]
        if scheme.lower() == "basic":
            yield from _password_in(proof.strip())


def _password_in(proof: str) -> Iterator[str]:
    try:
        yield base64.b64decode(proof).decode(errors="replace").partition(":")[2]
    except ValueError:
        return
