"""The knobs of a poller, and what they may be.

Rule: a value that cannot work is refused at once, with a sentence that says what to give.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, TypedDict

import attrs


def _positive(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
    _number(attribute.name, value)
    if not value > 0:
        raise ValueError(f"{attribute.name}={value!r} must be more than 0")


def _positive_or_none(_: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None:
        _positive(_, attribute, value)


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
    _number(attribute.name, value)
    if not value >= 0:
        raise ValueError(f"{attribute.name}={value!r} must be 0 or more, in seconds")


def _number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name}={value!r} must be finite")


def _whole(_: object, attribute: attrs.Attribute[Any], value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{attribute.name} must be a whole number, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{attribute.name}={value!r} must be 1 or more")


Unconfirmed = Literal["accept", "raise"]


def _unconfirmed(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in {"accept", "raise"}:
        raise ValueError(f"{attribute.name}={value!r} must be 'accept' or 'raise'")


@attrs.frozen(kw_only=True)
class Settings:
    """The knobs of a poller."""

    interval: float = attrs.field(default=5.0, validator=_not_negative)
    """Seconds: how soon a change is to be known. The budget may stretch it, nothing shrinks it."""
    max_per_second: float = attrs.field(default=10.0, validator=_positive)
    """Requests per second, at most, over everything the poller does."""
    max_at_once: int = attrs.field(default=10, validator=_whole)
    """Requests under way at the same time, at most."""
    request_timeout: float = attrs.field(default=30.0, validator=_positive)
    """Seconds one request may take."""
    not_found_grace: float = attrs.field(default=60.0, validator=_not_negative)
    """Seconds a server may deny a job, five times in a row at least, before it counts as not found."""
    outage_timeout: float | None = attrs.field(default=900.0, validator=_positive_or_none)
    """Seconds without a good answer before waiting ends, 60 at most when there never was one; `None` waits on."""
    verify: float | None = attrs.field(default=3600.0, validator=_positive_or_none)
    """Seconds in which each job that one channel alone shows is asked for by the other, as far as the budget allows;
    `None` leaves the least, one request in a hundred."""
    pending_timeout: float | None = attrs.field(default=None, validator=_positive_or_none)
    """Seconds after which a job that has never begun to run ends as `PendingTimeout`; `None` waits on."""
    unconfirmed: Unconfirmed = attrs.field(default="accept", validator=_unconfirmed)
    """Whether a success that nothing confirmed is one, or raises `EndUnconfirmed`."""

    @property
    def between_reports(self) -> float:
        """Seconds that lie between two reports of an end, at least, for both to count.

        A longer interval than the grace would keep a success unconfirmed for as long as an outage.
        """
        return min(self.interval, self.not_found_grace)


class Knobs(TypedDict, total=False):
    """The keyword arguments of a `Poller`; meanings, units and defaults are those of `Settings`."""

    interval: float
    max_per_second: float
    max_at_once: int
    request_timeout: float
    not_found_grace: float
    outage_timeout: float | None
    verify: float | None
    pending_timeout: float | None
    unconfirmed: Unconfirmed


def check_knobs(names: Iterable[str]) -> None:
    """Refuse knobs that there are not.

    Raises:
        TypeError: which names those that there are.
    """
    known = [field.name for field in attrs.fields(Settings)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise TypeError(f"there is no argument {unknown[0]!r}; the knobs are {', '.join(known)}")


def check_timeout(name: str, value: float | None) -> None:
    """Refuse a time limit that cannot be one.

    Raises:
        TypeError: when it is no number.
        ValueError: when it is negative or not finite.
    """
    if value is None:
        return
    _number(name, value)
    if value < 0:
        raise ValueError(f"{name}={value!r} must be 0 or more seconds; None waits without limit, 0 looks once")


def check_max_open(value: int | None) -> None:
    """Refuse a number of open jobs that cannot be one.

    Raises:
        TypeError: when it is no whole number.
        ValueError: when it is less than 1.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"max_open must be a whole number or None, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"max_open={value!r} must be 1 or more; None pulls all refs at once")
