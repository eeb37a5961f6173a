"""Where words go: standard output for what was asked for, standard error for everything else.

Rule: every line leaves at once, also into a pipe; and what a server said cannot move the cursor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from gespoll.cli._exit import UsageError


def say(line: str) -> None:
    """Print a line.

    Raises:
        UsageError: when it cannot be written, such as on a full disk.
        BrokenPipeError: when the reader of a pipe has left.
    """
    with writing():
        print(line, flush=True)


def say_record(record: Mapping[str, Any]) -> None:
    """Print a record as a line of JSON, in UTF-8 wherever it goes.

    Raises:
        UsageError: when it cannot be written, such as on a full disk.
        BrokenPipeError: when the reader of a pipe has left.
    """
    with writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
        sys.stdout.buffer.flush()


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
    """Print a diagnosis to standard error."""
    print(f"gespoll: {text}", file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Replace what cannot be printed, such as a line's end or an escape code."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
