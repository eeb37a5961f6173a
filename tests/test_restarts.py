"""A consumer that is killed two hundred times, in real processes, and the changes it has in the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.restarting import JOBS

ROOT = Path(__file__).parents[1]
KILLS = 100


@pytest.mark.parametrize("seed", [1, 2])
def test_rule_15_a_consumer_killed_at_any_moment_has_seen_every_change_once(seed: int, tmp_path: Path) -> None:
    """Between any two steps of its work; each job ended once, as the service knows it."""
    command = [sys.executable, "-W", "error", "-m", "tests.restarting", str(tmp_path), str(seed), str(KILLS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    told = json.loads(ran.stdout)
    assert (told["status"], told["killed"]) == (0, KILLS)
    seen = [(entry["job"], entry["status"]) for entry in told["log"]]
    assert len(set(seen)) == len(seen) >= 2 * JOBS
    ends = {entry["job"]: entry["status"] for entry in told["log"] if entry["final"]}
    assert ends == told["truth"]
    assert sum(entry["final"] for entry in told["log"]) == JOBS
