"""How long until the next look, how long after a failure, how many requests at all.

Rule: pure, `now` is an argument, and whom an error hits is one table, `hit_of`. This is the
only module that knows `backoff`, and it uses its wait generator alone: `backoff.expo` yields
`None` first, and needs `max_value` to stay a number. Jitter comes from a `random.Random` that is
handed in, so that a run can be repeated.
"""

from __future__ import annotations

import enum
import random

import attrs
import backoff

from gespoll._errors import (
    AuthenticationError,
    PermissionDenied,
    RequestRejected,
    SourceError,
    Throttled,
    TransportError,
)

CERTIFICATE_REJECTED = "CERTIFICATE_VERIFY_FAILED"
"""The `code` of a TransportError when the server's certificate could not be verified."""
RETRY_AFTER_AT_MOST = 900.0
"""Seconds: a longer Retry-After is shortened to this."""

_AGE_SHARE = 0.02
_STRETCH_AT_MOST = 1.25
_LOOK_JITTER = 0.1
_RETRY_FIRST = 0.5
_RETRY_LONGEST = 30.0
_RETRY_FLOOR = 0.25
_CUT = 0.5
_GROWTH = 0.02
_SLOWEST = 0.1
_SHARE_OF_LIMIT = 0.95


class Hit(enum.Enum):
    """Whom an error hits."""

    REF = "that job"
    LIST = "the list: single queries serve instead"
    SCOPE = "all jobs of the scope"
    SOURCE = "all jobs"
    DELAY = "nobody: it is tried again"


def hit_of(error: SourceError, *, listing: bool) -> Hit:
    """Tell whom a failed request hits (rule 2).

    Args:
        error: what the request ended in.
        listing: whether it asked for a list.
    """
    match error:
        case AuthenticationError():
            return Hit.SOURCE
        case TransportError(code=code) if code == CERTIFICATE_REJECTED:
            return Hit.SCOPE
        case PermissionDenied() | RequestRejected():
            return Hit.LIST if listing else Hit.REF
        case _:
            return Hit.DELAY


def is_answer(error: SourceError) -> bool:
    """Whether the service itself spoke, and so is not out of reach."""
    return isinstance(error, (PermissionDenied, RequestRejected))


def look_delay(interval: float, age: float, rng: random.Random) -> float:
    """Tell how many seconds to wait before the next single look at a job.

    Never less than the interval; it grows with the job's age to a quarter more at most, because long
    waits between looks cost more latency than they save requests.

    Args:
        interval: seconds; how soon the caller wants to know.
        age: seconds since the job was handed in.
        rng: where the jitter comes from.
    """
    stretched = min(max(interval, age * _AGE_SHARE), interval * _STRETCH_AT_MOST)
    return stretched * (1.0 + rng.uniform(0.0, _LOOK_JITTER))


class RetryDelays:
    """Exponential waits with full jitter above a floor, in seconds, for one thing that keeps failing."""

    def __init__(self, rng: random.Random, longest: float = _RETRY_LONGEST) -> None:
        self._rng = rng
        self._waits = backoff.expo(base=2, factor=_RETRY_FIRST, max_value=longest)
        next(self._waits)

    def next(self) -> float:
        """Give the wait before the next attempt."""
        return max(_RETRY_FLOOR, self._rng.uniform(0.0, next(self._waits)))


def wait_asked(error: SourceError) -> float | None:
    """Tell the seconds that the server asked to wait, shortened to 15 minutes; `None` when it did not ask."""
    return None if error.retry_after is None else min(error.retry_after, RETRY_AFTER_AT_MOST)


