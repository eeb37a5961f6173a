"""The sensor: the operator's wait, with what Airflow's sensors promise."""

from __future__ import annotations

import time
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from gespoll.airflow import GesJobsSensor
from gespoll.airflow._report import Report
from tests.airflow.conftest import Connect, Service


def sensing(jobs: Any = ("1",), **arguments: Any) -> GesJobsSensor:
    """Make a sensor."""
    return GesJobsSensor(task_id="sense", jobs=jobs, graph="movies", **arguments)


def told(**facts: Any) -> dict[str, Any]:
    """Make the event of a trigger."""
    return Report(**facts).as_dict()


class TestDeferred:
    """In the triggerer, as by default."""

    def test_the_sensors_words_are_the_triggers(self) -> None:
        """`timeout` is the deadline, `poke_interval` how soon an end is known."""
        with pytest.raises(TaskDeferred) as caught:
            sensing(timeout=60, poke_interval=7).execute({})
        arguments = caught.value.trigger.serialize()[1]
        assert arguments["deadline"] == pytest.approx(time.time() + 60, abs=30)
        assert (arguments["interval"], arguments["jobs"]) == (7, {"movies": ["1"]})

    def test_it_resumes_with_the_result(self) -> None:
        """The same as the operator's."""
        event = told(counts={"success": 1})
        assert sensing().resume_execution("execute_complete", {"event": event}, {}) == event

    def test_time_that_ran_out_is_a_sensors_timeout(self) -> None:
        """Which Airflow does not try again."""
        with pytest.raises(AirflowSensorTimeout, match="time ran out"):
            sensing().resume_execution("execute_complete", {"event": told(counts={"open": 1})}, {})

    @pytest.mark.parametrize("counts", [{"failed": 1}, {"open": 1}])
    def test_softly_failed_is_skipped(self, counts: dict[str, int]) -> None:
        """As every sensor is."""
        with pytest.raises(AirflowSkipException):
            sensing(soft_fail=True).resume_execution("execute_complete", {"event": told(counts=counts)}, {})


class TestPoking:
    """In a worker, look by look."""

    def test_a_poke_looks_once(self, service: Service, connect: Connect) -> None:
        """It is done when all have ended, with the result."""
        connect(service.ges)
        service.add("1")
        service.add("2", steps=[(0, "running")])
        sensor = sensing(["1", "2"], deferrable=False)
        assert not sensor.poke({})
        done: Any = sensing(["1"], deferrable=False).poke({})
        assert done.is_done
        assert done.xcom_value["counts"] == {"success": 1}

    def test_a_failed_job_counts_when_all_have_ended_or_at_once(self, service: Service, connect: Connect) -> None:
        """As `on_failure` says."""
        connect(service.ges)
        service.add("bad", name="StartGraph", steps=[(0, "failed")], fail_reason="no room")
        service.add("open", steps=[(0, "running")])
        assert not sensing(["bad", "open"], deferrable=False).poke({})
        for sensor in (
            sensing(["bad"], deferrable=False),
            sensing(["bad", "open"], deferrable=False, on_failure="first"),
        ):
            with pytest.raises(AirflowFailException, match="no room"):
                sensor.poke({})

    def test_it_pokes_until_all_have_ended(self, service: Service, connect: Connect) -> None:
        """And gives the result; or its slot, between two pokes."""
        connect(service.ges)
        service.add("1", steps=[(0, "running"), (0.5, "success")])
        result = sensing(deferrable=False, poke_interval=0.2).execute({})
        assert result["counts"] == {"success": 1}

    def test_what_cannot_be_read_fails_it(self, connect: Connect) -> None:
        """At the first poke."""
        connect()
        with pytest.raises(AirflowFailException, match="has no credentials"):
            sensing(deferrable=False).poke({})


def test_arguments_are_checked_where_the_dag_is_read() -> None:
    """In the words of the library."""
    with pytest.raises(ValueError, match="max_per_second"):
        sensing(max_per_second=0)
