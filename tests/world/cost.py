"""Whether the requests were few enough, and whether anything was left over: rules 7, 8 and 18.

The bounds, where J is the number of jobs, S the pages of one scan, and all times are in seconds:

- over a whole run: each job is queried once an interval and ten times besides, the list is read once an interval by the
  pages that its open jobs need, and scanned once a minute; half as much again, and a turn of all jobs for each move;
- a job that is being confirmed, or whose queries bring nothing, after a grace: once a minute, and what VERIFY asks;
- a list that shows no open job, after a grace: one scan a minute, and what VERIFY asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import attrs

from .channels import Kind, Said
from .fault import Fault
from .log import Answered, Asked, Event, Joined, Left, Log, Page, Taken
from .plan import World

RETRY_AFTER_AT_MOST = 900.0
A_MINUTE = 60.0
"""Retries, confirmations and scans of one matter come once in so many seconds at most."""
_SIZES = (1000, 500, 100, 10, 1)
_JITTER = 1.3
_VERIFY_CYCLES = 12
_VERIFY_SHARE = 0.1
_STEPS = 3
"""Moves of one job: pending, running, ended."""
_FIRST = 10
"""Queries of one job that no pace binds: first polls, five denials, quick retries."""


def judge_cost(world: World, log: Log) -> list[Fault]:
    """Return what cost too much, and what was left over."""
    faults = [Fault("left over", "left over", what, log.ended_at) for what in log.left_over]
    if log.flooded:
        faults.append(Fault("costly", "flood", f"cut after {log.requests} requests", log.ended_at))
    return [
        *faults,
        *_rate(world, log),
        *_at_once(world, log),
        *_retry_after(log),
        *_whole_run(world, log),
        *_troubled_jobs(world, log),
        *_empty_lists(world, log),
    ]


def scan_pages(world: World, until: float = 1000.0) -> int:
    """Return how many pages one scan of a list takes at most."""
    listing = world.listing
    if not world.plane.has_list:
        return 0
    arrivals = until / listing.arrivals if listing.arrivals else 0
    rows = len(world.cases) + listing.foreign + listing.nameless + listing.repeats + arrivals
    if listing.above in {"cut", "empty"}:
        size = min(listing.page_max, 100)
    else:
        size = next((size for size in _SIZES if size <= min(listing.page_max, 100)), 1)
    return math.ceil(rows / max(size - 1, 1)) + 3


def _rate(world: World, log: Log) -> Iterator[Fault]:
    """In any window of W seconds at most rate times W and one requests leave (rule 7)."""
    rate, least, life = world.knobs.max_per_second, math.inf, -1
    number = 0
    for event in log.events:
        if not isinstance(event, Asked):
            continue
        if event.life != life:
            life, least, number = event.life, math.inf, 0
        ahead = number - rate * event.at
        least = min(least, ahead)
        number += 1
        if ahead - least > 0.01:
            yield Fault("costly", "rate", f"request {event.number} left too soon for {rate:g} a second", event.at)
            return


def _at_once(world: World, log: Log) -> Iterator[Fault]:
    under_way = 0
    for event in log.events:
        under_way += isinstance(event, Asked) - isinstance(event, Answered)
        if under_way > world.knobs.max_at_once:
            yield Fault("costly", "at once", f"{under_way} requests under way at the same time", event.at)
            return


def _retry_after(log: Log) -> Iterator[Fault]:
    held: dict[tuple[int, str], float] = {}
    for event in log.events:
        if isinstance(event, Answered) and event.retry_after is not None:
            until = event.at + min(event.retry_after, RETRY_AFTER_AT_MOST)
            key = event.asked.life, event.asked.scope
            held[key] = max(until, held.get(key, 0.0))
        elif isinstance(event, Asked) and event.at < held.get((event.life, event.scope), 0.0) - 0.01:
            yield Fault("costly", "retry-after", f"request {event.number} left before Retry-After was over", event.at)
            return


@attrs.frozen
class Spans:
    """When jobs were open, as far as anybody waited for them."""

    by_job: dict[str, float]
    """Seconds that each job was open."""
    lives: int
    total: float
    """Seconds from the first joining to the last end, without what lay between two processes."""

    @classmethod
    def of(cls, log: Log) -> Spans:
        """Measure a run."""
        open_since: dict[tuple[int, str], float] = {}
        spent: dict[str, float] = {}
        lives = 0
        first, last = math.inf, 0.0
        for event in log.events:
            if isinstance(event, Joined):
                open_since[event.watch, event.job_id] = event.at
                lives, first = max(lives, event.life + 1), min(first, event.at)
            for key in _closed(open_since, event):
                spent[key[1]] = spent.get(key[1], 0.0) + event.at - open_since.pop(key)
                last = event.at
        for (_, job_id), at in open_since.items():
            spent[job_id] = spent.get(job_id, 0.0) + log.ended_at - at
            last = log.ended_at
        return cls(spent, lives, max(last - first, 0.0))


def _closed(open_since: dict[tuple[int, str], float], event: object) -> list[tuple[int, str]]:
    if isinstance(event, Taken) and event.is_final:
        return [key for key in [(event.watch, event.job_id)] if key in open_since]
    if isinstance(event, Left):
        return [key for key in open_since if key[0] == event.watch]
    return []


def _whole_run(world: World, log: Log) -> Iterator[Fault]:
    at_most = requests_at_most(world, Spans.of(log))
    if log.requests > at_most:
        yield Fault("costly", "whole run", f"{log.requests} requests, at most {at_most:.0f} are due", log.ended_at)


def requests_at_most(world: World, spans: Spans) -> float:
    """Return how many requests a run may take: a function of jobs, seconds, interval and the list's pages."""
    jobs, pages, interval = len(spans.by_job), scan_pages(world, spans.total), world.knobs.interval
    scopes = len({world.scope(case.truth.graph) for case in world.cases})
    queries = sum(seconds / interval + _FIRST * spans.lives for seconds in spans.by_job.values())
    cycles = (spans.total / interval + spans.lives) * min(pages, jobs + scopes)
    verifying = spans.total / (_VERIFY_CYCLES * interval) + _verified(world, spans.total)
    scans = (spans.total / A_MINUTE + verifying + 3 * spans.lives) * pages * scopes
    asked = min(jobs * _verified(world, spans.total), _VERIFY_SHARE * world.knobs.max_per_second * spans.total)
    return 1.5 * (queries + cycles + scans + asked) + _STEPS * jobs * min(jobs, 10) + 20