@attrs.define(eq=False)
class RequestBudget:
    """When the next request may leave. In any W seconds at most `rate * W + 1` do.

    A throttled reply halves the rate, down to a tenth of the ceiling, at most once for all requests that
    were under way together; waiting after failures in a row comes on top of it. Each good reply gives a
    fiftieth of the ceiling back. A limit the server names lowers the ceiling to 95 % of it. Nothing that the
    server says makes the poller wait longer for its next request than Retry-After may.
    """

    ceiling: float
    """Requests per second, at most."""
    rate: float = attrs.field(init=False)
    """Requests per second, now."""
    ready_at: float = attrs.field(init=False, default=float("-inf"))
    """When the next request may leave."""
    _last_cut: float = attrs.field(init=False, default=float("-inf"))

    def __attrs_post_init__(self) -> None:
        self.rate = self.ceiling

    def spend(self, now: float) -> None:
        """Count a request that leaves now."""
        self.ready_at = max(self.ready_at, now) + 1.0 / self.rate

    def throttled(self, error: Throttled, sent_at: float, now: float) -> None:
        """Slow down after a throttled reply to a request sent at `sent_at`."""
        if error.limit:
            self.ceiling = min(self.ceiling, max(error.limit * _SHARE_OF_LIMIT, 1.0 / RETRY_AFTER_AT_MOST))
        if sent_at >= self._last_cut:
            self._last_cut = now
            self.rate = max(self.rate * _CUT, self.ceiling * _SLOWEST, 1.0 / RETRY_AFTER_AT_MOST)
        self.rate = min(self.rate, self.ceiling)
        self.ready_at = max(self.ready_at, now + 1.0 / self.rate)

    def answered(self) -> None:
        """Grow back after a good reply."""
        self.rate = min(self.rate + self.ceiling * _GROWTH, self.ceiling)


@attrs.define(eq=False)
class Hold:
    """Until when nothing is sent to a scope, because the server asked for it, or keeps failing."""

    rng: random.Random
    until: float = float("-inf")
    _streak: RetryDelays | None = None
    _failed_at: float = float("-inf")

    def answered(self) -> None:
        """Note a good answer, or a time in which nobody asked: either ends a row of failures."""
        self._streak = None

    def asked(self, error: SourceError, now: float) -> None:
        """Hold the scope by Retry-After, whatever else the reply says, and whomever it ends."""
        asked = wait_asked(error)
        if asked is not None:
            self.until = max(self.until, now + asked)

    def failed(self, error: SourceError, sent_at: float, now: float) -> None:
        """Hold the scope as a failed look demands: by throttling, by failures in a row."""
        if sent_at < self._failed_at:
            return
        self._failed_at = now
        is_first = self._streak is None
        self._streak = self._streak or RetryDelays(self.rng)
        if not is_first or isinstance(error, Throttled):
            self.until = max(self.until, now + self._streak.next())


@attrs.define(eq=False)
class Outage:
    """How long a scope has given no good answer."""

    patience: float | None
    """Seconds without a good answer before the scope is given up; `None` waits on."""
    first_patience: float
    """Seconds instead, while there never was an answer."""
    ever_answered: bool = False
    since: float | None = None
    error: SourceError | None = None
    """What the last failed poll ended in, while there was no good answer since."""
    _is_over: bool = False
    _asked_until: float = float("-inf")

    @property
    def limit(self) -> float | None:
        """Seconds without a good answer that are too many; `None` waits on."""
        if self.patience is None or self.ever_answered:
            return self.patience
        return min(self.first_patience, self.patience)

    @property
    def lasting(self) -> SourceError | None:
        """What polls end in, where none was answered for the limit; else `None`."""
        return self.error if self._is_over else None

    def error_of_all(self, now: float) -> SourceError | None:
        """Return what polls end in, where for half of the limit none was answered: then it is not one job's matter."""
        is_shared = self.since is not None and self.limit is not None and now - self.since >= self.limit / 2
        return self.error if is_shared else None

    def answered(self) -> None:
        """Note a good answer."""
        self.ever_answered = True
        self.rest()

    def rest(self) -> None:
        """Start over: time in which nobody asked is no outage."""
        self.since = self.error = None
        self._is_over = False

    def failed(self, error: SourceError, sent_at: float, now: float) -> bool:
        """Note a failed look; tell whether the scope is to be given up.

        Time the server asked to wait does not count against it.
        """
        if isinstance(error, Throttled):
            self.ever_answered = True
        if self.since is None:
            self.since = sent_at
        self.error = error
        if self.limit is None:
            return False
        gone_by = now - self.since
        asked_until = now + (wait_asked(error) or 0.0)
        self.since += max(asked_until - max(self._asked_until, now), 0.0)
        self._asked_until = max(self._asked_until, asked_until)
        self._is_over = gone_by >= self.limit
        return self._is_over
