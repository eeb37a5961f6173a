"""The imports of the demo, each with its whole future.

Rule: the same number and seed make the same imports; what is wrong with one is written down in the table
`TROUBLES`, and everything else about it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs

from gespoll.cli._demo_options import LONGEST
from gespoll.testing import FakeFile, FakeJob

GRAPHS = ("movies", "people", "roads", "papers", "payments", "genes")
_TROUBLED_SHARE = 0.04
_NEVER = 1e9

Trouble = Callable[[FakeJob, Random], FakeJob]


def make_imports(number: int, seed: int, longest: float = LONGEST) -> list[FakeJob]:
    """Make imports, most of which end well.

    Every trouble stands among them as soon as there are enough imports for it.

    Args:
        number: how many.
        seed: which ones.
        longest: seconds after which the last has ended; all their times are stretched to it.
    """
    rng = Random(seed)
    imports = [_sound_import(index, rng, longest / LONGEST) for index in range(number)]
    troubled = min(number, max(len(TROUBLES), round(number * _TROUBLED_SHARE)))
    for turn, index in enumerate(rng.sample(range(number), troubled)):
        imports[index] = TROUBLES[turn % len(TROUBLES)](imports[index], rng)
    return imports


def _sound_import(index: int, rng: Random, stretch: float) -> FakeJob:
    graph = rng.choice(GRAPHS)
    job_id = f"import-{index + 1:04d}"
    running_at = rng.uniform(0.2, 2.5) * stretch
    ended_at = running_at + rng.uniform(0.5, LONGEST - 2.5) * stretch
    return FakeJob(
        job_id,
        graph=f"{graph}-id",
        graph_name=graph,
        steps=[(0.0, "pending"), (running_at, "running"), (ended_at, "success")],
        files=[
            FakeFile("schema", f"bucket/{graph}/schema.xml", log=f"bucket/log/{job_id}/schema.log"),
            _loaded("vertexset", graph, job_id, rng),
            _loaded("edgeset", graph, job_id, rng),
        ],
    )


def _loaded(kind: str, graph: str, job_id: str, rng: Random) -> FakeFile:
    lines = rng.randrange(1_000, 100_000)
    return FakeFile(
        "edgeset" if kind == "edgeset" else "vertexset",
        f"bucket/{graph}/{kind}.csv",
        log=f"bucket/log/{job_id}/{kind}.log",
        total_lines=lines,
        failed_lines=0,
        successful_lines=lines,
    )


def _with_losses(file: FakeFile, rng: Random, *, word: str, cause: str) -> FakeFile:
    """Let a file lose some lines, or all of them when its word is failed."""
    lines = file.total_lines or 0
    lost = lines if word == "failed" else rng.randrange(1, lines // 20)
    return attrs.evolve(file, status=word, cause=cause, failed_lines=lost, successful_lines=lines - lost)


def _ending(job: FakeJob, word: str) -> tuple[tuple[float, str], ...]:
    return *job.steps[:-1], (job.steps[-1][0], word)


def _with_bad_edges(job: FakeJob, rng: Random, *, word: str) -> FakeJob:
    schema, vertices, edges = job.files or ()
    edges = _with_losses(edges, rng, word=word, cause="the source or target vertex does not exist")
    return attrs.evolve(job, files=(schema, vertices, edges))


def _says_partly(job: FakeJob, rng: Random) -> FakeJob:
    partly = _with_bad_edges(job, rng, word="partFailed")
    return attrs.evolve(partly, steps=_ending(job, "partiallyFailed"))


def _says_success_with_a_part_missing(job: FakeJob, rng: Random) -> FakeJob:
    return _with_bad_edges(job, rng, word="partFailed")


def _says_success_with_lines_missing(job: FakeJob, rng: Random) -> FakeJob:
    return _with_bad_edges(job, rng, word="success")


def _says_success_with_nothing_loaded(job: FakeJob, rng: Random) -> FakeJob:
    _, *data = job.files or ()
    return attrs.evolve(job, files=[_with_losses(file, rng, word="failed", cause="the file is empty") for file in data])


def _says_success_and_hides_its_files(job: FakeJob, rng: Random) -> FakeJob:
    return attrs.evolve(_with_bad_edges(job, rng, word="partFailed"), list_detail_after=_NEVER)


def _says_failed(job: FakeJob, rng: Random) -> FakeJob:
    schema, vertices, edges = job.files or ()
    vertices = _with_losses(vertices, rng, word="failed", cause="column 3 does not match the schema")
    reason = "a vertex file could not be read"
    return attrs.evolve(job, steps=_ending(job, "failed"), files=(schema, vertices, edges), fail_reason=reason)


def _says_failed_and_no_more(job: FakeJob, _: Random) -> FakeJob:
    return attrs.evolve(job, steps=_ending(job, "failed"), files=None, fail_reason="the OBS path does not exist")


def _loads_all_and_hides_its_files(job: FakeJob, _: Random) -> FakeJob:
    return attrs.evolve(job, list_detail_after=_NEVER)


TROUBLES: tuple[Trouble, ...] = (
    _says_partly,
    _says_success_with_a_part_missing,
    _says_success_with_lines_missing,
    _says_failed,
    _says_success_and_hides_its_files,
    _says_success_with_nothing_loaded,
    _loads_all_and_hides_its_files,
    _says_failed_and_no_more,
)
"""What may be wrong with an import, in turn."""
