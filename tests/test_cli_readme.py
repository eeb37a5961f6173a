"""What README tells of the command line: its blocks run, its tables are those of the command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")

from gespoll.cli._exit import TABLE
from gespoll.testing import FaultKind
from tests.shell import bare_environment, records
from tests.test_cli_look import JOB_KEYS
from tests.test_cli_wait import CHANGE_KEYS, SUMMARY_KEYS
from tests.test_readme import BLOCKS, README, _quoted, _table


def test_every_kind_of_fault_is_named() -> None:
    """Those of a scenario are those of the fake service."""
    text = README.read_text(encoding="utf-8")
    named = text[text.index("whose `kind` is one of") :].split("\n\n")[0]
    assert tuple(re.findall(r"`(\w+)`", named)[1:]) == get_args(FaultKind)


@pytest.mark.skipif(shutil.which("curl") is None or sys.platform == "win32", reason="a shell and curl are needed")
def test_the_blocks_for_a_shell_run(tmp_path: Path) -> None:
    """One after the other, as somebody who follows them would type them, against `gespoll serve`."""
    blocks = [block.code for block in BLOCKS if block.language == "sh"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ("sh", "-eu", "-c", "\n".join(blocks))
    known = {**bare_environment(), "PATH": path, "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=known, timeout=60, check=False)
    assert done.returncode == 0, done
    first, second = done.stdout.split("not or not wholly loaded:\n")
    assert "1 of 1 job ended: 1 succeeded; " in first
    assert [record["error_type"] for record in records(second)] == ["ImportPartiallyFailed"] * 2
    *_, summary = records((tmp_path / "changes.jsonl").read_text())
    assert (summary["exit_status"], summary["jobs"], summary["succeeded"], summary["partly_failed"]) == (3, 3, 1, 2)
    assert (tmp_path / "imports.json").exists()
    assert "on purpose badly: 3 x throttle" in done.stderr


def test_the_exit_statuses_are_those_of_the_command() -> None:
    """In the order of their precedence, with the meanings that `--help` tells."""
    assert _table("exit status") == [[str(row.status.value), row.meaning] for row in TABLE]


@pytest.mark.parametrize(("event", "keys"), [("change", CHANGE_KEYS), ("job", JOB_KEYS), ("summary", SUMMARY_KEYS)])
def test_the_keys_are_those_of_the_command(event: str, keys: list[str]) -> None:
    """Every key of every kind of record stands in the table once."""
    told = [key for events, cell, _ in _table("`event`") if event in _quoted(events) for key in _quoted(cell)]
    assert sorted(told) == sorted(set(keys) - {"event"})


def test_the_schema_names_the_states() -> None:
    """Every word that `status` may be."""
    [row] = [row for row in _table("`event`") if "`status`" in row[1]]
    states = {"pending", "running", "success", "partially_failed", "failed", "cancelled", "unknown"}
    assert states <= set(re.findall(r"`(\w+)`", row[2]))
