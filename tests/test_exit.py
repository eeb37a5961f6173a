"""The table of exit statuses: a test a row, and every pair of rows."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

import pytest

import gespoll
from gespoll import Job, JobRef, JobStatus, StateChange
from gespoll.cli._exit import TABLE, VERDICTS, ExitStatus, Row, UsageError, help_text, status_of, status_of_error, worst

REF = JobRef("1", "movies")
JOB = Job(ref=REF, status=JobStatus.FAILED, reported_status="failed")
ERRORS: dict[Exception, int] = {
    UsageError("no such option"): 2,
    gespoll.AuthenticationError("rejected"): 5,
    gespoll.PermissionDenied("denied"): 5,
    gespoll.TransportError("refused"): 6,
    gespoll.ServiceUnavailable("down"): 6,
    gespoll.Throttled("slow down"): 6,
    gespoll.ProtocolError("no JSON"): 6,
    gespoll.ListIncomplete("give graph="): 6,
    gespoll.EndUnconfirmed("success without files", job=JOB, pending=(REF,)): 6,
    gespoll.WaitTimeout(5.0, {REF: None}): 124,
    gespoll.PendingTimeout(5.0, {REF: JobStatus.PENDING}): 124,
    gespoll.JobNotFound(REF): 4,
    gespoll.JobVanished(REF): 4,
    gespoll.RequestRejected("no such project"): 4,
    gespoll.JobFailed(REF, JOB): 1,
    gespoll.ImportFailed(REF, JOB): 1,
    gespoll.JobCancelled(REF): 1,
    gespoll.UnknownEnd(REF, JOB): 1,
    gespoll.ImportPartiallyFailed(REF, JOB): 3,
}


def ended(error: Exception | None, status: JobStatus | None = None) -> StateChange:
    """Make a last change."""
    return StateChange(
        ref=REF,
        previous=None,
        status=status,
        job=None,
        error=error,
        is_final=True,
        observed_at=0.0,
        observed_time=datetime(2030, 1, 2, tzinfo=UTC),
        id="c1",
    )


@pytest.mark.parametrize(("error", "status"), list(ERRORS.items()), ids=lambda value: type(value).__name__)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    """The nearest class that the table names decides."""
    assert status_of_error(error) == status
    assert status_of(ended(error)) == status


def test_every_error_of_the_library_has_a_status() -> None:
    """Whatever can be raised on purpose ends in a documented exit status."""
    named = {type(error) for error in ERRORS}
    public = {each for name in gespoll.__all__ if isinstance(each := getattr(gespoll, name), type)}
    abstract = {gespoll.GespollError, gespoll.JobError, gespoll.SourceError, gespoll.JobsFailed}
    assert {each for each in public if issubclass(each, Exception)} - abstract <= named


def test_success_is_zero() -> None:
    """Without any error, and without any job."""
    assert status_of(ended(None)) == 0
    assert worst([]) == 0


def test_the_order_is_as_documented() -> None:
    """130 > 2 > 5 > 6 > 124 > 4 > 1 > 3 > 0."""
    assert [row.status for row in TABLE] == [130, 2, 5, 6, 124, 4, 1, 3, 0]
    assert set(ExitStatus) == {row.status for row in TABLE}


@pytest.mark.parametrize(("first", "second"), list(combinations(TABLE, 2)), ids=lambda row: str(row.status.value))
def test_the_upper_of_two_rows_wins(first: Row, second: Row) -> None:
    """In whatever order they come."""
    assert worst([second.status, first.status]) == worst([first.status, second.status]) == first.status


def test_a_service_that_cannot_be_asked_precedes_the_timeout() -> None:
    """A job that was never seen because the last look failed tells why; one that was seen was in time."""
    refused = gespoll.WaitTimeout(5.0, {REF: None}, last_failure=gespoll.TransportError("refused"))
    assert status_of(ended(refused)) == 6
    assert status_of(ended(refused, JobStatus.RUNNING)) == 124


def test_a_denied_job_may_yet_come() -> None:
    """Until the grace is over a job that is not found is one that was waited for in vain."""
    denied = gespoll.WaitTimeout(5.0, {REF: None}, last_failure=gespoll.JobNotFound(REF))
    assert status_of(ended(denied)) == 124


def test_verdicts_are_about_jobs() -> None:
    """Only those may be left out of account."""
    assert {1, 3} == VERDICTS


def test_the_help_tells_every_row() -> None:
    """In the order of precedence."""
    lines = help_text().splitlines()[2:]
    assert lines == [f"| {row.status.value} | {row.meaning} |" for row in TABLE]
