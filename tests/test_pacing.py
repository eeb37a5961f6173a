"""How long until the next look, and how many requests at all."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import (
    AuthenticationError,
    PermissionDenied,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
    TransportError,
)
from gespoll._pacing import (
    CERTIFICATE_REJECTED,
    RETRY_AFTER_AT_MOST,
    Hit,
    Outage,
    RequestBudget,
    RetryDelays,
    hit_of,
    is_answer,
    look_delay,
    wait_asked,
)
from tests.desk import Desk, ends_at

DOWN = ServiceUnavailable("down")


class Always(random.Random):
    """A source of chance that always draws the same share of what is possible."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def uniform(self, a: float, b: float) -> float:
        """Draw the same share of the span."""
        return a + (b - a) * self.share


@pytest.mark.parametrize(
    ("error", "listing", "hit"),
    [
        (AuthenticationError("x"), False, Hit.SOURCE),
        (AuthenticationError("x"), True, Hit.SOURCE),
        (TransportError("x", code=CERTIFICATE_REJECTED), False, Hit.SCOPE),
        (TransportError("x", code=CERTIFICATE_REJECTED), True, Hit.SCOPE),
        (TransportError("x"), False, Hit.DELAY),
        (TransportError("x"), True, Hit.DELAY),
        (PermissionDenied("x"), False, Hit.REF),
        (PermissionDenied("x"), True, Hit.LIST),
        (RequestRejected("x"), False, Hit.REF),
        (RequestRejected("x"), True, Hit.LIST),
        (Throttled("x"), False, Hit.DELAY),
        (Throttled("x"), True, Hit.DELAY),
        (ServiceUnavailable("x"), False, Hit.DELAY),
        (ServiceUnavailable("x"), True, Hit.DELAY),
        (ProtocolError("x"), False, Hit.DELAY),
        (ProtocolError("x"), True, Hit.DELAY),
        (SourceError("x"), False, Hit.DELAY),
        (SourceError("x"), True, Hit.DELAY),
    ],
)
def test_whom_an_error_hits(error: SourceError, listing: bool, hit: Hit) -> None:
    """One row a kind of error and of request (rule 2)."""
    assert hit_of(error, listing=listing) is hit


@pytest.mark.parametrize(
    ("kind", "spoke"),
    [
        (PermissionDenied, True),
        (RequestRejected, True),
        (AuthenticationError, False),
        (TransportError, False),
        (Throttled, False),
        (ServiceUnavailable, False),
        (ProtocolError, False),
    ],
)
def test_which_errors_show_that_the_service_is_there(kind: type[SourceError], spoke: bool) -> None:
    """A refusal is an answer; a gateway's error is not."""
    assert is_answer(kind("x")) is spoke


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, None), (0.0, 0.0), (7.5, 7.5), (900.0, 900.0), (901.0, 900.0), (1e9, 900.0)]
)
def test_retry_after_is_shortened_to_15_minutes(asked: float | None, seconds: float | None) -> None:
    """No server stops a wait for a day."""
    assert wait_asked(ServiceUnavailable("x", retry_after=asked)) == seconds
    assert RETRY_AFTER_AT_MOST == 900.0


class TestLookDelay:
    """The interval, stretched a little by age and by chance."""

    @pytest.mark.parametrize(
        ("age", "share", "seconds"),
        [(0, 0, 5), (0, 1, 5.5), (250, 0, 5), (275, 0, 5.5), (275, 1, 6.05), (1e6, 0, 6.25), (1e6, 1, 6.875)],
    )
    def test_delay_grows_with_age_by_a_quarter(self, age: float, share: float, seconds: float) -> None:
        """From 2 % of the age on, and up to a tenth more by chance."""
        assert look_delay(5.0, age, Always(share)) == pytest.approx(seconds)

    @given(st.floats(0.01, 3600), st.floats(0, 1e9), st.randoms(use_true_random=False))
    def test_delay_stays_within_its_bounds(self, interval: float, age: float, rng: random.Random) -> None:
        """Never sooner than the interval, never later than 1.375 times it."""
        assert interval <= look_delay(interval, age, rng) <= interval * 1.375 * (1 + 1e-9)

    def test_the_same_seed_gives_the_same_delays(self) -> None:
        """A run can be repeated."""
        first, second = random.Random(7), random.Random(7)
        assert [look_delay(5, 0, first) for _ in range(9)] == [look_delay(5, 0, second) for _ in range(9)]


