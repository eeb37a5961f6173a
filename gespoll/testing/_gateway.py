"""What stands before the service: who may ask, the project check and the rate limit.

The rule: a request is refused here or passed on unchanged. The management plane refuses as the API gateway
does; the engine, which has no gateway, answers with its own codes and HTTP 400.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._replies import Reply, gateway_error, service_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._accounts import Accounts
    from ._catalogue import WallClock
    from ._faults import Faults
    from ._options import Options
    from ._routes import Call

__all__ = ["Limiter", "refusal"]


@attrs.define(eq=False)
class Limiter:
    """A token bucket that starts full."""

    options: Options
    tokens: float | None = attrs.field(default=None, init=False)
    filled_at: float = attrs.field(default=0.0, init=False)

    def admits(self, now: float) -> bool:
        """Take one token at loop time `now`; tell whether there was one."""
        rate = self.options.max_rate
        if rate is None:
            return True
        most = max(rate * self.options.window, 1.0)
        full = most if self.tokens is None else min(most, self.tokens + (now - self.filled_at) * rate)
        self.filled_at = now
        self.tokens = full - 1.0 if full >= 1.0 else full
        return full >= 1.0

    def text(self) -> str:
        """Return the policy as the gateway words it."""
        rate, window = self.options.max_rate, self.options.window
        limit = 10 if rate is None else max(round(rate * window), 1)
        if window >= 60.0 and window % 60.0 == 0.0:
            return f"limit:{limit},time:{window / 60.0:g} minute"
        return f"limit:{limit},time:{window:g} second"


def throttled(request_id: str, policy: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return the gateway's 429."""
    text = f"The throttling threshold has been reached: policy user over ratelimit,{policy}"
    return gateway_error(429, "APIG.0308", text, request_id, headers)


def not_published(request_id: str) -> Reply:
    """Return the gateway's answer to a path or method it does not know."""
    text = "The API does not exist or has not been published in the environment"
    return gateway_error(404, "APIG.0101", text, request_id)


def refusal(call: Call, options: Options, accounts: Accounts, clock: WallClock) -> Reply | None:
    """Return why the call may not go on to the service, or None when it may.

    A token goes before a signature beside it, which is then not looked at.

    Args:
        call: The request.
        options: The server's project.
        accounts: Who may ask.
        clock: The server's wall clock.
    """
    if call.route.project is None:
        return not_published(call.request_id)
    signed = "Authorization" in call.headers and "X-Auth-Token" not in call.headers
    fault = accounts.signature_fault(call, clock) if signed else None
    if not signed:
        fault = accounts.token_fault(call.headers.get("X-Auth-Token", ""), call.now)
    if call.route.plane == "engine":
        return _engine_refusal(call, options, fault)
    if fault is not None:
        code, text = (_SIGNATURE_FAULTS if signed else _TOKEN_FAULTS)[fault]
        return gateway_error(401, code, text, call.request_id)
    if call.route.project != options.project_id:
        return service_error(400, "GES.0016", "The resource does not exist.", call.route.api)
    return None


_INCORRECT = "Incorrect IAM authentication information"
_TOKEN_FAULTS = {
    "missing": ("APIGW.0301", f"{_INCORRECT}: x-auth-token not found"),
    "wrong": ("APIGW.0301", f"{_INCORRECT}: decrypt token fail"),
    "expired": ("APIGW.0307", "The token must be updated"),
}
_SIGNATURE_FAULTS = {
    "wrong": ("APIGW.0301", f"{_INCORRECT}: verify aksk signature fail"),
    "locked": ("APIGW.0301", f"{_INCORRECT}: AK access failed to reach the limit, forbidden"),
    "skewed": ("APIGW.0303", "Incorrect app authentication information: signature expired"),
}


def _engine_refusal(call: Call, options: Options, fault: str | None) -> Reply | None:
    found: tuple[str, str] | None = None
    if fault is not None:
        found = "GES.8007", "Invalid token."
    elif call.route.project != options.project_id:
        found = "GES.8006", "Invalid resource access."
    elif call.headers.get("X-Language", "") not in {"en-us", "zh-cn"}:
        found = "GES.8005", "Parameter error!"
    return found and service_error(400, *found, "engine", old=options.old_errors)


def early_fault(call: Call, faults: Faults, policy: str) -> Reply | None:
    """Return the answer of a fault that keeps the request from the service, or None.

    Args:
        call: The request with its fault.
        faults: How the faults are dressed.
        policy: The rate limit as text.
    """
    retry_after = {"Retry-After": f"{faults.retry_after:g}"}
    api, request_id = call.route.api, call.request_id
    if call.route.iam and call.fault in {"throttle", "throttle_retry_after"}:
        headers = retry_after if call.fault == "throttle_retry_after" else None
        return gateway_error(429, "IAM.0012", "Too many requests.", request_id, headers)
    if call.fault == "throttle":
        return throttled(request_id, policy)
    if call.fault == "throttle_retry_after":
        return throttled(request_id, policy, retry_after)
    if call.fault == "bad_gateway":
        return gateway_error(502, "APIG.0201", "Backend unavailable", request_id)
    service = _SERVICE_FAULTS.get(call.fault or "")
    return service and service_error(*service, api, listing=call.route.kind == "list")


_SERVICE_FAULTS = {
    "server_error": (500, "GES.8302", "Failed to query the job."),
    "unavailable": (503, "GES.8602", "The service is unavailable."),
    "transient_400": (400, "GES.7006", "An internal error of the underlying service occurred."),
    "error_in_200": (200, "GES.8302", "Failed to query the job."),
}
