"""Which jobs are meant: what a DAG hands over, and how many of them make one task.

Rule: pure, and without Airflow. What is handed over may have passed through a template or an XCom, so it is
read leniently where the meaning is clear and refused, with its place, where it is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from gespoll import JobRef

Jobs = str | JobRef | Mapping[str, Any] | Iterable[str | JobRef | Mapping[str, Any]]
"""Job ids, refs or `{"job_id": …, "graph": …}`, one or many; `{graph: [ids]}`; or any of them as JSON text."""
Grouped = dict[str, list[str]]
"""Job ids by graph; those without a graph under the empty text."""

_NO_GRAPH = ""
_JOBS_AT_MOST = 10_000
_FORMS = 'a job id, a JobRef, {"job_id": …, "graph": …}, a list of these, or {graph: [job ids]}'


def refs_of(jobs: Any, graph: str | None = None) -> Iterator[JobRef]:
    """Read what was handed over, lazily.

    Args:
        jobs: the jobs, in any form of `Jobs`.
        graph: the graph of those that name none; a blank one counts as none.

    Raises:
        ValueError: when something is no job; the text says what and where.
    """
    return _refs(_decoded(jobs), graph or None)


def grouped(jobs: Any, graph: str | None = None) -> Grouped:
    """Group jobs by graph, each once: the smallest form that a trigger can be stored in.

    Raises:
        ValueError: when something is no job; the text says what and where.
    """
    groups: dict[str, dict[str, None]] = {}
    for ref in refs_of(jobs, graph):
        groups.setdefault(ref.graph or _NO_GRAPH, {})[ref.job_id] = None
    return {name: list(ids) for name, ids in groups.items()}


def batched_jobs(jobs: Jobs, size: int = 2500, *, graph: str | None = None) -> list[Grouped]:
    """Split many jobs into batches, one for each mapped task: `.expand(jobs=batched_jobs(ids))`.

    Args:
        jobs: the jobs, in any form that `GesJobsOperator` takes.
        size: most jobs in a batch, 10,000 at most. Each batch is one trigger with a request budget of its own.
        graph: the graph of those that name none.

    Returns:
        The batches, each job ids by graph and JSON. Every job is in one of them, once.

    Raises:
        ValueError: when something is no job, or `size` is not from 1 to 10,000.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _JOBS_AT_MOST:
        raise ValueError(f"size={size!r} must be a whole number from 1 to {_JOBS_AT_MOST:,}")
    everything = [(name, job_id) for name, ids in grouped(jobs, graph).items() for job_id in ids]
    starts = range(0, len(everything), size)
    return [grouped(JobRef(job_id, name or None) for name, job_id in everything[at : at + size]) for at in starts]


def _decoded(jobs: Any) -> Any:
    """Read JSON where a template has left text; a text that is no JSON is one job id."""
    if not isinstance(jobs, str) or jobs.strip()[:1] not in {"[", "{"}:
        return jobs
    try:
        return json.loads(jobs)
    except ValueError:
        raise ValueError(
            f"jobs is the text {_shown(jobs)}, which is no JSON: end the template with `| tojson`, "
            "or hand over the output of the task before"
        ) from None


def _refs(jobs: Any, graph: str | None) -> Iterator[JobRef]:
    if isinstance(jobs, str | JobRef) or _is_one_job(jobs):
        return iter([_ref(jobs, graph, "jobs")])
    if isinstance(jobs, Mapping):
        return chain.from_iterable(_refs_of_graph(name, ids, graph) for name, ids in jobs.items())
    if isinstance(jobs, Iterable) and not isinstance(jobs, bytes):
        return (_ref(job, graph, f"jobs[{place}]") for place, job in enumerate(jobs))
    raise ValueError(f"jobs must be {_FORMS}, not {type(jobs).__name__}: {_shown(jobs)}")


def _refs_of_graph(name: Any, ids: Any, graph: str | None) -> Iterator[JobRef]:
    if isinstance(name, str) and isinstance(ids, list | tuple):
        where = graph if name == _NO_GRAPH else name
        return (_ref(job, where, f"jobs[{name!r}][{place}]") for place, job in enumerate(ids))
    raise ValueError(f"jobs[{_shown(name)}] must be a list of job ids, not {type(ids).__name__}: {_shown(ids)}")


def _is_one_job(jobs: Any) -> bool:
    return isinstance(jobs, Mapping) and isinstance(jobs.get("job_id"), str)


def _ref(job: Any, graph: str | None, place: str) -> JobRef:
    if isinstance(job, JobRef):
        return job if job.graph is not None or graph is None else JobRef(job.job_id, graph, job.key)
    job_id = job
    if _is_one_job(job):
        unknown = sorted(job.keys() - {"job_id", "graph"})
        if unknown:
            raise ValueError(f"{place} has {', '.join(map(repr, unknown))} beside job_id and graph: {_shown(job)}")
        job_id, graph = job["job_id"], job.get("graph") or graph
    try:
        return JobRef(job_id, graph)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place} is no job: {error}") from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
