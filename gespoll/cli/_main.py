"""Where the process starts: with the extra `cli` all commands, without it the demo.

Rule: whatever happens ends in an exit status and never in a traceback for what users do: asking for what cannot
be, Ctrl-C, and closing the pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from gespoll.cli._exit import READER_GONE, ExitStatus, UsageError
from gespoll.cli._output import complain

_EXTRA = {"cyclopts", "rich"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit status.

    Args:
        argv: the arguments without the program's name; those of the process when `None`.

    Raises:
        SystemExit: with 2 at a usage error, with 0 after `--help` and `--version`.
    """
    with _open_streams():
        return _run(list(sys.argv[1:] if argv is None else argv))


def _run(arguments: list[str]) -> int:
    try:
        return _commands()(arguments)
    except UsageError as error:
        complain(str(error))
        return ExitStatus.USAGE
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


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
