"""A watch as its consumer knew it at one moment, while the watch goes on.

Rule: what is copied at that moment are lists, which takes next to no time for each job. Of a job that is about to
change, how it stands is kept first (copy on write). So a view may be read slice by slice, with anything happening in
between, and shows what it would have shown at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import attrs

from gespoll._jobs import JobRef, JobStatus, StateChange
from gespoll._scheduler._record import Key, Record
from gespoll._scheduler._standing import Standing, Stood, before, standing
from gespoll._snapshot import End


@attrs.frozen
class Over:
    """How a job ended, and what the watch called it."""

    ref: JobRef
    told: str | None
    """What its last change said; `None` where only a snapshot knew."""
    end: End = None
    """`None` in a watch that keeps no ends."""


@attrs.define(eq=False)
class View:
    """A watch at one moment."""

    handed: Sequence[Record[Any] | Key]
    """The jobs in the order in which they were handed in, some perhaps twice."""
    ended: Mapping[Key, Over]
    frozen: Mapping[Key, Standing]
    """How jobs stood that are no longer told of."""
    changes: Sequence[StateChange]
    """Those that the consumer has not taken, in their order."""
    before: Sequence[tuple[Key, Sequence[JobStatus]]]
    """For each of them its job, and what was told of that before."""
    stands: Callable[[Record[Any]], Stood | None]
    """Returns how a job of the watch stands; `None` where it is not open there."""
    is_void: bool = False
    """Whether the watch was left before it was read."""
    _kept: dict[Record[Any], Stood | None] = attrs.field(factory=dict)
    """How jobs stood that have changed since."""

    def keep(self, record: Record[Any]) -> None:
        """Keep how a job stands that is about to change."""
        if record not in self._kept:
            self._kept[record] = self.stands(record)

    def _stood(self, record: Record[Any]) -> Stood | None:
        return self._kept[record] if record in self._kept else self.stands(record)

    def standings(self) -> Iterator[Standing | None]:
        """Go through the jobs as the consumer knew them: changes that waited to be taken are as if not told.

        Between any two steps anything else may happen. A step may also show no job: `None`.
        """
        untaken: dict[Key, tuple[Sequence[JobStatus], StateChange]] = {}
        for (key, told), change in zip(reversed(self.before), reversed(self.changes), strict=True):
            untaken[key] = told, change
            yield None
        shown: set[Record[Any] | Key] = set()  # of open jobs the records, which exist: new keys take long to free
        for entry in chain(self.handed, self.ended, self.frozen):
            record = entry if isinstance(entry, Record) else None
            key = entry if not isinstance(entry, Record) else entry.key
            found = None if entry in shown or key in shown else self._standing(key, record, untaken.get(key))
            if found is not None:
                shown.add(key if key in self.ended or key in self.frozen else entry)
            yield found

    def _standing(
        self, key: Key, record: Record[Any] | None, untaken: tuple[Sequence[JobStatus], StateChange] | None
    ) -> Standing | None:
        stood = None if record is None else self._stood(record)
        if untaken is not None:
            told, change = untaken
            return standing(key, change.ref, before(told, change.previous), change.job, stood)
        if key in self.frozen:
            return self.frozen[key]
        if stood is not None:
            return stood.standing(key)
        over = self.ended.get(key)
        return None if over is None else Standing(key=key, ref=over.ref, ended=True, end=over.end, told=over.told)
