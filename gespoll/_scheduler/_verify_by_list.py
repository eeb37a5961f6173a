"""Jobs that only queries show are looked for in the list, too: so queries that report old states are found out.

Rule: a scan from the start of the list that ends where it has shown them all, or at the list's end. It only adds to
what is known: that it lacks a job proves nothing. While it takes one page it is begun every dozen cycles, else it is
begun once in `verify`, and its pages take a tenth of the rate at most.
"""

from __future__ import annotations

import math

import attrs

from gespoll._scheduler._listing import Listing
from gespoll._scheduler._queries import Queries
from gespoll._scheduler._requests import Request, Window
from gespoll._scheduler._verify import CYCLES_AT_MOST, REQUESTS_AT_MOST, SHARE_AT_MOST
from gespoll._source import ListWindow


@attrs.define(eq=False)
class _Scan:
    missing: set[str]
    offset: int = 0
    pages: int = 0
    asked: Window | None = None
    """The request for its next page, while that is under way."""
    _first_id: str | None = None

    def end_page(self, window: ListWindow) -> bool:
        """Take in a page; return whether it was the last."""
        first_id = window.ids[0] if window.ids else None
        repeats, self._first_id = self.pages > 0 and first_id == self._first_id, first_id
        self.missing.difference_update(window.ids)
        self.pages += 1
        self.asked = None
        self.offset += len(window.ids) + window.skipped
        is_at_end = first_id is None or (window.total is not None and self.offset >= window.total)
        return repeats or is_at_end or not self.missing


@attrs.define(eq=False)
class VerifyByList:
    """When the list is read for jobs that only queries show. Times are seconds on the monotonic clock."""

    queries: Queries
    listing: Listing
    every: float | None
    """Seconds from one scan of several pages to the next; `None`: none."""
    sent: int = 0
    """Requests sent to verify."""
    _scan: _Scan | None = None
    _pages: int = 1
    """How many pages the last scan took."""
    _last: float = -math.inf
    """When the last page was asked for, or the first job joined."""
    _since: int = 0
    """Requests since the last scan."""

    def rest(self) -> None:
        """Start over with a clean record when nothing is open."""
        self._scan = None
        self._pages = 1
        self._since = 0

    @property
    def _jobs(self) -> int:
        """How many jobs only queries show."""
        return len(self.listing.not_shown) if self.listing.is_readable else 0

    def count(self, now: float) -> None:
        """Count a request, of whatever kind."""
        if not self._jobs:
            self._since = 0
        if not self._since:
            self._last = now
        self._since += 1

    def due(self) -> float:
        """Return when a page is due if nothing else is to be sent then; infinite when none is."""
        if self._scan is not None:
            at = (
                math.inf
                if self._scan.asked is not None
                else self._last + 1.0 / (SHARE_AT_MOST * self.queries.pace.rate)
            )
        elif self.listing.scan is not None:
            return math.inf  # a scan that is going on shows them, too
        elif self._since < CYCLES_AT_MOST * max(self._jobs, 1) or not self._jobs:
            return math.inf
        elif self._pages == 1 and not self.listing.is_left:
            at = -math.inf
        else:
            at = math.inf if self.every is None else self._last + self.every
        return max(at, self.listing.ready_at, self.listing.stale_until)

    def must(self) -> bool:
        """Return whether a page is to be asked for before anything else, where a budget is used up."""
        return self._since >= max(CYCLES_AT_MOST * self._jobs, REQUESTS_AT_MOST)

    def next(self, now: float) -> Window | None:
        """Return the query for the next page, if one is due."""
        if self.due() > now:
            return None
        scan = self._scan = self._scan or _Scan(set(self.listing.not_shown))
        self._last = now
        self.sent += 1
        scan.asked = self.listing.extra_window(scan.offset, len(scan.missing), now)
        return scan.asked

    def end_page(self, request: Window, window: ListWindow) -> None:
        """Plan what follows a page."""
        if self._scan is not None and self._scan.asked is request and self._scan.end_page(window):
            self._end(self._scan.pages)

    def lost(self, request: Request) -> None:
        """Give the scan up whose page brought nothing."""
        if self._scan is not None and self._scan.asked is request:
            self._end(self._pages)

    def _end(self, pages: int) -> None:
        self._scan = None
        self._pages = pages
        self._since = 0
