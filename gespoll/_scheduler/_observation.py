"""Which request next, for the jobs of one scope.

Rule: a list window where it shows at least two open jobs, single queries otherwise and for whatever
the list does not show. Everything here counts requests; nothing here knows what a state means, who
waits for it, or how fast requests may leave.

The scheduler asks `next_due` and `next_request`, and reports back what each request brought.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import attrs

from gespoll._errors import SourceError, counted
from gespoll._pacing import Hold, Outage
from gespoll._scheduler._line import Place
from gespoll._scheduler._listing import Listing
from gespoll._scheduler._queries import Queries
from gespoll._scheduler._record import ASKED, Care, Record
from gespoll._scheduler._requests import Get, Request, Window
from gespoll._scheduler._scan import Scan
from gespoll._scheduler._verdict import reported_end
from gespoll._scheduler._verify import INTERVALS_BEHIND, Verify
from gespoll._scheduler._verify_by_list import VerifyByList
from gespoll._source import ListWindow

NextLook = tuple[float, Literal["query", "list"] | None, str]
"""When a job is looked at next, by which channel if any can be asked, and why then."""
_PAGES_BESIDE_CONFIRMATIONS = 3
"""Pages that go before a confirmation or a retry while more are due, so that those take a quarter of the budget."""


@attrs.frozen
class Leave:
    """How far requests may leave: from when, until when, and how many a second."""

    ready: float
    until: float
    rate: float

    def room(self, ready: float, rate: float) -> int:
        """Return how many may, of a kind that may not leave before `ready`, nor at more than `rate`."""
        seconds = self.until - max(ready, self.ready)
        return max(math.ceil(seconds * min(rate, self.rate)), 0)


@attrs.define(eq=False)
class Scope:
    """The open jobs of one list, and how they are looked at."""

    queries: Queries
    listing: Listing
    hold: Hold
    outage: Outage
    verify: Verify
    verify_by_list: VerifyByList
    followers: set[Any] = attrs.field(factory=set)
    """The watches that are told how far its jobs are."""
    _list_hangs: bool = False
    """Whether the list may not take the last slot for a request."""
    _queries_hang: bool = False
    """Whether queries may not."""
    _pages_in_row: int = 0
    """Pages sent since the last query."""

    @property
    def records(self) -> dict[str, Record[Any]]:
        """The open jobs by their ids."""
        return self.queries.records

    @property
    def can_query(self) -> bool:
        """Whether any job here can be looked at without the list."""
        return len(self.queries.listed_only) < len(self.records)

    @property
    def kept(self) -> int:
        """How much is kept for the jobs of this scope; nothing when none is open."""
        return (
            len(self.records)
            + len(self.queries.singles)
            + len(self.queries.listed_only)
            + len(self.queries.needs_list)
            + self.listing.kept
        )

    # What is open

    def add(self, record: Record[Any], now: float) -> None:
        """Take an open job in and plan its first look."""
        self.records[record.ref.job_id] = record
        self.queries.sort(record)
        if not self.listing.add(record, now):
            self.queries.soon(record)

    def remove(self, record: Record[Any]) -> None:
        """Let a job go that has ended or is no longer waited on."""
        job_id = record.ref.job_id
        self.queries.forget(record)
        self.listing.remove(job_id)
        if not self.records:
            self._rest()

    def _rest(self) -> None:
        """Start over with a clean record when nothing is open: time in which nobody asked is no outage."""
        self.listing.rest()
        self.queries.singles.clear()
        self.outage.rest()
        self.hold.answered()
        self.verify.rest()
        self.verify_by_list.rest()

    def look_now(self, records: list[Record[Any]], now: float, within: Leave) -> list[Record[Any]]:
        """Poll some jobs once more, before anything else: by the list where that takes fewer requests.

        Returns:
            The jobs whose poll cannot leave in time.
        """
        urgent = self.queries.singles.urgent
        room = within.room(self._queries_ready, self.queries.pace.rate) - urgent
        list_serves = within.room(self._list_ready, self.listing.pace.rate) > 0
        listing = list_serves and self.listing.look_now(len(records) + urgent, now, must=len(records) > room)
        if list_serves and not listing and not all(map(self.queries.can_be_queried, records)):
            self.listing.hurry()
        unplaced = sum(record.place is None for record in records) + urgent
        walk = listing and (unplaced > max(self.listing.cost, 1) or unplaced > room)  # it shows them for less
        unpolled = []
        for record in records:
            if not self.queries.can_be_queried(record):
                if not list_serves:
                    unpolled.append(record)
            elif record.is_personal or not listing or (record.place is None and not walk):
                room -= 1
                if room >= 0:
                    self.queries.first(record)
                elif not listing or record.is_personal or (record.place is None and not walk):
                    unpolled.append(record)
            elif record.place is None:
                self.queries.soon(record)
        return unpolled

    @property
    def _queries_ready(self) -> float:
        return max(self.hold.until, self.queries.pace.ready_at)

    @property
    def _list_ready(self) -> float:
        return max(self.hold.until, self.listing.ready_at)

    def is_blocked(self, within: Leave) -> bool:
        """Whether final polls cannot leave in time by one of the channels, or by both."""
        return max(self._queries_ready, self._list_ready, within.ready) >= within.until

    def is_polling(self, record: Record[Any]) -> bool:
        """Whether a request is under way that may show a job."""
        by_list = record.place is not None or not self.queries.can_be_queried(record)
        return bool(record.state & ASKED or (by_list and self.listing.under_way))

    # Which request next

    def next_due(self) -> float:
        """Tell when a request is due; it may not leave before the budget allows it."""
        pages = math.inf if self._list_hangs else self.listing.due()
        queries = math.inf if self._queries_hang else self.queries.due()
        return max(min(pages, queries, self._verification_due), self.hold.until)

    @property
    def _verification_due(self) -> float:
        by_query = math.inf if self._queries_hang else self.verify.due()
        return min(by_query, math.inf if self._list_hangs else self.verify_by_list.due())

    def block(self, *, is_list: bool, is_blocked: bool) -> None:
        """Send nothing by one of the channels, or again: it hangs, and one slot is left for those that answer."""
        if is_list:
            self._list_hangs = is_blocked
        else:
            self._queries_hang = is_blocked

    def verification_due(self) -> float:
        """Return when a job is to be verified, if nothing else is to be sent then."""
        return max(self._verification_due, self.hold.until)

    def next_request(self, now: float) -> Request | None:
        """Give the request that is due, and count it as sent; `None` when there is none."""
        return None if self.hold.until > now else self._counted(self._next(now), now)

    def next_to_verify(self, now: float) -> Request | None:
        """Give the request that verifies what one channel alone shows, where nothing else is due in any scope."""
        if self.hold.until > now:
            return None
        return self._counted(self._verification(now), now)

    def _verification(self, now: float) -> Request | None:
        request: Request | None = None if self._queries_hang else self.verify.next(now)
        return self.verify_by_list.next(now) if request is None and not self._list_hangs else request

    def _counted(self, request: Request | None, now: float) -> Request | None:
        if request is not None:
            self.verify.count(now)
            self.verify_by_list.count(now)
        return request

    def _overdue(self, now: float) -> Request | None:
        """Give the request that verifies what has not been verified for too long, however little the budget leaves."""
        return self._verification(now) if self.verify.must() or self.verify_by_list.must() else None

    @property
    def verifications(self) -> int:
        """Requests sent to verify, so far."""
        return self.verify.sent + self.verify_by_list.sent

    def _next(self, now: float) -> Request | None:
        request = self._overdue(now)
        if request is not None:
            return request
        queries = self.queries.pace.ready_at <= now and not self._queries_hang
        if self.listing.due() <= now and not self._list_hangs and not (queries and self._is_turn_of_queries(now)):
            request = self.listing.next(now)
            if request is not None:
                self._pages_in_row += 1
                return request
        self._pages_in_row = 0
        return self.queries.next(now) if queries else None

    def _is_turn_of_queries(self, now: float) -> bool:
        """Whether a query is to go before a page that is due."""
        if self.queries.due() > now:
            return False
        singles = self.queries.singles
        if singles.is_urgent or (self.listing.alternates and not singles.is_own_due(now)):
            return self._pages_in_row >= 1
        return self._pages_in_row >= _PAGES_BESIDE_CONFIRMATIONS and singles.is_own_due(now)

    # What is told of it

    @property
    def rate(self) -> float:
        """Requests per second that may be sent now, of the kind that is slowed down most."""
        return min(self.queries.pace.rate, self.listing.pace.rate)

    @property
    def period(self) -> float:
        """Seconds from one look at each job to the next."""
        queries = self.queries.singles.waiting / self.queries.pace.rate
        return max(self.listing.period if self.listing.in_rounds else 0.0, queries, self.queries.interval)

    def last_look(self, record: Record[Any], now: float) -> float | None:
        """Tell how many seconds ago a job was last shown, as far as is kept: by the round, or by its turn."""
        if record.place is not None and self.listing.in_rounds:
            return now - self.listing.began(record.seen)
        due = self.queries.singles.due_of(record)
        return None if due is None else max(now - (due - self.queries.interval), 0.0)

    def explain(self, record: Record[Any], now: float) -> NextLook:
        """Tell when a job is looked at next, by what, and why then."""
        if record.state & ASKED:
            return now, "query", "a query of it is under way"
        due, channel, reason = self._why(record)
        if self.hold.until > max(due, now):
            return self.hold.until, channel, "nothing is sent: the service asked to wait, or fails in a row"
        return due, channel, reason

    def _why(self, record: Record[Any]) -> NextLook:
        care = record.care
        if care is not None and care.is_planned:
            return care.due if care.due < math.inf else -math.inf, "query", _personal_reason(care)
        if not self.queries.can_be_queried(record) and not self.listing.is_readable:
            at = math.inf if care is None else care.review_at
            return at, None, "neither a query nor the list can be asked: it is decided by the time"
        if not self.queries.can_be_queried(record):
            return (
                self.listing.next_look(),
                "list",
                "without graph= only the list can show it: looked for in the next round",
            )
        if record.place is not None and self.listing.in_rounds:
            return self.listing.next_look(), "list", "the list shows it: looked at in the next round"
        due = self.queries.singles.due_of(record)
        if due is None:
            return self.listing.next_look(), "list", "it is looked for in the list"
        if record.ref.job_id in self.queries.disbelieved:
            return due, "query", "the list shows an old state of it: queried by itself, in turn"
        return due, "query", "the list does not show it: queried by itself, in turn"

    # What requests brought

    def returned(self, request: Get) -> Record[Any] | None:
        """Note that a query is under way no more; gives its job while that is open."""
        return self.queries.returned(request)

    def queried(self, record: Record[Any], now: float) -> None:
        """Plan the next look at a job that a single query just showed."""
        self.listing.answers_alone(now)
        if not self.queries.is_urgent(record) and (record.place is None or not self.listing.shows(record, now)):
            self.queries.in_turn(record, now + self.queries.delay(record, now))
        self.listing.begin_rounds(now)

    def read(self, request: Window, window: ListWindow, now: float) -> Iterator[list[Place]]:
        """Take in a page, a slice at a time; gives the open jobs of each slice. `end_page` is to follow."""
        return self.listing.read(request, window, now)

    def end_page(self, request: Window, window: ListWindow, now: float) -> Scan | None:
        """Plan what follows a page; gives the scan that is over with it."""
        self.verify_by_list.end_page(request, window)
        return self.listing.end_page(request, window, now)

    def keep_in_view(self, record: Record[Any], now: float) -> None:
        """Let windows show a job that a query reported to have ended until it is clear whether the list is behind."""
        if record.place is not None:
            self.listing.line.remember(record.place, now + (INTERVALS_BEHIND + 2) * self.queries.interval)

    def believes_list(self, record: Record[Any], now: float) -> bool:
        """Whether what the list shows of a job counts: not where it is stale, unless no query can be asked."""
        is_behind = self.listing.is_stale(now) or record.ref.job_id in self.queries.disbelieved
        return not is_behind or not self.queries.can_be_queried(record)

    def distrust(self, now: float) -> None:
        """Ask for the list no more, for a while: it tells old states as new."""
        self.verify.suspended()
        self.listing.distrust(now)

    def answered(self, request: Request) -> None:
        """Note that the server answered."""
        self.outage.answered()
        self.hold.answered()
        (self.listing.pace if isinstance(request, Window) else self.queries.pace).answered()

    def again(self, request: Request) -> None:
        """Send a request again that brought nothing, through nobody's fault."""
        self.verify_by_list.lost(request)
        if isinstance(request, Window):
            self.listing.put_back(request)
            return
        record = self.records.get(request.job_id)
        if record is not None and record.state & ASKED:
            self.queries.returned(request)
            self.queries.first(record)

    def renewed(self) -> None:
        """Ask again for what was refused: the credentials are new, and so may be what they allow."""
        self.listing.renewed()
        for record in self.records.values():
            if record.care is not None and record.care.refusal is not None:
                self.queries.refuse(record, None)

    def window_refused(self, request: Window, error: SourceError, now: float) -> bool:
        """Take a refused window in; tell whether the list is given up."""
        return self.listing.refused(request, error, now)


def _personal_reason(care: Care) -> str:
    evidence = care.evidence
    if evidence is None:
        return "it is queried by itself"
    if evidence.ends:
        return f"its end ({reported_end(evidence).reported_status}) is to be confirmed by a query"
    denials = evidence.by_query.denials
    if denials is not None:
        return f"the service denied it {counted(denials.count, 'time')}: asked again until the grace is over"
    return f"the last query of it failed: {evidence.by_query.failure}"
