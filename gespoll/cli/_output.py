"""Where words go: standard output for what was asked for, standard error for everything else.

Rule: every line leaves at once, also into a pipe; and what a server said cannot move the cursor.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import msgspec


def say(line: str) -> None:
    """Print a line."""
    print(line, flush=True)


def say_record(record: Mapping[str, Any]) -> None:
    """Print a record as a line of JSON, in UTF-8 wherever it goes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
    sys.stdout.buffer.flush()


def complain(text: str) -> None:
    """Print a diagnosis to standard error."""
    print(f"gespoll: {text}", file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Replace what cannot be printed, such as a line's end or an escape code."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
