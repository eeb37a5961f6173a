"""What the service answers.

The rule: one method per documented call, from the call and the jobs to a reply, with the time as an
argument of the call. Nothing here waits, draws a fault or knows a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from . import _replies as replies
from ._filters import JobFilter

if TYPE_CHECKING:
    from ._catalogue import Catalogue, Placed, WallClock
    from ._options import Options
    from ._replies import Reply
    from ._routes import Call
    from ._timeline import Look

__all__ = ["Desk"]


class BadRequestError(Exception):
    """The call asks for something the documents do not allow."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@attrs.define(eq=False)
class Desk:
    """The service behind the gateway."""

    options: Options
    catalogue: Catalogue
    clock: WallClock
    frozen_at: float | None = attrs.field(default=None, init=False)
    imported: int = attrs.field(default=0, init=False)

    def answer(self, call: Call) -> Reply:
        """Return the reply to a call the gateway has let through."""
        engine = call.route.api == "engine"
        try:
            if call.route.kind == "list":
                return self._engine_list(call) if engine else self._job_centre(call)
            if call.route.kind == "get":
                return self._engine_status(call) if engine else self._status(call)
            return self._import(call)
        except BadRequestError as refused:
            return self._error(call, refused.code, refused.message)

    def _error(self, call: Call, code: str, message: str, status: int = 400) -> Reply:
        listing = call.route.kind == "list"
        return replies.service_error(
            status, code, message, call.route.api, listing=listing, old=self.options.old_errors
        )

    def not_found(self, call: Call) -> Reply:
        """Return the answer about a job the service cannot find."""
        return self._error(call, "GES.8301", f"can not find job, jobId is {call.route.job_id}")

    def _look(self, call: Call, placed: Placed, at: float, *, listed: bool = False) -> Look:
        look = placed.look(at, listed=listed)
        if listed and not self.options.list_has_files:
            look = attrs.evolve(look, files=None)
        return attrs.evolve(look, word="") if call.fault == "blank_status" else look

    def _status(self, call: Call) -> Reply:
        route = call.route
        if route.graph in self.catalogue.deleted:
            raise BadRequestError("GES.7000", "The graph does not exist or has been deleted.")
        placed = self.catalogue.find(route.graph, route.job_id or "", call.now)
        if placed is None:
            return self.not_found(call)
        look = self._look(call, placed, call.now)
        begin, end = placed.times(look, self.clock)
        body = replies.job_body(
            placed.job,
            look,
            route.api,
            begin_time=begin,
            end_time=end,
            empty_arrays=self.options.empty_arrays,
        )
        return replies.json_reply(200, replies.success_keys(route.api, self.options.error_keys) | body)

    def _engine_status(self, call: Call) -> Reply:
        route = call.route
        self._check_engine_graph(route.graph)
        offset, limit = self._number(call, "offset", 0, least=0), self._number(call, "limit", 100_000)
        placed = self.catalogue.find_engine(route.graph, route.job_id or "", call.now)
        if placed is None:
            return self.not_found(call)
        blank = None if self.options.error_keys == "null" else ""
        look = self._look(call, placed, call.now)
        return replies.json_reply(200, replies.engine_body(placed.job, look, offset=offset, limit=limit, blank=blank))

    def _check_engine_graph(self, graph_name: str) -> None:
        if graph_name in self.catalogue.deleted:
            raise BadRequestError("GES.8000", f"graph : {graph_name} not exist")

    def _number(self, call: Call, name: str, default: int, *, least: int = 1) -> int:
        text = call.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise self._incorrect(call, name)
        return int(text)

    def _incorrect(self, call: Call, name: str) -> BadRequestError:
        if call.route.api == "engine":
            return BadRequestError("GES.8005", "Parameter error!")
        return BadRequestError("GES.0001", f"Parameter error: {name}.")

    def _list_refusal(self, call: Call) -> Reply | None:
        refused = self.options.list_refused
        if self.options.list_unsupported:
            text = "The API does not exist or has not been published in the environment"
            return replies.gateway_error(404, "APIG.0101", text, call.request_id)
        if not refused:
            return None
        if isinstance(refused, str):
            return self._error(call, refused, "Insufficient permission.")
        if call.route.api == "engine":
            return self._error(call, "GES.8020", "No permission.")
        return replies.gateway_error(403, "APIGW.0302", "The IAM user is not authorized.", call.request_id)

    def _window(self, call: Call, default: int, most: int) -> tuple[int, int]:
        limit, offset = self._number(call, "limit", default), self._number(call, "offset", 0, least=0)
        if self.options.page_policy == "refuse" and "limit" in call.query and limit > most:
            raise self._incorrect(call, "limit")
        return (0 if self.options.list_ignores_offset else offset), min(limit, most)

    def _list_time(self, now: float) -> float:
        return (now if self.frozen_at is None else self.frozen_at) - self.options.list_lag

    def _job_centre(self, call: Call) -> Reply:
        refused = self._list_refusal(call)
        if refused:
            return refused
        api, at = call.route.api, self._list_time(call.now)
        offset, limit = self._window(call, 10, self.options.max_page)
        wanted = self._filter(call)
        shown = [placed for placed in self.catalogue.centre if placed.exists(at)]
        if wanted is not None:
            shown = [placed for placed in shown if wanted.passes(placed, at, self.clock)]
        page = self.catalogue.ordered(shown, self.options.order)[offset : offset + limit]
        entries = [self._centre_entry(call, placed, at) for placed in page]
        body = replies.list_body(entries, len(shown) if self.options.list_count else None, api)
        return replies.json_reply(200, replies.success_keys(api, self.options.error_keys) | body)

    def _centre_entry(self, call: Call, placed: Placed, at: float) -> msgspec.Raw:
        look = self._look(call, placed, at, listed=True)
        return placed.management_entry(look, call.route.api, self.clock, self.options.empty_arrays)

    def _filter(self, call: Call) -> JobFilter | None:
        try:
            return JobFilter.of(call.query, call.route.api)
        except ValueError as wrong:
            raise self._incorrect(call, str(wrong)) from None

    def _engine_list(self, call: Call) -> Reply:
        refused = self._list_refusal(call)
        if refused:
            return refused
        graph, at = call.route.graph, self._list_time(call.now)
        self._check_engine_graph(graph)
        offset, limit = self._window(call, 100_000, self.options.engine_max_page)
        jobs = self.catalogue.engine_lists.get(graph, [])
        shown = [placed for placed in jobs if placed.exists(at)]
        page = self.catalogue.ordered(shown, self.options.order)[offset : offset + limit]
        entries = [self._engine_entry(call, placed, at) for placed in page]
        count = len(shown) if self.options.list_count else None
        build = replies.memory_list_body if self.options.edition == "memory" else replies.engine_list_body
        return replies.json_reply(200, build(entries, count))

    def _engine_entry(self, call: Call, placed: Placed, at: float) -> msgspec.Raw:
        if self.options.edition == "memory":
            return placed.memory_entry(self._look(call, placed, at, listed=True), self.clock, at)
        word = "" if call.fault == "blank_status" else placed.word(at)
        raw_request = self.options.raw_request
        action = placed.job.command.replace("_", "-")
        url = f"/ges/v1.0/{self.options.project_id}/graphs/{call.route.graph}/action?action_id={action}"
        return placed.entry(
            (word, raw_request),
            lambda: replies.engine_entry(placed.job, word, url, raw_request=raw_request),
        )

    def _import(self, call: Call) -> Reply:
        route, engine = call.route, call.route.api == "engine"
        if route.api != "v2" and call.query.get("action_id") != "import-graph":
            raise BadRequestError("GES.8000" if engine else "GES.7048", "Invalid action.")
        if engine:
            self._check_engine_graph(route.graph)
        elif route.graph in self.catalogue.deleted:
            raise BadRequestError("GES.7000", "The graph does not exist or has been deleted.")
        body = self._import_body(call)
        self.imported += 1
        names = self.catalogue.graph_names
        job = attrs.evolve(
            self.options.imports(self.imported),
            graph=route.graph,
            graph_name=route.graph if engine else names.get(route.graph, f"{route.graph}-name"),
            engine=engine,
            request_body=body,
        )
        self.catalogue.add(job, call.now)
        return replies.json_reply(200, replies.submitted_body(job.job_id, route.api))

    def _import_body(self, call: Call) -> dict[str, Any]:
        try:
            return msgspec.json.decode(call.body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError:
            raise BadRequestError("GES.8013", "parameter format error") from None
