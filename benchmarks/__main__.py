"""Runs the benchmarks: `python -m benchmarks [NAME ...] [--seeds N] [--into FOLDER]`.

Rule: what is not installed is said, and only a whole run writes `results.md`.
"""

from __future__ import annotations

import argparse
import importlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.figures import Row, table
from benchmarks.progress import tell

NAMES = ("detection", "waiter30", "overload", "grid", "cpu", "scale", "memory", "loop_delay", "vendor", "soak")
SEEDS = 10
RESULTS = "results.md"
FOLDER = Path(__file__).parent


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Run gespoll beside what people write instead."
    )
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", help=f"any of {', '.join(NAMES)}")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of each benchmark, {SEEDS} when not given")
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder of table and pictures, this one by default")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the named benchmarks, or all, and write the table."""
    chosen = parse(arguments)
    names = chosen.names or NAMES
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names]
    rows = [row for module in modules for row in module.run(chosen.seeds, chosen.into / "pictures")]
    text = document(rows, [module.SETUP for module in modules], chosen.seeds)
    print(text)
    if set(names) == set(NAMES):
        chosen.into.mkdir(parents=True, exist_ok=True)
        (chosen.into / RESULTS).write_text(text, encoding="utf-8")
        tell(f"written: {RESULTS}")


def document(rows: Sequence[Row], setups: Sequence[str], seeds: int) -> str:
    """Write the table with what a reader must know of it."""
    peers = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "aiolimiter", "backoff", "tenacity"))
    aims = [row for row in rows if row.reach]
    others = [row for row in rows if not row.reach]
    head = (
        f"Written by `python -m benchmarks` with Python {platform.python_version()}, {peers}; {seeds} seeds. "
        "Figures are medians over the seeds, with the least and the most; a ratio is taken within a seed first."
    )
    parts = [
        "# Benchmarks",
        head,
        table(aims),
        "## Set-ups",
        "\n".join(f"- {setup}." for setup in setups),
    ]
    if others:
        parts += ["## More figures of the same runs", table(others)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


if __name__ == "__main__":
    main()
