"""No job is forgotten: whatever happens between two looks at it, there is a next one."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import attrs

from gespoll import (
    JobNotFound,
    JobRef,
    ListWindow,
    PermissionDenied,
    RequestRejected,
    ServiceUnavailable,
    TransportError,
    WaitTimeout,
)
from gespoll._scheduler import Get, Ledger, Outcome, Request, Scheduler, Settings, Window
from tests.desk import Desk, Listing, Story, ends_at, finals, job, statuses

NEVER = 1e9


def desk_of(**stories: Story) -> Desk:
    """Make a desk with a list."""
    return Desk(stories, listing=True)


def bent(desk: Desk, bend: Callable[[Request, Outcome], Outcome]) -> Desk:
    """Let a desk's server say something else."""
    told = desk.tell
    desk.tell = lambda request: bend(request, told(request))  # type: ignore[method-assign]
    return desk


def denied_until(end: float, name: str = "A") -> Story:
    """Tell that the graph of a job is missing, until it is there again."""
    missing = JobNotFound(JobRef(name, "g"), graph_missing=True)
    return lambda now: missing if now < end else job(name, "success")


class TestGraphs:
    """A job whose graph becomes known while it needs a query of its own is queried."""

    def test_an_end_to_be_confirmed_is_confirmed_once_somebody_names_the_graph(self) -> None:
        """The list showed a success without files, and could not ask."""
        desk = desk_of(A=ends_at("A", 3, is_import=True, name="ImportGraph"))
        desk.watch("A", graph=None)
        desk.run(until=6)
        ledger = desk.watch("A")
        desk.run(until=60)
        assert statuses(ledger) == ["running", "success"]

    def test_a_job_the_list_lacked_is_queried_once_somebody_names_the_graph(self) -> None:
        """Its absence is forgotten with the first sight of it."""
        desk = desk_of(A=ends_at("A", 100), x=ends_at("x", NEVER))
        desk.unlisted = {"A"}
        desk.watch("A", graph=None)
        desk.run(until=1)
        ledger = desk.watch("A")
        desk.run(until=200)
        assert statuses(ledger) == ["running", "success"]

    def test_a_job_left_to_a_list_that_is_refused_is_queried_again(self) -> None:
        """The graph that was said to be missing is asked for once more."""
        desk = desk_of(A=denied_until(30), x=ends_at("x", NEVER))
        desk.unlisted = {"A"}
        ledger = desk.watch("A")
        desk.run(until=1)
        desk.list_error = PermissionDenied("no", status=403)
        desk.run(until=300)
        assert statuses(ledger) == ["success"]

    def test_a_job_left_to_a_list_that_fails_is_queried_again(self) -> None:
        """Single queries serve all jobs then."""
        desk = desk_of(A=denied_until(30), x=ends_at("x", NEVER), y=ends_at("y", NEVER))
        desk.unlisted = {"A"}
        desk.watch("xy")
        ledger = desk.watch("A")
        desk.run(until=1)
        desk.list_error = ServiceUnavailable("later", status=503)
        desk.run(until=900)
        assert statuses(ledger) == ["success"]

    def test_a_job_left_to_a_list_that_cannot_be_read_to_its_end_is_queried_again(self) -> None:
        """What such a list lacks proves nothing, so the query decides."""
        desk = desk_of(A=denied_until(1), **{str(number): ends_at(str(number), NEVER) for number in range(30)})
        desk.unlisted, desk.max_page, desk.ignores_offset = {"A"}, 10, True
        desk.watch("01")
        ledger = desk.watch("A")
        desk.run(until=300)
        assert statuses(ledger) == ["success"]


