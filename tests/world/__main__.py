"""Draw worlds and judge what a poller makes of them: `python -m tests.world --seeds 0:1000`.

Run in the folder `tests`, as `python -m world`, it judges the package that is installed. The exit status is 1 when any
world went wrong.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from .draw import draw
from .fault import Fault
from .judge import shortest_story, tried
from .plan import Plane

SECONDS_A_WORLD = 60
"""Real seconds after which a world is given up: something runs without end and without requests."""
_CHUNK = 20


def main() -> int:
    """Run the seeds, print a summary and the shortest stories; return the exit status."""
    options = _options()
    first, _, last = options.seeds.partition(":")
    seeds = range(int(first), int(last or int(first) + 1))
    plane = Plane(options.plane) if options.plane else None
    begun = time.monotonic()
    kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
    faulty = 0
    for seed, found in _results(seeds, plane, options.processes):
        faulty += bool(found)
        for key in sorted({(fault.sort, fault.kind) for fault in found}):
            kinds[key].append(seed)
    print(f"{faulty} of {len(seeds)} worlds went wrong, in {time.monotonic() - begun:.0f} s")
    for (sort, kind), where in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"{len(where):6} {sort}, {kind}: {', '.join(map(str, where[:6]))}{', …' * (len(where) > 6)}")
    for seed in sorted({where[0] for where in kinds.values()})[: options.stories]:
        _tell(seed, plane)
    return 1 if faulty else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("--seeds", default="0:100", help="FIRST:LAST, without the last; or one seed")
    parser.add_argument("--plane", choices=[plane.value for plane in Plane], help="worlds of this kind of source only")
    parser.add_argument("--processes", type=int, default=1, help="how many processes share the work")
    parser.add_argument("--stories", type=int, default=1, help="how many shortest stories to print")
    return parser.parse_args()


def _results(seeds: range, plane: Plane | None, processes: int) -> Iterator[tuple[int, list[Fault]]]:
    one = partial(_try, plane=plane)
    if processes == 1:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(one, seeds, chunksize=_CHUNK)


def _try(seed: int, plane: Plane | None) -> tuple[int, list[Fault]]:
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(SECONDS_A_WORLD)
    try:
        return seed, tried(draw(seed, plane))
    finally:
        signal.alarm(0)


def _give_up(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"the world took more than {SECONDS_A_WORLD} s")


def _tell(seed: int, plane: Plane | None) -> None:
    world = draw(seed, plane)
    fault = tried(world)[0]
    print(f"\nseed {seed}: {fault}\nthe shortest story of it:\n{shortest_story(world, fault)}")


if __name__ == "__main__":
    sys.exit(main())
