"""Whether every job ends once, its states move forward, and each end is one that the replies allow.

Rule: judged from the replies that were given, in their order, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from gespoll import JobStatus

from .channels import Said
from .evidence import Evidence, Name
from .fault import Fault
from .log import Answered, Joined, Kept, Left, Log, Page, Taken
from .pages import Pages
from .plan import Case, World
from .verdicts import EPSILON, Reason, Verdict

APART = 0.5
"""Share of the interval that two tellings of one channel must be apart; polls an interval apart may come closer."""
_RANKS = {JobStatus.PENDING: 0, JobStatus.RUNNING: 1, JobStatus.UNKNOWN: 1}


def judge_verdicts(world: World, log: Log) -> list[Fault]:
    """Return what is wrong with the changes that were emitted."""
    pages = Pages(world, log)
    lives: dict[str, _Job] = {case.truth.job_id: _Job(world, case, pages) for case in world.cases}
    faults: list[Fault] = []
    for event in log.events:
        if isinstance(event, Answered):
            _hear(lives, event)
        elif isinstance(event, Joined):
            lives[event.job_id].join(event)
        elif isinstance(event, Taken):
            faults += lives[event.job_id].take(event)
        elif isinstance(event, Kept):
            for job in lives.values():
                job.keep(event.watch)
        elif isinstance(event, Left):
            for job in lives.values():
                faults += job.leave(event)
    return faults


def _hear(lives: dict[str, _Job], event: Answered) -> None:
    asked, reply = event.asked, event.reply
    if asked.job_id is not None and isinstance(reply, Said):
        lives[asked.job_id].hear("query", reply, event.at)
    elif isinstance(reply, Page):
        for job_id, said in reply.said.items():
            lives[job_id].hear("list", said, event.at)


@attrs.define
class _Start:
    """From which reply on, and with which evidence, a poller waits for a job."""

    index: int
    variants: list[Evidence]
    life: int
    at: float


@attrs.define
class _Ends:
    """What a watch was told of a job."""

    joined: Joined
    status: JobStatus | None = None
    is_over: bool = False


class _Job:
    """One job: the replies that concern it, who waits, and what each was told."""

    def __init__(self, world: World, case: Case, pages: Pages) -> None:
        self._world, self._case, self._pages = world, case, pages
        self._replies: list[tuple[float, Name, Said]] = []
        self._start: _Start | None = None
        self._watching: dict[int, _Ends] = {}
        self._kept: dict[int, tuple[list[Evidence], JobStatus | None]] = {}

    def hear(self, name: Name, said: Said, at: float) -> None:
        """Put a reply down."""
        self._replies.append((at, name, said))

    def join(self, event: Joined) -> None:
        """Let a watch wait for it."""
        kept = self._kept.get(event.watch) if event.resumed else None
        if not any(not each.is_over for each in self._watching.values()):
            variants = [self._kept_evidence(each, event.at) for each in kept[0]] if kept else []
            self._start = _Start(len(self._replies), variants or [Evidence(event.at)], event.life, event.at)
        elif kept and self._start is not None:
            self._start.variants += [self._kept_evidence(each, event.at) for each in kept[0]]
        self._watching[event.watch] = _Ends(event, kept[1] if kept else None)

    def _kept_evidence(self, evidence: Evidence, at: float) -> Evidence:
        of_a_moment = any(kill.keeps == "moment" for kill in self._world.kills)
        return evidence.kept(at, was_decided=of_a_moment and evidence.tellings > 1)

    def keep(self, watch: int) -> None:
        """Let a watch keep a snapshot."""
        ends = self._watching.get(watch)
        if ends is not None:
            fresh = [Evidence(0.0)] if ends.is_over else []  # what was left open may have been forgotten
            self._kept[watch] = (self._evidence(len(self._replies)) + fresh, ends.status)

    def leave(self, event: Left) -> Iterator[Fault]:
        """Let a watch go."""
        ends = self._watching.pop(event.watch, None)
        lost = event.raised is not None and self._pages.is_lost(event.life, event.at)
        if ends is not None and not ends.is_over and not event.killed and not lost:
            yield self._fault("no end", "the watch was over without an end of it", event.at)

    def take(self, change: Taken) -> Iterator[Fault]:
        """Judge a change."""
        ends = self._watching.get(change.watch)
        if ends is None or ends.is_over:
            yield self._fault("a second end", f"told {change.ended_as} after its end", change.at)
            return
        if change.is_final:
            ends.is_over = True
            yield from self._final(change, ends)
        else:
            yield from self._step(change, ends)
        ends.status = change.status

    def _step(self, change: Taken, ends: _Ends) -> Iterator[Fault]:
        status = change.status
        if status is None or status.is_terminal:
            yield self._fault("no step", f"{status} is no step", change.at)
            return
        if ends.status is not None and _RANKS[status] < _RANKS[ends.status]:
            yield self._fault("backwards", f"{status.value} after {ends.status.value}", change.at)
        if not any(said.status is status for _, _, said in self._replies):
            yield self._fault("invented", f"{status.value}, which no reply reported", change.at)

    def _final(self, change: Taken, ends: _Ends) -> Iterator[Fault]:
        reasons: list[Reason] = []
        for end in self._prefixes(change.observed_at):
            for evidence in self._evidence(end):
                verdict = Verdict(self._world, self._case, self._pages, evidence, change, ends.joined)
                reason = verdict.reason()
                if reason is None:
                    return
                reasons.append(reason)
        yield self._fault(reasons[0].kind, reasons[0].text, change.observed_at)

    def _prefixes(self, at: float) -> Iterator[int]:
        """Go through the numbers of replies that may have been known at a moment."""
        known = len(self._replies)
        while known and self._replies[known - 1][0] > at:
            known -= 1
        yield known
        while known and self._replies[known - 1][0] == at:
            known -= 1
            yield known

    def _evidence(self, end: int) -> list[Evidence]:
        """Return what so many replies told; more than one where an end may have been dropped."""
        assert self._start is not None
        knobs = self._world.knobs
        variants = [_copy(each) for each in self._start.variants]
        for at, name, said in self._replies[self._start.index : end]:
            if said.is_open:
                dropped = [each for each in variants if each.may_be_dropped(name, at, knobs.not_found_grace - EPSILON)]
                variants += [each.renewed(at) for each in dropped[:1] if len(variants) < 4]
            for each in variants:
                each.hear(name, said, at, knobs.interval * APART)
        return variants

    def _fault(self, kind: str, text: str, at: float) -> Fault:
        return Fault("wrong", kind, f"{self._case.truth.job_id}: {text}", at)


def _copy(evidence: Evidence) -> Evidence:
    return attrs.evolve(evidence, query=attrs.evolve(evidence.query), listed=attrs.evolve(evidence.listed))
