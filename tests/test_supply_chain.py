"""What gespoll is installed with: no version with known holes is allowed, and development uses locked ones.

Where advisories can be reached `.ci/audit` asks them; this table is what decides where they cannot.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
LOCKED = {
    match[1]: Version(match[2])
    for match in re.finditer(r"^([a-z0-9._-]+)==([^ ;]+)", LOCK, re.MULTILINE | re.IGNORECASE)
}
SAFE = {
    # Below 3.13.3 a small compressed reply takes any memory, below 3.13.4 headers do, and below 3.14.4 a reply of many
    # gzip members holds up the event loop, whatever max_reply_bytes says.
    "aiohttp": "3.14.4",
    # The first ones with wheels for, or that are declared to support, the newest Python that gespoll supports (3.14).
    "anyio": "4.10",
    "attrs": "25.4",
    "msgspec": "0.20",
}
WITHOUT_FLOOR = {
    "backoff",  # its last release, pure Python, without a known hole
}
LOCKED_EXTRAS = ("bench", "cli", "otel", "test")


def requirements(*extras: str) -> list[Requirement]:
    """List what gespoll needs, and what some extras need."""
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in PROJECT["optional-dependencies"][extra])]
    return [Requirement(text) for text in texts]


def floor_of(requirement: Requirement) -> Version:
    """Find the lowest version that a requirement allows."""
    return max(Version(each.version) for each in requirement.specifier if each.operator in {">=", "==", "~="})


@pytest.mark.parametrize(("name", "safe"), SAFE.items())
def test_no_version_with_a_known_hole_may_be_installed(name: str, safe: str) -> None:
    """The lowest version of each dependency is one that is known to be sound."""
    (found,) = [each for each in requirements() if each.name == name]
    assert floor_of(found) >= Version(safe)


def test_each_dependency_has_its_floor_here() -> None:
    """A new dependency is looked at before it is added."""
    assert {each.name for each in requirements()} == SAFE.keys() | WITHOUT_FLOOR


def test_each_requirement_of_development_is_locked() -> None:
    """At a version that is allowed, so that the lock cannot fall behind the floors."""
    for each in requirements(*LOCKED_EXTRAS):
        assert LOCKED[each.name] in each.specifier, each.name


def test_each_locked_version_has_hashes() -> None:
    """What an index serves instead is not installed."""
    blocks = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE | re.IGNORECASE)[1:]
    assert len(blocks) == len(re.findall(r"^[a-z0-9._-]+==", LOCK, re.MULTILINE | re.IGNORECASE))
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_index() -> None:
    """It serves with any, and no address of a machine stands in it."""
    assert [line for line in LOCK.splitlines() if "://" in line or line.startswith("-")] == []


def test_updates_are_proposed_for_each_list_of_requirements() -> None:
    """One that nobody renews rots."""
    told = (ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8")
    lists = {path.parent.relative_to(ROOT) for path in ROOT.glob("**/*requirements*.txt") if ".venv" not in path.parts}
    assert {f'directory: "/{"" if str(path) == "." else path}"' in told for path in lists} == {True}
