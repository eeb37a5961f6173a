"""Try the breaks, two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutations.applying import Break
from tests.mutations.breaks import BREAKS

ROOT = Path(__file__).parent.parent.parent
AT_ONCE = 2
PASSED, FAILED, NONE_CHOSEN = 0, 1, 5
"""Exit statuses of pytest."""
SECONDS_AT_MOST = 180
"""A break may let a test wait for ever, which is to be seen, and is not what noticing means."""


def tested(tests: str, chosen: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run some tests of a file in a process of their own, up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    # With CI set, pytest compares long lists in full, for minutes.
    return subprocess.run(
        [*command, "-p", "tests.mutations.plugin", *options, "-k", chosen, tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=SECONDS_AT_MOST,
        check=False,
    )


def check_unbroken(tests: str, several: Iterable[str]) -> None:
    """Make sure that what is to notice breaks passes as the library is.

    Args:
        tests: a file.
        several: which tests of it, by break.

    Raises:
        SystemExit: when a test fails, or there is none.
    """
    run = tested(tests, " or ".join(f"({each})" for each in several))
    if run.returncode != PASSED:
        raise SystemExit(f"{tests} does not pass without a break\n{run.stdout}{run.stderr}")


def is_noticed(broken: Break) -> bool:
    """Tell whether a test fails with a break.

    Raises:
        SystemExit: when no test is chosen, or none could be run.
    """
    run = tested(broken.tests, broken.chosen, "--break", broken.name)
    if run.returncode not in {PASSED, FAILED}:
        why = "no test is chosen" if run.returncode == NONE_CHOSEN else "the tests did not run"
        raise SystemExit(f"{broken.name}: {why}\n{run.stdout}{run.stderr}")
    return run.returncode == FAILED


def tried(breaks: Sequence[Break]) -> list[Break]:
    """Try some breaks; gives those that went unnoticed."""
    chosen: dict[str, set[str]] = {}
    for each in breaks:
        chosen.setdefault(each.tests, set()).add(each.chosen)
    unnoticed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(check_unbroken, chosen.keys(), chosen.values()))
        for broken, noticed in zip(breaks, pool.map(is_noticed, breaks), strict=True):
            unnoticed += [] if noticed else [broken]
            print(f"{'noticed  ' if noticed else 'UNNOTICED'} rule {broken.rule:2} {broken.name}", flush=True)
    return unnoticed


def main() -> int:
    """Try the breaks that were asked for; gives the exit status."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    told = {f"rule {each.rule}, {each.name}, {each.target}, {each.tests}, {each.chosen}": each for each in BREAKS}
    chosen = [each for text, each in told.items() if word in text]
    unnoticed = tried(chosen)
    print(f"{len(chosen) - len(unnoticed)} of {len(chosen)} breaks noticed")
    return 1 if unnoticed or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main())
