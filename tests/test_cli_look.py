"""The commands `gespoll status` and `gespoll list`, run as processes against a fake service."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")

from gespoll.cli._look import look
from gespoll.cli._options import Service
from gespoll.testing import FakeFile, FakeGES, FakeJob
from tests.shell import COMMAND, NEEDS_TERMINAL, Beside, beside, on_terminal, records, without_codes

LOSSY = FakeFile("edgeset", "e.csv", status="partFailed", cause="row 7", total_lines=9, failed_lines=2)
STARTED: dict[str, Any] = {"graph": "movies", "graph_name": "Movies", "name": "StartGraph"}
JOBS = (
    FakeJob("good", steps=[(0, "success")], **STARTED),
    FakeJob("partial", graph="movies", graph_name="Movies", files=[LOSSY], steps=[(0, "success")]),
    FakeJob("bad", steps=[(0, "failed")], fail_reason="no room", **STARTED),
    FakeJob("open", steps=[(0, "running")], **STARTED),
    FakeJob("42", graph="engine", engine=True, steps=[(0, "success")]),
    FakeJob("43", graph="engine", engine=True, steps=[(0, "running")], command="export_graph"),
)
JOB_KEYS = [
    *["event", "job_id", "graph", "key", "status", "error", "name", "related_graph", "reported_status"],
    *["begin_time", "end_time", "fail_reason", "files", "command", "url"],
]
REFUSED = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def service() -> Iterator[Beside]:
    """Give a service with many jobs, most of other people."""
    with beside(JOBS) as told:
        told.do(told.ges.add_foreign, 250)
        yield told


STATUSES = {
    "open jobs are no failure": (0, ("movies/good", "movies/open")),
    "one failed": (1, ("movies/good", "movies/bad", "movies/open")),
    "one was partly loaded": (3, ("movies/partial", "movies/good")),
    "one is not there": (4, ("movies/nope", "movies/bad", "movies/open")),
    "the token is rejected": (5, ("movies/good", "--token-command", "echo wrong")),
    "nobody listens": (6, ("movies/good", "--endpoint", REFUSED)),
    "no job": (2, ()),
    "no option": (2, ("--foo",)),
}


@pytest.mark.parametrize("case", STATUSES)
def test_the_exit_status_is_that_of_the_states_seen(case: str, service: Beside) -> None:
    """With the statuses and the precedence of a wait."""
    status, arguments = STATUSES[case]
    done = service.run("status", *arguments)
    assert done.returncode == status, done
    assert bool(done.stderr) == (status == 2)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("faults", "status", "text"),
    [(0, 4, "job nope was not found"), (1000, 6, "listing the project's jobs: the service")],
)
async def test_a_job_without_its_graph_is_looked_for_in_the_list(
    faults: int, status: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not there, or nothing could be asked: one look tells."""
    token = tmp_path / "token"
    async with FakeGES() as ges:
        token.write_text(ges.token)
        if faults:
            ges.inject("unavailable", times=faults)
        service = Service(endpoint=ges.endpoint, project=ges.project_id, token_file=token)
        assert await look(["nope"], service, None, "json") == status
    [record] = records(capsys.readouterr().out)
    assert record["status"] is None
    assert record["error"].startswith(text)


def test_one_look_is_a_table(service: Beside) -> None:
    """A line a job, in the order they were typed; for one that is not there, why."""
    done = service.run("status", "--graph", "movies", "open", "bad", "partial", "nope")
    rows = [re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines()]
    assert rows[0] == ["job", "graph", "what", "state", "begin", "end", "reason"]
    assert [row[0] for row in rows[1:]] == ["open", "bad", "partial", "nope"]
    assert rows[1][:4] == ["open", "Movies", "StartGraph", "running"]
    assert (rows[2][3], rows[2][-1]) == ("failed", "no room")
    assert (rows[3][3], rows[3][-1]) == ("partially failed", "row 7")
    assert rows[4][:3] == ["nope", "movies", "never seen"]
    assert rows[4][3].startswith("job movies/nope was not found: ")


def test_one_look_as_json(service: Beside) -> None:
    """A record a job, with the documented keys, and jobs from standard input as well."""
    done = service.run("status", "movies/open", "-", "--output", "json", stdin="movies/nope\nmovies/open\n")
    open_, nope = records(done.stdout)
    assert list(open_) == list(nope) == JOB_KEYS
    assert (open_["event"], open_["status"], open_["error"]) == ("job", "running", None)
    assert (nope["job_id"], nope["status"]) == ("nope", None)
    assert "was not found" in nope["error"]


