"""The command `gespoll wait`, run as a process against a fake service: exit status and both streams."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")

import gespoll
from gespoll import JobRef
from gespoll.cli._outages import Outages
from gespoll.testing import FakeFile, FakeGES, FakeJob
from tests.shell import (
    COMMAND,
    NEEDS_SIGNALS,
    NEEDS_TERMINAL,
    Beside,
    beside,
    line_with,
    on_terminal,
    records,
    terminal,
    without_codes,
)

WHOLE = FakeFile("edgeset", "bucket/edges.csv")
LOSSY = FakeFile(
    "edgeset",
    "bucket/edges.csv",
    status="partFailed",
    cause="no such\nvertex",
    log="bucket/edges.log",
    total_lines=9,
    failed_lines=2,
    successful_lines=7,
)
JOBS = (
    FakeJob("good", graph="movies", files=[WHOLE], steps=[(0, "success")]),
    FakeJob("partial", graph="movies", files=[LOSSY], steps=[(0, "success")]),
    FakeJob("bad", graph="movies", name="StartGraph", steps=[(0, "failed")], fail_reason="no room"),
    FakeJob("cancelled", graph="movies", name="StartGraph", steps=[(0, "cancelled")]),
    FakeJob("endless", graph="movies", steps=[(0, "running")]),
    FakeJob("stuck", graph="movies", steps=[(0, "pending")]),
    FakeJob("halted", graph="movies", name="StartGraph", steps=[(0, "halted")]),
    FakeJob("42", graph="engine", engine=True, steps=[(0, "success")]),
)
CHANGE_KEYS = [
    *[
        "event",
        "time",
        "id",
        "observed_time",
        "job_id",
        "graph",
        "key",
        "previous",
        "status",
        "is_final",
        "error_type",
        "error",
        "tolerated",
        "lag",
    ],
    *["name", "related_graph", "reported_status", "begin_time", "end_time", "fail_reason", "files"],
]
SUMMARY_KEYS = [
    *["event", "exit_status", "jobs", "succeeded", "tolerated", "partly_failed", "failed", "cancelled"],
    *["not_found", "open"],
    *["requests", "elapsed", "pending"],
]


@pytest.fixture(scope="module")
def service() -> Iterator[Beside]:
    """Give a service with a job for every end."""
    with beside(JOBS) as told:
        yield told


def spawn(told: Beside, *command: str, **details: Any) -> subprocess.CompletedProcess[str]:
    """Run any command in the environment that points to the service."""
    known = {"capture_output": True, "text": True, "env": dict(told.environment), "timeout": 60, "check": False}
    return subprocess.run(command, **{**known, **details})


def quick(job_id: str, **details: Any) -> FakeJob:
    """Make a job that runs for a moment."""
    steps = [(0.0, "pending"), (0.5, "running"), (1.5, "success")]
    return FakeJob(job_id, **{"graph": "movies", "files": [WHOLE], "steps": steps, **details})


# Exit statuses, by rows of the table

REFUSED = "http://127.0.0.1:9"
ENDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "all succeeded": (0, ("movies/good",)),
    "one failed": (1, ("movies/good", "movies/bad", "movies/partial")),
    "one was cancelled": (1, ("movies/cancelled",)),
    "a wrong option": (2, ("movies/good", "--timeout", "soon")),
    "one was partly loaded": (3, ("movies/good", "movies/partial")),
    "few lines were lost": (0, ("movies/good", "movies/partial", "--max-failed-lines", "2")),
    "a small share of lines was lost": (0, ("movies/partial", "--max-failed-lines", "23%", "--on-failure", "first")),
    "too many lines were lost": (3, ("movies/partial", "--max-failed-lines", "0.2")),
    "a tolerance is none": (2, ("movies/partial", "--max-failed-lines", "few")),
    "a job does not begin": (124, ("movies/stuck", "movies/good", "--pending-timeout", "500ms")),
    "a word is said to mean a failure": (1, ("movies/halted", "--status-word", "halted=failed")),
    "a word is said to mean a success": (
        0,
        ("movies/halted", "--status-word=molten=failed", "--status-word", "halted=success"),
    ),
    "a word means nothing": (2, ("movies/halted", "--status-word", "halted")),
    "a word means two things": (
        2,
        ("movies/halted", "--status-word", "halted=failed", "--status-word", "halted=success"),
    ),
    "a word means what is no status": (2, ("movies/halted", "--status-word", "halted=molten")),
    "an id is rejected": (4, ("movies/good", "--project", "fedcba")),
    "the token is rejected": (5, ("movies/good", "--token-command", "echo wrong")),
    "nobody listens": (6, ("movies/good", "--endpoint", REFUSED, "--timeout", "100ms")),
    "the time is over": (124, ("movies/endless", "movies/bad", "--timeout", "1s")),
    "no time at all": (124, ("movies/endless", "--timeout", "0s")),
    "failures are left out": (0, ("movies/bad", "movies/partial", "--on-failure", "never")),
    "the time is over, failures left out": (
        124,
        ("movies/bad", "movies/endless", "--on-failure=never", "--timeout=1s"),
    ),
    "the first failure ends it": (1, ("movies/bad", "movies/endless", "--on-failure", "first")),
    "an engine is asked": (0, ("--plane", "engine", "--endpoint", "ENDPOINT", "engine/42")),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_exit_status_tells_the_end(case: str, service: Beside) -> None:
    """Quietly: nothing is written to standard output."""
    status, arguments = ENDS[case]
    known = [service.ges.endpoint if word == "ENDPOINT" else word for word in arguments]
    done = service.run("wait", "--output", "quiet", "--interval=200ms", *known)
    assert (done.returncode, done.stdout) == (status, "")
    assert bool(done.stderr) == (status in {2, 4, 5, 6, 124} or "first" in case), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.anyio
async def test_a_job_that_is_not_found_is_waited_for_within_the_grace(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """After a minute, of virtual time, the status is 4, and a failure beside it does not hide it."""
    from gespoll.cli._options import Service, Waiting
    from gespoll.cli._wait import wait

    async with FakeGES() as ges:
        ges.add_jobs(JOBS)
        token = tmp_path / "token"
        token.write_text(ges.token)
        service = Service(endpoint=ges.endpoint, project=ges.project_id, token_file=token)
        assert await wait(["movies/nope", "movies/bad"], service, Waiting()) == 4
    told = capsys.readouterr()
    assert re.search(r"^ +\d+\.\d s  movies/nope not found: job movies/nope was not found: ", told.out, re.MULTILINE)
    assert told.err == ""


def test_every_row_of_the_table_is_reached() -> None:
    """By the cases above and the interrupts below."""
    assert {status for status, _ in ENDS.values()} == {0, 1, 2, 3, 4, 5, 6, 124}


# What is written


def test_a_pipe_gets_a_line_a_change_and_a_table(service: Beside) -> None:
    """Plain text: every change on one line, then the bad jobs and files, then a summary."""
    done = service.run("wait", "--graph", "movies", "good", "partial", "bad")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    changes = sorted(re.sub(r"^ +\d+\.\d s  ", "", line) for line in lines[:3])
    assert changes == [
        "movies/bad failed: no room",
        "movies/good success",
        'movies/partial partially failed (called "success"): no such\ufffdvertex',
    ]
    rows = [re.split(r" {2,}", line.strip()) for line in lines[3:6]]
    assert rows[0] == ["job", "state", "file", "lines lost", "cause", "log"]
    assert ["movies/bad", "failed", "no room"] in rows
    edges = ["edgeset bucket/edges.csv", "2 of 9", "no such\ufffdvertex", "bucket/edges.log"]
    assert ["movies/partial", "partially failed", *edges] in rows
    assert re.fullmatch(
        r"3 of 3 jobs ended: 1 succeeded, 1 partly failed, 1 failed; \d+ requests? in \d+\.\d s\.", lines[6]
    )
    assert len(lines) == 7
    assert "\x1b" not in done.stdout


def test_json_is_a_record_a_change_and_a_summary(service: Beside) -> None:
    """With the documented keys, the times in UTC, and nothing else on standard output."""
    done = service.run("wait", "--output", "json", "movies/partial", "movies/endless", "--timeout", "1s")
    *changes, summary = records(done.stdout)
    assert done.returncode == 124
    assert [list(change) for change in changes] == [CHANGE_KEYS] * len(changes)
    assert list(summary) == SUMMARY_KEYS
    partial = next(change for change in changes if change["job_id"] == "partial")
    assert (partial["event"], partial["graph"], partial["status"]) == ("change", "movies", "partially_failed")
    assert (partial["previous"], partial["is_final"], partial["reported_status"]) == (None, True, "success")
    assert partial["error_type"] == "ImportPartiallyFailed"
    assert partial["files"][0]["failed_lines"] == 2
    assert datetime.fromisoformat(partial["time"]).utcoffset() is not None
    assert partial["lag"] >= 0
    last = changes[-1]
    assert (last["job_id"], last["status"], last["error_type"]) == ("endless", "running", "WaitTimeout")
    assert (summary["exit_status"], summary["jobs"], summary["open"], summary["partly_failed"]) == (124, 2, 1, 1)
    assert summary["pending"] == [{"job_id": "endless", "graph": "movies", "key": None, "status": "running"}]
    assert summary["requests"] >= 1


def test_records_leave_at_once() -> None:
    """Each change can be read while the command still waits."""
    with beside(JOBS) as told, told.started("wait", "movies/good", "movies/new", "--output=json") as process:
        assert process.stdout is not None
        [first] = records(process.stdout.readline())
        assert (first["job_id"], process.poll()) == ("good", None)
        told.add(FakeJob("new", graph="movies", name="StartGraph", steps=[(0, "success")]))
        *_, summary = records(process.stdout.read())
    assert (summary["succeeded"], summary["exit_status"]) == (2, 0)


def test_a_job_given_twice_is_told_once(service: Beside) -> None:
    """With and without its graph."""
    done = service.run("wait", "--output=json", "movies/good", "movies/good", "good")
    *changes, summary = records(done.stdout)
    assert [change["is_final"] for change in changes] == [True]
    assert (summary["jobs"], summary["succeeded"]) == (1, 1)


# Usage errors

WRONG = {
    (): "which jobs? Give their ids, or - to read them from standard input, one a line",
    ("--foo", "1"): "unknown option --foo; a job of that id is given as graph/job or on standard input",
    (
        "a//",
        "--timeout",
        "5",
    ): "Invalid value for --timeout: '5' is no duration, such as 90s, 15m, 2h or 1h30m: did you",
    ("movies/",): "'movies/' is no job, given as job or graph/job: job_id '' is not an id",
    ("1", "--rate", "0"): 'Invalid value "0.0" for --rate. Must be > 0.',
    ("1", "--rate", "inf"): "--rate inf must be finite",
    ("1", "--interval", "0s"): 'Invalid value "0s" for --interval. must be more than 0s',
    ("1", "--max-open", "0"): 'Invalid value "0" for --max-open. Must be > 0.',
    ("1", "--output", "xml"): 'Invalid value "xml" for --output. Choose from: "human", "json", "quiet".',
    ("1", "--plane", "engine"): "--plane engine needs --endpoint, the URL of the graphs' engine",
    ("1", "--plane=engine", f"--endpoint={REFUSED}"): "--plane engine needs the name of a graph: give --graph, or jobs",
    ("g/1", "--plane=engine", f"--endpoint={REFUSED}", "--api=v1.0"): "--api is of the management plane: leave it out",
    (
        "g/1",
        "2",
        "--plane=engine",
        f"--endpoint={REFUSED}",
    ): "job 2 needs the name of its graph on the engine: give",
    (
        "1",
        "--endpoint",
        "http://10.0.0.1",
    ): "endpoint 'http://10.0.0.1' would send credentials in clear text: use https, or pass --allow-http",
    ("1", "--project", "a-b"): "--project 'a-b' must be the letters and digits of a project id",
}


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_usage_error_says_what_to_do(arguments: tuple[str, ...], service: Beside) -> None:
    """On one line of standard error, before anything is asked."""
    before = len(service.ges.requests)
    done = service.run("wait", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gespoll: {WRONG[arguments]}")
    assert done.stderr.count("\n") == 1
    assert len(service.ges.requests) == before


def test_what_is_missing_is_told_in_the_words_of_the_command_line(service: Beside, tmp_path: Path) -> None:
    """All of it at once, with the options that would give it."""
    empty = {name: "" for name in service.environment if name.startswith(("HUAWEICLOUD_", "HW_"))}
    done = service.run("wait", "1", **empty, HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gespoll: not given and not found: the endpoint (looked for --endpoint, --region, ")
    assert "; the project (looked for --project, HUAWEICLOUD_SDK_PROJECT_ID" in done.stderr
    assert "; the credentials (looked for --token-file, --token-command, HUAWEICLOUD_SDK_AK" in done.stderr
    assert "=" not in done.stderr


def test_the_help_tells_the_exit_statuses(service: Beside) -> None:
    """In one table, in the order of their precedence."""
    done = service.run("wait", "--help")
    table = done.stdout[done.stdout.index(" exit status ") :]
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^ +(\d+) ", table, flags=re.MULTILINE) == ["130", "2", "5", "6", "124", "4", "1", "3", "0"]


# Standard input


def test_jobs_are_read_from_standard_input(service: Beside) -> None:
    """Beside those that are named, without blank lines, the last without its end."""
    done = service.run("wait", "-", "movies/bad", "--output=json", "--graph=movies", stdin="\n good \n\nmovies/partial")
    *_, summary = records(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert (summary["jobs"], summary["succeeded"], summary["partly_failed"], summary["failed"]) == (3, 1, 1, 1)


def test_jobs_are_read_from_a_file(service: Beside, tmp_path: Path) -> None:
    """A file never makes anybody wait; neither does an empty one."""
    names = tmp_path / "jobs.txt"
    names.write_text("movies/good\n" * 500)
    with names.open() as stdin:
        done = subprocess.run(
            (*COMMAND, "wait", "-"),
            stdin=stdin,
            capture_output=True,
            text=True,
            env=dict(service.environment),
            check=False,
        )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("1 of 1 job ended: 1 succeeded; ")
    done = service.run("wait", "-")
    assert (done.returncode, done.stderr) == (0, "gespoll: no job was given: standard input held none\n")


def test_standard_input_is_read_while_jobs_are_waited_for() -> None:
    """What comes first is told before the rest has come."""
    with beside(JOBS) as told, told.started("wait", "-", "--output=json", "--interval=200ms") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("movies/good\n")
        process.stdin.flush()
        [seen] = records(process.stdout.readline())
        assert seen["job_id"] == "good"
        process.stdin.write("movies/bad\nmovies/partial\n")
        process.stdin.close()
        *_, summary = records(process.stdout.read())
        process.wait(timeout=30)
    assert (summary["succeeded"], summary["jobs"], process.returncode) == (1, 3, 1)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("movies/", "line 2 of standard input: 'movies/' is no job, given as job or graph/job: "),
        ("a\tb", "line 2 of standard input: 'a\\tb' is no job"),
    ],
)
def test_a_line_that_is_no_job_ends_it(line: str, problem: str, service: Beside) -> None:
    """The line is named, and what was taken in can be gone on with."""
    done = service.run("wait", "-", "--output=quiet", stdin=f"movies/endless\n{line}\nmovies/good\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gespoll: {problem}")
    assert "1 job still open, which nothing here stops: movies/endless (" in done.stderr
    assert re.search(r"^gespoll: to go on: .* wait --output quiet movies/endless -$", done.stderr, re.MULTILINE)


def test_a_line_of_a_graph_without_an_engine_ends_it(service: Beside) -> None:
    """The text names the graphs that have one."""
    engine = ("--plane=engine", f"--endpoint={service.ges.endpoint}", "--graph=engine")
    done = service.run("wait", "-", *engine, stdin="42\nother/1\n")
    assert done.returncode == 2
    assert "graph 'other' has no engine endpoint; endpoints are given for: engine" in done.stderr


def test_bytes_that_are_no_text_end_it(service: Beside) -> None:
    """The line is named."""
    done = subprocess.run(
        (*COMMAND, "wait", "-"),
        input=b"\xff\n",
        capture_output=True,
        env=dict(service.environment),
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "line 1 of standard input is not UTF-8" in str(done.stderr)


@NEEDS_TERMINAL
def test_standard_input_that_cannot_be_read_ends_it(service: Beside, tmp_path: Path) -> None:
    """Closed, or open for writing only: a sentence, and no traceback."""
    closed = spawn(service, "sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "wait", "-")
    assert (closed.returncode, closed.stdout) == (2, "")
    assert closed.stderr == "gespoll: - reads jobs from standard input, which is closed\n"
    file = str(tmp_path / "file")
    written = spawn(service, "sh", "-c", 'exec "$@" 0>"$0"', file, *COMMAND, "wait", "-", "--output=quiet")
    assert written.returncode == 2
    assert written.stderr.startswith("gespoll: standard input cannot be read: Bad file descriptor\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a pipe holds what it likes")
def test_a_pipe_waits_while_enough_jobs_are_open() -> None:
    """With --max-open the submitter can write little more than what is waited for."""
    jobs = [FakeJob(f"{number:04}", graph="movies", steps=[(0, "running")]) for number in range(2)]
    with (
        beside(jobs) as told,
        told.started("wait", "-", "--max-open=2", "--output=json", "--interval=200ms") as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        descriptor = process.stdin.fileno()
        lines = b"".join(b"movies/%04d\n" % number for number in range(2000))
        written = os.write(descriptor, lines[: 2 * 12])
        assert {records(process.stdout.readline())[0]["job_id"] for _ in jobs} == {"0000", "0001"}
        os.set_blocking(descriptor, False)
        written += os.write(descriptor, lines[written:])
        with pytest.raises(BlockingIOError):
            os.write(descriptor, b"movies/more\n")
        assert written <= 4096 + 2 * 12
        assert {request.job_id for request in told.ges.requests} <= {None, "0000", "0001"}


# Interrupts


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Send Ctrl-C, and give what is written after it."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=30)


def way_on(errors: str) -> str:
    """Find the command that goes on."""
    return errors[errors.index("to go on: ") :].removeprefix("to go on: ")


@NEEDS_SIGNALS
def test_an_interrupt_says_what_is_open_and_how_to_go_on() -> None:
    """At once, with status 130; the command, pasted into a shell, waits for what was left."""
    with beside(JOBS) as told:
        with told.started(
            "wait", "--graph", "movies", "endless", "good", "it's", "--interval=200ms", "--timeout=50s"
        ) as process:
            line_with("good success", process.stdout)
            _, errors = interrupted(process)
        assert process.returncode == 130
        assert errors.startswith("gespoll: interrupted\ngespoll: 2 jobs still open, which nothing here stops: movies/")
        command = way_on(errors)
        told.add(FakeJob("it's", graph="movies", name="StartGraph", steps=[(0, "success")]))
        told.ges._catalogue.managed.clear()
        told.ges._catalogue.centre.clear()
        told.add(
            *(FakeJob(each, graph="movies", name="StartGraph", steps=[(0, "success")]) for each in ("endless", "it's"))
        )
        done = spawn(told, "sh", "-c", command)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 of 2 jobs ended: 2 succeeded" in done.stdout


@NEEDS_SIGNALS
def test_an_interrupt_ends_it_while_standard_input_is_read(service: Beside) -> None:
    """Nobody needs to press Enter, and the summary tells the rest."""
    with service.started("wait", "-", "movies/endless", "--output=json", "--interval=200ms") as process:
        assert process.stdout is not None
        assert records(process.stdout.readline())[0]["job_id"] == "endless"
        output, errors = interrupted(process)
    [summary] = records(output)
    assert (process.returncode, summary["exit_status"], summary["open"]) == (130, 130, 1)
    assert "standard input was not read to its end" in errors
    assert way_on(errors).endswith("wait --interval 0.2s --output json movies/endless -\n")


@NEEDS_SIGNALS
def test_many_jobs_go_on_from_a_here_document() -> None:
    """A command line that holds them all might be too long; a shell reads this one."""
    jobs = [FakeJob(f"{number:03}", graph="movies", steps=[(0, "running")]) for number in range(60)]
    names = [f"movies/{job.job_id}" for job in jobs]
    with beside(jobs) as told:
        with told.started("wait", *names, "--output=json", "--interval=200ms") as process:
            assert process.stdout is not None
            process.stdout.readline()
            _, errors = interrupted(process)
        command = way_on(errors).replace("wait ", "wait --timeout 2s ", 1)
        done = spawn(told, "sh", "-c", command)
    *_, summary = records(done.stdout)
    assert (done.returncode, summary["jobs"]) == (124, 60)
    assert "60 jobs still open" in errors
    assert " and 50 more" in errors


# Pipes and terminals


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end in another way")
@pytest.mark.parametrize("form", ["human", "json"])
def test_a_reader_who_leaves_ends_it_quietly(form: str) -> None:
    """`gespoll wait … | head -1` leaves no traceback."""
    names = ("movies/good", "movies/new")
    with beside(JOBS) as told, told.started("wait", *names, f"--output={form}", "--interval=200ms") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        told.add(FakeJob("new", graph="movies", name="StartGraph", steps=[(0, "success")]))
        errors = process.stderr.read()
        process.wait(timeout=30)
    assert (process.returncode, errors) == (1, "")


@NEEDS_TERMINAL
def test_a_terminal_shows_the_jobs_in_place() -> None:
    """A bar, the counts, the requests and the longest-running jobs; failures above; the table at the end."""
    jobs = [quick("1"), quick("2"), quick("slow", steps=[(0, "running"), (3, "success")])]
    bad = [quick("bad", steps=[(0, "running"), (2, "failed")], fail_reason="no room"), quick("lossy", files=[LOSSY])]
    names = [f"movies/{job.job_id}" for job in [*jobs, *bad]]
    with (
        beside() as told,
        terminal(*COMMAND, "wait", *names, "--interval=200ms", **told.environment) as (command, written),
    ):
        begun = ""
        while "0 of 5 ended" not in begun:
            begun += next(written)
        told.add(*jobs, *bad)
        output = begun + "".join(written)
        status = command.wait()
    text = without_codes(output)
    assert status == 1, text
    ended = [int(number) for number in re.findall(r"(\d+) of 5 ended +\d+\.\d s", text)]
    assert (ended, ended[0], ended[-1]) == (sorted(ended), 0, 5)
    assert len(ended) > 8
    assert re.search(r"\d running   .*\d success   .*\d+ requests, \d+\.\d a second", text)
    assert re.search(r"^ +\d s  movies/slow", text, re.MULTILINE)
    assert len(re.findall(r"^ +\d\.\d s  movies/bad running -> failed: no room", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^ +\d\.\d s  movies/lossy running -> partially failed", text, re.MULTILINE)) == 1
    assert "lines lost" in text
    assert "5 of 5 jobs ended: 3 succeeded, 1 partly failed, 1 failed; " in text
    assert re.search(r"\x1b\[[0-9;]*3\dm", output)
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h") > 0


@NEEDS_TERMINAL
def test_no_color_is_obeyed(service: Beside) -> None:
    """The display stays in place, and nothing is coloured."""
    known = {**service.environment, "NO_COLOR": "1"}
    status, output = on_terminal(*COMMAND, "wait", "movies/good", "movies/bad", **known)
    assert status == 1, output
    assert "2 of 2 ended" in output
    codes = re.findall(r"\x1b\[([0-9;]*)m", output)
    assert [code for code in codes if not set(code.split(";")) <= {"0", "1", "2"}] == []


@NEEDS_TERMINAL
def test_a_simple_terminal_gets_lines(service: Beside) -> None:
    """Where the cursor cannot be moved the lines are those of a pipe."""
    status, output = on_terminal(*COMMAND, "wait", "movies/good", **{**service.environment, "TERM": "dumb"})
    assert status == 0, output
    assert "\x1b" not in output
    assert "movies/good success" in output


@NEEDS_TERMINAL
def test_an_interrupt_leaves_the_terminal_as_it_was(service: Beside) -> None:
    """The cursor comes back before the way to go on is told; typed, Ctrl-C is a key like any other."""
    with terminal(*COMMAND, "wait", "movies/endless", **service.environment) as (process, written):
        begun = next(piece for piece in written if "movies/endless" in piece)
        process.send_signal(signal.SIGINT)
        output = begun + "".join(written)
        assert process.wait() == 130
    assert output.count("\x1b[?25h") == 1
    assert output.index("\x1b[?25h") < output.index("to go on: ")
    assert "Traceback" not in output


# Snapshots


def going_on(
    told: Beside, path: Path, *names: str, timeout: str = "", stdin: str = ""
) -> tuple[subprocess.CompletedProcess[str], int]:
    """Run a wait with a snapshot; give what came of it, and how many requests it took."""
    before = len(told.ges.requests)
    known = [*names, *(["--timeout", timeout] if timeout else [])]
    done = told.run("wait", *known, "--snapshot", str(path), "--output=json", "--interval=200ms", stdin=stdin)
    return done, len(told.ges.requests) - before


def test_a_wait_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was told is not told again, the counts are those of the whole, and the end is told again for nothing."""
    path = tmp_path / "snapshot.json"
    names = ("movies/good", "movies/bad", "movies/partial", "movies/new")
    with beside(JOBS) as told:
        with told.started("wait", *names, "--snapshot", str(path), "--output=json", "--interval=200ms") as process:
            assert process.stdout is not None
            first = [records(process.stdout.readline())[0]["job_id"] for _ in range(3)]
            looks = len(told.ges.requests)
            told.until(lambda ges: len(ges.requests) > looks + 1)
            process.kill()
        assert sorted(first) == ["bad", "good", "partial"]
        told.add(FakeJob("new", graph="movies", name="StartGraph", steps=[(0, "success")]))
        done, _ = going_on(told, path, *names)
        change, summary = records(done.stdout)
        assert (done.returncode, change["job_id"], change["status"]) == (1, "new", "success")
        assert [summary[each] for each in ("jobs", "succeeded", "failed", "partly_failed")] == [4, 2, 1, 1]
        again, requests = going_on(told, path, *names)
        assert (again.returncode, requests) == (1, 0)
        assert records(again.stdout) == [{**summary, "requests": 0, "elapsed": records(again.stdout)[0]["elapsed"]}]
        human = told.run("wait", "--snapshot", str(path))
    lines = human.stdout.splitlines()
    assert (human.returncode, human.stderr) == (1, "")
    assert [line.split()[0] for line in lines] == ["job", "movies/bad", "movies/partial", "4"]
    assert [each.name for each in tmp_path.iterdir()] == ["snapshot.json"]


