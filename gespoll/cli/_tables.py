"""Tables for humans: jobs, and what is wrong with some.

Rule: on a terminal a table fits it; in a pipe every row is one line, however long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gespoll import Job, JobRef, JobStatus
from gespoll.cli._output import plain, writing
from gespoll.cli._standing import Trouble
from gespoll.cli._words import graph_of, losses, moment, status_words, trouble_words

_STYLES = {
    JobStatus.RUNNING: "cyan",
    JobStatus.SUCCESS: "green",
    JobStatus.PARTIALLY_FAILED: "yellow",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "red",
}
_WIDEST = 100_000


def print_bad_jobs(troubles: Iterable[Trouble]) -> None:
    """Print each job that did not end well, with its bad files."""
    _print(("job", "state", "file", "lines lost", "cause", "log"), (row for each in troubles for row in _rows(each)))


def _rows(trouble: Trouble) -> Iterator[Sequence[str | Text]]:
    job = trouble.job
    first = (f"{trouble.ref}", state_text(None if job is None else job.status))
    files = () if job is None else job.bad_files
    if not files or (job is not None and job.fail_reason):
        yield *first, "", "", trouble_words(job, trouble.error), ""
    for file in files:
        path = plain(f"{file.kind} {file.path or '(no path)'}")
        yield *first, path, losses(file), plain(file.cause or "not told"), plain(file.log or "not told")


def state_text(status: JobStatus | None) -> Text:
    """Word how a job stands, in its colour."""
    return Text(status_words(status), style=_STYLES.get(status, "") if status else "dim")


def print_jobs(jobs: Iterable[tuple[JobRef, Job | None, str | None]]) -> None:
    """Print jobs as they stand; for those that were not seen, why."""
    _print(("job", "graph", "what", "state", "begin", "end", "reason"), (_job_row(*each) for each in jobs))


def _job_row(ref: JobRef, job: Job | None, problem: str | None) -> Sequence[str | Text]:
    if job is None:
        return ref.job_id, ref.graph or "", "", state_text(None), "", "", plain(problem or "")
    what = job.name or (job.request.command if job.request else None) or ""
    causes = filter(None, [job.fail_reason, *(file.cause for file in job.bad_files), problem])
    return (
        ref.job_id,
        graph_of(job),
        plain(what),
        state_text(job.status),
        moment(job.begin_time),
        moment(job.end_time),
        plain(next(causes, "")),
    )


def _print(headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDEST
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    with writing():
        console.print(table)
