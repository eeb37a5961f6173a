"""What the replies told a poller of one job, channel by channel: written from the design's page, for judging only."""

from __future__ import annotations

import math
from typing import Literal

import attrs

from gespoll import JobStatus

from .channels import Kind, Said

Name = Literal["query", "list"]
_ORDER = [JobStatus.SUCCESS, JobStatus.CANCELLED, JobStatus.PARTIALLY_FAILED, JobStatus.FAILED]


def worse(one: JobStatus | None, other: JobStatus | None) -> JobStatus | None:
    """Return the worse of two ends."""
    ends = [end for end in (one, other) if end is not None]
    return max(ends, key=_ORDER.index, default=None)


@attrs.define
class Channel:
    """What one channel told."""

    last: Said | None = None
    last_open: JobStatus | None = None
    """The last status that was none of an end."""
    worst: JobStatus | None = None
    has_files: bool = False
    """Whether the worst end that it told came with files."""
    has_reason: bool = False
    """Whether it came with a reason."""
    first_end: float = math.inf
    last_end: float = -math.inf
    tellings: int = 0
    heard: int = 0
    """How often it told an end, however close."""
    counted_at: float = -math.inf
    """When it last told an end that counts, an interval after the one before."""
    bad_files: bool = False
    denials: int = 0
    first_denial: float = math.inf
    shown_at: float = -math.inf
    status_at: float = -math.inf
    answered_at: float = -math.inf
    refused: bool = False
    failed_at: float = -math.inf
    last_trouble: Said | None = None

    def hear(self, said: Said, at: float, apart: float) -> None:
        """Take in a reply; tellings of an end count anew when they are so many seconds apart."""
        if said.kind in {Kind.FAILED, Kind.HANGS, Kind.REFUSED}:
            self.failed_at, self.last_trouble = at, said
            self.refused = self.refused or said.kind is Kind.REFUSED
            return
        self.answered_at, self.last = at, said
        if said.kind is Kind.DENIED:
            self.denials += 1
            self.first_denial = min(self.first_denial, at)
            return
        self.shown_at, self.denials, self.first_denial = at, 0, math.inf
        if said.kind is Kind.STATUS:
            self._status(said, at, apart)

    def _status(self, said: Said, at: float, apart: float) -> None:
        self.status_at = at
        self.bad_files = self.bad_files or said.files == "bad"
        if not said.is_end:
            self.last_open = said.status
            return
        if said.files == "good":
            self.bad_files = False  # a later end of the same channel came with its files
        worst = worse(self.worst, said.status)
        if worst is not self.worst:
            self.worst, self.has_files, self.has_reason = worst, False, False
        if said.status is worst:
            self.has_files = self.has_files or said.files is not None
            self.has_reason = self.has_reason or said.reason
        self.heard += 1
        if at - self.counted_at >= apart:
            self.tellings += 1
            self.counted_at = at
        self.first_end = min(self.first_end, at)
        self.last_end = at


@attrs.define
class Evidence:
    """What both channels told of a job since it joined, or since an end was dropped."""

    since: float
    query: Channel = attrs.field(factory=Channel)
    listed: Channel = attrs.field(factory=Channel)
    is_import: bool | None = None
    ever_shown: bool = False
    halted_since: float = math.inf

    def channel(self, name: Name) -> Channel:
        """Return one channel's."""
        return self.query if name == "query" else self.listed

    def other(self, name: Name) -> Channel:
        """Return the other channel's."""
        return self.listed if name == "query" else self.query

    def hear(self, name: Name, said: Said, at: float, apart: float) -> None:
        """Take in a reply."""
        self.channel(name).hear(said, at, apart)
        if said.kind is Kind.STATUS and said.is_import is not None:
            self.is_import = bool(said.is_import or self.is_import)
        if said.kind in {Kind.STATUS, Kind.SIGHTING}:
            self.ever_shown = True
        if said.is_open and said.over:
            self.halted_since = min(self.halted_since, at)

    @property
    def both(self) -> tuple[Channel, Channel]:
        """Return both channels'."""
        return self.query, self.listed

    @property
    def worst(self) -> JobStatus | None:
        """The worst end that was told; a success is a partial failure while bad files are remembered."""
        end = worse(self.query.worst, self.listed.worst)
        remembered = self.query.bad_files or self.listed.bad_files
        return JobStatus.PARTIALLY_FAILED if end is JobStatus.SUCCESS and remembered else end

    @property
    def first_end(self) -> float:
        """When an end was told first."""
        return min(self.query.first_end, self.listed.first_end)

    @property
    def tellings(self) -> int:
        """How often an end was told."""
        return self.query.tellings + self.listed.tellings

    @property
    def has_files(self) -> bool:
        """Whether an end came with files."""
        return self.query.has_files or self.listed.has_files

    @property
    def shown_at(self) -> float:
        """When the job was shown last."""
        return max(self.query.shown_at, self.listed.shown_at)

    @property
    def status_at(self) -> float:
        """When a status was read last."""
        return max(self.query.status_at, self.listed.status_at)

    @property
    def missing_since(self) -> float:
        """The later of the first denial and the last showing."""
        return max(min(self.query.first_denial, self.listed.first_denial), self.shown_at, self.since)

    def may_be_dropped(self, name: Name, at: float, grace: float) -> bool:
        """Whether a success that a channel told may be forgotten, because that channel has said open for a grace."""
        told = self.channel(name)
        return (
            told.worst is JobStatus.SUCCESS
            and self.other(name).worst in {None, JobStatus.SUCCESS}
            and at - told.last_end >= grace
        )

    def renewed(self, at: float) -> Evidence:
        """Return what is left when an end was dropped: bad files, and whether the job was ever shown."""
        fresh = Evidence(at, is_import=self.is_import, ever_shown=self.ever_shown, halted_since=self.halted_since)
        fresh.query.bad_files, fresh.listed.bad_files = self.query.bad_files, self.listed.bad_files
        return fresh

    def kept(self, at: float, *, was_decided: bool = False) -> Evidence:
        """Return what a snapshot keeps, as of a resume at that moment.

        An end that was decided, and whose change was not taken yet, is none the less sure.
        """
        fresh = Evidence(at, is_import=self.is_import, ever_shown=self.ever_shown)
        for old, new in zip(self.both, fresh.both, strict=True):
            new.bad_files, new.worst = old.bad_files, old.worst
            if old.worst is not None:
                new.first_end = new.last_end = new.counted_at = at
                new.tellings = new.heard = old.tellings if was_decided else 1
        return fresh
