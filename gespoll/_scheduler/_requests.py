"""What the scheduler asks for: a single status query, or a window of a list.

Rule: a request is itself and equals no other; its answer is matched to it by identity.
"""

from __future__ import annotations

from typing import Any

import attrs

from gespoll._scheduler._record import Record


@attrs.frozen(eq=False)
class Get:
    """A single status query."""

    scope: str
    job_id: str
    graph: str | None
    sent_at: float


@attrs.define(eq=False)
class Window:
    """A list query."""

    scope: str
    offset: int
    limit: int
    sent_at: float
    expected: tuple[Record[Any], ...] = attrs.field(default=(), repr=False)
    """The jobs that it is to show, by where they stood last."""
    is_repeat: bool = False
    """Whether those were missed this round already."""


Request = Get | Window
