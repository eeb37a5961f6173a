"""How a fake server behaves.

The rule: one field per documented or seen variation of the service, each with its documented default. The
fields may be set while the server runs, unless they say otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from ._faults import Faults
from ._timeline import FakeFile, FakeJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ._replies import EmptyArrays, ErrorKeys

__all__ = ["Edition", "ListOrder", "Options", "PagePolicy"]

Edition = Literal["memory", "database"]
PagePolicy = Literal["cut", "refuse"]
ListOrder = Literal["newest", "oldest", "id", "random"]


def default_import(number: int) -> FakeJob:
    """Return the job a submitted import becomes: pending, running after 1 s, success after 3 s."""
    return FakeJob(f"import-{number}", files=[FakeFile("edgeset", "obs/edge.csv")])


@attrs.define(kw_only=True, eq=False)
class Options:
    """The variations of the service. All times are in seconds."""

    port: int = attrs.field(default=0, on_setattr=attrs.setters.frozen)
    """The port of 127.0.0.1 it listens on; 0: any that is free."""
    project_id: str = "0123456789abcdef0123456789abcdef"
    """The only project the server knows."""
    project_name: str = "fake-project"
    """Its name."""
    token: str = "fake-token"
    """The token that is valid without having been issued."""
    access_keys: Mapping[str, str | tuple[str, str]] = attrs.field(factory=lambda: {"fake-ak": "fake-sk"})
    """The valid access keys: AK to SK, or to SK and security token."""
    domain: str = "fake-domain"
    """The account of all users."""
    users: Mapping[str, str] = attrs.field(factory=lambda: {"fake-user": "fake-password"})
    """The users IAM knows, with their passwords."""
    token_lifetime: float = 86_400.0
    """Seconds a token of IAM lives."""
    seed: int = attrs.field(default=0, on_setattr=attrs.setters.frozen)
    """Seed of everything random."""
    faults: Faults = attrs.field(factory=Faults, on_setattr=attrs.setters.frozen)
    """What goes wrong, drawn by seed."""
    origin: datetime | None = attrs.field(default=None, on_setattr=attrs.setters.frozen)
    """The server's wall clock at start-up, aware; None: now. From there it follows the event loop."""
    imports: Callable[[int], FakeJob] = default_import
    """Makes the job of the n-th submitted import (from 1)."""
    max_page: int = 1000
    """Most entries in a page of the job centre."""
    engine_max_page: int = 100_000
    """Most entries in a page of the engine list."""
    page_policy: PagePolicy = "cut"
    """Whether a larger limit is cut to the most or refused with 400."""
    order: ListOrder = "newest"
    """The order of the lists; "random" reshuffles for every request."""
    list_lag: float = 0.0
    """The lists show the jobs as they were this many seconds ago."""
    list_refused: bool | str = False
    """True: the lists are forbidden (403 APIGW.0302, engine 400 GES.8020); a code: 400 with that code."""
    list_unsupported: bool = False
    """Whether the lists answer 404 APIG.0101."""
    list_count: bool = True
    """Whether the lists tell the total count."""
    list_has_files: bool = True
    """Whether the entries of the job centre tell `job_detail`, and those of a memory edition's engine `files`."""
    list_ignores_offset: bool = False
    """Whether every page is the first."""
    edition: Edition = "database"
    """What the engines are. The list of the database edition tells the request that made a job; that of the memory
    edition the kind, progress and times of a job, why it failed, and the files of an import."""
    raw_request: bool = True
    """Whether the database edition's list tells `rawRequest`, a JSON string, instead of `body`."""
    empty_arrays: EmptyArrays = attrs.field(default="null", on_setattr=attrs.setters.frozen)
    """How `job_detail` tells an array without files."""
    error_keys: ErrorKeys = "absent"
    """How a successful management reply tells the error keys; the engine's are blank unless "null"."""
    old_errors: bool = False
    """Whether errors use the envelopes of the older pages."""
    space_in_times: bool = attrs.field(default=False, on_setattr=attrs.setters.frozen)
    """Whether times are written `yyyy-MM-dd HH:mm:ss` instead of `yyyy-MM-ddTHH:mm:ss`."""
    max_rate: float | None = None
    """Requests per second let through on average; None: all."""
    window: float = 1.0
    """Seconds of quota the limiter lets through at once."""
