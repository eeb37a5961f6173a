"""Where the process starts: with the extra `cli` all commands, without it the demo.

Rule: whatever happens ends in an exit status and never in a traceback for what users do: asking for what cannot
be, Ctrl-C, and closing the pipe.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType

from gespoll.cli._exit import READER_GONE, TERMINATED, ExitStatus, UsageError
from gespoll.cli._output import complain, silence

_EXTRA = {"cyclopts", "rich"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit status.

    Args:
        argv: the arguments without the program's name; those of the process when `None`.

    Raises:
        SystemExit: with 2 at a usage error, with 0 after `--help` and `--version`.
    """
    with _open_streams(), _terminated_as_interrupted() as terminated:
        status = _run(list(sys.argv[1:] if argv is None else argv))
    return TERMINATED if terminated and status == ExitStatus.INTERRUPTED else status


def _run(arguments: list[str]) -> int:
    try:
        return _commands()(arguments)
    except UsageError as error:
        complain(str(error))
        return ExitStatus.USAGE
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        silence()
        return READER_GONE


@contextmanager
def _terminated_as_interrupted() -> Iterator[list[int]]:
    """Let SIGTERM do what Ctrl-C does, where that is known to be wanted; gives the signals that came."""
    came: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        came.append(number)
        signal.raise_signal(signal.SIGINT)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _open_streams() -> Iterator[None]:
    """Let what nobody can read go nowhere: a stream that was closed beforehand is none for Python."""
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(sys.stdout or nowhere),
        redirect_stderr(sys.stderr or nowhere),
    ):
        yield


def _commands() -> Callable[[Sequence[str]], int]:
    try:
        from gespoll.cli._commands import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        from gespoll.cli._bare import main as run_bare

        return run_bare
    return run
