"""The benchmark of shapes measures what is there, judges every verdict, and comes to an end."""

# ruff: noqa: E402  # what the extra brings is asked for before it is imported

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime

import anyio
import attrs
import pytest

for needed in ("aiolimiter", "matplotlib", "numpy", "tenacity"):
    pytest.importorskip(needed, reason="the benchmarks need the extra `bench`")

import gespoll
from benchmarks import shapes
from benchmarks.__main__ import document, parse
from benchmarks.contest import on_virtual_time
from benchmarks.figures import Row
from benchmarks.service import Behaviour
from benchmarks.shapes import CountingService, Result, Shape
from benchmarks.workload import Work


@pytest.mark.parametrize("shape", shapes.SHAPES, ids=[shape.name for shape in shapes.SHAPES])
def test_every_shape_comes_to_an_end(shape: Shape) -> None:
    """Each job that ends is in the figures, known or not, or was judged wrongly."""
    jobs, running = min(shape.jobs, 20), min(shape.running, 20)
    small = attrs.evolve(shape, jobs=jobs, running=running, ending_seconds=10.0, known_within=100.0)
    ending = [work for work in small.works(0) if work.ends_at < math.inf]
    result = shapes.simulate(small, 0)
    assert len(ending) == small.jobs
    assert len(result.latencies) + len(result.others) + result.wrong.total() == len(ending)
    assert result.latencies.count(math.inf) + result.others.count(math.inf) == result.not_ended
    assert result.requests >= result.verified + result.confirmed


def test_a_shape_lies_about_as_many_jobs_as_it_says() -> None:
    """A channel lies about some of the ending jobs, never about those that go on."""
    shape = Shape(name="some frozen", jobs=20, running=5, lie="list_frozen", lied_about=0.1)
    works = shape.works(0)
    frozen = shape.behaviour_towards(works, 0).list_frozen
    assert len(frozen) == 2
    assert all(work.ends_at < math.inf for work in works if work.job_id in frozen)


def test_an_end_that_is_never_known_is_told_with_the_time_waited() -> None:
    """The row ends by itself, and is not reached."""
    shape = Shape(name="nothing answers", jobs=3, ending_seconds=5.0, known_within=10.0, behaviour=shapes.plain(hung=1))
    row = shapes.measured(shape, 1)
    assert (row.columns["worst"], row.columns["not ended"]) == ("inf (inf-inf)", "3")
    assert row.reached is False
    assert row.note == "not known within 10 s after the last end"


def test_a_wrong_verdict_is_counted_and_named() -> None:
    """It is no latency, and the row is not reached however soon it came."""
    result = Result(
        latencies=[], others=[], requests=2, verified=0, confirmed=0, wrong=Counter({"JobNotFound": 2}), not_ended=0
    )
    row = shapes.row(Shape(name="any"), [result, result])
    assert (row.columns["wrong"], row.columns["worst"], row.reached) == ("4", "nan (nan-nan)", False)
    assert row.note == "wrong: 4 JobNotFound"


@pytest.mark.parametrize(
    ("status", "error", "at", "fault"),
    [
        ("success", None, 10.0, None),
        ("success", None, 9.0, "success while it ran"),
        ("failed", gespoll.JobFailed, 10.0, "failed instead of success"),
        ("running", gespoll.JobNotFound, 10.0, "JobNotFound"),
    ],
)
def test_a_verdict_is_judged_by_the_truth(
    status: str, error: type[gespoll.JobError] | None, at: float, fault: str | None
) -> None:
    """Wrong are another end, an end before its time, and an error in place of an end."""
    ref = gespoll.JobRef("a")
    job = gespoll.Job(ref=ref, status=gespoll.JobStatus(status), reported_status=status)
    change = gespoll.StateChange(
        ref=ref,
        previous=None,
        status=job.status,
        job=job,
        error=None if error is None else error(ref, job),
        is_final=True,
        observed_at=at,
        observed_time=datetime(2030, 1, 2, tzinfo=UTC),
        id="c1",
    )
    assert shapes.fault_of(change, Work("a", 0.0, 10.0), at) == fault


def test_queries_of_listed_jobs_are_told_apart() -> None:
    """Before a page none counts; then an open job is verified, an ended one confirmed, one that left neither."""

    async def main() -> list[tuple[int, int]]:
        works = [Work("open", -1.0, 100.0), Work("ended", -1.0, 0.0), Work("leaves", -1.0, 1.0)]
        counts, service = [], CountingService(works, Behaviour(round_trip=0.0), 0)
        for job_id in ("open", "open", "ended"):
            await service.look(job_id)
            counts.append((service.verified, service.confirmed))
            await service.window(0, 10)
        service.behaviour = Behaviour(round_trip=0.0, ended_leave=True)
        await anyio.sleep(2.0)
        await service.look("leaves")
        return [*counts, (service.verified, service.confirmed)]

    assert on_virtual_time(main) == [(0, 0), (1, 0), (1, 1), (1, 1)]


def test_one_shape_can_be_picked() -> None:
    """A text picks the rows whose name holds it."""
    assert parse(["shapes", "--only", "frozen"]).only == "frozen"
    rows = shapes.run(1, only="newest")
    assert [(row.what, row.columns["wrong"], row.columns["not ended"]) for row in rows] == [("newest first", "0", "0")]


def test_rows_of_another_benchmark_cannot_be_picked(capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what to write."""
    with pytest.raises(SystemExit):
        parse(["grid", "--only", "frozen"])
    assert "python -m benchmarks shapes --only 'frozen'" in capsys.readouterr().err


def test_shapes_stand_in_a_table_of_their_own() -> None:
    """Its columns are the figures; the table of aims has none of them."""
    shape = Row(what="a", beside="", reach="r", measured="", reached=True, columns={"p50": "1", "p99": "2"})
    aim = Row(what="b", beside="c", reach="<= 1x", measured="2x", reached=False)
    above, below = document([shape, aim], ["how"], 1).split("## Shapes of the service")
    assert "| a | 1 | 2 | r | yes |  |" in below
    assert "| b | c |" in above
    assert "| a |" not in above
