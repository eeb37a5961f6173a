"""A token that is fetched when it is first needed, before it expires, and when it is rejected.

Rule: all who need another token share one fetch. Time is the event loop's, which no clock change moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import attrs

from gespoll._credentials.flight import Flight
from gespoll._errors import AuthenticationError, SourceError

_EARLY_AT_MOST = 600.0
_EARLY_SHARE = 0.1
_AGAIN = 30.0


@attrs.frozen
class Fresh:
    """A token just fetched."""

    value: str = attrs.field(repr=False)
    lifetime: float | None = None
    """Seconds from when it was asked for; `None` when it is not known."""


Fetch = Callable[[], Coroutine[Any, Any, Fresh]]


class SharedToken:
    """The token that all polls use."""

    def __init__(self) -> None:
        self._value: str | None = None
        self._renew_at = math.inf
        self._ends_at = math.inf
        self._unproved = False
        self._flight = Flight()

    async def get(self, fetch: Fetch) -> str:
        """Give the token; fetch it when there is none, or when it is about to expire.

        While it is not yet expired, it serves on when the fetch fails.

        Raises:
            SourceError: when there is none and it could not be fetched.
        """
        if self._value is None or anyio.current_time() >= self._renew_at:
            try:
                await self._flight.join(partial(self._take, fetch))
            except SourceError as error:
                now = anyio.current_time()
                if isinstance(error, AuthenticationError) or self._value is None or now >= self._ends_at:
                    raise
                self._renew_at = now + _AGAIN
        return self._value or ""

    async def renew(self, rejected: str | None, fetch: Fetch) -> bool:
        """Fetch another token unless somebody just did, or it would be the second without success."""
        if rejected != self._value:
            return True
        if self._unproved:
            return False
        await self._flight.join(partial(self._take, fetch, rejected=True))
        return True

    def accepted(self, value: str | None) -> None:
        """Note that a token is good, so that it may be renewed again when it expires."""
        if value == self._value:
            self._unproved = False

    async def _take(self, fetch: Fetch, *, rejected: bool = False) -> None:
        asked_at = anyio.current_time()
        fresh = await fetch()
        self._value = fresh.value
        self._unproved = self._unproved or rejected
        self._renew_at = self._ends_at = math.inf
        if fresh.lifetime is not None:
            self._ends_at = asked_at + fresh.lifetime
            self._renew_at = self._ends_at - min(_EARLY_AT_MOST, fresh.lifetime * _EARLY_SHARE)
