"""Telling observers, without letting them hurt what they observe.

Rule: what happens is noted where it happens and told at the next safe point, when the scheduler is at
rest: an observer may ask the poller whatever it likes. What it raises is logged and goes no further.
"""

from __future__ import annotations

import logging
import traceback
from asyncio import CancelledError
from collections import deque
from functools import partial
from typing import Any, Literal

import attrs

from gespoll._errors import JobNotFound, SourceError, Throttled
from gespoll._jobs import StateChange
from gespoll._observer import Observer, RequestMade, WaitEnded, WaitStarted
from gespoll._scheduler import Ledger, Outcome, Request, Window
from gespoll._source import CredentialsRenewed

_logger = logging.getLogger("gespoll")


@attrs.define(eq=False)
class _Wait:
    """What is counted of an open wait."""

    started: WaitStarted
    started_at: float
    ended: int = 0
    failed: int = 0
    open: int = 0


class Observing:
    """All observers of a poller, and what is yet to be told to them."""

    def __init__(self, observers: tuple[Observer, ...]) -> None:
        self._observers = observers
        self._waits: dict[Ledger, _Wait] = {}
        self._untold: deque[tuple[str, Any]] = deque()
        self._telling = False
        self._warned: set[tuple[int, str]] = set()

    # What happens

    def opened(self, ledger: Ledger, now: float) -> None:
        """Tell that a wait was entered, from within the context that entered it."""
        wait = self._waits[ledger] = _Wait(ledger.wait, now)
        ledger.told = partial(self._changed, ledger, wait)
        self._note("wait_started", ledger.wait)
        self.tell()

    def counted(self, ledger: Ledger) -> None:
        """Tell how the number of open jobs of a wait has changed; one that was left has none."""
        wait = self._waits.get(ledger)
        if wait is not None:
            self._count(wait, ledger.open_count)
        self.tell()

    def left(self, ledger: Ledger, error: BaseException | None, now: float) -> None:
        """Tell that a wait was left."""
        wait = self._waits.pop(ledger)
        ledger.told = None
        event = WaitEnded(
            started=wait.started,
            duration=now - wait.started_at,
            jobs_ended=wait.ended,
            jobs_failed=wait.failed,
            jobs_open=wait.open,
            error=error,
        )
        self._count(wait, 0)
        self._note("wait_ended", event)
        self.tell()

    def request_over(self, request: Request, outcome: Outcome | None, now: float) -> None:
        """Note a request and what came of it; `None` is a request that was withdrawn."""
        error = outcome if isinstance(outcome, SourceError) else None
        event = RequestMade(
            kind="window" if isinstance(request, Window) else "query",
            scope=request.scope,
            duration=now - request.sent_at,
            outcome=_outcome(outcome),
            error=error,
        )
        self._note("request_made", event)
        if isinstance(error, Throttled):
            self._note("throttled", error)

    def _changed(self, ledger: Ledger, wait: _Wait, change: StateChange) -> None:
        wait.ended += change.is_final
        wait.failed += change.error is not None
        self._note("changed", change)
        self._count(wait, ledger.open_count)

    def _count(self, wait: _Wait, now_open: int) -> None:
        if now_open != wait.open:
            self._note("open_jobs_changed", now_open - wait.open)
            wait.open = now_open

    # Telling

    def _note(self, method: str, event: Any) -> None:
        self._untold.append((method, event))

    def tell(self) -> None:
        """Tell all that was noted, in order. To be called while the scheduler is at rest.

        What an observer makes happen by the way is told behind what is being told.
        """
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                self._tell_each(*self._untold.popleft())
        finally:
            self._telling = False

    def _tell_each(self, method: str, event: Any) -> None:
        for observer in self._observers:
            try:
                getattr(observer, method)(event)
            except (Exception, CancelledError) as error:  # nothing is awaited, so this cancels nobody
                self._warn(observer, method, error)

    def _warn(self, observer: Observer, method: str, error: BaseException) -> None:
        """Log what an observer raised, as text: it may stand in the context of errors that are not its own."""
        if (id(observer), method) not in self._warned:
            self._warned.add((id(observer), method))
            _logger.warning(
                "%s.%s() raised; the wait goes on, and further errors of this method are not logged\n%s",
                type(observer).__qualname__,
                method,
                "".join(traceback.format_exception(error, chain=False)).rstrip(),
            )


def _outcome(outcome: Outcome | None) -> Literal["answered", "not_found", "failed", "renewed", "withdrawn"]:
    if outcome is None:
        return "withdrawn"
    if isinstance(outcome, JobNotFound):
        return "not_found"
    if isinstance(outcome, CredentialsRenewed):
        return "renewed"
    return "failed" if isinstance(outcome, SourceError) else "answered"
