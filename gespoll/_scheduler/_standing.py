"""How one job stands, as the consumer of a watch knows it.

Rule: what a consumer was not given it does not know, whatever other watches or the service told since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from gespoll._jobs import Job, JobRef, JobStatus
from gespoll._scheduler._evidence import Evidence
from gespoll._scheduler._record import Key, Profile, Record
from gespoll._snapshot import End


@attrs.frozen(kw_only=True)
class Standing:
    """One job of a watch, as its consumer knows it."""

    key: Key
    ref: JobRef
    """What the watch calls it."""
    statuses: Sequence[JobStatus] = ()
    """Told and taken, the present one last."""
    profile: Profile | None = None
    """What was kept of the last reading, while it has not ended."""
    ended: bool = False
    end: End = None
    """How it ended, if the watch keeps that."""
    evidence: Evidence | None = None
    """What was reported of it, while it has not ended and that is more than that it is open."""
    untaken_end: Job | None = None
    """How it ended by a change that the consumer has not taken."""
    added_at: float | None = None
    """When it joined, in seconds; `None` where nobody waits for it any more."""
    told: str | None = None
    """What its last change said, if it has ended and that is known."""


def standing(key: Key, ref: JobRef, statuses: Sequence[JobStatus], record: Profile | Job | None) -> Standing:
    """Tell how an open job stands.

    Args:
        key: the job.
        ref: what the watch calls it.
        statuses: those that the consumer was given, the present one last.
        record: a reading of it, perhaps a later one, of which what does not change is kept.
    """
    untaken_end = record if isinstance(record, Job) and record.status.is_terminal else None
    if not statuses:
        return Standing(key=key, ref=ref, untaken_end=untaken_end)
    last = statuses[-1]
    word = record.word if isinstance(record, Profile) and record.status is last else last.value
    kept = (None,) * 4 if record is None else (record.job_type, record.name, record.related_graph, record.is_import)
    return Standing(key=key, ref=ref, statuses=statuses, profile=Profile(last, word, *kept), untaken_end=untaken_end)


def before(told: Sequence[JobStatus], previous: JobStatus | None) -> list[JobStatus]:
    """List what a consumer was given before a change.

    Args:
        told: all that was told of the job by then, in any order.
        previous: how it stood then; `None` when nothing had been told.
    """
    return [] if previous is None else [*(status for status in told if status is not previous), previous]


def with_evidence(stood: Standing, record: Record[Any] | None) -> Standing:
    """Add what was reported of a job that is still open."""
    if record is None:
        return stood
    return attrs.evolve(stood, evidence=record.evidence, added_at=record.added_at)