class TestRetryDelays:
    """Exponential waits with full jitter above a floor."""

    def test_waits_double_up_to_30_seconds(self) -> None:
        """With the longest draw, the ceiling itself is seen."""
        delays = RetryDelays(Always(1.0))
        assert [delays.next() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]

    def test_no_wait_is_below_the_floor(self) -> None:
        """With the shortest draw, the floor itself is seen."""
        delays = RetryDelays(Always(0.0))
        assert [delays.next() for _ in range(5)] == [0.25] * 5

    @given(st.randoms(use_true_random=False), st.integers(1, 2000))
    def test_waits_stay_within_their_bounds(self, rng: random.Random, failures: int) -> None:
        """However long it keeps failing."""
        delays = RetryDelays(rng)
        assert all(0.25 <= delays.next() <= 30 for _ in range(failures))

    def test_jitter_comes_from_the_rng_handed_in(self) -> None:
        """The same seed gives the same waits, another seed others."""

        def drawn(seed: int) -> list[float]:
            delays = RetryDelays(random.Random(seed))
            return [delays.next() for _ in range(9)]

        assert drawn(1) == drawn(1) != drawn(2)


class TestRequestBudget:
    """When the next request may leave."""

    def test_first_request_may_leave_at_once(self) -> None:
        """Nothing was spent yet, whatever the clock says."""
        assert RequestBudget(10).ready_at <= -1e12

    def test_requests_leave_one_period_apart(self) -> None:
        """Time that went by unused is not saved up."""
        budget = RequestBudget(10)
        budget.spend(100.0)
        assert budget.ready_at == pytest.approx(100.1)
        budget.spend(500.0)
        assert budget.ready_at == pytest.approx(500.1)

    def test_throttling_halves_the_rate(self) -> None:
        """The next request waits one period of the new rate."""
        budget = RequestBudget(10)
        budget.throttled(Throttled("x"), sent_at=0.0, now=1.0)
        assert (budget.rate, budget.ceiling) == (5, 10)
        assert budget.ready_at == pytest.approx(1.2)

    def test_replies_to_requests_under_way_together_halve_once(self) -> None:
        """Only a request sent after the cut says that the cut was not enough."""
        budget = RequestBudget(10)
        for sent_at in (0.0, 0.1, 0.2):
            budget.throttled(Throttled("x"), sent_at=sent_at, now=1.0)
        assert budget.rate == 5
        budget.throttled(Throttled("x"), sent_at=1.0, now=2.0)
        assert budget.rate == 2.5

    def test_rate_stops_falling_at_a_tenth_of_the_ceiling(self) -> None:
        """A throttled poller still asks, and can grow back."""
        budget = RequestBudget(10)
        for second in range(100):
            budget.throttled(Throttled("x"), sent_at=second, now=second)
        assert budget.rate == 1.0

    def test_a_limit_of_zero_is_no_limit_to_go_by(self) -> None:
        """A source of one's own may say anything; the rate stays above zero."""
        budget = RequestBudget(10)
        budget.throttled(Throttled("x", limit=0.0), sent_at=0, now=0)
        assert (budget.ceiling, budget.rate) == (10, 5)

    def test_a_named_limit_lowers_the_ceiling_to_95_percent_of_it(self) -> None:
        """Also in a reply that comes too late to halve the rate."""
        budget = RequestBudget(10)
        budget.throttled(Throttled("x"), sent_at=0.0, now=1.0)
        budget.throttled(Throttled("x", limit=2), sent_at=0.5, now=1.0)
        assert (budget.ceiling, budget.rate) == pytest.approx((1.9, 1.9))

    def test_a_named_limit_is_believed_down_to_one_request_in_15_minutes(self) -> None:
        """As a Retry-After is: a limit of one a day would hold up everything for longer than any wait."""
        budget = RequestBudget(10)
        for now in range(20):
            budget.throttled(Throttled("x", limit=1 / 86_400), sent_at=now, now=now)
        assert (budget.ceiling, budget.rate) == (1 / 900, 1 / 900)
        assert budget.ready_at <= 19 + 900

    def test_a_named_limit_never_raises_the_ceiling(self) -> None:
        """The caller's own limit holds."""
        budget = RequestBudget(10)
        budget.throttled(Throttled("x", limit=200), sent_at=0, now=0)
        assert budget.ceiling == 10

    def test_good_replies_give_the_rate_back(self) -> None:
        """A fiftieth of the ceiling each, and never more than the ceiling."""
        budget = RequestBudget(10)
        budget.throttled(Throttled("x"), sent_at=0, now=0)
        budget.answered()
        assert budget.rate == pytest.approx(5.2)
        for _ in range(100):
            budget.answered()
        assert budget.rate == 10

    @given(
        rate=st.floats(0.01, 1000),
        steps=st.lists(
            st.tuples(
                st.floats(0, 10),
                st.sampled_from(["good", "throttled", "silent"]),
                st.none() | st.floats(0.001, 1000),
            ),
            max_size=60,
        ),
    )
    def test_no_window_holds_more_than_the_rate_and_one(
        self, rate: float, steps: list[tuple[float, str, float | None]]
    ) -> None:
        """In any W seconds at most rate * W + 1 requests leave, whatever is asked and answered (rule 7)."""
        budget, now, left = RequestBudget(rate), 0.0, []
        for wait, answer, limit in steps:
            now = max(now + wait, budget.ready_at)
            budget.spend(now)
            left.append(now)
            if answer == "good":
                budget.answered()
            elif answer == "throttled":
                budget.throttled(Throttled("x", limit=limit), sent_at=now, now=now)
        for first, start in enumerate(left):
            for last in range(first, len(left)):
                assert last - first + 1 <= rate * (left[last] - start) * (1 + 1e-6) + 1 + 1e-6

    @given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=40))
    def test_rate_stays_within_zero_and_the_ceiling(self, replies: list[tuple[bool, float]]) -> None:
        """And the moment of the next request never moves back."""
        budget, now, moments = RequestBudget(10), 0.0, [float("-inf")]
        for good, wait in replies:
            now += wait
            budget.spend(now)
            budget.answered() if good else budget.throttled(Throttled("x"), sent_at=now - 1, now=now)
            assert 0 < budget.rate <= budget.ceiling
            moments.append(budget.ready_at)
        assert all(earlier <= later for earlier, later in pairwise(moments))


