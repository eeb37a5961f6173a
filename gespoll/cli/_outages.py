"""What a wait tells of a service that fails in a row: that it does, why, and when it answers again.

Rule: one failed look is no news; a caller who sees nothing for long must know that nothing is seen.
"""

from __future__ import annotations

import anyio

from gespoll import Observer, RequestMade
from gespoll.cli._connection import spoken
from gespoll.cli._output import complain, plain

_PATIENCE = 15.0
"""Seconds without a good answer that are no news."""


class Outages(Observer):
    """Tells an outage on standard error when it has lasted for a while, and its end."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._told = False

    def request_made(self, event: RequestMade, /) -> None:
        """Take in how a request fared."""
        now = anyio.current_time()
        if event.outcome in {"answered", "not_found"}:
            self._answered(now)
        elif event.error is not None:
            self._since = now if self._since is None else self._since
            if not self._told and now - self._since >= _PATIENCE:
                self._told = True
                text = plain(spoken(event.error))
                complain(f"no good answer for {now - self._since:.0f} s, still trying: {text}")

    def _answered(self, now: float) -> None:
        if self._told and self._since is not None:
            complain(f"the service answers again, after {now - self._since:.0f} s")
        self._since, self._told = None, False
