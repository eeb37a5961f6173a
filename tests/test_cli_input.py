"""What is typed: durations, jobs, options that can be typed again."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")

from gespoll import JobRef
from gespoll.cli._durations import Seconds
from gespoll.cli._exit import UsageError
from gespoll.cli._jobs_input import Jobs, _lines, ref_of
from gespoll.cli._options import Service, Waiting, typed
from gespoll.cli._output import plain

DURATIONS = {"90s": 90, "15m": 900, "2h": 7200, "1h30m": 5400, "1d": 86_400, "500ms": 0.5, "1.5s": 1.5, "0s": 0}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """And written so that it is read as the same."""
    assert Seconds.parse(text) == seconds
    assert Seconds.parse(str(Seconds.parse(text))) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 s", "1w", "1e3s", "soon", "\u0661s", "1.s", "s1", "infs"])
def test_no_duration_is_refused(text: str) -> None:
    """The text says how one is written."""
    with pytest.raises(ValueError, match=r"is no duration, such as 90s, 15m, 2h or 1h30m$"):
        Seconds.parse(text)


def test_a_number_alone_is_no_duration() -> None:
    """Nobody is to wait 15 seconds who meant minutes."""
    with pytest.raises(ValueError, match="did you mean 15s"):
        Seconds.parse("15")


@pytest.mark.parametrize(
    ("name", "graph", "ref"),
    [
        ("1", None, JobRef("1")),
        ("1", "movies", JobRef("1", "movies")),
        ("people/1", None, JobRef("1", "people")),
        ("people/1", "movies", JobRef("1", "people")),
    ],
)
def test_a_job_names_its_graph_or_has_that_of_all(name: str, graph: str | None, ref: JobRef) -> None:
    """What it names itself goes first."""
    assert ref_of(name, graph) == ref


@pytest.mark.parametrize("name", ["", " ", "movies/", "/1", "people/a/b", "..", "a\x1bb"])
def test_what_cannot_be_a_job_is_refused(name: str) -> None:
    """The text shows it."""
    with pytest.raises(UsageError, match="is no job, given as job or graph/job: "):
        ref_of(name, None)


def test_graphs_are_those_that_are_named() -> None:
    """By jobs and by the option, each once."""
    assert Jobs(["a/1", "b/2", "a/3", "4", "-"], "c").graphs == ["a", "b", "c"]
    assert Jobs(["4"], None).graphs == []


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform == "win32", reason="pipes are read in threads")
async def test_a_line_is_waited_for_in_no_thread() -> None:
    """Whoever stops waiting for one can leave at once, and takes none away that comes later."""
    reader, writer = os.pipe()
    threads = set(threading.enumerate())

    async def first_line() -> None:
        async with aclosing(_lines(reader, narrow=False)) as lines:
            await anext(lines)

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first_line)
            await anyio.wait_all_tasks_blocked()
            assert set(threading.enumerate()) <= threads
            tasks.cancel_scope.cancel()
        os.write(writer, b"later\n")
        assert os.read(reader, 99) == b"later\n"
    finally:
        os.close(writer)
        os.close(reader)


def test_options_can_be_typed_again() -> None:
    """What has its default is left out, the rest is parsed to the same."""
    service = Service(endpoint="https://x", token_file=Path("a b"), allow_http=True)
    waiting = Waiting(timeout=Seconds(5400), rate=2.5, max_open=3, on_failure="first", graph="$(g)")
    assert shlex.join([*typed(service), *typed(waiting)]) == (
        "--endpoint https://x --token-file 'a b' --allow-http "
        "--graph '$(g)' --timeout 5400s --rate 2.5 --max-open 3 --on-failure first"
    )
    assert list(typed(Service())) == list(typed(Waiting())) == []


def test_what_a_server_says_cannot_move_the_cursor() -> None:
    """Neither escape codes nor the ends of lines come through."""
    assert plain("no\x1b[2J such\nrow") == "no\ufffd[2J such\ufffdrow"
