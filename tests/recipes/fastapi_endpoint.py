"""A FastAPI endpoint that answers when an import has ended.

    pip install fastapi uvicorn
    python tests/recipes/fastapi_endpoint.py

serves it for a moment, with a fake service behind, and calls it. For the real service `app` stays as it is: name
endpoint, project and credentials in the environment, and run `uvicorn fastapi_endpoint:app`; leave out `main`.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import gespoll
from gespoll.testing import FakeFile, FakeGES

CODES = {gespoll.JobNotFound: 404, gespoll.JobError: 422, gespoll.WaitTimeout: 504, gespoll.SourceError: 502}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, gespoll.Poller]]:
    """Open one poller for the life of the application: all its requests share one budget."""
    async with gespoll.connect(interval=1.0) as poller:
        yield {"poller": poller}


app = FastAPI(lifespan=lifespan)


@app.get("/graphs/{graph}/imports/{job_id}")
async def ended(graph: str, job_id: str, request: Request, timeout: float = 60.0) -> dict[str, str]:
    """Answer when the import has ended; a client that hangs up is waited for no longer than `timeout`."""
    poller: gespoll.Poller = request.state.poller
    job = await poller.wait(job_id, graph=graph, timeout=timeout)
    return {"job": job_id, "status": job.status.value}


@app.exception_handler(gespoll.GespollError)
async def tell(_: Request, error: Exception) -> JSONResponse:
    """Tell a client what became of its import; the text of an error holds no secret."""
    code = next(code for kind, code in CODES.items() if isinstance(error, kind))
    return JSONResponse({"error": type(error).__name__, "detail": str(error)}, code)


async def main() -> None:
    """Serve the application, with a fake service behind, and call it."""
    lossy = FakeFile("edgeset", "edges.csv", status="partFailed", cause="row 7", total_lines=90, failed_lines=3)
    async with FakeGES() as ges:
        ges.add_job("good", graph="movies", steps=[(0, "running"), (0.5, "success")])
        ges.add_job("lossy", graph="movies", steps=[(0, "success")], files=[lossy])
        ges.add_job("endless", graph="movies", steps=[(0, "running")])
        os.environ |= {"HUAWEICLOUD_SDK_REGION_GES_X_1": ges.endpoint, "HW_PROJECT_ID": ges.project_id}
        os.environ |= {"HW_AUTH_TOKEN": ges.token}
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks, aiohttp.ClientSession(url) as client:
            tasks.create_task(server.serve([listener]))
            for job in ("good", "lossy", "endless?timeout=0"):
                async with client.get(f"/graphs/movies/imports/{job}") as reply:
                    print(reply.status, await reply.text())
            server.should_exit = True


if __name__ == "__main__":
    asyncio.run(main())