class TestLists:
    """Whatever becomes of the list."""

    def test_a_window_that_comes_in_after_the_list_was_left_takes_no_query_away(self) -> None:
        """It shows a job whose own query has failed: that is repeated all the same."""
        desk = desk_of(A=ends_at("A", 100), **{str(number): ends_at(str(number), NEVER) for number in range(300)})
        desk.max_page, desk.unlisted = 100, {"A"}
        ledger = desk.watch([*map(str, range(300)), "A"])
        while not isinstance(request := desk.next(), Get) or request.job_id != "A":
            desk.answer(request)
        desk.answer(request, TransportError("reset"))
        late, other = self.two_windows(desk)
        desk.answer(other, PermissionDenied("no", status=403))
        desk.list_error = PermissionDenied("no", status=403)
        desk.answer(late, ListWindow(ids=("A", "1"), jobs=(), total=301))
        desk.run(until=600)
        assert statuses(ledger, "A") == ["running", "success"]

    def two_windows(self, desk: Desk) -> tuple[Window, Window]:
        """Let two windows be under way."""
        windows: list[Window] = []
        while len(windows) < 2:
            request = desk.next()
            if isinstance(request, Window):
                windows.append(request)
            else:
                desk.answer(request, TransportError("reset") if request.job_id == "A" else None)
        return windows[0], windows[1]

    def test_a_list_that_is_frozen_and_without_order_is_found_out(self) -> None:
        """Canaries are sent there, too."""
        rng = random.Random(1)
        desk = desk_of(**{str(number): ends_at(str(number), 1000) for number in range(100)})
        desk.max_page, desk.list_lag = 60, 1e6
        desk.order = lambda ids: rng.sample(ids, len(ids))
        ledger = desk.watch(map(str, range(100)))
        desk.run(until=1600)
        assert len(finals(ledger)) == 100

    def test_after_a_time_without_order_places_are_looked_for_at_once(self) -> None:
        """Also where a job that the list never shows has made walks rare."""
        rng = random.Random(1)
        desk = desk_of(x=ends_at("x", NEVER), **{str(number): ends_at(str(number), NEVER) for number in range(40)})
        desk.unlisted, desk.max_page = {"x"}, 30
        desk.watch([*map(str, range(40)), "x"])
        desk.run(until=650)
        desk.order = lambda ids: rng.sample(ids, len(ids))
        desk.run(until=700)
        desk.order = list
        desk.run(until=3000)
        looks = [request.sent_at for request in desk.asked if isinstance(request, Window) or request.job_id != "x"]
        assert max(later - earlier for earlier, later in pairwise(looks)) < 12

    def test_a_count_that_is_too_high_hides_no_newcomer(self) -> None:
        """The end of the list is not where it was counted to be: it is read from the start."""
        desk = desk_of(new=ends_at("new", 10), **{str(number): ends_at(str(number), NEVER) for number in range(300)})
        bent(desk, lambda _, told: attrs.evolve(told, **newest_last(told)) if isinstance(told, ListWindow) else told)
        desk.watch("5", graph=None)
        desk.run(until=3)
        ledger = desk.watch(["new"], graph=None)
        desk.run(until=60)
        assert statuses(ledger) == ["running", "success"]

    def test_a_page_of_one_is_asked_for_where_an_entry_is(self) -> None:
        """Not behind the last."""
        desk = desk_of(**{str(number): ends_at(str(number), NEVER) for number in range(10)}, new=ends_at("new", 10))
        bent(desk, lambda _, told: attrs.evolve(told, newest_at="end") if isinstance(told, ListWindow) else told)
        desk.max_page = 1
        ledger = desk.watch(["5", "new"], graph=None)
        desk.run(until=100)
        assert statuses(ledger, "new")[-1] == "success"

    def test_an_offset_that_is_refused_is_not_the_list(self) -> None:
        """It has shrunk by thousands: the jobs are found at its start."""
        desk = desk_of(**{f"f{number}": ends_at(f"f{number}", 0) for number in range(3000)})
        desk.stories |= {"A": ends_at("A", 100), "B": ends_at("B", 100)}
        rejected = RequestRejected("offset out of range", status=400)
        bent(desk, lambda request, told: rejected if begins_at(request) >= max(len(desk.stories), 1) else told)
        ledger = desk.watch("AB", graph=None)
        desk.run(until=20)
        desk.stories = {"A": ends_at("A", 100), "B": ends_at("B", 100)}
        desk.run(until=400)
        assert [change.error for change in finals(ledger).values()] == [None, None]

    def test_a_server_without_offsets_is_asked_for_its_first_page(self) -> None:
        """After some refusals, no other is asked for."""
        desk = desk_of(**{str(number): ends_at(str(number), 200) for number in range(300)})
        desk.max_page = 100
        rejected = RequestRejected("no offset", status=400)
        bent(desk, lambda request, told: rejected if begins_at(request) else told)
        ledger = desk.watch(map(str, range(300)))
        desk.run(until=900)
        assert len(finals(ledger)) == 300
        assert sum(bool(window.offset) for window in desk.windows) < 10


def begins_at(request: Request) -> int:
    """Tell where a window begins; 0 for a query."""
    return request.offset if isinstance(request, Window) else 0


def newest_last(told: ListWindow) -> dict[str, Any]:
    """Say that there are 5,000 entries, of which the newest stand last."""
    return {"total": 5000, "newest_at": "end" if told.ids else None}


class TestOutages:
    """The list alone may be away, so a query decides."""

    def test_an_outage_ends_all_when_its_time_is_over(self) -> None:
        """By the clock: also when every query has failed and is to be repeated later, and while the list is asked."""
        for seed in range(30):
            desk = desk_of(**{str(number): ends_at(str(number), NEVER) for number in range(3)})
            desk.scheduler = Scheduler(Listing(), Settings(), random.Random(seed))
            desk.tell = lambda _: TransportError("closed")  # type: ignore[method-assign,assignment]
            ledger = desk.watch(map(str, range(3)))
            desk.run(until=600)
            assert len(finals(ledger)) == 3
            assert {change.observed_at for change in finals(ledger).values()} == {60.0}


class TestDeadlines:
    """One job's end may end another's wait."""

    def test_a_job_that_is_gone_ends_the_last_look_at_another(self) -> None:
        """Both end once, and the poller goes on."""
        gone: Story = lambda now: job("B") if now < 56 else None  # noqa: E731
        desk = Desk({"B": gone, "x": ends_at("x", NEVER)}, listing=True, not_found_grace=62)
        ledger = desk.watch("AB", graph=None, timeout=54)
        desk.run(until=1000)
        assert set(finals(ledger)) == {"A", "B"}
        assert desk.scheduler.fatal is None

    def test_a_watch_that_is_left_during_its_last_look_leaves_nothing(self) -> None:
        """Nothing is planned for it any more."""
        desk = Desk({"A": ends_at("A", NEVER), "B": ends_at("B", NEVER)})
        other = desk.watch("AB")
        ledger: Ledger = desk.watch("AB", timeout=3.0)
        desk.run(until=2.9)
        desk.now = 3.0
        desk.scheduler.pass_deadlines(3.0)
        desk.answer(desk.next())
        assert desk.scheduler._expiring
        desk.scheduler.leave(ledger)
        assert not desk.scheduler._expiring
        assert not any(isinstance(change.error, WaitTimeout) for change in other.changes)
