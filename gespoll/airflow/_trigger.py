"""One trigger waits on many jobs.

Rule: a trigger cannot update its arguments, so they say everything that a triggerer needs to start from
nothing, wherever and however often: all the jobs, and a deadline by the wall clock. Whatever is foreseen
ends in exactly one event, which is yielded when nothing of ours is open any more.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

import gespoll
from gespoll._scheduler import Unconfirmed
from gespoll.airflow._batches import refs_of
from gespoll.airflow._hook import DEFAULT_CONNECTION, GesHook
from gespoll.airflow._report import Report
from gespoll.airflow._wait import ONE_LOOK, OnFailure, poller_knobs, wait_for

CLASS_PATH = "gespoll.airflow.GesJobsTrigger"


class GesJobsTrigger(BaseTrigger):
    """Waits until all jobs of a batch have ended, and fires one event: the report of `GesJobsOperator`.

    Cancelling it, as a triggerer does that shuts down or whose task was marked by a user, withdraws its requests
    and cancels nothing at the service.

    Args:
        jobs: up to about 10,000 jobs, in any form that `GesJobsOperator` takes; job ids by graph is the smallest.
        graph: the graph of those that name none.
        ges_conn_id: id of the connection.
        interval: seconds: how soon an end is to be known.
        max_per_second: budget of requests of this trigger.
        verify: as for `GesJobsOperator`.
        pending_timeout: as for `GesJobsOperator`.
        unconfirmed: as for `GesJobsOperator`.
        status_words: as for `GesJobsOperator`.
        max_failed_lines: as for `GesJobsOperator`.
        on_failure: "first" ends the wait at the first job that does not end well.
        deadline: when to stop, in seconds since 1970 (UTC); `None` waits without limit. When it has passed before
            a triggerer could start, there is one more look.
        spare: instead of a deadline: stop so many seconds before Airflow's own timeout of the trigger.
        end_task: end the task right here when all jobs ended well, without a worker.
    """

    wall_clock: Callable[[], float] = staticmethod(time.time)
    """Tells the present time in seconds since 1970."""

    def __init__(
        self,
        jobs: Any,
        graph: str | None = None,
        *,
        ges_conn_id: str = DEFAULT_CONNECTION,
        interval: float = 5.0,
        max_per_second: float = 10.0,
        verify: float | None = 3600.0,
        pending_timeout: float | None = None,
        unconfirmed: Unconfirmed = "accept",
        status_words: Mapping[str, str] | None = None,
        max_failed_lines: float | str | None = None,
        on_failure: OnFailure = "end",
        deadline: float | None = None,
        spare: float | None = None,
        end_task: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.jobs = jobs
        self.graph = graph
        self.ges_conn_id = ges_conn_id
        self.interval = interval
        self.max_per_second = max_per_second
        self.verify = verify
        self.pending_timeout = pending_timeout
        self.unconfirmed: Unconfirmed = unconfirmed
        self.status_words = status_words
        self.max_failed_lines = max_failed_lines
        self.on_failure: OnFailure = on_failure
        self.deadline = deadline
        self.spare = spare
        self.end_task = end_task

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the place of the class and the arguments to make it again."""
        return CLASS_PATH, {
            "jobs": self.jobs,
            "graph": self.graph,
            "ges_conn_id": self.ges_conn_id,
            **poller_knobs(self),
            "max_failed_lines": self.max_failed_lines,
            "on_failure": self.on_failure,
            "deadline": self.deadline,
            "spare": self.spare,
            "end_task": self.end_task,
        }

    def __repr__(self) -> str:
        return f"<GesJobsTrigger by {self.ges_conn_id!r}, deadline {self.deadline}>"  # without 10,000 jobs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire the one event."""
        yield self._event(await self._report())

    async def _report(self) -> Report:
        try:
            hook = GesHook(self.ges_conn_id)
            poller = await hook.aget_conn(**poller_knobs(self))
            refs = refs_of(self.jobs, self.graph)
            return await wait_for(
                poller,
                refs,
                timeout=self._seconds_left(),
                on_failure=self.on_failure,
                log=self.log,
                max_failed_lines=self.max_failed_lines,
            )
        except (AirflowNotFoundException, ValueError, gespoll.GespollError) as error:
            return Report.of_error(error)

    def _event(self, report: Report) -> TriggerEvent:
        self.log.info("%s", report.sentence())
        if self.end_task and report.outcome == "success":
            return TaskSuccessEvent(xcoms={"return_value": report.as_dict()})
        return TriggerEvent(report.as_dict())

    def _seconds_left(self) -> float | None:
        deadline = self.deadline
        if deadline is None and self.spare is not None:
            deadline = self._airflows_deadline(self.spare)
        return None if deadline is None else max(deadline - self.wall_clock(), ONE_LOOK)

    def _airflows_deadline(self, spare: float) -> float | None:
        """Stop before the time at which Airflow ends the trigger, which it sets and keeps over a takeover."""
        after: datetime | None = getattr(self, "timeout_after", None)
        if after is None:
            return None
        aware = after if after.tzinfo else after.replace(tzinfo=UTC)
        return aware.timestamp() - spare
