"""What a poller has done.

Rule: figures are counted where they arise and cost nothing to keep; none of them decides anything.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import fmean

import attrs

from gespoll._errors import SourceError, Throttled
from gespoll._scheduler._requests import Request, Window

_LAGS_KEPT = 1000


@attrs.frozen(kw_only=True)
class Statistics:
    """What a poller has done since it was opened, and how it stands."""

    queries: int
    """Single status queries sent."""
    windows: int
    """List queries sent."""
    verifications: int
    """Those of both that asked one channel for what the other alone had shown, so that neither is believed unseen."""
    failures: int
    """Requests that brought no answer, throttled ones among them."""
    throttled: int
    """Requests that the service throttled."""
    open_jobs: int
    """Jobs that are waited for now."""
    ended_jobs: int
    """Jobs that were seen to end."""
    rate: float
    """Requests per second that may be sent now; less than `max_per_second` after throttling."""
    period: float
    """Seconds from one look at each open job to the next, as planned now; `interval` at least."""
    lag_mean: float | None
    """Mean seconds from a job's end to its being seen, by the server's clock, of the last 1000; `None` without any."""
    lag_p50: float | None
    """Their median, in seconds."""
    lag_p99: float | None
    """Their 99th percentile, in seconds."""


@attrs.define(eq=False)
class Tally:
    """Counts what a scheduler does."""

    queries: int = 0
    windows: int = 0
    failures: int = 0
    throttled: int = 0
    ended: int = 0
    _lags: deque[float] = attrs.field(factory=lambda: deque(maxlen=_LAGS_KEPT))

    def sent(self, request: Request) -> None:
        """Count a request."""
        if isinstance(request, Window):
            self.windows += 1
        else:
            self.queries += 1

    def failed(self, error: SourceError) -> None:
        """Count a request that brought no answer."""
        self.failures += 1
        self.throttled += isinstance(error, Throttled)

    def ended_job(self, lag: float | None) -> None:
        """Count a job that has ended, with the seconds from its end to its being seen where that is known."""
        self.ended += 1
        if lag is not None:
            self._lags.append(lag)

    def statistics(self, *, verifications: int, open_jobs: int, rate: float, period: float) -> Statistics:
        """Sum up."""
        lags = sorted(self._lags)
        return Statistics(
            queries=self.queries,
            windows=self.windows,
            verifications=verifications,
            failures=self.failures,
            throttled=self.throttled,
            open_jobs=open_jobs,
            ended_jobs=self.ended,
            rate=rate,
            period=period,
            lag_mean=fmean(lags) if lags else None,
            lag_p50=_percentile(lags, 0.5),
            lag_p99=_percentile(lags, 0.99),
        )


def _percentile(ordered: list[float], share: float) -> float | None:
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)] if ordered else None
