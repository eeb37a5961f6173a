"""The service as a program that waits sees it, whoever answers.

Rule: peers know this protocol and nothing of what is behind it, so that the same lines run against the
simulated service and over HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import anyio
import attrs

import gespoll

RUNNING = "running"
ENDED = "success"
FAILED = "failed"


class TooManyRequests(Exception):
    """The service answered 429. It does not tell how long to wait."""


class ListRefused(Exception):
    """The service answered 403: the list of jobs may not be read."""


class PageTooLarge(Exception):
    """The service answered 400: more entries were asked for than it gives at once."""


class ServiceDown(Exception):
    """The service answered 503, and does not say for how long."""


@attrs.frozen
class Page:
    """What one list request brought."""

    entries: Sequence[tuple[str, str]]
    """Job id and status word of each entry."""
    total: int
    """Number of all jobs in the list."""


@attrs.frozen
class Pace:
    """How fast a contestant may and wants to be."""

    per_second: float
    """Requests per second that may be sent."""
    interval: float
    """Seconds between two looks at the same thing, where the rate allows."""
    seed: int = 0
    """What the jitter starts from."""


class Api(Protocol):
    """One service, and one who asks it."""

    async def get(self, job_id: str) -> str:
        """Read the status word of one job. May be cancelled.

        Raises:
            TooManyRequests: when the service throttles.
        """

    async def page(self, offset: int, limit: int) -> Page:
        """Read a part of the list, which may be shorter than asked. May be cancelled.

        Raises:
            TooManyRequests: when the service throttles.
            ListRefused: when it may not be read.
            PageTooLarge: when a smaller limit must be asked for.
        """

    def poller(self, pace: Pace) -> gespoll.Poller:
        """Make a poller of the same service."""

    def ref(self, job_id: str) -> gespoll.JobRef:
        """Name a job as gespoll is to know it."""


@attrs.define(eq=False)
class Sightings:
    """When each end was learned of."""

    open: set[str]
    """Jobs whose end nobody has seen yet."""
    seen_at: dict[str, float] = attrs.field(factory=dict)
    """Loop time, in seconds, at which an end was first known."""

    def saw(self, job_id: str, word: str) -> bool:
        """Note what a reply says of a job; tell whether the job has ended."""
        if word == RUNNING:
            return False
        if job_id in self.open:
            self.open.remove(job_id)
            self.seen_at[job_id] = anyio.current_time()
        return True
