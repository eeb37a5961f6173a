"""One walk through a scope's list, page by page, looking for jobs whose places are not known.

Rule: it begins where the newest entries stand, as far as that is known, and nothing else is assumed of
the list's order. Pages overlap by a few entries, because others come and go; a reply without a new id
ends the walk; absence means something only when the walk was complete: its end was reached, and either
as many entries were seen as the server counts, or the list stood still meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from itertools import count, takewhile
from typing import Literal

import attrs

from gespoll._source import ListWindow

OVERLAP_AT_MOST = 5
_STRAYS = 2


def overlap(limit: int) -> int:
    """Tell how many entries of a page the next one repeats."""
    return min(OVERLAP_AT_MOST, limit // 10)


@attrs.define(eq=False)
class Sweep:
    """One walk through a list, looking for `missing`."""

    started_at: float
    limit: int
    """Entries asked for in one request; lowered when the server cuts or refuses."""
    missing: set[str] = attrs.field(factory=set)
    """Ids looked for and not seen yet."""
    to_the_end: bool = False
    """Whether ids are looked for that only the list can show."""
    pages_at_most: int = 1
    """Pages after which single queries are cheaper for what is still missing."""
    newest_at: Literal["start", "end"] | None = None
    """Where the newest entries stand."""
    total: int | None = None
    """How many entries there were when it was last told."""
    overlaps: bool = True
    """Whether pages are to overlap, which helps only where the list keeps its order."""
    offset: int = 0
    """Where the next page begins."""
    pages: int = 0
    found: int = 0
    asked: object = None
    """The request for its next page, while that is under way."""
    ready_at: float = 0.0
    """When its next page may be asked for."""
    is_over: bool = False
    is_complete: bool = False
    is_jumbled: bool = False
    """Whether a page repeated entries at places where no list in any order has them."""
    cut_at: int | None = None
    """How many entries the server gives at most, where it gave fewer than asked for and then more."""
    began_beyond: bool = False
    """Whether the end of the list was not where it was to be; the walk then began again at the start."""
    ignores_offset: bool = False
    """Whether another offset brought the same page."""
    _seen: set[str] = attrs.field(factory=set)
    _entries: int = 0
    """Entries seen so far in the page that is being read."""
    _new: int = 0
    """How many of them were seen for the first time."""
    _first_id: str = ""
    _repeated_first: bool = False
    """Whether this page began with the same entry as the one before."""
    _tail: list[str] = attrs.field(factory=list)
    """The last ids of the page before."""
    _last: list[str] = attrs.field(factory=list)
    """The last ids of this page."""
    _repeated: list[tuple[int, str]] = attrs.field(factory=list)
    """Places and ids of entries of this page that were seen before."""
    _skipped: int = 0
    _least_total: float = math.inf
    _repeats: int = 0
    """How many entries of the page before this page begins with."""
    _stands_still: bool = True
    """Whether each page began with the entries that the one before ended with, and repeated no other."""
    _head: int = 0
    """Where the entries begin that a walk from the end has not to read again."""
    _short: int | None = None
    """How many entries the last page had, if fewer than asked for."""
    _low: int | None = None
    """Where the entries read from the end begin; `None` while it walks from the start."""
    _high: int = 0
    _goal: int | None = None
    """How many entries there were when it began at the end; what has come since is not looked for."""

    def __attrs_post_init__(self) -> None:
        if self.newest_at == "end" and self.total is not None and self.total > self.limit:
            self._turn_round(max(self.total - max(self.limit // 2, 1), 0))

    def see(self, ids: Sequence[str], unread: Container[str] = ()) -> None:
        """Take in a slice of the page under way."""
        if self._entries == 0:
            self._repeated_first = bool(ids) and ids[0] == self._first_id
            self._first_id = ids[0] if ids else ""
        if not self._seen.isdisjoint(ids):
            at = self._entries
            self._repeated += [(at + place, job_id) for place, job_id in enumerate(ids) if job_id in self._seen]
        before = len(self._seen)
        self._seen.update(ids)
        self._new += len(self._seen) - before
        self._entries += len(ids)
        shown = {job_id for job_id in self.missing.intersection(ids) if job_id not in unread}
        self.found += len(shown)
        self.missing -= shown
        self._last = [*self._last, *ids[-OVERLAP_AT_MOST:]][-OVERLAP_AT_MOST:]

    def end_page(self, window: ListWindow) -> None:
        """Tell by `is_over` whether another page is needed, and by `offset` which."""
        self.pages += 1
        if self._low is not None and not self._entries and not window.skipped and not self.began_beyond:
            self._begin_again()
            return
        self._compare()
        self._skipped += window.skipped
        if window.total is not None and window.total >= len(self._seen):
            self.total = window.total
            self._least_total = min(self._least_total, window.total)
        else:
            self.total = None
        self.newest_at = self.newest_at or window.newest_at
        self.cut_at = self._short if self._short and self._new else self.cut_at
        entries = self._entries + window.skipped
        may_go_on = self._low is None and (self.total is None or self.offset + entries < self.total)
        self._short = entries if entries < self.limit and may_go_on else None
        self._advance(entries)
        enough = not self.missing or (not self.to_the_end and self.pages >= self.pages_at_most)
        self.is_complete = self.is_complete or (not self._new and self._stands_still)
        self.is_over = self.is_over or not self._new or enough
        self._entries = self._new = 0
        self._tail, self._last, self._repeated = self._last, [], []

    def _begin_again(self) -> None:
        """Walk from the start: nothing stands where the end was to be."""
        self.began_beyond = True
        self.newest_at = self.total = self._low = None
        self.offset = self._repeats = 0
        self._stands_still = False
        self._tail, self._last, self._repeated = [], [], []

    def _compare(self) -> None:
        repeated = [job_id for _, job_id in self._repeated]
        if len(repeated) > self._repeats or (repeated and repeated != self._tail[-len(repeated) :]):
            self._stands_still = False
        if repeated and not self._new and self.offset > 0:
            self.ignores_offset = self._repeated_first
        places = [place for place, _ in self._repeated]
        at_start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], enumerate(places)))
        from_end = zip(count(self._entries - 1, -1), reversed(places), strict=False)
        at_end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], from_end))
        self.is_jumbled = self.is_jumbled or len(places) - at_start - at_end >= _STRAYS

    def _advance(self, entries: int) -> None:
        if self._low is not None:
            self._advance_from_the_end(entries)
        elif self.pages == 1 and self.newest_at == "end" and self.total is not None and self.total > entries > 0:
            self._read_short(entries)
            self._head = entries
            self._turn_round(max(self.total - self.limit, entries))
        else:
            self._advance_from_the_start(entries)

    def _advance_from_the_start(self, entries: int) -> None:
        reached = self.offset + entries
        if self.total is not None:
            if reached >= self.total:
                self.is_over = True
                self.is_complete = self._stands_still or self._has_all
        elif entries == 0 or (self.pages > 1 and entries < self.limit):
            self.is_over = True
            self.is_complete = self._stands_still
        if not self.is_over:
            self._read_short(entries)
        self._repeats = self._overlap
        self.offset += entries - self._repeats

    @property
    def _overlap(self) -> int:
        return overlap(self.limit) if self.overlaps else 0

    @property
    def _has_all(self) -> bool:
        return len(self._seen) + self._skipped >= self._least_total

    def _read_short(self, entries: int) -> None:
        """Go on with smaller pages after a short one: the server cuts, or this was the end."""
        if entries < self.limit:
            self.limit = max(entries, 1)

    def _turn_round(self, offset: int) -> None:
        """Walk from the end: its last page first."""
        self._low = self._high = self.offset = offset

    def _advance_from_the_end(self, entries: int) -> None:
        """Go on with the page before what was read, or behind it where the walk did not begin at the very end."""
        low = min(self._low or 0, self.offset)
        self._low, self._high = low, max(self._high, self.offset + entries)
        repeats = self._repeats = self._overlap
        self._stands_still = False
        if self._goal is None:
            self._goal = self.total
        if self._goal is not None and self._high < self._goal:
            self._read_short(entries)
            self.offset = self._high - repeats
        elif low <= self._head:
            self.is_over = True
            self.is_complete = self._has_all
        else:
            self.offset = max(low - self.limit + repeats, self._head - repeats, 0)
