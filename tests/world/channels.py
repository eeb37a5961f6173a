"""What a channel says of a job: a voice, which tells the truth in some phases and lies in others.

Each channel has a voice of its own for each job, so a list and a query lie independently.
"""

from __future__ import annotations

import enum
import math
from functools import cache
from typing import Literal

import attrs

from gespoll import JobStatus

from .truth import Stage, Truth

Trouble = Literal["503", "reset", "garbled", "429", "401", "403", "400", "413", "422", "500", "tls"]


class Kind(enum.Enum):
    """What sort of thing a channel said."""

    STATUS = "status"
    SIGHTING = "sighting"
    DENIED = "denied"
    FAILED = "failed"
    REFUSED = "refused"
    HANGS = "hangs"


@attrs.frozen
class Said:
    """What one reply says of one job."""

    kind: Kind
    status: JobStatus | None = None
    files: Literal["good", "bad"] | None = None
    is_import: bool | None = None
    reason: bool = False
    over: bool = False
    """Whether an end time stands beside the word."""
    trouble: Trouble | None = None
    graph_missing: bool = False

    @property
    def is_end(self) -> bool:
        """Whether it says that the job has ended."""
        return self.status is not None and self.status.is_terminal

    @property
    def is_open(self) -> bool:
        """Whether it says that the job has not ended."""
        return self.status is not None and not self.status.is_terminal

    def __str__(self) -> str:
        if self.status is None:
            return self.trouble or ("graph missing" if self.graph_missing else self.kind.value)
        facts = [f"files {self.files}"] * bool(self.files) + ["with a reason"] * self.reason
        facts += ["ended"] * (self.over and not self.is_end) + ["kind unknown"] * (self.is_import is None)
        return self.status.value + (f" ({', '.join(facts)})" if facts else "")


DENIED = Said(Kind.DENIED)
GRAPH_MISSING = Said(Kind.DENIED, graph_missing=True)
SIGHTING = Said(Kind.SIGHTING)
HANGS = Said(Kind.HANGS)


@cache
def failed(trouble: Trouble) -> Said:
    """Return a failure of one request."""
    return Said(Kind.REFUSED if trouble in {"403", "400", "413", "422"} else Kind.FAILED, trouble=trouble)


class Manner(enum.Enum):
    """How a channel behaves for a while."""

    TRUE = "truth"
    DENY = "denies"
    BLANK = "without status"
    FROZEN = "frozen"
    LAG = "lags"
    FAIL = "fails"
    HANG = "hangs"
    GONE = "graph missing"


@attrs.frozen
class Phase:
    """A manner from a moment on, until the next phase begins."""

    start: float
    manner: Manner = Manner.TRUE
    value: float = 0.0
    """FROZEN: the moment at which the channel stopped. LAG: seconds."""
    trouble: Trouble = "503"
    flap: float = 0.0
    """Seconds after which it takes turns with the truth; 0: it does not."""

    def is_lying(self, now: float) -> bool:
        """Whether it is the turn of its manner, not of the truth."""
        return self.flap == 0 or int((now - self.start) / self.flap) % 2 == 0


HONEST = (Phase(0.0),)


@attrs.frozen
class Voice:
    """What one channel says of one job, all along."""

    phases: tuple[Phase, ...] = HONEST
    files: bool = False
    """Whether it reports the files of an import."""
    kind: bool = True
    """Whether it reports if the job is an import."""
    reason: bool = True
    """Whether it reports why a job failed."""
    end: Stage | None = None
    """Another end than the true one."""

    def phase(self, now: float) -> Phase:
        """Return the phase at a moment."""
        return phase_of(self.phases, now)

    def says(self, truth: Truth, now: float) -> Said:
        """Return what it says of a job."""
        phase = self.phase(now)
        manner = phase.manner if phase.is_lying(now) else Manner.TRUE
        if manner in {Manner.TRUE, Manner.LAG, Manner.FROZEN}:
            return self._reports(truth, _moment(manner, phase.value, now))
        return _lie(manner, phase.trouble)

    def _reports(self, truth: Truth, moment: float) -> Said:
        stage = truth.stage(moment)
        if stage is Stage.ABSENT:
            return DENIED
        if stage.is_over and self.end is not None:
            stage = self.end
        return _report(
            stage, truth.is_import, truth.loses_early, truth.partial_word, self.files, self.kind, self.reason
        )

    def turns(self, truth: Truth, until: float) -> list[float]:
        """Return when what it says may change."""
        times = list(truth.turns)
        for number, phase in enumerate(self.phases):
            end = self.phases[number + 1].start if number + 1 < len(self.phases) else until
            times.append(phase.start)
            if phase.manner is Manner.LAG:
                times += [turn + phase.value for turn in truth.turns]
            if phase.flap:
                times += [
                    phase.start + phase.flap * step for step in range(1, math.ceil((end - phase.start) / phase.flap))
                ]
        return times


def phase_of(phases: tuple[Phase, ...], now: float) -> Phase:
    """Return the last phase that has begun."""
    found = phases[0]
    for phase in phases:
        if phase.start > now:
            break
        found = phase
    return found


def _moment(manner: Manner, value: float, now: float) -> float:
    if manner is Manner.LAG:
        return now - value
    return min(now, value) if manner is Manner.FROZEN else now


def _lie(manner: Manner, trouble: Trouble) -> Said:
    match manner:
        case Manner.DENY:
            return DENIED
        case Manner.GONE:
            return GRAPH_MISSING
        case Manner.BLANK:
            return SIGHTING
        case Manner.HANG:
            return HANGS
        case _:
            return failed(trouble)


@cache
def _report(
    stage: Stage, is_import: bool, loses_early: bool, partial_word: bool, files: bool, kind: bool, reason: bool
) -> Said:
    """Return how a channel words a stage; what it cannot report is left out."""
    files = files and is_import
    told = is_import if kind else None
    match stage:
        case Stage.PENDING:
            return Said(Kind.STATUS, JobStatus.PENDING, is_import=told)
        case Stage.RUNNING:
            return Said(Kind.STATUS, JobStatus.RUNNING, "bad" if files and loses_early else None, told)
        case Stage.HALTED:
            return Said(Kind.STATUS, JobStatus.UNKNOWN, None, told, over=True)
        case Stage.SUCCESS:
            return Said(Kind.STATUS, JobStatus.SUCCESS, "good" if files else None, told, over=True)
        case Stage.PARTIAL if files or partial_word:
            return Said(Kind.STATUS, JobStatus.PARTIALLY_FAILED, "bad" if files else None, told, over=True)
        case Stage.PARTIAL:
            return Said(Kind.STATUS, JobStatus.SUCCESS, None, told, over=True)
        case Stage.FAILED:
            return Said(Kind.STATUS, JobStatus.FAILED, "bad" if files else None, told, reason, over=True)
        case _:
            return Said(Kind.STATUS, JobStatus.CANCELLED, None, told, over=True)
