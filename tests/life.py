"""One job as the tests of evidence and verdict tell its story: at this time this channel said that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

import attrs

from gespoll import ImportFile, Job, JobRef, JobStatus, PermissionDenied, ServiceUnavailable
from gespoll._scheduler._evidence import Channel, Evidence
from gespoll._scheduler._verdict import (
    MANAGEMENT,
    ListState,
    Plane,
    Reach,
    Terms,
    Verdict,
    decide,
    decide_at_deadline,
)

REF = JobRef("j", "g")
TERMS = Terms(interval=1.0, grace=10.0, outage=100.0, pending=40.0, failures_at_least=1)
DOWN = ServiceUnavailable("down", status=503)
REFUSED = PermissionDenied("not allowed", status=403)
GOOD = ImportFile(kind="edgeset", path="e.csv", status="success", total_lines=9, failed_lines=0)
BAD = ImportFile(kind="edgeset", path="e.csv", status="partFailed", total_lines=9, failed_lines=1)
ELSEWHERE = ImportFile(kind="vertexset", path="v.csv", status="failed")


def job(status: JobStatus, **fields: Any) -> Job:
    """Make a record."""
    return Job(ref=REF, status=status, reported_status=fields.pop("word", status.value), **fields)


JOBS = {
    "pending": job(JobStatus.PENDING),
    "running": job(JobStatus.RUNNING),
    "running, bad files": job(JobStatus.RUNNING, files=(BAD,)),
    "thawing": job(JobStatus.UNKNOWN, word="thawing"),
    "halted": job(JobStatus.UNKNOWN, word="halted", end_time=datetime(2026, 1, 1, tzinfo=UTC)),
    "halted later": job(JobStatus.UNKNOWN, word="halted", end_time=datetime(2026, 1, 2, tzinfo=UTC)),
    "success": job(JobStatus.SUCCESS),
    "success of an import": job(JobStatus.SUCCESS, is_import=True),
    "success of no import": job(JobStatus.SUCCESS, is_import=False),
    "success, files": job(JobStatus.SUCCESS, files=(GOOD,)),
    "cancelled": job(JobStatus.CANCELLED),
    "partial": job(JobStatus.PARTIALLY_FAILED),
    "partial, bad files": job(JobStatus.PARTIALLY_FAILED, files=(BAD,)),
    "failed": job(JobStatus.FAILED),
    "failed, reason": job(JobStatus.FAILED, fail_reason="disk full"),
}


@attrs.define
class Life:
    """One job that joined at the time 0, when a query and a list could be asked."""

    plane: Plane = MANAGEMENT
    terms: Terms = TERMS
    now: float = 0.0
    evidence: Evidence = attrs.field(factory=lambda: Evidence(0.0, 0.0))
    reach: Reach = attrs.field(factory=lambda: Reach(query=True, list_state=ListState.USABLE))

    def at(self, now: float) -> Self:
        """Let time go by."""
        self.now = now
        return self

    def query(self, said: str, *, at: float) -> Self:
        """Let a query say something: a name of `JOBS`, denied, graph missing, or failing."""
        self.now = at
        if said == "denied":
            self.evidence.deny_by_query(at)
        elif said == "graph missing":
            self.evidence.deny_by_query(at, graph_missing=True)
        elif said == "failing":
            self.evidence.fail_query(DOWN, at)
        else:
            self.evidence.show(Channel.QUERY, JOBS[said], at, self.terms.interval)
        return self

    def denied(self, *times: float) -> Self:
        """Let queries deny the job."""
        for at in times:
            self.query("denied", at=at)
        return self

    def listed(self, said: str, *, at: float) -> Self:
        """Let the list say something: a name of `JOBS`, sighting, or broken off."""
        self.now = at
        if said == "sighting":
            self.evidence.sight(at)
        elif said == "broken off":
            self.evidence.by_list.fail(DOWN, at)
        else:
            self.evidence.show(Channel.LIST, JOBS[said], at, self.terms.interval)
        return self

    def lacked(self, *times: float) -> Self:
        """Let complete scans, each begun and over at once, lack the job."""
        for at in times:
            self.now = at
            self.evidence.deny_by_scan(at)
        return self

    def incomplete(self, *times: float) -> Self:
        """Let scans, each begun and over at once, come out incomplete."""
        for at in times:
            self.now = at
            self.evidence.incomplete_scan(at)
        return self

    def can(self, **fields: Any) -> Self:
        """Change what can be asked."""
        self.reach = attrs.evolve(self.reach, **fields)
        return self

    def only_list(self) -> Self:
        """Let no graph be known."""
        return self.can(query=False)

    def only_query(self) -> Self:
        """Let there be no list."""
        return self.can(list_state=ListState.ABSENT)

    def verdict(self, now: float | None = None) -> Verdict:
        """Decide, at the time of the last word by default."""
        at = self.now if now is None else now
        return decide(REF, self.evidence, self.reach, self.plane, self.terms, at)

    def at_deadline(self) -> Verdict | None:
        """Decide as if patience were over."""
        return decide_at_deadline(REF, self.evidence, self.reach, self.plane, self.terms, self.now)
