"""What a poller tells of itself."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import Job, JobNotFound, JobRef, PermissionDenied, Poller, ServiceUnavailable, Throttled, Token, connect
from gespoll._scheduler import Get, Request, Window
from gespoll.testing import FakeGES, ScriptedSource
from tests.desk import Desk, Story, ends_at, job

pytestmark = pytest.mark.anyio
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def explained(desk: Desk, job_id: str) -> tuple[str | None, float, str]:
    """Tell how a job of the desk is looked at."""
    found = desk.scheduler.explain(JobRef(job_id, "g"), desk.now)
    assert found is not None
    return found.seen_by, found.next_look, found.reason


def ended(seconds_ago: float) -> Job:
    """Make a reading of a job that ended some time before the server's clock."""
    return job("a", "success", end_time=NOON - timedelta(seconds=seconds_ago), as_of=NOON)


def ended_late(seconds: float) -> Story:
    """Tell of a job that is seen running, and then to have ended some seconds ago."""
    return lambda now: ended(seconds) if now > 1 else job("a")


class TestStatistics:
    """Counts and lags."""

    async def test_requests_jobs_and_lags_are_counted(self) -> None:
        """Over real HTTP: what the server's log holds is what is told."""
        async with FakeGES() as ges:
            ges.add_jobs([])
            for number in range(5):
                ges.add_job(f"job-{number}", graph="movies", steps=[(0, "running"), (7, "success")])
            ges.inject("throttle", match="/graphs/jobs")
            async with connect(ges.endpoint, ges.project_id, credentials=Token(ges.token)) as poller:
                await poller.wait_all([f"job-{number}" for number in range(5)], graph="movies")
                told = poller.statistics()
        assert told.windows == sum(request.kind == "list" for request in ges.requests)
        assert told.queries == sum(request.kind == "get" for request in ges.requests)
        assert (told.failures, told.throttled) == (1, 1)
        assert (told.open_jobs, told.ended_jobs) == (0, 5)
        assert told.lag_mean is not None
        assert told.lag_p99 is not None
        assert 0 <= told.lag_mean <= told.lag_p99 <= 6

    def test_lags_are_those_of_jobs_that_ended_while_watched(self) -> None:
        """A job that had ended before it was first seen says nothing about the poller."""
        desk = Desk({"a": lambda now: ended(500)})
        desk.watch(["a"])
        desk.run()
        assert desk.scheduler.statistics().lag_mean is None

    def test_lags_are_summed_up(self) -> None:
        """Mean, median and 99th percentile."""
        desk = Desk({str(number): ended_late(number) for number in range(4)})
        desk.watch(map(str, range(4)))
        desk.run()
        told = desk.scheduler.statistics()
        assert (told.lag_mean, told.lag_p50, told.lag_p99) == (1.5, 1.0, 3.0)

    def test_the_rate_falls_with_throttling_and_the_period_grows_with_the_jobs(self) -> None:
        """Both are as they are now."""
        desk = Desk({str(number): ends_at(str(number), 1e9) for number in range(100)}, max_per_second=10.0)
        assert (desk.scheduler.statistics().rate, desk.scheduler.statistics().period) == (10.0, 5.0)
        desk.watch(map(str, range(100)))
        desk.run(until=30)
        assert desk.scheduler.statistics().period == pytest.approx(10.0, rel=0.2)
        desk.answer(desk.next(), Throttled("slow down"))
        assert desk.scheduler.statistics().rate == 5.0

    def test_a_closed_poller_has_none(self) -> None:
        """The error says what to do."""
        with pytest.raises(RuntimeError, match="the poller is not open: use it inside `async with`"):
            Poller(ScriptedSource({})).statistics()


