"""A token or a key that is fetched when it is first needed, before it expires, and when it is rejected.

Rule: all who need another one share one fetch, and no state of the service makes fetches follow each other closely:
there is a floor between two of them. Time is the event loop's, which no clock change moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
import attrs

from gespoll._credentials.flight import Flight
from gespoll._errors import AuthenticationError, ServiceUnavailable, SourceError
from gespoll._pacing import wait_asked

_EARLY_AT_MOST = 600.0
_EARLY_SHARE = 0.1
_AGAIN = 30.0
_FLOOR = 5.0  # seconds: what lives a millisecond is fetched 12 times a minute, not at every poll
_LONGEST = 900.0

Value = TypeVar("Value")


@attrs.frozen
class Fresh(Generic[Value]):
    """What was just fetched."""

    value: Value = attrs.field(repr=False)
    lifetime: float | None = None
    """Seconds from when it was asked for; `None` when it is not known."""


Fetch = Callable[[], Coroutine[Any, Any, Fresh[Value]]]


class Pause:
    """Keeps whoever could not answer from being asked again at once."""

    def __init__(self) -> None:
        self._failure: SourceError | None = None
        self._until = -math.inf

    def check(self) -> None:
        """Pass on the last failure while its pause lasts.

        Raises:
            SourceError: the failure.
        """
        if self._failure is not None and anyio.current_time() < self._until:
            raise self._failure

    def begin(self, failure: SourceError, factor: float = 1.0) -> None:
        """Ask nobody for a while, so many times as long as usual, or for as long as was asked."""
        self._failure = failure
        self._until = anyio.current_time() + max(min(_FLOOR * factor, _LONGEST), wait_asked(failure) or 0.0)


class Shared(Generic[Value]):
    """The token or key that all polls use."""

    def __init__(self) -> None:
        self.value: Value | None = None
        """The present one; `None` before there is one, and while a rejected one is replaced."""
        self._renew_at = math.inf
        self._ends_at = math.inf
        self._replaced_at = -math.inf
        self._is_replacement = False
        """Whether the one before was rejected, and this one was not accepted yet."""
        self._flight = Flight()
        self._pause = Pause()

    async def get(self, fetch: Fetch[Value]) -> Value:
        """Give the present one; fetch it when there is none, or when it is about to expire.

        While it is not yet expired, it serves on when the fetch fails.

        Raises:
            SourceError: when there is none and it could not be fetched.
        """
        if self.value is None or anyio.current_time() >= self._renew_at:
            try:
                await self._flight.join(partial(self._take, fetch))
            except SourceError as error:
                now = anyio.current_time()
                if isinstance(error, AuthenticationError) or self.value is None or now >= self._ends_at:
                    raise
                self._renew_at = now + _AGAIN
        if self.value is None:  # rejected by somebody while this one was on its way back
            raise ServiceUnavailable("the credentials were rejected and are being renewed")
        return self.value

    async def renew(self, rejected: Value | None, fetch: Fetch[Value]) -> bool:
        """Fetch another one unless somebody just did, or it would be the second without success.

        Raises:
            SourceError: when it could not be fetched, or one that was accepted is rejected soon after a renewal.
        """
        if rejected is None or rejected != self.value:
            return True
        if self._is_replacement:
            return False
        now = anyio.current_time()
        if now < self._replaced_at + _FLOOR:
            left = self._replaced_at + _FLOOR - now
            text = f"the credentials were rejected soon after they were renewed; they are renewed again in {left:.1f} s"
            raise ServiceUnavailable(text, retry_after=left)
        self._replaced_at = now
        self._is_replacement = True
        self.value = None
        await self._flight.join(partial(self._take, fetch))
        return True

    def accepted(self, value: Value | None) -> None:
        """Note that it is good, so that it may be renewed again when it is rejected."""
        if value == self.value:
            self._is_replacement = False

    async def _take(self, fetch: Fetch[Value]) -> None:
        self._pause.check()
        asked_at = anyio.current_time()
        try:
            fresh = await fetch()
        except SourceError as error:
            self._pause.begin(error)
            raise
        self.value = fresh.value
        self._renew_at = self._ends_at = math.inf
        if fresh.lifetime is not None:
            self._ends_at = asked_at + fresh.lifetime
            early = min(_EARLY_AT_MOST, fresh.lifetime * _EARLY_SHARE)
            self._renew_at = max(self._ends_at - early, asked_at + _FLOOR)
