"""Why a list is not asked for, and until when; and by what it is found not to tell the truth.

Rule: each time that a doubt proves right it lasts twice as long, up to a longest; once it proves
wrong it starts over.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import attrs

_ENDS_KEPT = 1000


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


@attrs.define(eq=False)
class Ends:
    """When single queries told that jobs had ended: a list that was asked for later must tell it, too."""

    _at: OrderedDict[str, float] = attrs.field(factory=OrderedDict)

    def __bool__(self) -> bool:
        return bool(self._at)

    def add(self, job_id: str, now: float) -> None:
        """Note that a single query showed the end of a job; some are kept."""
        self._at[job_id] = now
        if len(self._at) > _ENDS_KEPT:
            self._at.popitem(last=False)

    def age(self, job_id: str, sent_at: float) -> float:
        """Tell how many seconds a job was known to have ended when a request left; less than 0 if it was not."""
        return sent_at - self._at.get(job_id, math.inf)

    def clear(self) -> None:
        """Forget them all."""
        self._at.clear()
