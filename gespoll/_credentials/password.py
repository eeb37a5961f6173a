"""A user's password, with which IAM is asked for tokens.

Rule: a wrong password locks the account, so what IAM refuses once is never sent again; and IAM is not
pressed while it cannot answer.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from functools import partial

import anyio
import attrs

from gespoll._credentials.protocol import Credentials, Errand, Surroundings
from gespoll._credentials.renewal import Fresh, SharedToken
from gespoll._credentials.token import HEADER
from gespoll._endpoints import checked_base, of_region
from gespoll._errors import AuthenticationError, SourceError, TransportError
from gespoll._pacing import wait_asked
from gespoll._wire import iam_token

_SECONDS = 20.0
_PAUSE = 5.0


@attrs.define(eq=False)
class _Account:
    """What all sources that use one password share."""

    refused: AuthenticationError | None = None
    """What IAM said, for good."""
    failure: SourceError | None = None
    held_until: float = -math.inf
    """Loop time before which IAM is not asked again after a failure."""
    tokens: dict[str, SharedToken] = attrs.field(factory=dict)
    """By project."""


class PasswordCredentials(Credentials):
    """A user and a password, for tokens of IAM (`POST /v3/auth/tokens`), renewed before they expire.

    The requests to IAM go over the source's session, are not redirected, and do not count in its budget.

    Args:
        domain: the account's name.
        user: the user's name.
        password: the user's password.
        region: the region whose IAM is asked, such as `cn-north-4`.
        endpoint: instead of `region`, the base URL of IAM.
        project: the project's name; by default the id of the source's project serves.

    Raises:
        ValueError: when a name is empty, or neither or both of region and endpoint are given.
    """

    _user = _base = ""

    def __init__(
        self,
        *,
        domain: str,
        user: str,
        password: str,
        region: str | None = None,
        endpoint: str | None = None,
        project: str | None = None,
    ) -> None:
        problem = _problem(domain=domain, user=user, password=password)
        if (region is None) == (endpoint is None):
            problem = problem or "IAM is found by region= or by endpoint=: give one of them"
        if problem:
            del password  # or a crash reporter shows it
            raise ValueError(problem)
        self._domain, self._user, self._password = domain, user, password
        self._region, self._endpoint, self._project = region, endpoint, project
        self._surroundings: Surroundings | None = None
        self._account = _Account()
        del password
        self._base = self._checked_base(allow_http=True)

    def __repr__(self) -> str:
        return f"PasswordCredentials(of {self._user!r} at {self._base})"

    def bind(self, surroundings: Surroundings, /) -> PasswordCredentials:
        """Give credentials that ask over the source's session; sources of one project share the token.

        Raises:
            ValueError: when the endpoint is plain http and that was not allowed.
        """
        bound = copy.copy(self)
        base = self._checked_base(allow_http=surroundings.allow_http)
        vars(bound).update(_surroundings=surroundings, _base=base)
        return bound

    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Give the token header; obtain the token when there is none, or when it is about to expire.

        Raises:
            AuthenticationError: when IAM refuses, now or before.
            SourceError: when it could not be asked.
            RuntimeError: when no source uses these credentials.
        """
        source = self._source()
        return {HEADER: await self._token(source).get(partial(self._fetch, source))}

    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Obtain another token unless somebody just did, or it would be the second without success."""
        source = self._source()
        return await self._token(source).renew(rejected.get(HEADER), partial(self._fetch, source))

    def accepted(self, headers: Mapping[str, str], /) -> None:
        """Note that the token is good, so that it may be renewed again when it is rejected."""
        self._token(self._source()).accepted(headers.get(HEADER))

    def _checked_base(self, *, allow_http: bool) -> str:
        if self._region is not None:
            return of_region("iam", self._region)
        return checked_base(self._endpoint or "", "the endpoint of IAM", allow_http=allow_http)

    def _source(self) -> Surroundings:
        if self._surroundings is None:
            raise RuntimeError("password credentials are used through a source: pass them as credentials=")
        return self._surroundings

    def _token(self, source: Surroundings) -> SharedToken:
        return self._account.tokens.setdefault(self._project or f"id {source.project_id}", SharedToken())

    async def _fetch(self, source: Surroundings) -> Fresh:
        """Ask IAM, unless it has refused before, or could not answer a moment ago."""
        account = self._account
        if account.refused is not None:
            raise account.refused
        if account.failure is not None and anyio.current_time() < account.held_until:
            raise account.failure
        try:
            return await self._ask(source)
        except AuthenticationError as error:
            account.refused = error
            raise
        except SourceError as error:
            account.failure = error
            account.held_until = anyio.current_time() + max(_PAUSE, wait_asked(error) or 0.0)
            raise

    async def _ask(self, source: Surroundings) -> Fresh:
        action = f"asking {self._base} for a token"
        project = {"name": self._project} if self._project else {"id": source.project_id}
        errand = Errand(
            url=self._base + iam_token.PATH,
            body=iam_token.body(domain=self._domain, user=self._user, password=self._password, project=project),
            secrets=(self._password,),
            action=action,
        )
        reply = None
        with anyio.move_on_after(_SECONDS):
            reply = await source.send(errand)
        if reply is None:
            raise TransportError(f"{action}: no reply came within {_SECONDS:g} s")
        return Fresh(*iam_token.read(reply, action))


def _problem(*, domain: object, user: object, password: object) -> str | None:
    named = {"domain": domain, "user": user, "password": password}
    for name, value in named.items():
        if not isinstance(value, str) or not value.strip():
            return f"{name} must be a str that is not empty"
    return None
