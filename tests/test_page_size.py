"""How many entries one request may ask for: tried, cut, refused, and tried again."""

from __future__ import annotations

import pytest

from gespoll import ListWindow, PermissionDenied, RequestRejected
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
        pytest.param(100, 5000, 100, id="cut"),
        pytest.param(300, 300, 1000, id="the whole list"),
        pytest.param(100, None, 1000, id="perhaps the whole list"),
        pytest.param(0, 5000, 1000, id="empty"),
        pytest.param(5000, 5000, 5000, id="limit ignored"),
    ],
)
def test_a_reply_tells_the_largest_page(count: int, total: int | None, limit: int) -> None:
    """Fewer entries than asked for although there are more: that is all the server gives."""
    size = PageSize()
    size.learn(window(1000), page(count, total), 0.0)
    assert size.limit == limit


def test_the_largest_page_is_tried_again_after_ten_minutes() -> None:
    """What a server cut once it may give later."""
    size = PageSize()
    size.cut(100, 0.0)
    size.begin_round(599.0)
    assert size.limit == 100
    size.begin_round(600.0)
    assert size.limit == 1000


def test_a_refused_page_is_followed_by_a_smaller_one() -> None:
    """1000, 500, 100, 10; then the list itself is refused."""
    size, tried = PageSize(), []
    while size.shrink(size.limit, RequestRejected("too large", status=400), 0.0):
        tried.append(size.limit)
    assert tried == [500, 100, 10]


def test_a_refusal_of_another_kind_is_not_about_the_page() -> None:
    """A permission does not come with a smaller page."""
    assert not PageSize().shrink(1000, PermissionDenied("no", status=403), 0.0)
    assert not PageSize().shrink(1000, RequestRejected("no", status=404), 0.0)


def test_few_jobs_are_looked_for_with_a_small_page() -> None:
    """They are likely to stand together at the newest end."""
    assert [PageSize().for_jobs(count) for count in (1, 50, 51, 1000)] == [100, 100, 1000, 1000]
