"""The verdict, explored over its whole reachable graph: every answer of both channels at every moment.

`python -m tests.explore` explores every plane with every answer (hours), `--plane management` one of them, `--small`
fewer answers and shorter times (two minutes a plane). Status 1 and the shortest story of what went wrong, if anything
does. The suite runs the worlds of `SUITE`.

Time goes in ticks. In each of them what can be asked may change, then a query is answered or fails, then the list is,
as section "what is asked next" of the design has it for a job in trouble. A node of the graph is what the evidence
says, its times relative to the present and capped where nothing depends on them any longer. What is checked:

- at every node the rules of `wrong`: what the verdict may be, given what was reported;
- that the verdict is pure, and that it changes by time alone only at its `next_time`;
- that no cycle without a believed OPEN leaves the job open (a livelock), and how long the longest way to an end is.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import attrs

from gespoll import ImportFile, Job, JobNotFound, JobRef, JobStatus, RequestRejected, TransportError
from gespoll._scheduler._evidence import (
    NEVER,
    Channel,
    ChannelEvidence,
    Denials,
    Evidence,
    ReportedEnd,
    Word,
)
from gespoll._scheduler._verdict import (
    DATABASE_EDITION,
    DENIALS_AT_LEAST,
    GRACES_OF_OPEN,
    MANAGEMENT,
    MEMORY_EDITION,
    SCANS_WITHOUT_QUERY,
    Line,
    ListState,
    Phase,
    Plane,
    Reach,
    Terms,
    Verdict,
    decide,
    decide_at_deadline,
)

REF = JobRef("j", "g")
PLANES = {
    "management": MANAGEMENT,
    "memory": MEMORY_EDITION,
    "database": DATABASE_EDITION,
}
QUERY, LIST = Channel.QUERY, Channel.LIST
GOOD = ImportFile(kind="edgeset", path="e.csv", status="success", total_lines=9, failed_lines=0)
BAD = ImportFile(kind="edgeset", path="e.csv", status="partFailed", total_lines=9, failed_lines=1)
HALTED_AT = datetime(2026, 1, 1, tzinfo=UTC)
UNREACHED = TransportError("reset")
REFUSED = RequestRejected("no", status=400)


def _job(status: JobStatus, **fields: object) -> Job:
    return Job(ref=REF, status=status, reported_status=status.value, **fields)  # type: ignore[arg-type]


JOBS = {
    "pending": _job(JobStatus.PENDING),
    "running": _job(JobStatus.RUNNING),
    "running with bad files": _job(JobStatus.RUNNING, files=(BAD,)),
    "halted": _job(JobStatus.UNKNOWN, end_time=HALTED_AT),
    "success": _job(JobStatus.SUCCESS),
    "success with files": _job(JobStatus.SUCCESS, files=(GOOD,)),
    "cancelled": _job(JobStatus.CANCELLED),
    "partially failed": _job(JobStatus.PARTIALLY_FAILED),
    "partially failed with files": _job(JobStatus.PARTIALLY_FAILED, files=(BAD,)),
    "failed": _job(JobStatus.FAILED),
    "failed with reason": _job(JobStatus.FAILED, fail_reason="disk full"),
}
SEVERITY = {JobStatus.SUCCESS: 0, JobStatus.CANCELLED: 1, JobStatus.PARTIALLY_FAILED: 2, JobStatus.FAILED: 3}


FULL_TERMS = Terms(interval=1.0, grace=2.0, outage=6.0, failures_at_least=1)


@attrs.frozen
class World:
    """What may happen, and how long what takes in ticks."""

    jobs: tuple[str, ...] = tuple(JOBS)
    reaches: tuple[tuple[bool, ListState], ...] = tuple(
        itertools.product((True, False), (ListState.USABLE, ListState.STALE, ListState.ABSENT))
    )
    """Whether a query can be asked, and what the list can be used for."""
    terms: Terms = FULL_TERMS

    @property
    def outage(self) -> int:
        """Ticks of an outage."""
        assert self.terms.outage is not None
        return int(self.terms.outage)

    @property
    def cap(self) -> int:
        """Ticks after which a time counts as no older: beyond the outage, and the denials that an absence takes."""
        return max(self.outage, DENIALS_AT_LEAST + int(self.terms.grace))

    @property
    def bound(self) -> int:
        """Ticks in which a job ends that no believed channel calls open.

        A silence that an end breaks, the confirmation of that end, and an absence; all that once more where what can
        be asked changes.
        """
        once = 2 * self.outage + DENIALS_AT_LEAST + int(self.terms.grace)
        return once if len(self.reaches) == 1 else 2 * once

    @property
    def may_be_stale(self) -> bool:
        """Whether the list may cease to be believed."""
        return any(state is ListState.STALE for _, state in self.reaches)

    def answers(self, channel: Channel) -> tuple[str, ...]:
        """Name what may come of asking a channel."""
        if channel is QUERY:
            return (*self.jobs, "denied", "failure")
        return (*self.jobs, "sighting", "lacks", "lacked before", "incomplete", "broken off")


FULL = World()
SMALL_JOBS = ("running", "success", "success with files", "failed")
SMALL = World(
    SMALL_JOBS,
    ((True, ListState.USABLE), (False, ListState.USABLE), (True, ListState.ABSENT)),
    Terms(interval=1.0, grace=1.0, outage=3.0, failures_at_least=1),
)
_TINY = Terms(interval=1.0, grace=1.0, outage=2.0, failures_at_least=1)
SUITE = {
    "a query and the list": World(("running", "success", "failed"), ((True, ListState.USABLE),), _TINY),
    "a query and a stale list": World(SMALL_JOBS, ((True, ListState.STALE),), _TINY),
    "queries only": World(tuple(JOBS), ((True, ListState.ABSENT),), _TINY),
    "the list only": World(tuple(JOBS), ((False, ListState.USABLE),), _TINY),
    "a stale list only": World(tuple(JOBS), ((False, ListState.STALE),), _TINY),
}
"""What the suite explores of each plane, without changes of what can be asked."""


@attrs.frozen
class Told:
    """What was reported, as kept by the explorer itself, also over a kill."""

    worst: int = -1
    """The worst end, by severity; -1 for none."""
    bad_files: frozenset[Channel] = frozenset()
    """Which channels reported bad files, and no end with its files since."""

    def and_then(self, channel: Channel, job: Job) -> Told:
        """Return it with another report."""
        bad_files = self.bad_files
        if job.bad_files:
            bad_files |= {channel}
        elif job.status.is_terminal and job.tells_files:
            bad_files -= {channel}
        return Told(max(self.worst, SEVERITY.get(job.status, -1)), bad_files)


# A node: evidence whose times are ages

Key = tuple[Any, ...]
_SAYS = {(job.status, bool(job.bad_files), job.tells_files, job.fail_reason): name for name, job in JOBS.items()}


def _name(job: Job) -> str:
    return _SAYS[job.status, bool(job.bad_files), job.tells_files, job.fail_reason]


def _age(at: float, cap: int) -> int | None:
    """Return how long ago something was at the time 0; `None` where it never was."""
    return None if at in (NEVER, math.inf) else min(int(-at), cap)


def _recent(at: float, limit: int) -> int | None:
    """Return how long ago something was; `None` from a limit on, where it might as well never have been."""
    return int(-at) if -at < limit else None


def _at(age: int | None, otherwise: float = NEVER) -> float:
    return otherwise if age is None else -float(age)


def freeze(evidence: Evidence, world: World) -> Key:
    """Make a key of evidence at the time 0: equal keys lead to equal futures.

    While an end is known nothing depends on anything but it, the last words, and what is left if it is dropped.
    What the list showed counts only where it is later than what a query did.
    """
    ends = evidence.ends
    query, listed = evidence.by_query, evidence.by_list
    common = _age(evidence.joined_at, world.outage), evidence.ever_shown
    later = evidence.status_at, evidence.shown_at
    if ends:
        first = min(reported.first for _, reported in ends)
        return (
            _age(first, world.cap * 2),
            *common,
            _freeze_ended(query, query.status_at, query.shown_at, first, world),
            _freeze_ended(listed, *later, first, world),
            (),
        )
    shown_at = query.shown_at if world.may_be_stale else evidence.shown_at
    scans = tuple(_age(at, world.cap) for at in evidence.incomplete_scans if at >= shown_at)
    return (
        None,
        *common,
        _freeze_query(query, later if not world.may_be_stale else (query.status_at, query.shown_at), shown_at, world),
        _freeze_list(listed, later, shown_at, world),
        scans,
    )


def _freeze_shown(told: ChannelEvidence, status_at: float, shown_at: float, world: World) -> Key:
    outage = world.outage
    return told.last_word, _recent(status_at, outage), _recent(shown_at, outage), bool(told.files)


def _freeze_open(told: ChannelEvidence, world: World) -> Key:
    return told.open_job and _name(told.open_job), _age(told.stuck_since, int(world.terms.grace))


def _freeze_query(told: ChannelEvidence, times: tuple[float, float], shown_at: float, world: World) -> Key:
    """Denials before the job was shown count from then on."""
    denials = told.denials
    row: Key | None = None
    if denials is not None:
        first, last = max(denials.first, shown_at), max(denials.last, shown_at - 1)
        row = _age(first, world.cap), _age(last, world.cap), min(denials.count, DENIALS_AT_LEAST)
    return (*_freeze_shown(told, *times, world), *_freeze_open(told, world), row, told.failure is not None, None)


def _freeze_list(told: ChannelEvidence, times: tuple[float, float], shown_at: float, world: World) -> Key:
    """Nothing depends on by how much more than a grace two scans are apart."""
    denials = told.denials
    row: Key | None = None
    if denials is not None:
        last = max(denials.last, shown_at - 1)
        first = max(denials.first, shown_at, last - world.terms.grace)
        row = _age(first, world.cap + 2), _age(last, world.cap), min(denials.count, SCANS_WITHOUT_QUERY)
    failing = _age(told.failing_since, world.outage)
    return (*_freeze_shown(told, *times, world), *_freeze_open(told, world), row, told.failure is not None, failing)


def _freeze_ended(told: ChannelEvidence, status_at: float, shown_at: float, first: float, world: World) -> Key:
    end: Key | None = None
    if told.end is not None:
        ages = [_age(at, world.cap * 2) for at in (told.end.first, told.end.last)]
        end = (_name(told.end.job), *ages, min(told.end.count, 2), _age(told.end._counted_at, 1))
    graces = (told.answered_at - first) / world.terms.grace
    answered = max((each for each in (1, GRACES_OF_OPEN) if graces >= each), default=0)
    return (*_freeze_shown(told, status_at, shown_at, world), end, answered, told.tried_at > first)


def thaw(key: Key, world: World) -> Evidence:
    """Make the evidence of a key, at the time 0."""
    first, joined, shown, query, listed, scans = key
    evidence = Evidence(_at(joined), _at(joined), shown)
    if first is None:
        evidence.by_query, evidence.by_list = _thaw_open(*query), _thaw_open(*listed)
    else:
        evidence.by_query = _thaw_ended(-float(first), world, *query)
        evidence.by_list = _thaw_ended(-float(first), world, *listed)
    evidence.incomplete_scans = [_at(age) for age in scans]
    return evidence


def _thaw_shown(word: Word | None, status: int | None, shown: int | None, files: bool) -> ChannelEvidence:
    return ChannelEvidence(last_word=word, status_at=_at(status), shown_at=_at(shown), files=(BAD,) if files else ())


def _thaw_open(*key: Any) -> ChannelEvidence:
    *shown, name, stuck, denials, failed, failing = key
    told = _thaw_shown(*shown)
    told.open_job = None if name is None else JOBS[name]
    if denials is not None:
        told.denials = Denials(_at(denials[0]), _at(denials[1]), denials[2])
    told.failure, told.failures = (UNREACHED, 1) if failed else (None, 0)
    told.failing_since = _at(failing, math.inf)
    told.stuck_since = _at(stuck, math.inf)
    return told


def _thaw_ended(first: float, world: World, *key: Any) -> ChannelEvidence:
    *shown, end, answered, tried = key
    told = _thaw_shown(*shown)
    if end is not None:
        name, first_age, last_age, count, counted = end
        told.end = ReportedEnd(JOBS[name], _at(first_age), _at(last_age), count)
        told.end._counted_at = _at(counted)
    told.answered_at = first + answered * world.terms.grace if answered else NEVER
    told.tried_at = first + 0.5 if tried else NEVER
    return told


class Node(NamedTuple):
    """Where one life may stand."""

    stage: int
    """0: what can be asked may change; 1: a query is asked; 2: the list is; 3: time goes by."""
    reach: tuple[bool, ListState]
    key: Key
    told: Told
    open_heard: bool = False
    """Whether a believed channel called the job open in this tick."""


def reach_of(pair: tuple[bool, ListState]) -> Reach:
    """Say what can be asked."""
    query, state = pair
    return Reach(query=query, query_refusal=None if query else REFUSED, list_state=state)


# What happens


def _ask(evidence: Evidence, channel: Channel, answer: str, world: World) -> None:
    if answer in JOBS:
        evidence.show(channel, JOBS[answer], 0.0, world.terms.interval)
        return
    {
        "denied": lambda: evidence.deny_by_query(0.0),
        "failure": lambda: evidence.fail_query(UNREACHED, 0.0),
        "sighting": lambda: evidence.sight(0.0),
        "lacks": lambda: evidence.deny_by_scan(0.0),
        "lacked before": lambda: evidence.deny_by_scan(-1.0),
        "incomplete": lambda: evidence.incomplete_scan(0.0),
        "broken off": lambda: evidence.by_list.fail(UNREACHED, 0.0),
    }[answer]()


def _ask_stale_list(evidence: Evidence, answer: str, world: World) -> None:
    """A scan of a stale list is incomplete, whatever it shows."""
    if answer not in {"lacks", "lacked before", "incomplete"}:
        _ask(evidence, LIST, answer, world)
    if answer != "broken off":
        evidence.incomplete_scan(0.0)


def killed(evidence: Evidence) -> Evidence:
    """Return what a snapshot keeps, resumed at once."""
    again = Evidence(0.0, 0.0, evidence.ever_shown)
    for channel, told in evidence.channels:
        again.restore(channel, None if told.end is None else told.end.job, told.files, 0.0)
    return again


def aged(evidence: Evidence, world: World) -> Evidence:
    """Return it a tick later."""
    times = {"joined_at", "first_joined_at"}
    older = attrs.evolve(evidence, **{name: getattr(evidence, name) - 1 for name in times})
    older.by_query, older.by_list = _aged_channel(evidence.by_query), _aged_channel(evidence.by_list)
    older.incomplete_scans = [at - 1 for at in evidence.incomplete_scans]
    return thaw(freeze(older, world), world)


def _aged_channel(told: ChannelEvidence) -> ChannelEvidence:
    names = ("status_at", "shown_at", "failing_since", "stuck_since", "answered_at", "tried_at")
    older = attrs.evolve(told, **{name: getattr(told, name) - 1 for name in names})
    if told.end is not None:
        older.end = ReportedEnd(told.end.job, told.end.first - 1, told.end.last - 1, told.end.count)
        older.end._counted_at = told.end._counted_at - 1
    if told.denials is not None:
        older.denials = Denials(told.denials.first - 1, told.denials.last - 1, told.denials.count)
    return older


Step = tuple[str, Node, bool]
"""What happens, where that leads, and whether it counts for a livelock."""


def steps(node: Node, world: World) -> Iterator[Step]:
    """Yield all that may happen next."""
    evidence = thaw(node.key, world)
    if node.stage == 0:
        for reach in world.reaches:
            yield f"can be asked: {_reach_words(reach)}", node._replace(stage=1, reach=reach), True
        key = freeze(killed(evidence), world)
        yield "killed and resumed", node._replace(stage=1, key=key), False
    elif node.stage == 3:
        key = freeze(aged(evidence, world), world)
        yield "a tick", node._replace(stage=0, key=key, open_heard=False), True
    else:
        yield from _answers(node, world)


def _reach_words(reach: tuple[bool, ListState]) -> str:
    return f"query {'yes' if reach[0] else 'no'}, list {reach[1].value}"


def _answers(node: Node, world: World) -> Iterator[Step]:
    query, state = node.reach
    channel = QUERY if node.stage == 1 else LIST
    if not (query if channel is QUERY else state is not ListState.ABSENT):
        yield "", node._replace(stage=node.stage + 1), True
        return
    is_believed = channel is QUERY or not query or state is not ListState.STALE
    for answer in world.answers(channel):
        evidence = thaw(node.key, world)
        if channel is LIST and state is ListState.STALE:
            _ask_stale_list(evidence, answer, world)
        else:
            _ask(evidence, channel, answer, world)
        told = node.told.and_then(channel, JOBS[answer]) if answer in JOBS else node.told
        is_open = is_believed and answer in JOBS and not JOBS[answer].status.is_terminal
        key = freeze(evidence, world)
        yield (
            f"{channel.value}: {answer}",
            Node(node.stage + 1, node.reach, key, told, node.open_heard or is_open),
            not is_open,
        )


# What is checked


def wrong(verdict: Verdict, node: Node) -> str | None:
    """Say what is wrong with a verdict, given what was reported."""
    if verdict.phase is not Phase.ENDED:
        return None
    if verdict.job is not None:
        return _wrong_end(verdict.job, verdict, node)
    if node.told.worst > 0:
        return "an end that is no success was reported, and the job ends in an error of the source"
    if isinstance(verdict.error, JobNotFound) and node.told.worst == 0:
        return "not found, though an end was reported"
    stuck = {Line.UNKNOWN_END, Line.PENDING_TOO_LONG}
    if node.open_heard and node.told.worst < 0 and verdict.line not in stuck:
        return "a believed channel calls it open, and neither reported an end"
    return None


def _wrong_end(job: Job, verdict: Verdict, node: Node) -> str | None:
    status = SEVERITY[job.status]
    if status < node.told.worst:
        return "better than the worst end that was reported"
    if job.status is JobStatus.SUCCESS and node.told.bad_files:
        return "a success, though bad files are remembered"
    if status > max(node.told.worst, SEVERITY[JobStatus.PARTIALLY_FAILED] if node.told.bad_files else -1):
        return "worse than anything that was reported"
    if verdict.error is not None or job.confirmed is verdict.is_unconfirmed:
        return "an end that is no end, or not marked as it was decided"
    return None


@attrs.frozen
class Check:
    """Everything that is checked at one node."""

    node: Node
    evidence: Evidence
    plane: Plane
    world: World

    def verdict(self, now: float = 0.0) -> Verdict:
        """Decide."""
        return decide(REF, self.evidence, reach_of(self.node.reach), self.plane, self.world.terms, now)

    def problem(self, verdict: Verdict) -> str | None:
        """Say what is wrong with a verdict, if anything is."""
        if freeze(self.evidence, self.world) != self.node.key:
            return "the verdict changed the evidence"
        return wrong(verdict, self.node) or self._at_a_deadline() or self._in_time(verdict)

    def _at_a_deadline(self) -> str | None:
        reach = reach_of(self.node.reach)
        found = decide_at_deadline(REF, self.evidence, reach, self.plane, self.world.terms, 0.0)
        if found is None:
            return "a bad end is a timeout" if self.node.told.worst > 0 else None
        assert found.job is not None
        if found.job.status is JobStatus.SUCCESS and found.is_unconfirmed:
            return "an unconfirmed success at a deadline"
        return wrong(found, self.node)

    def _in_time(self, verdict: Verdict) -> str | None:
        """Time alone changes a verdict at its `next_time` and never before."""
        if verdict.phase is Phase.ENDED:
            return None
        if verdict.next_time <= 0:
            return f"is to change at {verdict.next_time}, which is over"
        until = min(verdict.next_time, 4.0 * self.world.cap)
        for now in (0.25, until - 0.25):
            later = self.verdict(now)
            if (later.phase, later.line) != (verdict.phase, verdict.line):
                return f"changed by time alone at {now}, before {verdict.next_time}: {later.line}"
        return None


@attrs.define
class Found:
    """What an exploration found."""

    plane: str
    world: World
    nodes: int = 0
    endings: dict[Line, int] = attrs.field(factory=dict)
    problem: str | None = None
    story: list[str] = attrs.field(factory=list)
    longest: int = 0
    """Ticks that the longest way without a believed OPEN takes to its end."""


_ENDED = -1


@attrs.define
class Explorer:
    """One exploration."""

    name: str
    plane: Plane
    world: World
    ids: dict[Node, int] = attrs.field(factory=dict)
    """The number of each node that was met; of those where the job has ended, `_ENDED`."""
    queue: list[Node] = attrs.field(factory=list)
    parents: list[tuple[int, str]] = attrs.field(factory=list)
    onward: list[array[int]] = attrs.field(factory=list)
    """For each node those that follow without a believed OPEN."""
    endings: dict[Line, int] = attrs.field(factory=dict)

    def run(self) -> Found:
        """Explore everything that can be reached."""
        found = Found(self.name, self.world, endings=self.endings)
        key = freeze(Evidence(0.0, 0.0), self.world)
        for reach in self.world.reaches:
            self._add(Node(1, reach, key, Told()), 0, f"joined: {_reach_words(reach)}")
        for at, node in enumerate(self.queue):
            for how, after, counts in steps(node, self.world):
                onto, problem = self._meet(after, at, how)
                if problem is not None:
                    found.problem, found.story = problem, [*self.story(at), how]
                    return found
                if counts and onto != _ENDED:
                    self.onward[at].append(onto)
        found.nodes = len(self.queue)
        cycle, found.longest = longest_way(self.onward, [node.stage == 3 for node in self.queue])
        if cycle is not None:
            found.problem = "a livelock: nothing but this, again and again, never ends the job"
            found.story = [*self.story(cycle[0]), "again and again:", *self._around(cycle)]
        elif found.longest > self.world.bound:
            found.problem = f"takes {found.longest} ticks without a believed OPEN, and may take {self.world.bound}"
        return found

    def _add(self, node: Node, parent: int, how: str) -> int:
        number = self.ids[node] = len(self.queue)
        self.queue.append(node)
        self.parents.append((parent, how))
        self.onward.append(array("l"))
        return number

    def _meet(self, node: Node, parent: int, how: str) -> tuple[int, str | None]:
        known = self.ids.get(node)
        if known is not None:
            return known, None
        evidence = thaw(node.key, self.world)
        check = Check(node, evidence, self.plane, self.world)
        verdict = check.verdict()
        problem = check.problem(verdict)
        if problem is not None:
            return _ENDED, f"{problem} ({verdict.line.name})"
        if verdict.phase is Phase.ENDED:
            self.endings[verdict.line] = self.endings.get(verdict.line, 0) + 1
            self.ids[node] = _ENDED
        elif verdict.line is Line.DROPPED:
            evidence.begin_anew()
            told = attrs.evolve(node.told, worst=-1)
            dropped = node._replace(key=freeze(evidence, self.world), told=told)
            number, problem = self._meet(dropped, parent, f"{how}; the end is dropped")
            self.ids[node] = number
            return number, problem
        else:
            self._add(node, parent, how)
        return self.ids[node], None

    def story(self, at: int) -> list[str]:
        """Tell the shortest way to a node."""
        told: list[str] = []
        while at:
            at, how = self.parents[at]
            told.append(how)
        return [how for how in reversed(told) if how]

    def _around(self, cycle: list[int]) -> Iterator[str]:
        for here, there in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            yield from [how for how, after, _ in steps(self.queue[here], self.world) if self.ids[after] == there][:1]


def longest_way(onward: list[array[int]], ticks: list[bool]) -> tuple[list[int] | None, int]:
    """Return a cycle, if there is one, and else the most ticks that any way has."""
    best = [-1] * len(onward)
    on_way: dict[int, int] = {}
    for start in range(len(onward)):
        if best[start] >= 0:
            continue
        way = [(start, iter(onward[start]))]
        on_way[start] = 0
        while way:
            here, others = way[-1]
            onto = next((each for each in others if best[each] < 0), None)
            if onto is None:
                best[here] = max((best[each] for each in onward[here]), default=0) + ticks[here]
                way.pop()
                del on_way[here]
            elif onto in on_way:
                return [node for node, _ in way[on_way[onto] :]], 0
            else:
                on_way[onto] = len(way)
                way.append((onto, iter(onward[onto])))
    return None, max(best, default=0)


def explore(plane: str, world: World) -> Found:
    """Explore one plane."""
    return Explorer(plane, PLANES[plane], world).run()


def report(found: Found) -> str:
    """Say what an exploration found."""
    if found.problem is not None:
        return "\n  ".join([f"{found.plane}: {found.problem}", *found.story])
    terms = found.world.terms
    lines = ", ".join(sorted(f"{line.name} {number:,}" for line, number in found.endings.items()))
    return (
        f"{found.plane}: {found.nodes:,} states, no fault, no livelock; without a believed OPEN it ends within "
        f"{found.longest} ticks (grace {terms.grace:g}, outage {terms.outage:g})\n  ends by {lines}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Explore the planes that are named, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.explore", description=__doc__)
    parser.add_argument("--plane", choices=list(PLANES), action="append")
    parser.add_argument("--small", action="store_true", help="fewer answers, shorter times")
    options = parser.parse_args(arguments)
    status = 0
    for plane in options.plane or PLANES:
        found = explore(plane, SMALL if options.small else FULL)
        print(report(found), flush=True)
        status |= found.problem is not None
    return status


if __name__ == "__main__":
    sys.exit(main())
