"""A program that is killed in mid-wait, starts again from its snapshot, and acts on every end once.

    python tests/recipes/survive_a_restart.py

does so with a fake service: it starts itself as a worker, kills that, and starts it again. For the real service `work`
stays as it is: name endpoint, project and credentials in the environment, hand it your jobs and a folder that stays.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import gespoll
from gespoll.testing import FakeGES, FakeJob

NUMBER = 30


async def work(refs: list[gespoll.JobRef], folder: Path) -> None:
    """Wait for the jobs, or go on doing so; the deadline stays the one of the first start."""
    snapshot, done = folder / "snapshot.json", folder / "done.txt"
    acted = {line.split()[0] for line in read(done).splitlines()}
    async with gespoll.connect(interval=0.2) as poller:
        before = read(snapshot)
        watch = poller.resume(json.loads(before)) if before else poller.watch(refs, timeout=3600, on_failure="never")
        async with watch as changes:
            async for change in changes:
                if change.is_final and change.id not in acted:  # told again if the kill came between these two
                    act(done, change)
                keep(snapshot, changes.snapshot())


def act(done: Path, change: gespoll.StateChange) -> None:
    """Do what an end asks for, and write down its id: best in one transaction of your database."""
    with done.open("a") as file:
        file.write(f"{change.id} {change.ref} {type(change.error).__name__ if change.error else 'loaded'}\n")


def keep(path: Path, snapshot: dict[str, Any]) -> None:
    """Replace the snapshot as a whole, so that none is ever cut off. With very many jobs, do it once a second."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(snapshot))
    new.replace(path)


def read(path: Path) -> str:
    """Read what is kept; nothing at the first start."""
    return path.read_text() if path.exists() else ""


async def main(folder: str) -> None:
    """Play the service and the one who kills."""
    done = Path(folder, "done.txt")
    async with FakeGES() as ges, asyncio.timeout(30):
        imports = [
            FakeJob(f"import-{number}", graph="movies", steps=[(0, "running"), (1 + number / 10, "success")])
            for number in range(NUMBER)
        ]
        ges.add_jobs(imports[: NUMBER // 2])  # the service does not know the others yet
        os.environ |= {"HUAWEICLOUD_SDK_REGION_GES_X_1": ges.endpoint, "HW_PROJECT_ID": ges.project_id}
        os.environ |= {"HW_AUTH_TOKEN": ges.token}
        worker = await asyncio.create_subprocess_exec(sys.executable, __file__, folder)
        for _ in range(500):
            if len(read(done).splitlines()) > NUMBER // 3:
                break
            await asyncio.sleep(0.02)
        worker.kill()
        await worker.wait()
        ges.add_jobs(imports[NUMBER // 2 :])
        print("killed in mid-wait:", 0 < len(read(done).splitlines()) < NUMBER)
        worker = await asyncio.create_subprocess_exec(sys.executable, __file__, folder)
        print("the second worker left with status", await worker.wait())
    lines = [line.split() for line in read(done).splitlines()]
    print(len(lines), "ends of", len({job for _, job, _ in lines}), "jobs were acted on")


if __name__ == "__main__":
    if sys.argv[1:]:
        jobs = [gespoll.JobRef(f"import-{number}", "movies") for number in range(NUMBER)]
        asyncio.run(work(jobs, Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            asyncio.run(main(temporary))
