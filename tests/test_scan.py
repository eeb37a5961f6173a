"""One scan of a list whose order, page size and total nobody has specified, and which may lie about all of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gespoll import ListWindow
from gespoll._scheduler._scan import PAGES_AT_MOST, Outcome, Scan, overlap

ABSENT = "absent"


@attrs.define(kw_only=True)
class FakeList:
    """A list, how it is served, and what it does between two pages."""

    ids: list[str]
    newest_at: Literal["start", "end"] | None = None
    cut: Callable[[int], int] = lambda limit: limit
    """How many entries a page of this limit has at most."""
    total: Callable[[list[str], list[str]], int | None] = lambda ids, page: len(ids)
    """What is reported as the total, of the list and a page."""
    rows: Callable[[list[str], int, int], list[str]] = lambda ids, offset, limit: ids[offset : offset + limit]
    blank: frozenset[str] = frozenset()
    """Ids of entries whose id cannot be read."""
    arrivals: dict[int, int] = attrs.field(factory=dict)
    """How many entries arrive at the newest end before this page."""
    departures: dict[int, int] = attrs.field(factory=dict)
    """Which entry leaves before this page, modulo their number."""
    pages: int = 0
    always: set[str] = attrs.field(init=False)
    """The ids that were there all the time, or since they arrived."""
    limits: list[int] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.always = set(self.ids)

    def answer(self, offset: int, limit: int) -> ListWindow:
        """Serve a page."""
        self.pages += 1
        self.limits.append(limit)
        self._change()
        page = self.rows(self.ids, offset, self.cut(limit))
        ids = tuple(job_id for job_id in page if job_id not in self.blank)
        told = self.newest_at if len(ids) > 1 else None
        total = self.total(self.ids, page)
        return ListWindow(ids=ids, jobs=(), total=total, skipped=len(page) - len(ids), newest_at=told)

    def _change(self) -> None:
        arrived = [f"new-{self.pages}-{number}" for number in range(self.arrivals.get(self.pages, 0))]
        self.ids = [*self.ids, *arrived] if self.newest_at == "end" else [*reversed(arrived), *self.ids]
        self.always.update(arrived)
        if self.pages in self.departures and self.ids:
            left = self.ids.pop(self.departures[self.pages] % len(self.ids))
            self.always.discard(left)


def scan_for(*missing: str, limit: int = 1000, **fields: object) -> Scan:
    """Make a scan that looks for some ids, to the end unless the fields say otherwise."""
    fields = {"to_the_end": True, "pages_at_most": len(missing), **fields}
    return Scan(0.0, limit, missing=set(missing), **fields)  # type: ignore[arg-type]


def read(scan: Scan, window: ListWindow) -> None:
    """Let a scan take a page in, in two slices."""
    offset, limit, half = scan.offset, scan.limit, len(window.ids) // 2
    scan.see(window.ids[:half], window.unread)
    scan.see(window.ids[half:], window.unread)
    scan.end_page(window, offset, limit)


def run(scan: Scan, served: FakeList) -> Scan:
    """Serve pages until the scan is over."""
    while not scan.is_over:
        assert scan.pages < PAGES_AT_MOST
        read(scan, served.answer(scan.offset, scan.limit))
    return scan


def named(count: int) -> list[str]:
    """Name some entries."""
    return [str(number) for number in range(count)]


# Honest lists


counts = st.one_of(st.integers(0, 40), st.integers(0, 300))
caps = st.sampled_from([2, 3, 7, 10, 100, 1000])
limits = st.sampled_from([1000, 500, 100, 10])
ends: st.SearchStrategy[Literal["start", "end"] | None] = st.sampled_from(["start", "end", None])
honest_totals = st.sampled_from([lambda ids, page: len(ids), lambda ids, page: None])


@st.composite
def honest(draw: st.DrawFn) -> FakeList:
    """Draw a list that tells the truth, whatever its order and its page size, in which nothing moves."""
    ids = named(draw(counts))
    draw(st.randoms(use_true_random=False)).shuffle(ids)
    cap = draw(caps)
    return FakeList(ids=ids, newest_at=draw(ends), cut=lambda limit: min(limit, cap), total=draw(honest_totals))


@given(served=honest(), limit=limits, knows_total=st.booleans(), wanted=st.integers(0, 300))
def test_an_honest_list_that_stands_still_is_read_completely(
    served: FakeList, limit: int, knows_total: bool, wanted: int
) -> None:
    """Whatever its order, its page size, and whether it tells a total."""
    total = len(served.ids) if knows_total else None
    scan = scan_for(str(wanted), ABSENT, limit=limit, newest_at=served.newest_at if knows_total else None, total=total)
    run(scan, served)
    assert (str(wanted) in scan.missing) == (str(wanted) not in served.ids)
    assert scan.outcome is Outcome.COMPLETE
    assert scan.lacked == scan.missing


@given(
    served=honest().filter(lambda served: served.cut(1000) >= 7 and len(served.ids) > 1),
    limit=limits,
    arrivals=st.dictionaries(st.integers(2, 12), st.integers(1, 3), max_size=3),
)
def test_arrivals_at_the_newest_end_keep_no_scan_from_being_complete(
    served: FakeList, limit: int, arrivals: dict[int, int]
) -> None:
    """They move the others, and are seen themselves; unless as many arrive at once as the list had."""
    assume(sum(arrivals.values()) < len(served.ids) - 5)
    served.newest_at = served.newest_at or "start"
    served.arrivals = arrivals
    scan = run(scan_for(ABSENT, limit=limit), served)
    assert scan.outcome is Outcome.COMPLETE
    assert served.always <= scan._seen


@pytest.mark.parametrize(
    ("served", "pages"),
    [
        pytest.param(FakeList(ids=named(30)), 3, id="one page, the page beyond it, the newest end"),
        pytest.param(FakeList(ids=named(30), newest_at="end"), 2, id="the newest end was read last"),
        pytest.param(FakeList(ids=named(30), total=lambda ids, page: None), 4, id="an empty page tells the end"),
        pytest.param(FakeList(ids=named(2500)), 5, id="pages of 1,000"),
        pytest.param(FakeList(ids=named(290), cut=lambda limit: min(limit, 100)), 5, id="pages cut at 100"),
        pytest.param(FakeList(ids=[]), 2, id="an empty list"),
    ],
)
def test_a_proof_takes_few_pages(served: FakeList, pages: int) -> None:
    """Beside those that show the list there are two, or three without a total."""
    assert run(scan_for(ABSENT), served).is_complete
    assert served.pages == pages


def test_lists_of_pages_of_one_entry_are_complete_by_their_total() -> None:
    """Pages cannot overlap, so the total alone tells that nothing was missed."""
    served = FakeList(ids=named(12), cut=lambda limit: 1)
    assert run(scan_for("7", ABSENT), served).is_complete
    served = FakeList(ids=named(12), cut=lambda limit: 1, total=lambda ids, page: None)
    scan = run(scan_for("7", ABSENT), served)
    assert (scan.missing, scan.outcome) == ({ABSENT}, Outcome.INCOMPLETE)


# Lists that lie


def withheld(kind: str, most: int) -> Callable[[list[str], int, int], list[str]]:
    """Withhold rows of pages above a size."""

    def rows(ids: list[str], offset: int, limit: int) -> list[str]:
        shown = ids[offset : offset + limit]
        if limit <= most:
            return shown
        return {"none": [], "few": shown[: most // 2], "every other": shown[::2]}[kind]

    return rows


def repeated(ids: list[str], offset: int, limit: int) -> list[str]:
    """Show each entry twice, in the place of others."""
    shown = ids[offset : offset + limit]
    return [shown[at // 2] for at in range(len(shown))]


ROWS = {
    "honest": lambda ids, offset, limit: ids[offset : offset + limit],
    "offsets ignored": lambda ids, offset, limit: ids[:limit],
    "offsets counted in pages": lambda ids, offset, limit: ids[offset * limit : offset * limit + limit],
    "each entry twice": repeated,
    "empty from 20 on": lambda ids, offset, limit: ids[offset : offset + limit] if offset < 20 else [],
    "only the first 15": lambda ids, offset, limit: ids[:15][offset : offset + limit],
    "some never shown": lambda ids, offset, limit: [i for i in ids[offset : offset + limit] if int(i[-1]) % 7],
    "none above 10": withheld("none", 10),
    "few above 10": withheld("few", 10),
    "every other above 10": withheld("every other", 10),
}
HIDES = {"empty from 20 on", "only the first 15", "some never shown"}
"""What no reply gives away but an honest total."""


@st.composite
def totals(draw: st.DrawFn) -> Callable[[list[str], list[str]], int | None]:
    """Draw what is told as the total: the truth, nothing, that of the page, too much, too little, or anything."""
    off = draw(st.integers(-50, 50))
    rng = random.Random(draw(st.integers(0, 99)))
    told: list[Callable[[list[str], list[str]], int | None]] = [
        lambda ids, page: len(ids),
        lambda ids, page: None,
        lambda ids, page: len(page),
        lambda ids, page: max(len(ids) + off, 0),
        lambda ids, page: rng.choice([None, len(ids), rng.randrange(2 * len(ids) + 2)]),
    ]
    return draw(st.sampled_from(told))


@st.composite
def lying(draw: st.DrawFn) -> FakeList:
    """Draw a list that lies in every way, and in which entries come and go."""
    ids = named(draw(counts))
    draw(st.randoms(use_true_random=False)).shuffle(ids)
    lie = draw(st.sampled_from(sorted(ROWS)))
    caps_ = draw(st.one_of(caps.map(lambda cap: [cap]), st.lists(st.integers(2, 60), min_size=1, max_size=5)))
    rng = random.Random(0)
    return FakeList(
        ids=ids,
        newest_at=draw(ends),
        cut=lambda limit: min(limit, rng.choice(caps_)),
        total=(lambda ids, page: len(ids)) if lie in HIDES else draw(totals()),
        rows=ROWS[lie],
        blank=frozenset(draw(st.lists(st.sampled_from([*ids, "x"]), max_size=2))),
        arrivals=draw(st.dictionaries(st.integers(2, 30), st.integers(1, 8), max_size=5)),
        departures=draw(st.dictionaries(st.integers(2, 30), st.integers(0, 300), max_size=5)),
    )


@given(
    served=lying(),
    limit=limits,
    newest_at=ends,
    total=st.one_of(st.none(), st.integers(0, 1000)),
    trusted=st.sampled_from([0, 10]),
)
def test_a_complete_scan_lacks_no_job_that_was_in_the_list(
    served: FakeList, limit: int, newest_at: Literal["start", "end"] | None, total: int | None, trusted: int
) -> None:
    """However the list lies and moves: what it had all the time, or since it arrived, was seen or nothing is proved."""
    scan = scan_for(*served.ids, ABSENT, limit=limit, newest_at=newest_at, total=total, trusted=trusted)
    run(scan, served)
    assert not scan.is_complete or not scan.lacked & served.always


@given(served=lying(), limit=limits, newest_at=ends, total=st.one_of(st.none(), st.integers(0, 1000)))
def test_every_scan_ends(
    served: FakeList, limit: int, newest_at: Literal["start", "end"] | None, total: int | None
) -> None:
    """It takes two pages for each entry of the list, and forty, at most."""
    entries = len(served.ids) + sum(served.arrivals.values())
    scan = run(scan_for(ABSENT, limit=limit, newest_at=newest_at, total=total), served)
    assert scan.outcome is not None
    assert scan.pages <= 2 * entries + 40


@pytest.mark.parametrize("lie", sorted(ROWS))
@pytest.mark.parametrize("order", ["start", "end", None])
def test_what_a_list_can_show_is_found(lie: str, order: Literal["start", "end"] | None) -> None:
    """A scan reads on where pages are withheld, and where the total or offsets mean nothing it shows what it can."""
    served = FakeList(ids=named(60), newest_at=order, rows=ROWS[lie])
    scan = run(scan_for(*served.ids, ABSENT), served)
    if lie not in HIDES | {"each entry twice", "offsets ignored", "every other above 10"}:
        assert scan.missing == {ABSENT}
    assert scan.is_complete == (lie in {"honest", "none above 10", "few above 10"})


def test_a_list_without_order_is_complete_by_a_total_that_stays_the_same() -> None:
    """Every entry that it counts was seen, and the page after them is empty."""
    rng = random.Random(0)
    served = FakeList(ids=named(30), rows=lambda ids, offset, limit: rng.sample(ids, 30)[offset : offset + limit])
    scan = run(scan_for(ABSENT, overlaps=False), served)
    assert (scan.outcome, served.pages) == (Outcome.COMPLETE, 2)
    served = attrs.evolve(served, total=lambda ids, page: len(page), cut=lambda limit: min(limit, 20))
    assert run(scan_for(ABSENT, overlaps=False), served).outcome is Outcome.INCOMPLETE
    served = attrs.evolve(served, total=lambda ids, page: len(ids))
    assert run(scan_for(ABSENT, overlaps=False, limit=20), served).outcome is Outcome.INCOMPLETE


def test_pages_that_show_little_but_what_was_seen_end_a_scan() -> None:
    """A list that is drawn anew for each page, whatever the offset, brings an arrival now and then for ever."""
    rng = random.Random(0)
    served = FakeList(
        ids=named(20),
        total=lambda ids, page: None,
        rows=lambda ids, offset, limit: rng.sample(ids, len(ids)),
        arrivals=dict.fromkeys(range(0, 3000, 2), 1),
    )
    scan = run(scan_for("none", limit=100, to_the_end=True), served)
    assert (scan.outcome, served.pages < 20) == (Outcome.INCOMPLETE, True)


def test_a_list_whose_order_changes_is_found_out() -> None:
    """Entries stand twice where no order has them."""
    rng = random.Random(0)
    served = FakeList(ids=named(100), rows=lambda ids, offset, limit: rng.sample(ids, 100)[offset : offset + limit])
    scan = run(scan_for(ABSENT, limit=50), served)
    assert scan.is_jumbled
    assert scan.outcome is Outcome.INCOMPLETE


@pytest.mark.parametrize("told", [500, None])
def test_a_server_that_ignores_offsets_is_found_out_by_the_second_page(told: int | None) -> None:
    """It is the same page again."""
    served = FakeList(ids=named(100), rows=ROWS["offsets ignored"], total=lambda ids, page: told)
    scan = run(scan_for(ABSENT, limit=100), served)
    assert (scan.pages, scan.ignores_offset, scan.outcome) == (2, True, Outcome.INCOMPLETE)


@pytest.mark.parametrize("told", [33, 5000])
@pytest.mark.parametrize("order", ["start", "end", None])
def test_a_total_that_is_too_high_makes_no_scan_complete(told: int, order: Literal["start", "end"] | None) -> None:
    """The list was read to its end and shows fewer; nobody knows why."""
    served = FakeList(ids=named(30), newest_at=order, total=lambda ids, page: told)
    scan = run(scan_for("7", ABSENT, limit=10, newest_at=order, total=told), served)
    assert (scan.missing, scan.outcome) == ({ABSENT}, Outcome.INCOMPLETE)


@pytest.mark.parametrize("told", [5, None])
def test_a_total_that_is_too_low_is_as_none(told: int | None) -> None:
    """The same pages show the end, and prove as much."""
    served = FakeList(ids=named(30), total=lambda ids, page: told)
    scan = run(scan_for("29", ABSENT, limit=10), served)
    assert (scan.missing, scan.outcome, served.pages) == ({ABSENT}, Outcome.COMPLETE, 7)


def test_newest_entries_at_the_end_are_read_first() -> None:
    """Pages go backward from where they are counted to stand, and those that the server cuts are asked for again."""
    served = FakeList(ids=named(5000), newest_at="end", cut=lambda limit: min(limit, 700))
    scan = run(scan_for("4999", "4400", newest_at="end", total=5000), served)
    assert (scan.pages, scan.outcome) == (3, None)
    served = attrs.evolve(served, ids=named(5000), pages=0)
    scan = run(scan_for("0", "2500", ABSENT, newest_at="end", total=5000), served)
    assert (scan.missing, scan.outcome, scan.cut_at) == ({ABSENT}, Outcome.COMPLETE, 700)
    assert served.pages <= 12


def test_a_short_last_page_is_not_the_size_of_the_pages() -> None:
    """A cut is believed when more entries come after it."""
    assert run(scan_for(ABSENT), FakeList(ids=named(30))).cut_at is None
    assert run(scan_for(ABSENT), FakeList(ids=named(130), cut=lambda limit: min(limit, 100))).cut_at == 100


def test_it_is_over_as_soon_as_all_were_shown() -> None:
    """The rest of the list is not read, and nothing is said about it; a sighting is enough."""
    scan = scan_for("3", "4", limit=10)
    read(scan, ListWindow(ids=tuple(named(10)), jobs=(), total=300, unread=frozenset("4")))
    assert (scan.is_over, scan.outcome) == (True, None)
    assert (scan.missing, scan.lacked, scan.found) == ({"4"}, set(), 1)


def test_it_takes_no_more_pages_than_job_queries_would_cost() -> None:
    """Two ids deep in a long list are worth two pages, unless it is to prove something."""
    scan = run(scan_for("298", "299", limit=10, to_the_end=False), FakeList(ids=named(300)))
    assert (scan.pages, scan.outcome) == (2, None)


def test_a_page_that_is_refused_is_asked_for_with_a_smaller_size() -> None:
    """It goes on where it was, in either direction."""
    for order, total in (("start", None), ("end", 300)):
        served = FakeList(ids=named(300), newest_at=order)  # type: ignore[arg-type]
        scan = scan_for(ABSENT, limit=100, newest_at=order, total=total)
        read(scan, served.answer(scan.offset, scan.limit))
        scan.resize(10)
        assert run(scan, served).outcome is Outcome.COMPLETE


def test_pages_overlap_by_some_entries_and_always_move_on() -> None:
    """Others come and go, and shift the list by a few places."""
    assert [overlap(limit) for limit in (1000, 100, 50, 10, 9, 2, 1)] == [5, 5, 5, 1, 1, 1, 0]


def test_an_entry_without_a_readable_id_keeps_a_scan_from_being_complete() -> None:
    """It may be any job, also where another has left so that the numbers agree."""
    served = FakeList(ids=named(30), blank=frozenset({"10"}), departures={2: 0})
    assert run(scan_for("10"), served).outcome is Outcome.INCOMPLETE


def test_more_places_than_entries_keep_a_scan_from_being_complete() -> None:
    """Every other entry is withheld, and the total is that of the page."""
    served = FakeList(ids=named(5), rows=lambda ids, offset, limit: ids[offset : offset + limit][:: min(limit, 2)])
    served.total = lambda ids, page: len(page)
    assert run(scan_for("1", ABSENT), served).outcome is Outcome.INCOMPLETE
