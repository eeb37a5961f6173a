"""One scan of a scope's list, page by page, for jobs whose positions are unknown, and whether it was complete.

Rule: a scan proves that a job is not in the list only if it was complete (rule 6), and nothing is assumed of the list
beforehand. Its pages are one chain of entries from one end of the list to the other: each page begins (or, read
backward, ends) with entries that the page before showed, so nothing in between was missed, whatever came or went
meanwhile. The end of the list is where a page that repeats the last entries shows no more: as many as the total says,
or else as many as an empty page after them confirms. The newest entries are read last, until one appears that was seen
before. A total proves nothing by itself: it can only keep a scan from being complete.

Where pages cannot overlap (pages of one entry, a list without order) there is no chain: then every page must have told
the same total, and exactly so many entries must have been seen. That is weaker: it does not notice an entry that was
missed because another left and a third arrived between two pages.
"""

from __future__ import annotations

import enum
from collections.abc import Container, Sequence
from itertools import count, takewhile
from typing import Literal

import attrs

from gespoll._scheduler._page_size import FIRST_PAGE, OVERLAP_AT_MOST, next_smaller
from gespoll._source import ListWindow

PAGES_AT_MOST = 10_000
"""Pages after which a scan ends, incomplete: 17 minutes at 10 a second, for a list that never stops showing entries."""
_BEYOND_AT_MOST = 12
"""Pages beyond the last entry, at most: one for each smaller page size, and some for entries that arrive meanwhile."""
_IDLE_AT_MOST = 2
"""Pages in a row that bring nothing new, after which a scan ends: the server ignores offsets, or shows no more."""
_SHIFTS_AT_MOST = 8
"""Pages in a row at the end that bring nothing new, at most: arrivals may move the last entries again and again."""
_BLANK_AT_MOST = 20
"""Pages in a row that bring nothing new but entries without a readable id, after which a scan ends."""
_POOR_AT_MOST = 10
"""Pages in a row that show mostly what was seen before, after which a scan ends: a list drawn anew for each page, in
which others' jobs keep arriving, brings something new now and then for ever. More than `_SHIFTS_AT_MOST`, so that
arrivals at the end of an orderly list end no scan by this."""
_RETRIES_AT_MOST = 2
"""Pages of a backward scan that may be asked for again because they were cut short, until the cut is known."""
_EDGE = 1000
"""Ids kept of each end of the chain, to compare the next page with: more than any page repeats."""
_STRAYS = 2
"""Entries in the middle of a page that were seen before, from which the list counts as unordered; one may be chance."""


def overlap(limit: int) -> int:
    """Return how many entries of a page the next one repeats."""
    return min(OVERLAP_AT_MOST, max(limit // 10, 1)) if limit > 1 else 0


class Outcome(enum.Enum):
    """What a scan that was read to the end proves."""

    COMPLETE = "a job that it did not show was not in the list"
    INCOMPLETE = "nothing about the jobs that it did not show"


class _Phase(enum.Enum):
    FORWARD = "towards the end of the list"
    BACKWARD = "towards the start of the list, from its newest entries"
    BEYOND = "a page after the last entry, which should be empty"
    NEWEST = "the newest entries again, at the start of the list"


@attrs.frozen
class _Page:
    offset: int
    limit: int
    ids: list[str]
    repeated: list[tuple[int, str]]
    """Places and ids of the entries that were seen before."""
    skipped: int
    new: int
    """Entries not seen before, and those without a readable id."""
    total: int | None

    @property
    def count(self) -> int:
        return len(self.ids) + self.skipped

    @property
    def end(self) -> int:
        return self.offset + self.count

    @property
    def is_last(self) -> bool:
        """Whether it reaches the end of the list, as far as the total tells."""
        return self.total is not None and self.end >= self.total

    @property
    def has_duplicates(self) -> bool:
        return len(self.repeated) + self.new < self.count

    def repeats_first(self, edge: list[str]) -> bool:
        """Whether it begins with the last entries of `edge`, and repeats no other."""
        repeated = [job_id for _, job_id in self.repeated]
        in_place = all(place == at for at, (place, _) in enumerate(self.repeated))
        return bool(repeated) and in_place and repeated == edge[-len(repeated) :] and not self.has_duplicates

    def repeats_last(self, edge: list[str]) -> bool:
        """Whether it ends with the first entries of `edge`, and repeats no other."""
        repeated = [job_id for _, job_id in self.repeated]
        first = len(self.ids) - len(repeated)
        in_place = all(place == at for at, (place, _) in enumerate(self.repeated, first))
        return bool(repeated) and in_place and repeated == edge[: len(repeated)] and not self.has_duplicates

    @property
    def strays(self) -> int:
        """How many entries seen before stand neither at its start nor at its end."""
        places = [place for place, _ in self.repeated]
        at_start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], enumerate(places)))
        from_end = zip(count(len(self.ids) - 1, -1), reversed(places), strict=False)
        at_end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], from_end))
        return len(places) - at_start - at_end


