"""What each channel reported of one job.

Rule: two channels can tell of a job, a query for it and the list of its scope. What one of them reports never erases
what the other did, so there is no order of events to get wrong: `_verdict` decides from all of it at any time.
Nothing here decides anything.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Iterable
from datetime import datetime

import attrs

from gespoll._errors import SourceError
from gespoll._jobs import ImportFile, Job, JobStatus

INCOMPLETE_SCANS = 3
"""Scans in a row that came out incomplete, after which a list is taken to be unable to prove an absence: one may meet
an arrival or a slow replica, three in a row (two minutes) meet a list that never shows itself as a whole."""
NEVER = -math.inf


class Channel(enum.Enum):
    """What can tell of a job."""

    QUERY = "query"
    LIST = "list"

    @property
    def other(self) -> Channel:
        """The other one."""
        return Channel.LIST if self is Channel.QUERY else Channel.QUERY


class Word(enum.Enum):
    """What a channel reported last of a job."""

    OPEN = "open"
    END = "end"
    THERE = "there"
    """Its entry, whose record could not be read: a sighting."""
    DENIED = "denied"


@attrs.define(eq=False)
class ReportedEnd:
    """The worst end that one channel reported."""

    job: Job
    first: float
    """When it first reported an end, in seconds."""
    last: float
    """When it last reported one."""
    count: int = 1
    """How often, its own reports at least an interval apart."""
    _counted_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._counted_at = self.first

    def again(self, job: Job, now: float, interval: float) -> None:
        """Take in another report of an end by the same channel."""
        self.job = worse(self.job, job)
        self.last = now
        if now >= self._counted_at + interval:
            self.count += 1
            self._counted_at = now


@attrs.define(eq=False)
class Denials:
    """A row of denials by one channel, unbroken by anything that it showed. Those of a scan count from its begin."""

    first: float
    last: float
    count: int = 1
    graph_missing: bool = False
    """Whether the last one said that the graph itself is gone."""


@attrs.define(eq=False)
class ChannelEvidence:
    """What one channel reported of one job. Times are seconds on the monotonic clock."""

    last_word: Word | None = None
    open_job: Job | None = None
    """What it showed last while the job was open."""
    status_at: float = NEVER
    """When a status was last read."""
    shown_at: float = NEVER
    """When the job was last shown."""
    end: ReportedEnd | None = None
    denials: Denials | None = None
    files: tuple[ImportFile, ...] = ()
    """The files of the last reply that held bad ones, and the bad ones before it, until an end comes with its files."""
    failure: SourceError | None = None
    """What the last try ended in, unless that was an answer."""
    failing_since: float = math.inf
    """When the row of failures began that is not over; infinite when there is none."""
    failures: int = 0
    """How many tries of it failed in a row."""
    stuck_since: float = math.inf
    """Since when it shows the same unknown word beside the same end time; infinite while it does not."""
    answered_at: float = NEVER
    tried_at: float = NEVER

    @property
    def is_in_trouble(self) -> bool:
        """Whether it holds anything but that the job is open; a failure aside."""
        is_open = self.last_word in {None, Word.OPEN} and self.end is None and self.stuck_since == math.inf
        return not is_open or bool(self.files)

    def _answered(self, word: Word | None, now: float) -> None:
        self.last_word = word
        self.answered_at = self.tried_at = now
        self.failure = None
        self.failing_since = math.inf
        self.failures = 0

    def show(self, job: Job, now: float, interval: float) -> None:
        """Take in a status."""
        self.status_at = self.shown_at = now
        self.denials = None
        self.keep_bad_files(job)
        if not job.status.is_terminal:
            self._answered(Word.OPEN, now)
            self._note_stuck(job, now)
            self.open_job = job
            return
        self._answered(Word.END, now)
        self.stuck_since = math.inf
        if self.end is None:
            self.end = ReportedEnd(job, now, now)
        else:
            self.end.again(job, now, interval)

    def _note_stuck(self, job: Job, now: float) -> None:
        if job.status is not JobStatus.UNKNOWN or job.end_time is None:
            self.stuck_since = math.inf
        elif self.stuck_since == math.inf or self.open_job is None or _end_of(self.open_job) != _end_of(job):
            self.stuck_since = now

    def keep_bad_files(self, job: Job) -> None:
        """Remember the files of a reply with bad ones, until an end comes with its files."""
        if job.bad_files:
            self.files = with_bad_files(job.files or (), self.files)
        elif job.status.is_terminal and job.tells_files:
            self.files = ()

    def sight(self, now: float) -> None:
        """Take in an entry that could not be read in full."""
        self._answered(Word.THERE, now)
        self.shown_at = now
        self.denials = None

    def answer(self, at: float) -> None:
        """Take in an answer that says nothing new of the job; that of a scan counts from its begin."""
        self._answered(self.last_word, max(at, self.answered_at))

    def say_open(self, now: float) -> None:
        """Take in that it calls the job open, as it may have been long ago: it was neither shown nor read just now."""
        self._answered(Word.OPEN, now)

    def deny(self, since: float, *, graph_missing: bool = False) -> None:
        """Take in that it does not have the job.

        Args:
            since: when the query was answered, or the scan began, in seconds.
            graph_missing: whether the graph itself is gone.
        """
        self._answered(Word.DENIED, max(since, self.answered_at))
        if self.denials is None:
            self.denials = Denials(since, since)
        else:
            self.denials.count += 1
            self.denials.last = since
        self.denials.graph_missing = graph_missing

    def begun_anew(self) -> ChannelEvidence:
        """Return what is left of it when an end is dropped: bad files, and when the job was shown."""
        return ChannelEvidence(files=self.files, status_at=self.status_at, shown_at=self.shown_at)

    def fail(self, error: SourceError, now: float) -> None:
        """Take in that a try brought no answer."""
        self.failure = error
        self.failing_since = min(self.failing_since, now)
        self.failures += 1
        self.tried_at = now


def _end_of(job: Job) -> tuple[str, datetime | None]:
    return job.reported_status, job.end_time


@attrs.define(eq=False)
class Evidence:
    """What both channels reported of one job since it joined, or was resumed."""

    joined_at: float
    """When it joined or was resumed, in seconds."""
    first_joined_at: float
    """When it joined, before any resume."""
    ever_shown: bool = False
    """Whether anybody ever showed it, also before a resume."""
    is_import: bool | None = None
    """Whether it is a bulk import, as either channel said at any time."""
    by_query: ChannelEvidence = attrs.field(factory=ChannelEvidence)
    by_list: ChannelEvidence = attrs.field(factory=ChannelEvidence)
    incomplete_scans: list[float] = attrs.field(factory=list)
    """When the last scans began that came out incomplete in a row; three at most. One that began before the job was
    shown says nothing any more, which the verdict minds."""

    def of(self, channel: Channel) -> ChannelEvidence:
        """Return what one channel reported."""
        return self.by_query if channel is Channel.QUERY else self.by_list

    @property
    def channels(self) -> tuple[tuple[Channel, ChannelEvidence], ...]:
        """Both channels."""
        return (Channel.QUERY, self.by_query), (Channel.LIST, self.by_list)

    @property
    def shown_at(self) -> float:
        """When either channel last showed the job."""
        return max(self.by_query.shown_at, self.by_list.shown_at)

    @property
    def status_at(self) -> float:
        """When a status of it was last read."""
        return max(self.by_query.status_at, self.by_list.status_at)

    @property
    def ends(self) -> tuple[tuple[Channel, ReportedEnd], ...]:
        """The worst end that each channel reported."""
        return tuple((channel, each.end) for channel, each in self.channels if each.end is not None)

    def show_disbelieved(self, channel: Channel, job: Job, now: float) -> None:
        """Take in an open status that is not believed: the channel's word, bad files, and that the job existed."""
        self.of(channel).say_open(now)
        self.of(channel).keep_bad_files(job)
        self.ever_shown = True

    @property
    def is_ordinary(self) -> bool:
        """Whether it holds nothing but that the job is open, and shown since any failure."""
        if any(each.is_in_trouble or _fails_since(each, self.shown_at) for _, each in self.channels):
            return False
        return all(began_at < self.shown_at for began_at in self.incomplete_scans)

    def show(self, channel: Channel, job: Job, now: float, interval: float) -> None:
        """Take in a status that a channel reported.

        Args:
            channel: which.
            job: the job as it was reported.
            now: seconds on the monotonic clock.
            interval: seconds; reports of an end count once in it.
        """
        self.of(channel).show(job, now, interval)
        self.ever_shown = True
        self._note_kind(job)

    def _note_kind(self, job: Job) -> None:
        """Keep that either channel called it an import: an import's success is relied on less than another's."""
        if not self.is_import and job.is_import is not None:
            self.is_import = job.is_import

    def sight(self, now: float) -> None:
        """Take in a list entry that could not be read in full."""
        self.by_list.sight(now)
        self.ever_shown = True

    def deny_by_query(self, now: float, *, graph_missing: bool = False) -> None:
        """Take in that a query did not find the job."""
        self.by_query.deny(now, graph_missing=graph_missing)

    def deny_by_scan(self, began_at: float) -> None:
        """Take in that a complete scan lacked the job; one that began before it was last shown denies nothing."""
        if began_at < self.shown_at:
            self.by_list.answer(began_at)
            return
        self.by_list.deny(began_at)
        self.incomplete_scans = []

    def incomplete_scan(self, began_at: float) -> None:
        """Take in that a scan came out incomplete, as one of a stale list always does, even if it showed the job."""
        self.by_list.answer(began_at)
        self.incomplete_scans = [*self.incomplete_scans, began_at][-INCOMPLETE_SCANS:]

    def fail_query(self, error: SourceError, now: float) -> None:
        """Take in that a query brought no answer."""
        self.by_query.fail(error, now)

    def begin_anew(self) -> None:
        """Forget what was reported, but for bad files, and that and when the job was shown."""
        self.by_query = self.by_query.begun_anew()
        self.by_list = self.by_list.begun_anew()
        self.incomplete_scans = []

    def restore(self, channel: Channel, end: Job | None, files: tuple[ImportFile, ...], now: float) -> None:
        """Take in what a snapshot kept of a channel.

        Args:
            channel: which.
            end: the worst end that it reported, which counts as reported once, now.
            files: those that held bad ones.
            now: seconds on the monotonic clock.
        """
        evidence = self.of(channel)
        evidence.files = with_bad_files(files, evidence.files)
        self.is_import = self.is_import or (True if files else None)
        if end is not None:
            evidence.last_word = Word.END
            evidence.end = ReportedEnd(end if evidence.end is None else worse(evidence.end.job, end), now, now)
            self.ever_shown = True
            self._note_kind(end)


