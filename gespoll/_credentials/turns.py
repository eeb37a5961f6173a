"""Who may try a secret that locks when it is wrong.

Rule: turns belong to the credentials, so that all pollers share them, also those of other event loops in other
threads. Whoever waits is let in, in the order of coming, or is told of the refusal that came meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from gespoll._credentials.protocol import Credentials
from gespoll._errors import ServiceUnavailable

_UNPROVED_AT_ONCE = 2  # fewer than lock a key, and more than one that a silent server may hold
_UNANSWERED_AT_MOST = 2
_HOLD_FIRST, _HOLD_LONGEST = 15.0, 900.0  # seconds: four unanswered tries in the first minute, and five lock a key


class Turns:
    """Lets so many in at a time."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._lock = threading.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn, and take it while the block runs. May be cancelled."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    def open(self) -> None:
        """Let everybody in who waits."""
        with self._lock:
            waiting = len(self._waiting)
            self._free -= waiting
        for _ in range(waiting):
            self._leave()

    async def _enter(self) -> None:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            loop = asyncio.get_running_loop()
            turn = loop.create_future()
            self._waiting.append((loop, turn))
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was let in, and has left already
            raise

    def _leave(self) -> None:
        """Hand a turn to the next who waits for one."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                loop, turn = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(self._let_in, turn)
            except RuntimeError:  # its event loop has ended
                continue
            return

    def _let_in(self, turn: asyncio.Future[None]) -> None:
        if turn.done():  # cancelled meanwhile
            self._leave()
        else:
            turn.set_result(None)


class Trial:
    """A secret that nobody has accepted yet: two requests at most carry it at a time.

    What is given up before it was answered may have been refused all the same, so that it is tried ever more rarely.
    """

    def __init__(self) -> None:
        self._turns = Turns(_UNPROVED_AT_ONCE)
        self._is_proved = False
        self._unanswered = 0
        self._held_until = -math.inf

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, unless the secret was accepted.

        Raises:
            ServiceUnavailable: when too many tries were not answered a moment ago.
        """
        if self._is_proved:
            yield
            return
        async with self._turns.one():
            left = self._held_until - anyio.current_time()
            if left > 0:
                raise ServiceUnavailable(
                    f"the credentials are tried again in {left:.0f} s: what they were sent with was not answered, and "
                    "being wrong too often locks them"
                )
            yield

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Note where the block is cancelled, whose request carries the secret."""
        try:
            yield
        except anyio.get_cancelled_exc_class():
            self._give_up()
            raise

    def _give_up(self) -> None:
        if self._is_proved:
            return
        self._unanswered += 1
        beyond = self._unanswered - _UNANSWERED_AT_MOST
        if beyond >= 0:
            self._held_until = anyio.current_time() + min(_HOLD_FIRST * 2.0**beyond, _HOLD_LONGEST)

    def accepted(self) -> None:
        """Let all go at once from now on."""
        self._unanswered, self._held_until = 0, -math.inf
        if not self._is_proved:
            self._is_proved = True
            self._turns.open()

    def begin_anew(self) -> None:
        """Be careful again: there is another secret."""
        self._is_proved = False
        self._unanswered, self._held_until = 0, -math.inf


def trial_of(credentials: Credentials) -> Trial | None:
    """Find what all pollers share that use some credentials; `None` when nothing locks them."""
    if not credentials.locks:
        return None
    try:
        shared: Trial = vars(credentials).setdefault("_trial", Trial())
    except TypeError:  # it has no dictionary
        return Trial()
    return shared
