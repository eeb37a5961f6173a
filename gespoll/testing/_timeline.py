"""What a fake job is, and how it looks at a moment.

The rule: a job is a script written beforehand. Its look at any time is a pure function of the script and
the seconds since it was added; nothing here knows a clock, a socket or a spelling of the API.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FakeFile", "FakeJob", "FileKind", "Look"]

FileKind = Literal["schema", "vertexset", "edgeset"]

TERMINAL_WORDS = frozenset({"success", "complete", "partiallyfailed", "partfailed", "failed"})
TERMINAL_WORDS |= {"cancelled", "canceled", "stopped", "terminated", "killed"}
DEFAULT_STEPS = ((0.0, "pending"), (1.0, "running"), (3.0, "success"))


def _ordered_steps(steps: Iterable[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    return tuple(sorted(((float(at), word) for at, word in steps), key=itemgetter(0)))


def _tuple_or_none(files: Iterable[FakeFile] | None) -> tuple[FakeFile, ...] | None:
    return None if files is None else tuple(files)


@attrs.frozen
class FakeFile:
    """One input file of an import, as `job_detail` tells it."""

    kind: FileKind = attrs.field(validator=attrs.validators.in_(("schema", "vertexset", "edgeset")))
    """Which array of `job_detail` the file stands in."""
    path: str
    """The OBS path."""
    status: str = attrs.field(default="success", kw_only=True)
    """The server's word: success, partFailed, failed, or anything."""
    cause: str | None = attrs.field(default=None, kw_only=True)
    """Why lines were rejected; sent as null when None."""
    log: str | None = attrs.field(default=None, kw_only=True)
    """Where the import log is; sent as null when None."""
    total_lines: int | None = attrs.field(default=None, kw_only=True)
    """Lines read; -1 is sent as -1, None leaves the key out."""
    failed_lines: int | None = attrs.field(default=None, kw_only=True)
    """Lines rejected; -1 is sent as -1, None leaves the key out."""
    successful_lines: int | None = attrs.field(default=None, kw_only=True)
    """Lines loaded; -1 is sent as -1, None leaves the key out."""


@attrs.frozen
class Look:
    """A job at one moment, in seconds since it was added."""

    step: int
    """Index of the step in force."""
    word: str
    """The status word shown."""
    ended_after: float | None
    """When the job ended, in seconds since it was added; None while it has not."""
    files: tuple[FakeFile, ...] | None
    """The files told at this moment; None when `job_detail` is absent."""
    fail_reason: str | None
    """The reason told at this moment; None when the key is absent."""


@attrs.frozen(eq=False)
class FakeJob:
    """A job with its whole future. Times are seconds from when it is added to the server."""

    job_id: str
    """Opaque text."""
    graph: str = attrs.field(default="graph-1", kw_only=True)
    """The graph id of the management plane."""
    engine: bool = attrs.field(default=False, kw_only=True)
    """Whether the job lives on the engine routes instead of the management routes."""
    graph_name: str = attrs.field(kw_only=True)
    """The graph's name; default: `graph` on the engine, `graph` + "-name" on the management plane."""
    steps: tuple[tuple[float, str], ...] = attrs.field(
        default=DEFAULT_STEPS, converter=_ordered_steps, validator=attrs.validators.min_len(1), kw_only=True
    )
    """Pairs of (seconds, status word); states may be skipped and any word is allowed."""
    name: str = attrs.field(default="ImportGraph", kw_only=True)
    """The job name, which a memory edition's engine calls its task type; only ImportGraph carries files."""
    job_type: str = attrs.field(default="GraphManagement", kw_only=True)
    """The job type."""
    files: tuple[FakeFile, ...] | None = attrs.field(default=(), converter=_tuple_or_none, kw_only=True)
    """The files of an import; None leaves `job_detail` out for good."""
    fail_reason: str | None = attrs.field(default=None, kw_only=True)
    """Told once the job has ended."""
    error_code: str = attrs.field(default="GES.8013", kw_only=True)
    """The code a failed engine job answers with."""
    visible_after: float = attrs.field(default=0.0, kw_only=True)
    """Seconds until the server finds the job at all."""
    vanishes_after: float | None = attrs.field(default=None, kw_only=True)
    """Seconds after which the server has forgotten the job; None: never."""
    files_always: bool = attrs.field(default=False, kw_only=True)
    """Whether the files are told before the job has ended."""
    detail_after: float = attrs.field(default=0.0, kw_only=True)
    """Seconds from the end until the files are told."""
    list_detail_after: float | None = attrs.field(default=None, kw_only=True)
    """Seconds from the end until the list tells the files; None: as `detail_after`."""
    in_list: bool = attrs.field(default=True, kw_only=True)
    """Whether the list ever shows the job."""
    command: str = attrs.field(default="import_graph", kw_only=True)
    """The name of the request that made the job, told by a database edition's engine list."""
    request_body: dict[str, Any] = attrs.field(factory=dict, kw_only=True)
    """The body of the request that made the job, told by the engine list."""
    results: int = attrs.field(default=0, kw_only=True)
    """Result records a finished engine job has."""
    age: float = attrs.field(default=0.0, kw_only=True)
    """Seconds that have already passed when the job is added."""

    @graph_name.default
    def _name_the_graph(self) -> str:
        return self.graph if self.engine else f"{self.graph}-name"

    def exists(self, elapsed: float) -> bool:
        """Tell whether the server knows the job `elapsed` seconds after it was added."""
        if elapsed < 0.0 or elapsed < self.visible_after:
            return False
        return self.vanishes_after is None or elapsed < self.vanishes_after

    def step_at(self, elapsed: float) -> int:
        """Return the index of the step in force; before the first step it is the first."""
        return max(bisect_right(self.steps, elapsed, key=itemgetter(0)) - 1, 0)

    def progress(self, elapsed: float) -> int:
        """Return how far the job is, in percent: by its time until its end, and 100 only there."""
        ends_at = next((at for at, word in self.steps if word.casefold() in TERMINAL_WORDS), None)
        if ends_at is None:
            return 0
        return 100 if elapsed >= ends_at else max(int(100 * elapsed / ends_at), 0)

    def look(self, elapsed: float, *, listed: bool = False) -> Look:
        """Return how the job looks `elapsed` seconds after it was added.

        Args:
            elapsed: Seconds since the job was added.
            listed: Whether the list is asking, which may tell the files later.
        """
        step = self.step_at(elapsed)
        at, word = self.steps[step]
        ended = at if word.casefold() in TERMINAL_WORDS else None
        return Look(
            step=step,
            word=word,
            ended_after=ended,
            files=self.files if self._tells_files(elapsed, ended, listed=listed) else None,
            fail_reason=self.fail_reason if ended is not None else None,
        )

    def _tells_files(self, elapsed: float, ended: float | None, *, listed: bool) -> bool:
        if self.name != "ImportGraph" or self.files is None:
            return False
        if self.files_always:
            return True
        after = self.detail_after
        if listed and self.list_detail_after is not None:
            after = self.list_detail_after
        return ended is not None and elapsed >= ended + after
