"""The command without the extra `cli`: only the demo, so that a plain installation can show itself.

Rule: it needs nothing but the standard library, and says of every other command what to install.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NoReturn

import anyio

from gespoll.cli._demo import demo
from gespoll.cli._demo_options import JOBS, JOBS_AT_MOST, LONGEST, SECONDS_AT_LEAST, SECONDS_AT_MOST

OTHERS = ("wait", "status", "list", "serve")
ADVICE = "needs the extra `cli`; install it with: pip install 'gespoll[cli]', in a checkout: pip install '.[cli]'"


def main(argv: Sequence[str]) -> int:
    """Run the demo and give the exit status.

    Raises:
        SystemExit: with 2 at a usage error or at any other command, with 0 after `--help` and `--version`.
    """
    parser = _parser()
    if argv and argv[0] in OTHERS:
        _refuse(parser, argv[0])
    options = parser.parse_args(argv)
    anyio.run(demo, options.jobs, options.seed, options.seconds)
    return 0


def _refuse(parser: argparse.ArgumentParser, command: str) -> NoReturn:
    parser.exit(2, f"gespoll: `gespoll {command}` {ADVICE}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gespoll",
        description="Wait for Huawei Cloud Graph Engine Service jobs.",
        epilog=f"Every other command ({', '.join(OTHERS)}) {ADVICE}",
    )
    parser.add_argument("--version", action="version", version=f"gespoll {version('gespoll')}")
    shown = parser.add_subparsers(metavar="COMMAND", required=True).add_parser(
        "demo", help="watch simulated bulk imports on a simulated service"
    )
    shown.add_argument("--jobs", type=_within(int, 1, JOBS_AT_MOST), default=JOBS, help="how many imports")
    shown.add_argument("--seed", type=int, default=0, help="which imports they are")
    shown.add_argument(
        "--seconds",
        type=_within(float, SECONDS_AT_LEAST, SECONDS_AT_MOST),
        default=LONGEST,
        help="when the last of them ends",
    )
    return parser


def _within(kind: type[float], least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = kind(0)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} must be a number from {least:g} to {most:g}")
        return number

    return read
