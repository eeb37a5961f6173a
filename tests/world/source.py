"""The sources of a world: they answer as its voices say, and put everything down."""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import anyio

from gespoll import (
    AuthenticationError,
    ImportFile,
    Job,
    JobNotFound,
    JobRef,
    JobSource,
    JobStatus,
    ListingSource,
    ListWindow,
    PermissionDenied,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
    TransportError,
)

from .channels import HANGS, Kind, Manner, Said, Trouble, failed, phase_of
from .log import Answered, Asked, Log, Page
from .plan import Plane, World
from .scripts import Scripts

NEVER = 1e9
_END_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_GOOD = ImportFile(kind="edgeset", path="e.csv", status="success", total_lines=9, failed_lines=0, successful_lines=9)
_BAD = ImportFile(kind="edgeset", path="e.csv", status="partFailed", total_lines=9, failed_lines=1, successful_lines=8)
_WORDS = {JobStatus.UNKNOWN: "halted", JobStatus.PARTIALLY_FAILED: "partiallyFailed"}


@cache
def record(job_id: str, graph: str | None, related: str, said: Said) -> Job:
    """Return the record that says this of a job."""
    assert said.status is not None
    files = {"good": (_GOOD,), "bad": (_BAD,), None: None}[said.files]
    return Job(
        ref=JobRef(job_id, graph),
        status=said.status,
        reported_status=_WORDS.get(said.status, said.status.value),
        name=None if said.is_import is None else "ImportGraph" if said.is_import else "StartGraph",
        is_import=said.is_import,
        related_graph=f"name of {related}",
        end_time=_END_TIME if said.over else None,
        fail_reason="out of memory" if said.reason else None,
        files=files,
    )


def error_of(trouble: Trouble, retry_after: float | None = None) -> SourceError:
    """Return the error that a source raises."""
    match trouble:
        case "503" | "500":
            return ServiceUnavailable("down", status=int(trouble))
        case "reset":
            return TransportError("connection reset")
        case "tls":
            return TransportError("the certificate was not accepted", code="CERTIFICATE_VERIFY_FAILED")
        case "garbled":
            return ProtocolError("no JSON")
        case "429":
            return Throttled("too many requests", status=429, retry_after=retry_after)
        case "401":
            return AuthenticationError("rejected", status=401)
        case "403":
            return PermissionDenied("not allowed", status=403)
        case _:
            return RequestRejected("refused", status=int(trouble))


class Rows:
    """The list of one scope: which ids stand in it, and in which order."""

    def __init__(self, world: World, scripts: Scripts, scope: str) -> None:
        self._world = world
        self._scripts = scripts
        self._ours = {case.truth.job_id for case in world.cases if world.scope(case.truth.graph) == scope}
        ours = [case.truth.job_id for case in world.cases if case.truth.job_id in self._ours]
        base: list[str | None] = [*ours, *[f"foreign-{number}" for number in range(world.listing.foreign)]]
        base += [None] * world.listing.nameless
        random.Random(world.seed).shuffle(base)
        self._base = base

    def says(self, job_id: str, now: float) -> Said | None:
        """Return what the list says of a job; `None` of one of others."""
        return self._scripts.listed(job_id, now) if job_id in self._ours else None

    def ids(self, now: float, rng: random.Random) -> list[str | None]:
        """Return the ids in the order of the list."""
        listing = self._world.listing
        gone = int(now / listing.departures) if listing.departures else 0
        left = {f"foreign-{number}" for number in range(gone)}
        came = int(now / listing.arrivals) if listing.arrivals else 0
        rows = [row for row in self._base if self._stands(row, left, now)]
        rows += [f"arrival-{number}" for number in range(came)]
        if listing.repeats and rows:
            rows.append(rows[0])
        return self._ordered(rows, rng)

    def _stands(self, row: str | None, left: set[str], now: float) -> bool:
        if row is None or row not in self._ours:
            return row not in left
        return self._scripts.listed(row, now).kind is not Kind.DENIED

    def _ordered(self, rows: list[str | None], rng: random.Random) -> list[str | None]:
        match self._world.listing.order:
            case "newest":
                rows.reverse()
            case "id":
                rows.sort(key=lambda row: row or "")
            case "random":
                rng.shuffle(rows)
            case _:
                pass
        return rows


