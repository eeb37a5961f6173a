"""Querying the Job Status: `GET /v1.0/{project_id}/graphs/{graph_id}/jobs/{job_id}/status`.

Both published versions of the page: they differ in which fields are mandatory and in whether
`jobName` is a text or an array. Before 2021 the reply was `{"status": …}` and nothing else.
"""

from __future__ import annotations

from gespoll._jobs import STATUS_WORDS, Job, JobRef, StatusWords
from gespoll._wire.record import CAMEL_CASE, read_single
from gespoll._wire.reply import Reply

PATH = "/v1.0/{project}/graphs/{graph}/jobs/{job}/status"


def read(reply: Reply, ref: JobRef, words: StatusWords = STATUS_WORDS) -> Job:
    """Read the reply; raises as `gespoll._wire.record.read_single` does."""
    return read_single(reply, ref, CAMEL_CASE, words)
