"""The commands, their options and their help.

Rule: a command's signature is what it takes, and its docstring what it tells; what it does is another module's
business. The fake service, which takes long to import, is imported by the commands that run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from rich.console import Console

from gespoll import JobStatus
from gespoll.cli._demo_options import JOBS, JOBS_AT_MOST, LONGEST, SECONDS_AT_LEAST, SECONDS_AT_MOST
from gespoll.cli._exit import help_text
from gespoll.cli._look import Filters, Format, list_jobs, look
from gespoll.cli._options import Service, Waiting
from gespoll.cli._wait import wait as run_wait

_JobNames = Annotated[str, Parameter(metavar="JOB", allow_leading_hyphen=True, negative=())]
_Filter = Literal["pending", "running", "success", "partially_failed", "failed"]
_AtLeastOne = Number(gte=1)
_PORTS = 65_535
_SERVICE = Service()
_WAITING = Waiting()


def _one_line(error: CycloptsError) -> str:
    return f"gespoll: {error}"


app = App(
    name="gespoll",
    help="Wait for Huawei Cloud Graph Engine Service jobs.",
    version=f"gespoll {version('gespoll')}",
    help_epilogue=help_text(),
    error_console=Console(stderr=True, soft_wrap=True, highlight=False, markup=False),
    error_formatter=_one_line,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


def run(arguments: Sequence[str]) -> int:
    """Run a command and give its exit status.

    Raises:
        SystemExit: with 2 at a usage error.
        KeyboardInterrupt: at Ctrl-C, when all has been told.
    """
    return int(app(list(arguments)) or 0)


@app.command(usage="Usage: gespoll wait [OPTIONS] JOB...")
async def wait(*jobs: _JobNames, service: Service = _SERVICE, waiting: Waiting = _WAITING) -> int:
    """Wait until all jobs have ended.

    Credentials and whatever else is not given come from the environment or the vendor's SDK's credentials file.

    Args:
        jobs: Jobs, as `job` or `graph/job`; `-` reads more from standard input, one a line, while it waits.
        service: Which service is asked.
        waiting: How jobs are waited for.
    """
    return await run_wait(jobs, service, waiting)


@app.command(usage="Usage: gespoll status [OPTIONS] JOB...")
async def status(
    *jobs: _JobNames,
    graph: Annotated[str | None, Parameter(metavar="GRAPH")] = None,
    output: Annotated[Format, Parameter(metavar="FORMAT")] = "human",
    service: Service = _SERVICE,
) -> int:
    """Look once, and tell how jobs stand. An open job is no failure here: the exit status is 0 for it.

    Args:
        jobs: Jobs, as `job` or `graph/job`; `-` reads more from standard input, one a line.
        graph: The graph of the jobs that do not name one.
        output: A table, or a JSON object a line.
        service: Which service is asked.
    """
    return await look(jobs, service, graph, output)


@app.command(name="list")
async def list_(
    *,
    status: Annotated[_Filter | None, Parameter(metavar="STATUS")] = None,
    graph: Annotated[str | None, Parameter(metavar="NAME")] = None,
    start: Annotated[date | None, Parameter(metavar="DATE")] = None,
    end: Annotated[date | None, Parameter(metavar="DATE")] = None,
    limit: Annotated[int | None, Parameter(metavar="N", validator=_AtLeastOne)] = None,
    output: Annotated[Format, Parameter(metavar="FORMAT")] = "human",
    service: Service = _SERVICE,
) -> int:
    """List the jobs that the service keeps, for finding ids that were lost.

    Args:
        status: Only jobs that stand so.
        graph: Only jobs of the graph of this name; with --plane engine it must be given.
        start: Only jobs from this day (UTC) on.
        end: Only jobs up to this day (UTC).
        limit: No more than so many, in the service's order.
        output: A table, or a JSON object a line.
        service: Which service is asked.
    """
    wanted = Filters(
        status=None if status is None else JobStatus(status), graph=graph, start=start, end=end, limit=limit
    )
    return await list_jobs(service, wanted, output)


@app.command
async def serve(
    *,
    scenario: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    port: Annotated[int, Parameter(metavar="N", validator=Number(gte=0, lte=_PORTS))] = 0,
) -> int:
    """Serve a fake Graph Engine Service on 127.0.0.1 until Ctrl-C, and print what a shell needs to reach it.

    Args:
        scenario: What it serves and what goes wrong, in TOML or JSON; without it, it is empty and takes imports.
        port: The port; 0 for any that is free.
    """
    from gespoll.cli._serve import serve as run_server

    return await run_server(scenario, port)


@app.command
async def demo(
    *,
    jobs: Annotated[int, Parameter(metavar="N", validator=Number(gte=1, lte=JOBS_AT_MOST))] = JOBS,
    seed: Annotated[int, Parameter(metavar="N")] = 0,
    seconds: Annotated[
        float, Parameter(metavar="N", validator=Number(gte=SECONDS_AT_LEAST, lte=SECONDS_AT_MOST))
    ] = LONGEST,
) -> int:
    """Watch simulated bulk imports on a simulated service: no cloud, no credentials, about ten seconds.

    Args:
        jobs: How many imports.
        seed: Which imports they are.
        seconds: When the last of them ends.
    """
    from gespoll.cli._demo import demo as run_demo

    await run_demo(jobs, seed, seconds)
    return 0
