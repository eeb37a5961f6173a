"""What one channel alone shows is asked for by the other: so that one which reports old states is found out."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from gespoll._scheduler import Get
from tests.desk import Desk, Story, ends_at, finals, job, statuses


def desk_of(count: int, end: float = 1e9, **knobs: float | None) -> Desk:
    """Make a desk with a list and some jobs in it."""
    return Desk({str(number): ends_at(str(number), end) for number in range(count)}, listing=True, **knobs)


def runs(job_id: str) -> Story:
    """Tell of a job that runs for ever."""
    return ends_at(job_id, math.inf)


def verified(desk: Desk) -> int:
    """Return how many requests were sent to verify."""
    return desk.scheduler.statistics().verifications


def test_a_job_that_is_frozen_in_a_list_of_many_is_known_within_verify() -> None:
    """One of 500, wherever it stands in the turn."""
    desk = desk_of(500)
    desk.stories["499"] = ends_at("499", 60.0)
    desk.listed["499"] = runs("499")
    ledger = desk.watch(map(str, range(500)))
    desk.run(until=3700)
    assert list(finals(ledger)) == ["499"]


def test_each_job_is_verified_once_in_a_turn_of_verify_seconds() -> None:
    """Fifty jobs in a hundred seconds, none twice."""
    desk = desk_of(50, verify=100.0)
    desk.watch(map(str, range(50)))
    desk.run(until=101)
    assert sorted(desk.queries) == sorted(map(str, range(50)))


def test_a_newcomer_is_verified_before_those_that_were_verified_already() -> None:
    """It waits for the rest of a turn, not for another whole one."""
    desk = desk_of(40, verify=100.0)
    desk.watch(map(str, range(20)))
    desk.run(until=50)
    desk.watch(map(str, range(20, 40)))
    desk.run(until=170)
    assert set(desk.queries[:40]) == set(map(str, range(40)))


def test_without_verify_one_request_in_a_dozen_cycles_is_left() -> None:
    """A page shows all jobs, once in five seconds: one query a minute."""
    desk = desk_of(500, verify=None)
    desk.watch(map(str, range(500)))
    desk.run(until=601)
    assert len(desk.queries) == verified(desk) == 10


def test_verification_takes_a_tenth_of_the_rate_at_most() -> None:
    """However many jobs there are."""
    desk = desk_of(500, verify=10.0)
    desk.watch(map(str, range(500)))
    desk.run(until=101)
    assert 80 <= verified(desk) <= 100


def test_a_budget_that_is_used_up_pays_one_request_in_a_hundred() -> None:
    """Pages of two entries take all that there is."""
    desk = desk_of(300)
    desk.max_page = 2
    desk.watch(map(str, range(300)))
    desk.run(until=150)
    assert verified(desk) == pytest.approx(len(desk.asked) / 100, abs=3)


def test_the_first_contradiction_lets_verification_take_all_that_the_cycles_leave() -> None:
    """A tenth of the jobs is frozen in the list: once one is found, the others are within a turn of queries."""
    desk = desk_of(200, end=50.0)
    frozen = {str(number) for number in range(100, 120)}
    desk.stories |= {name: ends_at(name, 1e9) for name in desk.stories if name not in frozen}
    desk.listed = {name: runs(name) for name in frozen}
    ledger = desk.watch(map(str, range(200)))
    desk.run(until=1000)
    known = sorted(change.observed_at for change in finals(ledger).values())
    assert len(known) == 20
    assert known[-1] - known[0] < 60.0


def test_verification_slows_down_after_a_turn_without_contradiction() -> None:
    """One frozen job of many costs a turn or two, not the budget for ever."""
    desk = desk_of(100, verify=600.0)
    desk.stories["5"] = ends_at("5", 20.0)
    desk.listed["5"] = runs("5")
    desk.watch(map(str, range(100)))
    desk.run(until=1000)
    asked = verified(desk)
    desk.run(until=1600)
    assert verified(desk) - asked <= 110


def test_one_frozen_job_of_many_does_not_suspend_the_list() -> None:
    """The list goes on to show all others."""
    desk = desk_of(100, verify=100.0)
    desk.stories["5"] = ends_at("5", 20.0)
    desk.listed["5"] = runs("5")
    desk.watch(map(str, range(100)))
    desk.run(until=400)
    assert all(later.sent_at - window.sent_at < 11.0 for window, later in pairwise(desk.windows))
    assert desk.windows[-1].sent_at > 390.0


def test_a_move_between_two_readings_of_the_list_is_no_contradiction() -> None:
    """Jobs end all the time, and now and then a query shows it first: that says nothing against the list."""
    desk = Desk({str(n): ends_at(str(n), 2.0 * n) for n in range(150)}, listing=True, verify=150.0)
    desk.watch(map(str, range(150)))
    desk.run(until=299)
    assert verified(desk) <= 299


def test_a_job_whose_entry_is_behind_is_queried_by_itself() -> None:
    """The list shows it as pending though it runs: its end is known within two periods, and the others' likewise."""
    desk = desk_of(100, end=500.0, verify=100.0)
    desk.listed["5"] = lambda _: job("5", "pending")
    ledger = desk.watch(map(str, range(100)))
    desk.run(until=300)
    assert statuses(ledger, "5") == ["pending", "running"]
    desk.run(until=511)
    assert finals(ledger)["5"].observed_at < 511.0
    assert len(finals(ledger)) == 100


