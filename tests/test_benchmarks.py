"""The simulated service, the peers, the bounds and the table of the benchmarks do what they say."""

# ruff: noqa: E402  # what the extra brings is asked for before it is imported

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import attrs
import pytest

for needed in ("aiolimiter", "matplotlib", "numpy", "tenacity"):
    pytest.importorskip(needed, reason="the benchmarks need the extra `bench`")

import gespoll
from benchmarks import detection, fixed_server, grid, peers, pictures
from benchmarks.__main__ import document
from benchmarks.api import ENDED, RUNNING, ListRefused, Pace, Page, ServiceDown, Sightings, TooManyRequests
from benchmarks.bounds import clairvoyant_gets, clairvoyant_lists
from benchmarks.contest import on_virtual_time, over_http, simulate
from benchmarks.figures import Row, Run, Runs, Spread, percentile, ratio, short, table
from benchmarks.peers import Contestant
from benchmarks.service import Behaviour, Bucket, SimulatedService
from benchmarks.simulated import SimulatedApi, SimulatedSource
from benchmarks.workload import Outcome, Work, burst, evenly

Result = TypeVar("Result")

EVERYBODY: dict[str, Contestant] = {**detection.CONTESTANTS, "30 s waiter": peers.waiter_30_seconds}
READERS = {"gespoll", "30-line list loop", "the list loop, stopping early"}
WORKS = burst(12, 0, 20.0)
PACE = Pace(per_second=3.0, interval=1.0)
SERVICE = Behaviour(per_second=3.0, max_page=5)


def asked(behaviour: Behaviour, ask: Callable[[SimulatedApi], Awaitable[Result]], works: list[Work] = WORKS) -> Result:
    """Ask a fresh service."""

    async def main() -> Result:
        return await ask(SimulatedApi(SimulatedService(works, behaviour)))

    return on_virtual_time(main)


def first_page(behaviour: Behaviour, limit: int = 100) -> Page:
    """Read the first page of a fresh service."""
    return asked(behaviour, lambda api: api.page(0, limit))


def ids(page: Page) -> list[str]:
    """Tell the ids of a page."""
    return [job_id for job_id, _ in page.entries]


@pytest.mark.parametrize("name", EVERYBODY)
def test_everybody_sees_every_end_and_beats_no_bound(name: str) -> None:
    """Each end is seen once, by nobody before it came, and by nobody sooner than one who knew it."""
    run = simulate(EVERYBODY[name], WORKS, SERVICE, PACE)
    if name in READERS:
        bound = clairvoyant_lists(WORKS, 3.0, SERVICE.max_page, SERVICE.round_trip)
    else:
        bound = clairvoyant_gets(WORKS, 3.0, SERVICE.round_trip)
        assert run.requests >= bound.requests
    assert run.mean >= bound.mean > 0


@pytest.mark.parametrize("name", EVERYBODY)
def test_a_run_repeats(name: str) -> None:
    """The same seed gives the same figures."""
    assert simulate(EVERYBODY[name], WORKS, SERVICE, PACE) == simulate(EVERYBODY[name], WORKS, SERVICE, PACE)


@pytest.mark.parametrize("name", EVERYBODY)
def test_the_same_lines_run_over_http(name: str) -> None:
    """Everybody sees every end of a service over HTTP, too."""
    run = over_http(EVERYBODY[name], WORKS[:4], PACE, max_page=2, max_rate=3.0)
    assert run.mean >= 0
    assert run.requests > 0


@pytest.mark.parametrize("name", [*sorted(set(EVERYBODY) - READERS), "gespoll"])
def test_a_refused_list_stops_nobody_who_can_do_without(name: str) -> None:
    """The cell of the grid where the list is refused can be run."""
    refusing = Behaviour(per_second=3.0, list_refused=True)
    assert simulate(EVERYBODY[name], WORKS, refusing, PACE).mean > 0


def test_a_list_loop_that_is_refused_says_so() -> None:
    """The list loop has no place in that cell."""
    with pytest.raises(ListRefused):
        simulate(peers.list_loop, WORKS, Behaviour(list_refused=True), PACE)


@pytest.mark.parametrize("behaviour", grid.behaviours().values(), ids=grid.behaviours())
def test_gespoll_sees_every_end_whatever_the_list_does(behaviour: Behaviour) -> None:
    """Each cell of the grid comes to an end."""
    assert simulate(peers.gespoll_watch, WORKS[:3], behaviour, PACE).mean > 0


