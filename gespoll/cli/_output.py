"""Where words go: standard output for what was asked for, standard error for everything else.

Rule: every line leaves at once, also into a pipe; what a server said cannot move the cursor; and what the encoding of a
stream lacks is written as an escape, so that no letter ends the command.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

import msgspec

from gespoll._text import printable as plain
from gespoll.cli._exit import UsageError

__all__ = [
    "complain",
    "complain_at_length",
    "escape_what_is_lacking",
    "plain",
    "say",
    "say_record",
    "silence",
    "writing",
]


def escape_what_is_lacking() -> None:
    """Let the streams escape letters that their encoding lacks, such as Chinese ones in ASCII, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Print a line.

    Raises:
        UsageError: when it cannot be written, such as on a full disk.
        BrokenPipeError: when the reader of a pipe has left.
    """
    with writing():
        print(plain(line), flush=True)


def say_record(record: Mapping[str, Any]) -> None:
    """Print a record as a line of JSON: what a terminal would act upon is escaped, and all but ASCII where need be.

    Raises:
        UsageError: when it cannot be written, such as on a full disk.
        BrokenPipeError: when the reader of a pipe has left.
    """
    text = json.dumps(msgspec.to_builtins(record), ensure_ascii=not _is_utf_8(sys.stdout), separators=(",", ":"))
    with writing():
        print(text if text.isprintable() else "".join(map(_escaped, text)), flush=True)


def _is_utf_8(stream: Any) -> bool:
    try:
        return codecs.lookup(stream.encoding or "").name == "utf-8"
    except LookupError:
        return False


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


@contextmanager
def writing() -> Iterator[None]:
    """Tell what standard output does not take as an error of usage; a reader who has left is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        silence()
        raise UsageError(f"standard output cannot be written: {error.strerror}") from None


def silence() -> None:
    """Let standard output lead nowhere: the interpreter flushes it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """Print a diagnosis to standard error, on one line."""
    complain_at_length(plain(text))


def complain_at_length(text: str) -> None:
    """Print a diagnosis of any length and number of lines to standard error, with nothing in it that a server said."""
    print(f"gespoll: {text}", file=sys.stderr, flush=True)
