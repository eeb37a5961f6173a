"""Figures and how they are told.

Rule: pure; a figure over several seeds is a median with its least and most, and a ratio is taken within
one seed before it is summed up.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import attrs


@attrs.frozen(kw_only=True)
class Run:
    """What one contestant did on one seed."""

    mean: float
    """Mean latency in seconds: from a job's end at the service to its being known."""
    p99: float
    """99th percentile of the latencies, in seconds."""
    requests: int
    """Requests sent, refused ones too."""
    throttled: int
    """Requests answered 429."""

    @classmethod
    def of(cls, latencies: Iterable[float], requests: int, throttled: int = 0) -> Run:
        """Sum up the latencies, in seconds, of one run."""
        ordered = sorted(latencies)
        return cls(
            mean=statistics.fmean(ordered), p99=percentile(ordered, 0.99), requests=requests, throttled=throttled
        )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Tell the value that a share of the ordered values does not exceed."""
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


def _runs(runs: Iterable[Run]) -> tuple[Run, ...]:
    return tuple(runs)


@attrs.frozen
class Spread:
    """One figure over several seeds or rounds."""

    values: tuple[float, ...] = attrs.field(converter=_floats)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(min(self.values))}-{short(max(self.values))})"


def short(value: float) -> str:
    """Write a number with three digits that count, and no exponent."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{max(2 - math.floor(math.log10(abs(value))), 0)}f}"


@attrs.frozen
class Runs:
    """What one contestant did on all seeds."""

    runs: tuple[Run, ...] = attrs.field(converter=_runs)

    @property
    def mean(self) -> Spread:
        """Mean latency in seconds."""
        return Spread(run.mean for run in self.runs)

    @property
    def p99(self) -> Spread:
        """99th percentile of the latency in seconds."""
        return Spread(run.p99 for run in self.runs)

    @property
    def requests(self) -> Spread:
        """Requests sent."""
        return Spread(run.requests for run in self.runs)

    @property
    def throttled(self) -> Spread:
        """Requests answered 429."""
        return Spread(run.throttled for run in self.runs)

    def __str__(self) -> str:
        figures = f"mean {self.mean} s, p99 {self.p99} s, {self.requests} requests"
        return f"{figures}, {self.throttled} of them 429" if any(self.throttled.values) else figures


def ratio(above: Spread, below: Spread) -> Spread:
    """Divide seed by seed."""
    return Spread(one / other if other else math.inf for one, other in zip(above.values, below.values, strict=True))


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table."""

    what: str
    """What is measured, of gespoll."""
    beside: str
    """The peer that ran beside it."""
    reach: str
    """What it is to reach; blank where the line only informs."""
    measured: str
    """What was measured."""
    reached: bool | None = None
    """Whether it was reached; `None` where the line only informs."""
    note: str = ""
    """What else the reader must know."""
    columns: Mapping[str, str] = attrs.field(factory=dict)
    """Instead of `measured`, figures by the heads of their columns, where many rows have the same."""


VERDICTS = {True: "yes", False: "**no**", None: ""}


def table(rows: Iterable[Row]) -> str:
    """Write rows as a Markdown table."""
    heads = ["what", "beside", "reach", "measured", "reached", "note"]
    return markdown(
        heads, ([row.what, row.beside, row.reach, row.measured, VERDICTS[row.reached], row.note] for row in rows)
    )


def wide_table(rows: Sequence[Row]) -> str:
    """Write rows that have the same columns as a Markdown table."""
    return markdown(
        ["what", *rows[0].columns, "reach", "reached", "note"],
        ([row.what, *row.columns.values(), row.reach, VERDICTS[row.reached], row.note] for row in rows),
    )


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in [heads, ["---"] * len(heads), *lines])
