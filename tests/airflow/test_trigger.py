"""The trigger, run as a triggerer runs it: made again from what it was stored as, on an event loop it shares."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import anyio
import pytest
from airflow.sdk.serde import deserialize, serialize
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from gespoll.airflow import GesJobsTrigger
from gespoll.testing import FakeGES
from tests.airflow.conftest import LOSSY, Connect

pytestmark = pytest.mark.anyio

RUNNING = [(0, "running")]


def stored(trigger: GesJobsTrigger, ges: FakeGES | None = None) -> GesJobsTrigger:
    """Bring a trigger through the database, and give it the clock of the fake service."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    brought: Any = deserialize(json.loads(json.dumps(serialize(arguments))))
    again: GesJobsTrigger = getattr(import_module(module), name)(**brought)
    assert again.serialize() == (path, arguments)
    if ges is not None:
        again.wall_clock = lambda: ges.wall_clock().timestamp()
    return again


async def events_of(trigger: GesJobsTrigger) -> list[TriggerEvent]:
    """Run a trigger to its end."""
    return [event async for event in trigger.run()]


async def test_one_event_tells_of_all_jobs(connect: Connect) -> None:
    """Jobs of several graphs, and of none, end in one event that is JSON."""
    async with FakeGES() as ges:
        connect(ges)
        ges.add_job("1", graph="movies", files=[LOSSY])
        ges.add_job("2", graph="people")
        ges.add_job("3", graph="people", name="StartGraph", steps=[(50, "failed")], fail_reason="no room")
        [event] = await events_of(stored(GesJobsTrigger({"movies": ["1"], "people": ["2"], "": ["3"]}), ges))
    told = json.loads(json.dumps(event.payload))
    assert (told["outcome"], told["counts"]) == ("failed", {"success": 1, "partially_failed": 1, "failed": 1})
    assert [job["files"] for job in told["bad_jobs"]] == [[], [str_of_lossy()]]


def str_of_lossy() -> str:
    """Tell how the lossy file is shown."""
    return "edgeset edges.csv: partFailed, 3 of 90 lines failed, cause row 7"


async def test_the_deadline_is_kept_over_a_takeover(connect: Connect) -> None:
    """The second triggerer waits only for what is left, looks at all jobs anew, and gives the one event."""
    async with FakeGES() as ges:
        connect(ges)
        ges.add_job("early", graph="movies", steps=[(10, "success")])
        ges.add_job("late", graph="movies", steps=[(70, "success")])
        ges.add_job("endless", graph="movies", steps=RUNNING)
        jobs = {"movies": ["early", "late", "endless"]}
        trigger = GesJobsTrigger(jobs, deadline=ges.wall_clock().timestamp() + 100)
        first = asyncio.create_task(events_of(stored(trigger, ges)))
        await anyio.sleep(60)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        [event] = await events_of(stored(trigger, ges))
        assert anyio.current_time() == pytest.approx(100, abs=3)
    assert event.payload["outcome"] == "timeout"
    assert event.payload["counts"] == {"success": 2, "open": 1}
    assert event.payload["open_jobs"] == ["movies/endless"]


async def test_a_deadline_that_is_over_looks_once(connect: Connect) -> None:
    """After a long outage of all triggerers, what ended meanwhile is still told."""
    async with FakeGES() as ges:
        connect(ges)
        ges.add_job("1", graph="movies", steps=[(0, "success")])
        ges.add_job("2", graph="movies", steps=[(0, "running")])
        [event] = await events_of(stored(GesJobsTrigger(["1", "2"], "movies", deadline=0.0), ges))
        assert anyio.current_time() < 10
    assert event.payload["counts"] == {"success": 1, "open": 1}


@pytest.mark.parametrize("zone", [UTC, None])
async def test_without_a_deadline_airflows_own_is_met(connect: Connect, zone: Any) -> None:
    """A trigger that starts without a worker stops before Airflow stops it."""
    async with FakeGES() as ges:
        connect(ges)
        ges.add_job("endless", graph="movies", steps=RUNNING)
        trigger = stored(GesJobsTrigger(["endless"], "movies", spare=300.0), ges)
        trigger.__dict__["timeout_after"] = (ges.wall_clock() + timedelta(seconds=400)).replace(tzinfo=zone)
        [event] = await events_of(trigger)
        assert anyio.current_time() == pytest.approx(100, abs=3)
    assert event.payload["outcome"] == "timeout"