def test_the_list_has_the_order_it_is_told_to_have() -> None:
    """Oldest first is as submitted, newest first the reverse, by id is sorted, random another each time."""
    submitted = [work.job_id for work in WORKS]
    assert ids(first_page(Behaviour(order="oldest"))) == submitted
    assert ids(first_page(Behaviour(order="newest"))) == submitted[::-1]
    assert ids(first_page(Behaviour(order="id"))) == sorted(submitted)

    async def twice(api: SimulatedApi) -> tuple[Page, Page]:
        return await api.page(0, 100), await api.page(0, 100)

    first, second = asked(Behaviour(order="random"), twice)
    assert ids(first) != ids(second)
    assert sorted(ids(first)) == sorted(ids(second)) == sorted(submitted)


@pytest.mark.parametrize("order", ["newest", "oldest", "id"])
def test_pages_follow_on_each_other(order: Any) -> None:
    """Pages cut to the most entries make up the list, and what is past its end is empty."""

    async def pages(api: SimulatedApi) -> list[list[str]]:
        return [ids(await api.page(offset, 100)) for offset in (0, 5, 10, 15)]

    read = asked(Behaviour(order=order, max_page=5), pages)
    assert [len(page) for page in read] == [5, 5, 2, 0]
    assert [job_id for page in read for job_id in page] == ids(first_page(Behaviour(order=order)))


def test_a_page_is_cut_to_the_most_and_tells_the_total() -> None:
    """A smaller limit holds; the total counts all jobs."""
    assert len(first_page(Behaviour(max_page=5)).entries) == 5
    assert len(first_page(Behaviour(max_page=5), limit=3).entries) == 3
    assert first_page(Behaviour(max_page=5)).total == len(WORKS)


def test_foreign_jobs_stand_before_and_between_ours_and_arrive() -> None:
    """They are counted, stand where they are told to, and those that arrive are the newest."""
    crowd = Behaviour(order="oldest", foreign_before=20, foreign_among=10, foreign_per_second=2.0, round_trip=0.0)
    ours = {work.job_id for work in WORKS}

    async def early_and_late(api: SimulatedApi) -> tuple[Page, Page]:
        early = await api.page(0, 100)
        await anyio.sleep(3.0)
        return early, await api.page(0, 100)

    early, late = asked(crowd, early_and_late)
    places = [place for place, job_id in enumerate(ids(early)) if job_id in ours]
    assert early.total == len(WORKS) + 30
    assert min(places) >= 20
    assert max(places) - min(places) >= len(WORKS)
    assert late.total == early.total + 6
    assert ids(late)[: early.total] == ids(early)


def test_a_job_runs_until_it_ends() -> None:
    """The word is that of the moment when the request reaches the service."""

    async def words(api: SimulatedApi) -> list[str]:
        before = await api.get("a")
        await anyio.sleep(1.0)
        return [before, await api.get("a"), (await api.page(0, 1)).entries[0][1]]

    assert asked(Behaviour(), words, [Work("a", -1.0, 1.0)]) == [RUNNING, ENDED, ENDED]


