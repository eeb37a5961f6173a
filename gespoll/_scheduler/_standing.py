"""How one job stands, as the consumer of a watch knows it.

Rule: what a consumer was not given it does not know, whatever other watches or the service told since. Nothing here
changes: what was reported of a job is copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import msgspec

from gespoll._jobs import ImportFile, Job, JobRef, JobStatus
from gespoll._scheduler._evidence import ChannelEvidence, Evidence
from gespoll._scheduler._record import Key, Profile
from gespoll._snapshot import End


class Report(msgspec.Struct, frozen=True, gc=False):
    """What one channel reported of an open job, as far as a snapshot keeps it."""

    end: Job | None
    """The worst end."""
    files: tuple[ImportFile, ...]
    """The files of a reply with bad ones."""


class Reports(msgspec.Struct, frozen=True, gc=False):
    """What both channels reported of an open job, as far as a snapshot keeps it."""

    by_query: Report
    by_list: Report
    ever_shown: bool
    first_joined_at: float


def reports_of(evidence: Evidence | None) -> Reports | None:
    """Copy what a snapshot keeps of what was reported; `None` where that is no more than that the job is open."""
    if evidence is None:
        return None
    return Reports(_report(evidence.by_query), _report(evidence.by_list), evidence.ever_shown, evidence.first_joined_at)


def _report(channel: ChannelEvidence) -> Report:
    return Report(None if channel.end is None else channel.end.job, channel.files)


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
    reports: Reports | None = None
    """What was reported of it, while it has not ended and that is more than that it is open."""
    untaken_end: Job | None = None
    """How it ended by a change that the consumer has not taken."""
    was_shown: bool = False
    """Whether anybody showed it, be it by a change that the consumer has not taken."""
    added_at: float | None = None
    """When it joined, in seconds; `None` where nobody waits for it any more."""
    told: str | None = None
    """What its last change said, if it has ended and that is known."""


class Stood(msgspec.Struct, frozen=True, gc=False):
    """How an open job stood, as far as a watch was told; small, for there may be many."""

    ref: JobRef
    told: Sequence[JobStatus]
    """All statuses told by then, in any order."""
    last: JobStatus | None
    """The last of them."""
    profile: Profile | None
    reports: Reports | None
    added_at: float

    def standing(self, key: Key) -> Standing:
        """Return the same as the consumer knows it, where no change waits to be taken."""
        return standing(key, self.ref, before(self.told, self.last), self.profile, self)


def standing(
    key: Key, ref: JobRef, statuses: Sequence[JobStatus], record: Profile | Job | None, stood: Stood | None
) -> Standing:
    """Tell how an open job stands.

    Args:
        key: the job.
        ref: what the watch calls it.
        statuses: those that the consumer was given, the present one last.
        record: a reading of it, perhaps a later one, of which what does not change is kept.
        stood: how it stands while it is open.
    """
    untaken_end = record if isinstance(record, Job) and record.status.is_terminal else None
    reports, added_at = (None, None) if stood is None else (stood.reports, stood.added_at)
    profile = None
    if statuses:
        last = statuses[-1]
        word = record.word if isinstance(record, Profile) and record.status is last else last.value
        kept = (None,) * 4 if record is None else (record.job_type, record.name, record.related_graph, record.is_import)
        profile = Profile(last, word, *kept)
    return Standing(
        key=key,
        ref=ref,
        statuses=statuses,
        profile=profile,
        reports=reports,
        untaken_end=untaken_end,
        was_shown=record is not None or (reports is not None and reports.ever_shown),
        added_at=added_at,
    )


def before(told: Sequence[JobStatus], previous: JobStatus | None) -> list[JobStatus]:
    """List what a consumer was given before a change.

    Args:
        told: all that was told of the job by then, in any order.
        previous: how it stood then; `None` when nothing had been told.
    """
    return [] if previous is None else [*(status for status in told if status is not previous), previous]
