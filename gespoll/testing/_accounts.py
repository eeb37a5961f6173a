"""Who may ask: tokens, users and access keys.

The rule: five wrong passwords in a row lock a user, five wrong signatures an access key, for five minutes, in
which the right ones are refused too. A token that IAM issued dies at its time, or when all are revoked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from . import _replies as replies
from ._signatures import Claim, matches, seconds_off

if TYPE_CHECKING:
    from datetime import datetime

    from ._catalogue import WallClock
    from ._options import Options
    from ._replies import Reply
    from ._routes import Call

__all__ = ["Accounts"]

_WRONG_AT_MOST = 5
_LOCKED_SECONDS = 300.0
_SKEW_AT_MOST = 900.0
_TOKEN_LENGTH = 9120  # a project-scoped token has about this many characters
_UNAUTHORIZED = "The username or password is wrong."


@attrs.define(eq=False)
class _Lock:
    """Counts what is wrong in a row."""

    wrong: int = 0
    until: float = float("-inf")
    """Loop time in seconds."""

    def holds(self, now: float) -> bool:
        """Return whether it is locked at loop time `now`."""
        return now < self.until

    def note(self, now: float, *, right: bool) -> None:
        """Count an attempt."""
        self.wrong = 0 if right else self.wrong + 1
        if self.wrong >= _WRONG_AT_MOST:
            self.wrong, self.until = 0, now + _LOCKED_SECONDS


@attrs.define(eq=False)
class Accounts:
    """What the server remembers of those who ask."""

    options: Options
    expired: set[str] = attrs.field(factory=set, init=False)
    issued: dict[str, float] = attrs.field(factory=dict, init=False)
    """Tokens of IAM, with the loop time at which they die."""
    locks: dict[str, _Lock] = attrs.field(factory=dict, init=False)
    count: int = attrs.field(default=0, init=False)

    def revoke(self) -> None:
        """Let every token that IAM has issued die now."""
        self.issued = dict.fromkeys(self.issued, float("-inf"))

    def token_fault(self, token: str, now: float) -> str | None:
        """Return what is wrong with a token at loop time `now`: "missing", "wrong" or "expired"; None: nothing."""
        if token in self.expired or (token in self.issued and now >= self.issued[token]):
            return "expired"
        if token == self.options.token or token in self.issued:
            return None
        return "wrong" if token else "missing"

    def signature_fault(self, call: Call, clock: WallClock) -> str | None:
        """Return what is wrong with a signature: "wrong", "locked" or "skewed"; None: nothing."""
        claim = Claim.of(call)
        known = None if claim is None else self.options.access_keys.get(claim.ak)
        if claim is None or known is None:
            return "wrong"
        sk, security_token = (known, None) if isinstance(known, str) else known
        lock = self._lock(f"key {claim.ak}")
        if lock.holds(call.now):
            return "locked"
        off = seconds_off(call, clock.at(call.now))
        if off is not None and off > _SKEW_AT_MOST:
            return "skewed"
        right = matches(call, claim, sk) and call.headers.get("X-Security-Token") == security_token
        lock.note(call.now, right=right)
        return None if right else "wrong"

    def _lock(self, name: str) -> _Lock:
        return self.locks.setdefault(name, _Lock())

    def issue(self, call: Call, clock: WallClock) -> Reply:
        """Return what IAM answers to a request for a token."""
        asked = _Asked.of(call.body)
        if asked is None:
            return _refused(400, "The request body is invalid.", "Bad Request")
        user = (asked.domain, asked.user)
        lock = self._lock(f"user {user}")
        if lock.holds(call.now):
            return _refused(401, "The account is locked.", "Unauthorized")
        password = self.options.users.get(asked.user) if asked.domain == self.options.domain else None
        right = password is not None and asked.password == password
        lock.note(call.now, right=right)
        if not right:
            return _refused(401, _UNAUTHORIZED, "Unauthorized")
        if asked.project not in ({"id": self.options.project_id}, {"name": self.options.project_name}):
            return _refused(401, "The project is not found.", "Unauthorized")
        return self._issued(call.now, clock.at(call.now))

    def _issued(self, now: float, wall: datetime) -> Reply:
        self.count += 1
        token = f"fake-iam-token-{self.count}-"
        token += "A/+b" * ((_TOKEN_LENGTH - len(token)) // 4)
        self.issued[token] = now + self.options.token_lifetime
        record = {
            "methods": ["password"],
            "issued_at": _text(wall),
            "expires_at": _text(wall + timedelta(seconds=self.options.token_lifetime)),
            "project": {"id": self.options.project_id, "name": self.options.project_name},
        }
        return replies.json_reply(201, {"token": record}, {"X-Subject-Token": token})


@attrs.frozen
class _Asked:
    """What a request for a token says."""

    domain: str
    user: str
    password: str
    project: dict[str, Any]

    @classmethod
    def of(cls, body: bytes) -> _Asked | None:
        """Return what the body says, or None when it is no such request."""
        try:
            auth = msgspec.json.decode(body)["auth"]
            user = auth["identity"]["password"]["user"]
            if auth["identity"]["methods"] != ["password"]:
                return None
            return cls(user["domain"]["name"], user["name"], user["password"], auth["scope"]["project"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return None


def _refused(status: int, message: str, title: str) -> Reply:
    return replies.json_reply(status, {"error": {"code": status, "message": message, "title": title}})


def _text(wall: datetime) -> str:
    return wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
