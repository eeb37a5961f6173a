"""What the scheduler asks for: a single status query, or a window of a list.

Rule: a request is itself and equals no other; its answer is matched to it by identity.
"""

from __future__ import annotations

import attrs


@attrs.frozen(eq=False)
class Get:
    """A single status query."""

    scope: str
    job_id: str
    graph: str | None
    sent_at: float


@attrs.frozen(eq=False)
class Window:
    """A list query."""

    scope: str
    offset: int
    limit: int
    sent_at: float


Request = Get | Window
