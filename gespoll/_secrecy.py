"""Keeping secrets out of what is raised.

Rule: the frames an error came through hold headers and bodies in their locals, and crash reporters show
those. An error that leaves the code that handles secrets leaves it without these frames; one that is not
ours keeps their places, as text.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from typing import TypeVar

from gespoll._errors import GespollError

_Error = TypeVar("_Error", bound=BaseException)
_PLACES = "gespoll: raised at, without the values of its variables:\n"
_HIDDEN = "***"
_SHORTEST_ECHO = 4


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


def without_echo(body: bytes, secrets: Iterable[str]) -> bytes:
    """Hide secrets that a server echoes, as the API gateway does when it explains a wrong signature.

    JSON may write a slash as it is or escaped. Echoes of fewer than 4 characters are not told from chance.
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST_ECHO:
            for spelling in {secret, secret.replace("/", r"\/")}:
                body = body.replace(spelling.encode(), _HIDDEN.encode())
    return body
