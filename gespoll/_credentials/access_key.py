"""An access key, with which each request is signed by itself.

Rule: a few wrong signatures lock a key, so the first rejection is final. The only module that asks what
time of day it is, because a signature must tell.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import attrs

from gespoll import _signing
from gespoll._credentials.protocol import Credentials, Surroundings
from gespoll._credentials.values import header_problem
from gespoll._errors import AuthenticationError

_CONTENT_TYPE = "application/json"
_IN_THE_WAY = frozenset(" ,=")


@attrs.define(eq=False)
class _Standing:
    """What all sources that use one key share."""

    rejected: bool = False


class AccessKey(Credentials):
    """An access key (AK/SK), permanent or temporary. Nothing of it is sent but the AK and the security token.

    Args:
        ak: the access key id.
        sk: the secret key, which never leaves this object.
        security_token: what comes with a temporary key, which is not renewed.
        clock: tells the present time, aware, instead of this machine's clock. The service refuses a signature made
            more than 15 minutes from its own time.

    Raises:
        ValueError: when one of them is empty or cannot stand in a header.
    """

    locks = True
    _security_token: str | None = None

    def __init__(
        self,
        ak: str,
        sk: str,
        security_token: str | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        problem = _problem(ak, sk, security_token)
        if problem:
            del ak, sk, security_token  # or a crash reporter shows them
            raise ValueError(problem)
        self._ak, self._sk, self._security_token = ak, sk, security_token
        self._clock = clock or _present
        self._project_id: str | None = None
        self._standing = _Standing()

    def __repr__(self) -> str:
        return f"AccessKey({'temporary' if self._security_token else 'permanent'})"

    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Sign one request without a body.

        Raises:
            AuthenticationError: when the key was rejected before.
        """
        if self._standing.rejected:
            raise AuthenticationError(
                "the access key was rejected before and is not tried again, because wrong signatures lock a key; "
                "make another AccessKey"
            )
        headers = {
            "Content-Type": _CONTENT_TYPE,
            "X-Project-Id": self._project_id,
            "X-Security-Token": self._security_token,
        }
        given = {name: value for name, value in headers.items() if value is not None}
        return _signing.sign(method, url, given, ak=self._ak, sk=self._sk, at=self._clock())

    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Give up: there is nothing to replace a key with."""
        self._standing.rejected = True
        return False

    def bind(self, surroundings: Surroundings, /) -> AccessKey:
        """Give a key that signs for the source's project; what is rejected there is rejected everywhere."""
        bound = copy.copy(self)
        vars(bound).update(_project_id=surroundings.project_id)
        return bound


def _present() -> datetime:
    return datetime.now(UTC)


def _problem(ak: object, sk: object, security_token: object) -> str | None:
    named = {"the access key id (ak)": ak, "the secret key (sk)": sk, "the security token": security_token}
    if security_token is None:
        del named["the security token"]
    problems = (header_problem(name, value) for name, value in named.items())
    problem = next((each for each in problems if each), None)
    if problem is None and isinstance(ak, str) and not _IN_THE_WAY.isdisjoint(ak):
        return "the access key id (ak) holds a blank, a comma or an equals sign"
    return problem
