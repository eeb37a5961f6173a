"""The nouns: which job, how it stands, and what changed.

Rule: nouns are frozen, hold what the server said beside what it means, and know
nothing of requests. What a server's word means is decided in one table here,
`effective_status`; where the words were found is `gespoll._wire`'s business. A user's own
words (`status_words=`) extend a copy of the table, which is passed along: nothing is global.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, Self

import attrs
import msgspec

FileKind = Literal["schema", "vertexset", "edgeset", "other"]


class JobStatus(enum.StrEnum):
    """How a job stands, whatever word the server used for it."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether a job in this status never changes again."""
        return self.rank == _TERMINAL_RANK

    @property
    def rank(self) -> int:
        """Its place in the order PENDING < RUNNING = UNKNOWN < terminal; a job only moves up."""
        return _RANKS.get(self, _TERMINAL_RANK)


_RANKS = {JobStatus.PENDING: 0, JobStatus.RUNNING: 1, JobStatus.UNKNOWN: 1}
_TERMINAL_RANK = 2


def is_identifier(text: str) -> bool:
    """Whether a text can be an id: printable, not blank, and one segment of a path in whatever way it is read."""
    return bool(text) and text.isprintable() and not text.isspace() and not _is_path(text)


def _is_path(text: str) -> bool:
    """Whether servers and proxies in between may normalise it, so that a request would be about something else."""
    return text in _STEPS or "/" in text or "\\" in text


_STEPS = frozenset({".", ".."})


def _check_identifier(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}: pass the id as the API gave it")
    if is_identifier(value):
        return
    if _is_path(value):
        raise ValueError(f"{name} {value!r} is a path, not an id: pass the id alone, or 'graph/job' to JobRef.parse")
    raise ValueError(f"{name} {value!r} is not an id: pass the text the API answered, unchanged")