def test_an_engine_is_looked_at(service: Beside) -> None:
    """By the name of the graph."""
    engine = ("--plane", "engine", "--endpoint", service.ges.endpoint)
    done = service.run("status", "engine/42", "engine/43", "--output=json", *engine)
    assert (done.returncode, [record["status"] for record in records(done.stdout)]) == (0, ["success", "running"])


def test_the_list_is_read_page_by_page(service: Beside) -> None:
    """All jobs, each once."""
    before = len(service.ges.requests)
    done = service.run("list", "--output", "json")
    told = records(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert [list(record) for record in told] == [JOB_KEYS] * len(told)
    assert len({record["job_id"] for record in told}) == len(told) == 254
    assert len(service.ges.requests) - before > 2


def test_a_limit_ends_the_list_early(service: Beside) -> None:
    """No further page is asked for."""
    before = len(service.ges.requests)
    done = service.run("list", "--limit", "3")
    assert len(done.stdout.splitlines()) == 4
    assert len(service.ges.requests) - before == 1


def test_lost_ids_are_found_by_filters(service: Beside) -> None:
    """By status, by the graph's name and by days; what is found can be piped on."""
    day = datetime.now(UTC).date().isoformat()
    found = service.run("list", "--graph=Movies", "--status=running", f"--start={day}", "--output=json")
    [record] = records(found.stdout)
    assert (record["job_id"], record["related_graph"]) == ("open", "Movies")
    assert service.run("list", "--status", "partially_failed", "--end", "2001-01-01").stdout.count("\n") == 1
    done = service.run("wait", "-", "--output=json", "--timeout=0s", "--graph=movies", stdin=record["job_id"])
    assert done.returncode == 124


def test_the_list_of_an_engine_tells_what_was_called(service: Beside) -> None:
    """Of one graph, whose name must be given."""
    engine = ("--plane", "engine", "--endpoint", service.ges.endpoint)
    done = service.run("list", "--graph=engine", "--status=running", "--output=json", *engine)
    [record] = records(done.stdout)
    assert (record["job_id"], record["graph"], record["command"]) == ("43", "engine", "export_graph")
    assert record["url"].endswith("action_id=export-graph")
    done = service.run("list", *engine)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--plane engine needs the name of a graph" in done.stderr
    done = service.run("list", "--graph=engine", "--start=2026-01-01", *engine)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("gespoll: the engine tells no times: leave out --start and --end with --plane engine\n")


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (("--status", "cancelled"), 2, 'Invalid value "cancelled" for --status. Choose from: "pending", "running", '),
        (("--start", "yesterday"), 2, 'Invalid value for --start: unable to convert "yesterday" into date.'),
        (("--limit", "0"), 2, 'Invalid value "0" for --limit. Must be >= 1.'),
        (("--token-command", "echo wrong"), 5, "listing the project's jobs: the credentials were rejected: "),
        (("--endpoint", REFUSED), 6, "listing the project's jobs: no usable reply came: "),
    ],
)
def test_a_list_that_cannot_be_had_says_why(
    arguments: tuple[str, ...], status: int, problem: str, service: Beside
) -> None:
    """On one line of standard error, with the exit status of a wait."""
    done = service.run("list", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"gespoll: {problem}")
    assert done.stderr.count("\n") == 1


@NEEDS_TERMINAL
def test_readers_may_leave_or_not_be_there(service: Beside) -> None:
    """`| head -1` and closed streams end with the statuses that are documented, and without a traceback."""
    listing = shlex.join([*COMMAND, "list", "--output=json"])
    for line, status, output in (
        (f"{listing} | head -1 | cut -c1-14", 0, '{"event":"job"\n'),
        (f"{listing} >&-", 0, ""),
        (f"{shlex.join([*COMMAND, 'list', '--limit=0'])} 2>&-", 2, ""),
    ):
        done = subprocess.run(
            ("sh", "-c", line), capture_output=True, text=True, env=dict(service.environment), timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (status, output, "")


@NEEDS_TERMINAL
def test_a_table_fits_the_terminal(service: Beside) -> None:
    """Long cells are folded, and states are coloured."""
    status, output = on_terminal(*COMMAND, "status", "movies/nope", "movies/bad", **service.environment)
    lines = without_codes(output).splitlines()
    assert status == 4
    assert max(map(len, lines)) <= 80
    assert "\x1b[31mfailed" in output
