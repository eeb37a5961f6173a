"""The id of a change: the same wherever the change is seen, and of no other."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from gespoll import (
    Job,
    JobNotFound,
    JobRef,
    JobStatus,
    JobVanished,
    PendingTimeout,
    PermissionDenied,
    Poller,
    ServiceUnavailable,
    StateChange,
    UnknownEnd,
    WaitTimeout,
)
from gespoll._scheduler._change_id import change_id, told_by
from gespoll.testing import ScriptedSource

PENDING, RUNNING, UNKNOWN = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.UNKNOWN
OK, FAILED = JobStatus.SUCCESS, JobStatus.FAILED
REF = JobRef("a", "g")
JOB = Job(ref=REF, status=UNKNOWN, reported_status="halted")
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


async def changes_of(terms: dict[str, Any] | None = None, **stories: Any) -> list[StateChange]:
    """Watch jobs to their ends; by a wall clock that stands at noon when the virtual clock is at 0."""

    def wall_clock() -> datetime:
        return NOON + timedelta(seconds=anyio.current_time())

    source = ScriptedSource(stories, delay=1)
    options = {"on_failure": "never"} | (terms or {})
    async with (
        Poller(source, rng=random.Random(0), wall_clock=wall_clock) as poller,
        poller.watch(stories, **options) as changes,
    ):
        return [change async for change in changes]


@pytest.mark.anyio
async def test_each_watch_and_process_gives_the_same() -> None:
    """Whatever the statuses were before; a key and a graph are no part of it."""
    one = await changes_of(a=[PENDING, RUNNING, FAILED], b=[OK])
    other = await changes_of({"graph": "g"}, b=[PENDING, OK], a=[RUNNING, FAILED])
    ids = {(change.ref.job_id, change.status): change.id for change in one}
    assert len(set(ids.values())) == 4
    shared = {(change.ref.job_id, change.status): change.id for change in other if change.status is not PENDING}
    assert shared.items() <= ids.items()
    assert len({change.id for change in [*one, *other]}) == 5


@pytest.mark.anyio
async def test_a_second_timeout_has_an_id_of_its_own_where_the_job_has_come_further() -> None:
    """Where it has not, it says the same again."""
    (early, first), (again, second) = [await changes_of({"timeout": 3}, a=[status]) for status in (PENDING, RUNNING)]
    (_, repeated) = await changes_of({"timeout": 9}, a=[RUNNING])
    assert isinstance(first.error, WaitTimeout)
    assert len({early.id, first.id, again.id, second.id}) == 4
    assert repeated.id == second.id


@pytest.mark.anyio
async def test_a_change_tells_its_moment() -> None:
    """By the clock that the poller was given, beside the monotonic one."""
    (change,) = await changes_of(a=[OK])
    assert change.observed_time == NOON + timedelta(seconds=change.observed_at)


def test_kinds_of_ends_and_jobs_are_told_apart() -> None:
    """No two share an id, and each is short."""
    ends: list[tuple[JobStatus | None, Exception | None]] = [
        *((status, None) for status in JobStatus),
        (None, JobNotFound(REF)),
        (RUNNING, JobVanished(REF, JOB)),
        (UNKNOWN, UnknownEnd(REF, JOB)),
        (RUNNING, PermissionDenied("no")),
        (RUNNING, ServiceUnavailable("down", pending=[REF])),
        (None, ServiceUnavailable("down", pending=[REF])),
        (PENDING, PendingTimeout(5, {REF: PENDING})),
        (PENDING, WaitTimeout(5, {REF: PENDING})),
        (RUNNING, WaitTimeout(5, {REF: RUNNING})),
        (None, WaitTimeout(5, {REF: None})),
    ]
    keys = [("", "a"), ("a", ""), ("p1", "a"), ("p", "1a"), ("p1", "b")]
    ids = {change_id(key, told_by(*end)) for key in keys for end in ends}
    assert len(ids) == len(keys) * len(ends)
    assert {len(each) for each in ids} == {32}
