"""Which request next: windows where they pay, single queries elsewhere, and doubt of a list that tells old states."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import attrs
import pytest

from gespoll import (
    Job,
    JobFailed,
    JobStatus,
    JobVanished,
    ListWindow,
    PermissionDenied,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
    TransportError,
)
from gespoll._scheduler import Get, Request, Window
from tests.desk import Desk, Story, ends_at, finals, job


def desk_of(count: int, end: float = 1e9) -> Desk:
    """Make a desk with a list and some jobs in it."""
    return Desk({str(number): ends_at(str(number), end) for number in range(count)}, listing=True)


def seen_until(end: float, reading: Job) -> Story:
    """Tell of a job that is gone from `end` on."""
    return lambda now: reading if now < end else None


def test_one_job_is_queried_by_itself() -> None:
    """It costs as little without the list."""
    desk = desk_of(50)
    desk.watch(["3"])
    desk.run(until=20)
    assert not desk.windows
    assert set(desk.queries) == {"3"}


def test_two_jobs_are_shown_by_one_window_no_larger_than_it_needs_to_be() -> None:
    """Once found, they cost one small request an interval."""
    desk = desk_of(50)
    desk.watch(["3", "4"])
    desk.run(until=20)
    assert not desk.queries
    assert [(window.offset, window.limit) for window in desk.windows] == [(0, 100), *[(3, 2)] * 4]


def test_many_jobs_cost_one_window_an_interval() -> None:
    """A page shows them all; verification is all that comes on top."""
    desk = desk_of(500)
    desk.watch(map(str, range(500)))
    desk.run(until=99)
    assert len(desk.windows) == 20
    assert len(desk.queries) == desk.scheduler.statistics().verifications


def test_a_job_the_list_lacks_is_queried_in_the_same_round() -> None:
    """What the list does not show is not lost."""
    desk = desk_of(50, end=0)
    desk.unlisted = {"7"}
    ledger = desk.watch(map(str, range(50)))
    desk.run()
    assert len(finals(ledger)) == 50
    assert desk.queries == ["7"]


def test_queries_the_list_makes_needless_are_not_sent() -> None:
    """Jobs that appear in the next scan are not asked for one by one."""
    desk = desk_of(200)
    desk.unlisted = set(desk.stories)
    desk.stories["other"] = ends_at("other", 0)
    desk.unlisted.discard("other")
    desk.watch(map(str, range(200)))
    desk.run(until=4)
    desk.unlisted = set()
    asked = len(desk.queries)
    desk.run(until=30)
    assert asked < 50
    assert len(desk.queries) < 150


def test_a_smaller_page_is_tried_when_one_is_refused() -> None:
    """1000, 500, 100, 10 are asked for in turn, and the one that works is kept."""
    desk = desk_of(200)
    desk.watch(map(str, range(200)))
    for limit in (1000, 500):
        window = desk.next()
        assert isinstance(window, Window)
        assert window.limit == limit
        desk.answer(window, RequestRejected("limit is too large", status=400))
    desk.run(until=20)
    assert max(window.limit for window in desk.windows[2:]) == 100


def test_a_list_that_refuses_every_page_is_given_up() -> None:
    """Single queries serve from then on."""
    desk = desk_of(200, end=30)
    desk.list_error = RequestRejected("no", status=400)
    ledger = desk.watch(map(str, range(200)))
    desk.run()
    assert len(finals(ledger)) == 200
    assert [window.limit for window in desk.windows] == [1000, 500, 100, 10, 1]


def test_a_list_that_only_fails_is_left_once_a_single_query_is_answered() -> None:
    """The service is there, its list is not: single queries serve, and the list is tried again later."""
    desk = desk_of(20, end=200)
    desk.list_error = ServiceUnavailable("later", status=503)
    ledger = desk.watch(map(str, range(20)))
    desk.run(until=60)
    assert set(desk.queries) == set(map(str, range(20)))
    assert len(desk.windows) < 10
    desk.list_error = None
    desk.run()
    assert len(finals(ledger)) == 20
    assert len(desk.windows) > 10


def test_a_list_that_does_not_pay_is_left_for_a_while() -> None:
    """A few jobs deep in a long list cost more pages than queries."""
    desk = desk_of(5000)
    desk.max_page = 100
    desk.watch(["4990", "4991", "4992", "4993"])
    desk.run(until=55)
    assert len(desk.windows) <= 12  # four pages at 0, 10 and 30 seconds


def test_a_late_list_costs_time_and_no_truth() -> None:
    """States that the list tells late are told late, and right."""
    rng = random.Random(1)
    desk = Desk({str(n): ends_at(str(n), rng.uniform(0, 100), "failed") for n in range(100)}, listing=True)
    desk.list_lag = 8.0
    ledger = desk.watch(map(str, range(100)))
    desk.run()
    assert len(finals(ledger)) == 100


def test_jobs_without_a_graph_are_looked_for_to_the_end_of_the_list() -> None:
    """However deep, the list is read until they are found; with the graph learned they can be queried."""
    desk = desk_of(500, end=30)
    desk.max_page = 100
    ledger = desk.watch(["490"], graph=None)
    desk.run()
    assert len(finals(ledger)) == 1
    assert not desk.queries


def test_jobs_without_a_graph_end_with_advice_when_the_list_is_refused() -> None:
    """They cannot be queried by themselves, and the error says what to give."""
    desk = desk_of(3)
    desk.list_error = PermissionDenied("no permission", status=403)
    ledger = desk.watch(["1"], graph=None)
    desk.run()
    error = finals(ledger)["1"].error
    assert isinstance(error, PermissionDenied)
    assert str(error) == "no permission; give graph= to query job 1 by itself (HTTP 403)"


def test_a_watch_that_joins_later_is_looked_at_within_an_interval() -> None:
    """Newcomers are shown by the next scan."""
    desk = desk_of(100)
    desk.watch(map(str, range(50)))
    desk.run(until=7)
    ledger = desk.watch(map(str, range(50, 100)))
    desk.run(until=12.5)
    assert len(ledger.changes) == 50


def test_a_jobs_first_look_is_at_once() -> None:
    """Nothing is waited for before the first request."""
    desk = desk_of(1)
    desk.watch(["0"])
    assert isinstance(desk.next(), Get)
    assert desk.now == 0.0


def test_jobs_the_list_does_not_show_take_turns() -> None:
    """However many wait for their own query, each gets it, round after round."""
    desk = desk_of(400, end=50)
    desk.unlisted = {str(number) for number in range(200, 400)}
    ledger = desk.watch(map(str, range(400)))
    desk.run(until=150)
    assert len(finals(ledger)) == 400


def test_a_learned_graph_is_no_way_back_to_a_refused_list() -> None:
    """A job whose graph was learned, and which is gone when the list is refused, ends as vanished."""
    desk = desk_of(4)
    desk.stories = {name: seen_until(20, job(name, related_graph="movies")) for name in "abcd"}
    desk.watch(["a"])
    desk.run(until=1)
    ledger = desk.watch("bcd", graph=None)
    desk.run(until=10)
    desk.list_error = PermissionDenied("no", status=403)
    desk.run()
    assert {type(change.error) for change in finals(ledger).values()} == {JobVanished}


@pytest.mark.parametrize("error", [TransportError("silence"), Throttled("slow"), ServiceUnavailable("later")])
def test_a_list_alone_never_ends_a_wait(error: SourceError) -> None:
    """Whatever keeps failing about the list, single queries go on."""
    desk = desk_of(4, end=2000)
    desk.list_error = error
    ledger = desk.watch(map(str, range(4)))
    desk.run(until=1900)
    assert not finals(ledger)
    desk.run()
    assert {change.error for change in finals(ledger).values()} == {None}


def test_time_in_which_nobody_asked_is_no_outage() -> None:
    """A failure before an idle hour says nothing about the failure after it."""
    desk = desk_of(1)
    first = desk.watch(["0"])
    desk.answer(desk.next())
    desk.answer(desk.next(), ServiceUnavailable("later"))
    desk.scheduler.leave(first)
    desk.now += 3600
    ledger = desk.watch(["0"])
    desk.answer(desk.next(), ServiceUnavailable("later"))
    assert not finals(ledger)


def test_a_confirming_query_that_brings_nothing_is_repeated_at_the_interval() -> None:
    """An end that the list tells early costs a query an interval, not all there are."""
    desk = desk_of(5)
    ended = job("0", "success", is_import=True, name="ImportGraph")
    desk.watch(map(str, range(5)))
    for _ in range(100):
        request = desk.next()
        listing = isinstance(request, Window)
        desk.stories["0"] = seen_until(math.inf, ended if listing else job("0"))
        desk.answer(request)
        if desk.now > 60:
            break
    assert desk.queries.count("0") < 20
    assert len(desk.windows) > 10


def test_a_refused_query_keeps_no_failure_back_that_the_list_told() -> None:
    """The reason stays unknown; the failure does not."""
    desk = desk_of(3)
    desk.scheduler._source.explains_failures = True
    desk.stories = {name: ends_at(name, 0, "failed") for name in "abc"}
    ledger = desk.watch("abc")
    desk.answer(desk.next())
    desk.answer(desk.next(), PermissionDenied("no"))
    assert [type(change.error) for change in finals(ledger).values()] == [JobFailed]


def test_the_grace_counts_from_one_scan_to_the_start_of_another() -> None:
    """A scan that takes longer than the grace is still one denial."""
    desk = desk_of(30)
    desk.max_page = 10
    ledger = desk.watch(["late"], graph=None)
    for _ in range(5):
        desk.answer(desk.next())
        desk.now += 40
    assert not finals(ledger)


def test_a_refused_page_size_is_tried_again_later_and_after_a_renewal() -> None:
    """What a server refused once it may allow again."""
    desk = desk_of(600)
    desk.watch(map(str, range(600)))
    desk.answer(desk.next(), RequestRejected("too large", status=400))
    desk.run(until=500)
    assert max(window.limit for window in desk.windows[1:]) == 500
    desk.run(until=700)
    assert desk.windows[-1].limit > 500


@pytest.mark.parametrize("error", [RequestRejected("no", status=422), ServiceUnavailable("oops", status=500)])
def test_large_pages_that_are_refused_in_an_unusual_way_are_followed_by_smaller_ones(error: SourceError) -> None:
    """The list serves with pages of 100, and hardly any job is queried."""
    desk = desk_of(300)
    told = desk.tell
    desk.tell = lambda request: (  # type: ignore[method-assign]
        error if isinstance(request, Window) and request.limit > 100 else told(request)
    )
    ledger = desk.watch(map(str, range(300)))
    desk.run(until=100)
    desk.asked.clear()
    desk.run(until=200)
    assert {window.limit for window in desk.windows} <= set(range(101))
    assert len(desk.windows) > len(desk.queries)
    assert not finals(ledger)


def test_last_looks_end_with_the_last_job_looked_at_or_ended() -> None:
    """A job that ends by an earlier request keeps no timeout waiting."""
    desk = Desk({"a": ends_at("a", 0), "b": ends_at("b", 1e9)}, max_per_second=1000.0)
    ledger = desk.watch("ab", timeout=10.0)
    early = desk.next()
    assert isinstance(early, Get)
    desk.answer(desk.next())
    desk.now = 10.0
    desk.scheduler.pass_deadlines(10.0)
    desk.answer(desk.next())
    assert not finals(ledger)
    desk.answer(early)
    assert {name: change.status for name, change in finals(ledger).items()} == {
        "a": JobStatus.SUCCESS,
        "b": JobStatus.RUNNING,
    }


def test_jobs_whose_graph_is_learned_can_be_queried_from_then_on() -> None:
    """One job of that graph that is queried by its id tells it for all that the list named."""
    desk = Desk(listing=True, interval=1.0)
    desk.stories = {name: seen_until(1e9, job(name, related_graph="movies")) for name in "abc"}
    desk.watch("ab", graph=None)
    desk.run(until=3)
    assert not desk.queries
    desk.list_error = ServiceUnavailable("later", status=503)
    ledger = desk.watch("c")
    desk.run(until=50)
    assert {"a", "b", "c"} <= set(desk.queries)
    assert not finals(ledger)


def test_a_query_that_shows_a_job_the_list_lost_is_repeated_until_the_list_has_it_again() -> None:
    """It is looked for now and then, and costs no query once it is found."""
    desk = desk_of(50)
    desk.watch(map(str, range(50)))
    desk.run(until=12)
    desk.unlisted = {"7"}
    desk.run(until=60)
    lost = desk.queries.count("7")
    assert lost > 5
    desk.unlisted = set()
    desk.run(until=700)
    found = desk.queries.count("7")
    desk.run(until=1300)
    assert desk.queries.count("7") <= found + 3


def test_an_entry_without_a_status_spares_no_query() -> None:
    """It is there, and how it stands must be asked."""
    desk = desk_of(5)
    desk.watch(map(str, range(5)))
    window = desk.next()
    assert isinstance(window, Window)
    page = desk.tell(window)
    assert isinstance(page, ListWindow)
    desk.answer(window, attrs.evolve(page, unread=frozenset("3")))
    desk.run(until=2)
    assert desk.queries == ["3"]


def test_a_sighting_without_news_ends_a_row_of_denials() -> None:
    """The list asked before a query was denied shows the job after it: the denial counts no more."""
    desk = desk_of(3, end=100)
    ledger = desk.watch("012")
    desk.run(until=1)
    window = next(request for request in iter(desk.next, None) if isinstance(request, Window))
    page = desk.tell(window)
    record = desk.scheduler._scopes[""].records["1"]
    record.reported().deny_by_query(desk.now)
    desk.answer(window, page)
    assert record.reported().shown_at == desk.now
    desk.run()
    assert len(finals(ledger)) == 3


def test_a_list_without_order_that_finds_one_again_is_read_by_places_again() -> None:
    """Ten minutes after it was found to be jumbled."""
    rng = random.Random(0)
    desk = desk_of(60)
    desk.max_page = 20
    desk.order = lambda ids: rng.sample(ids, len(ids))
    desk.watch(map(str, range(60)))
    desk.run(until=100)
    desk.order = list
    desk.run(until=900)
    asked = len(desk.asked)
    desk.run(until=1000)
    assert 60 <= len(desk.asked) - asked <= 70


def test_a_server_that_ignores_the_offset_is_asked_for_its_one_page() -> None:
    """What it does not hold is queried."""
    desk = desk_of(100)
    desk.max_page = 40
    desk.ignores_offset = True
    desk.watch(map(str, range(0, 100, 5)))
    desk.run(until=60)
    asked = len(desk.windows)
    desk.run(until=100)
    assert {window.offset for window in desk.windows[asked:]} == {0}
    assert sum(int(job_id) < 40 for job_id in desk.queries[-24:]) <= 2  # one in twenty requests is a canary


def test_a_limit_on_one_kind_of_request_slows_that_kind_only() -> None:
    """Where the server says that an API is throttled, the other goes on at the full rate."""
    desk = desk_of(100)
    desk.unlisted = {str(number) for number in range(50, 100)}
    desk.watch(map(str, range(100)))
    desk.run(until=20)
    window = next(request for request in iter(desk.next, None) if isinstance(request, Window))
    desk.answer(window, Throttled("slow down", policy="api", limit=1.0))
    scope = desk.scheduler._scopes[""]
    assert (scope.listing.pace.rate, scope.queries.pace.rate) == (0.95, 10.0)
    asked = len(desk.queries)
    desk.run(until=desk.now + 20)
    assert len(desk.queries) - asked > 100


@pytest.mark.parametrize("policy", ["user", "ip", "app", None])
def test_a_limit_on_the_caller_slows_everything(policy: str | None) -> None:
    """So does one of which the server does not say what it is for."""
    desk = desk_of(10)
    desk.watch(map(str, range(10)))
    desk.answer(desk.next(), Throttled("slow down", policy=policy))
    assert desk.scheduler.statistics().rate == 5.0


def run_slowly(desk: Desk, until: float, delay: float) -> None:
    """Let time pass while each reply takes its time, and others leave meanwhile."""
    under_way: list[tuple[float, Request]] = []
    while True:
        due = max(desk.scheduler.next_due(), desk.now)
        if under_way and (under_way[0][0] <= due or due > until):
            desk.now, request = under_way.pop(0)
            desk.answer(request)
        elif due > until:
            return
        else:
            desk.now = due
            sent = desk.scheduler.next_request(desk.now)
            if sent is not None:
                desk.asked.append(sent)
                under_way.append((desk.now + delay, sent))


@pytest.mark.parametrize("order", [list, lambda ids: list(reversed(ids))], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("leave", [[59], [30], [0], [*range(40, 60)], [*range(60)]], ids=len)
@pytest.mark.parametrize(("page", "delay"), [(7, 0.3), (100, 0.3), (20, 7.0)])
def test_jobs_that_leave_the_list_are_queried(
    order: Callable[[list[str]], list[str]], leave: list[int], page: int, delay: float
) -> None:
    """Their ends are known within two periods, wherever they stood, also where replies take longer than a period."""
    names = [str(number) for number in range(60)]
    desk = Desk({name: ends_at(name, 60.0) for name in names}, listing=True)
    desk.order, desk.max_page = order, page
    ledger = desk.watch(names)
    run_slowly(desk, 30.0, delay)
    desk.unlisted = {names[number] for number in leave}
    run_slowly(desk, 80.0 + 2 * delay, delay)
    assert set(finals(ledger)) == set(names)


def test_a_list_that_shrinks_by_a_few_jobs_a_cycle_does_not_hide_them() -> None:
    """Each is missed once more and then queried."""
    names = [str(number) for number in range(60)]
    desk = Desk({name: ends_at(name, 60.0) for name in names}, listing=True)
    ledger = desk.watch(names)
    for cycle in range(10):
        run_slowly(desk, 10.0 + 5 * cycle, 0.3)
        desk.unlisted |= set(names[60 - 3 * cycle :])
    run_slowly(desk, 72.0, 0.3)
    assert set(finals(ledger)) == set(names)


def test_a_job_that_is_missed_is_asked_for_once_more_in_its_cycle_and_then_queried() -> None:
    """Two jobs at the end leave: the next request asks where they stand now, the ones after that are queries."""
    names = [str(number) for number in range(20)]
    desk = Desk({name: ends_at(name, 1e9) for name in names}, listing=True)
    desk.watch(names)
    run_slowly(desk, 12.0, 0.3)
    desk.unlisted = {"18", "19"}
    before = len(desk.asked)
    run_slowly(desk, 18.0, 0.3)
    first, repeat, *queries = desk.asked[before:]
    assert isinstance(first, Window)
    assert isinstance(repeat, Window)
    assert repeat.is_repeat
    assert [each.job_id for each in queries if isinstance(each, Get)] == ["18", "19"]


def test_a_list_that_fails_for_three_seconds_is_not_suspended() -> None:
    """It shows the ends as soon as it can be read again."""
    desk = desk_of(60, end=12.0)
    ledger = desk.watch(map(str, range(60)))
    run_slowly(desk, 4.0, 0.3)
    desk.list_error = ServiceUnavailable("later")
    run_slowly(desk, 8.0, 0.3)
    desk.list_error = None
    run_slowly(desk, 18.0, 0.3)
    assert len(finals(ledger)) == 60


@pytest.mark.parametrize("error", [ServiceUnavailable("later"), TransportError("reset")])
def test_jobs_whose_period_has_passed_are_queried_while_the_list_fails(error: SourceError) -> None:
    """Their ends are known though it never comes back."""
    desk = desk_of(20, end=12.0)
    ledger = desk.watch(map(str, range(20)))
    run_slowly(desk, 9.0, 0.3)
    desk.list_error = error
    run_slowly(desk, 26.0, 0.3)
    assert len(finals(ledger)) == 20


def test_a_list_that_is_suspended_is_taken_up_again_by_the_clock() -> None:
    """It is asked for again when the suspension is over, while queries of it are all under way."""
    desk = desk_of(20)
    desk.watch(map(str, range(20)))
    run_slowly(desk, 9.0, 0.3)
    desk.scheduler._scopes[""].distrust(desk.now)
    while desk.scheduler.next_due() < 600.0:
        desk.now = max(desk.now, desk.scheduler.next_due())
        desk.scheduler.next_request(desk.now)  # hangs
    assert 600.0 <= desk.scheduler.next_due() <= 610.0


def test_dropped_connections_do_not_suspend_a_list() -> None:
    """It is asked for again all the time."""
    desk = desk_of(20)
    desk.watch(map(str, range(20)))
    run_slowly(desk, 9.0, 0.3)
    desk.list_error = TransportError("reset")
    run_slowly(desk, 60.0, 0.3)
    assert desk.windows[-1].sent_at > 25.0
    assert desk.scheduler._scopes[""].listing.in_rounds


def test_pages_that_are_due_and_first_confirmations_take_turns() -> None:
    """A hundred successes at once, whose files only queries tell, hold up no page of the list."""
    stories = {str(n): ends_at(str(n), 8.0, name="ImportGraph", is_import=True) for n in range(100)}
    stories |= {f"late {n}": ends_at(f"late {n}", 12.0, "failed") for n in range(10)}
    desk = Desk(stories, listing=True)
    ledger = desk.watch(stories)
    desk.run(until=16.0)
    assert {f"late {n}" for n in range(10)} <= set(finals(ledger))


def test_confirmations_and_retries_take_a_quarter_while_pages_are_due() -> None:
    """Six hundred jobs are denied again and again beside a list of small pages; either would use up the budget."""
    desk = desk_of(400)
    desk.max_page = 4
    desk.watch(map(str, range(1000)))
    desk.run(until=120)
    sent = "".join("query " if isinstance(request, Get) else "page " for request in desk.asked)
    assert "page page page query " * 10 in sent


def run_hanging(desk: Desk, until: float, hangs: Callable[[Request], bool], timeout: float = 30.0) -> None:
    """Let time pass, with a round trip of 0.3 s; some requests hang until they are given up."""
    under_way: list[tuple[float, Request, bool]] = []
    while True:
        returns = min(under_way, key=lambda each: each[0], default=None)
        at = math.inf if returns is None else returns[0]
        due = min(desk.scheduler.next_due(), desk.scheduler.next_deadline()) if len(under_way) < 10 else math.inf
        if min(due, at) > until:
            return
        desk.now = max(desk.now, min(due, at))
        if returns is not None and at <= due:
            under_way.remove(returns)
            desk.answer(returns[1], TransportError("no reply") if returns[2] else None)
        elif (request := desk.scheduler.next_request(desk.now)) is not None:
            desk.asked.append(request)
            is_hung = hangs(request)
            under_way.append((desk.now + (timeout if is_hung else 0.3), request, is_hung))


def test_a_page_that_hangs_while_jobs_are_looked_for_does_not_stop_the_cycle() -> None:
    """It is asked for again after an interval, and shows the newcomers and the others."""
    desk = desk_of(40, end=14.0)
    ledger = desk.watch(map(str, range(20)))
    run_hanging(desk, 7.0, lambda _: False)
    desk.watch(map(str, range(20, 40)))
    hung: list[Request] = []

    def hangs(request: Request) -> bool:
        if isinstance(request, Window) and not hung:
            hung.append(request)
        return request in hung

    run_hanging(desk, 25.0, hangs)
    assert len(finals(ledger)) == 20


def test_a_window_that_hangs_does_not_stop_its_cycle() -> None:
    """The next one begins all the same, and asks for its jobs again."""
    desk = desk_of(20, end=9.0)
    ledger = desk.watch(map(str, range(20)))
    hung: list[Request] = []

    def hangs(request: Request) -> bool:
        if isinstance(request, Window) and request.sent_at > 4.0 and not hung:
            hung.append(request)
        return request in hung

    run_hanging(desk, 20.0, hangs)
    assert hung
    assert len(finals(ledger)) == 20


@pytest.mark.parametrize("since", [0.0, 7.0])
def test_a_list_that_only_hangs_stops_nobody(since: float) -> None:
    """Its jobs are queried, whether it ever answered or not."""
    desk = desk_of(20, end=17.0)
    ledger = desk.watch(map(str, range(20)))
    run_hanging(desk, 29.0, lambda request: isinstance(request, Window) and request.sent_at >= since)
    assert len(finals(ledger)) == 20
    assert len(desk.windows) <= 7


def test_jobs_that_leave_the_list_at_their_end_say_nothing_against_its_order() -> None:
    """Three of twenty end in each cycle, far more than a list in order loses: the others are shown as before."""
    stories = {str(n): ends_at(str(n), 10.0 + 1.6 * (n * 7 % 60)) for n in range(60)}
    desk = Desk(stories, listing=True)
    desk.listed = {str(n): seen_until(10.0 + 1.6 * (n * 7 % 60), job(str(n))) for n in range(60)}
    desk.watch(stories)
    run_slowly(desk, 90.0, 0.3)
    listing = desk.scheduler._scopes[""].listing
    assert not listing.is_jumbled(desk.now)
    assert listing.serves(desk.now)


def test_a_list_without_order_is_read_twice_in_a_cycle() -> None:
    """Each page is drawn anew: what one walk misses, the next one shows, and hardly a job ends late."""
    rng = random.Random(3)
    desk = Desk({str(n): ends_at(str(n), 20.0 + n / 5) for n in range(400)}, listing=True)
    desk.order, desk.max_page = lambda ids: rng.sample(ids, len(ids)), 200
    ledger = desk.watch(desk.stories)
    desk.run(until=130)
    lags = sorted(change.observed_at - 20.0 - int(job_id) / 5 for job_id, change in finals(ledger).items())
    assert len(lags) == 400
    assert lags[395] < 12.0
