"""The command `gespoll` as a process: in pipes, in a terminal, against a fake service that runs beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, TypeVar

import attrs
import msgspec
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from gespoll.testing import FakeGES, FakeJob

COMMAND = (sys.executable, "-W", "error", "-m", "gespoll")
# A process that is started by one that ignores SIGINT, as a shell's background jobs do, would ignore it, too.
LISTEN = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
INTERRUPTIBLE = (sys.executable, "-W", "error", "-c", LISTEN + "runpy.run_module('gespoll', run_name='__main__')")
NEEDS_TERMINAL = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
LIMIT = 60.0
_OURS = ("HUAWEICLOUD_", "HW_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")

Result = TypeVar("Result")


def bare_environment() -> dict[str, str]:
    """Give the environment without what could point to a service or colour a terminal."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


@attrs.frozen
class Beside:
    """A fake service in a thread beside the test, and commands that are pointed to it."""

    ges: FakeGES
    portal: BlockingPortal
    environment: Mapping[str, str]

    def do(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function on the service's event loop."""
        return self.portal.call(function, *arguments)

    def add(self, *jobs: FakeJob) -> None:
        """Add jobs."""
        self.do(self.ges.add_jobs, jobs)

    def until(self, condition: Callable[[FakeGES], object]) -> None:
        """Wait until something is so of the service."""
        deadline = time.monotonic() + LIMIT
        while not condition(self.ges):
            assert time.monotonic() < deadline, "it never came so"
            time.sleep(0.01)

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        known = {**self.environment, **environment}
        return subprocess.run(
            (*COMMAND, *arguments), input=stdin, capture_output=True, text=True, timeout=LIMIT, env=known, check=False
        )

    @contextmanager
    def started(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start the command, with all its streams in pipes; end it if it has not."""
        known = {**self.environment, **environment}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with (
            subprocess.Popen((*INTERRUPTIBLE, *arguments), text=True, env=known, **pipes) as process,  # type: ignore[call-overload]
            ended_in_time(process),
        ):
            yield process


@contextmanager
def beside(jobs: Iterable[FakeJob] = (), **options: Any) -> Iterator[Beside]:
    """Run a fake service beside the test, with some jobs."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeGES(**options)) as ges,
    ):
        known = {"HUAWEICLOUD_SDK_REGION_GES_FAKE": ges.endpoint, "HW_PROJECT_ID": ges.project_id}
        told = Beside(ges, portal, {**bare_environment(), **known, "HW_AUTH_TOKEN": ges.token})
        told.add(*jobs)
        yield told


@contextmanager
def ended_in_time(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill a process that outlives the block, or a minute."""
    limit = threading.Timer(LIMIT, process.kill)
    limit.start()
    try:
        yield
    finally:
        limit.cancel()
        process.kill()


def line_with(text: str, stream: IO[str] | None) -> str:
    """Read lines until one holds a text, and give it."""
    assert stream is not None
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"the stream ended without {text!r}")


def records(output: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in output.splitlines()]


@contextmanager
def terminal(*command: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], Iterator[str]]]:
    """Run a command in a terminal of 80 columns, for a minute at most; give what it writes, piece by piece."""
    outer, inner = os.openpty()
    known = {
        **bare_environment(),
        "TERM": "xterm",
        "COLUMNS": "80",
        "LINES": "30",
        "PYTHONIOENCODING": "utf-8",
        **environment,
    }
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=known)
    os.close(inner)
    limit = threading.Timer(60.0, process.kill)
    limit.start()
    try:
        yield process, pieces(outer)
    finally:
        process.kill()
        process.wait()
        limit.cancel()
        os.close(outer)


def pieces(descriptor: int) -> Iterator[str]:
    """Read until the other side has hung up, which Linux calls an error."""
    while True:
        try:
            read = os.read(descriptor, 65536)
        except OSError:
            return
        if not read:
            return
        yield read.decode(errors="replace")


def on_terminal(*command: str, **environment: str) -> tuple[int, str]:
    """Run a command in a terminal; give its exit status and all that it wrote."""
    with terminal(*command, **environment) as (process, written):
        output = "".join(written)
        return process.wait(), output


def without_codes(output: str) -> str:
    """Leave the letters only, and begin a line wherever the cursor went back to one's beginning."""
    return re.sub(r"\r+\n?", "\n", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output))
