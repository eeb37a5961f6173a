"""What people write instead, each once and with its settings beside it.

Rule: every peer gets the settings that serve it best among those people use, and the same pause between
two looks as gespoll. It is told the rate that the service allows where it has a way to keep it. None gives up.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import backoff
import tenacity
from aiolimiter import AsyncLimiter

from benchmarks.api import RUNNING, Api, Pace, Page, Sightings, TooManyRequests

Contestant = Callable[[Api, Sightings, Pace], Awaitable[None]]

LONGEST_RETRY = 30.0  # seconds; what gespoll's own waits after failures grow to
MORE = 0.25  # of a pause, at most; as gespoll's own looks have it, so that nobody keeps step with the limiter
PAGE = 100
WAITER_SECONDS = 30.0
WAITER_ATTEMPTS = 3
WAITER_LONGEST_RETRY = 20.0


def is_open(word: str) -> bool:
    """Tell whether a job goes on."""
    return word == RUNNING


def a_little_more(seconds: float) -> float:
    """Add jitter to a pause."""
    return seconds * random.uniform(1.0, 1.0 + MORE)


async def gespoll_watch(api: Api, sightings: Sightings, pace: Pace) -> None:
    """Use gespoll with its defaults; only `interval` and `max_per_second` are given."""
    refs = [api.ref(job_id) for job_id in sorted(sightings.open)]
    async with api.poller(pace) as poller, poller.watch(refs, on_failure="never") as changes:
        async for change in changes:
            change.raise_for_status()
            if change.is_final:
                sightings.saw(change.ref.job_id, change.status.value if change.status else "")


async def task_per_job_with_backoff(api: Api, sightings: Sightings, pace: Pace) -> None:
    """Run a task per job: `backoff` looks again, and waits after a 429.

    Settings: a constant pause with a little jitter while the job runs, since growing ones see ends later at equal
    requests; after a 429 backoff's exponential wait with its full jitter, up to 30 s. Nobody limits the rate.
    """
    retry = backoff.on_exception(backoff.expo, TooManyRequests, max_value=LONGEST_RETRY)
    look_again = backoff.on_predicate(backoff.constant, is_open, interval=pace.interval, jitter=a_little_more)
    await all_jobs(sightings, look_again(retry(api.get)))


async def task_per_job_with_tenacity(api: Api, sightings: Sightings, pace: Pace) -> None:
    """Run a task per job with tenacity's `AsyncRetrying`, with the settings of the one with `backoff`."""

    async def polite(job_id: str) -> str:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(TooManyRequests),
            wait=tenacity.wait_random_exponential(max=LONGEST_RETRY),
        )
        return str(await retrying(api.get, job_id))

    async def ended(job_id: str) -> str:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(is_open),
            wait=tenacity.wait_random(pace.interval, pace.interval * (1 + MORE)),
        )
        return str(await retrying(polite, job_id))

    await all_jobs(sightings, ended)


async def gets_behind_limiter(api: Api, sightings: Sightings, pace: Pace) -> None:
    """Run a task per job behind one shared `AsyncLimiter`, which serves in the order of asking.

    Settings: the service's rate as requests per second, with that second's worth at once as the service
    allows it; after a 429 as the task per job.
    """
    limiter = AsyncLimiter(pace.per_second, 1.0)

    @backoff.on_exception(backoff.expo, TooManyRequests, max_value=LONGEST_RETRY)
    async def polite(job_id: str) -> str:
        async with limiter:
            return await api.get(job_id)

    look_again = backoff.on_predicate(backoff.constant, is_open, interval=pace.interval, jitter=a_little_more)
    await all_jobs(sightings, look_again(polite))


async def waiter_30_seconds(api: Api, sightings: Sightings, pace: Pace) -> None:
    """Run a waiter per job as botocore has them: a look each 30 s.

    Settings: botocore's delay of most waiters, and its standard retries of a 429, three attempts with full
    jitter up to 20 s. Where botocore's waiter would then fail, this one looks again after the next delay.
    """

    async def attempts(job_id: str) -> str | None:
        for attempt in range(WAITER_ATTEMPTS):
            try:
                return await api.get(job_id)
            except TooManyRequests:
                await asyncio.sleep(random.uniform(0.0, min(2.0**attempt, WAITER_LONGEST_RETRY)))
        return None

    async def ended(job_id: str) -> str:
        while True:
            word = await attempts(job_id)
            if word and not is_open(word):
                return word
            await asyncio.sleep(WAITER_SECONDS)

    await all_jobs(sightings, ended)


async def list_loop(api: Api, sightings: Sightings, pace: Pace, *, stops_early: bool = False) -> None:
    """Read the whole list again and again, behind a limiter, as a good engineer writes it in 30 lines.

    Settings: limit 100, all pages; a round begins at most once an interval. With `stops_early` a round ends
    as soon as it has met every open job.
    """
    limiter = AsyncLimiter(pace.per_second, 1.0)

    @backoff.on_exception(backoff.expo, TooManyRequests, max_value=LONGEST_RETRY)
    async def polite(offset: int) -> Page:
        async with limiter:
            return await api.page(offset, PAGE)

    while sightings.open:
        next_at = anyio.current_time() + pace.interval
        offset, unmet = 0, set(sightings.open)
        while sightings.open and (unmet or not stops_early):
            page = await polite(offset)
            for job_id, word in page.entries:
                sightings.saw(job_id, word)
                unmet.discard(job_id)
            offset += len(page.entries)
            if not page.entries or offset >= page.total:
                break
        if sightings.open:
            await anyio.sleep_until(next_at)


async def list_loop_that_stops_early(api: Api, sightings: Sightings, pace: Pace) -> None:
    """Read the list no further than to the last open job."""
    await list_loop(api, sightings, pace, stops_early=True)


async def all_jobs(sightings: Sightings, ended: Callable[[str], Coroutine[Any, Any, str]]) -> None:
    """Wait in a task per job for its last word, and note it."""

    async def one(job_id: str) -> None:
        sightings.saw(job_id, await ended(job_id))

    await asyncio.gather(*(one(job_id) for job_id in sorted(sightings.open)))
