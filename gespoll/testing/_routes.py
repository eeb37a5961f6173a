"""Which call a request is.

The rule: one table of methods and paths, as the API documents write them. Paths are matched as sent and
decoded segment by segment, so that an opaque id may hold any character.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._faults import FaultKind, RequestKind
    from ._replies import Api

__all__ = ["Call", "LoggedRequest", "Plane", "Route"]

Plane = Literal["management", "engine", "iam", "other"]

_SECRET_HEADERS = frozenset({"x-auth-token", "authorization", "x-security-token"})

_PROJECT = r"(?P<project>[^/]+)/graphs"
_GRAPH = rf"{_PROJECT}/(?P<graph>[^/]+)"
_TABLE: tuple[tuple[str, RequestKind, re.Pattern[str]], ...] = (
    ("GET", "list", re.compile(rf"/(?P<version>v2|v1\.0)/{_PROJECT}/jobs")),
    ("GET", "get", re.compile(rf"/(?P<version>v2|v1\.0)/{_GRAPH}/jobs/(?P<job>[^/]+)/status")),
    ("GET", "list", re.compile(rf"/(?P<version>ges/v1\.0)/{_GRAPH}/jobs/status")),
    ("GET", "get", re.compile(rf"/(?P<version>ges/v1\.0)/{_GRAPH}/jobs/(?P<job>[^/]+)/status")),
    ("POST", "other", re.compile(rf"/(?P<version>v2)/{_GRAPH}/import-graph")),
    ("POST", "other", re.compile(rf"/(?P<version>v1\.0|ges/v1\.0)/{_GRAPH}/action")),
)
_TOKENS = ("POST", "/v3/auth/tokens")
_APIS: Mapping[str, Api] = {"v2": "v2", "v1.0": "v1.0", "ges/v1.0": "engine"}


@attrs.frozen
class Route:
    """The call a method and a path mean."""

    kind: RequestKind = "other"
    """A single status, a list, or anything else."""
    api: Api = "v2"
    """Whose document answers; v2 where no document does."""
    project: str | None = None
    """The project id of the path; None when the path is not of the API."""
    graph: str = ""
    """The graph id, on the engine the graph name; "" when the path has none."""
    job_id: str | None = None
    """The job id of the path."""
    iam: bool = False
    """Whether IAM is asked for a token."""

    @property
    def plane(self) -> Plane:
        """The plane the call belongs to."""
        if self.project is None:
            return "iam" if self.iam else "other"
        return "engine" if self.api == "engine" else "management"

    @classmethod
    def of(cls, method: str, raw_path: str) -> Route:
        """Return the route of a request; one without a project when the API has no such path."""
        if (method, raw_path) == _TOKENS:
            return cls(iam=True)
        for verb, kind, pattern in _TABLE:
            match = pattern.fullmatch(raw_path) if method == verb else None
            if match:
                parts = match.groupdict()
                job = parts.get("job")
                return cls(
                    kind=kind,
                    api=_APIS[parts["version"]],
                    project=unquote(parts["project"]),
                    graph=unquote(parts.get("graph") or ""),
                    job_id=None if job is None else unquote(job),
                )
        return cls()


@attrs.frozen
class Call:
    """One request, read."""

    route: Route
    method: str
    target: str
    """Path and query as they were sent."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    request_id: str
    now: float
    """Loop time of arrival in seconds."""
    body: bytes = b""
    """The body, once it is read."""
    fault: FaultKind | None = None
    """The fault that hits the request."""


@attrs.define(kw_only=True, eq=False)
class LoggedRequest:
    """One request the server got; logged on arrival, completed before the reply is sent."""

    at: float
    """Loop time of arrival in seconds."""
    method: str
    """The HTTP method."""
    path: str
    """The decoded path."""
    query: dict[str, str]
    """The query; of a repeated name the last value."""
    plane: Plane
    """Which plane was asked."""
    kind: RequestKind
    """A single status, a list, or anything else."""
    job_id: str | None
    """The job id of the path."""
    request_id: str
    """The X-Request-Id of the reply."""
    in_flight: int
    """Requests being served at that moment, this one included."""
    headers: dict[str, str]
    """The headers as sent, the secret ones as "***"."""
    status: int | None = None
    """The HTTP status sent; None when there was no answer."""
    fault: FaultKind | None = None
    """The fault that hit the request."""


def without_secrets(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return `headers` with the secret values replaced."""
    return {name: "***" if name.lower() in _SECRET_HEADERS else str(value) for name, value in headers.items()}
