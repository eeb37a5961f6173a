"""The number of a change.

Rule: a change is numbered by what it says, its job and how far that has come, and by nothing else. So it has the
same number in every process that sees it, and a consumer that goes on from a snapshot can drop what it has.
"""

from __future__ import annotations

from hashlib import blake2b

from gespoll._jobs import JobStatus
from gespoll._scheduler._record import Key

_STEPS = {JobStatus.PENDING: 1, JobStatus.RUNNING: 2, JobStatus.UNKNOWN: 3}
_LEFT_OPEN = 4
_ENDED = 5
_STEP_BITS = 3
_JOB_BITS = 50  # with those of the step 53, which every reader of JSON takes in exactly


def sequence_of(key: Key, status: JobStatus | None, *, is_final: bool, is_open: bool) -> int:
    """Number a change of a job.

    Args:
        key: the job.
        status: how it stands now.
        is_final: whether the change is its last.
        is_open: whether it may be going on all the same.
    """
    digest = blake2b("\0".join(key).encode(), digest_size=8).digest()
    job = int.from_bytes(digest) >> (64 - _JOB_BITS)
    last = _LEFT_OPEN if is_open else _ENDED
    step = last if is_final or status is None else _STEPS[status]
    return job << _STEP_BITS | step
