"""The operator: what it defers, what it makes of the event, and the same wait held in a worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from airflow.serialization.serialized_objects import BaseSerialization, DagSerialization

from gespoll import JobRef
from gespoll.airflow import GesJobsOperator, GesJobsTrigger, batched_jobs
from gespoll.airflow._report import Report
from tests.airflow.conftest import LOSSY, Connect, Service

LOST = "ImportGraph job movies/lossy was only partly loaded: edgeset edges.csv: partFailed, 3 of 90 lines failed"


@pytest.fixture
def dag() -> Iterator[DAG]:
    """Collect the tasks of a test."""
    with DAG("ges", schedule=None) as dag:
        yield dag


def waiting(jobs: Any = ("1",), **arguments: Any) -> GesJobsOperator:
    """Make a task that waits."""
    return GesJobsOperator(task_id="wait", jobs=jobs, **arguments)


def deferred(task: GesJobsOperator) -> TaskDeferred:
    """Run the first half of a task."""
    with pytest.raises(TaskDeferred) as caught:
        task.execute({})
    return caught.value


def told(**facts: Any) -> dict[str, Any]:
    """Make the event of a trigger."""
    return Report(**facts).as_dict()


class TestDeferring:
    """The first half."""

    def test_the_trigger_gets_the_jobs_by_graph(self) -> None:
        """And all else that it needs, but no keyword that `dag.test` would drop."""
        task = waiting(["1", JobRef("2", "people")], graph="movies", ges_conn_id="mine", interval=9, max_per_second=2)
        end = deferred(task)
        assert end.method_name == "execute_complete"
        assert not end.kwargs
        assert end.timeout is None
        arguments = end.trigger.serialize()[1]
        assert arguments["jobs"] == {"movies": ["1"], "people": ["2"]}
        assert (arguments["ges_conn_id"], arguments["interval"], arguments["max_per_second"]) == ("mine", 9, 2)
        assert arguments["deadline"] is None

    def test_the_trigger_gets_the_knobs(self) -> None:
        """Those of the poller, and what is tolerated."""
        knobs: dict[str, Any] = {
            "verify": 60.0,
            "pending_timeout": 1800.0,
            "unconfirmed": "raise",
            "status_words": {"halted": "cancelled"},
            "max_failed_lines": "1%",
        }
        arguments = deferred(waiting(**knobs)).trigger.serialize()[1]
        assert {name: arguments[name] for name in knobs} == knobs

    @pytest.mark.parametrize("timeout", [600, 600.0, timedelta(minutes=10)])
    def test_a_timeout_becomes_a_deadline(self, timeout: Any) -> None:
        """By the wall clock; Airflow's own is later, for when no triggerer runs."""
        end = deferred(waiting(timeout=timeout))
        assert end.trigger.serialize()[1]["deadline"] == pytest.approx(time.time() + 600, abs=30)
        assert end.timeout == timedelta(seconds=900)

    def test_jobs_that_cannot_be_read_fail_the_task_for_good(self) -> None:
        """Another try would not read them."""
        with pytest.raises(AirflowFailException, match=r"jobs\[0\] is no job"):
            waiting([None]).execute({})

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({"timeout": -1}, "timeout=-1 must be seconds or a timedelta, at least 0, or None for no limit"),
            ({"timeout": "1h"}, "timeout='1h' must be seconds"),
            ({"timeout": float("nan")}, "timeout=nan must be seconds"),
            ({"interval": -1}, "interval"),
            ({"max_per_second": -1}, "max_per_second"),
            ({"verify": 0}, "verify"),
            ({"pending_timeout": 0}, "pending_timeout"),
            ({"unconfirmed": "maybe"}, "unconfirmed='maybe' must be 'accept' or 'raise'"),
            ({"status_words": {"halted": "molten"}}, "status_words: 'halted' cannot mean 'molten'"),
            ({"max_failed_lines": "few"}, "max_failed_lines='few' must be a percentage"),
            ({"on_failure": "ignore"}, "on_failure='ignore' must be 'end', 'first' or 'never'"),
            ({"start_from_trigger": True, "deferrable": False}, "waits in a triggerer: leave deferrable=True"),
            ({"start_from_trigger": True, "jobs": [7]}, "needs jobs known when the DAG is read, or one text template"),
        ],
    )
    def test_arguments_are_checked_where_the_dag_is_read(self, arguments: dict[str, Any], text: str) -> None:
        """Not hours later in a triggerer."""
        with pytest.raises(ValueError, match=text):
            waiting(**arguments)

    def test_it_is_tried_again_by_default(self, dag: DAG) -> None:
        """Also as a mapped task; who says otherwise is obeyed."""
        plain = waiting()
        mapped: Any = GesJobsOperator.partial(task_id="mapped").expand(jobs=[["1"], ["2"]])
        assert (plain.retries, mapped.retries) == (2, 2)
        assert plain.retry_delay == mapped.retry_delay == timedelta(seconds=30)
        with DAG("stubborn", schedule=None, default_args={"retries": 7}):
            assert waiting().retries == 7
        with DAG("hasty", schedule=None):
            assert waiting(retries=0).retries == 0

    def test_it_starts_in_the_triggerer_when_told(self, dag: DAG) -> None:
        """The scheduler finds what it needs in the stored DAG."""
        waiting(batched_jobs(["1", "2"])[0], graph="{{ params.graph }}", timeout=60, start_from_trigger=True)
        task = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("wait")
        assert task.start_from_trigger
        found = task.start_trigger_args
        assert found is not None
        assert found.trigger_cls == "gespoll.airflow.GesJobsTrigger"
        assert found.next_method == "execute_complete"
        assert found.timeout == timedelta(seconds=360)
        arguments = BaseSerialization.deserialize(found.trigger_kwargs)
        assert arguments["jobs"] == '{"": ["1", "2"]}'
        assert arguments["end_task"] is True
        assert GesJobsTrigger(**arguments).serialize()[1] == {"deadline": None, **arguments}

    def test_templates_are_rendered_first(self, dag: DAG) -> None:
        """JSON that a template gives is read."""
        task = waiting("{{ ids | tojson }}", graph="{{ name }}")
        task.render_template_fields({"ids": ["1", "2"], "name": "movies"})  # type: ignore[typeddict-unknown-key]
        assert deferred(task).trigger.serialize()[1]["jobs"] == {"movies": ["1", "2"]}