def _verified(world: World, seconds: float) -> float:
    """Return how often each job is asked for because of the knob `verify`."""
    return 0.0 if world.knobs.verify is None else seconds / world.knobs.verify


def paced_at_most(world: World, seconds: float, jobs: int) -> float:
    """Return how many queries of one job in trouble may leave in so many seconds."""
    verifying = seconds / (_VERIFY_CYCLES * world.knobs.interval) + _verified(world, seconds)
    return 4 + _JITTER * seconds / A_MINUTE + verifying + 2 * jobs


def _troubled_jobs(world: World, log: Log) -> Iterator[Fault]:
    events: dict[str, list[Event]] = {case.truth.job_id: [] for case in world.cases}
    for event in log.events:
        for job_id in _concerned(event, events):
            events[job_id].append(event)
    for job_id, concerning in events.items():
        yield from _Trouble(world, job_id).judge(concerning, log.ended_at)


def _concerned(event: Event, jobs: Iterable[str]) -> Iterable[str]:
    """Go through the jobs that an event is about."""
    match event:
        case Answered(reply=Page(said=said)):
            return said
        case Answered(asked=Asked(job_id=str(job_id))) | Asked(job_id=str(job_id)) | Joined(job_id=job_id):
            return (job_id,)
        case Taken(is_final=True, job_id=job_id):
            return (job_id,)
        case Left():
            return jobs
        case _:
            return ()


class _Trouble:
    """The queries of one job while none brings it forward."""

    def __init__(self, world: World, job_id: str) -> None:
        self._world, self._job_id = world, job_id
        self._since = math.inf
        self._asked: list[float] = []
        self._ended = False

    def judge(self, events: list[Event], ended_at: float) -> Iterator[Fault]:
        """Go through what happened to the job."""
        for event in events:
            if isinstance(event, Answered):
                yield from self._answered(event)
            elif not isinstance(event, Asked):
                yield from self._over(event.at)
            elif self._since < math.inf:
                self._asked.append(event.at)
        yield from self._over(ended_at)

    def _answered(self, event: Answered) -> Iterator[Fault]:
        said, queried = self._said(event), event.asked.job_id is not None
        if said is None:
            return
        self._ended = self._ended or said.is_end
        if not self._ended and said.kind is Kind.STATUS and queried:
            yield from self._over(event.at)
        elif self._ended or queried:
            self._since = min(self._since, event.at)

    def _said(self, event: Answered) -> Said | None:
        if isinstance(event.reply, Page):
            return event.reply.said.get(self._job_id)
        return event.reply if event.asked.job_id == self._job_id else None

    def _over(self, at: float) -> Iterator[Fault]:
        begin = self._since + self._world.knobs.not_found_grace + A_MINUTE
        count = sum(time > begin for time in self._asked)
        at_most = paced_at_most(self._world, max(at - begin, 0.0), len(self._world.cases))
        if count > at_most:
            what = "an end was reported" if self._ended else "its queries brought nothing"
            text = f"{self._job_id}: {count} queries in {at - begin:.0f} s after {what}, at most {at_most:.0f} are due"
            yield Fault("costly", "troubled job", text, at)
        self._since, self._asked, self._ended = math.inf, [], False


_EARLY_SCANS = 5
"""Scans that follow sooner than a minute: an interval after the first, then each after twice the time."""


def _empty_lists(world: World, log: Log) -> Iterator[Fault]:
    scopes = {world.scope(case.truth.graph) for case in world.cases}
    for scope in sorted(scopes) if world.plane.has_list else []:
        yield from _empty_list(world, log, scope)


def _empty_list(world: World, log: Log, scope: str) -> Iterator[Fault]:
    """A list that shows no open job is scanned once a minute at most."""
    since, asked = 0.0, list[float]()
    for event in [*log.events, None]:
        if isinstance(event, Asked) and event.job_id is None and event.scope == scope:
            asked.append(event.at)
        shows = isinstance(event, Answered) and event.asked.scope == scope and isinstance(event.reply, Page)
        shown = shows and isinstance(event, Answered) and isinstance(event.reply, Page) and bool(event.reply.said)
        if event is None or shown or isinstance(event, Joined):
            at = log.ended_at if event is None else event.at
            begin = since + world.knobs.not_found_grace + A_MINUTE
            count, seconds = sum(time > begin for time in asked), max(at - begin, 0.0)
            verifying = seconds / (_VERIFY_CYCLES * world.knobs.interval) + _verified(world, seconds)
            at_most = (_JITTER * seconds / A_MINUTE + verifying + 3 + _EARLY_SCANS) * scan_pages(world, at)
            if count > at_most:
                text = f"{count} list queries in {seconds:.0f} s that showed no job, at most {at_most:.0f} are due"
                yield Fault("costly", "empty list", text, at)
            since, asked = at, []
