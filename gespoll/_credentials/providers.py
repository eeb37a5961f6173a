"""Where an access key comes from that is not given but provided, perhaps for a while only.

Rule: a provider is the caller's, or the vendor's SDK's, and is known by what it can do. What it raises may hold
secrets, and is not chained; what may block is called in a thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from inspect import isawaitable
from typing import Any

import anyio
import anyio.to_thread
import attrs

from gespoll._cancellation import is_stray
from gespoll._credentials.protocol import Surroundings
from gespoll._credentials.values import header_problem
from gespoll._errors import AuthenticationError, ServiceUnavailable, SourceError

Provider = Callable[[], Any]
"""Gives an access key; may be async. Or an object of the vendor's SDK."""
_SECONDS = 20.0
_IN_THE_WAY = frozenset(" ,=")
_NAMES = {
    "ak": ("ak", "access", "access_key_id"),
    "sk": ("sk", "secret", "secret_access_key"),
    "security_token": ("security_token", "securitytoken", "session_token"),
    "expires_at": ("expires_at", "expire_at", "_expired_at", "expiration"),
}
"""The spellings of the vendor's SDK and of its services."""


@attrs.frozen
class Key:
    """An access key, with until when it lives, where that is known."""

    ak: str = attrs.field(repr=False)
    sk: str = attrs.field(repr=False)
    security_token: str | None = attrs.field(default=None, repr=False)
    expires_at: datetime | None = attrs.field(default=None, eq=False)

    def signed(self, headers: Mapping[str, str]) -> bool:
        """Whether some headers were made with it."""
        is_named = f" Access={self.ak}," in headers.get("Authorization", "")
        return is_named and headers.get("X-Security-Token") == self.security_token


Provide = Callable[[Surroundings | None], Awaitable[Key]]


def key_problem(ak: object, sk: object, security_token: object) -> str | None:
    """Tell in a sentence why an access key cannot be used, without showing it; `None` when it can."""
    named = {"the access key id (ak)": ak, "the secret key (sk)": sk, "the security token": security_token}
    if security_token is None:
        del named["the security token"]
    problems = (header_problem(name, value) for name, value in named.items())
    problem = next((each for each in problems if each), None)
    if problem is None and isinstance(ak, str) and not _IN_THE_WAY.isdisjoint(ak):
        return "the access key id (ak) holds a blank, a comma or an equals sign"
    return problem


def is_provider(given: object) -> bool:
    """Whether something can be asked for a key."""
    if isinstance(given, (type, str)):
        return False
    return callable(given) or callable(getattr(given, "get_credentials", None)) or _is_key(given)


async def provided(provider: Any) -> Key:
    """Ask a provider for the present key.

    Raises:
        ServiceUnavailable: when it raised, or took longer than 20 seconds.
        AuthenticationError: when it gave no key.
    """
    key: Any = None
    failure: SourceError | None = ServiceUnavailable(f"the provider of access keys gave none within {_SECONDS:g} s")
    try:
        with anyio.move_on_after(_SECONDS):
            key = await _asked(provider)
            failure = None
    except SourceError:
        raise
    except anyio.get_cancelled_exc_class():
        if not is_stray():
            raise
        failure = ServiceUnavailable("the provider of access keys awaited something that was cancelled")
    except Exception as error:
        failure = ServiceUnavailable(f"the provider of access keys raised {type(error).__name__}")
    if failure is not None:
        raise failure
    return _read(key)


async def _asked(provider: Any) -> Any:
    ask = getattr(provider, "get_credentials", None)
    ask = ask if callable(ask) else provider
    if not callable(ask):
        return provider  # the key itself, which its owner may renew
    if inspect.iscoroutinefunction(ask) or inspect.iscoroutinefunction(type(ask).__call__):
        return await ask()
    given = await anyio.to_thread.run_sync(partial(ask), abandon_on_cancel=True)
    return await given if isawaitable(given) else given


def _is_key(given: object) -> bool:
    return bool(_part(given, "ak")) and bool(_part(given, "sk"))


def _part(given: Any, name: str) -> Any:
    for spelling in _NAMES[name]:
        found = given.get(spelling) if isinstance(given, Mapping) else getattr(given, spelling, None)
        if found is not None and not callable(found):
            return found
    return None


def _read(given: Any) -> Key:
    """Read a key in any of its forms: two or three texts, a mapping, or an object with attributes."""
    if isinstance(given, Key):
        return given
    if isinstance(given, Mapping) and isinstance(given.get("credential"), Mapping):
        given = given["credential"]
    if isinstance(given, (tuple, list)) and len(given) in {2, 3}:
        given = dict(zip(("ak", "sk", "security_token"), given, strict=False))
    ak, sk, security_token = (_part(given, name) for name in ("ak", "sk", "security_token"))
    problem = key_problem(ak, sk, security_token or None)
    expires_at = None if problem else _moment(_part(given, "expires_at"))
    if problem:
        raise AuthenticationError(f"the provider of access keys gave none that can be used: {problem}")
    return Key(ak, sk, security_token or None, expires_at)


def _moment(told: object) -> datetime | None:
    """Read until when a key lives: a moment, seconds since 1970, or ISO 8601; anything else is not known."""
    try:
        if isinstance(told, datetime):
            read = told
        elif isinstance(told, (int, float)) and not isinstance(told, bool):
            read = datetime.fromtimestamp(told, UTC)
        elif isinstance(told, str):
            read = datetime.fromisoformat(told)
        else:
            return None
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
