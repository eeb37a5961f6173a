"""How many requests may be under way, and whose: servers that hang do not take all of it.

Rule: a channel (the list or the queries of one scope) hangs when a request of it has been under way for an interval and
nothing came from it since. It may not take the last slot, and where all are taken and a request of another channel is
due, the oldest that hangs is given up as a failure. Each time that happens the channel is given twice as long, so that
one which is merely slow is heard in the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs

from gespoll._scheduler._requests import Request, Window

ChannelKey = tuple[str, bool]
"""A scope, and whether its list is meant: what may hang by itself."""


def channel_of(request: Request) -> ChannelKey:
    """Return the channel that a request asks."""
    return request.scope, isinstance(request, Window)


@attrs.define(eq=False)
class Slots:
    """The requests under way, in the order in which they left. Times are seconds on the monotonic clock."""

    at_most: int
    interval: float
    under_way: dict[Request, None] = attrs.field(factory=dict)
    _heard_at: dict[ChannelKey, float] = attrs.field(factory=dict)
    """When something last came from each channel."""
    _patience: dict[ChannelKey, float] = attrs.field(factory=dict)
    """Seconds, of channels that take longer than an interval, or of which a request was given up."""
    _given_up: set[ChannelKey] = attrs.field(factory=set)
    """Channels of which a request was given up and that were not heard since."""

    @property
    def is_full(self) -> bool:
        """Whether no request may leave."""
        return len(self.under_way) >= self.at_most

    def take(self, request: Request) -> None:
        """Count a request as under way."""
        self.under_way[request] = None

    def free(self, request: Request) -> None:
        """Count a request as under way no more."""
        self.under_way.pop(request, None)

    def heard(self, request: Request, now: float) -> None:
        """Note that something came from a channel."""
        self._heard_at[channel_of(request)] = now
        self._patience[channel_of(request)] = max(2 * (now - request.sent_at), self.interval)
        self._given_up.discard(channel_of(request))

    def hanging(self, now: float) -> set[ChannelKey]:
        """Return the channels that hang."""
        return {*self._given_up, *(channel_of(request) for at, request in self._silent() if at <= now)}

    def _silent(self) -> Iterator[tuple[float, Request]]:
        """Yield the requests since which nothing came from their channel, and from when on they count as hanging."""
        for request in self.under_way:
            channel = channel_of(request)
            if self._heard_at.get(channel, -math.inf) < request.sent_at:
                yield request.sent_at + self._patience.get(channel, self.interval), request

    def blocked(self, now: float) -> set[ChannelKey]:
        """Return the channels that may send nothing: those that hang, where one slot is left or none."""
        return self.hanging(now) if self.at_most > 1 and len(self.under_way) >= self.at_most - 1 else set()

    def next_time(self) -> float:
        """Return when a request is to be given up if others are due; infinite while a slot is free."""
        if not self.is_full or self.at_most == 1:
            return math.inf
        return min((at for at, _ in self._silent()), default=math.inf)

    def give_up(self, now: float) -> Request | None:
        """Return the request that has hung for longest, to be given up so that another may leave."""
        at, request = min(self._silent(), key=lambda each: each[0], default=(math.inf, None))
        if not self.is_full or self.at_most == 1 or request is None or at > now:
            return None
        channel = channel_of(request)
        self._given_up.add(channel)
        self._patience[channel] = 2 * self._patience.get(channel, self.interval)
        return request
