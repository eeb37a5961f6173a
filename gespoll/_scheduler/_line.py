"""Where the jobs stand in a list, and which windows show them all.

Rule: the list is read in rounds, in the order of places, and a round asks for each open job once: a
window begins at the next job not seen yet and reaches as far as one request can show. Places are kept
relative to a base that every reply corrects, because entries that come or go shift all others alike.
What a round sees becomes the line of the next one, so nothing is ever sorted but its windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter
from statistics import median_low
from typing import Any

import attrs

from gespoll._scheduler._record import Record

_CALM = 0.7
_CAUTION = 1.5
_SLACK_AT_MOST = 0.25
_TREND = 10.0  # seconds over which a speed is averaged
_STRIDE = 500
_ENDED_KEPT = 8
"""Places of ended jobs that windows go on showing: one is enough to find a list that is behind as a whole."""

Place = tuple[int, Record[Any]]
"""Where in a reply a job stands, counted from its first entry."""


@attrs.frozen(eq=False)
class Reach:
    """A part of a list that shows some jobs."""

    offset: int
    limit: int
    records: tuple[Record[Any], ...]
    is_repeat: bool = False
    """Whether those were missed this round already."""


@attrs.define(eq=False)
class Line:
    """The jobs whose places are known, in the order of the list."""

    round: int = 0
    """The number of the round that is going on, or that was last."""
    drifts: bool = False
    """Whether entries come at the start of the list, and move the others steadily."""
    expected: int = 0
    """Jobs that the windows of this round were to show."""
    lost: list[Record[Any]] = attrs.field(factory=list)
    """Those that they did not show."""
    _parts: list[list[Record[Any]]] = attrs.field(factory=list)
    """The jobs, as windows showed them: parts in the order of the list."""
    _part: int = 0
    _at: int = 0
    """The next job to ask for is this one of that part."""
    _again: list[Record[Any]] = attrs.field(factory=list)
    _seen: list[tuple[int, list[Record[Any]]]] = attrs.field(factory=list)
    _base: int = 0
    _based_at: float = 0.0
    _speed: float = 0.0
    _slack: float = 0.0
    _ended: dict[int, float] = attrs.field(factory=dict)
    """Places of jobs that a query reported to have ended, and until when windows go on showing them, in seconds."""

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def clear(self) -> None:
        """Forget all places."""
        self._parts = []
        self._again = []
        self._seen = []
        self._ended = {}
        self._part = self._at = 0
        self._slack = 0.0

    def begin_round(self, under_way: Iterable[Sequence[Record[Any]]] = ()) -> None:
        """Begin to ask for all jobs once more, in the order in which they were seen last.

        Args:
            under_way: the jobs that each window still under way is to show.
        """
        rest = [part[self._at :] if number == 0 else part for number, part in enumerate(self._parts[self._part :])]
        for left in (*under_way, self._again, *rest):
            unseen = [record for record in left if self._is_due(record)]
            for record in unseen:
                record.seen = self.round  # so that it stands in the new line once
            if unseen:
                self._seen.append((_place(unseen[0]), unseen))
        self._seen.sort(key=itemgetter(0))
        self._parts = [records for _, records in self._seen]
        self._again = []
        self._seen = []
        self._part = self._at = 0
        self.round += 1
        self.expected = 0
        self.lost = []

    def _is_due(self, record: Record[Any]) -> bool:
        return record.place is not None and record.seen != self.round and record.watchers is not None

    def has_next(self) -> bool:
        """Whether this round has still to ask for any job."""
        if self._again:
            self._again = [record for record in self._again if self._is_due(record)]
        return bool(self._again) or self._next_due() is not None

    def _next_due(self) -> Record[Any] | None:
        """Go on to the next job to ask for, and give it."""
        while self._part < len(self._parts):
            part = self._parts[self._part]
            while self._at < len(part):
                if self._is_due(part[self._at]):
                    return part[self._at]
                self._at += 1
            self._part += 1
            self._at = 0
        return None

    def next_reach(self, limit: int, now: float) -> Reach | None:
        """Tell which part of the list to ask for next, which shows as many jobs as one request can.

        Args:
            limit: how many entries a request may ask for.
            now: seconds on the monotonic clock.
        """
        if not self.has_next():
            return None
        slack = min(math.ceil(self._slack), int(limit * _SLACK_AT_MOST))
        is_repeat = bool(self._again)
        records = self._repeated(limit - 2 * slack) if is_repeat else self._following(limit - 2 * slack)
        first, last = self._with_ended(_place(records[0]), _place(records[-1]), limit - 2 * slack, now)
        offset = max(round(self._base_at(now)) + first - slack, 0)
        size = min(limit, last - first + 1 + 2 * slack)
        return Reach(offset, size, tuple(records), is_repeat)

    def remember(self, place: int, until: float) -> None:
        """Let windows that reach near it show the place of a job, which a query reported to have ended, for a while."""
        self._ended[place] = until
        if len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    def _with_ended(self, first: int, last: int, length: int, now: float) -> tuple[int, int]:
        """Widen a window so that it shows the places of jobs that have ended, where it is large enough."""
        if self._ended:
            self._ended = {place: until for place, until in self._ended.items() if now <= until}
        for place in self._ended:
            if max(last, place) - min(first, place) < length:
                first, last = min(first, place), max(last, place)
        return first, last

    def _following(self, length: int) -> list[Record[Any]]:
        """Take the jobs that follow, as far as one window reaches."""
        taken: list[Record[Any]] = []
        end = math.inf
        while (first := self._next_due()) is not None:
            begin = _place(first)
            if begin >= end or (taken and begin < _place(taken[-1])):
                break
            end = min(end, begin + max(length, 1))
            taken += self._take(begin, end)
        return taken

    def _take(self, begin: int, end: float) -> list[Record[Any]]:
        """Take what is due of the part at hand up to a place, at once: there may be a hundred thousand."""
        part, round_ = self._parts[self._part], self.round
        stop = self._at
        while stop < len(part) and (step := part[min(stop + _STRIDE, len(part)) - 1]).place is not None:
            if not begin <= _place(step) < end:
                break
            stop = min(stop + _STRIDE, len(part))
        while stop < len(part) and (part[stop].place is None or begin <= _place(part[stop]) < end):
            stop += 1
        chunk, self._at = part[self._at : stop], stop
        return [each for each in chunk if each.place is not None and each.seen != round_ and each.watchers is not None]

    def _repeated(self, length: int) -> list[Record[Any]]:
        self._again.sort(key=_place)
        end = _place(self._again[0]) + max(length, 1)
        taken = [record for record in self._again if _place(record) < end]
        self._again = self._again[len(taken) :]
        return taken

    def queried(self, record: Record[Any]) -> None:
        """Note that a job of the line was asked for by itself: it keeps its place."""
        record.seen = self.round
        self._seen.append((_place(record), [record]))

    def put_back(self, records: Iterable[Record[Any]]) -> None:
        """Ask in this round again for jobs that no reply came for."""
        self._again += [record for record in records if self._is_due(record)]

    # What replies show

    def _base_at(self, now: float) -> float:
        return self._base + (self._speed * (now - self._based_at) if self.drifts else 0.0)

    def correct(self, offset: int, places: Iterable[Place], now: float) -> bool:
        """Learn from a reply how far the list has moved since the last one; tell whether it could be told.

        Args:
            offset: where the reply's first entry stands in the list.
            places: open jobs in it.
            now: seconds on the monotonic clock.
        """
        found = [offset + at - record.place for at, record in places if record.place is not None]
        if not found:
            return False
        least, most = min(found), max(found)
        base = least if least == most else median_low(found)
        foreseen = self._base_at(now)
        missed = max(abs(base - foreseen) - 0.5, most - base, base - least, 0.0)
        self._slack = max(missed * _CAUTION, self._slack * _CALM if self._slack > 1 else 0.0)
        past = now - self._based_at
        moved = base - self._base
        if self.drifts and past > 0:
            self._speed += (1.0 - math.exp(-past / _TREND)) * (max(moved / past, 0.0) - self._speed)
        self._base, self._based_at = base, now
        return True

    def see(self, offset: int, places: Iterable[Place], asked_in: int) -> None:
        """Note where a reply showed jobs; asked for in this round, each of them is seen in it."""
        shift = offset - self._base
        is_late = asked_in != self.round
        shown = []
        for at, record in places:
            place = at + shift
            if record.place is None or (record.seen != self.round and not is_late):
                record.seen = self.round
                shown.append(record)
            if record.place != place:
                record.place = place
        if shown:
            self._seen.append((_place(shown[0]), shown))

    def missed(self, records: Sequence[Record[Any]], offset: int, count: int, *, may_repeat: bool) -> list[Record[Any]]:
        """Note which jobs a reply was to show and did not: they are asked for again where they stand now, or lost.

        Args:
            records: the jobs that the request was to show.
            offset: where the reply's first entry stands in the list.
            count: how many entries it had.
            may_repeat: whether those that stand elsewhere by now may be asked for once more.

        Returns:
            The jobs that the list does not show any more.
        """
        lost = []
        round_ = self.round
        unseen = [each for each in records if each.seen != round_ and each.place is not None and not each.has_ended]
        self.expected += len(records)
        for record in unseen:
            at = self._base + _place(record)
            if may_repeat and not offset <= at < offset + count:
                self._again.append(record)
            else:
                lost.append(record)
        self.lost += lost
        return lost

    def missed_late(self, records: Sequence[Record[Any]], shown: Iterable[str]) -> list[Record[Any]]:
        """Return the jobs that a reply to a request of an earlier round lacks, and no reply has shown in this one."""
        ids, round_ = set(shown), self.round
        unseen = [each for each in records if each.seen != round_ and each.place is not None and not each.has_ended]
        return [record for record in unseen if record.ref.job_id not in ids]


def _place(record: Record[Any]) -> int:
    return record.place or 0
