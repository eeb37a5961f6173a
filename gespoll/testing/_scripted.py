"""A source without sockets: each job tells a written story, one reading a look.

Rule: what it is asked is counted, what it answers was written down; nothing is random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import anyio
import anyio.lowlevel
import attrs

from gespoll import Job, JobNotFound, JobRef, JobSource, JobStatus

Reading = Job | JobStatus | Exception
"""What one look brings: a whole record, a bare status, or the error it raises."""


class ScriptedSource(JobSource):
    """Answers each look at a job with the next of its readings; the last one is answered for ever.

    Args:
        stories: job id to its readings. A job without a story is not found.
        delay: seconds a look takes.

    Attributes:
        looks: how often each job was looked at.
        at_once: looks under way now.
        most_at_once: the most there ever were.
    """

    def __init__(self, stories: Mapping[str, Iterable[Reading]], *, delay: float = 0.0) -> None:
        self._stories = {job_id: list(readings) for job_id, readings in stories.items()}
        self._delay = delay
        self.looks: Counter[str] = Counter()
        self.at_once: int = 0
        self.most_at_once: int = 0

    async def get(self, ref: JobRef, /) -> Job:
        """Take the next reading of a job's story.

        Raises:
            JobNotFound: when the job has no story.
            Exception: what the story says.
        """
        self.looks[ref.job_id] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await (anyio.sleep(self._delay) if self._delay else anyio.lowlevel.checkpoint())
        finally:
            self.at_once -= 1
        return self._next(ref)

    def _next(self, ref: JobRef) -> Job:
        story = self._stories.get(ref.job_id)
        if not story:
            raise JobNotFound(ref)
        reading = story.pop(0) if len(story) > 1 else story[0]
        if isinstance(reading, Exception):
            raise reading
        if isinstance(reading, JobStatus):
            return Job(ref=ref, status=reading, reported_status=reading.value)
        return attrs.evolve(reading, ref=ref)
