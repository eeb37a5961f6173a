"""The command line: which command, which options, which exit status.

Rule: 0 is done, 2 a usage error, 130 an interrupt; what a command does is its own module's business.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

import anyio

from gespoll.cli._demo import demo
from gespoll.cli._imports import LONGEST

JOBS_AT_MOST = 1000
SECONDS_AT_MOST = 3600.0
_INTERRUPTED = 130
_READER_GONE = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit status.

    Args:
        argv: the arguments without the program's name; those of the process when `None`.

    Raises:
        SystemExit: with 2 at a usage error, with 0 after `--help` and `--version`.
    """
    options = _parser().parse_args(argv)
    try:
        anyio.run(demo, options.jobs, options.seed, options.seconds)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gespoll", description="Wait for Huawei Cloud Graph Engine Service jobs.")
    parser.add_argument("--version", action="version", version=f"gespoll {version('gespoll')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    shown = commands.add_parser(
        "demo",
        help="watch simulated bulk imports on a simulated service",
        description="Watch simulated bulk imports on a simulated service: no cloud, no credentials, about ten seconds.",
    )
    shown.add_argument("--jobs", type=_number_of_jobs, default=300, metavar="N", help="how many imports (default 300)")
    shown.add_argument("--seed", type=int, default=0, metavar="N", help="which imports they are (default 0)")
    shown.add_argument(
        "--seconds",
        type=_seconds,
        default=LONGEST,
        metavar="N",
        help=f"when the last of them ends (default {LONGEST:g})",
    )
    return parser


def _number_of_jobs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= JOBS_AT_MOST:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to {JOBS_AT_MOST}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds <= SECONDS_AT_MOST:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0, and {SECONDS_AT_MOST:g} at most")
    return seconds