class TestExplanation:
    """When the next look is due, and why then."""

    def test_a_job_that_the_list_shows(self) -> None:
        """It is looked at in the next round."""
        desk = Desk({name: ends_at(name, 1e9) for name in "abc"}, listing=True)
        desk.watch("abc")
        desk.run(until=1)
        shown_by, due, reason = explained(desk, "a")
        assert (shown_by, reason) == ("list", "the list shows it: looked at in the next round")
        assert due == pytest.approx(5.0, abs=1.1)

    def test_a_job_that_only_queries_show(self) -> None:
        """It takes its turn."""
        desk = Desk({"a": ends_at("a", 1e9)})
        desk.watch("a")
        desk.run(until=1)
        shown_by, due, reason = explained(desk, "a")
        assert (shown_by, reason) == ("query", "the list does not show it: queried by itself, in turn")
        assert 3.9 <= due <= 5.5

    def test_a_query_under_way(self) -> None:
        """Nothing is to be waited for but its reply."""
        desk = Desk({"a": ends_at("a", 1e9)})
        desk.watch("a")
        desk.next()
        assert explained(desk, "a") == (None, 0.0, "a query of it is under way")

    def test_a_failed_query(self) -> None:
        """The failure is named."""
        desk = Desk({"a": ends_at("a", 1e9)})
        desk.watch("a")
        desk.answer(desk.next(), ServiceUnavailable("it cannot answer"))
        assert explained(desk, "a")[2] == "the last query of it failed: it cannot answer"

    def test_a_denied_job(self) -> None:
        """How often it was denied is told."""
        desk = Desk()
        desk.watch("a")
        desk.answer(desk.next(), JobNotFound(JobRef("a")))
        assert explained(desk, "a")[2] == "the service denied it 1 time: asked again until the grace is over"

    def test_an_end_to_be_confirmed(self) -> None:
        """The word that the list told is named."""
        desk = Desk(listing=True)
        desk.stories = {name: lambda now: job("x", "success", is_import=True) for name in "ab"}
        desk.stories = {name: ends_at(name, 0.0, is_import=True, name="ImportGraph") for name in "ab"}
        desk.watch("ab")
        window = desk.next()
        assert isinstance(window, Window)
        desk.answer(window)
        assert explained(desk, "a")[2] == "its end (success) is to be confirmed by a query"

    def test_an_end_to_be_confirmed_is_polled_at_once(self) -> None:
        """Its query stands before all others, without a time of its own."""
        desk = Desk({name: ends_at(name, 0.0, is_import=True) for name in "ab"}, listing=True)
        desk.watch("ab")
        desk.answer(desk.next())
        assert explained(desk, "a")[1:] == (0.0, "its end (success) is to be confirmed by a query")

    @given(seed=st.integers(0, 100_000), listing=st.booleans())
    def test_the_next_look_is_a_number_of_seconds_for_every_reason(self, seed: int, listing: bool) -> None:
        """Whatever is answered, denied, refused or throttled, by the list or by queries."""
        rng = random.Random(seed)
        names = "abcdef"
        stories = {name: ends_at(name, rng.uniform(5, 40), is_import=rng.random() < 0.5) for name in names}
        desk = Desk(stories, listing=listing, interval=1.0, not_found_grace=5.0)
        desk.unlisted = set(rng.sample(names, 2))
        desk.watch(rng.sample(names, 4))
        desk.watch(rng.sample(names, 2), graph=None)
        errors = [Throttled("slow down", retry_after=3.0), ServiceUnavailable("later"), PermissionDenied("no"), None]
        under_way: list[Request] = []
        for _ in range(60):
            desk.now += rng.uniform(0.0, 0.6)
            request = desk.scheduler.next_request(desk.now)
            under_way += [request] if request is not None else []
            if under_way and rng.random() < 0.7:
                sent = under_way.pop(rng.randrange(len(under_way)))
                denial = JobNotFound(JobRef("a", "g")) if isinstance(sent, Get) else None
                desk.answer(sent, rng.choice([*errors, denial, None, None, None]))
            looks = [desk.scheduler.explain(JobRef(name, "g"), desk.now) for name in names]
            assert all(0.0 <= look.next_look < math.inf for look in looks if look is not None)

    def test_a_job_without_graph(self) -> None:
        """Only the list can show it."""
        desk = Desk({"b": ends_at("b", 1e9)}, listing=True)
        desk.watch("a", graph=None)
        desk.run(until=1)
        found = desk.scheduler.explain(JobRef("a"), desk.now)
        assert found is not None
        assert found.reason == "without graph= only the list can show it: looked for in the next round"

    def test_a_job_that_waits_for_the_first_walk(self) -> None:
        """It was never seen."""
        desk = Desk({name: ends_at(name, 1e9) for name in "abc"}, listing=True)
        desk.watch("abc")
        assert explained(desk, "b")[2] == "it is looked for in the list"

    def test_a_server_that_asked_to_wait(self) -> None:
        """Nothing is sent before."""
        desk = Desk({"a": ends_at("a", 1e9)})
        desk.watch("a")
        desk.answer(desk.next(), ServiceUnavailable("later", retry_after=60.0))
        assert explained(desk, "a")[1:] == (60.0, "nothing is sent: the service asked to wait, or fails in a row")

    def test_a_throttled_poller(self) -> None:
        """The rate that is left is named."""
        desk = Desk({name: ends_at(name, 1e9) for name in "ab"}, max_per_second=1.0)
        desk.watch("ab")
        desk.answer(desk.next(), Throttled("slow down"))
        desk.scheduler._scopes[""].hold.until = 0.0
        assert explained(desk, "b")[2] == "the service throttled: 0.5 requests/s are sent"

    def test_the_last_look_is_told_by_the_round_or_by_the_turn(self) -> None:
        """Give or take an interval."""
        for listing in (True, False):
            desk = Desk({name: ends_at(name, 1e9) for name in "abc"}, listing=listing)
            desk.watch("abc")
            assert desk.scheduler.explain(JobRef("a", "g"), desk.now).last_look is None  # type: ignore[union-attr]
            desk.run(until=22)
            found = desk.scheduler.explain(JobRef("a", "g"), desk.now)
            assert found is not None
            assert found.last_look is not None
            assert 0.0 <= found.last_look <= 7.0

    async def test_a_job_nobody_waits_for(self) -> None:
        """There is nothing to explain."""
        async with Poller(ScriptedSource({})) as poller:
            assert poller.explain("a") is None
