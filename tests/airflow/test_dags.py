"""Whole runs by Airflow's command line, in processes of its own, against a fake service over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.airflow.conftest import LOSSY, VARIABLE, Connect, Service

RECIPES = Path(__file__).parents[1] / "recipes"


def airflow(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Airflow's."""
    assert VARIABLE in os.environ or arguments[0] == "providers"
    return subprocess.run(["airflow", *arguments], capture_output=True, text=True, timeout=180, check=False)


def run_recipe(jobs: list[str]) -> tuple[int, str]:
    """Run the recipe on some jobs; give its exit status and its log."""
    conf = json.dumps({"graph": "movies", "jobs": jobs})
    done = airflow("dags", "test", "ges_imports", "--dagfile-path", str(RECIPES / "airflow_dag.py"), "--conf", conf)
    return done.returncode, done.stdout + done.stderr


def test_a_run_whose_jobs_end_well_succeeds(service: Service, connect: Connect) -> None:
    """Jobs that end one after the other, waited for in one deferred task."""
    connect(service.ges)
    for number in range(200):
        service.add(f"job-{number}", steps=[(0, "running"), (12 + number / 40, "success")])
    status, log = run_recipe([f"job-{number}" for number in range(200)])
    assert status == 0, log
    assert "200 jobs: 200 success" in log


def test_a_partly_loaded_import_fails_the_run(service: Service, connect: Connect) -> None:
    """Without a retry, and with the table of files in the log."""
    connect(service.ges)
    service.add("good")
    service.add("lossy", steps=[(0, "running"), (5, "success")], files=[LOSSY])
    status, log = run_recipe(["good", "lossy"])
    assert status == 1, log
    assert "ImportPartiallyFailed: ImportGraph job movies/lossy was only partly loaded" in log
    assert "    edgeset edges.csv: partFailed, 3 of 90 lines failed, cause row 7" in log
    assert "2 jobs: 1 success, 1 partially_failed; the first that did not end well: " in log
    assert "UP_FOR_RETRY" not in log.upper()


@pytest.mark.parametrize(
    ("listed", "found"), [("list", "gespoll"), ("hooks", "gespoll.airflow.GesHook"), ("triggers", "gespoll.airflow")]
)
def test_the_provider_is_listed(listed: str, found: str) -> None:
    """With its connection type and its trigger."""
    done = airflow("providers", listed, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert found in done.stdout, done.stdout
