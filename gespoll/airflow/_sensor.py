"""The sensor: the operator's wait under the arguments that Airflow's sensors have.

Rule: what a sensor means by its own words stays: `timeout`, `poke_interval`, `mode`, `soft_fail`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowException, AirflowSensorTimeout

from gespoll._scheduler import Unconfirmed
from gespoll.airflow._batches import Jobs
from gespoll.airflow._hook import DEFAULT_CONNECTION
from gespoll.airflow._task import RETRIES, RETRY_DELAY, WaitsForJobs, airflows_timeout, check_options
from gespoll.airflow._wait import ONE_LOOK, OnFailure


class GesJobsSensor(WaitsForJobs, BaseSensorOperator):
    """Senses that all jobs have ended, and fails, or with `soft_fail` skips, when one of them did not end well.

    Deferred, it waits in a triggerer, as `GesJobsOperator` does, with the same result. Otherwise each poke looks
    at every job, for 5 seconds at most.

    Args:
        jobs: as for `GesJobsOperator`. Templated.
        graph: the graph id of the jobs that name none. Templated.
        ges_conn_id: id of the connection. Templated.
        max_per_second: budget of requests of this task.
        verify: as for `GesJobsOperator`.
        pending_timeout: as for `GesJobsOperator`; only where the sensor is deferred.
        unconfirmed: as for `GesJobsOperator`.
        status_words: as for `GesJobsOperator`.
        max_failed_lines: as for `GesJobsOperator`.
        on_failure: "end", "first" or "never", as for `GesJobsOperator`.
        deferrable: wait in a triggerer.
        poke_interval: seconds: how soon an end is to be known; without deferring, between two pokes.
        retries: as for every operator, but 2: Airflow may lose a task that is deferred.
        retry_delay: as for every operator, but 30 seconds.
        kwargs: as for every sensor, such as `timeout` (seconds for all jobs), `mode` and `soft_fail`.

    Raises:
        TypeError: when a knob is no number.
        ValueError: when an argument cannot work.
    """

    template_fields: Sequence[str] = ("jobs", "graph", "ges_conn_id")
    ui_color = "#d9e8f6"
    timeout_error: type[AirflowException] = AirflowSensorTimeout

    def __init__(
        self,
        *,
        jobs: Jobs,
        graph: str | None = None,
        ges_conn_id: str = DEFAULT_CONNECTION,
        max_per_second: float = 10.0,
        verify: float | None = 3600.0,
        pending_timeout: float | None = None,
        unconfirmed: Unconfirmed = "accept",
        status_words: Mapping[str, str] | None = None,
        max_failed_lines: float | str | None = None,
        on_failure: OnFailure = "end",
        deferrable: bool = True,
        poke_interval: timedelta | float = 5.0,
        retries: int = RETRIES,
        retry_delay: timedelta | float = RETRY_DELAY,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, retries=retries, retry_delay=retry_delay, **kwargs)
        self.jobs = jobs
        self.graph = graph
        self.ges_conn_id = ges_conn_id
        self.interval: float = self.poke_interval
        self.max_per_second = max_per_second
        self.verify = verify
        self.pending_timeout = pending_timeout
        self.unconfirmed: Unconfirmed = unconfirmed
        self.status_words = status_words
        self.max_failed_lines = max_failed_lines
        self.on_failure: OnFailure = on_failure
        self.deferrable = deferrable
        check_options(self)

    def execute(self, context: Any) -> Any:
        """Defer the task, or poke.

        Args:
            context: Airflow's.

        Raises:
            TaskDeferred: to wait in a triggerer.
            AirflowException: as for `execute_complete`.
        """
        if self.deferrable:
            seconds = float(self.timeout)
            limit = airflows_timeout(seconds)
            self.defer(trigger=self.trigger_for(seconds), method_name="execute_complete", timeout=limit)
        return super().execute(context)

    def poke(self, context: Any) -> PokeReturnValue:
        """Look at every job, for 5 seconds at most; done when all have ended.

        Args:
            context: Airflow's, not used.

        Raises:
            AirflowException: as for `execute_complete`.
        """
        report = self.wait_here(ONE_LOOK)
        if report.still_open and report.error is None and not (report.bad and self.on_failure == "first"):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self.conclude(report))