@NEEDS_SIGNALS
def test_a_resumed_wait_is_as_tolerant_and_as_patient(tmp_path: Path) -> None:
    """What is not given again is as it was kept; what was tolerated counts as such."""
    path = tmp_path / "snapshot.json"
    with beside(JOBS) as told:
        names = ("movies/partial", "movies/good")
        first = told.run("wait", *names, "--snapshot", str(path), "--max-failed-lines", "2", "--max-open", "1")
        kept = msgspec.json.decode(path.read_bytes())
        told.add(quick("late", files=[LOSSY]))
        done = told.run("wait", "movies/late", "--snapshot", str(path), "--output=json", "--interval=200ms")
        again = msgspec.json.decode(path.read_bytes())
    assert (first.returncode, done.returncode) == (0, 0)
    *changes, summary = records(done.stdout)
    assert [change["tolerated"] for change in changes if change["is_final"]] == [True]
    assert (summary["succeeded"], summary["tolerated"], summary["partly_failed"]) == (1, 2, 0)
    assert (kept["max_failed_lines"], kept["max_open"]) == (again["max_failed_lines"], again["max_open"]) == (2, 1)


def test_an_interrupted_wait_names_the_same_command(tmp_path: Path) -> None:
    """Which goes on from the file, also after a timeout: the time counts from each start."""
    path = tmp_path / "it's here.json"
    with beside(JOBS) as told:
        names = ("movies/good", "movies/endless")
        with told.started("wait", *names, "--snapshot", str(path), "--output=json", "--interval=200ms") as process:
            line_with('"endless"', process.stdout)
            _, errors = interrupted(process)
        assert process.returncode == 130
        assert way_on(errors) == (
            f"{sys.executable} -m gespoll wait --interval 0.2s --output json "
            f"--snapshot '{tmp_path}/it'\"'\"'s here.json' movies/good movies/endless\n"
        )
        for _ in range(2):
            done, requests = going_on(told, path, *names, timeout="1s")
            *_, summary = records(done.stdout)
            assert (done.returncode, summary["succeeded"], summary["open"]) == (124, 1, 1)
            assert requests > 1


