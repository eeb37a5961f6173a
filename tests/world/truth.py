"""What really becomes of a job, whatever any channel says of it."""

from __future__ import annotations

import enum
import math

import attrs


class Stage(enum.Enum):
    """How a job stands in truth."""

    ABSENT = "absent"
    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HALTED = "halted"  # a word that no document names, with an end time

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self not in {Stage.ABSENT, Stage.PENDING, Stage.RUNNING}


@attrs.frozen
class Truth:
    """One job: when it starts, ends and leaves, and how. Times are seconds since the world began."""

    job_id: str
    graph: str = "g0"
    is_import: bool = True
    end: Stage = Stage.SUCCESS
    running_at: float = 0.0
    ends_at: float = 0.0
    """`inf`: it never ends."""
    appears_at: float = 0.0
    """`inf`: it never existed."""
    gone_at: float = math.inf
    """From then on the service has forgotten it."""
    loses_early: bool = False
    """Whether the lost lines stand in its files while it is still running."""
    partial_word: bool = False
    """Whether the word says that it was partly loaded, also where no files are reported."""

    def stage(self, now: float) -> Stage:
        """Return how it stands."""
        if not self.appears_at <= now < self.gone_at:
            return Stage.ABSENT
        if now >= self.ends_at:
            return self.end
        return Stage.RUNNING if now >= self.running_at else Stage.PENDING

    @property
    def turns(self) -> list[float]:
        """When its stage changes."""
        times = [self.appears_at, self.running_at, self.ends_at, self.gone_at]
        return [time for time in times if time < math.inf]
