"""A whole world as a value: jobs, voices, the list, who waits for what, and when a process is killed."""

from __future__ import annotations

import enum
from typing import Literal

import attrs

from .channels import HANGS, HONEST, Manner, Phase, Said, Trouble, Voice, failed, phase_of
from .truth import Truth

BY_DEFAULT_AFTER = 900.0
"""Seconds that stand for `outage_timeout=None` where a verdict needs a number (design, section 4)."""


class Plane(enum.Enum):
    """Which kind of source it is: what each channel may add to the other."""

    MANAGEMENT = "management"
    DATABASE = "database"
    MEMORY = "memory"
    QUERY_ONLY = "query-only"

    @property
    def has_list(self) -> bool:
        """Whether there is a list."""
        return self is not Plane.QUERY_ONLY

    @property
    def fuller(self) -> Literal["query", "list"] | None:
        """Which channel may report the files that a success lacks."""
        if self is Plane.DATABASE:
            return None
        return "list" if self is Plane.MEMORY else "query"

    @property
    def is_engine(self) -> bool:
        """Whether each graph is a scope of its own."""
        return self in {Plane.DATABASE, Plane.MEMORY}


PLAIN = Voice()
"""Honest, and silent about files: what a list says."""
QUERY = Voice(files=True)
"""Honest, with files: what a query says."""


@attrs.frozen
class Case:
    """One job, and what each channel says of it."""

    truth: Truth
    query: Voice = QUERY
    listed: Voice = PLAIN


@attrs.frozen
class Listing:
    """How the list behaves, whatever it says of single jobs."""

    order: Literal["newest", "oldest", "id", "random"] = "newest"
    page_max: int = 1000
    above: Literal["cut", "empty"] | Trouble = "cut"
    """What comes of a request for more than `page_max` entries."""
    total: Literal["true", "absent", "high", "low", "jumping", "page"] = "true"
    offsets: Literal["entries", "ignored", "pages"] = "entries"
    repeats: bool = False
    """Whether an entry stands in it twice."""
    foreign: int = 0
    """Entries of others."""
    shown_max: int = 0
    """Entries beyond so many are counted and never shown; 0: all are shown."""
    nameless: int = 0
    """Entries without a readable id."""
    arrivals: float = 0.0
    """Seconds from one newcomer of others to the next; 0: none come."""
    departures: float = 0.0
    """Seconds from one leaving of others to the next; 0: none leaves."""
    newest_known: bool = False
    """Whether its entries show by their times at which end the newest stand."""
    phases: tuple[Phase, ...] = HONEST
    """When all of it fails or hangs."""

    @property
    def refuses_pages(self) -> bool:
        """Whether a request for too many entries is refused."""
        return self.above not in {"cut", "empty"}

    @property
    def is_orderly(self) -> bool:
        """Whether reading it page by page shows every entry, once, and that they were all."""
        return (
            self.order != "random"
            and self.page_max > (9 if self.refuses_pages else 2)
            and self.above != "empty"
            and self.total not in {"high", "jumping"}
            and self.offsets == "entries"
            and not (self.repeats or self.shown_max or self.nameless or self.arrivals or self.departures)
        )


@attrs.frozen
class Wait:
    """A watch: which jobs, from when on, how long."""

    refs: tuple[tuple[str, str | None], ...]
    """Ids with a graph or none."""
    joins_at: float = 0.0
    timeout: float | None = 3000.0
    job_timeout: float | None = None


@attrs.frozen
class Kill:
    """The end of a process, after so many replies; the next goes on from its snapshots."""

    after_replies: int
    downtime: float = 0.0
    keeps: Literal["moment", "change"] = "change"
    """Whether the snapshot is of the moment of the kill, or of the last change that was taken."""


@attrs.frozen
class Knobs:
    """The knobs of the poller, as it names them."""

    interval: float = 5.0
    max_per_second: float = 10.0
    max_at_once: int = 10
    request_timeout: float = 30.0
    not_found_grace: float = 60.0
    outage_timeout: float | None = 900.0
    verify: float | None = 3600.0
    pending_timeout: float | None = None
    unconfirmed: Literal["accept", "raise"] = "accept"

    @property
    def patience(self) -> float:
        """Seconds of silence after which a verdict is due."""
        return BY_DEFAULT_AFTER if self.outage_timeout is None else self.outage_timeout


@attrs.frozen
class World:
    """Everything that happens in one run."""

    cases: tuple[Case, ...]
    waits: tuple[Wait, ...]
    plane: Plane = Plane.MANAGEMENT
    listing: Listing = Listing()
    queries: tuple[Phase, ...] = HONEST
    """When all queries fail, hang or deny."""
    kills: tuple[Kill, ...] = ()
    knobs: Knobs = Knobs()
    latency: float = 0.2
    jitter: float = 0.0
    """Seconds that a reply may take longer; replies come out of order then."""
    hung: float = 0.0
    """Share of the requests that are never answered."""
    throttled: int = 0
    """How many requests, spread over the first ones, are answered by 429."""
    retry_after: float | None = None
    """What such an answer asks for."""
    until: float = 20_000.0
    """When it ends at the latest."""
    requests_at_most: int = 40_000
    seed: int = 0

    def scope(self, graph: str | None) -> str:
        """Return the scope of a graph."""
        return (graph or "") if self.plane.is_engine else ""

    def query_says(self, case: Case, now: float) -> Said:
        """Return what a query for a job brings."""
        overlay = _overlay(self.queries, now)
        return overlay or case.query.says(case.truth, now)

    def list_says(self, case: Case, now: float) -> Said:
        """Return what the list brings of a job."""
        overlay = _overlay(self.listing.phases, now)
        return overlay or case.listed.says(case.truth, now)

    @property
    def slowest(self) -> float:
        """Seconds that an answered request takes at most."""
        return self.latency + self.jitter


def _overlay(phases: tuple[Phase, ...], now: float) -> Said | None:
    """Return what a whole channel says; nothing while it works."""
    phase = phase_of(phases, now)
    if phase.manner is Manner.TRUE or not phase.is_lying(now):
        return None
    if phase.manner is Manner.HANG:
        return HANGS
    return Voice(phases=(phase,)).says(_NOBODY, now) if phase.manner is not Manner.FAIL else failed(phase.trouble)


_NOBODY = Truth("nobody")