def test_a_snapshot_covers_standard_input(tmp_path: Path) -> None:
    """Lines that it knows are passed over, new ones are taken in; an option can add to it later."""
    path = tmp_path / "snapshot.json"
    with beside(JOBS) as told:
        first, _ = going_on(told, path, "-", stdin="movies/good\n")
        again, requests = going_on(told, path, "-", "movies/bad", stdin="movies/good\nmovies/bad\n")
    assert (first.returncode, again.returncode) == (0, 1)
    assert [record["event"] for record in records(again.stdout)] == ["change", "summary"]
    assert requests == 1


def test_a_snapshot_of_engines_knows_its_graphs(tmp_path: Path) -> None:
    """Nothing needs to be named again."""
    path = tmp_path / "snapshot.json"
    with beside(JOBS) as told:
        engine = ("--plane=engine", f"--endpoint={told.ges.endpoint}")
        first, _ = going_on(told, path, "engine/42", *engine)
        again, requests = going_on(told, path, *engine)
    assert (first.returncode, again.returncode, requests) == (0, 0, 0)


def test_a_change_that_nobody_was_told_is_not_kept(tmp_path: Path) -> None:
    """A reader who leaves has not read it: going on tells it again, with the same number."""
    path = tmp_path / "snapshot.json"
    with beside(JOBS) as told:
        with told.started(
            "wait", "movies/new", "--snapshot", str(path), "--output=json", "--interval=200ms"
        ) as process:
            assert process.stdout is not None
            process.stdout.close()
            told.until(lambda ges: ges.requests)
            told.add(FakeJob("new", graph="movies", name="StartGraph", steps=[(0, "success")]))
            assert process.wait(timeout=30) == 1
        done, _ = going_on(told, path, "movies/new")
    assert [record["event"] for record in records(done.stdout)] == ["change", "summary"]


