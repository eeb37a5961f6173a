"""The record of a run: every request, every reply, every change that a consumer took, with its time."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from gespoll import JobStatus

from .channels import Said


@attrs.frozen
class Asked:
    """A request that left."""

    at: float
    number: int
    scope: str
    life: int = 0
    job_id: str | None = None
    """`None`: it asks for the list."""
    graph: str | None = None
    offset: int = 0
    limit: int = 0


@attrs.frozen
class Page:
    """The entries of one list reply."""

    ids: tuple[str | None, ...]
    said: dict[str, Said]
    """What it says of the jobs that somebody waits for."""
    total: int | None = None


@attrs.frozen
class Answered:
    """What came of a request; a failure where it is cancelled, because nobody wanted it or it took too long."""

    at: float
    asked: Asked
    reply: Said | Page | None
    """`None`: it was cancelled."""
    retry_after: float | None = None


@attrs.frozen
class Joined:
    """A watch began to wait for a job."""

    at: float
    watch: int
    life: int
    job_id: str
    graph: str | None = None
    ends_at: float | None = None
    """The deadline of the job or of its watch, whichever comes first."""
    resumed: bool = False
    """Whether it comes from the last snapshot of its watch."""
    first_at: float = 0.0
    """When it joined its watch at first, before any kill."""


@attrs.frozen
class Taken:
    """A change, as a consumer took it."""

    at: float
    watch: int
    life: int
    job_id: str
    status: JobStatus | None
    is_final: bool = False
    error: str | None = None
    """The error's type and its bases' names, as `JobVanished JobNotFound JobError`."""
    observed_at: float = 0.0
    files: bool = False
    reason: bool = False
    confirmed: bool = True
    text: str = ""

    @property
    def ended_as(self) -> str:
        """Name the end."""
        return "success" if self.error is None else self.error.split()[0]

    @property
    def is_verdict(self) -> bool:
        """Whether the job has ended for good: one left open by a timeout or a service out of reach is resumed."""
        return self.is_final and (self.error is None or self.is_error("JobError"))

    def is_error(self, name: str) -> bool:
        """Whether it ended in such an error."""
        return self.error is not None and name in self.error.split()


@attrs.frozen
class Kept:
    """A snapshot of a watch was taken."""

    at: float
    watch: int


@attrs.frozen
class Left:
    """A watch was left: by itself, or because its process was killed."""

    at: float
    watch: int
    life: int
    killed: bool = False
    raised: str | None = None


Event = Asked | Answered | Joined | Taken | Kept | Left


@attrs.define
class Log:
    """What happened, in order."""

    events: list[Event] = attrs.field(factory=list)
    on_reply: Callable[[], None] | None = None
    """Called after each reply was put down."""
    on_flood: Callable[[], None] | None = None
    requests: int = 0
    replies: int = 0
    flooded: bool = False
    """Whether the run was cut, because there were too many requests."""
    period: float = 0.0
    """The longest period that the poller told."""
    rate: float = float("inf")
    """The least rate that the poller told."""
    left_over: list[str] = attrs.field(factory=list)
    """What was still there when everything was left."""
    ended_at: float = 0.0

    def add(self, event: Event) -> None:
        """Put down what happened."""
        self.events.append(event)

    def taken(self) -> list[Taken]:
        """Return the changes."""
        return [event for event in self.events if isinstance(event, Taken)]
