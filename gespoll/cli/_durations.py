"""Durations as they are typed: `90s`, `15m`, `2h`, `1h30m`.

Rule: a duration says its unit, so that nobody waits 15 seconds who meant minutes.
"""

from __future__ import annotations

import re
from typing import Self

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


class Seconds(float):
    """A duration in seconds, which is written with its unit."""

    def __str__(self) -> str:
        return f"{float(self):.12g}s"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration.

        Raises:
            ValueError: when it is none; the text says how one is written.
        """
        if not text.isascii() or not _WHOLE.fullmatch(text):
            hint = f": did you mean {text}s?" if text.isdigit() else ""
            raise ValueError(f"{text!r} is no duration, such as 90s, 15m, 2h or 1h30m{hint}")
        return cls(sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))
