"""What somebody who knows every end beforehand could reach.

Rule: pure. The bound looks when a job has ended and never before; the service's rate limit and round trip
bind it, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.figures import Run
from benchmarks.service import JITTER, Bucket
from benchmarks.workload import Work


def clairvoyant_gets(works: Iterable[Work], per_second: float, round_trip: float = 0.0) -> Run:
    """Send one GET a job, first ended first, as soon as the rate allows it.

    Args:
        works: the jobs.
        per_second: requests per second that the service lets through, a second's worth at once.
        round_trip: seconds, of which the shortest there is counts.
    """
    bucket, way_back = Bucket(per_second), round_trip / 2 * (1 - JITTER)
    now, latencies = 0.0, []
    for end in sorted(work.ends_at for work in works):
        now = bucket.next_at(max(now, end))
        bucket.admits(now)
        latencies.append(now - end + way_back)
    return Run.of(latencies, len(latencies))


def clairvoyant_lists(works: Sequence[Work], per_second: float, max_page: int, round_trip: float = 0.0) -> Run:
    """Read, whenever the rate allows, the window of the list with the most ends that nobody has seen.

    It is greedy, so not the least there can be, but no scheme that does not know the ends comes near it.

    Args:
        works: the jobs, in the order of the list.
        per_second: requests per second that the service lets through, a second's worth at once.
        max_page: most entries in a window.
        round_trip: seconds, of which the shortest there is counts.
    """
    ends = np.array([work.ends_at for work in works])
    size = min(max_page, len(ends))
    bucket, way_back = Bucket(per_second), round_trip / 2 * (1 - JITTER)
    unseen = np.ones(len(ends), dtype=bool)
    now, latencies, requests = 0.0, [], 0
    while unseen.any():
        now = bucket.next_at(max(now, ends[unseen].min()))
        bucket.admits(now)
        counts = np.concatenate(([0], np.cumsum(unseen & (ends <= now))))
        start = int(np.argmax(counts[size:] - counts[:-size]))
        window = slice(start, start + size)
        found = unseen[window] & (ends[window] <= now)
        latencies += (now - ends[window][found] + way_back).tolist()
        unseen[window] &= ~found
        requests += 1
    return Run.of(latencies, requests)