class JobRef(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Which job is meant. Ids are opaque text.

    Two refs are equal if job id and graph are; the key is no part of that.

    Raises:
        TypeError: when an id or the key is not a `str`.
        ValueError: when an id is empty, blank, holds control characters, or is a path.
    """

    job_id: str
    """The job id, as a create, start, stop, delete or import call answered it."""
    graph: str | None = None
    """The graph id on the management plane, the graph name on the engine."""
    key: str | None = None
    """The caller's own name for the work, such as the item that was imported; kept in changes, results, errors and
    snapshots, and never sent."""

    def __post_init__(self) -> None:
        _check_identifier("job_id", self.job_id)
        if self.graph is not None:
            _check_identifier("graph", self.graph)
        if self.key is not None and not isinstance(self.key, str):
            raise TypeError(f"key must be a str, not {type(self.key).__name__}: pass your own name for the work")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `graph/job`, or a job id alone.

        Raises:
            TypeError: when it is not a `str`.
            ValueError: when either id cannot be one.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}: pass 'graph/job', or a job id")
        graph, slash, job_id = text.partition("/")
        return cls(job_id, graph) if slash else cls(text)

    @classmethod
    def from_reply(
        cls, body: Mapping[str, Any] | str | bytes, graph: str | None = None, key: str | None = None
    ) -> Self:
        """Read the reply to a call that starts a job: an import, a start, a stop, a deletion.

        Args:
            body: the body of the reply, decoded or not; its `job_id` or `jobId` is read.
            graph: the graph that the call was about.
            key: your own name for the work.

        Raises:
            SourceError: when the reply is an error of the service; the type says which, as for a poll.
            TypeError: when `body` is neither a mapping nor text.
            ValueError: when it holds neither a job id nor an error; the text says what it holds.
        """
        from gespoll._wire.submission import read_job_id  # it knows the errors, which know what a ref is

        return cls(read_job_id(body), graph, key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobRef):
            return NotImplemented
        return self.job_id == other.job_id and self.graph == other.graph

    def __hash__(self) -> int:
        return hash((self.job_id, self.graph))

    def __str__(self) -> str:
        return self.job_id if self.graph is None else f"{self.graph}/{self.job_id}"

    def __repr__(self) -> str:
        key = "" if self.key is None else f", key={self.key!r}"
        return f"JobRef(job_id={self.job_id!r}, graph={self.graph!r}{key})"


@attrs.frozen(kw_only=True)
class ImportFile:
    """How one file of a bulk import fared (`job_detail` of the job status documents)."""

    kind: FileKind
    """Which part of the graph the file holds; "other" where the engine's list has no such name."""
    path: str | None = None
    """The file's OBS path."""
    status: str | None = None
    """The server's word for the file: success, failed, partFailed; `None` when it says nothing."""
    log: str | None = None
    """OBS path of the import log, where rejected rows are explained."""
    cause: str | None = None
    """Why it failed, in the server's words."""
    total_lines: int | None = None
    """Lines in the file; `None` where the server says -1 or nothing."""
    failed_lines: int | None = None
    """Lines not loaded; `None` where the server says -1 or nothing."""
    successful_lines: int | None = None
    """Lines loaded; `None` where the server says -1 or nothing."""
    has_unreadable_count: bool = False
    """Whether one of the counts is there and is no whole number, so that nobody knows what was lost."""

    @property
    def outcome(self) -> Literal["loaded", "partial", "failed", "untold"]:
        """What word and counts say together: the worse wins, and an unknown word or an unreadable count is partial."""
        status = None if self.status is None else status_of_word(self.status)
        if status is JobStatus.FAILED:
            return "failed"
        if status not in {None, JobStatus.SUCCESS}:
            return "partial"
        if self.has_unreadable_count or self.failed_lines or self._missing_lines:
            return "partial"
        has_loaded_all = self.failed_lines == 0 or self._missing_lines == 0
        return "loaded" if status is JobStatus.SUCCESS or has_loaded_all else "untold"

    @property
    def is_bad(self) -> bool:
        """Whether it was not, or not wholly, loaded."""
        return self.outcome in {"partial", "failed"}

    @property
    def _missing_lines(self) -> int | None:
        """How many lines fewer were loaded than there are; `None` where one of the two is not told."""
        if self.total_lines is None or self.successful_lines is None:
            return None
        return max(self.total_lines - self.successful_lines, 0)

    def __str__(self) -> str:
        facts = [f"{self.kind} {self.path or '(no path)'}: {self.status or 'no status'}"]
        if self.failed_lines is not None:
            total = "" if self.total_lines is None else f" of {self.total_lines}"
            facts.append(f"{self.failed_lines}{total} lines failed")
        elif self._missing_lines:
            facts.append(f"{self._missing_lines} of {self.total_lines} lines missing")
        if self.has_unreadable_count:
            facts.append("its line counts cannot be read")
        facts += [f"{name} {value}" for name, value in (("cause", self.cause), ("log", self.log)) if value]
        return ", ".join(facts)


@attrs.frozen(kw_only=True)
class JobRequest:
    """The call that started an engine job (engine job list, `request`)."""

    command: str | None = None
    """The engine's name for the call, such as `import_graph`."""
    url: str | None = None
    """Path and query of the call."""
    body: Any = attrs.field(default=None, repr=False, hash=False)
    """The call's decoded JSON body, or its text where it is no JSON."""


@attrs.frozen(kw_only=True)
class Job:
    """One job as the server last described it."""

    ref: JobRef
    """The job, as it was handed in."""
    status: JobStatus
    """How it stands: the reported word, corrected by what its files say."""
    reported_status: str
    """The server's own word."""
    job_type: str | None = None
    """Such as GraphManagement."""
    name: str | None = None
    """What the job does, such as ImportGraph or DeleteGraph."""
    related_graph: str | None = None
    """Name of the graph it works on."""
    is_import: bool | None = None
    """Whether it is a bulk import; `None` when the record does not say."""
    begin_time: datetime | None = None
    """When it began (aware, UTC)."""
    end_time: datetime | None = None
    """When it ended (aware, UTC); `None` while it runs."""
    fail_reason: str | None = None
    """Why it failed, in the server's words."""
    files: tuple[ImportFile, ...] | None = None
    """Files of an import: `None` where the API does not say, `()` where it says there are none."""
    progress: float | None = None
    """How far it is, from 0 to 1; only the list of a memory-edition engine says so, else `None`."""
    request: JobRequest | None = None
    """Engine jobs: the call that started it."""
    as_of: datetime | None = None
    """The server's clock when it answered (`Date` header; aware, UTC)."""
    confirmed: bool = True
    """False for an end that nothing confirmed, and for an import's success of which no reply told any files."""
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)
    """The record as it came, with every field this library does not know; empty where only the state was kept."""

    @property
    def bad_files(self) -> tuple[ImportFile, ...]:
        """The files that were not, or not wholly, loaded."""
        return tuple(file for file in self.files or () if file.is_bad)

    @property
    def tells_files(self) -> bool:
        """Whether it tells of at least one file, and of every file whether it was loaded."""
        return bool(self.files) and all(file.outcome != "untold" for file in self.files or ())

    @property
    def total_lines(self) -> int | None:
        """Lines of all files, as far as they are told; `None` where no file tells them."""
        return _sum(file.total_lines for file in self.files or ())

    @property
    def failed_lines(self) -> int | None:
        """Lines of all files that were not loaded, as far as they are told; `None` where no file tells them."""
        return _sum(file.failed_lines for file in self.files or ())

    @property
    def lag(self) -> timedelta | None:
        """How long after its end the job was seen to have ended, by the server's clock alone."""
        if self.end_time is None or self.as_of is None:
            return None
        return max(self.as_of - self.end_time, timedelta())


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