class TestOutage:
    """How long a scope may give no good answer."""

    def test_scope_that_once_answered_has_the_whole_patience(self) -> None:
        """The time counts from when the first failed request was sent."""
        outage = Outage(patience=900, first_patience=60)
        outage.answered()
        assert not outage.failed(DOWN, sent_at=100, now=130)
        assert not outage.failed(DOWN, sent_at=990, now=999.9)
        assert outage.failed(DOWN, sent_at=990, now=1000)

    def test_scope_that_never_answered_has_less(self) -> None:
        """A wrong endpoint is told soon."""
        outage = Outage(patience=900, first_patience=60)
        assert not outage.failed(DOWN, sent_at=0, now=59)
        assert outage.failed(DOWN, sent_at=59, now=60)

    def test_a_shorter_patience_holds_from_the_first(self) -> None:
        """The caller's figure is never exceeded."""
        outage = Outage(patience=10, first_patience=60)
        assert not outage.failed(DOWN, sent_at=0, now=9)
        assert outage.failed(DOWN, sent_at=9, now=10)

    def test_none_waits_on(self) -> None:
        """Without patience there is no end of it."""
        outage = Outage(patience=None, first_patience=60)
        assert not any(outage.failed(DOWN, sent_at=second, now=second) for second in range(0, 10**6, 1000))

    def test_a_good_answer_starts_anew(self) -> None:
        """Failures count only in a row."""
        outage = Outage(patience=900, first_patience=60)
        outage.failed(DOWN, sent_at=0, now=50)
        outage.answered()
        assert not outage.failed(DOWN, sent_at=55, now=900)

    def test_throttling_shows_that_the_service_is_there(self) -> None:
        """It counts as an outage, but with the whole patience."""
        outage = Outage(patience=900, first_patience=60)
        assert not outage.failed(Throttled("x"), sent_at=0, now=1)
        assert not outage.failed(DOWN, sent_at=800, now=899)
        assert outage.failed(DOWN, sent_at=800, now=900)

    def test_time_the_server_asked_to_wait_does_not_count(self) -> None:
        """Neither does more than 15 minutes of it pass uncounted at once."""
        outage = Outage(patience=900, first_patience=60)
        outage.answered()
        assert not outage.failed(ServiceUnavailable("x", retry_after=300), sent_at=0, now=0)
        assert not outage.failed(ServiceUnavailable("x", retry_after=10**6), sent_at=1199, now=1199)
        assert not outage.failed(DOWN, sent_at=2000, now=2099)
        assert outage.failed(DOWN, sent_at=2000, now=2100)


@pytest.mark.parametrize("listing", [False, True])
@pytest.mark.parametrize("error_type", [PermissionDenied, RequestRejected])
def test_a_retry_after_in_the_reply_that_ends_a_job_holds_the_next(
    error_type: type[SourceError], *, listing: bool
) -> None:
    """The scope waits as it was asked to, though nobody is left in it for the moment."""
    error = error_type("no", status=403, retry_after=40.0)
    desk = Desk({"a": lambda _: error, "b": ends_at("b", 0.0)}, listing=listing)
    first = desk.watch(["a"])
    desk.answer(desk.next())
    desk.scheduler.leave(first)
    desk.watch(["b"])
    desk.next()
    assert desk.now >= 40.0
