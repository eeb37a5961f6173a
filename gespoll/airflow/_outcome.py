"""What the end of a wait means for its task.

Rule: a job that failed is failed for good, so the task fails without another try. Another try is for what
may be different then: a service out of reach, and a task that Airflow itself has lost.
"""

from __future__ import annotations

from typing import Any, NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from gespoll.airflow._report import Report
from gespoll.airflow._wait import OnFailure


def conclude(
    report: Report, on_failure: OnFailure, log: Any, timeout_error: type[AirflowException] = AirflowFailException
) -> dict[str, Any]:
    """Give the result of the task, or fail it.

    Args:
        report: what became of the jobs.
        on_failure: "never" lets the task succeed whatever became of them, as long as they could be read.
        log: where a result that is no failure is told.
        timeout_error: what to raise when time ran out.

    Raises:
        AirflowFailException: when a job did not end well, or the source fails in a way that lasts.
        AirflowException: when the source failed and may not the next time.
    """
    outcome = report.outcome
    if report.error is not None and (outcome == "error" or on_failure == "never"):
        raise (AirflowFailException if report.lasting else AirflowException)(report.sentence())
    if outcome == "success" or on_failure == "never":
        log.info("%s", report.sentence())
        return report.as_dict()
    raise (timeout_error if outcome == "timeout" else AirflowFailException)(report.sentence())


def of_event(event: Any) -> Report:
    """Read the event that a trigger fired.

    Raises:
        AirflowException: when there is none.
    """
    if not isinstance(event, dict) or "counts" not in event:
        _refuse(event)
    return Report.from_dict(event)


def _refuse(event: object) -> NoReturn:
    raise AirflowException(f"the trigger was to report on the jobs, and the task was resumed with {event!r} instead")
