"""One pass over a scope's list, page by page.

Rule: nothing is assumed of the list's order. Pages overlap by a few entries, because others come
and go; a reply without a new id ends the pass; absence means something only when the pass was
complete: its end was reached, and either as many entries were seen as the server counts, or the
list stood still meanwhile.
"""

from __future__ import annotations

import math

import attrs

from gespoll._source import ListWindow

OVERLAP_AT_MOST = 5


def overlap(limit: int) -> int:
    """Tell how many entries of a page the next one repeats."""
    return min(OVERLAP_AT_MOST, limit // 10)


@attrs.define(eq=False)
class Sweep:
    """One pass over a list, looking for `missing`."""

    started_at: float
    limit: int
    """Entries asked for in one request; lowered when the server cuts or refuses."""
    missing: set[str] = attrs.field(factory=set)
    """Ids looked for and not seen yet."""
    to_the_end: bool = False
    """Whether ids are looked for that only the list can show."""
    pages_at_most: int = 1
    """Pages after which single queries are cheaper for what is still missing."""
    offset: int = 0
    pages: int = 0
    found: int = 0
    asked: object = None
    """The request for its next page, while that is under way."""
    ready_at: float = 0.0
    """When its next page may be asked for."""
    is_over: bool = False
    is_complete: bool = False
    _seen: set[str] = attrs.field(factory=set)
    _skipped: int = 0
    _least_total: float = math.inf
    _last_ids: tuple[str, ...] = ()
    _repeats: int = 0
    _stands_still: bool = True
    """Whether each page began with the entries that the one before ended with, and repeated no other."""

    def read(self, window: ListWindow) -> None:
        """Take a page in, and tell by `is_over` whether another is needed."""
        self.pages += 1
        new = set(window.ids) - self._seen
        self._compare(window.ids, len(new))
        self._seen |= new
        self._skipped += window.skipped
        shown = self.missing.intersection(new) - window.unread
        self.found += len(shown)
        self.missing -= shown
        count = len(window.ids) + window.skipped
        if window.total is None or window.total < len(self._seen):
            self._read_uncounted(count)
        else:
            self._read_counted(count, window.total)
        enough = not self.missing or (not self.to_the_end and self.pages >= self.pages_at_most)
        self.is_complete = self.is_complete or (not new and self._stands_still)
        self.is_over = self.is_over or not new or enough
        self._repeats = overlap(self.limit)
        self.offset += count - self._repeats

    def _compare(self, ids: tuple[str, ...], new: int) -> None:
        repeated = len(ids) - new
        if repeated > self._repeats or (repeated and ids[:repeated] != self._last_ids[-repeated:]):
            self._stands_still = False
        self._last_ids = ids

    def _read_counted(self, count: int, total: int) -> None:
        self._least_total = min(self._least_total, total)
        if self.offset + count >= total:
            self.is_over = True
            self.is_complete = self._stands_still or len(self._seen) + self._skipped >= self._least_total
        else:
            self._read_short(count)

    def _read_uncounted(self, count: int) -> None:
        if count == 0 or (self.pages > 1 and count < self.limit):
            self.is_over = True
            self.is_complete = self._stands_still
        else:
            self._read_short(count)

    def _read_short(self, count: int) -> None:
        """Go on with smaller pages after a short one: the server cuts, or this was the end."""
        if count < self.limit:
            self.limit = max(count, 1)