class QuerySource(JobSource):
    """A world that has queries only."""

    def __init__(self, world: World, log: Log) -> None:
        self._world, self._log = world, log
        self._scripts = Scripts(world)
        self.life = 0
        self.confirms_imports = world.plane in {Plane.MANAGEMENT, Plane.QUERY_ONLY}
        self.explains_failures = world.plane.is_engine
        self.list_confirms_imports = world.plane is Plane.MEMORY
        self._cases = {case.truth.job_id: case for case in world.cases}
        self._rng = random.Random(world.seed)
        self._throttled = sorted(self._rng.sample(range(60), world.throttled))

    def scope(self, ref: JobRef, /) -> str:
        """Name the scope of a job."""
        return self._world.scope(ref.graph)

    async def get(self, ref: JobRef, /) -> Job:
        """Answer a query as the voice of the job says."""
        case = self._cases[ref.job_id]
        asked = self._ask(ref.job_id, ref.graph)
        said = self._scripts.query(ref.job_id, asked.at)
        if said.kind is Kind.SIGHTING:
            said = failed("garbled")  # a query's reply without status is a failed poll
        said, retry_after = await self._pass(asked, said)
        self._answer(asked, said, retry_after)
        if said.kind is Kind.STATUS:
            return record(ref.job_id, ref.graph, case.truth.graph, said)
        if said.kind is Kind.DENIED:
            raise JobNotFound(ref, graph_missing=said.graph_missing)
        raise error_of(said.trouble or "503", retry_after)

    def _ask(self, job_id: str | None, graph: str | None, scope: str = "", offset: int = 0, limit: int = 0) -> Asked:
        where = self._world.scope(graph) if job_id is not None else scope
        asked = Asked(anyio.current_time(), self._log.requests, where, self.life, job_id, graph, offset, limit)
        self._log.requests += 1
        self._log.add(asked)
        if self._log.requests > self._world.requests_at_most:
            self._log.flooded = True
            if self._log.on_flood is not None:
                self._log.on_flood()
        return asked

    async def _pass(self, asked: Asked, said: Said) -> tuple[Said, float | None]:
        """Let the time of a request pass; return what comes of it, perhaps a 429 instead."""
        hangs = said is HANGS or (self._world.hung > 0 and self._rng.random() < self._world.hung)
        wait = self._world.latency + (self._rng.uniform(0, self._world.jitter) if self._world.jitter else 0.0)
        try:
            await anyio.sleep(NEVER if hangs else wait)
        except anyio.get_cancelled_exc_class():
            self._log.add(Answered(anyio.current_time(), asked, None))
            raise
        at = bisect_right(self._throttled, asked.number)
        if at and self._throttled[at - 1] == asked.number:
            return failed("429"), self._world.retry_after
        return said, None

    def _answer(self, asked: Asked, reply: Said | Page, retry_after: float | None = None) -> None:
        self._log.replies += 1
        self._log.add(Answered(anyio.current_time(), asked, reply, retry_after))
        if self._log.on_reply is not None:
            self._log.on_reply()


class ListSource(QuerySource, ListingSource):
    """A world that has a list, too."""

    def __init__(self, world: World, log: Log) -> None:
        super().__init__(world, log)
        self._lists: dict[str, Rows] = {}

    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Any = None) -> ListWindow:
        """Answer with a page, or with what the list as a whole does now."""
        asked = self._ask(None, None, scope, offset, limit)
        trouble = self._trouble(asked)
        page = None if trouble is not None else self._page(asked)
        said, retry_after = await self._pass(asked, trouble or _FINE)
        if said is not _FINE or page is None:
            self._answer(asked, said, retry_after)
            raise error_of(said.trouble or "503", retry_after)
        self._answer(asked, page)
        return self._window(page, wanted)

    def _trouble(self, asked: Asked) -> Said | None:
        listing = self._world.listing
        phase = phase_of(listing.phases, asked.at)
        if phase.manner in {Manner.HANG, Manner.FAIL} and phase.is_lying(asked.at):
            return HANGS if phase.manner is Manner.HANG else failed(phase.trouble)
        if asked.limit > listing.page_max and listing.above not in {"cut", "empty"}:
            return failed(listing.above)
        return None

    def _page(self, asked: Asked) -> Page:
        world, listing = self._world, self._world.listing
        if asked.scope not in self._lists:
            self._lists[asked.scope] = Rows(world, self._scripts, asked.scope)
        rows = self._lists[asked.scope]
        ids = rows.ids(asked.at, self._rng)
        size = min(asked.limit, listing.page_max)
        start = {"entries": asked.offset, "ignored": 0, "pages": asked.offset * size}[listing.offsets]
        shown = ids[: listing.shown_max or len(ids)][start : start + size]
        if asked.limit > listing.page_max and listing.above == "empty":
            shown = []
        said = {row: told for row in shown if row is not None and (told := rows.says(row, asked.at)) is not None}
        return Page(tuple(shown), said, self._total(len(ids), len(shown)))

    def _total(self, entries: int, shown: int) -> int | None:
        match self._world.listing.total:
            case "true":
                return entries
            case "absent":
                return None
            case "high":
                return entries + 7
            case "low":
                return max(entries - 1, 0)
            case "page":
                return shown
            case _:
                return max(0, entries + self._rng.choice([-2, 0, 3]))

    def _window(self, page: Page, wanted: Any) -> ListWindow:
        listing = self._world.listing
        newest_at: Literal["start", "end"] | None = None
        if listing.newest_known and len(page.ids) > 1 and listing.order in {"newest", "oldest"}:
            newest_at = "start" if listing.order == "newest" else "end"
        return window_of([(row, self._record(row, page)) for row in page.ids], page.total, newest_at, wanted)

    def _record(self, row: str | None, page: Page) -> Job | None:
        if row is None:
            return None
        said = page.said.get(row)
        if said is None:
            return _foreign(row)
        case = self._cases[row]
        graph = case.truth.graph if self._world.plane.is_engine else None
        return record(row, graph, case.truth.graph, said) if said.kind is Kind.STATUS else None


_FINE = Said(Kind.STATUS)


@cache
def _foreign(job_id: str) -> Job:
    return Job(ref=JobRef(job_id), status=JobStatus.RUNNING, reported_status="running", is_import=False)


def window_of(
    entries: list[tuple[str | None, Job | None]],
    total: int | None,
    newest_at: Literal["start", "end"] | None,
    wanted: Any,
) -> ListWindow:
    """Return the entries as `list_window` must: read where wanted as of 0.1.0, lazily where a window can be so."""
    make: Any = getattr(ListWindow, "of", None)
    if make is not None:
        window: ListWindow = make([job or row for row, job in entries], total=total, newest_at=newest_at)
        return window
    named = [(row, job) for row, job in entries if row is not None]
    words = [None if job is None else job.reported_status for _, job in named]
    places = range(len(named)) if wanted is None else wanted([row for row, _ in named], words)
    return ListWindow(
        ids=tuple(row for row, _ in named),
        jobs=tuple(job for place in places if (job := named[place][1]) is not None),
        total=total,
        unread=frozenset(row for row, job in named if job is None),
        skipped=len(entries) - len(named),
        newest_at=newest_at,
    )
