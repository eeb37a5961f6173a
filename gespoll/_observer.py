"""What can be observed of a poller, for metrics, traces and logs.

Rule: an observer is told, and decides nothing. Its events are frozen nouns without secrets; every method
does nothing until a subclass overrides it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from gespoll._errors import SourceError, Throttled
from gespoll._jobs import JobRef, StateChange


@attrs.frozen(kw_only=True, eq=False)
class RequestMade:
    """A request that is over, whatever came of it."""

    kind: Literal["query", "window"]
    """Whether it was a query of one job, or a window of a list."""
    scope: str
    """The list, limit and server it went to, as the source names it: a project, or the graph of an engine."""
    duration: float
    """Seconds from when it was due to leave until it was over."""
    outcome: Literal["answered", "not_found", "failed", "renewed", "withdrawn"]
    """What came of it: "renewed" is sent again with new credentials, "withdrawn" was no longer wanted by anybody."""
    error: SourceError | None = None
    """What it failed with; `None` unless it failed."""


@attrs.frozen(kw_only=True, eq=False)
class WaitStarted:
    """A wait or watch that was entered."""

    kind: Literal["wait", "wait_all", "watch"]
    """The method of the poller that was called."""
    job: JobRef | None = None
    """The job of a `wait`; `None` where there may be many."""


@attrs.frozen(kw_only=True, eq=False)
class WaitEnded:
    """A wait or watch that was left."""

    started: WaitStarted
    """How it started: the same object that was told then."""
    duration: float
    """Seconds since then."""
    jobs_ended: int
    """Jobs that had their final change."""
    jobs_failed: int
    """How many of these did not end well, those that ran out of time among them."""
    jobs_open: int
    """Jobs that it left open."""
    error: BaseException | None = None
    """What it was left with: an error of its own or of its body, or a cancellation; `None` without any."""

    @property
    def outcome(self) -> Literal["ended", "left", "failed", "cancelled"]:
        """How it ended: by itself, left while jobs were open, with an error, or cancelled or interrupted."""
        if self.error is None:
            return "left" if self.jobs_open else "ended"
        return "failed" if isinstance(self.error, Exception) else "cancelled"


class Observer:
    """Is told what a poller does. Subclass it, override what you need, and hand it over: `observers=[...]`.

    Methods are called on the event loop, in the order of events and with no other code of gespoll's under
    way; they must return soon and cannot await. What one raises never reaches a wait: it is logged as a
    warning of the logger `gespoll`, once an observer and method, and the method is called again at the next
    event. Only what is no `Exception`, such as `KeyboardInterrupt`, passes.
    """

    def request_made(self, event: RequestMade, /) -> None:
        """A request is over, whatever came of it."""

    def throttled(self, error: Throttled, /) -> None:
        """The service throttled a request, which `request_made` tells, too; see `limit` and `retry_after`."""

    def changed(self, change: StateChange, /) -> None:
        """A job changed; told once for each wait or watch on it, also where nobody iterates over the changes.

        Changes of progress alone are not told.
        """

    def open_jobs_changed(self, by: int, /) -> None:
        """The number of open jobs of all waits and watches together went up or, where negative, down."""

    def wait_started(self, event: WaitStarted, /) -> None:
        """A wait or watch was entered; called in the task and the context (`contextvars`) that entered it."""

    def wait_ended(self, event: WaitEnded, /) -> None:
        """A wait or watch was left, in whatever way."""


def check_observers(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    """Accept an iterable of observers.

    Raises:
        TypeError: with advice, when it is anything else.
    """
    if isinstance(observers, Observer):
        raise TypeError(f"observers must be an iterable, and {type(observers).__name__} is one: put it in a list")
    try:
        given = tuple(observers)
    except TypeError:
        raise TypeError(f"observers must be an iterable of Observer objects, not {type(observers).__name__}") from None
    for each in given:
        if not isinstance(each, Observer):
            raise TypeError(f"an observer is an object of a subclass of gespoll.Observer, not {each!r}")
    return given
