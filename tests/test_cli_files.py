"""The file of a snapshot: replaced as a whole, through no link, and no more open to others than it was."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclopts")

from gespoll.cli._exit import UsageError
from gespoll.cli._files import read_regular, replace_whole
from gespoll.cli._kept import Kept

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and modes are those of POSIX")
LINK = "it is a link: name the file that it leads to"
WHOLE = {"format": "gespoll snapshot", "version": 2, "taken_at": "2026-01-01T00:00:00Z", "scopes": ["p"]}
JOB = {"job_id": "j", "graph": "g"}


def mode_of(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask says."""
    path = tmp_path / "kept"
    replace_whole(path, b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o600)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_the_mode_is_kept(mode: int, tmp_path: Path) -> None:
    """A file that others may read stays so, and one that they may not, too."""
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace_whole(path, b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", mode)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    """Where that is allowed."""
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    replace_whole(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


@pytest.mark.parametrize("plant", [os.symlink, os.link, None], ids=["symbolic link", "hard link", "pipe"])
def test_what_stands_under_foreseeable_names_is_left_alone(plant: Callable[..., Any] | None, tmp_path: Path) -> None:
    """The file in the making has a name that nobody knows beforehand."""
    victim, path = tmp_path / "victim", tmp_path / "kept"
    victim.write_bytes(b"precious")
    for name in (".kept.new", "kept.new", "kept.tmp", ".kept.tmp"):
        beside = path.with_name(name)
        plant(victim, beside) if plant is not None else os.mkfifo(beside)
    replace_whole(path, b"new")
    assert (victim.read_bytes(), path.read_bytes()) == (b"precious", b"new")


@pytest.mark.parametrize("exists", [True, False], ids=["to a file", "to nothing"])
def test_a_link_in_its_place_is_refused(exists: bool, tmp_path: Path) -> None:
    """It is neither read nor written through, nor replaced."""
    victim, path = tmp_path / "victim", tmp_path / "kept"
    if exists:
        victim.write_bytes(b"precious")
    path.symlink_to(victim)
    for do in (lambda: read_regular(path), lambda: replace_whole(path, b"new")):
        with pytest.raises(OSError, match=LINK):
            do()
    assert (path.is_symlink(), victim.exists()) == (True, exists)
    with pytest.raises(UsageError, match=f"^the snapshot {path} cannot be read: {LINK}$"):
        Kept(path)


def test_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    """Nobody waits for what may never come."""
    path = tmp_path / "kept"
    os.mkfifo(path)
    for do in (lambda: read_regular(path), lambda: replace_whole(path, b"new")):
        with pytest.raises(OSError, match="it is no regular file"):
            do()


def test_a_second_name_of_a_file_is_replaced_alone(tmp_path: Path) -> None:
    """What the other name leads to stays as it is."""
    victim, path = tmp_path / "victim", tmp_path / "kept"
    victim.write_bytes(b"precious")
    path.hardlink_to(victim)
    replace_whole(path, b"new")
    assert (victim.read_bytes(), path.read_bytes()) == (b"precious", b"new")


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """The old file stands, and no other."""
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        replace_whole(path, "no bytes")  # type: ignore[arg-type]
    assert ([each.name for each in tmp_path.iterdir()], path.read_bytes()) == (["kept"], b"old")


DAMAGED = {
    "no text": b"\xff\xfe",
    "cut off": json.dumps({**WHOLE, "jobs": [JOB]}).encode()[:-9],
    "deep": b'{"jobs": ' + b"[" * 100_000,
    "a control letter in an id": {"job_id": "a\nb", "graph": "g"},
    "an empty id": {"job_id": ""},
    "an id that is a path": {"job_id": "..", "graph": "g"},
    "ended in a function": {**JOB, "ended": True, "failure": {"error": "connect"}},
    "ended in a class that is no error": {**JOB, "ended": True, "failure": {"error": "Poller"}},
    "ended in nothing": {**JOB, "ended": True},
    "a status that is none": {**JOB, "statuses": ["\x1b[31m" + "x" * 10_000]},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_snapshot_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    """Which fits on a screen, and cannot move its cursor."""
    path = tmp_path / "kept"
    damaged = DAMAGED[name]
    path.write_bytes(damaged if isinstance(damaged, bytes) else json.dumps({**WHOLE, "jobs": [damaged]}).encode())
    with pytest.raises(UsageError) as caught:
        Kept(path)
    text = str(caught.value)
    assert text.startswith(f"the snapshot {path} cannot be gone on from: ")
    assert text.endswith("; move it away to begin anew")
    assert text.isprintable()
    assert len(text) < 600


def test_a_snapshot_without_damage_is_read(tmp_path: Path) -> None:
    """So that the others are refused for what is wrong with them."""
    path = tmp_path / "kept"
    path.write_text(json.dumps({**WHOLE, "jobs": [JOB]}))
    assert [job.job_id for job in Kept(path).jobs] == ["j"]
