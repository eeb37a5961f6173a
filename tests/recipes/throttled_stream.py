"""Thousands of imports, submitted and awaited as one stream in which few are open at a time.

    python tests/recipes/throttled_stream.py

submits 5,000 to a fake service, on virtual time, so that it takes seconds; a number behind it submits as many. For the
real service open `connect()` with your credentials, give the session the same token, and `submit` your graphs and
paths; leave out `virtual_time`.
"""

import sys
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import anyio

import gespoll
from gespoll.testing import FakeFile, FakeGES, FakeJob, virtual_time

OPEN_AT_MOST = 200


async def submit(session: aiohttp.ClientSession, graphs_url: str, number: int) -> AsyncIterator[gespoll.JobRef]:
    """Submit an import each time another may be open; what is raised here ends the stream with the same error."""
    for each in range(number):
        graph = f"graph-{each % 50}"
        body = {"edgeset_path": f"bucket/{each}/edges.csv", "schema_path": "bucket/schema.xml"}
        async with session.post(f"{graphs_url}/{graph}/import-graph", json=body, raise_for_status=True) as reply:
            yield gespoll.JobRef((await reply.json())["job_id"], graph=graph)


async def load(poller: gespoll.Poller, jobs: AsyncIterator[gespoll.JobRef]) -> Counter[str]:
    """Follow the stream to its end, tell each import that went wrong, and count the others."""
    ends: Counter[str] = Counter()
    async with poller.watch(jobs, max_open=OPEN_AT_MOST, job_timeout=3600, on_failure="never") as changes:
        async for change in changes:
            if change.is_final:
                ends[type(change.error).__name__ if change.error else "loaded"] += 1
                if change.error:
                    print(change.error)
    return ends


def fake_import(number: int) -> FakeJob:
    """Make an import that takes a minute or two; of a hundred one loses lines, and one fails."""
    lossy = number % 100 == 50
    files = [FakeFile("edgeset", "edges.csv", status="partFailed" if lossy else "success", failed_lines=3 * lossy)]
    steps = [(0, "pending"), (5, "running"), (60 + number % 60, "failed" if number % 100 == 99 else "success")]
    return FakeJob(f"import-{number}", steps=steps, files=files, fail_reason=None if lossy else "no such path")


async def main(number: int) -> None:
    """Load them all, and sum up."""
    async with FakeGES(imports=fake_import) as ges:
        credentials, graphs_url = gespoll.Token(ges.token), f"{ges.endpoint}/v2/{ges.project_id}/graphs"
        async with (
            aiohttp.ClientSession(headers={"X-Auth-Token": ges.token}) as session,
            gespoll.connect(ges.endpoint, ges.project_id, credentials=credentials) as poller,
        ):
            ends = await load(poller, submit(session, graphs_url, number))
            told = poller.statistics()
    print(", ".join(f"{count} {end}" for end, count in ends.most_common()), "of", ends.total())
    print("after", round(anyio.current_time() / 60), "minutes, by", told.queries + told.windows, "requests")


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if sys.argv[1:] else 5000, backend_options={"loop_factory": virtual_time})
