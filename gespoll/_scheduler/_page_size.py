"""How many entries of a list one request can show.

Rule: the largest page is tried first; what the server refuses, cuts or silently withholds is learned, and after a while
the largest is tried again. An answer that is short proves nothing by itself: the list may end there.
"""

from __future__ import annotations

import math

import attrs

from gespoll._errors import RequestRejected, SourceError
from gespoll._scheduler._requests import Window
from gespoll._source import ListWindow

SIZES = (1000, 500, 100, 10, 1)
"""Page sizes, tried in this order when the server refuses one."""
FIRST_PAGE = 100
"""Entries asked for when few jobs are looked for."""
OVERLAP_AT_MOST = 5
"""Entries that a page repeats, at most: so many may leave the list between two pages without breaking the chain."""
_ABOUT_NUMBERS = frozenset({400, 413, 422})
_SERVER_ERROR = 500
_HOLDS = 600.0
"""Seconds for which a smaller page is asked for; ten minutes are worth one request that is refused again."""
_ERRORS_AT_MOST = 2
"""Answers of 500 in a row to one page size, after which a smaller one is tried: a single one is chance."""


def next_smaller(size: int) -> int | None:
    """Return the page size to try after one that was refused; `None` after the smallest."""
    return next((each for each in SIZES if each < size), None)


@attrs.define(eq=False)
class PageSize:
    """What is known of the largest page."""

    limit: int = SIZES[0]
    """Entries that one request may ask for, as far as is known."""
    trusted: int = 0
    """Largest number of entries that was asked for and answered in full."""
    _until: float = math.inf
    _answered: int = 0
    _short_end: int | None = None
    """Where a page ended that was short although the total said that there were more."""
    _short: int = 0
    """How many entries that page had."""
    _failing: int | None = None
    """The smallest page that was answered by 500."""
    _errors: int = 0
    """How many were, without an answer to one of that size."""
    _works: int = 0
    """The largest smaller page that was answered meanwhile."""
    _before: int | None = None
    """The limit before smaller pages were tried."""

    def begin_round(self, now: float) -> None:
        """Try the largest page again once it is long enough ago that a smaller one was learned."""
        if now >= self._until:
            self.limit = SIZES[0]
            self.trusted = 0
            self._until = math.inf

    def for_jobs(self, count: int) -> int:
        """Return how many entries to ask for when some jobs are looked for, which are likely to stand together."""
        return min(self.limit, FIRST_PAGE) if count <= FIRST_PAGE // 2 else self.limit

    def learn(self, request: Window, window: ListWindow, now: float) -> None:
        """Learn from an answer how many entries the server gives.

        It cuts its pages when one was short and more entries come after it, and has no limit when it gives more than it
        was asked for.
        """
        count = len(window.ids) + window.skipped
        end = request.offset + count
        self._answered = max(self._answered, request.limit)
        self._answered_beside_errors(request.limit)
        if count >= request.limit:
            self.trusted = max(self.trusted, request.limit)
            self.limit = max(self.limit, count)
        elif self._short_end is not None and request.offset >= self._short_end - OVERLAP_AT_MOST and count:
            self.cut(max(self._short, count), now)
            self._short_end = None
        elif window.total is not None and end < window.total and count:
            self._short_end, self._short = end, count

    def was_answered(self, limit: int) -> bool:
        """Whether a request for so many entries was answered before."""
        return limit <= self._answered

    def cut(self, count: int, now: float) -> None:
        """Ask for no more than so many entries, for some minutes."""
        self.limit = min(self.limit, count)
        self._until = now + _HOLDS

    def shrink(self, refused: int, error: SourceError, now: float) -> bool:
        """Try a smaller page after one that was refused; tell whether there is one."""
        smaller = next_smaller(refused)
        if smaller is None or not is_about_numbers(error):
            return False
        self._answered = min(self._answered, smaller)
        self.cut(smaller, now)
        return True

    def failed(self, size: int, error: SourceError, now: float) -> None:
        """Find out whether it is the page size that is answered by 500.

        After two such answers smaller pages are tried. Once one is answered the larger page is asked for again, and
        only if that fails once more is it left: an outage that ends while small pages are tried is none of their doing.
        """
        if error.status != _SERVER_ERROR:
            return
        self._errors += 1
        self._failing = size if self._failing is None else min(size, self._failing)
        smaller = next_smaller(self._failing)
        if self._errors < _ERRORS_AT_MOST:
            return
        if smaller is None:  # no size is answered
            self._end_trial()
        elif self._works:
            count = max(self._works, smaller)
            self._end_trial()
            self.cut(count, now)
        else:
            self._before = self._before or self.limit
            self.cut(smaller, now)

    def _answered_beside_errors(self, size: int) -> None:
        if self._failing is None:
            return
        if size >= self._failing:
            self._end_trial()
            return
        self._works = max(self._works, size)
        self.limit = self._before or self.limit

    def _end_trial(self) -> None:
        self.limit = self._before or self.limit
        self._failing = self._before = None
        self._errors = self._works = 0


def is_about_numbers(error: SourceError) -> bool:
    """Whether a refusal may be about the limit or the offset, and not about who asks for what."""
    return isinstance(error, RequestRejected) and error.status in _ABOUT_NUMBERS
