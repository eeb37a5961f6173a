"""Which request is hit by which fault.

The rule: at most one fault per request, decided on arrival from the order of arrival and one seed, so that
the same requests in the same order meet the same faults. Scripted faults come before drawn ones.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Literal, get_args

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FaultKind", "FaultPlan", "Faults", "RequestKind"]

RequestKind = Literal["get", "list", "other"]

FaultKind = Literal[
    "throttle",
    "throttle_retry_after",
    "server_error",
    "unavailable",
    "bad_gateway",
    "transient_400",
    "not_found",
    "html",
    "html_200",
    "error_in_200",
    "blank_status",
    "invalid_json",
    "wrong_json",
    "drop",
    "truncate",
    "slow",
    "stall",
]

FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
SINGLE_ONLY = frozenset({"not_found"})


def _check_rates(_: object, __: object, rates: Mapping[FaultKind, float]) -> None:
    unknown = sorted(set(rates) - set(FAULT_KINDS))
    if unknown:
        raise ValueError(f"unknown fault kinds {unknown}; known are {', '.join(FAULT_KINDS)}")
    if any(rate < 0.0 for rate in rates.values()) or sum(rates.values()) > 1.0 + 1e-9:
        raise ValueError(f"fault rates must be shares of all requests and add up to 1 at most, not {rates}")


def _kinds(kinds: Iterable[RequestKind]) -> frozenset[RequestKind]:
    return frozenset(kinds)


def check_kind(kind: str) -> None:
    """Raise `ValueError` when `kind` is no fault kind."""
    if kind not in FAULT_KINDS:
        raise ValueError(f"unknown fault kind {kind!r}; known are {', '.join(FAULT_KINDS)}")


@attrs.frozen
class Faults:
    """How often what goes wrong."""

    rates: Mapping[FaultKind, float] = attrs.field(factory=dict, validator=_check_rates)
    """Share of the requests hit, by kind; the shares add up to 1 at most."""
    seed: int | None = None
    """Seed of the draw; None takes the server's."""
    on: frozenset[RequestKind] = attrs.field(
        default=frozenset[RequestKind]({"get", "list"}), converter=_kinds, kw_only=True
    )
    """Which requests are drawn for."""
    match: str = attrs.field(default="", kw_only=True)
    """Only paths that contain this text are drawn for."""
    retry_after: float = attrs.field(default=1.0, kw_only=True)
    """Seconds named by the Retry-After header of "throttle_retry_after"."""
    slow_seconds: float = attrs.field(default=1.0, kw_only=True)
    """Seconds over which the body of a "slow" reply is spread."""
    stall_seconds: float = attrs.field(default=300.0, kw_only=True)
    """Seconds after which a "stall" hangs up when the client has not."""


@attrs.define(eq=False)
class _Scripted:
    kind: FaultKind
    left: int
    match: str


@attrs.define(eq=False)
class FaultPlan:
    """The faults still to come."""

    faults: Faults
    """The drawn faults."""
    rng: Random
    """The seeded source of the draw."""
    scripted: list[_Scripted] = attrs.field(factory=list, init=False)

    @classmethod
    def seeded(cls, faults: Faults, seed: int) -> FaultPlan:
        """Return the plan of `faults`, with `seed` where they name none."""
        return cls(faults, Random(seed if faults.seed is None else faults.seed))

    def inject(self, kind: FaultKind, *, times: int, match: str) -> None:
        """Queue `kind` for the next `times` requests whose path contains `match`."""
        check_kind(kind)
        self.scripted.append(_Scripted(kind, times, match))

    def choose(self, kind: RequestKind, path: str) -> FaultKind | None:
        """Return the fault of the request that has just arrived, or None."""
        return self._next_scripted(kind, path) or self._draw(kind, path)

    def _next_scripted(self, kind: RequestKind, path: str) -> FaultKind | None:
        for entry in self.scripted:
            if entry.match in path and _fits(entry.kind, kind):
                entry.left -= 1
                if entry.left <= 0:
                    self.scripted.remove(entry)
                return entry.kind
        return None

    def _draw(self, kind: RequestKind, path: str) -> FaultKind | None:
        if not self.faults.rates or kind not in self.faults.on or self.faults.match not in path:
            return None
        point = self.rng.random()
        for fault, rate in self.faults.rates.items():
            point -= rate
            if point < 0.0:
                return fault if _fits(fault, kind) else None
        return None


def _fits(fault: FaultKind, kind: RequestKind) -> bool:
    return kind == "get" or fault not in SINGLE_ONLY
