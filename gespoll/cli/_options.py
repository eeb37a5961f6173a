"""The options that commands share.

Rule: what is typed is checked here, before anything runs; and what was typed can be typed again, because the
options of a wait are written into the command that goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from cyclopts import Group, Parameter, Token
from cyclopts.validators import Number

from gespoll._scheduler import Unconfirmed
from gespoll._tolerance import read_tolerance
from gespoll.cli._durations import Seconds


def _duration(_: type, tokens: tuple[Token, ...]) -> Seconds:
    return Seconds.parse(tokens[0].value)


def _tolerance(_: type, value: str | None) -> None:
    if value is None:
        return
    try:
        read_tolerance(lines_or_share(value))
    except ValueError:
        raise ValueError("must be lines such as 100, a share such as 0.01, or a percentage such as 1%") from None


def _interval(_: type, value: Seconds | None) -> None:
    if value is not None and not value:
        raise ValueError("must be more than 0s")


_SERVICE = Group("Service and credentials", sort_key=2)
_ON_FAILURE = Literal["end", "first", "never"]
_POSITIVE = Number(gt=0)
_INTERVAL = Seconds(5)
_VERIFY = Seconds(3600)
Output = Literal["human", "json", "quiet"]
Duration = Annotated[Seconds | None, Parameter(converter=_duration, metavar="DURATION", n_tokens=1)]
Interval = Annotated[
    Seconds | None, Parameter(converter=_duration, metavar="DURATION", n_tokens=1, validator=_interval)
]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Service:
    """Which service is asked, and as whom."""

    project: Annotated[str | None, Parameter(group=_SERVICE, metavar="ID")] = None
    """The project's id; by default that of the environment."""
    endpoint: Annotated[str | None, Parameter(group=_SERVICE, metavar="URL")] = None
    """The URL of the service or, with --plane engine, of the graphs' engine; by default that of the environment."""
    region: Annotated[str | None, Parameter(group=_SERVICE, metavar="ID")] = None
    """The region's id, such as eu-west-101, instead of an endpoint."""
    plane: Annotated[Literal["management", "engine"], Parameter(group=_SERVICE, metavar="PLANE")] = "management"
    """Whether graphs are named by id at the management plane, or by name at their engine."""
    api: Annotated[Literal["v2", "v1.0"], Parameter(group=_SERVICE, metavar="VERSION")] = "v2"
    """The version of the management plane's API."""
    token_file: Annotated[Path | None, Parameter(group=_SERVICE, metavar="FILE")] = None
    """A file that holds a token; read again when the service rejects the token."""
    token_command: Annotated[str | None, Parameter(group=_SERVICE, metavar="COMMAND")] = None
    """A command that prints a token, run without a shell; run again when the service rejects the token."""
    status_word: Annotated[tuple[str, ...], Parameter(group=_SERVICE, metavar="WORD=STATUS", negative=())] = ()
    """What a status word means that no API document names, such as halted=cancelled; may be given again."""
    allow_http: Annotated[bool, Parameter(group=_SERVICE, negative=())] = False
    """Allow plain http to another host than this."""


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Waiting:
    """How jobs are waited for."""

    graph: Annotated[str | None, Parameter(metavar="GRAPH")] = None
    """The graph of the jobs that do not name one: its id, with --plane engine its name."""
    timeout: Duration = None
    """How long to wait, from now; 0s looks once. Without it there is no limit."""
    interval: Interval = _INTERVAL
    """How soon a change is to be known."""
    rate: Annotated[float, Parameter(metavar="N", validator=_POSITIVE)] = 10.0
    """How many requests may be sent in a second."""
    max_open: Annotated[int | None, Parameter(metavar="N", validator=_POSITIVE)] = None
    """Take in the next job, and read the next line, only while fewer than N jobs are open."""
    max_failed_lines: Annotated[str | None, Parameter(metavar="LINES", validator=_tolerance)] = None
    """Accept an import that lost no more than 100 lines, or a share of 0.01 or 1% of them."""
    pending_timeout: Interval = None
    """How long a job may be pending before it is given up; it may yet begin at the service."""
    unconfirmed: Annotated[Unconfirmed, Parameter(metavar="HOW")] = "accept"
    """Accept an import's success of which nobody tells whether it was whole, or raise it as an error."""
    verify: Interval = _VERIFY
    """How often what only the list or only queries show of a job is verified by the other."""
    on_failure: Annotated[_ON_FAILURE, Parameter(metavar="WHEN")] = "end"
    """Fail at the end, stop at the first failure, or never count failed jobs in the exit status."""
    output: Annotated[Output, Parameter(metavar="FORMAT")] = "human"
    """For a human, as JSON lines, or nothing."""
    snapshot: Annotated[Path | None, Parameter(metavar="FILE")] = None
    """A file to go on from if it exists, kept up to date; the same command goes on after whatever ended it."""


def lines_or_share(text: str) -> float | str:
    """Read what was typed for a tolerance: lines, a share, or else a percentage, which is left as it is."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def seconds(duration: Seconds | None) -> float | None:
    """Give a duration as a plain number, which can stand in a snapshot."""
    return None if duration is None else float(duration)


def typed(options: Service | Waiting) -> Iterator[str]:
    """Give the arguments that make the same options again, without those that have their default."""
    for field in attrs.fields(type(options)):
        value: Any = getattr(options, field.name)
        if value == field.default:
            continue
        for each in value if isinstance(value, tuple) else (value,):
            yield "--" + field.name.replace("_", "-")
            if each is not True:
                yield str(each)