def _fails_since(channel: ChannelEvidence, shown_at: float) -> bool:
    return channel.failure is not None and channel.tried_at >= shown_at


_SEVERITY = {JobStatus.SUCCESS: 0, JobStatus.CANCELLED: 1, JobStatus.PARTIALLY_FAILED: 2, JobStatus.FAILED: 3}


def worse(job: Job, other: Job) -> Job:
    """Return the worse of two ends; of equals the one that says more, with what only the other says.

    The name of a job and what it was asked to do are facts of either.
    """
    worst, rest = sorted((job, other), key=_says, reverse=True)
    names = _FACTS + (_REASONS if worst.status is rest.status else ())
    facts = {name: value for name in names if not getattr(worst, name) and (value := getattr(rest, name)) is not None}
    return attrs.evolve(worst, **facts) if facts else worst


_FACTS = ("name", "job_type", "related_graph", "is_import", "request", "begin_time")
_REASONS = ("fail_reason", "files", "end_time")


def _says(job: Job) -> tuple[int, bool, bool, bool, bool]:
    return _SEVERITY[job.status], job.tells_files, bool(job.files), job.fail_reason is not None, job.name is not None


def worst_of(jobs: Iterable[Job]) -> Job:
    """Return the worst of some ends, at least one."""
    return functools.reduce(worse, jobs)


def with_bad_files(files: tuple[ImportFile, ...], earlier: tuple[ImportFile, ...]) -> tuple[ImportFile, ...]:
    """Return files with those that an earlier reply called bad, unless this one calls them bad itself."""
    bad_now = {_place(file) for file in files if file.is_bad}
    kept = [file for file in earlier if file.is_bad and _place(file) not in bad_now]
    places = {_place(file) for file in kept}
    return (*(file for file in files if _place(file) not in places), *kept)


def _place(file: ImportFile) -> tuple[str, str | None]:
    return file.kind, file.path
