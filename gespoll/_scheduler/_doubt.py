"""Why a list is not asked for, and until when.

Rule: each time that a doubt proves right it lasts twice as long, up to a longest; once it proves
wrong it starts over.
"""

from __future__ import annotations

import math

import attrs


@attrs.define(eq=False)
class Doubt:
    """Why a list is not asked for, and until when; each repetition lasts twice as long. Times in seconds."""

    first: float
    longest: float
    until: float = -math.inf
    _length: float = 0.0

    def raise_at(self, now: float) -> None:
        """Doubt the list from now on; after a calm of the longest length, as if for the first time."""
        if now > self.until + self.longest:
            self._length = 0.0
        self._length = min(max(self._length * 2, self.first), self.longest)
        self.until = now + self._length

    def clear(self) -> None:
        """Trust it again, and start over with the first length."""
        self._length = 0.0
        self.until = -math.inf
