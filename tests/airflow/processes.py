"""Starting and ending the processes of a cluster.

Rule: each process leads a session of its own, so that it can be ended with all that it started, by its id;
and whatever happens, all of them are ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc

POSTGRES = "postgres"
_SECONDS_TO_END = 15.0


def free_port() -> int:
    """Find a port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def postgres_programs() -> Path:
    """Find where Debian, or the PATH, has the programs of PostgreSQL's server."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *map(Path, os.get_exec_path())]
    for directory in found:
        if (directory / "initdb").is_file() and (directory / "postgres").is_file():
            return directory
    raise SystemExit("no PostgreSQL server found: install Debian's package postgresql")


class Processes:
    """The processes of one cluster, in the order of their start."""

    def __init__(self, work: Path, environment: dict[str, str]) -> None:
        self.work = work
        self.environment = environment
        self._running: dict[str, anyio.abc.Process] = {}

    async def start(self, name: str, *command: str, user: str | None = None) -> int:
        """Start one, with its output in a file; give its process id."""
        with self.log(name).open("wb") as log:
            process = await anyio.open_process(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.work,
                env=self.environment,
                start_new_session=True,
                user=user,
                group=user,
            )
        self._running[name] = process
        return process.pid

    def log(self, name: str) -> Path:
        """Name the file of a process's output."""
        return self.work / f"{name}.log"

    def check(self) -> None:
        """Fail when one has ended that was not ended."""
        for name, process in self._running.items():
            if process.returncode is not None:
                raise RuntimeError(f"{name} has ended with {process.returncode}: {self.tail(name)}")

    def tail(self, name: str) -> str:
        """Give the end of a process's output."""
        return self.log(name).read_text(errors="replace")[-3000:]

    async def finish(self, name: str) -> None:
        """Wait for one that ends by itself, and fail when it fails."""
        status = await self._running[name].wait()
        del self._running[name]
        if status:
            raise RuntimeError(f"{name} has ended with {status}: {self.tail(name)}")

    async def kill(self, name: str) -> None:
        """Kill one with -9, and all that it started."""
        process = self._running.pop(name)
        _signal(process.pid, signal.SIGKILL)
        await process.wait()

    async def end(self) -> None:
        """End all at once, but for the database, which comes last; kill what does not end in time."""
        last = [self._running.pop("postgres")] if "postgres" in self._running else []
        for processes in (list(self._running.values()), last):
            for process in processes:
                _signal(process.pid, signal.SIGTERM)
            with anyio.move_on_after(_SECONDS_TO_END):
                for process in processes:
                    await process.wait()
            for process in processes:
                _signal(process.pid, signal.SIGKILL)
                await process.wait()

    def memory(self, name: str) -> float:
        """Sum up the resident memory of one and all that it started, in MB; 0 when it is gone."""
        if name not in self._running:
            return 0.0
        return sum(map(_resident, members(self._running[name].pid)))


def members(session: int) -> list[int]:
    """List the processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(path.parent.name))
    return found


def _resident(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _signal(session: int, number: int) -> None:
    for pid in members(session) or [session]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@asynccontextmanager
async def database(processes: Processes) -> AsyncIterator[str]:
    """Run PostgreSQL on loopback, with a directory of its own; give the URL of an empty database."""
    programs, directory, port = postgres_programs(), processes.work / "postgres", free_port()
    user = POSTGRES if os.getuid() == 0 else None  # root may not run it
    directory.mkdir()
    processes.work.chmod(0o711)
    if user is not None:
        shutil.chown(directory, user)

    async def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        await anyio.run_process(command, cwd=directory, user=user, group=user, stderr=subprocess.STDOUT)

    await run("initdb", "--pgdata", str(directory), "--auth", "trust", "--username", "airflow", "--no-sync")
    settings = ["listen_addresses=127.0.0.1", f"unix_socket_directories={directory}", "fsync=off"]
    options = [part for setting in settings for part in ("-c", setting)]
    await processes.start(
        "postgres", str(programs / "postgres"), "-D", str(directory), "-p", str(port), *options, user=user
    )
    await listening(port, processes)
    await run("createdb", "--host", "127.0.0.1", "--port", str(port), "--username", "airflow", "airflow")
    yield f"airflow@127.0.0.1:{port}/airflow"


async def listening(port: int, processes: Processes, seconds: float = 120.0) -> None:
    """Wait until somebody listens at a port of loopback."""
    with anyio.fail_after(seconds):
        while True:
            processes.check()
            with suppress(OSError):
                stream = await anyio.connect_tcp("127.0.0.1", port)
                await stream.aclose()
                return
            await anyio.sleep(0.2)
