"""The verdict as a matrix: what if a query says this, and the list says that?

Rule: every cell is what `_verdict.decide` says, so that the table cannot disagree with the code. Run it with
`python -m gespoll._scheduler._matrix`; `--plane memory` shows one plane, `--after 60` what a minute without any
further word makes of it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from gespoll._errors import PermissionDenied, ServiceUnavailable
from gespoll._jobs import ImportFile, Job, JobRef, JobStatus
from gespoll._scheduler._evidence import Channel, Evidence
from gespoll._scheduler._verdict import (
    DATABASE_EDITION,
    DENIALS_AT_LEAST,
    FAILURES_AT_LEAST,
    MANAGEMENT,
    MEMORY_EDITION,
    ListState,
    Plane,
    Reach,
    Terms,
    Verdict,
    decide,
)

PLANES = {"management": MANAGEMENT, "memory": MEMORY_EDITION, "database": DATABASE_EDITION}
TERMS = Terms()
_REF = JobRef("job", "graph")
_FAILURE = ServiceUnavailable("down", status=503)
_REFUSAL = PermissionDenied("not allowed", status=403)
_GOOD = ImportFile(kind="edgeset", path="edges.csv", status="success", total_lines=9, failed_lines=0)
_BAD = ImportFile(kind="edgeset", path="edges.csv", status="partFailed", total_lines=9, failed_lines=1)


def _job(status: JobStatus, *, files: tuple[ImportFile, ...] | None = None, fail_reason: str | None = None) -> Job:
    return Job(ref=_REF, status=status, reported_status=status.value, files=files, fail_reason=fail_reason)


SHOWN = {
    "open": _job(JobStatus.RUNNING),
    "success": _job(JobStatus.SUCCESS),
    "files": _job(JobStatus.SUCCESS, files=(_GOOD,)),
    "partial": _job(JobStatus.PARTIALLY_FAILED),
    "bad files": _job(JobStatus.PARTIALLY_FAILED, files=(_BAD,)),
    "failed": _job(JobStatus.FAILED),
    "reason": _job(JobStatus.FAILED, fail_reason="disk full"),
    "cancelled": _job(JobStatus.CANCELLED),
}
"""What either channel may report. An import's success is shown as one of unknown kind."""


@attrs.define
class _Said:
    """What both channels said; the job joined a grace before the time 0, at which each said its last."""

    evidence: Evidence = attrs.field(factory=lambda: Evidence(-TERMS.grace, -TERMS.grace))
    reach: Reach = attrs.field(factory=lambda: Reach(query=True, list_state=ListState.USABLE))

    def can_be_asked(self, **fields: Any) -> None:
        self.reach = attrs.evolve(self.reach, **fields)


def _showing(channel: Channel, job: Job) -> Callable[[_Said], None]:
    return lambda said: said.evidence.show(channel, job, 0.0, TERMS.interval)


def _nothing(_: _Said) -> None:
    pass


def _denied(said: _Said) -> None:
    for number in range(DENIALS_AT_LEAST):
        said.evidence.deny_by_query(-TERMS.grace * (1 - number / (DENIALS_AT_LEAST - 1)))


def _lacks(said: _Said) -> None:
    for began_at in (-TERMS.grace, 0.0):
        said.evidence.deny_by_scan(began_at)


def _incomplete(said: _Said) -> None:
    for began_at in (-TERMS.grace, -TERMS.grace / 2, 0.0):
        said.evidence.incomplete_scan(began_at)


def _stale(said: _Said) -> None:
    _showing(Channel.LIST, SHOWN["open"])(said)
    said.can_be_asked(list_state=ListState.STALE)


def _fail(said: _Said) -> None:
    for _ in range(FAILURES_AT_LEAST):
        said.evidence.fail_query(_FAILURE, 0.0)


BY_QUERY: dict[str, Callable[[_Said], None]] = {
    "-": _nothing,
    **{name: _showing(Channel.QUERY, job) for name, job in SHOWN.items()},
    "denied": _denied,
    "failing": _fail,
    "refused": lambda said: said.can_be_asked(query=False, query_refusal=_REFUSAL),
    "no graph": lambda said: said.can_be_asked(query=False),
}
"""The rows: nothing yet, what a query shows, five denials over a grace, what stands in its way."""
BY_LIST: dict[str, Callable[[_Said], None]] = {
    "-": _nothing,
    **{name: _showing(Channel.LIST, job) for name, job in SHOWN.items()},
    "sighting": lambda said: said.evidence.sight(0.0),
    "lacks": _lacks,
    "incomplete": _incomplete,
    "failing": lambda said: said.can_be_asked(list_failing_since=-TERMS.grace, list_failure=_FAILURE),
    "stale": _stale,
    "refused": lambda said: said.can_be_asked(list_state=ListState.REFUSED, list_refusal=_REFUSAL),
    "absent": lambda said: said.can_be_asked(list_state=ListState.ABSENT),
}
"""The columns: the same of the list; two complete scans a grace apart that lack the job, three that were incomplete."""


def cell(by_query: str, by_list: str, plane: Plane, after: float = 0.0) -> Verdict:
    """Decide one cell.

    Args:
        by_query: what a query said last.
        by_list: what the list said last.
        plane: which channel can tell what an end leaves out.
        after: seconds in which nothing more was said.
    """
    said = _Said()
    BY_QUERY[by_query](said)
    BY_LIST[by_list](said)
    return decide(_REF, said.evidence, said.reach, plane, TERMS, after)


def words(verdict: Verdict) -> str:
    """Put a verdict into a few words: how the job stands, and the number of the line; "?" marks an unconfirmed end."""
    number = verdict.line.number
    if verdict.error is not None:
        return f"{type(verdict.error).__name__} {number}"
    if verdict.job is None:
        return f"{verdict.phase.value} {number}"
    return f"{verdict.job.status.name}{'?' if verdict.is_unconfirmed else ''} {number}"


def matrix(plane: Plane, after: float = 0.0) -> list[list[str]]:
    """Return the rows of the matrix with their heads: the names of the columns first."""
    rows = [[row, *(words(cell(row, column, plane, after)) for column in BY_LIST)] for row in BY_QUERY]
    return [["query \\ list", *BY_LIST], *rows]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _legend(planes: Sequence[str], after: float) -> str:
    lines = {
        verdict.line
        for plane, row, column in itertools.product(planes, BY_QUERY, BY_LIST)
        for verdict in [cell(row, column, PLANES[plane], after)]
    }
    return "\n".join(f"{line.number:>4}  {line.value}" for line in sorted(lines, key=lambda line: line.number))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the matrix of each plane that is named, all by default."""
    parser = argparse.ArgumentParser(prog="python -m gespoll._scheduler._matrix", description="Print the verdicts.")
    parser.add_argument("--plane", choices=list(PLANES), action="append")
    parser.add_argument("--after", type=float, default=0.0, help="seconds in which nothing more is said")
    options = parser.parse_args(arguments)
    planes = options.plane or list(PLANES)
    for plane in planes:
        print(f"{plane}, {options.after:g} s after both channels spoke\n")
        print(f"{_aligned(matrix(PLANES[plane], options.after))}\n")
    print(_legend(planes, options.after))
    return 0


if __name__ == "__main__":
    sys.exit(main())