@attrs.frozen(kw_only=True)
class StateChange:
    """One change of one job, as a watch saw it. Each ref gets exactly one with `is_final`."""

    ref: JobRef
    """The job, as it was handed in."""
    previous: JobStatus | None
    """Its status before; `None` at the first change."""
    status: JobStatus | None
    """Its status now; `None` when it ends in an error without ever having been seen."""
    job: Job | None
    """What the server said; `None` when it was never seen."""
    error: Exception | None = None
    """What the end deserves: `None` unless the change is final and neither a success nor tolerated."""
    is_final: bool
    """Whether this is the job's last change."""
    tolerated: bool = False
    """Whether the job was only partly loaded, and lost no more lines than `max_failed_lines` allows."""
    observed_at: float
    """When it was seen: seconds on the event loop's monotonic clock."""
    observed_time: datetime
    """The same moment by this machine's clock (aware)."""
    id: str
    """Names this change, the same in every process and watch: it is made of the scope, the job, and the status, the
    kind of end or the progress. After `Poller.resume`, drop changes whose id you have. One that left its job open may
    come again."""

    @property
    def is_progress(self) -> bool:
        """Whether the status stayed and only `job.progress` has grown; only a watch with `progress=True` tells that."""
        return not self.is_final and self.previous is self.status

    @property
    def lag(self) -> float | None:
        """Seconds from the server's `end_time` to the server's `Date` of the reply that told it; else `None`."""
        if not self.is_final or self.job is None or self.job.lag is None:
            return None
        return self.job.lag.total_seconds()

    def raise_for_status(self) -> None:
        """Raise what the end deserves; do nothing after a success or while the job is open.

        Raises:
            JobError: when the job failed, was partly loaded, cancelled, not found or vanished.
            WaitTimeout: when it was still open at the deadline.
            SourceError: when it could not be observed any longer.
        """
        if self.error is not None:
            raise self.error


_STATUS_WORDS = {
    "pending": JobStatus.PENDING,
    "waiting": JobStatus.PENDING,
    "running": JobStatus.RUNNING,
    "success": JobStatus.SUCCESS,
    "complete": JobStatus.SUCCESS,
    "partiallyfailed": JobStatus.PARTIALLY_FAILED,
    "partfailed": JobStatus.PARTIALLY_FAILED,
    "failed": JobStatus.FAILED,
    "cancelled": JobStatus.CANCELLED,
    "canceled": JobStatus.CANCELLED,
    "stopped": JobStatus.CANCELLED,
    "terminated": JobStatus.CANCELLED,
    "killed": JobStatus.CANCELLED,
}
StatusWords = Mapping[str, JobStatus]
"""What words mean, spelled without case, `_` and `-`."""
STATUS_WORDS: StatusWords = MappingProxyType(_STATUS_WORDS)
"""The words that the API documents name, and those that other services of the vendor use for a stopped job."""
_IGNORED_IN_WORDS = str.maketrans("", "", "_-")


