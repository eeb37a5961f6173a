"""The demo: many bulk imports on a fake service, waited on through the real client over real HTTP.

Rule: nothing is staged but the service. Every figure that is printed was counted by the service or told by
the client; the loop it is compared with asks at the same interval and is never throttled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import anyio

import gespoll
from gespoll.cli._board import Board
from gespoll.cli._demo_options import LONGEST
from gespoll.cli._display import Display, Lines, say
from gespoll.cli._imports import make_imports
from gespoll.testing import FakeGES, FakeJob, FaultKind

INTERVAL = 1.0
MAX_PER_SECOND = 10.0
_PAGE = 100
_FAULTS: dict[int, tuple[FaultKind, str]] = {
    2: ("throttle", "the service throttles: 429"),
    4: ("unavailable", "the service is unavailable: 503"),
    6: ("drop", "the service hangs up without a reply"),
}


def choose_display(board: Board) -> Display:
    """Choose a live table where it can be shown, lines elsewhere."""
    if not sys.stdout.isatty():
        return Lines(board)
    try:
        from gespoll.cli._live import live_table
    except ImportError:  # the extra `cli` is not installed
        return Lines(board)
    return live_table(board) or Lines(board)


async def demo(
    number: int, seed: int, longest: float = LONGEST, display_of: Callable[[Board], Display] = choose_display
) -> None:
    """Watch imports until all have ended, showing how they stand, and print a summary at the end.

    Cancelling it stops the service and the client, and leaves the terminal as it was.

    Args:
        number: how many imports.
        seed: which imports they are.
        longest: seconds after which the last of them has ended.
        display_of: makes what shows how they stand.
    """
    imports = make_imports(number, seed, longest)
    _introduce(number)
    async with FakeGES(max_page=_PAGE, seed=seed) as ges:
        ges.add_foreign(number // 2)
        ges.add_jobs(imports)
        board = Board(ges, imports, INTERVAL)
        async with (
            gespoll.connect(
                ges.endpoint,
                ges.project_id,
                credentials=gespoll.Token(ges.token),
                interval=INTERVAL,
                max_per_second=MAX_PER_SECOND,
            ) as poller,
            poller.watch(_refs(imports), on_failure="never") as changes,
        ):
            with display_of(board) as display:
                await _follow(changes, board, display, ges)
    for line in board.summary():
        say(line)


def _introduce(number: int) -> None:
    imports = "1 simulated bulk import" if number == 1 else f"{number} simulated bulk imports"
    say(f"gespoll demo: waiting for {imports} on a simulated Graph Engine Service.")
    say("The client, the HTTP and the clock are real. No cloud, no credentials, no network but 127.0.0.1.")
    say(f"An end is to be known within about {INTERVAL:g} s, at no more than {MAX_PER_SECOND:g} requests a second.")
    say("")


def _refs(imports: list[FakeJob]) -> list[gespoll.JobRef]:
    return [gespoll.JobRef(job.job_id, graph=job.graph) for job in imports]


async def _follow(changes: gespoll.Watch, board: Board, display: Display, ges: FakeGES) -> None:
    """Take every change, and let the display tick until the last has come."""
    ticks = 0
    while True:
        ticks += 1
        with anyio.CancelScope(deadline=board.started_at + ticks / display.ticks_per_second) as scope:
            async for change in changes:
                board.take(change)
                display.take(change)
        if not scope.cancelled_caught:
            display.tick("")
            return
        second, part = divmod(ticks, display.ticks_per_second)
        display.tick("" if part else _next_trouble(ges, second))


def _next_trouble(ges: FakeGES, second: int) -> str:
    """Let the service misbehave now and then, and other people use it, too."""
    ges.add_foreign(3, age=0.0)
    if second not in _FAULTS:
        return ""
    kind, text = _FAULTS[second]
    ges.inject(kind, times=2)
    return text
