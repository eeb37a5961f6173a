"""The books of a watch, written into a snapshot and read out of one.

Rule: monotonic times become moments of the wall clock here and nowhere else, by what both clocks say at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec

from gespoll._errors import EndUnconfirmed, JobError
from gespoll._jobs import JobStatus
from gespoll._scheduler._change_id import change_id, told_by
from gespoll._scheduler._evidence import Channel, Evidence
from gespoll._scheduler._ledger import Ledger
from gespoll._scheduler._record import Key, Profile
from gespoll._scheduler._standing import Report, Standing
from gespoll._scheduler._view import View
from gespoll._snapshot import Entry, Failure, Reading, Reported, new_snapshot, to_json


@attrs.frozen
class Clocks:
    """One moment on both clocks."""

    at: float
    """Seconds on the monotonic clock."""
    wall: datetime
    """The same moment, aware."""

    def moment(self, at: float | None) -> datetime | None:
        """Tell the moment of a monotonic time; `None` when no calendar has it, which is as good as never."""
        try:
            return None if at is None else self.wall + timedelta(seconds=at - self.at)
        except OverflowError:
            return None

    def time(self, moment: datetime) -> float:
        """Tell the monotonic time of a moment."""
        return self.at + (moment - self.wall).total_seconds()


@attrs.define(eq=False)
class Writing:
    """A snapshot that is being written: what it covers is settled when it is made, and written down step by step."""

    ledger: Ledger
    clocks: Clocks
    deadlines: Iterable[tuple[float, Iterable[Key]]]
    """When the own time of some jobs is over that have one."""
    json: dict[str, Any] = attrs.field(init=False)
    """The snapshot, whole once all steps were taken."""
    view: View = attrs.field(init=False)
    _overdue: dict[Key, float] = attrs.field(init=False)
    _shared: dict[Any, Any] = attrs.field(factory=dict)
    """Parts that many jobs have alike; so the collector walks one object a job, where it walked three."""

    def __attrs_post_init__(self) -> None:
        ledger, clocks = self.ledger, self.clocks
        self._overdue = dict(ledger.overdue)
        self.json = to_json(
            new_snapshot(
                clocks.wall,
                on_failure="end" if ledger.keeps_results else ledger.on_failure,
                keeps_ends=ledger.keeps_results,
                timeout=_seconds(ledger.timeout),
                deadline=clocks.moment(ledger.ends_at),
                job_timeout=_seconds(ledger.job_timeout),
                max_open=ledger.max_open,
                max_failed_lines=ledger.max_failed_lines,
                progress=ledger.progress,
            )
        )
        self.view = ledger.view()

    def steps(self) -> Iterator[None]:
        """Write it down, a job at a time; between two steps anything else may happen."""
        deadlines = self._overdue
        for at, keys in self.deadlines:
            for key in keys:
                deadlines[key] = at
                yield
            yield
        scopes: dict[str, int] = {}
        jobs: list[dict[str, Any]] = self.json["jobs"]
        for standing in self.view.standings():
            if standing is not None:
                entry = _entry(standing)
                entry.change_id = _change_id(standing)
                entry.scope = scopes.setdefault(standing.key[0], len(scopes))
                entry.deadline = self.clocks.moment(deadlines.get(standing.key))
                _write_evidence(entry, standing, self.clocks)
                jobs.append(self._plain(entry, standing))
            yield
        self.json["scopes"] = list(scopes)

    def _plain(self, entry: Entry, standing: Standing) -> dict[str, Any]:
        """Make plain JSON of a job; jobs that agree in statuses and reading share them."""
        plain: dict[str, Any] = msgspec.to_builtins(entry)
        if standing.profile is not None:
            plain["statuses"] = self._shared.setdefault(tuple(standing.statuses), plain["statuses"])
            plain["reading"] = self._shared.setdefault(standing.profile, plain["reading"])
        return plain


def _seconds(value: float | None) -> float | None:
    """Make a plain number of what may be of a kind of one's own."""
    return None if value is None else float(value)


def _entry(standing: Standing) -> Entry:
    entry = Entry(job_id=standing.ref.job_id, graph=standing.ref.graph, key=standing.ref.key, ended=standing.ended)
    if standing.profile is not None:
        entry.statuses = list(standing.statuses)
        entry.reading = _reading(standing.profile)
    end = standing.end
    if isinstance(end, Exception):
        entry.failure = Failure.of(end)
        end = end.job if isinstance(end, JobError | EndUnconfirmed) else None
    if end is not None:
        entry.reading = Reading.of(end)
    return entry


def _write_evidence(entry: Entry, standing: Standing, clocks: Clocks) -> None:
    """Write down what verdicts need of a job that is open for its consumer."""
    if standing.ended:
        return
    reports = standing.reports
    entry.shown = standing.was_shown and not entry.statuses
    if reports is not None:
        entry.by_query, entry.by_list = _reported(reports.by_query), _reported(reports.by_list)
    if standing.untaken_end is not None:
        entry.by_query = Reported(end=Reading.of(standing.untaken_end))
    if standing.added_at is not None and not any(status is not JobStatus.PENDING for status in entry.statuses):
        entry.joined = clocks.moment(standing.added_at if reports is None else reports.first_joined_at)


def _reported(report: Report) -> Reported | None:
    end = None if report.end is None else Reading.of(report.end)
    return Reported(end=end, files=list(report.files)) if end is not None or report.files else None


def recall(evidence: Evidence, entry: Entry, clocks: Clocks) -> None:
    """Take in what a snapshot kept of an open job; an end counts as reported once, now."""
    evidence.ever_shown = evidence.ever_shown or entry.shown or bool(entry.statuses)
    if entry.joined is not None:
        evidence.first_joined_at = min(evidence.first_joined_at, clocks.time(entry.joined))
    for channel, reported in ((Channel.QUERY, entry.by_query), (Channel.LIST, entry.by_list)):
        if reported is not None:
            end = None if reported.end is None else reported.end.job(entry.ref)
            evidence.restore(channel, end, tuple(reported.files), clocks.at)


def _change_id(standing: Standing) -> str | None:
    """Return the id of the last change that the consumer was given; `None` without any."""
    told = standing.told
    if not standing.ended:
        told = told_by(standing.statuses[-1], None) if standing.statuses else None
    return None if told is None else change_id(standing.key, told)


def _reading(profile: Profile) -> Reading:
    status, word, *names = msgspec.structs.astuple(profile)
    return Reading(status, word, *names)


def profile_in(entry: Entry) -> Profile | None:
    """Tell what is kept of the last reading of an open job; `None` when it was never seen."""
    if not entry.statuses:
        return None
    status = entry.statuses[-1]
    reading = entry.reading or Reading(status, status.value)
    return Profile(
        status, reading.reported_status, reading.job_type, reading.name, reading.related_graph, reading.is_import
    )