def _spelled(word: str) -> str:
    return word.strip().lower().translate(_IGNORED_IN_WORDS)


def extended_words(more: Mapping[str, JobStatus | str] | None) -> StatusWords:
    """Return the table of words with a user's own, which outweigh those of the documents.

    Args:
        more: words as the service writes them, in any case, to a `JobStatus` or its value; `None` for none.

    Raises:
        TypeError: when it is no mapping, or holds something that is neither text nor a status.
        ValueError: when a word is blank, a value is no status, or two spellings of a word mean different things.
    """
    if more is None:
        return STATUS_WORDS
    if not isinstance(more, Mapping):
        raise TypeError(f'status_words must be a mapping such as {{"halted": "cancelled"}}, not {type(more).__name__}')
    own: dict[str, JobStatus] = {}
    for word, meaning in more.items():
        spelled, status = _own_word(word), _own_meaning(word, meaning)
        if own.setdefault(spelled, status) is not status:
            raise ValueError(f"status_words gives {word!r} two meanings: {own[spelled].value} and {status.value}")
    return MappingProxyType(_STATUS_WORDS | own)


def _own_word(word: object) -> str:
    if not isinstance(word, str):
        raise TypeError(f"status_words: the word {word!r} must be a str, not {type(word).__name__}")
    spelled = _spelled(word)
    if not spelled:
        raise ValueError(f"status_words: the word {word!r} is blank: give it as the service writes it")
    return spelled


def _own_meaning(word: object, meaning: object) -> JobStatus:
    if isinstance(meaning, JobStatus):
        return meaning
    if not isinstance(meaning, str):
        raise TypeError(f"status_words: {word!r} must mean a JobStatus or its value, not {type(meaning).__name__}")
    try:
        return JobStatus(meaning)
    except ValueError:
        known = ", ".join(status.value for status in JobStatus)
        raise ValueError(f"status_words: {word!r} cannot mean {meaning!r}; it can mean {known}") from None


def status_of_word(word: str, words: StatusWords = STATUS_WORDS) -> JobStatus:
    """Return what a word means by itself: case, blanks around it, `_` and `-` make no difference.

    Args:
        word: the server's word, not blank.
        words: what words mean.
    """
    return words.get(word) or words.get(_spelled(word), JobStatus.UNKNOWN)


def furthest(one: Job, other: Job) -> Job:
    """Return which of two records of one job is further on: of two ends the worse, of equals the one that says more."""
    return max(one, other, key=_how_far)


def _how_far(job: Job) -> tuple[int, int, bool, bool]:
    worse = _ENDS.index(job.status) if job.status in _ENDS else 0
    return job.status.rank, worse, job.tells_files, job.fail_reason is not None


_ENDS = (JobStatus.SUCCESS, JobStatus.CANCELLED, JobStatus.PARTIALLY_FAILED, JobStatus.FAILED)
"""From good to bad."""


def effective_status(word: str, files: Iterable[ImportFile] | None, words: StatusWords = STATUS_WORDS) -> JobStatus:
    """Return how a job stands: its own word, corrected downwards by what its files say.

    A server that has no word for a partial failure says success; the files tell.

    Args:
        word: the server's word for the job, not blank.
        files: the files of an import, or `None` where the record has none.
        words: what words mean.
    """
    status = status_of_word(word, words)
    outcomes = {file.outcome for file in files or ()}
    if status is not JobStatus.SUCCESS or not outcomes & {"partial", "failed"}:
        return status
    return JobStatus.FAILED if outcomes == {"failed"} else JobStatus.PARTIALLY_FAILED
