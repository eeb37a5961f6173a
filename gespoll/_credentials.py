"""What proves to the service who asks.

Rule: a secret is handed out only as a request header and stands in no repr. However many polls
meet an expired token, it is renewed once; a token that was renewed and is still rejected is final.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Protocol

import anyio

from gespoll._cancellation import is_stray
from gespoll._errors import AuthenticationError, ServiceUnavailable, SourceError

_TOKEN_HEADER = "X-Auth-Token"


class Credentials(Protocol):
    """Something that can prove who asks."""

    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Give the headers that prove it for one request without a body.

        Raises:
            SourceError: when there is nothing to prove it with.
        """

    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Replace what was rejected; tell whether it is worth another try."""

    def accepted(self, headers: Mapping[str, str], /) -> None:
        """Note that the service took these headers."""


class Token:
    """A project-scoped IAM token (`X-Subject-Token` of `POST /v3/auth/tokens`).

    Args:
        value: the token, or an async callable that gives a fresh one. The callable is called for the
            first request, and once more whenever the service rejects the token it gave.

    Raises:
        TypeError: when `value` is neither a `str` nor callable.
        ValueError: when a token is empty or cannot stand in a header.
    """

    def __init__(self, value: str | Callable[[], Awaitable[str]]) -> None:
        self._fetch = None if isinstance(value, str) else value
        if not isinstance(value, str) and not callable(value):
            raise TypeError(f"a token must be a str or an async callable, not {type(value).__name__}")
        self._value = _checked(value) if isinstance(value, str) else None
        self._unproved = False
        self._renewing = anyio.Lock()

    def __repr__(self) -> str:
        return f"Token({'from a callable' if self._fetch else 'fixed'})"

    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Give the token header; the first time, fetch the token."""
        if self._value is None and self._fetch is not None:
            async with self._renewing:
                self._value = self._value or await _fresh(self._fetch)
        return {_TOKEN_HEADER: self._value or ""}

    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Fetch another token unless somebody just did, or it would be the second without success."""
        async with self._renewing:
            if rejected.get(_TOKEN_HEADER) != self._value:
                return True
            if self._fetch is None or self._unproved:
                return False
            self._value = await _fresh(self._fetch)
            self._unproved = True
            return True

    def accepted(self, headers: Mapping[str, str], /) -> None:
        """Note that the token is good, so that it may be renewed again when it expires."""
        if headers.get(_TOKEN_HEADER) == self._value:
            self._unproved = False


async def _fresh(fetch: Callable[[], Awaitable[str]]) -> str:
    """Fetch a token; whatever the caller's callable raises may hold secrets, and is not chained."""
    try:
        coming = fetch()
        token = await coming if isawaitable(coming) else None
    except SourceError:
        raise
    except anyio.get_cancelled_exc_class():
        if not is_stray():
            raise
        failure = ServiceUnavailable("the token callable awaited something that was cancelled")
    except Exception as error:
        failure = ServiceUnavailable(f"the token callable raised {type(error).__name__}")
    else:
        return _fetched(token)
    raise failure


def _fetched(token: object) -> str:
    try:
        return _checked(token)
    except (TypeError, ValueError) as error:
        raise AuthenticationError(f"the token callable is no async callable of a token: {error}") from None


def _checked(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError("a token must be a str")
    if not token.strip() or not token.isprintable() or not token.isascii():
        raise ValueError("the token is empty or holds characters that cannot stand in a header")
    return token