def test_a_job_that_might_not_be_looked_at_is_begun_anew(tmp_path: Path) -> None:
    """Permissions may have been given since; what ended otherwise is not looked at again."""
    path = tmp_path / "snapshot.json"
    with beside(JOBS) as told:
        going_on(told, path, "movies/good", "movies/bad")
        kept = json.loads(path.read_text())
        [good] = [job for job in kept["jobs"] if job["job_id"] == "good"]
        refused = {"error": "PermissionDenied", "detail": "no permission", "status": 403}
        kept["jobs"][kept["jobs"].index(good)] = {
            "job_id": "good",
            "graph": "movies",
            "ended": True,
            "failure": refused,
        }
        path.write_text(json.dumps(kept))
        done, requests = going_on(told, path)
    change, summary = records(done.stdout)
    assert (done.returncode, requests) == (1, 1)
    assert (change["job_id"], change["status"], summary["jobs"], summary["open"]) == ("good", "success", 2, 0)


UNUSABLE = {
    "{": "Input data was truncated; move it away to begin anew",
    "[]": "Expected `object`, got `array`; move it away to begin anew",
    '{"jobs": [{}]}': "Object missing required field `job_id` - at `$.jobs[0]`; move it away to begin anew",
    "{}": "this is no gespoll snapshot: give what snapshot() gave, unchanged; move it away to begin anew",
}


