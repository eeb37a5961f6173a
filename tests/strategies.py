"""Nouns for properties: what a server can keep, how it can list it, what can go wrong."""

from __future__ import annotations

from typing import Any, get_args

import attrs
from hypothesis import strategies as st

from gespoll import JobRef, JobStatus
from gespoll.testing import FakeFile, FakeJob, FaultKind, Faults

MIDDLES = ["pending", "waiting", "running", "thawing", "RUNNING"]
LOADED = FakeFile("edgeset", "e.csv", total_lines=9, failed_lines=0, successful_lines=9)
PARTLY = FakeFile("edgeset", "e.csv", status="partFailed", cause="row 3", total_lines=9, failed_lines=1)
ENDS = {
    ("success", LOADED): JobStatus.SUCCESS,
    ("Success", PARTLY): JobStatus.PARTIALLY_FAILED,
    ("complete", LOADED): JobStatus.SUCCESS,
    ("partiallyFailed", PARTLY): JobStatus.PARTIALLY_FAILED,
    ("failed", PARTLY): JobStatus.FAILED,
    ("cancelled", LOADED): JobStatus.CANCELLED,
}


@attrs.frozen
class History:
    """What becomes of one job."""

    job: FakeJob
    end: JobStatus
    ends_at: float
    """Seconds after which the server says that it has ended."""

    @property
    def ref(self) -> JobRef:
        """The job, as a caller knows it."""
        return JobRef(self.job.job_id, self.job.graph)


@st.composite
def histories(draw: st.DrawFn, number: int) -> History:
    """Draw how one job goes: words it passes through, when it ends and how, when it appears."""
    words = draw(st.lists(st.sampled_from(MIDDLES), max_size=4))
    ends_at = draw(st.floats(1.0, 90.0)) if words else 0.0
    word, file = draw(st.sampled_from(list(ENDS)))
    steps = [(ends_at * index / len(words), step) for index, step in enumerate(words)]
    job = FakeJob(
        f"job-{number}",
        graph=f"graph-{number % 3}",
        steps=[*steps, (ends_at, word)],
        files=[file],
        visible_after=draw(st.sampled_from([0.0, 0.0, 3.0, 20.0])),
    )
    return History(job, ENDS[word, file], max(ends_at, job.visible_after))


@st.composite
def workloads(draw: st.DrawFn) -> list[History]:
    """Draw some jobs."""
    return [draw(histories(number)) for number in range(draw(st.integers(1, 12)))]


@st.composite
def servers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw how a server lists, and what goes wrong with it."""
    kinds = draw(st.lists(st.sampled_from(get_args(FaultKind)), unique=True, max_size=6))
    share = draw(st.sampled_from([0.01, 0.05]))
    return {
        "seed": draw(st.integers(0, 1000)),
        "order": draw(st.sampled_from(["newest", "oldest", "id", "random"])),
        "max_page": draw(st.sampled_from([1, 10, 1000])),
        "page_policy": draw(st.sampled_from(["cut", "refuse"])),
        "list_count": draw(st.booleans()),
        "list_has_files": draw(st.booleans()),
        "list_ignores_offset": draw(st.booleans()),
        "list_lag": draw(st.sampled_from([0.0, 0.0, 7.0])),
        "list_refused": draw(st.sampled_from([False, False, True, "GES.7041"])),
        "faults": Faults(dict.fromkeys(kinds, share), slow_seconds=2.0, retry_after=4.0),
    }
