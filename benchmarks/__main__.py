"""Runs the benchmarks: `python -m benchmarks [NAME ...] [--seeds N] [--into FOLDER] [--only TEXT]`.

Rule: what is not installed is said, and only a whole run writes `results.md`.
"""

from __future__ import annotations

import argparse
import importlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.figures import Row, table, wide_table
from benchmarks.progress import tell

SHAPES = "shapes"
NAMES = ("detection", "waiter30", "overload", "grid", SHAPES, "cpu", "scale", "memory", "loop_delay", "vendor", "soak")
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
    parser.add_argument("--only", metavar="TEXT", help=f"of {SHAPES}, run the rows whose name holds this")
    chosen = parser.parse_args(arguments)
    if chosen.only is not None and chosen.names != [SHAPES]:
        parser.error(f"--only picks rows of {SHAPES}: python -m benchmarks {SHAPES} --only {chosen.only!r}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the named benchmarks, or all, and write the table."""
    chosen = parse(arguments)
    names = chosen.names or NAMES
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names]
    options = {} if chosen.only is None else {"only": chosen.only}
    rows = [row for module in modules for row in module.run(chosen.seeds, chosen.into / "pictures", **options)]
    text = document(rows, [module.SETUP for module in modules], chosen.seeds)
    print(text)
    if set(names) == set(NAMES):
        chosen.into.mkdir(parents=True, exist_ok=True)
        (chosen.into / RESULTS).write_text(text, encoding="utf-8")
        tell(f"written: {RESULTS}")


def document(rows: Sequence[Row], setups: Sequence[str], seeds: int) -> str:
    """Write the table with what a reader must know of it."""
    peers = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "aiolimiter", "backoff", "tenacity"))
    wide = [row for row in rows if row.columns]
    aims = [row for row in rows if row.reach and not row.columns]
    others = [row for row in rows if not row.reach and not row.columns]
    head = (
        f"Written by `python -m benchmarks` with Python {platform.python_version()}, {peers}; {seeds} seeds. "
        "Figures are medians over the seeds, with the least and the most; a ratio is taken within a seed first."
    )
    parts = ["# Benchmarks", head]
    if aims:
        parts.append(table(aims))
    if wide:
        parts += ["## Shapes of the service", wide_table(wide)]
    parts += ["## Set-ups", "\n".join(f"- {setup}." for setup in setups)]
    if others:
        parts += ["## More figures of the same runs", table(others)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


if __name__ == "__main__":
    main()
