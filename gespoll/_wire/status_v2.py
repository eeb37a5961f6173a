"""Querying the Job Status: `GET /v2/{project_id}/graphs/{graph_id}/jobs/{job_id}/status`."""

from __future__ import annotations

from gespoll._jobs import STATUS_WORDS, Job, JobRef, StatusWords
from gespoll._wire.record import SNAKE_CASE, read_single
from gespoll._wire.reply import Reply

PATH = "/v2/{project}/graphs/{graph}/jobs/{job}/status"


def read(reply: Reply, ref: JobRef, words: StatusWords = STATUS_WORDS) -> Job:
    """Read the reply; raises as `gespoll._wire.record.read_single` does."""
    return read_single(reply, ref, SNAKE_CASE, words)
