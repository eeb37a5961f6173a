"""How many entries one request may ask for: tried, cut, refused, and tried again."""

from __future__ import annotations

import pytest

from gespoll import ListWindow, PermissionDenied, RequestRejected, ServiceUnavailable
from gespoll._scheduler._page_size import PageSize
from gespoll._scheduler._requests import Window


def window(limit: int, offset: int = 0) -> Window:
    """Make a list query."""
    return Window("", offset, limit, 0.0)


def page(count: int, total: int | None) -> ListWindow:
    """Make a reply with some entries."""
    return ListWindow(ids=tuple(map(str, range(count))), jobs=(), total=total)


@pytest.mark.parametrize(
    ("count", "total", "limit"),
    [
        pytest.param(100, 5000, 1000, id="cut, or a total that is too high"),
        pytest.param(300, 300, 1000, id="the whole list"),
        pytest.param(100, None, 1000, id="perhaps the whole list"),
        pytest.param(0, 5000, 1000, id="empty"),
        pytest.param(5000, 5000, 5000, id="limit ignored"),
    ],
)
def test_one_reply_tells_no_largest_page_but_one_that_is_larger(count: int, total: int | None, limit: int) -> None:
    """Fewer entries than asked for may be all that there are, whatever is told as the total."""
    size = PageSize()
    size.learn(window(1000), page(count, total), 0.0)
    assert size.limit == limit


def test_a_page_is_cut_where_more_entries_come_after_it() -> None:
    """A total that is too high shrinks no page; entries that follow a short page do."""
    size = PageSize()
    size.learn(window(1000), page(100, 250), 0.0)
    size.learn(window(1000), page(101, 250), 0.0)
    assert size.limit == 1000
    size.learn(window(1000, 96), page(100, 250), 0.0)
    assert size.limit == 101


def test_a_page_is_trusted_once_it_was_answered_in_full() -> None:
    """Only up to there an empty page says that nothing is there."""
    size = PageSize()
    size.learn(window(1000), page(100, 100), 0.0)
    assert size.trusted == 0
    size.learn(window(100), page(100, 100), 0.0)
    assert size.trusted == 100


def test_the_largest_page_is_tried_again_after_ten_minutes() -> None:
    """What a server cut once it may give later."""
    size = PageSize()
    size.cut(100, 0.0)
    size.begin_round(599.0)
    assert size.limit == 100
    size.begin_round(600.0)
    assert size.limit == 1000


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_page_is_followed_by_a_smaller_one(status: int) -> None:
    """1000, 500, 100, 10, 1; then the list itself is refused."""
    size, tried = PageSize(), []
    while size.shrink(size.limit, RequestRejected("too large", status=status), 0.0):
        tried.append(size.limit)
    assert tried == [500, 100, 10, 1]


def test_a_refusal_of_another_kind_is_not_about_the_page() -> None:
    """A permission does not come with a smaller page."""
    assert not PageSize().shrink(1000, PermissionDenied("no", status=403), 0.0)
    assert not PageSize().shrink(1000, RequestRejected("no", status=404), 0.0)


def failing(size: PageSize, *limits: int) -> None:
    """Let pages of some sizes be answered by 500."""
    for limit in limits:
        size.failed(limit, ServiceUnavailable("oops", status=500), 0.0)


def answered(size: PageSize, limit: int) -> None:
    """Let a page of some size be answered."""
    size.learn(window(limit), page(min(limit, 100), 100), 0.0)


def test_a_page_that_fails_twice_by_500_while_smaller_ones_work_is_not_asked_for() -> None:
    """Smaller pages are tried after the second failure; that it is the size shows when the larger fails once more."""
    size = PageSize()
    failing(size, 1000)
    assert size.limit == 1000
    failing(size, 1000, 500)
    assert size.limit == 100
    answered(size, 100)
    assert size.limit == 1000
    failing(size, 1000)
    assert size.limit == 100
    answered(size, 100)
    assert size.limit == 100


def test_an_outage_shrinks_no_page() -> None:
    """Neither while every page fails, nor when it ends while small pages are tried."""
    size = PageSize()
    failing(size, 1000, 1000, 500, 100, 10, 1)
    assert size.limit == 1000
    failing(size, 1000, 1000)
    answered(size, 500)
    answered(size, 1000)
    failing(size, 1000)
    assert size.limit == 1000


def test_other_failures_say_nothing_about_the_page() -> None:
    """A server that is not there, or asks to wait, would refuse any."""
    size = PageSize()
    for _ in range(5):
        size.failed(1000, ServiceUnavailable("later", status=503), 0.0)
    assert size.limit == 1000


def test_few_jobs_are_looked_for_with_a_small_page() -> None:
    """They are likely to stand together at the newest end."""
    assert [PageSize().for_jobs(count) for count in (1, 50, 51, 1000)] == [100, 100, 1000, 1000]
