"""The last whole record of open jobs, for a few of them.

Rule: of a hundred thousand jobs no more is kept than verdicts need (`_record.Profile`). A whole record takes ten times
as much, so those of the jobs that were read last are kept, and of all jobs only while a deadline passes.
"""

from __future__ import annotations

import attrs

from gespoll._jobs import Job
from gespoll._scheduler._record import Key

KEPT = 100
"""Whole records that are kept at any time: with some 2 KB each they cost 100,000 jobs 2 bytes apiece (of 232), and a
caller who waits for fewer jobs than this has each of them whole."""


@attrs.define(eq=False)
class Latest:
    """The whole records that were read last."""

    _jobs: dict[Key, Job] = attrs.field(factory=dict)
    """The one read last stands last."""

    def __len__(self) -> int:
        return len(self._jobs)

    def of(self, key: Key) -> Job | None:
        """Return the last record of a job; `None` where it is not kept."""
        return self._jobs.get(key)

    def keep(self, key: Key, job: Job, *, all_of_them: bool) -> None:
        """Keep a record, and drop the oldest where there are too many.

        Args:
            key: the job.
            job: how it was reported last.
            all_of_them: whether none is to be dropped.
        """
        self._jobs.pop(key, None)
        self._jobs[key] = job
        if not all_of_them:
            self.trim()

    def forget(self, key: Key) -> None:
        """Drop the record of a job that nobody waits for."""
        self._jobs.pop(key, None)

    def trim(self) -> None:
        """Drop the oldest where there are too many."""
        while len(self._jobs) > KEPT:
            del self._jobs[next(iter(self._jobs))]
