"""`serve`: the fake service in the foreground, for trying one's own orchestration against it.

Rule: what a shell needs to reach it is printed as assignments that a shell can read, once it listens.
"""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import anyio

from gespoll.cli._exit import ExitStatus, UsageError
from gespoll.cli._output import complain, say
from gespoll.cli._scenario import Scenario, read_scenario
from gespoll.cli._words import counted
from gespoll.testing import FakeGES

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def serve(scenario: Path | None, port: int) -> int:
    """Serve until a signal to end comes, and give the exit status.

    Args:
        scenario: a file; without one the service is empty, and takes imports.
        port: of 127.0.0.1; 0 for any that is free.

    Raises:
        UsageError: when the scenario cannot be served, or not there.
    """
    script = Scenario() if scenario is None else read_scenario(scenario)
    try:
        async with script.service(port) as ges:
            script.populate(ges)
            await _until_told(ges, script)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(f"port {port} of 127.0.0.1 cannot be had: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"the scenario {scenario} cannot be served: {error}") from None
    served = ", ".join(f"{number} x {kind}" for kind, number in ges.fault_counts.items())
    complain(f"served {counted(len(ges.requests), 'request')}; on purpose badly: {served or 'none'}")
    return ExitStatus.SUCCEEDED


async def _until_told(ges: FakeGES, script: Scenario) -> None:
    with anyio.open_signal_receiver(*_SIGNALS) as signals:
        _introduce(ges)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_misbehave, ges, script)
            async for _ in signals:
                break
            tasks.cancel_scope.cancel()


def _introduce(ges: FakeGES) -> None:
    complain("serving until Ctrl-C; a shell that reads the lines below has what `gespoll wait` needs")
    values = {
        "HUAWEICLOUD_SDK_REGION_GES_FAKE": ges.endpoint,
        "HW_PROJECT_ID": ges.project_id,
        "HW_AUTH_TOKEN": ges.token,
    }
    say("\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items()))


async def _misbehave(ges: FakeGES, script: Scenario) -> None:
    """Let each fault begin at its time."""
    began_at = anyio.current_time()
    for fault in sorted(script.faults, key=lambda each: each.at):
        await anyio.sleep_until(began_at + fault.at)
        ges.inject(fault.kind, times=fault.times, match=fault.match)
