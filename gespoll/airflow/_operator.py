"""The operator: a task that waits for jobs and fails when one of them did not end well.

Rule: a worker is held for seconds, not for the wait, unless it is asked to be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import StartTriggerArgs

from gespoll._scheduler import Unconfirmed
from gespoll.airflow._batches import Jobs, grouped
from gespoll.airflow._hook import DEFAULT_CONNECTION
from gespoll.airflow._task import (
    RETRIES,
    RETRY_DELAY,
    SPARE,
    WaitsForJobs,
    airflows_timeout,
    check_options,
    checked_seconds,
)
from gespoll.airflow._trigger import CLASS_PATH
from gespoll.airflow._wait import OnFailure, poller_knobs


class GesJobsOperator(WaitsForJobs, BaseOperator):
    """Waits until all jobs have ended, in a triggerer.

    Its result, an XCom, is a dict: `outcome`; `counts` by how the jobs ended; `bad_jobs` with reason and files, 20
    at most, and `bad_jobs_left_out`; `open_jobs`. A job that failed, and an import that was only partly loaded,
    fails the task without a retry, with the jobs and their files in the log of the task.

    Killing the task, and clearing or marking it, cancels nothing at the service.

    Args:
        jobs: a job id, a `gespoll.JobRef` or `{"job_id": …, "graph": …}`; a list of these; job ids by graph, such as
            a batch of `batched_jobs`; or JSON of these, as a template gives it with `| tojson`. Templated.
        graph: the graph id of the jobs that name none. Without any, jobs are looked for in the project's list.
            Templated.
        ges_conn_id: id of the connection. Templated.
        timeout: seconds, or a timedelta, for all jobs; `None` waits without limit.
        interval: seconds: how soon an end is to be known.
        max_per_second: budget of requests of this task; tasks do not share one.
        verify: seconds in which what only the list or only queries show of a job is verified by the other.
        pending_timeout: seconds after which a job that has not begun is given up; `None` waits on.
        unconfirmed: "raise" fails the task over a success of which nobody tells whether it was whole.
        status_words: what words mean that no API document names, such as `{"halted": "cancelled"}`.
        max_failed_lines: an import that lost no more lines counts as `tolerated`: an int, or a share as a float below 1
            or as "1%".
        on_failure: "end" waits for all, then fails; "first" fails at once, leaving the others open; "never" succeeds
            whatever became of the jobs, also when time ran out, and leaves it to who reads the result.
        deferrable: wait in a triggerer. `False` holds a worker for the whole wait.
        start_from_trigger: start in the triggerer, too: a task whose jobs end well takes no worker at all. `jobs` must
            then be known when the DAG is read, or be a text template; a mapped task starts in a worker all the same.
        retries: as for every operator, but 2: Airflow may lose a task that is deferred, and what was lost is only
            the waiting.
        retry_delay: as for every operator, but 30 seconds.
        kwargs: as for every operator.

    Raises:
        TypeError: when a knob is no number.
        ValueError: when an argument cannot work.
    """

    template_fields: Sequence[str] = ("jobs", "graph", "ges_conn_id")
    ui_color = "#d9e8f6"

    def __init__(
        self,
        *,
        jobs: Jobs,
        graph: str | None = None,
        ges_conn_id: str = DEFAULT_CONNECTION,
        timeout: timedelta | float | None = None,
        interval: float = 5.0,
        max_per_second: float = 10.0,
        verify: float | None = 3600.0,
        pending_timeout: float | None = None,
        unconfirmed: Unconfirmed = "accept",
        status_words: Mapping[str, str] | None = None,
        max_failed_lines: float | str | None = None,
        on_failure: OnFailure = "end",
        deferrable: bool = True,
        start_from_trigger: bool = False,
        retries: int = RETRIES,
        retry_delay: timedelta | float = RETRY_DELAY,
        **kwargs: Any,
    ) -> None:
        super().__init__(retries=retries, retry_delay=retry_delay, **kwargs)
        self.jobs = jobs
        self.graph = graph
        self.ges_conn_id = ges_conn_id
        self.timeout: float | None = checked_seconds("timeout", timeout)
        self.interval = interval
        self.max_per_second = max_per_second
        self.verify = verify
        self.pending_timeout = pending_timeout
        self.unconfirmed: Unconfirmed = unconfirmed
        self.status_words = status_words
        self.max_failed_lines = max_failed_lines
        self.on_failure: OnFailure = on_failure
        self.deferrable = deferrable
        check_options(self)
        self.start_from_trigger = start_from_trigger
        if start_from_trigger:
            self.start_trigger_args: StartTriggerArgs | None = self._start_trigger_args()

    def execute(self, context: Any) -> dict[str, Any]:
        """Defer the task, or wait here.

        Args:
            context: Airflow's, not used.

        Raises:
            TaskDeferred: to wait in a triggerer.
            AirflowException: as for `execute_complete`.
        """
        if self.deferrable:
            self.defer(
                trigger=self.trigger_for(self.timeout),
                method_name="execute_complete",
                timeout=airflows_timeout(self.timeout),
            )
        return self.conclude(self.wait_here(self.timeout))

    def _start_trigger_args(self) -> StartTriggerArgs:
        """Tell Airflow how to start without a worker; templates are rendered in the triggerer."""
        if not self.deferrable:
            raise ValueError("start_from_trigger=True waits in a triggerer: leave deferrable=True")
        jobs = self.jobs
        if not isinstance(jobs, str):
            try:
                jobs = json.dumps(grouped(jobs))  # one text: each text in a dict would be rendered by itself
            except ValueError as error:
                raise ValueError(
                    f"start_from_trigger=True needs jobs known when the DAG is read, or one text template: {error}"
                ) from None
        return StartTriggerArgs(
            trigger_cls=CLASS_PATH,
            next_method="execute_complete",
            trigger_kwargs={
                "jobs": jobs,
                "graph": self.graph,
                "ges_conn_id": self.ges_conn_id,
                **poller_knobs(self),
                "max_failed_lines": self.max_failed_lines,
                "on_failure": self.on_failure,
                "spare": SPARE,
                "end_task": True,
            },
            timeout=airflows_timeout(self.timeout),
        )
