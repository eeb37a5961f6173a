"""The jobs that are to be looked at by a query of their own, and when.

Rule: first what is urgent; then what is due at a time of its own, newcomers, and all others in turn take turns, so that
none of them keeps the others waiting (rule 18). Jobs that merely take turns stand in one queue, oldest look first,
without a place in any heap.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import Any

import attrs

from gespoll._scheduler._record import ASKED, QUEUED, Record


@attrs.define(eq=False)
class Singles:
    """A queue of single queries."""

    _urgent: deque[Record[Any]] = attrs.field(factory=deque)
    _own: list[tuple[float, int, Record[Any]]] = attrs.field(factory=list)
    _new: deque[Record[Any]] = attrs.field(factory=deque)
    _turn: deque[Record[Any]] = attrs.field(factory=deque)
    _dues: deque[float] = attrs.field(factory=deque)
    _count: int = 0
    _served: int = 2
    """Which of the three kinds was served last."""

    def __len__(self) -> int:
        return len(self._urgent) + len(self._own) + len(self._new) + len(self._turn)

    @property
    def waiting(self) -> int:
        """How many jobs take turns, or few more."""
        self._drop_stale()
        return len(self._new) + len(self._turn)

    @property
    def urgent(self) -> int:
        """How many jobs are to be queried before anything else, or few more."""
        return len(self._urgent)

    def clear(self) -> None:
        """Forget all plans."""
        for queue in (self._urgent, self._own, self._new, self._turn, self._dues):
            queue.clear()

    def first(self, record: Record[Any]) -> None:
        """Plan a query before anything else."""
        self._urgent.append(record)

    def at(self, record: Record[Any], due: float) -> None:
        """Plan a query at a time of the job's own."""
        record.cared().due = due
        self._count += 1
        heapq.heappush(self._own, (due, self._count, record))

    def soon(self, record: Record[Any]) -> None:
        """Plan a query as soon as may be, unless the job stands in the queue."""
        if not record.state & QUEUED:
            record.state |= QUEUED
            self._new.append(record)

    def later(self, record: Record[Any], due: float) -> None:
        """Plan a query at about a time, behind those that were planned before."""
        if not record.state & QUEUED:
            record.state |= QUEUED
            self._turn.append(record)
            self._dues.append(max(due, self._dues[-1]) if self._dues else due)

    @property
    def is_urgent(self) -> bool:
        """Whether a query must go before anything else."""
        self._drop_stale()
        return bool(self._urgent)

    def due(self) -> float:
        """Tell when the next query is due; infinite when there is none."""
        self._drop_stale()
        if self._urgent or self._new:
            return -math.inf
        own = self._own[0][0] if self._own else math.inf
        return min(own, self._dues[0]) if self._dues else own

    def due_of(self, record: Record[Any]) -> float | None:
        """Tell when a job's turn comes; `None` when it does not take turns."""
        if record in self._urgent or record in self._new:
            return -math.inf
        return next((due for due, each in zip(self._dues, self._turn, strict=True) if each is record), None)

    def pop(self, now: float) -> Record[Any] | None:
        """Take the job whose query is due, if any is."""
        self._drop_stale()
        if self._urgent:
            return self._urgent.popleft()
        kinds = (self._pop_own, self._pop_new, self._pop_turn)
        for number in (1, 2, 3):
            kind = (self._served + number) % len(kinds)
            record = kinds[kind](now)
            if record is not None:
                self._served = kind
                return record
        return None

    def is_own_due(self, now: float) -> bool:
        """Whether a query is due at a time of its own: a confirmation or a retry."""
        self._drop_stale()
        return bool(self._own) and self._own[0][0] <= now

    def _pop_own(self, now: float) -> Record[Any] | None:
        return heapq.heappop(self._own)[2] if self._own and self._own[0][0] <= now else None

    def _pop_new(self, _now: float) -> Record[Any] | None:
        return _out_of_queue(self._new.popleft()) if self._new else None

    def _pop_turn(self, now: float) -> Record[Any] | None:
        if not self._turn or self._dues[0] > now:
            return None
        self._dues.popleft()
        return _out_of_queue(self._turn.popleft())

    def _drop_stale(self) -> None:
        while self._urgent and _is_busy(self._urgent[0]):
            self._urgent.popleft()
        while self._own and not _is_due_at(self._own[0][0], self._own[0][2]):
            heapq.heappop(self._own)
        while self._new and _is_needless(self._new[0]):
            _out_of_queue(self._new.popleft())
        while self._turn and _is_needless(self._turn[0]):
            _out_of_queue(self._turn.popleft())
            self._dues.popleft()


def _is_busy(record: Record[Any]) -> bool:
    return record.watchers is None or bool(record.state & ASKED)


def _is_due_at(due: float, record: Record[Any]) -> bool:
    return record.care is not None and record.care.due == due and not _is_busy(record)


def _is_needless(record: Record[Any]) -> bool:
    return record.place is not None or _is_busy(record) or record.is_personal


def _out_of_queue(record: Record[Any]) -> Record[Any]:
    record.state &= ~QUEUED
    return record
