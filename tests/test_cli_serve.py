"""The command `gespoll serve`, run as a process, and what its scenarios may say."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")

import gespoll
from gespoll.cli._exit import UsageError
from gespoll.cli._scenario import Accounts, Course, Drawn, File, Foreign, Options, ScriptedJob, read_scenario
from gespoll.testing import FakeFile, FakeGES, FakeJob, Faults
from tests.shell import COMMAND, INTERRUPTIBLE, NEEDS_SIGNALS, bare_environment, ended_in_time

SCENARIO = """
[options]
project_id = "feedbeef"
max_page = 50

[accounts]
token = "it's me"

[[jobs]]
job_id = "import-a"
graph = "movies"
steps = [[0, "pending"], [0.2, "success"]]
files = [{kind = "edgeset", path = "e.csv", status = "partFailed", cause = "row 7", total_lines = 9, failed_lines = 2}]

[[jobs]]
job_id = "start-b"
graph = "movies"
name = "StartGraph"
steps = [[0, "failed"]]
fail_reason = "no room"

[[imports]]
steps = [[0, "success"]]
files = [{kind = "edgeset", path = "e.csv"}]

[[foreign]]
count = 120

[[faults]]
kind = "throttle"
times = 2

[[faults]]
kind = "unavailable"
match = "/jobs"
"""


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Start the server; give the process and the environment it tells, once it listens."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    known = bare_environment()
    with (
        subprocess.Popen((*INTERRUPTIBLE, "serve", *arguments), text=True, env=known, **pipes) as process,
        ended_in_time(process),
    ):
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        told = dict(shlex.split(line)[1].split("=", 1) for line in lines)
        yield process, {**known, **told}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment."""
    return subprocess.run(
        (*COMMAND, *arguments), capture_output=True, text=True, env=environment, timeout=60, check=False
    )


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Give the file of a scenario."""
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO)
    return path


@NEEDS_SIGNALS
@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_a_scenario_is_served_until_a_signal(way: signal.Signals, scenario: Path) -> None:
    """What is printed is all that a wait needs; faults are met; it ends with status 0 and a count."""
    with serving("--scenario", str(scenario)) as (process, environment):
        assert environment["HW_PROJECT_ID"] == "feedbeef"
        assert environment["HW_AUTH_TOKEN"] == "it's me"
        done = run(environment, "wait", "movies/import-a", "movies/start-b", "--interval=200ms", "--output=json")
        process.send_signal(way)
        output, errors = process.communicate(timeout=30)
    *_, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, summary["failed"], summary["partly_failed"]) == (1, 1, 1)
    assert (process.returncode, output) == (0, "")
    assert errors.startswith(
        "gespoll: serving until Ctrl-C; a shell that reads the lines below has what `gespoll wait`"
    )
    assert re.search(
        r"^gespoll: served \d+ requests; on purpose badly: 2 x throttle, 1 x unavailable$", errors, re.MULTILINE
    )


@NEEDS_SIGNALS
def test_a_port_can_be_chosen() -> None:
    """Without a scenario it is empty; a port that is taken is a usage error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(bare_environment(), "serve", "--port", str(port))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"gespoll: port {port} of 127.0.0.1 cannot be had: ")
    with serving("--port", str(port)) as (_, environment):
        assert environment["HUAWEICLOUD_SDK_REGION_GES_FAKE"] == f"http://127.0.0.1:{port}"
        assert run(environment, "list", "--output=json").stdout == ""


