"""Querying Job Details in the Job Center: `GET /v1.0/{project_id}/graphs/jobs` and its twin under `/v2`.

The entries hold the same fields as a single status query, files included. Filters take dates only.
"""

from __future__ import annotations

from datetime import date, datetime

import attrs

from gespoll._jobs import STATUS_WORDS, Job, JobRef, JobStatus, StatusWords
from gespoll._wire.listing import Glance, Page, read_page
from gespoll._wire.record import CAMEL_CASE, SNAKE_CASE, Spelling, read_entry, read_job
from gespoll._wire.reply import Reply

_FILTER_WORDS = {
    JobStatus.PENDING: "waiting",
    JobStatus.RUNNING: "running",
    JobStatus.SUCCESS: "success",
    JobStatus.PARTIALLY_FAILED: "partiallyFailed",
    JobStatus.FAILED: "failed",
}


@attrs.frozen(kw_only=True)
class JobCentre:
    """One API version of the job centre: its path and its spellings."""

    path: str
    entries: str
    total: str
    start: str
    end: str
    record: Spelling

    def read_page(self, reply: Reply) -> Page:
        """Read the envelope; raises as `gespoll._wire.listing.read_page` does."""
        return read_page(reply, "listing the project's jobs", entries=self.entries, totals=(self.total,))

    def read_job(self, glance: Glance, as_of: datetime | None, words: StatusWords = STATUS_WORDS) -> Job | None:
        """Read the whole record of an entry; `None` when it tells no status, or cannot be read in full."""
        record = read_entry(glance.entry, words)
        return None if record is None else read_job(record, record, JobRef(glance.job_id), self.record, as_of, words)

    def filters(
        self, status: JobStatus | None, graph_name: str | None, start: date | None, end: date | None
    ) -> dict[str, str]:
        """Spell the filters of the query.

        Raises:
            ValueError: when the document names no filter word for the status.
        """
        if status is not None and status not in _FILTER_WORDS:
            known = ", ".join(known.value for known in _FILTER_WORDS)
            raise ValueError(f"the job centre cannot filter by {status.value}; it can by {known}")
        filters = {
            "status": None if status is None else _FILTER_WORDS[status],
            "graph_name": graph_name,
            self.start: None if start is None else start.isoformat(),
            self.end: None if end is None else end.isoformat(),
        }
        return {name: value for name, value in filters.items() if value is not None}


V1 = JobCentre(
    path="/v1.0/{project}/graphs/jobs",
    entries="jobList",
    total="jobCount",
    start="startTime",
    end="endTime",
    record=CAMEL_CASE,
)
V2 = JobCentre(
    path="/v2/{project}/graphs/jobs",
    entries="job_list",
    total="job_count",
    start="start_time",
    end="end_time",
    record=SNAKE_CASE,
)