@pytest.mark.parametrize("text", UNUSABLE)
def test_a_file_that_is_no_snapshot_is_left_alone(text: str, service: Beside, tmp_path: Path) -> None:
    """It is a usage error, told with its place."""
    path = tmp_path / "snapshot.json"
    path.write_text(text)
    done, requests = going_on(service, path, "movies/good")
    assert (done.returncode, done.stdout, requests) == (2, "", 0)
    assert done.stderr == f"gespoll: the snapshot {path} cannot be gone on from: {UNUSABLE[text]}\n"
    assert path.read_text() == text


def test_a_snapshot_of_another_project_is_refused(service: Beside, tmp_path: Path) -> None:
    """Its jobs are not there."""
    path = tmp_path / "snapshot.json"
    going_on(service, path, "movies/good")
    done, requests = going_on(service, path, "movies/good", "--project=fedcba")
    assert (done.returncode, done.stdout, requests) == (2, "", 0)
    assert "cannot be gone on from: " in done.stderr


def test_a_snapshot_that_cannot_be_kept_is_told(service: Beside, tmp_path: Path) -> None:
    """Neither where there is no folder, nor where the file is one."""
    done, _ = going_on(service, tmp_path / "nowhere" / "file", "movies/endless")
    assert done.returncode == 2
    assert done.stderr.startswith(f"gespoll: the snapshot {tmp_path}/nowhere/file cannot be written: No such file or")
    done, _ = going_on(service, tmp_path, "movies/endless")
    assert done.returncode == 2
    assert done.stderr == f"gespoll: the snapshot {tmp_path} cannot be read: Is a directory\n"


