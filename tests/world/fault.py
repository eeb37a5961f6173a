"""What a judge finds."""

from __future__ import annotations

from typing import Literal

import attrs

Sort = Literal["wrong", "late", "costly", "left over"]


@attrs.frozen
class Fault:
    """One thing that is not as it must be."""

    sort: Sort
    kind: str
    """Few words that faults of one kind share."""
    text: str
    at: float = 0.0

    def __str__(self) -> str:
        return f"{self.sort}, {self.kind}: {self.text} (at {self.at:.1f} s)"
