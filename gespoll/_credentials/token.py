"""A token that the caller has, or knows how to fetch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable

import anyio

from gespoll._cancellation import is_stray
from gespoll._credentials.protocol import Credentials
from gespoll._credentials.renewal import Fresh, SharedToken
from gespoll._credentials.values import header_problem
from gespoll._errors import AuthenticationError, ServiceUnavailable, SourceError

HEADER = "X-Auth-Token"


class Token(Credentials):
    """A project-scoped IAM token (`X-Subject-Token` of `POST /v3/auth/tokens`).

    Args:
        value: the token, or an async callable that gives a fresh one. The callable is called for the
            first request, and once more whenever the service rejects the token it gave.

    Raises:
        TypeError: when `value` is neither a `str` nor callable.
        ValueError: when a token is empty or cannot stand in a header.
    """

    _fetch: Callable[[], Awaitable[str]] | None = None

    def __init__(self, value: str | Callable[[], Awaitable[str]]) -> None:
        if not isinstance(value, str) and not callable(value):
            kind = type(value).__name__
            del value  # or a crash reporter shows it
            raise TypeError(f"a token must be a str or an async callable, not {kind}")
        problem = header_problem("the token", value) if isinstance(value, str) else None
        if problem:
            del value
            raise ValueError(problem)
        self._fixed = value if isinstance(value, str) else None
        self._fetch = None if isinstance(value, str) else value
        self._shared = SharedToken()

    def __repr__(self) -> str:
        return f"Token({'from a callable' if self._fetch else 'fixed'})"

    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Give the token header; the first time, fetch the token.

        Raises:
            ServiceUnavailable: when the callable raised.
            AuthenticationError: when it gave no token.
        """
        return {HEADER: self._fixed or await self._shared.get(self._fresh)}

    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Fetch another token unless somebody just did, or it would be the second without success."""
        return self._fixed is None and await self._shared.renew(rejected.get(HEADER), self._fresh)

    def accepted(self, headers: Mapping[str, str], /) -> None:
        """Note that the token is good, so that it may be renewed again when it expires."""
        self._shared.accepted(headers.get(HEADER))

    async def _fresh(self) -> Fresh:
        """Fetch a token; whatever the caller's callable raises may hold secrets, and is not chained."""
        assert self._fetch is not None  # a fixed token is never fetched
        try:
            coming = self._fetch()
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
            return Fresh(_fetched(token))
        raise failure


def _fetched(token: object) -> str:
    problem = header_problem("the token", token) if isinstance(token, str) else "a token must be a str"
    if problem or not isinstance(token, str):
        raise AuthenticationError(f"the token callable is no async callable of a token: {problem}")
    return token
