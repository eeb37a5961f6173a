"""What the operator and the sensor share: reading their arguments, deferring, and waking up again.

Rule: arguments are checked where the DAG is read, as far as they are known there. All that the second half
of the task needs stands in the event or in the task's own arguments.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

import anyio
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

import gespoll
from gespoll._scheduler import Unconfirmed
from gespoll._tolerance import read_tolerance
from gespoll.airflow._batches import grouped, refs_of
from gespoll.airflow._hook import GesHook
from gespoll.airflow._outcome import conclude, of_event
from gespoll.airflow._report import Report
from gespoll.airflow._trigger import GesJobsTrigger
from gespoll.airflow._wait import OnFailure, poller_knobs, wait_for

RETRIES = 2
"""Airflow now and then loses a task that is deferred or resumed; the wait is begun again at no harm."""
RETRY_DELAY = timedelta(seconds=30)
SPARE = 300.0
"""Seconds after the deadline at which Airflow itself ends a trigger that nobody runs any more."""


def checked_seconds(name: str, value: timedelta | float | None) -> float | None:
    """Give a duration in seconds.

    Raises:
        ValueError: when it is none.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise ValueError(f"{name}={value!r} must be seconds or a timedelta, at least 0, or None for no limit")
    return float(seconds)


def check_options(options: WaitsForJobs) -> None:
    """Refuse what no poller takes, in the words of the library.

    Raises:
        TypeError: when a knob is no number.
        ValueError: when one is out of range.
    """
    if options.on_failure not in get_args(OnFailure):
        raise ValueError(f"on_failure={options.on_failure!r} must be 'end', 'first' or 'never'")
    read_tolerance(options.max_failed_lines)
    gespoll.connect(  # checks, and connects to nothing before it is entered
        "https://ges.invalid",
        "unused",
        credentials=gespoll.Token("unused"),
        **poller_knobs(options),
    )


class WaitsForJobs:
    """The part of a task that waits for jobs. Its attributes are those of the operator and the sensor."""

    jobs: Any
    graph: str | None
    ges_conn_id: str
    interval: float
    max_per_second: float
    verify: float | None
    pending_timeout: float | None
    unconfirmed: Unconfirmed
    status_words: Mapping[str, str] | None
    max_failed_lines: float | str | None
    on_failure: OnFailure
    log: Any
    timeout_error: type[AirflowException] = AirflowFailException

    def trigger_for(self, timeout: float | None) -> GesJobsTrigger:
        """Make the trigger that waits from now on.

        Raises:
            AirflowFailException: when the jobs cannot be read.
        """
        problem = None
        try:
            jobs = grouped(self.jobs, self.graph)
        except ValueError as error:
            problem = str(error)
        if problem is not None:
            raise AirflowFailException(problem)
        self.log.info("waiting for %s jobs in the triggerer", sum(map(len, jobs.values())))
        return GesJobsTrigger(
            jobs=jobs,
            ges_conn_id=self.ges_conn_id,
            **poller_knobs(self),
            max_failed_lines=self.max_failed_lines,
            on_failure=self.on_failure,
            deadline=None if timeout is None else time.time() + timeout,
        )

    def wait_here(self, timeout: float | None) -> Report:
        """Wait in this process. Killing it cancels nothing at the service."""
        try:
            poller = GesHook(self.ges_conn_id).get_conn(**poller_knobs(self))
            return anyio.run(self._wait, poller, timeout)
        except (AirflowNotFoundException, ValueError, gespoll.GespollError) as error:
            return Report.of_error(error)

    async def _wait(self, poller: gespoll.Poller, timeout: float | None) -> Report:
        refs = refs_of(self.jobs, self.graph)
        return await wait_for(
            poller,
            refs,
            timeout=timeout,
            on_failure=self.on_failure,
            log=self.log,
            max_failed_lines=self.max_failed_lines,
        )

    def execute_complete(self, context: Any, event: Any = None, **_: Any) -> dict[str, Any]:
        """Go on where the trigger has fired.

        Args:
            context: Airflow's, not used.
            event: the report of the trigger.

        Raises:
            AirflowFailException: when a job did not end well, time ran out, or the source fails in a way that lasts.
            AirflowException: when the source failed and may not the next time.
        """
        report = of_event(event)
        for line in report.lines():
            self.log.error("%s", line)
        return self.conclude(report)

    def conclude(self, report: Report) -> dict[str, Any]:
        """Give the result of the task, or fail it.

        Raises:
            AirflowException: as for `execute_complete`.
        """
        return conclude(report, self.on_failure, self.log, self.timeout_error)


def airflows_timeout(timeout: float | None) -> timedelta | None:
    """Tell when Airflow itself is to end a trigger: later than the trigger does, unless nobody runs it."""
    return None if timeout is None else timedelta(seconds=timeout + SPARE)
