"""The soak of the benchmarks, in short: it ends as the long one does, and it notices what it is there to notice."""

from __future__ import annotations

from random import Random

import anyio
import pytest

import gespoll
from benchmarks import soak, soak_over_http
from benchmarks.soak import Program, Service


@pytest.fixture(scope="module")
def found() -> soak.Month:
    """Let two days pass, with a tenth of the jobs."""
    return soak.simulated(2, 330)


def test_every_job_ends_once_and_rightly(found: soak.Month) -> None:
    """In watches and in waits that were cut off, whatever went wrong."""
    assert (found.ended, found.twice, found.wrong, found.left) == (660, 0, 0, 0)
    assert found.begun_again > 20
    assert min(found.latencies) >= 0


def test_everything_went_wrong(found: soak.Month) -> None:
    """Otherwise it would prove little."""
    assert {kind for kind, _, _ in soak.FAULTS} | {
        "denied",
        "list refused",
        "outage",
        "stale list",
        "token renewed",
    } <= set(found.met)


def test_a_row_tells_what_was_found(found: soak.Month) -> None:
    """And that it falls short where it does."""
    assert soak.row(found).measured.startswith("660 ends, 0 twice, 0 wrong, 0 left; memory ")
    found.held = [1000, 1100]
    assert soak.row(found).reached
    found.held = [1000, 1101]
    assert not soak.row(found).reached
    found.held, found.wrong = [1000], 1
    assert not soak.row(found).reached


def test_a_wrong_and_a_second_end_are_counted() -> None:
    """What the program is told is compared with what the service knows."""

    async def main() -> tuple[int, int, int]:
        program = Program(1, 3, 0)
        refs = [program.service.submit() for _ in range(2)]
        ends = [program.service.known[ref.job_id].end for ref in refs]
        program.found.take(program.service, refs[0], ends[0])
        program.found.take(program.service, refs[0], ends[0])
        program.found.take(program.service, refs[1], gespoll.JobStatus.UNKNOWN)
        return program.found.ended, program.found.twice, program.found.wrong

    assert anyio.run(main) == (2, 1, 1)


def test_the_service_forgets_what_is_old() -> None:
    """Its list is bounded, so that only the poller could grow."""

    async def main() -> int:
        service = Service(Random(0))
        for _ in range(soak.LISTED + 10):
            service.submit()
        return len(service.listed)

    assert anyio.run(main) == soak.LISTED


def test_rounds_over_http_leave_nothing() -> None:
    """Real sockets and a process that serves: all jobs end rightly, and no task and no descriptor is left."""
    found = anyio.run(soak_over_http.soak, 0.0)
    assert (found.twice, found.wrong, found.leaked) == (0, 0, (0, 0))
    assert found.ended == 2 * soak_over_http.JOBS
    assert found.left_early == 2
    assert soak_over_http.row(found).reached is (found.growth <= soak_over_http.GROWTH_AT_MOST)
