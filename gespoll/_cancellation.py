"""Telling a cancellation that is meant for us from one that strayed in.

Rule: code of the caller's that runs in our tasks may await something that somebody cancelled. The
error it then raises looks like our own cancellation and must not act as one.
"""

from __future__ import annotations

import asyncio


def is_stray() -> bool:
    """Whether a cancellation error is being handled although nobody cancels the current task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() == 0
