"""One pass over a list whose order, page size and count nobody has specified."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import ListWindow
from gespoll._scheduler._sweep import Sweep, overlap


def page(sweep: Sweep, ids: list[str], *, most: int = 1000, counted: bool = True) -> ListWindow:
    """Serve the page that a sweep asks for."""
    shown = ids[sweep.offset : sweep.offset + min(sweep.limit, most)]
    return ListWindow(ids=tuple(shown), jobs=(), total=len(ids) if counted else None)


def read(sweep: Sweep, window: ListWindow) -> None:
    """Let a sweep take a page in."""
    sweep.see(window.ids, window.unread)
    sweep.end_page(window)


def run(sweep: Sweep, ids: list[str], *, most: int = 1000, counted: bool = True) -> int:
    """Serve pages until the sweep is over; gives how many."""
    while not sweep.is_over:
        read(sweep, page(sweep, ids, most=most, counted=counted))
    return sweep.pages


def sweep_for(*missing: str, limit: int = 1000, to_the_end: bool = True) -> Sweep:
    """Make a sweep that looks for some ids."""
    return Sweep(started_at=0.0, limit=limit, missing=set(missing), to_the_end=to_the_end, pages_at_most=len(missing))


@given(
    count=st.integers(0, 300),
    limit=st.sampled_from([1000, 500, 100, 10]),
    most=st.sampled_from([1, 7, 10, 100, 1000]),
    counted=st.booleans(),
    wanted=st.integers(0, 300),
)
def test_everything_in_a_list_that_stands_still_is_found(
    count: int, limit: int, most: int, counted: bool, wanted: int
) -> None:
    """Whatever the page size and however it is learned, a sweep to the end misses nothing."""
    ids = [str(number) for number in range(count)]
    sweep = sweep_for(str(wanted), "absent", limit=limit)
    run(sweep, ids, most=most, counted=counted)
    assert (str(wanted) in sweep.missing) == (wanted >= count)
    assert sweep.is_complete


def test_it_is_over_as_soon_as_all_are_found() -> None:
    """The rest of the list is not read."""
    assert run(sweep_for("3", limit=10), [str(number) for number in range(300)]) == 1


def test_it_spends_no_more_pages_than_single_queries_would_cost() -> None:
    """Two ids deep in a long list are worth two pages."""
    ids = [str(number) for number in range(300)]
    assert run(sweep_for("298", "299", limit=10, to_the_end=False), ids) == 2


def test_a_server_that_cuts_pages_is_followed() -> None:
    """Pages are asked for at the size that the server gives."""
    sweep = sweep_for("x")
    assert run(sweep, [str(number) for number in range(290)], most=100) == 3
    assert sweep.is_complete


@pytest.mark.parametrize("counted", [True, False])
def test_a_count_that_is_too_high_keeps_nothing_from_ending(counted: bool) -> None:
    """A list that stood still was read to its end when nothing more comes, whatever was counted."""
    ids = [str(number) for number in range(30)]
    sweep = sweep_for("x", limit=10)
    while not sweep.is_over:
        window = page(sweep, ids)
        read(sweep, ListWindow(ids=window.ids, jobs=(), total=33 if counted else None))
    assert sweep.is_complete


def test_entries_that_cannot_be_read_count_for_the_paging() -> None:
    """A page with unreadable entries is no short page."""
    sweep = sweep_for("x", limit=10)
    read(sweep, ListWindow(ids=tuple("abcdefg"), jobs=(), total=17, skipped=3))
    assert sweep.offset == 9
    read(sweep, ListWindow(ids=tuple("ghijklmn"), jobs=(), total=17))
    assert sweep.is_complete


def test_a_server_that_ignores_the_offset_ends_it_and_proves_no_absence() -> None:
    """The same page again brings no new id: the sweep is over, and incomplete."""
    for total in (500, None):
        sweep = sweep_for("x", limit=100)
        while not sweep.is_over:
            read(sweep, ListWindow(ids=tuple(str(number) for number in range(100)), jobs=(), total=total))
        assert sweep.pages == 2
        assert not sweep.is_complete


def test_a_shuffled_list_proves_no_absence() -> None:
    """Fewer ids than the server counts were seen when the end was reached."""
    rng = random.Random(0)
    ids = [str(number) for number in range(100)]
    sweep = sweep_for("x", limit=10)
    while not sweep.is_over:
        rng.shuffle(ids)
        read(sweep, page(sweep, ids))
    assert not sweep.is_complete


def test_a_count_that_is_smaller_than_what_was_seen_is_not_believed() -> None:
    """The sweep goes on to where a page brings nothing more."""
    ids = [str(number) for number in range(30)]
    sweep = sweep_for("29", limit=10)
    while not sweep.is_over:
        window = page(sweep, ids)
        read(sweep, ListWindow(ids=window.ids, jobs=(), total=5))
    assert "29" not in sweep.missing


def test_an_entry_without_a_status_is_not_found() -> None:
    """The job is there, and how it stands must be asked."""
    sweep = sweep_for("a")
    read(sweep, ListWindow(ids=("a",), jobs=(), total=1, unread=frozenset("a")))
    assert sweep.missing == {"a"}


def test_pages_overlap_by_five_entries_at_most_and_always_move_on() -> None:
    """Jobs that come and go shift the list by a few places."""
    assert [overlap(limit) for limit in (1000, 100, 50, 10, 9, 1)] == [5, 5, 5, 1, 0, 0]