class TestTheEnd:
    """The second half."""

    def test_a_success_is_the_result(self) -> None:
        """The report itself, also where keywords come that are not known."""
        event = told(counts={"success": 2})
        assert waiting().execute_complete({}, event=event, more=1) == event

    def test_a_failed_job_fails_the_task_for_good(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With the jobs and their files in its log."""
        bad = {"job_id": "7", "graph": None, "error": "ImportFailed", "reason": "job 7 failed", "files": ["a.csv: 3"]}
        event = told(counts={"success": 1, "failed": 22}, bad_jobs=[{**bad, "files_left_out": 4}])
        with pytest.raises(AirflowFailException, match="23 jobs: 1 success, 22 failed; the first that did"):
            waiting().execute_complete({}, event)
        log = capsys.readouterr().out
        for line in ("ImportFailed: job 7 failed", "    a.csv: 3", "    and 4 more files", "and 21 more jobs; the log"):
            assert log.count(line) == 1

    def test_time_that_ran_out_fails_the_task_for_good(self) -> None:
        """Another try would take as long again."""
        event = told(counts={"success": 1, "open": 1}, open_jobs=["movies/2"])
        with pytest.raises(AirflowFailException, match="1 open; time ran out, and they go on at the service: movies/2"):
            waiting().execute_complete({}, event)

    @pytest.mark.parametrize(("lasting", "kind"), [(True, AirflowFailException), (False, AirflowException)])
    @pytest.mark.parametrize("on_failure", ["end", "never"])
    def test_a_source_that_failed_is_tried_again_where_it_may_help(
        self, lasting: bool, kind: type[Exception], on_failure: str
    ) -> None:
        """An outage may be over, a rejected key is rejected the next time, too."""
        event = told(counts={"unread": 3}, error="rejected", lasting=lasting)
        with pytest.raises(AirflowException, match="3 unread; not all could be read: rejected") as caught:
            waiting(on_failure=on_failure).execute_complete({}, event)
        assert type(caught.value) is kind

    @pytest.mark.parametrize("counts", [{"failed": 2}, {"success": 1, "open": 3}])
    def test_who_looks_at_the_result_is_not_failed(self, counts: dict[str, int]) -> None:
        """With "never", failed and unfinished jobs are a result."""
        event = told(counts=counts)
        assert waiting(on_failure="never").execute_complete({}, event) == {**event, "counts": counts}

    @pytest.mark.parametrize("event", [None, "success", {"status": "ok"}])
    def test_an_event_of_another_kind_is_refused(self, event: Any) -> None:
        """It is told, and the wait is tried again."""
        with pytest.raises(AirflowException, match="the trigger was to report on the jobs, and the task was resumed"):
            waiting().execute_complete({}, event)


class TestInAWorker:
    """The same wait, held in a worker."""

    def test_it_waits_and_gives_the_same_result(self, service: Service, connect: Connect) -> None:
        """Nothing is deferred."""
        connect(service.ges)
        service.add("1", steps=[(0, "running"), (0.3, "success")])
        result = waiting("1", graph="movies", deferrable=False, interval=0.1).execute({})
        assert (result["outcome"], result["counts"]) == ("success", {"success": 1})

    def test_a_partly_loaded_import_fails_it(
        self, service: Service, connect: Connect, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With the files in its log."""
        connect(service.ges)
        service.add("lossy", files=[LOSSY])
        with pytest.raises(AirflowFailException, match=LOST):
            waiting("lossy", graph="movies", deferrable=False).execute({})
        assert (
            capsys.readouterr().out.count("    edgeset edges.csv: partFailed, 3 of 90 lines failed, cause row 7") == 1
        )

    def test_a_timeout_ends_it(self, service: Service, connect: Connect) -> None:
        """After a last look."""
        connect(service.ges)
        service.add("1", steps=[(0, "running")])
        with pytest.raises(AirflowFailException, match="time ran out"):
            waiting("1", graph="movies", deferrable=False, timeout=0).execute({})

    def test_a_connection_that_lacks_something_fails_it_for_good(self, connect: Connect) -> None:
        """As in the triggerer."""
        connect()
        with pytest.raises(AirflowFailException, match="has no credentials"):
            waiting(deferrable=False).execute({})
