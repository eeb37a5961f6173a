"""What a source asks of credentials, and what it lends them.

Rule: credentials know no client. What they must send themselves goes out through the source.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import attrs

from gespoll._wire.reply import Reply


@attrs.frozen(kw_only=True)
class Errand:
    """A POST that credentials have a source send, to obtain a token."""

    url: str
    """Where to, with the query."""
    body: bytes = attrs.field(repr=False)
    """A JSON text."""
    secrets: tuple[str, ...] = attrs.field(repr=False)
    """What must not be told when the reply echoes it."""
    action: str
    """What it is for, to begin an error's text with."""


@attrs.frozen(kw_only=True)
class Surroundings:
    """What a source lends its credentials."""

    project_id: str
    """The project whose jobs are read."""
    allow_http: bool
    """Whether plain http to a host other than loopback was allowed."""
    send: Callable[[Errand], Awaitable[Reply]]
    """Sends an errand over the source's session, outside the request budget; raises `SourceError`."""


def credentials_problem(given: object) -> str | None:
    """Tell in a sentence why something is no credentials, without showing it; `None` when it is."""
    if all(callable(getattr(given, name, None)) for name in ("authorize", "renew", "accepted", "bind")):
        return None
    return f"credentials must be an object such as gespoll.Token(...), not {type(given).__name__}"


class Credentials(Protocol):
    """Something that can prove who asks. Subclass it to write your own: only the abstract methods must be written."""

    locks: bool = False
    """Whether being wrong a few times locks it: then two requests at most are under way until one was accepted."""

    @abstractmethod
    async def authorize(self, method: str, url: str, /) -> Mapping[str, str]:
        """Give the headers that prove it for one request without a body, to be sent as they are.

        May be cancelled at any await; one poll that is cancelled takes nothing from the others.

        Args:
            method: the HTTP method.
            url: the URL as it will be sent, encoded.

        Raises:
            SourceError: when there is nothing to prove it with.
        """

    @abstractmethod
    async def renew(self, rejected: Mapping[str, str], /) -> bool:
        """Replace what was rejected; tell whether it is worth another try.

        Args:
            rejected: the headers that `authorize` gave for the request.

        Raises:
            SourceError: when it could not be replaced now.
        """

    def accepted(self, headers: Mapping[str, str], /) -> None:
        """Note that the service took the headers that `authorize` gave."""
        return

    def bind(self, surroundings: Surroundings, /) -> Credentials:
        """Give the credentials as one source uses them: by default as they are.

        Args:
            surroundings: the source's project, and a way to send over its session.

        Raises:
            ValueError: when they cannot be used there; the text says why.
        """
        return self
