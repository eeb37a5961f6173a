"""A consumer that is killed two hundred times, in real processes, and the changes it has in the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.restarting import JOBS

ROOT = Path(__file__).parents[1]
KILLS = 100
SEEDS = (1, 2)


def test_rule_15_a_consumer_killed_at_any_moment_has_seen_every_change_once(tmp_path: Path) -> None:
    """Between any two steps of its work; each job ended once, as the service knows it."""
    folders = [tmp_path / str(seed) for seed in SEEDS]
    for told in [ended(run) for run in [started(folder) for folder in folders]]:
        assert (told["status"], told["killed"]) == (0, KILLS)
        seen = [(entry["job"], entry["status"]) for entry in told["log"]]
        assert len(set(seen)) == len(seen) > JOBS
        ends = {entry["job"]: entry["status"] for entry in told["log"] if entry["final"]}
        assert ends == told["truth"]
        assert sum(entry["final"] for entry in told["log"]) == JOBS


def started(folder: Path) -> subprocess.Popen[str]:
    """Start consumers that are killed, with a folder of their own, which names their seed."""
    folder.mkdir()
    command = [sys.executable, "-W", "error", "-m", "tests.restarting", str(folder), folder.name, str(KILLS)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(run: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the last consumer, and give what is told in the end."""
    with run:
        out, err = run.communicate(timeout=300)
    assert (run.returncode, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    return told
