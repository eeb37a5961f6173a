"""The recipes run as a reader runs them: each a script in a process of its own, with warnings as errors."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "recipes"
README = FOLDER.parents[1] / "README.md"
ELSEWHERE = {"airflow_dag.py"}
"""What needs an environment of its own, and is run there."""


def run(name: str, *arguments: str) -> list[str]:
    """Run a recipe, and give the lines it prints."""
    command = [sys.executable, "-W", "error", str(FOLDER / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_an_endpoint_answers_when_an_import_has_ended() -> None:
    """A good one, a partly loaded one, and one that takes longer than the client will wait."""
    for library in ("fastapi", "uvicorn"):
        pytest.importorskip(library, reason="is of the extra `test`")
    good, lossy, endless = run("fastapi_endpoint.py")
    assert good == '200 {"job":"good","status":"success"}'
    assert lossy.startswith('422 {"error":"ImportPartiallyFailed",')
    assert "3 of 90 lines failed" in lossy
    assert endless.startswith('504 {"error":"WaitTimeout",')


def test_a_stream_is_throttled_and_tells_partial_failures() -> None:
    """Every import is told of once, bad ones with their reason; few looks are needed for many imports."""
    *bad, summed_up, cost = run("throttled_stream.py", "400")
    numbers = {int(match[1]): line for line in bad if (match := re.search(r"import-(\d+) ", line))}
    assert sorted(numbers) == [50, 99, 150, 199, 250, 299, 350, 399]
    assert {line.split(" ", 3)[3] for number, line in numbers.items() if number % 100 == 50} == {
        "was only partly loaded: edgeset edges.csv: partFailed, 3 lines failed"
    }
    assert {line.split(" ", 3)[3] for number, line in numbers.items() if number % 100 == 99} == {"failed: no such path"}
    assert summed_up.startswith("392 loaded, ")
    assert summed_up.endswith(" of 400")
    minutes, requests = (int(number) for number in re.findall(r"\d+", cost))
    assert 3 <= minutes <= 10
    assert requests < 400


def test_a_killed_program_goes_on_from_its_snapshot() -> None:
    """Killed for good in mid-wait and started again, it acts once on every end."""
    assert run("survive_a_restart.py") == [
        "killed in mid-wait: True",
        "the second worker left with status 0",
        "30 ends of 30 jobs were acted on",
    ]


def test_a_source_of_ones_own_gets_all_that_pollers_do() -> None:
    """Its words are understood, its errors delay or tell, and a job that is not there is not found."""
    *known, unknown, throttled = run("own_source.py")
    assert known == ["core is green", "docs is green", "job face failed: test 7"]
    assert unknown.startswith("job moon was not found: ")
    assert throttled == "1 throttled"


def test_readme_lists_the_recipes() -> None:
    """All there are, and each says how to start it and what the real service needs."""
    files = {path.name for path in FOLDER.glob("*.py")}
    assert set(re.findall(r"\]\(tests/recipes/(\w+\.py)\)", README.read_text(encoding="utf-8"))) == files
    for name in files - ELSEWHERE:
        opening = " ".join((FOLDER / name).read_text(encoding="utf-8").split('"""')[1].split())
        assert f"python tests/recipes/{name}" in opening
        assert "For the real service" in opening or "For a service of your own" in opening


def test_recipes_are_short() -> None:
    """What must be read to use one fits on a screen or two."""
    sizes = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FOLDER.glob("*.py")}
    assert {name: size for name, size in sizes.items() if size > 100} == {}
