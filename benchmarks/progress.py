"""What a long run is doing, on stderr.

Rule: figures go to stdout and to files, never here.
"""

from __future__ import annotations

import sys
import time

STARTED_AT = time.monotonic()


def tell(text: str) -> None:
    """Say what begins now."""
    print(f"[{time.monotonic() - STARTED_AT:5.0f} s] {text}", file=sys.stderr, flush=True)
