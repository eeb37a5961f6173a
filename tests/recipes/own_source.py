"""A source for the jobs of another service, which knows builds and has words of its own.

    python tests/recipes/own_source.py

waits for three builds of a small server that it starts, and for one that is not there. For a service of your own change
paths, words and errors. One without a list has `JobSource` in place of `ListingSource`, and no `list_window`.
"""

import asyncio
import itertools
from typing import Any

import aiohttp
from aiohttp import web

import gespoll
from gespoll import JobStatus

WORDS = {"queued": JobStatus.PENDING, "busy": JobStatus.RUNNING, "green": JobStatus.SUCCESS, "red": JobStatus.FAILED}


class Builds(gespoll.ListingSource):
    """Reads one build or some; when, how often, and what an error means for a wait is the poller's business."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, ref: gespoll.JobRef, /) -> gespoll.Job:
        """Read one build."""
        build = await self._read(f"/builds/{ref.job_id}")
        if build is None:
            raise gespoll.JobNotFound(ref)
        return self._job(build)

    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Any) -> gespoll.ListWindow:
        """Read some builds, of which only the wanted ones need be understood."""
        page = await self._read("/builds", offset=offset, limit=limit)
        ids = tuple(build["id"] for build in page["builds"])
        places = wanted(ids, [build["state"] for build in page["builds"]])
        jobs = tuple(self._job(page["builds"][place]) for place in places)
        return gespoll.ListWindow(ids=ids, jobs=jobs, total=page["total"])

    def _job(self, build: dict[str, str]) -> gespoll.Job:
        ref, word = gespoll.JobRef(build["id"]), build["state"]
        status = WORDS.get(word, JobStatus.UNKNOWN)
        return gespoll.Job(ref=ref, status=status, reported_status=word, fail_reason=build.get("log"), raw=build)

    async def _read(self, path: str, **query: int) -> Any:
        """Make one request; `None` is what the service does not have."""
        try:
            async with self._session.get(path, params=query) as reply:
                if reply.status == 429:
                    raise gespoll.Throttled("too many requests", status=429)
                if reply.status >= 500:
                    raise gespoll.ServiceUnavailable("no answer now", status=reply.status)
                return None if reply.status == 404 else await reply.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise gespoll.TransportError(f"{path}: {type(error).__name__}") from None


def fake_service() -> web.Application:
    """Make a service that is busy with three builds, throttles the second request and is done at the third."""
    asked = itertools.count(1)

    async def answer(request: web.Request) -> web.Response:
        number, job_id = next(asked), request.match_info.get("id")
        ends = {"core": ("green", None), "docs": ("green", None), "face": ("red", "test 7")}
        builds = [{"id": name, "state": end if number > 2 else "busy", "log": log} for name, (end, log) in ends.items()]
        if number == 2:
            return web.Response(status=429)
        if job_id is None:
            first = int(request.query["offset"])
            page = builds[first : first + int(request.query["limit"])]
            return web.json_response({"builds": page, "total": len(builds)})
        found = [build for build in builds if build["id"] == job_id]
        return web.json_response(found[0]) if found else web.Response(status=404)

    app = web.Application()
    app.add_routes([web.get("/builds", answer), web.get("/builds/{id}", answer)])
    return app


async def main() -> None:
    """Wait, and tell each end."""
    runner = web.AppRunner(fake_service())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session,
        gespoll.Poller(Builds(session), interval=0.2, not_found_grace=1) as poller,
    ):
        for result in await poller.wait_all(["core", "docs", "face", "moon"], return_exceptions=True):
            print(result if isinstance(result, Exception) else f"{result.ref} is {result.reported_status}")
        print(poller.statistics().throttled, "throttled")
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