WRONG = {
    "[[jobs]]\njob_id = 3": "Expected `str`, got `int` - at `$.jobs[0].job_id`",
    "[[jobs]]\njob_id = 'a'\nstep = []": "Object contains unknown field `step` - at `$.jobs[0]`",
    "[[jobs]]\njob_id = 'a'\nsteps = []": "Length of 'steps' must be >= 1: 0 - at `$.jobs[0]`",
    "[[jobs]]\njob_id = 'a'\n[[jobs]]\njob_id = 'a'": "already",
    "[[imports]]\nsteps = [[0]]": "Expected `array` of length 2, got 1 - at `$.imports[0].steps[0]`",
    "[[faults]]\nkind = 'earthquake'": "Invalid enum value 'earthquake' - at `$.faults[0].kind`",
    "[drawn_faults]\nrates = {throttle = 2}": "fault rates must be shares of all requests",
    "[jobs": "Expected ']'",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_scenario_is_told_with_the_place(text: str, tmp_path: Path) -> None:
    """On one line, and nothing is served."""
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    done = run(bare_environment(), "serve", "--scenario", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    *_, problem = done.stderr.splitlines()
    assert problem.startswith(f"gespoll: the scenario {path} cannot be served: ")
    assert WRONG[text] in problem


def test_a_scenario_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(UsageError, match=r"nothing\.toml cannot be read: No such file or directory"):
        read_scenario(tmp_path / "nothing.toml")


def test_a_scenario_may_be_json(tmp_path: Path) -> None:
    """Where the file's name says so; what is no JSON is told with its place."""
    path = tmp_path / "scenario.json"
    path.write_text('{"jobs": [{"job_id": "a", "steps": [[0, "running"]], "vanishes_after": 3}]}')
    [job] = read_scenario(path).jobs
    made = job.job(job.job_id)
    assert (made.steps, made.vanishes_after, made.graph) == (((0.0, "running"),), 3.0, "graph-1")
    path.write_text('{"jobs": [}')
    with pytest.raises(UsageError, match=r"JSON is malformed: invalid character \(byte 10\)"):
        read_scenario(path)


@pytest.mark.parametrize(
    ("part", "noun", "left"),
    [
        (File, FakeFile, set()),
        (ScriptedJob, FakeJob, {"request_body", "results"}),
        (Drawn, Faults, set()),
        (Foreign, None, set()),
        (Accounts, FakeGES, None),
        (Options, FakeGES, None),
    ],
)
def test_a_scenario_says_what_the_fake_can_be_told(part: Any, noun: Any, left: set[str] | None) -> None:
    """Its keys are the arguments of the fake's nouns; nouns are told whole, but for what is named here."""
    keys = set(part.__struct_fields__)
    if noun is None:
        assert keys == {"count", "graph_name", "status", "age"}
        return
    names = {field.name for field in attrs.fields(noun) if field.init}
    assert keys <= names
    assert left is None or names - keys == left


@pytest.mark.anyio
async def test_submitted_imports_take_their_courses_in_turn(scenario: Path) -> None:
    """The first again after the last."""
    script = read_scenario(scenario)
    two = [Course(steps=[(0, "success")]), Course(steps=[(0, "failed")], fail_reason="row 1")]
    script = type(script)(imports=two)
    async with script.service(0) as ges:
        script.populate(ges)
        made = [ges.imports(number) for number in (1, 2, 3)]
    assert [(job.job_id, job.steps[0][1]) for job in made] == [
        ("import-1", "success"),
        ("import-2", "failed"),
        ("import-3", "success"),
    ]


@pytest.mark.anyio
async def test_a_fault_begins_at_its_time(tmp_path: Path) -> None:
    """Before it, requests are answered well."""
    from gespoll.cli._serve import _misbehave

    path = tmp_path / "scenario.toml"
    path.write_text("[[faults]]\nkind = 'throttle'\nat = 60.0\n[[faults]]\nkind = 'unavailable'\ntimes = 2")
    script = read_scenario(path)
    async with script.service(0) as ges, anyio.create_task_group() as tasks:
        ges.add_job("1", graph="movies", steps=[(0, "running"), (90, "success")], name="StartGraph")
        tasks.start_soon(_misbehave, ges, script)
        async with gespoll.connect(ges.endpoint, ges.project_id, credentials=gespoll.Token(ges.token)) as poller:
            await poller.wait("1", graph="movies")
        hit = {logged.fault: logged.at for logged in ges.requests if logged.fault}
    assert hit["unavailable"] < 60.0 <= hit["throttle"]
