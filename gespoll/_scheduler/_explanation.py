"""What is known of one job, how it stands by that, and what is asked next.

Rule: it shows what verdicts are drawn from, and changes nothing. Its text is for an operator: one line each for the
verdict, for either channel and for what is next.
"""

from __future__ import annotations

import math
from typing import Literal

import attrs

from gespoll._errors import SourceError
from gespoll._jobs import JobRef, JobStatus
from gespoll._scheduler._evidence import ChannelEvidence, Evidence
from gespoll._scheduler._verdict import ListState, Reach

Phrase = Literal["open", "end", "there", "denied"]


@attrs.frozen(kw_only=True)
class ChannelReport:
    """What one channel, the queries of a job or the list, reported of it since it was handed in or resumed."""

    said: Phrase | None
    """What it reported last: that the job is open, that it ended, that it is there with a record that cannot be read,
    or that it is not there; `None` while it has reported nothing."""
    status: JobStatus | None
    """The worst end that it reported, else the last status; `None` where it read none."""
    last_answer: float | None
    """Seconds since it last answered; `None` where it has not."""
    ends: int
    """How often it reported an end, its own reports an interval apart."""
    denials: int
    """How often in a row it denied the job: queries that did not find it, complete scans that lacked it."""
    incomplete_scans: int
    """How many scans of the list in a row came out incomplete, three at most."""
    failure: str | None
    """What its last try ended in, unless that was an answer."""
    failing_for: float | None
    """Seconds for which it has failed; `None` unless it fails."""
    unusable: str | None
    """Why it cannot be asked, or is not believed; `None` where nothing stands in its way."""

    def __str__(self) -> str:
        told = [self._told()]
        if self.incomplete_scans:
            told.append(f"{_times(self.incomplete_scans)} not read in full")
        if self.failure is not None:
            lasting = "" if self.failing_for is None else f" for {_seconds(self.failing_for)}"
            told.append(f"fails{lasting}: {self.failure}")
        if self.unusable is not None:
            told.append(self.unusable)
        return "; ".join(told)

    def _told(self) -> str:
        if self.said is None:
            return "has told nothing yet"
        ago = "" if self.last_answer is None else f", {_seconds(self.last_answer)} ago"
        status = "open" if self.status is None else self.status.value
        words = {
            "open": status if not self.ends else f"open again, and {status} {_times(self.ends)} before",
            "end": f"{status}, reported {_times(self.ends)}",
            "there": "shown, with a record that cannot be read",
            "denied": f"denied {_times(self.denials)} in a row",
        }
        return words[self.said] + ago


@attrs.frozen(kw_only=True)
class Explanation:
    """How one job stands and is observed; `str()` of it is a few lines for an operator."""

    ref: JobRef
    """The job, as it was asked for."""
    status: JobStatus | None
    """The last status told; `None` when it was never seen."""
    seen_by: str | None
    """What shows it: "list" or "query"; `None` when it was never seen."""
    last_look: float | None
    """Seconds since it was last shown, give or take an interval; `None` when it never was, or that is not kept."""
    next_look: float
    """Seconds until the next look at it is due; 0 when it is due or under way."""
    reason: str
    """Why then and not sooner."""
    next_by: Literal["query", "list"] | None
    """Which channel is asked then; `None` where neither can be."""
    phase: Literal["new", "open", "confirming", "missing", "ended"]
    """How it stands: "confirming" an end that was reported, "missing" while a channel denies it."""
    line: str
    """The number of the line of the verdict that applies, such as "1.7"; docs/verdicts.md lists them."""
    verdict: str
    """The words of that line."""
    by_query: ChannelReport
    """What queries of the job reported."""
    by_list: ChannelReport
    """What the list reported of it."""

    def __str__(self) -> str:
        status = "never seen" if self.status is None else self.status.value
        by = "nothing is asked" if self.next_by is None else f"{self.next_by} {_when(self.next_look)}"
        return (
            f"{self.ref}: {status}; {self.phase}, {self.verdict} ({self.line})\n"
            f"  query: {self.by_query}\n"
            f"  list:  {self.by_list}\n"
            f"  next:  {by}: {self.reason}"
        )


def reports(evidence: Evidence, reach: Reach, now: float) -> tuple[ChannelReport, ChannelReport]:
    """Return what queries and the list reported of a job."""
    by_query, by_list = evidence.by_query, evidence.by_list
    failing_since = min(reach.list_failing_since, by_list.failing_since)
    return (
        _report(by_query, by_query.failure, by_query.failing_since, 0, _query_is_unusable(reach), now),
        _report(
            by_list, reach.list_failure, failing_since, len(evidence.incomplete_scans), _list_is_unusable(reach), now
        ),
    )


def _report(
    told: ChannelEvidence,
    failure: SourceError | None,
    failing_since: float,
    incomplete: int,
    unusable: str | None,
    now: float,
) -> ChannelReport:
    job = told.open_job if told.end is None else told.end.job
    return ChannelReport(
        said=None if told.last_word is None else told.last_word.value,
        status=None if job is None else job.status,
        last_answer=_ago(told.answered_at, now),
        ends=0 if told.end is None else told.end.count,
        denials=0 if told.denials is None else told.denials.count,
        incomplete_scans=incomplete,
        failure=None if failure is None else str(failure),
        failing_for=None if failure is None else _ago(failing_since, now),
        unusable=unusable,
    )


def _query_is_unusable(reach: Reach) -> str | None:
    if reach.query:
        return None
    return "no graph is known to ask in" if reach.query_refusal is None else f"refused: {reach.query_refusal}"


def _list_is_unusable(reach: Reach) -> str | None:
    return {
        ListState.USABLE: None,
        ListState.STALE: "not believed, for it reports old states: only ends and bad files count",
        ListState.REFUSED: f"refused: {reach.list_refusal}",
        ListState.ABSENT: "there is none",
    }[reach.list_state]


def _ago(at: float, now: float) -> float | None:
    return max(now - at, 0.0) if math.isfinite(at) else None


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _when(seconds: float) -> str:
    if seconds == math.inf:
        return "at a time that is not known"
    return f"in {_seconds(seconds)}" if seconds > 0 else "now"