def test_a_job_whose_entry_is_behind_no_more_is_shown_by_the_list_again() -> None:
    """Its own queries stop."""
    desk = desk_of(100, verify=100.0)
    desk.listed["5"] = lambda now: job("5", "pending" if now < 300.0 else "running")
    desk.watch(map(str, range(100)))
    desk.run(until=290)
    assert desk.queries[-20:].count("5") > 1
    desk.run(until=320)
    asked = desk.queries.count("5")
    desk.run(until=420)
    assert desk.queries.count("5") - asked <= 2


def test_a_list_that_is_frozen_as_a_whole_is_suspended_and_taken_up_again() -> None:
    """Half of what a turn asked for and more is behind: queries serve, for ten minutes at first."""
    desk = desk_of(100, end=50.0)
    desk.stories |= {str(number): ends_at(str(number), 1e9) for number in range(0, 100, 5)}
    desk.list_lag = 1e6
    ledger = desk.watch(map(str, range(100)))
    desk.run(until=200)
    assert len(finals(ledger)) == 80
    assert desk.scheduler._scopes[""].listing.is_stale(desk.now)
    begun = len(desk.windows)
    desk.run(until=500)
    assert len(desk.windows) == begun
    desk.run(until=900)
    assert len(desk.windows) > begun


def test_a_job_that_only_the_list_can_show_makes_nobody_else_believe_a_list_that_is_suspended() -> None:
    """It is looked for in the list once a minute at most; the others are queried."""
    desk = desk_of(20, end=300.0)
    desk.list_lag = 1e6
    ledger = desk.watch(map(str, range(20)))
    desk.run(until=20)
    desk.scheduler._scopes[""].distrust(desk.now)
    desk.stories["x"] = ends_at("x", 1e9)
    desk.watch(["x"], graph=None)
    desk.run(until=311)
    assert len(finals(ledger)) == 20


def test_a_job_that_is_frozen_in_its_queries_is_known_by_the_list() -> None:
    """One job alone, which no cycle reads the list for: it is read every dozen cycles."""
    desk = desk_of(50)
    desk.listed["3"] = ends_at("3", 40.0)
    ledger = desk.watch(["3"])
    desk.run(until=130)
    assert list(finals(ledger)) == ["3"]
    assert len(desk.windows) == verified(desk) <= 2


def test_a_scan_that_verifies_ends_where_it_has_shown_the_job() -> None:
    """It stands on the first of twenty pages: one page is read each time."""
    desk = desk_of(2000)
    desk.max_page = 100
    desk.watch(["3"])
    desk.run(until=600)
    assert 8 <= len(desk.windows) <= 10
    assert {window.offset for window in desk.windows} == {0}


def test_a_scan_of_several_pages_is_begun_once_in_verify() -> None:
    """A job deep in the list: its pages stay below a tenth of the rate."""
    desk = desk_of(2000, verify=1000.0)
    desk.max_page = 100
    desk.watch(["1500"])
    desk.run(until=1500)
    assert len(desk.windows) == 32
    assert min(later.sent_at - page.sent_at for page, later in pairwise(desk.windows)) > 0.99


def test_a_scan_that_verifies_proves_no_absence() -> None:
    """A job that only queries show stays open."""
    desk = desk_of(50)
    desk.unlisted = {"3"}
    ledger = desk.watch(["3"])
    desk.run(until=1000)
    assert finals(ledger) == {}


def test_verification_is_counted_apart() -> None:
    """Statistics say how many requests were sent for it."""
    desk = desk_of(50)
    desk.watch(map(str, range(50)))
    desk.run(until=600)
    assert verified(desk) == sum(isinstance(request, Get) for request in desk.asked) > 0
