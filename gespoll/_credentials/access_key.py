"""An access key, with which each request is signed by itself.

Rule: a few wrong signatures lock a key, so the first rejection of it is final; only another key may be tried. The only
module that asks what time of day it is, because a signature must tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Any, Literal, Self

import attrs

from gespoll import _signing
from gespoll._credentials.instance_metadata import NAME, from_metadata
from gespoll._credentials.protocol import Credentials, Surroundings
from gespoll._credentials.providers import Key, Provider, is_provider, key_problem, provided
from gespoll._credentials.renewal import Fresh, Shared
from gespoll._credentials.turns import Trial
from gespoll._credentials.values import HoldsSecrets
from gespoll._errors import AuthenticationError

_CONTENT_TYPE = "application/json"
_REJECTED = (
    "the access key was rejected before and is not tried again, because wrong signatures lock a key; "
    "make another AccessKey"
)


@attrs.define(eq=False)
class _Standing:
    """What all sources that use one key share."""

    rejected: Key | None = None
    provided: Shared[Key] = attrs.field(factory=Shared)


class AccessKey(HoldsSecrets, Credentials):
    """An access key (AK/SK), permanent or temporary. Nothing of it is sent but the AK and the security token.

    Args:
        ak: the access key id.
        sk: the secret key, which never leaves this object.
        security_token: what comes with a temporary key, which is not renewed: see `from_provider`.
        clock: tells the present time, aware, instead of this machine's clock. The service refuses a signature made
            more than 15 minutes from its own time.

    Raises:
        ValueError: when one of them is empty or cannot stand in a header.
    """

    locks = True
    _key: Key | None = None
    _provider: Any = None

    def __init__(
        self,
        ak: str,
        sk: str,
        security_token: str | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        problem = key_problem(ak, sk, security_token)
        if problem:
            del ak, sk, security_token  # or a crash reporter shows them
            raise ValueError(problem)
        self._key = Key(ak, sk, security_token)
        self._begin(clock)

    @classmethod
    def from_provider(
        cls, provider: Provider | Literal["instance-metadata"] | Any, *, clock: Callable[[], datetime] | None = None
    ) -> Self:
        """Sign with keys that live for a while, and are fetched anew before they expire or when one is rejected.

        Args:
            provider: a callable, async or not, that gives `(ak, sk, security_token)`, a mapping or an object with such
                names, and may give `expires_at`; or a provider or credentials of the vendor's SDK
                (`get_credentials()`, or `ak`, `sk` and `security_token`). "instance-metadata" asks the metadata
                service of the cloud server that this runs on, which nobody asks otherwise. What is not async is
                called in a thread. It is asked not more often than every 5 seconds.
            clock: as for `AccessKey`.

        Raises:
            TypeError: when it is no provider.
        """
        if provider != NAME and not is_provider(provider):
            kind = type(provider).__name__
            del provider
            raise TypeError(
                f"a provider must be a callable that gives an access key, an object of the vendor's SDK, or {NAME!r}, "
                f"not {kind}"
            )
        new = cls.__new__(cls)
        new._provider = provider  # noqa: SLF001 - of its own class
        new._begin(clock)  # noqa: SLF001
        return new

    def _begin(self, clock: Callable[[], datetime] | None) -> None:
        self._clock = clock or _present
        self._surroundings: Surroundings | None = None
        self._standing = _Standing()
        self._trial = Trial()

    def __repr__(self) -> str:
        if self._key is None:
            return "AccessKey(from a provider)"
        return f"AccessKey({'temporary' if self._key.security_token else 'permanent'})"

    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Sign one request without a body.

        Raises:
            AuthenticationError: when the key was rejected before.
            SourceError: when the provider gave none.
            RuntimeError: when the instance metadata is to be asked, and no source uses these credentials.
        """
        key = self._key or await self._standing.provided.get(self._fresh)
        if key == self._standing.rejected:
            raise AuthenticationError(_REJECTED)
        headers = {
            "Content-Type": _CONTENT_TYPE,
            "X-Project-Id": None if self._surroundings is None else self._surroundings.project_id,
            "X-Security-Token": key.security_token,
        }
        given = {name: value for name, value in headers.items() if value is not None}
        return _signing.sign(method, url, given, ak=key.ak, sk=key.sk, at=self._clock())

    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Ask the provider for another key; give up where there is none: a key that was given cannot be replaced.

        Raises:
            SourceError: when the provider gave none, or the same.
        """
        key = self._key or self._standing.provided.value
        if self._key is None and (key is None or not key.signed(rejected)):
            return True  # another request that was rejected has replaced it
        self._standing.rejected = key
        return self._key is None and await self._standing.provided.renew(key, self._fresh)

    def accepted(self, headers: Mapping[str, str], /) -> None:
        """Note that the key is good, so that it may be replaced when it is rejected."""
        key = self._standing.provided.value
        if key is not None and key.signed(headers):
            self._standing.provided.accepted(key)

    def bind(self, surroundings: Surroundings, /) -> AccessKey:
        """Give a key that signs for the source's project; what is rejected there is rejected everywhere."""
        bound = copy(self)
        vars(bound).update(_surroundings=surroundings)
        return bound

    async def _fresh(self) -> Fresh[Key]:
        """Ask the provider.

        Raises:
            AuthenticationError: when it gives a key that was rejected.
        """
        key = await (from_metadata(self._source()) if self._provider == NAME else provided(self._provider))
        if key == self._standing.rejected:
            raise AuthenticationError(f"{_REJECTED}; its provider gives no other")
        self._trial.begin_anew()
        lifetime = None if key.expires_at is None else (key.expires_at - self._clock()).total_seconds()
        return Fresh(key, None if lifetime is None else max(lifetime, 0.0))

    def _source(self) -> Surroundings:
        if self._surroundings is None:
            raise RuntimeError("the instance metadata is asked through a source: pass these as credentials=")
        return self._surroundings


def _present() -> datetime:
    return datetime.now(UTC)
