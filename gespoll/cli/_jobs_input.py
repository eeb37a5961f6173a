"""Which jobs: those named as arguments, then one a line on standard input.

Rule: a line is read when there is room for its job and not before, and reading never holds the event loop nor
keeps the process from ending.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, suppress

import anyio
import anyio.to_thread

from gespoll import JobRef
from gespoll.cli._exit import UsageError

STDIN = "-"
_PIECE = 512  # what is read ahead of the jobs that are wanted
_SMALLEST_PIPE = 4096


def ref_of(name: str, graph: str | None) -> JobRef:
    """Make a ref of `job` or `graph/job`.

    Args:
        name: what was typed.
        graph: the graph where it names none.

    Raises:
        UsageError: when it cannot be a job.
    """
    try:
        return JobRef.parse(name) if "/" in name else JobRef(name, graph)
    except ValueError as error:
        raise UsageError(f"{name!r} is no job, given as job or graph/job: {error}") from None


class Jobs:
    """The jobs of a wait, which know whether standard input is yet to be read to its end.

    Args:
        names: the arguments; `-` stands for standard input.
        graph: the graph of those that name none.
        before: jobs that go before them.
        may_be_none: whether others are known already.

    Raises:
        UsageError: when there is none, one cannot be a job, or there is no standard input.
    """

    def __init__(
        self, names: Sequence[str], graph: str | None, *, before: Iterable[JobRef] = (), may_be_none: bool = False
    ) -> None:
        if not names and not may_be_none:
            raise UsageError("which jobs? Give their ids, or - to read them from standard input, one a line")
        for name in names:
            if name.startswith(STDIN) and name != STDIN:
                raise UsageError(f"unknown option {name}; a job of that id is given as graph/job or on standard input")
        self.typed = tuple(names)
        self.named = [*before, *(ref_of(name, graph) for name in names if name != STDIN)]
        self.reads_stdin = STDIN in names
        if self.reads_stdin and sys.stdin is None:
            raise UsageError("- reads jobs from standard input, which is closed")
        self.is_unread = self.reads_stdin
        self._graph = graph

    @property
    def graphs(self) -> list[str]:
        """The graphs that are named by arguments."""
        graphs = [ref.graph for ref in self.named] + [self._graph]
        return list(dict.fromkeys(graph for graph in graphs if graph is not None))

    async def come(self, accept: Callable[[JobRef], None], *, narrow: bool) -> AsyncGenerator[JobRef]:
        """Give the jobs one by one.

        Args:
            accept: told each job of standard input before it is given; raises `UsageError` for one that cannot be.
            narrow: let a pipe hold little, so that whoever writes into it waits.

        Raises:
            UsageError: when a line is no job; the text names it.
        """
        for ref in self.named:
            yield ref
        if self.reads_stdin:
            async with aclosing(_lines(sys.stdin.fileno(), narrow=narrow)) as lines:
                number = 0
                async for line in lines:
                    number += 1
                    if line.strip():
                        ref = self._ref_of_line(line.strip(), number)
                        accept(ref)
                        yield ref
        self.is_unread = False

    def _ref_of_line(self, line: bytes, number: int) -> JobRef:
        try:
            return ref_of(line.decode(), self._graph)
        except UnicodeDecodeError:
            raise UsageError(f"line {number} of standard input is not UTF-8") from None
        except UsageError as error:
            raise UsageError(f"line {number} of standard input: {error}") from None


async def _lines(descriptor: int, *, narrow: bool) -> AsyncGenerator[bytes]:
    if narrow:
        _narrow(descriptor)
    rest = b""
    while piece := await _read(descriptor):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
    yield rest


def _narrow(descriptor: int) -> None:
    """Let a pipe hold as little as it can, where that can be said."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # it is no pipe, or holds more already
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _SMALLEST_PIPE)


async def _read(descriptor: int) -> bytes:
    """Read what there is, as soon as there is any; empty at the end."""
    if sys.platform == "win32":
        return await anyio.to_thread.run_sync(os.read, descriptor, _PIECE, abandon_on_cancel=True)
    # Not in a thread: one that waits for a line cannot be woken, and would be waited for when the process ends.
    with suppress(PermissionError):  # a file, which never makes anybody wait
        await anyio.wait_readable(descriptor)
    try:
        return os.read(descriptor, _PIECE)
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror}") from None