def test_the_service_lets_a_seconds_worth_through_at_once() -> None:
    """Then it answers 429, and lets more through as time passes."""
    bucket = Bucket(3.0)
    assert [bucket.admits(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.next_at(0.0) == pytest.approx(1 / 3)
    assert [bucket.admits(1 / 3), bucket.admits(1 / 3)] == [True, False]


def test_a_throttled_request_is_told_and_counted() -> None:
    """A peer meets an exception of its own, gespoll one of gespoll's."""

    async def main() -> tuple[int, int]:
        service = SimulatedService(WORKS, Behaviour(per_second=1.0, round_trip=0.0))
        await service.look(WORKS[0].job_id)
        with pytest.raises(TooManyRequests):
            await SimulatedApi(service).get(WORKS[0].job_id)
        with pytest.raises(gespoll.Throttled):
            await SimulatedSource(service).get(gespoll.JobRef(WORKS[0].job_id))
        return service.requests, service.throttled

    assert on_virtual_time(main) == (3, 2)


def test_a_sighting_counts_once() -> None:
    """Only our own jobs are noted, and only the first time."""

    async def main() -> dict[str, float]:
        sightings = Sightings({"a", "b"})
        assert not sightings.saw("a", RUNNING)
        assert sightings.saw("a", ENDED)
        await anyio.sleep(1.0)
        assert sightings.saw("a", ENDED)
        assert sightings.saw("somebody else's", ENDED)
        return sightings.seen_at

    assert on_virtual_time(main) == {"a": 0.0}


def test_the_bounds_look_as_soon_as_the_rate_allows() -> None:
    """Three ends at once: GETs see them one after the other, a page that holds all sees them together."""
    works = [Work(job_id, -1.0, 10.0) for job_id in "abc"]
    gets, lists = clairvoyant_gets(works, 1.0), clairvoyant_lists(works, 1.0, max_page=3)
    assert (gets.mean, gets.p99, gets.requests) == (1.0, 2.0, 3)
    assert (lists.mean, lists.p99, lists.requests) == (0.0, 0.0, 1)


def test_a_clairvoyant_list_reads_the_fullest_window_first() -> None:
    """Two ends side by side come before the one far away."""
    works = [Work(str(place), 0.0, 10.0 if place in {0, 7, 8} else 10.5) for place in range(10)]
    assert clairvoyant_lists(works, 1.0, max_page=2).mean == pytest.approx(
        (0 + 0 + 1 + 0.5 + 1.5 * 2 + 2.5 * 2) / 10, 1
    )


def test_figures_are_medians_with_their_spread() -> None:
    """Ratios are taken seed by seed."""
    spread = Spread([3.0, 1.0, 2.0])
    assert str(spread) == "2.00 (1.00-3.00)"
    assert ratio(spread, Spread([1.0, 1.0, 4.0])).values == (3.0, 1.0, 0.5)
    assert percentile(list(range(100)), 0.99) == 98
    assert [short(value) for value in (0, 0.01234, 1.5, 99.44, 1234.5)] == ["0", "0.0123", "1.50", "99.4", "1234"]


def test_the_table_says_what_was_not_reached() -> None:
    """A missed aim stands in the table; a line without an aim stands below it."""
    rows = [
        Row(what="a", beside="b", reach="<= 1x", measured="2x", reached=False),
        Row(what="c", beside="d", reach="<= 1x", measured="1x", reached=True),
        Row(what="e", beside="f", reach="", measured="3x"),
    ]
    assert "| a | b | <= 1x | 2x | **no** |  |\n| c | d | <= 1x | 1x | yes |  |\n" in table(rows)
    above, below = document(rows, ["how"], 10).split("## More figures")
    assert "| e | f |" in below
    assert "| e | f |" not in above


def test_what_is_reached_is_judged_by_the_medians() -> None:
    """The row beside a peer needs every part of the aim."""

    def runs(mean: float, requests: int, throttled: int = 0) -> Runs:
        return Runs([Run(mean=mean, p99=mean, requests=requests, throttled=throttled)] * 3)

    name = "task per job + backoff"
    assert detection.beside(name, runs(1, 10), runs(100, 80)).reached is True
    assert detection.beside(name, runs(1, 10), runs(99, 80)).reached is False
    assert detection.beside(name, runs(1, 10), runs(100, 79)).reached is False
    assert detection.beside(name, runs(1, 10, throttled=1), runs(100, 80)).reached is False


def test_the_same_figures_make_the_same_pictures(tmp_path: Path) -> None:
    """Pictures hold no date and nothing random."""
    runs = {"gespoll": Runs([Run(mean=1, p99=2, requests=3, throttled=0)])}
    cells = {"a cell": {"mean": 1.0, "p99": 0.5, "requests": 2.0}}
    for name in ("first", "second"):
        pictures.latency_against_requests(runs, "title", tmp_path / name / "latency.svg")
        pictures.grid(cells, 1.1, tmp_path / name / "grid.svg")
    for picture in ("latency.svg", "grid.svg"):
        assert (tmp_path / "first" / picture).read_bytes() == (tmp_path / "second" / picture).read_bytes()


def test_the_fixed_server_answers_and_counts() -> None:
    """It serves a path with its reply, any job with the reply for any, and ends with the block."""
    head = "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}"
    job = head.format(len(fixed_server.ANY_ID), fixed_server.ANY_ID).encode()
    replies = {b"/list": head.format(2, "[]").encode(), f"/{fixed_server.ANY_ID}/status".encode(): job}
    with fixed_server.running(replies) as server:
        read = [
            urllib.request.urlopen(server.endpoint + path, timeout=5).read()
            for path in ("/list?limit=1", f"/{'a' * 32}/status")
        ]
        assert (read, server.lists, server.gets) == ([b"[]", b"a" * 32], 1, 1)


ENDED_JOB = Work("a", -1.0, -0.5)


@pytest.mark.parametrize(
    ("behaviour", "listed", "queried"),
    [
        (Behaviour(), ENDED, ENDED),
        (Behaviour(list_frozen=frozenset("a")), RUNNING, ENDED),
        (Behaviour(queries_frozen=frozenset("a")), ENDED, RUNNING),
        (Behaviour(unlisted=frozenset("a")), None, ENDED),
        (Behaviour(ended_leave=True), None, ENDED),
    ],
)
def test_the_list_and_queries_lie_apart(behaviour: Behaviour, listed: str | None, queried: str) -> None:
    """Each channel shows an ended job as it is told to, and the other one is not touched."""

    async def words(api: SimulatedApi) -> tuple[dict[str, str], str]:
        return dict((await api.page(0, 10)).entries), await api.get("a")

    page, word = asked(behaviour, words, [ENDED_JOB])
    assert (page.get("a"), word) == (listed, queried)


@pytest.mark.parametrize(
    ("outcome", "listed", "queried"),
    [("success", "success", "success"), ("partially_failed", "success", "partially_failed"), ("failed",) * 3],
)
def test_a_list_without_files_calls_a_partial_failure_a_success(outcome: Outcome, listed: str, queried: str) -> None:
    """Only a query tells that lines were lost; a failure has a word of its own in both."""

    async def main() -> tuple[str, str]:
        work = attrs.evolve(ENDED_JOB, outcome=outcome)
        source = SimulatedSource(SimulatedService([work], Behaviour(tells_files=False)))
        window = await source.list_window("project", offset=0, limit=10, wanted=lambda ids, words: range(len(ids)))
        return window.jobs[0].status.value, (await source.get(gespoll.JobRef("a"))).status.value

    assert on_virtual_time(main) == (listed, queried)


@pytest.mark.parametrize(
    ("share", "least", "most"), [((1.0, 1.0), 12, 12), ((1.5, 1.5), 18, 18), ((0.5, 0.5), 6, 6), ((0.5, 1.5), 6, 18)]
)
def test_the_total_is_as_wrong_as_it_is_told_to_be(share: tuple[float, float], least: int, most: int) -> None:
    """Too high, too low, or another one in each reply."""

    async def totals(api: SimulatedApi) -> set[int]:
        return {(await api.page(0, 100)).total for _ in range(30)}

    told = asked(Behaviour(total_share=share), totals)
    assert least <= min(told) <= max(told) <= most
    assert (len(told) == 1) == (least == most)


def test_requests_fail_and_hang_as_often_as_they_are_told_to() -> None:
    """One share is answered 503, another one never."""

    async def outcomes(api: SimulatedApi) -> Counter[str]:
        told: Counter[str] = Counter()
        for _ in range(200):
            try:
                with anyio.fail_after(30.0):
                    await api.get("a")
                told["answered"] += 1
            except ServiceDown:
                told["failed"] += 1
            except TimeoutError:
                told["hung"] += 1
        return told

    told = asked(Behaviour(failing=0.25, hung=0.5), outcomes, [ENDED_JOB])
    assert told["hung"] > told["answered"] > told["failed"] > 0


def test_a_list_that_is_down_says_so_until_it_is_back() -> None:
    """Queries are answered meanwhile."""

    async def main() -> list[str]:
        api = SimulatedApi(SimulatedService([ENDED_JOB], Behaviour(list_down=(1.0, 2.0))))
        await api.page(0, 10)
        await anyio.sleep(1.0)
        with pytest.raises(ServiceDown):
            await api.page(0, 10)
        word = await api.get("a")
        await anyio.sleep(1.0)
        return [word, *dict((await api.page(0, 10)).entries).values()]

    assert on_virtual_time(main) == [ENDED, ENDED]


def test_jobs_end_evenly_anywhere_in_the_list_or_in_its_order() -> None:
    """Ends are equally far from each other."""
    works, in_order = evenly(4, 0, 10.0), evenly(4, 0, 10.0, in_order=True)
    assert [work.ends_at for work in in_order] == [2.5, 5.0, 7.5, 10.0]
    assert sorted(work.ends_at for work in works) == [2.5, 5.0, 7.5, 10.0]
    assert [work.ends_at for work in works] != [2.5, 5.0, 7.5, 10.0]
    assert [work.job_id for work in works] == [work.job_id for work in in_order]
