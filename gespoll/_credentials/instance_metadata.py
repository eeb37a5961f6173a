"""The access key of the agency that a cloud server was given, from the metadata service of its host.

Rule: asked only by those who name it. The requests are link-local and never leave through a proxy.
"""

from __future__ import annotations

import anyio

from gespoll._credentials.protocol import Errand, Surroundings
from gespoll._credentials.providers import Key
from gespoll._errors import TransportError
from gespoll._wire import instance_metadata

NAME = "instance-metadata"
_HOST = "http://169.254.169.254"
_ACTION = f"asking the instance metadata at {_HOST} for an access key"
_SECONDS = 5.0


async def from_metadata(source: Surroundings) -> Key:
    """Ask for the present key.

    Raises:
        AuthenticationError: when the server has no agency.
        SourceError: when there is no metadata service, or it cannot answer.
    """
    key: Key | None = None
    with anyio.move_on_after(_SECONDS):
        session = await source.send(
            Errand(
                url=_HOST + instance_metadata.SESSION_PATH,
                action=_ACTION,
                method="PUT",
                headers=instance_metadata.SESSION_HEADERS,
                is_local=True,
            )
        )
        headers = instance_metadata.headers(session, _ACTION)
        reply = await source.send(
            Errand(
                url=_HOST + instance_metadata.KEY_PATH,
                action=_ACTION,
                method="GET",
                headers=headers,
                secrets=tuple(headers.values()),
                is_local=True,
            )
        )
        key = Key(*instance_metadata.read(reply, _ACTION))
    if key is None:
        raise TransportError(f"{_ACTION}: no reply came within {_SECONDS:g} s")
    return key
