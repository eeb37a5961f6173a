"""The way of one request from its arrival to its reply.

The rule: a request is logged and its fault decided when it arrives, before anything can wait; then the
faults before the service, the gateway and the service are asked in that order, and the first reply stands.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Self

import attrs

from ._accounts import Accounts
from ._faults import FaultPlan
from ._gateway import Limiter, early_fault, refusal, throttled
from ._replies import html_page
from ._routes import Call, LoggedRequest, Route, without_secrets

if TYPE_CHECKING:
    from aiohttp import web

    from ._desk import Desk
    from ._options import Options
    from ._replies import Reply

__all__ = ["Front"]

_WRONG_JSON = (b"[]", b"null", b'"ok"', b'{"job_list":7,"jobList":7,"jobs":7,"status":{},"job_count":"many"}')


@attrs.define(eq=False)
class Front:
    """What every request passes."""

    options: Options
    plan: FaultPlan
    limiter: Limiter
    rng: Random
    accounts: Accounts
    requests: list[LoggedRequest] = attrs.field(factory=list, init=False)
    in_flight: int = attrs.field(default=0, init=False)
    max_in_flight: int = attrs.field(default=0, init=False)

    @classmethod
    def of(cls, options: Options) -> Self:
        """Return the front of a server with these options."""
        plan = FaultPlan.seeded(options.faults, options.seed)
        return cls(options, plan, Limiter(options), Random(options.seed), Accounts(options))

    def arrive(self, request: web.BaseRequest, now: float) -> tuple[LoggedRequest, Call]:
        """Count and log a request that arrives at loop time `now`; the caller counts it out again."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        route = Route.of(request.method, request.rel_url.raw_path)
        fault = self.plan.choose(route.kind, request.path)
        query = dict(request.query)
        logged = LoggedRequest(
            at=now,
            method=request.method,
            path=request.path,
            query=query,
            plane=route.plane,
            kind=route.kind,
            job_id=route.job_id,
            request_id=f"{len(self.requests) + 1:032x}",
            in_flight=self.in_flight,
            headers=without_secrets(request.headers),
            fault=fault,
        )
        self.requests.append(logged)
        return logged, Call(
            route, request.method, request.raw_path, query, request.headers, logged.request_id, now, fault=fault
        )

    def reply(self, call: Call, desk: Desk) -> Reply:
        """Return what is said to `call`, spoilt if its fault says so."""
        early = early_fault(call, self.options.faults, self.limiter.text())
        if early is not None:
            return early
        if call.route.iam:
            return self._spoil(call, self.accounts.issue(call, desk.clock))
        if not self.limiter.admits(call.now):
            return throttled(call.request_id, self.limiter.text())
        refused = refusal(call, self.options, self.accounts, desk.clock)
        if refused is not None:
            return refused
        if call.fault == "not_found":
            return desk.not_found(call)
        return self._spoil(call, desk.answer(call))

    def _spoil(self, call: Call, reply: Reply) -> Reply:
        if call.fault == "html":
            return html_page(502)
        if call.fault == "html_200":
            return html_page(200)
        if call.fault == "invalid_json":
            return attrs.evolve(reply, status=200, body=reply.body[:-1])
        if call.fault == "wrong_json":
            return attrs.evolve(reply, status=200, body=self.rng.choice(_WRONG_JSON))
        return reply
