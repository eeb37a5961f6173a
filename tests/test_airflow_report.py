"""`gespoll.airflow` without Airflow: the wait for a batch, and the report that becomes its event."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import anyio
import pytest

from gespoll import (
    AuthenticationError,
    EndUnconfirmed,
    ImportFile,
    Job,
    JobNotFound,
    JobRef,
    JobStatus,
    ListIncomplete,
    PendingTimeout,
    PermissionDenied,
    Poller,
    ServiceUnavailable,
    StateChange,
    UnknownEnd,
)
from gespoll.airflow._report import Report
from gespoll.airflow._wait import OnFailure, wait_for
from gespoll.testing import Reading, ScriptedSource

pytestmark = pytest.mark.anyio

REF = JobRef("a", "movies")
HALTED = Job(ref=REF, status=JobStatus.UNKNOWN, reported_status="halted")
LOG = logging.getLogger("a task")
LOSSY = ImportFile(kind="edgeset", path="edges.csv", status="partFailed", cause="row 7", failed_lines=3, total_lines=90)


def partly_loaded(job_id: str, files: int = 1) -> Job:
    """Make an import that was only partly loaded."""
    return Job(
        ref=JobRef(job_id),
        status=JobStatus.PARTIALLY_FAILED,
        reported_status="success",
        name="ImportGraph",
        is_import=True,
        files=(LOSSY,) * files,
        end_time=datetime(2020, 1, 1, tzinfo=UTC),
    )


async def report_on(
    stories: dict[str, list[Reading]],
    timeout: float | None = None,
    on_failure: OnFailure = "end",
    outage_timeout: float = 900.0,
) -> Report:
    """Wait for the jobs of some stories."""
    poller = Poller(ScriptedSource(stories), max_per_second=1000, max_at_once=1000, outage_timeout=outage_timeout)
    return await wait_for(poller, map(JobRef, stories), timeout=timeout, on_failure=on_failure, log=LOG)


def through_json(report: Report) -> Report:
    """Bring a report over to the other side of the database."""
    return Report.from_dict(json.loads(json.dumps(report.as_dict())))


async def test_a_success_is_a_count() -> None:
    """Nothing is told of a job that ended well but that it did."""
    report = await report_on({str(n): [JobStatus.RUNNING, JobStatus.SUCCESS] for n in range(300)})
    assert report.as_dict() == {
        "outcome": "success",
        "counts": {"success": 300},
        "bad_jobs": [],
        "bad_jobs_left_out": 0,
        "open_jobs": [],
        "error": None,
        "lasting": False,
    }
    assert report.sentence() == "300 jobs: 300 success"
    assert Report().sentence() == "0 jobs"


async def test_every_end_is_counted_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """Failed, partly loaded, cancelled, not found, vanished and unfinished jobs are told apart, here and in the log."""
    stories: dict[str, list[Reading]] = {
        "good": [JobStatus.SUCCESS],
        "lossy": [partly_loaded("lossy")],
        "failed": [JobStatus.FAILED],
        "cancelled": [JobStatus.CANCELLED],
        "unknown": [],
        "gone": [JobStatus.RUNNING, JobNotFound(JobRef("gone"))],
        "endless": [JobStatus.RUNNING],
        "secret": [PermissionDenied("not yours", status=403)],
    }
    report = through_json(await report_on(stories, timeout=600.0))
    names = ["cancelled", "failed", "not_found", "open", "partially_failed", "success", "unread", "vanished"]
    assert report.counts == dict.fromkeys(names, 1)
    assert report.sentence().startswith("8 jobs: 1 success, 1 partially_failed, 1 failed, 1 cancelled, 1 not_found, ")
    assert report.outcome == "failed"
    assert report.open_jobs == ["endless"]
    lossy = next(job for job in report.bad_jobs if job["job_id"] == "lossy")
    assert lossy == {
        "job_id": "lossy",
        "graph": None,
        "error": "ImportPartiallyFailed",
        "reason": f"ImportGraph job lossy was only partly loaded: {LOSSY}",
        "files": ["edgeset edges.csv: partFailed, 3 of 90 lines failed, cause row 7"],
        "files_left_out": 0,
    }
    assert f"ImportPartiallyFailed: {lossy['reason']}" in caplog.messages
    assert f"    {LOSSY}" in caplog.messages
    assert len([message for message in caplog.messages if message.startswith("Job")]) == 4
    assert report.sentence().endswith("; not all could be read: not yours (HTTP 403)")


async def test_what_is_tolerated_is_no_failure() -> None:
    """It is counted by a name of its own."""
    poller = Poller(ScriptedSource({"lossy": [partly_loaded("lossy")], "good": [JobStatus.SUCCESS]}))
    refs = [JobRef("lossy"), JobRef("good")]
    report = through_json(
        await wait_for(poller, refs, timeout=None, on_failure="first", log=LOG, max_failed_lines="4%")
    )
    assert (report.outcome, report.bad, report.bad_jobs) == ("success", 0, [])
    assert report.sentence() == "2 jobs: 1 success, 1 tolerated"


@pytest.mark.parametrize(
    ("error", "outcome", "name"),
    [
        (UnknownEnd(REF, HALTED), "failed", "unknown_end"),
        (PendingTimeout(5, {REF: JobStatus.PENDING}), "timeout", "open"),
        (EndUnconfirmed("no files", job=HALTED, pending=[REF]), "error", "unread"),
        (ListIncomplete("give graph="), "error", "unread"),
    ],
)
def test_odd_ends_are_counted_by_what_they_mean(error: Exception, outcome: str, name: str) -> None:
    """A job that ended in an unknown word has failed; one that nobody could read has not."""
    report = Report()
    report.take(
        StateChange(
            ref=REF,
            previous=None,
            status=JobStatus.UNKNOWN,
            job=HALTED,
            error=error,
            is_final=True,
            observed_at=0.0,
            observed_time=datetime(2030, 1, 1, tzinfo=UTC),
            id="c1",
        )
    )
    assert (report.outcome, report.counts) == (outcome, {name: 1})
    assert report.sentence().startswith(f"1 job: 1 {name}")


async def test_time_that_runs_out_is_a_report() -> None:
    """It counts the jobs still open, and names some."""
    report = through_json(await report_on({str(n): [JobStatus.RUNNING] for n in range(30)}, timeout=60.0))
    assert (report.outcome, report.still_open, len(report.open_jobs)) == ("timeout", 30, 20)
    told = "30 jobs: 30 open; time ran out, and they go on at the service: 0, 1, 2, 3, 4 and 25 more"
    assert report.sentence() == told


async def test_the_first_failure_can_end_the_wait() -> None:
    """What was open then is counted as open."""
    stories: dict[str, list[Reading]] = {
        "endless": [JobStatus.RUNNING],
        "bad": [JobStatus.RUNNING, JobStatus.FAILED],
        "good": [JobStatus.SUCCESS],
    }
    report = await report_on(stories, timeout=600.0, on_failure="first")
    assert anyio.current_time() < 60
    assert report.counts == {"success": 1, "failed": 1, "open": 1}
    assert report.sentence() == (
        "3 jobs: 1 success, 1 failed, 1 open; the first that did not end well: job bad failed: "
        "the server gave no reason"
    )


@pytest.mark.parametrize("on_failure", ["end", "first"])
async def test_a_job_handed_over_with_its_graph_and_without_is_one(on_failure: OnFailure) -> None:
    """It is counted once, and is not open when it has ended."""
    refs = [JobRef("1"), JobRef("1", "movies"), JobRef("2"), JobRef("2", "movies")]
    poller = Poller(ScriptedSource({"1": [JobStatus.SUCCESS], "2": [JobStatus.FAILED]}))
    report = await wait_for(poller, refs, timeout=60.0, on_failure=on_failure, log=LOG)
    assert report.counts == {"success": 1, "failed": 1}


@pytest.mark.parametrize(
    ("error", "lasting"), [(AuthenticationError("rejected", status=401), True), (ServiceUnavailable("later"), False)]
)
async def test_a_source_that_fails_is_a_report(error: Exception, lasting: bool) -> None:
    """It tells the error once, how many jobs it left unread, and whether to try again makes sense."""
    stories: dict[str, list[Reading]] = {str(n): [error] for n in range(3)}
    report = through_json(await report_on(stories, outage_timeout=60.0))
    assert (report.outcome, report.counts, report.lasting) == ("error", {"unread": 3}, lasting)
    assert str(error) in (report.error or "")
    assert report.sentence() == f"3 jobs: 3 unread; not all could be read: {report.error}"


@pytest.mark.parametrize(("error", "lasting"), [(ValueError("half a key"), True), (ServiceUnavailable("later"), False)])
def test_what_kept_the_wait_from_starting_is_a_report(error: Exception, lasting: bool) -> None:
    """Bad input lasts, a service that is away may be back."""
    report = Report.of_error(error)
    assert (report.outcome, report.lasting, report.sentence()) == ("error", lasting, str(error))


async def test_a_report_is_small_whatever_happened() -> None:
    """Of 200 imports with 100 bad files each, counts are whole, and the rest says what it leaves out."""
    report = await report_on({str(n): [partly_loaded(str(n), files=100)] for n in range(200)})
    told = report.as_dict()
    assert report.counts == {"partially_failed": 200}
    assert (len(report.bad_jobs), told["bad_jobs_left_out"]) == (20, 180)
    assert sum(len(job["files"]) for job in report.bad_jobs) == 50
    assert report.bad_jobs[0]["files_left_out"] == 50
    assert len(json.dumps(told)) < 16_000
    lines = list(report.lines())
    assert lines[51] == "    and 50 more files"
    assert lines[-1] == "and 180 more jobs; the log of the trigger names them all"


async def test_texts_are_cut() -> None:
    """A reason as long as a book is told up to a bound, the log has the whole of it."""
    report = Report.of_error(ValueError("long " * 1000))
    assert len(report.error or "") == 300
    assert (report.error or "").endswith("…")


def test_the_loop_runs_while_many_jobs_are_taken_in() -> None:
    """Others on the loop get their turn between slices of 10,000 jobs, when they come and when they end."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async def wait() -> Report:
        ids = [str(number) for number in range(10_000)]
        source = ScriptedSource({job_id: [JobStatus.SUCCESS] for job_id in ids})
        poller = Poller(source, max_per_second=1e6, max_at_once=1000)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            report = await wait_for(poller, map(JobRef, ids), timeout=0, on_failure="end", log=LOG)
            tasks.cancel_scope.cancel()
        return report

    report = anyio.run(wait)  # on the real clock, which does not stand still for a loop that is never idle
    assert report.counts == {"success": 10_000}
    assert turns > 10_000 / 500 + 10_000 / 50