@NEEDS_SIGNALS
def test_a_termination_is_an_interrupt_of_its_own_status() -> None:
    """As CI sends it: what is open is told with the command that goes on, and the status is that of SIGTERM."""
    with beside(JOBS) as told, told.started("wait", "movies/endless", "movies/good", "--interval=200ms") as process:
        line_with("good success", process.stdout)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert errors.startswith("gespoll: interrupted\n")
    assert "movies/endless" in way_on(errors)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("command", [["wait", "movies/good"], ["wait", "movies/good", "--output=json"], ["list"]])
def test_output_that_cannot_be_written_is_no_failure_of_a_job(command: list[str]) -> None:
    """A full disk is told in one sentence, with the status of what cannot be done."""
    with beside(JOBS) as told, Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            (*COMMAND, *command), stdout=full, stderr=subprocess.PIPE, text=True, env=told.environment, check=False
        )
    assert done.returncode == 2
    assert "gespoll: standard output cannot be written: No space left on device\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.anyio
async def test_an_outage_is_told_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Once each, when it has lasted; a look that fails now and then is no news."""
    async with FakeGES() as ges:
        ges.add_job("a", graph="g", name="StartGraph", steps=[(0, "running"), (400, "success")])
        source = gespoll.ManagementSource(ges.endpoint, ges.project_id, credentials=gespoll.Token(ges.token))
        async with (
            gespoll.Poller(source, close_source=True, observers=[Outages()], rng=random.Random(0)) as poller,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(poller.wait, JobRef("a", "g"))
            await anyio.sleep(20)
            ges.inject("unavailable", times=2)
            await anyio.sleep(40)
            ges.inject("unavailable", times=1000)
            await anyio.sleep(120)
            ges._front.plan.scripted.clear()
    first, last = capsys.readouterr().err.splitlines()
    assert re.match(r"gespoll: no good answer for \d\d s, still trying: .*the service cannot answer now", first)
    assert re.match(r"gespoll: the service answers again, after \d\d\d s", last)
