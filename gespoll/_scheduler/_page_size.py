"""How many entries of a list one request can show.

Rule: the largest is tried, what the server refuses or cuts is learned, and after a while the largest is
tried again.
"""

from __future__ import annotations

import math

import attrs

from gespoll._errors import RequestRejected, SourceError
from gespoll._scheduler._requests import Window
from gespoll._source import ListWindow

SIZES = (1000, 500, 100, 10)
"""Page sizes, tried in this order when the server refuses one."""
FIRST_PAGE = 100
"""Entries asked for when few jobs are looked for."""
_HOLDS = 600.0


@attrs.define(eq=False)
class PageSize:
    """What is known of the largest page."""

    limit: int = SIZES[0]
    """Entries that one request may ask for, as far as is known."""
    _until: float = math.inf
    _answered: int = 0

    def begin_round(self, now: float) -> None:
        """Try the largest page again once it is long enough ago that a smaller one was learned."""
        if now >= self._until:
            self.limit = SIZES[0]
            self._until = math.inf

    def for_jobs(self, count: int) -> int:
        """Tell how many entries to ask for when some jobs are looked for, which are likely to stand together."""
        return min(self.limit, FIRST_PAGE) if count <= FIRST_PAGE // 2 else self.limit

    def learn(self, request: Window, window: ListWindow, now: float) -> None:
        """Note that the server cuts its pages when it gave fewer entries than asked for, and has more; or gave more."""
        count = len(window.ids) + window.skipped
        self._answered = max(self._answered, request.limit)
        self.limit = max(self.limit, count)
        if window.total is not None and 0 < count < request.limit and request.offset + count < window.total:
            self.cut(count, now)

    def was_answered(self, limit: int) -> bool:
        """Whether a request for so many entries was answered before."""
        return limit <= self._answered

    def cut(self, count: int, now: float) -> None:
        """Note that the server gives no more than so many entries, whatever it is asked for."""
        self.limit = min(self.limit, count)
        self._until = now + _HOLDS

    def shrink(self, refused: int, error: SourceError, now: float) -> bool:
        """Try a smaller page after one that was refused; tell whether there is one."""
        smaller = next((size for size in SIZES if size < refused), None)
        if smaller is None or not is_about_numbers(error):
            return False
        self._answered = min(self._answered, smaller)
        self.cut(smaller, now)
        return True


def is_about_numbers(error: SourceError) -> bool:
    """Whether a refusal may be about the limit or the offset, and not about who asks for what."""
    return isinstance(error, RequestRejected) and error.status in {400, 413}
