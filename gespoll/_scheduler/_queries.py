"""The open jobs of one scope, and the single queries planned for them.

Rule: a job is queried where its graph is known; one that only the list can show is left to the list.
Whether a job needs a query is not decided here, only when it leaves.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

import attrs

from gespoll._errors import SourceError
from gespoll._pacing import RequestBudget, look_delay
from gespoll._scheduler._record import ASKED, Record
from gespoll._scheduler._requests import Get
from gespoll._scheduler._singles import Singles


@attrs.define(eq=False)
class Queries:
    """Open jobs, and when each is queried by itself."""

    scope: str
    has_list: bool
    interval: float
    rng: random.Random
    pace: RequestBudget
    records: dict[str, Record[Any]] = attrs.field(factory=dict)
    """The open jobs by their ids."""
    listed_only: set[str] = attrs.field(factory=set)
    """Ids of jobs that no query can be asked for."""
    needs_list: set[str] = attrs.field(factory=set)
    """Ids of jobs that a query denied or that it has not answered about for a minute: the list may show them."""
    disbelieved: set[str] = attrs.field(factory=set)
    """Ids of jobs of which the list was found to report old states: each needs a query of its own."""
    singles: Singles = attrs.field(factory=Singles)
    _graphs: dict[str, str] = attrs.field(factory=dict)
    """Graph ids by graph name, learned from jobs whose both are known."""

    # Where jobs can be queried

    def locate(self, record: Record[Any], graph: str | None, *, is_learned: bool = True) -> None:
        """Note in which graph a job can be queried; `None` when only the list can show it.

        One that needs a query of its own, which could not be planned before, is queried at once.
        """
        is_new = graph != record.graph
        if is_new:
            record.cared().graph = graph
            record.cared().has_learned_graph = is_learned
        self.sort(record)
        if is_new and record.is_personal:
            self.first(record)

    def sort(self, record: Record[Any]) -> None:
        """Note whether a query can be asked for a job."""
        if self.can_be_queried(record):
            self.listed_only.discard(record.ref.job_id)
        else:
            self.listed_only.add(record.ref.job_id)

    def refuse(self, record: Record[Any], error: SourceError | None) -> None:
        """Note that queries of a job are refused, or with `None` that they may be asked again."""
        if error is not None or record.care is not None:
            record.cared().refusal = error
        self.sort(record)

    def forget(self, record: Record[Any]) -> None:
        """Keep nothing of a job that is no longer waited for."""
        self.records.pop(record.ref.job_id, None)
        self.listed_only.discard(record.ref.job_id)
        self.needs_list.discard(record.ref.job_id)
        self.disbelieved.discard(record.ref.job_id)

    def forget_graph(self, record: Record[Any]) -> None:
        """Forget a learned graph, which the service says is gone; a given one is asked in again."""
        if record.graph is not None and record.cared().has_learned_graph:
            self._graphs = {name: graph for name, graph in self._graphs.items() if graph != record.graph}
            self.locate(record, None)

    def graph_of(self, name: str | None) -> str | None:
        """Tell the id of the graph of a name, if it was learned."""
        return None if name is None else self._graphs.get(name)

    def learn_graph(self, name: str, graph: str) -> None:
        """Note the id of the graph of this name: jobs of it that only the list could show can be queried now."""
        if self._graphs.get(name) == graph:
            return
        self._graphs[name] = graph
        for job_id in sorted(self.listed_only):
            record = self.records[job_id]
            if record.graph is None and record.profile is not None and record.profile.related_graph == name:
                self.locate(record, graph)

    def can_be_queried(self, record: Record[Any]) -> bool:
        """Whether a job can be queried by itself."""
        if record.care is not None and record.care.refusal is not None:
            return False
        return record.graph is not None or not self.has_list

    def depends_on_list(self, record: Record[Any]) -> bool:
        """Whether a job can be queried no more, or was denied or not answered about for a minute."""
        return record.ref.job_id in self.needs_list or record.ref.job_id in self.listed_only

    def may_be_asked(self, record: Record[Any]) -> bool:
        """Whether a job can be queried by itself, and no query of it is under way."""
        return self.can_be_queried(record) and not record.state & ASKED

    def is_free(self, record: Record[Any]) -> bool:
        """Whether a job can be queried by itself, and has no query of its own planned or under way."""
        return self.may_be_asked(record) and not record.is_personal

    # When they are

    def soon(self, record: Record[Any]) -> None:
        """Query a job as soon as may be."""
        if self.is_free(record):
            self.singles.soon(record)

    def first(self, record: Record[Any]) -> None:
        """Query a job before anything else; once more where that is under way."""
        if record.state & ASKED:
            record.cared().is_urgent = True
        elif self.can_be_queried(record):
            if record.care is not None:
                record.care.is_planned = True
            self.singles.first(record)

    def in_turn(self, record: Record[Any], due: float) -> None:
        """Query a job at about a time, behind those that were planned before."""
        if self.is_free(record):
            self.singles.later(record, due)

    def at(self, record: Record[Any], due: float) -> None:
        """Query a job at a time of its own, or at once where that is urgent."""
        if not self.is_urgent(record) and self.can_be_queried(record):
            record.cared().is_planned = True
            self.singles.at(record, due)

    def unplan(self, record: Record[Any]) -> None:
        """Forget the query that a job was to have of its own: the list shows it again."""
        if record.care is not None:
            record.care.due = math.inf
            record.care.is_planned = False

    def is_urgent(self, record: Record[Any]) -> bool:
        """Whether a job whose query is back must be queried once more at once, which is planned here."""
        if record.care is None or not record.care.is_urgent:
            return False
        record.care.is_urgent = False
        self.first(record)
        return True

    def delay(self, record: Record[Any], now: float) -> float:
        """Tell how many seconds to wait before the next query of a job."""
        return look_delay(self.interval, now - record.added_at, self.rng)

    def missing(self, job_ids: Iterable[str]) -> None:
        """Query jobs that the list did not show."""
        for job_id in job_ids:
            self.soon(self.records[job_id])

    # The queries

    def due(self) -> float:
        """Tell when the next query may leave; infinite when none is planned."""
        return max(self.singles.due(), self.pace.ready_at)

    def next(self, now: float) -> Get | None:
        """Give the query that is due, if any is."""
        record = self.singles.pop(now)
        return None if record is None else self.ask(record, now)

    def ask(self, record: Record[Any], now: float) -> Get:
        """Query a job now."""
        record.state |= ASKED
        if record.care is not None:
            record.care.due = math.inf
            record.care.is_planned = False
        self.pace.spend(now)
        return Get(self.scope, record.ref.job_id, record.graph, now)

    def returned(self, request: Get) -> Record[Any] | None:
        """Note that a query is under way no more; gives its job while that is open."""
        record = self.records.get(request.job_id)
        if record is not None:
            record.state &= ~ASKED
        return record