async def test_without_any_deadline_it_waits_on(connect: Connect) -> None:
    """A job of a week is waited for."""
    week = 7 * 86_400
    async with FakeGES(origin=datetime(2020, 1, 1, tzinfo=UTC)) as ges:
        connect(ges)
        ges.add_job("1", graph="movies", steps=[(0, "running"), (week, "success")])
        [event] = await events_of(stored(GesJobsTrigger(["1"], "movies", spare=300.0, interval=3600.0), ges))
    assert event.payload["counts"] == {"success": 1}


async def test_it_can_end_its_task(connect: Connect) -> None:
    """Where all went well and it is allowed to; otherwise a worker has to write the log and fail the task."""
    async with FakeGES() as ges:
        connect(ges)
        ges.add_job("1", graph="movies", steps=[(0, "success")])
        ges.add_job("2", graph="movies", name="StartGraph", steps=[(0, "failed")])
        [good] = await events_of(stored(GesJobsTrigger(["1"], "movies", end_task=True)))
        [bad] = await events_of(stored(GesJobsTrigger(["1", "2"], "movies", end_task=True)))
    assert isinstance(good, TaskSuccessEvent)
    assert good.xcoms is not None
    assert good.xcoms["return_value"]["counts"] == {"success": 1}  # type: ignore[index, call-overload]
    assert type(bad) is TriggerEvent


async def test_what_fails_the_source_is_an_event(connect: Connect) -> None:
    """Rejected credentials are told, lasting, and without the credentials."""
    async with FakeGES() as ges:
        connect(ges)
        ges.add_job("1", graph="movies")
        ges.expire_token("another")
        [event] = await events_of(stored(GesJobsTrigger(["1"], "movies")))
    assert (event.payload["outcome"], event.payload["lasting"]) == ("error", True)
    assert "HTTP 401" in event.payload["error"]
    assert ges.token not in json.dumps(event.payload)


@pytest.mark.parametrize(
    ("jobs", "conn_id", "told"),
    [
        (["1"], "nowhere", "The conn_id `nowhere` isn't defined"),
        (["1"], "huaweicloud_default", "connection 'huaweicloud_default' has no credentials"),
        ("['1']", "huaweicloud_default", "which is no JSON"),
        (["1", ""], "huaweicloud_default", "jobs[1] is no job"),
    ],
)
async def test_what_cannot_be_waited_for_is_an_event(connect: Connect, jobs: Any, conn_id: str, told: str) -> None:
    """A connection that is not there or lacks something, and jobs that a template has spoilt."""
    async with FakeGES() as ges:
        connect(ges) if "no credentials" not in told else connect(extra={"region": "cn-north-4", "project_id": "p"})
        [event] = await events_of(stored(GesJobsTrigger(jobs, ges_conn_id=conn_id)))
    assert (event.payload["outcome"], event.payload["lasting"]) == ("error", True)
    assert told in event.payload["error"]


async def test_cancelling_it_leaves_nothing(connect: Connect) -> None:
    """Not a task, not a request; and the service was only looked at."""
    async with FakeGES() as ges:
        connect(ges)
        ges.add_job("1", graph="movies", steps=RUNNING)
        before = asyncio.all_tasks()
        trigger = asyncio.create_task(events_of(stored(GesJobsTrigger(["1"], "movies"))))
        await anyio.sleep(12)
        trigger.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trigger
        await anyio.sleep(1)
        running = {task for task in asyncio.all_tasks() - before if "gespoll" in repr(task.get_coro())}
        assert running == set()
        assert {request.method for request in ges.requests} == {"GET"}


async def test_its_repr_does_not_tell_ten_thousand_jobs() -> None:
    """Airflow writes it into logs."""
    trigger = GesJobsTrigger({"movies": ["a" * 30] * 10_000}, deadline=5.0)
    assert repr(trigger) == "<GesJobsTrigger by 'huaweicloud_default', deadline 5.0>"
