"""How the jobs of a wait stand, and how that is worded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from gespoll import ImportFile, Job, JobCancelled, JobNotFound, JobRef, JobStatus, JobVanished, StateChange
from gespoll.cli._exit import ExitStatus
from gespoll.cli._standing import Standing
from gespoll.cli._words import change_words, counted, losses, named

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def change(
    job_id: str,
    status: JobStatus | None,
    *,
    at: float = 0.0,
    ran: float | None = None,
    error: Exception | None = None,
    previous: JobStatus | None = None,
) -> StateChange:
    """Make a change of a job that has run for some seconds, where that is known."""
    ref = JobRef(job_id, "movies")
    begin = None if ran is None else NOW - timedelta(seconds=ran)
    job = None if status is None else Job(ref=ref, status=status, reported_status="x", begin_time=begin, as_of=NOW)
    tolerated = status is JobStatus.PARTIALLY_FAILED and error is None
    final = error is not None or (status is not None and status.is_terminal)
    return StateChange(
        ref=ref,
        previous=previous,
        status=status,
        job=job,
        error=error,
        is_final=final,
        tolerated=tolerated,
        observed_at=at,
        observed_time=datetime(2030, 1, 2, tzinfo=UTC),
        id=job_id,
    )


def test_the_longest_running_are_known_whatever_ends() -> None:
    """By when they began, as the service tells it, else by when they were first seen to run."""
    rng = Random(3)
    standing = Standing(0.0, per_graph=False)
    began = {f"{seconds}": seconds for seconds in rng.sample(range(1, 1000), 200)}
    for job_id, ran in began.items():
        standing.take(change(job_id, JobStatus.RUNNING, at=100.0, ran=ran))
    standing.take(change("told not", JobStatus.RUNNING, at=100.0))
    order = sorted(began, key=lambda job_id: -began[job_id])
    while order:
        top = standing.longest_running(3)
        assert [ref.job_id for ref, _ in top][: len(order)] == order[:3]
        assert top[0][1] == 100.0 - began[order[0]]
        gone = order.pop(rng.randrange(min(3, len(order))))
        standing.take(change(gone, JobStatus.SUCCESS))
    assert standing.longest_running(3) == [(JobRef("told not", "movies"), 100.0)]


def test_every_job_is_counted_once() -> None:
    """By how it stands and by what has become of it, whatever comes."""
    standing = Standing(0.0, per_graph=False)
    for job_id in ("a", "b", "c", "c"):
        standing.expect(JobRef(job_id, "movies"))
    standing.expect(JobRef("c"))
    assert (standing.total, standing.ended, standing.by_status()) == (3, 0, {None: 3})
    ref = JobRef("b", "movies")
    standing.take(change("a", JobStatus.PENDING))
    standing.take(change("a", JobStatus.SUCCESS))
    standing.take(change("b", JobStatus.CANCELLED, error=JobCancelled(ref)))
    standing.take(change("c", None, error=JobNotFound(JobRef("c", "movies"))))
    standing.take(change("d", JobStatus.PARTIALLY_FAILED))
    assert standing.by_status() == {
        JobStatus.SUCCESS: 1,
        JobStatus.PARTIALLY_FAILED: 1,
        JobStatus.CANCELLED: 1,
        None: 1,
    }
    assert {name: number for name, number in standing.outcomes().items() if number} == {
        "succeeded": 1,
        "tolerated": 1,
        "cancelled": 1,
        "not_found": 1,
    }
    assert standing.statuses == {ExitStatus.SUCCEEDED, ExitStatus.FAILED, ExitStatus.NOT_FOUND}
    assert standing.open_jobs() == []


def test_the_same_id_in_two_graphs_is_two_jobs_on_the_engine() -> None:
    """On the management plane it is one."""
    for per_graph, total in ((True, 2), (False, 1)):
        standing = Standing(0.0, per_graph=per_graph)
        standing.expect(JobRef("1", "movies"))
        standing.expect(JobRef("1", "people"))
        assert standing.total == total


def test_a_change_is_worded_on_one_line() -> None:
    """How the job stood, how it stands, and why that is bad."""
    gone = JobVanished(JobRef("1", "movies"))
    unseen = JobNotFound(JobRef("1", "movies"))
    assert change_words(change("1", JobStatus.RUNNING)) == "movies/1 running"
    assert change_words(change("1", JobStatus.SUCCESS, previous=JobStatus.RUNNING)) == "movies/1 running -> success"
    assert change_words(change("1", JobStatus.PARTIALLY_FAILED)) == "movies/1 partially failed (tolerated)"
    assert change_words(change("1", None, error=unseen)) == f"movies/1 not found: {unseen}"
    vanished = change("1", JobStatus.RUNNING, previous=JobStatus.RUNNING, error=gone)
    assert change_words(vanished) == f"movies/1 running -> vanished: {gone}"
    failed = change("1", JobStatus.CANCELLED, error=JobCancelled(JobRef("1", "movies")))
    assert change_words(failed) == "movies/1 cancelled: no reason told"


def test_figures_are_worded() -> None:
    """Lines that the service did not count are not made up; long lists are cut off."""
    assert losses(ImportFile(kind="edgeset")) == "not counted"
    assert losses(ImportFile(kind="edgeset", failed_lines=2)) == "2 of ?"
    assert losses(ImportFile(kind="edgeset", failed_lines=2, total_lines=9)) == "2 of 9"
    assert (counted(1, "job"), counted(0, "job")) == ("1 job", "0 jobs")
    assert named(f"{number}" for number in range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