@attrs.define(eq=False)
class Scan:
    """A scan for the jobs in `missing`: ask for `limit` entries at `offset` until `is_over`.

    Each reply is handed in by `see`, a slice at a time, and `end_page`. A scan always ends: it takes two pages for each
    entry that the list shows and forty more, or `PAGES_AT_MOST`. One whose pages fail is the owner's to repeat or to
    drop: it is not over, and has no outcome.
    """

    started_at: float
    page_size: int
    """Entries asked for in one request, as far as the server allows."""
    missing: set[str] = attrs.field(factory=set)
    """Ids of which no status was read yet."""
    to_the_end: bool = False
    """Whether it is to prove which ids are not in the list, however many pages that takes."""
    pages_at_most: int = 1
    """Pages after which job queries are cheaper for what is still missing; without meaning if `to_the_end`."""
    newest_at: Literal["start", "end"] | None = None
    """Where the newest entries stand."""
    total: int | None = None
    """How many entries there were when it was last reported; `None` where what is reported cannot be true."""
    overlaps: bool = True
    """Whether pages overlap, which means something only where the list keeps its order."""
    trusted: int = 0
    """Largest page size that was answered in full: only up to there an empty page is believed."""
    pages: int = 0
    found: int = 0
    asked: object = None
    """The request for its next page, while that is under way."""
    is_over: bool = False
    outcome: Outcome | None = None
    """What it proves, once it is over; `None` if it ended early: nothing was missing, or it was not `to_the_end`."""
    sighted: set[str] = attrs.field(factory=set)
    """Ids of `missing` whose entries were there, without a readable status."""
    is_jumbled: bool = False
    """Whether a page repeated entries at places where no list in any order has them."""
    cut_at: int | None = None
    """How many entries the server gives at most, where it gave fewer than asked for and then more."""
    began_beyond: bool = False
    """Whether the end of the list was not where it was reported; the scan then began again at the start."""
    ignores_offset: bool = False
    """Whether another offset brought the same page."""
    _phase: _Phase = _Phase.FORWARD
    _seen: set[str] = attrs.field(factory=set)
    _ids: list[str] = attrs.field(factory=list)
    """Of the page that is being read."""
    _repeated: list[tuple[int, str]] = attrs.field(factory=list)
    _new: int = 0
    _front: list[str] = attrs.field(factory=list)
    """The first ids of the chain."""
    _back: list[str] = attrs.field(factory=list)
    """The last ids of the chain."""
    _low: int = 0
    """Where the chain begins, and where it ends, as of the last page at that end."""
    _high: int = 0
    _shared: int = 0
    """Entries at the end of the chain that the next page forward repeats."""
    _short: int | None = None
    """How many entries the page before had, if fewer than asked for."""
    _more_after: bool = False
    """Whether the total said that there were more after it."""
    _totals: set[int | None] = attrs.field(factory=set)
    """All totals that were reported."""
    _total_is_wrong: bool = False
    """Whether a total was reported that is below what the same page showed."""
    _is_broken: bool = False
    """Whether something may have been missed: no chain, entries out of place or repeated, or without a readable id."""
    _has_gaps: bool = False
    """Whether two pages did not overlap because they were too small."""
    _offsets: dict[int, int] = attrs.field(factory=dict)
    """Where each page began that had several entries, by the hash of its ids."""
    _first_id: str = ""
    """Of the page before."""
    _idle: int = 0
    """Pages in a row that brought nothing new."""
    _blank: int = 0
    """Pages in a row that brought nothing new but entries without a readable id."""
    _poor: int = 0
    """Pages in a row most of whose entries were seen before."""
    _beyond: int = 0
    """Pages read beyond the last entry."""
    _expects_more: bool = False
    """Whether a small page beyond the last entry showed more, which a larger one should show now."""
    _retries: int = 0
    _arrived: set[str] = attrs.field(factory=set)
    """Ids of entries before the chain, seen when the newest end was read again."""
    _newest_from: int = 0
    """Where that is read next."""

    def __attrs_post_init__(self) -> None:
        if self.newest_at == "end" and self.total is not None and self.total > self.page_size:
            self._begin_at(max(self.total - max(self.page_size // 2, 1), 0))

    # The next page

    @property
    def offset(self) -> int:
        """Where the next page begins."""
        match self._phase:
            case _Phase.FORWARD:
                return max(self._high - self._shared, 0)
            case _Phase.BACKWARD:
                return max(self._low + overlap(self.page_size) - self.page_size, 0)
            case _Phase.BEYOND:
                return self._high
            case _Phase.NEWEST:
                return self._newest_from

    @property
    def limit(self) -> int:
        """How many entries to ask for in the next page."""
        if self._phase is _Phase.BEYOND:
            return min(self.page_size, max(self.trusted, 1))
        return min(self.page_size, FIRST_PAGE) if self._phase is _Phase.NEWEST else self.page_size

    def resize(self, page_size: int) -> None:
        """Ask for so many entries from now on, because larger pages are refused, or are not any more."""
        self.page_size = page_size
        self._shared = min(self._shared, overlap(page_size))

    def stop(self) -> None:
        """End it early: its pages do not pay."""
        self.is_over = True

    # What it proves

    @property
    def is_complete(self) -> bool:
        """Whether it proves that what it `lacked` was not in the list."""
        return self.outcome is Outcome.COMPLETE

    @property
    def lacked(self) -> set[str]:
        """Return the ids that no entry showed, readable or not."""
        return self.missing - self.sighted

    # What pages show

    def see(self, ids: Sequence[str], unread: Container[str] = ()) -> None:
        """Take in a slice of the page under way.

        Args:
            ids: of the entries, in their order.
            unread: those of them whose status could not be read.
        """
        if not self._seen.isdisjoint(ids):
            places = enumerate(ids, len(self._ids))
            self._repeated += [(place, job_id) for place, job_id in places if job_id in self._seen]
        known = len(self._seen)
        self._seen.update(ids)
        self._new += len(self._seen) - known
        self._ids += ids
        here = self.missing.intersection(ids)
        if here:
            sighted = {job_id for job_id in here if job_id in unread}
            self.sighted |= sighted
            self.missing -= here - sighted
            self.found += len(here) - len(sighted)

    def end_page(self, window: ListWindow, offset: int, limit: int) -> None:
        """Decide whether another page is needed, and which.

        Args:
            window: the reply, all of which was handed to `see`.
            offset: where it was asked to begin.
            limit: how many entries were asked for.
        """
        page = self._end_of_page(window, offset, limit)
        if self._repeats_earlier(page):
            self.ignores_offset = page.ids[0] == self._first_id
            self._is_broken = True
            self._finish()
        else:
            self._follow(page)
        self._first_id = page.ids[0] if page.ids else ""
        self._end_early()

    def _end_of_page(self, window: ListWindow, offset: int, limit: int) -> _Page:
        total = window.total
        ids, repeated, new = self._ids, self._repeated, self._new + window.skipped
        self._ids, self._repeated, self._new = [], [], 0
        self.pages += 1
        self._totals.add(total)
        if total is not None and ids and total < offset + len(ids) + window.skipped:
            self._total_is_wrong = True
        self.total = None if self._total_is_wrong else total
        page = _Page(offset, limit, ids, repeated, window.skipped, new, self.total)
        self.newest_at = self.newest_at or window.newest_at
        self._is_broken = self._is_broken or window.skipped > 0 or (self.overlaps and page.has_duplicates)
        self._idle = 0 if page.new else self._idle + 1
        self._blank = 0 if page.new > page.skipped else self._blank + 1
        self._poor = self._poor + 1 if 2 * page.new < page.count else 0
        if page.count >= limit:
            self.trusted = max(self.trusted, limit)
        self.is_jumbled = self.is_jumbled or page.strays >= _STRAYS
        return page

    def _repeats_earlier(self, page: _Page) -> bool:
        """Whether a page of several entries equals one that began elsewhere: offsets mean nothing.

        The last entries of a list are an exception: arrivals may have moved them as far as the offset.
        """
        if page.count < 2 or not page.ids:
            return False
        offset = self._offsets.setdefault(hash(tuple(page.ids)), page.offset)
        has_moved = offset > 0 and page.repeats_first(self._back)
        return page.new == page.skipped and offset != page.offset and not has_moved

    def _follow(self, page: _Page) -> None:
        match self._phase:
            case _Phase.FORWARD if not self.overlaps:
                self._went_unordered(page)
            case _Phase.FORWARD:
                self._went_forward(page)
            case _Phase.BACKWARD:
                self._went_backward(page)
            case _Phase.BEYOND:
                self._went_beyond(page)
            case _Phase.NEWEST:
                self._read_newest(page)

    # Forward

    def _went_forward(self, page: _Page) -> None:
        if self._low and not self._back and not page.count:
            self._begin_again()
            return
        self._link_behind(page)
        self._expects_more = self._expects_more and not page.new and self.page_size > 1
        if self._expects_more:
            self._withheld()
        elif self.pages == 1 and self._should_turn_round(page):
            self._turn_round(page)
        elif self._low:
            if page.is_last or not page.new:
                self._phase = _Phase.BACKWARD
        elif not page.new or (page.is_last and not self._reads_on_after(page)):
            self._end_forward(page)

    def _went_unordered(self, page: _Page) -> None:
        """Read on in a list without order, as far as its total, or until pages bring nothing new."""
        if page.new:
            self._learn_cut(page)
        elif not page.count and page.limit > self.trusted:
            self.page_size = next_smaller(self.page_size) or 1
        self._high = page.end
        may_be_whole = self.to_the_end and page.count and page.total == len(self._seen)
        if self._idle >= _IDLE_AT_MOST or (page.is_last and not may_be_whole):
            self._finish()

    def _link_behind(self, page: _Page) -> None:
        """Add a page at the end of the chain, if it begins with what that ends with."""
        if self._back and not page.repeats_first(self._back):
            if self._shared or page.repeated:
                self._is_broken, self._short = True, None
            else:
                self._has_gaps = self._has_gaps or page.count > 0
        if page.new:
            self._learn_cut(page)
            self._front = self._front or page.ids[:_EDGE]
            fresh = page.ids[max(len(page.repeated), len(page.ids) - _EDGE) :]
            self._back = (self._back + fresh)[-_EDGE:]
        if page.count:
            self._high = page.end
            self._shared = overlap(min(self.page_size, page.count))

    def _learn_cut(self, page: _Page) -> None:
        """Believe that the server cuts pages when more entries come after a short one, or a second is cut alike."""
        if self._short and page.count < page.limit and (self._more_after or page.count >= self._short):
            self.page_size = self.cut_at = max(self._short, page.count)
        self._short = page.count if page.count < page.limit else None
        self._more_after = page.total is not None and page.end < page.total

    def _reads_on_after(self, page: _Page) -> bool:
        """Whether to read beyond the end that the total tells: it may be the total of that page only."""
        return self.to_the_end or page.offset == 0

    def _end_forward(self, page: _Page) -> None:
        if page.is_last and (page.count or page.limit <= self.trusted):
            self._reach_end()
        elif self.to_the_end or page.total is not None or not self._seen:
            self._phase = _Phase.BEYOND
        else:
            self._finish()

    def _reach_end(self) -> None:
        """Go on with the newest end, unless that was read last, or nothing can be proved."""
        was_newest = self.newest_at == "end" or not self._seen
        if was_newest or self._is_broken or not self.to_the_end:
            self._finish()
        else:
            self._phase = _Phase.NEWEST

    def _went_beyond(self, page: _Page) -> None:
        self._beyond += 1
        if not page.count:
            self._reach_end()
        elif self._beyond >= _BEYOND_AT_MOST or self._idle >= _SHIFTS_AT_MOST:
            self._is_broken = True
            self._finish()
        else:
            self._return_to_chain(page)

    def _return_to_chain(self, page: _Page) -> None:
        """Read on at the end of the chain, after which more entries were found."""
        if not page.new:
            self._high = page.end  # entries that arrived have moved these
        else:
            self._expects_more = page.limit < self.page_size
        self._unsee(page)
        self._shared = overlap(min(self.page_size, len(self._back)))
        self._phase = _Phase.FORWARD

    def _unsee(self, page: _Page) -> None:
        self._seen.difference_update(page.ids)
        self._seen.update(job_id for _, job_id in page.repeated)

    def _withheld(self) -> None:
        """Ask for smaller pages: entries are there that larger ones do not show."""
        self.page_size = self.cut_at = next_smaller(self.page_size) or 1
        self._shared = min(self._shared, overlap(self.page_size))

    # Backward

    def _begin_at(self, offset: int) -> None:
        self._low = self._high = offset

    def _begin_again(self) -> None:
        """Read from the start: nothing stands where the end was reported."""
        self.began_beyond = True
        self.newest_at = self.total = None
        self._begin_at(0)

    def _should_turn_round(self, page: _Page) -> bool:
        return self.newest_at == "end" and page.offset == 0 and page.total is not None and 0 < page.count < page.total

    def _turn_round(self, page: _Page) -> None:
        """Go on with the last page of the list, where the newest entries stand; the first is read again in the end."""
        self._seen.clear()
        self._front, self._back, self._shared = [], [], 0
        self._begin_at(max((page.total or 0) - min(page.count, page.limit), 0))

    def _went_backward(self, page: _Page) -> None:
        if self._is_cut_off(page):
            self._retries += 1
            self._unsee(page)
            self.page_size = self.cut_at = page.count or next_smaller(self.page_size) or 1
            return
        if not page.repeats_last(self._front):
            is_gap = overlap(self.page_size) == 0 and not page.repeated
            self._has_gaps, self._is_broken = self._has_gaps or is_gap, self._is_broken or not is_gap
        self._front = (page.ids[: len(page.ids) - len(page.repeated)] + self._front)[:_EDGE]
        self._low = page.offset
        if self._idle >= _IDLE_AT_MOST:
            self._is_broken = True
            self._finish()
        elif not self._low:
            self._return_to_end()

    def _is_cut_off(self, page: _Page) -> bool:
        """Whether the server cut a page before it reached the chain."""
        reaches = page.repeated or page.end >= self._low
        return not reaches and page.count < page.limit and self._retries < _RETRIES_AT_MOST

    def _return_to_end(self) -> None:
        """Read the newest end once more: entries have come and gone since."""
        if not self.to_the_end:
            self._finish()
            return
        self._high = self._high if self.total is None else min(self._high, self.total)
        self._shared = min(max(self.page_size // 2, overlap(self.page_size)), len(self._back), self._high)
        self._phase = _Phase.FORWARD

    # The newest entries

    def _read_newest(self, page: _Page) -> None:
        """Read on until an entry of the chain appears: what stands before it has arrived meanwhile."""
        known = [(place, job_id) for place, job_id in page.repeated if job_id not in self._arrived]
        follows = page.offset == 0 or not self._arrived.isdisjoint(page.ids[:1])
        if known:
            front = iter(self._front)  # some of which may have left
            is_at_end = known[0][0] == len(page.ids) - len(known)
            self._is_broken = self._is_broken or not (follows and is_at_end and all(each in front for _, each in known))
            self._finish()
        elif page.new and follows:
            self._arrived.update(page.ids)
            self._newest_from = page.end - overlap(page.count)
        else:
            self._is_broken = True
            self._finish()

    # Its end

    def _finish(self) -> None:
        self.is_over = True
        if self.to_the_end:
            self.outcome = Outcome.COMPLETE if self._has_all else Outcome.INCOMPLETE

    @property
    def _has_all(self) -> bool:
        if self._is_broken:
            return False
        if self._has_gaps or not self.overlaps:
            return self._totals == {len(self._seen)}
        least = min((total for total in self._totals if total is not None), default=0)
        return len(self._seen) >= max(least, self._high)  # fewer than there are places: some were never shown

    def _end_early(self) -> None:
        if self.is_over:
            return
        enough = not self.to_the_end and self.pages >= self.pages_at_most
        if enough or self.missing <= self.sighted:
            self.stop()
        elif self.pages >= PAGES_AT_MOST or self._blank >= _BLANK_AT_MOST or self._poor >= _POOR_AT_MOST:
            self._is_broken = True
            self._finish()
