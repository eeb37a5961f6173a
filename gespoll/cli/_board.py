"""What the demo knows of the imports it watches, and the lines that tell it.

Rule: it counts and words, and neither waits nor prints.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

import anyio

from gespoll import ImportFile, JobStatus, StateChange
from gespoll.testing import FakeGES, FakeJob

_SHOWN = (
    JobStatus.PENDING,
    JobStatus.RUNNING,
    JobStatus.SUCCESS,
    JobStatus.PARTIALLY_FAILED,
    JobStatus.FAILED,
)
HEADINGS = ("pending", "running", "success", "partly", "failed", "requests", "a loop's*")
"""What stands above `Board.numbers`."""


class Board:
    """The state of the demo, fed by changes. Made at the moment the imports are handed to the service."""

    def __init__(self, ges: FakeGES, imports: Sequence[FakeJob], interval: float) -> None:
        self.started_at = anyio.current_time()
        self._ges = ges
        self._interval = interval
        self._ends_at = {job.job_id: job.steps[-1][0] for job in imports}
        self._statuses = dict.fromkeys(self._ends_at, JobStatus.PENDING)
        self._ended: list[StateChange] = []

    def take(self, change: StateChange) -> None:
        """Take a change in."""
        if change.status is not None:
            self._statuses[change.ref.job_id] = change.status
        if change.is_final:
            self._ended.append(change)

    @property
    def total(self) -> int:
        """How many imports there are."""
        return len(self._statuses)

    @property
    def ended(self) -> int:
        """How many are known to have ended."""
        return len(self._ended)

    @property
    def elapsed(self) -> float:
        """Seconds since the imports were handed to the service."""
        return anyio.current_time() - self.started_at

    def numbers(self) -> tuple[int, ...]:
        """Count the imports by state, the requests until now, and those of a loop."""
        counts = Counter(self._statuses.values())
        return *(counts[status] for status in _SHOWN), len(self._ges.requests), self._requests_of_loop()

    def heading(self) -> str:
        """Word the heading of the lines."""
        return _row(("time", *HEADINGS))

    def line(self) -> str:
        """Word how the imports stand now, and what it took to know."""
        return _row((f"{self.elapsed:.1f} s", *self.numbers()))

    def _requests_of_loop(self) -> int:
        """Count what a loop sends by now that asks for each open import at once and then once an interval."""
        return sum(self._looks_of_loop(ends_at) for ends_at in self._ends_at.values())

    def _looks_of_loop(self, ends_at: float) -> int:
        looks_until_ended = 1 + math.ceil(ends_at / self._interval)
        return min(looks_until_ended, 1 + int(self.elapsed / self._interval))

    def summary(self) -> Iterator[str]:
        """Word how everything ended."""
        yield f"* requests of a loop that asks for each open import once every {self._interval:g} s"
        yield ""
        yield self._outcome()
        yield from self._effort()
        yield ""
        bad = sorted(
            (change for change in self._ended if change.error is not None), key=lambda change: change.ref.job_id
        )
        if bad:
            yield f"{_count(len(bad), 'import')} did not end well, whatever the service called it:"
        for change in bad:
            yield from _trouble(change)

    def _outcome(self) -> str:
        counts = Counter(self._statuses.values())
        told = ", ".join(f"{counts[status]} {_words(status)}" for status in _SHOWN if counts[status])
        return f"{self.ended} of {_count(self.total, 'import')} ended: {told}."

    def _effort(self) -> Iterator[str]:
        kinds = Counter(request.kind for request in self._ges.requests)
        sent = len(self._ges.requests)
        yield (
            f"{_count(sent, 'request')} ({_count(kinds['list'], 'list page')}, "
            f"{_count(kinds['get'], 'single query', 'single queries')}); "
            f"the loop would have sent {self._requests_of_loop()}."
        )
        faults = ", ".join(f"{number} x {kind}" for kind, number in self._ges.fault_counts.items())
        if faults:
            yield f"Answered badly on purpose: {faults}. No import was lost over it."
        delays = [change.observed_at - self.started_at - self._ends_at[change.ref.job_id] for change in self._ended]
        yield (
            f"From an end to its being known: {median(delays):.1f} s in the middle, {max(delays):.1f} s at most, "
            "the faults included."
        )


def _trouble(change: StateChange) -> Iterator[str]:
    """Word one import that did not end well: every bad file with its cause, its log and its line counts."""
    yield ""
    yield f"{change.ref}: {type(change.error).__name__}{_words_of_service(change)}"
    if change.job is None:
        yield f"  {change.error}"
        return
    if change.job.fail_reason is not None:
        yield f"  reason: {change.job.fail_reason}"
    for file in change.job.bad_files:
        yield f"  {file.kind} {file.path} ({file.status}): {_losses(file)}"
        yield f"    cause: {file.cause or 'not told'}"
        yield f"    log:   {file.log or 'not told'}"


def trouble_in_short(change: StateChange) -> str:
    """Word one import that did not end well on one line."""
    job = change.job
    if job is None:
        return f"{change.ref}: {change.error}"
    called = ', called "success"' if job.reported_status == JobStatus.SUCCESS.value else ""
    causes = filter(None, [job.fail_reason, *(file.cause for file in job.bad_files)])
    return f"{change.ref} {_words(job.status)}{called}: {next(causes, 'no cause told')}"


def _words_of_service(change: StateChange) -> str:
    return "" if change.job is None else f' (the service said "{change.job.reported_status}")'


def _losses(file: ImportFile) -> str:
    if file.failed_lines is None or file.total_lines is None:
        return "lines not counted"
    return f"{file.failed_lines} of {file.total_lines} lines not loaded, {file.successful_lines} loaded"


def _words(status: JobStatus) -> str:
    return status.value.replace("_", " ")


def _count(number: int, noun: str, nouns: str | None = None) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"


def _row(cells: Sequence[object]) -> str:
    return "  ".join(f"{cell!s:>9}" for cell in cells)
