"""The id of a change.

Rule: a change is named by its job and by what it says of it, and by nothing else. So it has the same id in every
process and watch, and a consumer that resumes from a snapshot can drop what it has.
"""

from __future__ import annotations

from hashlib import blake2b

from gespoll._jobs import JobStatus
from gespoll._scheduler._record import Key
from gespoll._snapshot import kind_of, leaves_open

_BYTES = 16
"""Of the digest: a collision among 10 thousand million changes is as likely as 1 in 10 to the 18th."""


def change_id(key: Key, told: str) -> str:
    """Return the id of a change.

    Args:
        key: the job.
        told: what the change says of it, as `told_by` words it.
    """
    text = "\0".join((*key, told))  # ids and words hold no NUL
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_BYTES).hexdigest()


def told_by(status: JobStatus | None, error: Exception | None) -> str:
    """Word what a change says: a status, or the kind of end.

    Args:
        status: the status that it shows.
        error: what the job ended in, or was left open with.
    """
    if error is None or (status is not None and status.is_terminal):
        return "" if status is None else status.value
    kind = kind_of(error)
    # A job may be left open more than once, and further along each time.
    return f"{kind} {'never seen' if status is None else status.value}" if leaves_open(error) else kind


def told_by_progress(progress: float) -> str:
    """Word what a change of progress says, which tells each value once."""
    return f"progress {float(progress)!r}"
