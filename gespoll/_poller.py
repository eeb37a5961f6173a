"""The verbs: wait for one job, wait for all, watch every change.

Rule: every verb is a watch, seen differently; nothing is scheduled, decided or decoded here.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack

from gespoll._credentials import Credentials, credentials_problem
from gespoll._environment import Given, complete
from gespoll._http import MAX_REPLY_BYTES, EngineSource, ManagementSource, Session
from gespoll._jobs import Job, JobRef, JobStatus
from gespoll._loop import Loop
from gespoll._observer import Observer, WaitStarted, check_observers
from gespoll._scheduler import (
    Explanation,
    Knobs,
    Ledger,
    Settings,
    Statistics,
    check_knobs,
    check_max_open,
    check_timeout,
    outcome_of,
)
from gespoll._snapshot import Kept, OnFailure, Snapshot, present, read_snapshot
from gespoll._source import JobSource, keeps_budget
from gespoll._tolerance import MaxFailedLines, read_tolerance
from gespoll._watch import Refs, Watch, as_ref, check_refs


class Poller:
    """Observes jobs of one source for any number of waits and watches, within one request budget.

    Enter and leave it in one task; wait from as many tasks of the same event loop as you like.

    Args:
        source: where states are read.
        close_source: enter the source with the poller, and leave it with the poller.
        rng: where the jitter of delays comes from; a seeded one makes a run in virtual time repeatable.
        wall_clock: returns the present moment, aware, instead of this machine's clock; only snapshots and
            `observed_time` hold it.
        observers: are told what is done; each an `Observer`.
        knobs: `interval=5.0` (seconds: how soon a change is to be known), `max_per_second=10.0` (requests),
            `max_at_once=10` (requests under way), `request_timeout=30.0` (seconds), `not_found_grace=60.0`
            (seconds), `outage_timeout=900.0` (seconds without a good answer; 60 at most when there never
            was one; `None` waits on), `verify=3600.0` (seconds in which each job that only the list, or only
            queries, show is asked for by the other), `pending_timeout=None` (seconds after which a job that never
            began to run ends as `PendingTimeout`), `unconfirmed="accept"` ("raise" makes a success that nothing
            confirmed an `EndUnconfirmed`).

    Raises:
        TypeError: when the source has no `get`, an observer is none, or a knob is no number.
        ValueError: when a knob is out of range; the text says what it may be.
    """

    def __init__(
        self,
        source: JobSource,
        *,
        close_source: bool = False,
        rng: random.Random | None = None,
        wall_clock: Callable[[], datetime] | None = None,
        observers: Iterable[Observer] = (),
        **knobs: Unpack[Knobs],
    ) -> None:
        self._wall_clock = wall_clock or present
        self._source = source
        self._loop: Loop | None = None
        if not callable(getattr(source, "get", None)) or isinstance(source, type):
            raise TypeError(f"a Poller needs a source, such as ManagementSource(...), not {source!r}")
        check_knobs(knobs)
        self._settings = Settings(**knobs)
        self._rng = rng or random.Random()
        self._observers = check_observers(observers)
        self._owned: AbstractAsyncContextManager[object] | None = None
        if close_source:
            if not isinstance(source, AbstractAsyncContextManager):
                raise TypeError(f"close_source=True needs a source that is an async context manager, not {source!r}")
            self._owned = source
        self._entered_by: asyncio.Task[Any] | None = None

    def __repr__(self) -> str:
        return f"<poller of {self._source!r}, {'open' if self._loop else 'not open'}>"

    @property
    def source(self) -> JobSource:
        """Where states are read, such as for iterating over its `jobs()`; those requests are outside the budget."""
        return self._source

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            self._loop.ensure_here()
        if self._entered_by is not None:
            raise RuntimeError("a poller is entered once: make another one")
        self._entered_by = asyncio.current_task()
        if self._owned is not None:
            await self._owned.__aenter__()
        self._loop = Loop(self._source, self._settings, self._rng, self._wall_clock, self._observers)
        mark = keeps_budget.set(True)  # for the tasks that ask
        try:
            self._loop.start()
        finally:
            keeps_budget.reset(mark)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        loop, self._loop = self._open_loop(), None
        try:
            await loop.stop()
        finally:
            if self._owned is not None:
                await self._owned.__aexit__(kind, error, traceback)
        if error is None and self._entered_by is not asyncio.current_task():
            raise RuntimeError(
                "a poller is entered and left in one task: open it where it is closed, for example in a lifespan "
                "context, not in one fixture or callback and another"
            )

    async def wait(
        self,
        job: JobRef | str,
        *,
        graph: str | None = None,
        timeout: float | None = None,
        max_failed_lines: MaxFailedLines | None = None,
    ) -> Job:
        """Wait for one job to end well.

        Cancelling it stops its own requests and nothing else; the job goes on at the server.

        Args:
            job: a ref, or a job id.
            graph: with an id: the graph id on the management plane, the graph name on the engine. Without
                it a job of the management plane is looked for in the list.
            timeout: seconds to wait; `None` waits without limit, 0 looks once.
            max_failed_lines: accept an import that was only partly loaded where no more lines of all its files failed:
                an int, or a share as a float below 1 or as "1%". Its change stays PARTIALLY_FAILED, is `tolerated`
                and has no error. Never where a bad file counts no lines, failed as a whole, or is the schema.

        Returns:
            The job, whose status is SUCCESS or, as far as `max_failed_lines` allows, PARTIALLY_FAILED.

        Raises:
            ImportPartiallyFailed: when an import loaded only a part; `failed_files` tells what is missing.
            ImportFailed: when an import failed.
            JobFailed: when another job failed.
            JobCancelled: when it was cancelled at the server.
            JobNotFound: when the server has denied it for `not_found_grace` seconds.
            JobVanished: the same, after it was seen.
            WaitTimeout: when the time is over and a last look found it open; also a `TimeoutError`.
            SourceError: when it cannot be observed.
            ValueError: when an argument cannot work, or the source cannot look at such a job.
        """
        ref = as_ref(job, graph)
        wait = WaitStarted(kind="wait", job=ref)
        ledger = Ledger(
            on_failure="first",
            keeps_results=False,
            timeout=timeout,
            max_failed_lines=read_tolerance(max_failed_lines),
            wait=wait,
        )
        async with self._open(ledger, [ref], None) as watch:
            ended = [change.job async for change in watch if change.is_final]
        if not ended or ended[0] is None:
            raise AssertionError(f"the watch on {ref} ended without its job")
        return ended[0]

    async def wait_all(
        self,
        refs: Refs,
        *,
        graph: str | None = None,
        timeout: float | None = None,
        job_timeout: float | None = None,
        max_open: int | None = None,
        max_failed_lines: MaxFailedLines | None = None,
        return_exceptions: bool = False,
    ) -> list[Job | Exception]:
        """Wait for all jobs to end, then tell how each did.

        Cancelling it stops its own requests and nothing else; the jobs go on at the server.

        Args:
            refs: an iterable or async iterable of refs, or of job ids together with `graph`.
            graph: the graph of the jobs that are handed over as ids.
            timeout: seconds for all; `None` waits without limit, 0 looks once.
            job_timeout: seconds for each job, from when it was pulled from `refs`.
            max_open: pull the next ref only while fewer than this many jobs are open.
            max_failed_lines: as for `wait`.
            return_exceptions: return the errors at their places instead of raising them.

        Returns:
            One entry a ref, in the order of refs: its `Job`, or with `return_exceptions` its error.

        Raises:
            JobsFailed: after all have ended, when any did not end well; `results` holds every end.
            WaitTimeout: when only the timeout kept jobs from ending well.
            SourceError: when only the source being out of reach did.
            TypeError: when `refs` is one job, or nothing to iterate over.
            ValueError: when an argument cannot work, or the source cannot look at such a job.
        """
        check_refs(refs)
        wait = WaitStarted(kind="wait_all")
        ledger = Ledger(
            on_failure="never",
            timeout=timeout,
            job_timeout=job_timeout,
            max_open=max_open,
            max_failed_lines=read_tolerance(max_failed_lines),
            wait=wait,
        )
        async with self._open(ledger, refs, graph) as watch:
            async for _ in watch:
                pass
            results = ledger.results()
            error = outcome_of(results) or ledger.cut
            if error is not None and not return_exceptions:
                raise watch.carried(error)
        return results

    def watch(
        self,
        refs: Refs | None = None,
        *,
        graph: str | None = None,
        timeout: float | None = None,
        job_timeout: float | None = None,
        max_open: int | None = None,
        max_failed_lines: MaxFailedLines | None = None,
        on_failure: OnFailure = "end",
        progress: bool = False,
    ) -> Watch:
        """Watch jobs: every change as it is seen.

        `async with poller.watch(refs) as changes: async for change in changes: ...`

        Args:
            refs: an iterable or async iterable of refs, or of job ids together with `graph`. `None` opens
                a watch that is fed by `changes.add` and ends after `changes.close_input`.
            graph: the graph of the jobs that are handed over as ids.
            timeout: seconds for the whole watch; `None` is without limit, 0 looks once.
            job_timeout: seconds for each job, from when it was handed over.
            max_open: pull the next ref only while fewer than this many jobs are open.
            max_failed_lines: as for `wait`.
            on_failure: "end" raises `JobsFailed` after the last change, "first" the first error at once,
                "never" nothing: the changes tell.
            progress: also give a change whenever `job.progress` has grown; see `Watch`. Only the list of a
                memory-edition engine tells it, which is then read in full for these jobs, also for a single one.

        Returns:
            An async context manager that gives an async iterator of `StateChange`.

        Raises:
            TypeError: when `refs` is one job, or nothing to iterate over; or `progress` is no bool.
            ValueError: when an argument cannot work.
        """
        if refs is not None:
            check_refs(refs)
        _check_progress(progress, "True or False")
        return self._watch(
            refs,
            on_failure,
            graph,
            progress=progress,
            timeout=timeout,
            job_timeout=job_timeout,
            max_open=max_open,
            max_failed_lines=read_tolerance(max_failed_lines),
        )

    def resume(
        self,
        snapshot: Mapping[str, Any],
        refs: Refs | None = (),
        *,
        graph: str | None = None,
        timeout: float | Kept | None = "kept",
        job_timeout: float | Kept | None = "kept",
        max_open: int | Kept | None = "kept",
        max_failed_lines: MaxFailedLines | Kept | None = "kept",
        on_failure: OnFailure | Kept = "kept",
        progress: bool | Kept = "kept",
    ) -> Watch:
        """Go on with a watch of this or another process, from a snapshot of it.

        What the snapshot covers is not told again. A change that its consumer was given later is told once more,
        with the same `id`: drop the changes whose ids you have.

        Args:
            snapshot: what `Watch.snapshot` gave, or an error carries.
            refs: jobs to watch besides, as for `watch`; those that the snapshot knows are passed over. `None` leaves
                the watch open for `changes.add` until `changes.close_input`.
            graph: the graph of the jobs that are handed over as ids.
            timeout: seconds from now for the whole watch; "kept" keeps the deadline of the snapshot, which may have
                passed: then each open job is looked at once. `None` is without limit.
            job_timeout: the same for each job.
            max_open: pull the next ref only while fewer than this many jobs are open; "kept" does as before.
            max_failed_lines: as for `wait`, and for jobs that end from now on; "kept" does as before.
            on_failure: as for `watch`; "kept" does as before. "end" raises what happened before the snapshot, too.
            progress: as for `watch`; "kept" does as before.

        Returns:
            A watch, as `watch` gives.

        Raises:
            TypeError: when `snapshot` is no mapping, or `refs` is one job, or nothing to iterate over; or `progress`
                is no bool.
            ValueError: when the snapshot is damaged, of another source, or was written by a later version; or an
                argument cannot work.
        """
        if refs is not None:
            check_refs(refs)
        if progress != "kept":
            _check_progress(progress, "True, False or 'kept'")
        loop = self._open_loop()
        terms = (timeout, job_timeout, max_open, max_failed_lines, on_failure, progress)
        before = read_snapshot(snapshot).renewed(*terms)
        loop.check(before)
        return self._watch(
            refs,
            before.on_failure,
            graph,
            timeout=before.timeout,
            job_timeout=before.job_timeout,
            max_open=before.max_open,
            max_failed_lines=before.max_failed_lines,
            progress=before.progress,
            resumed=before,
        )

    def statistics(self) -> Statistics:
        """Tell what was done so far: requests by kind, throttles, open jobs, the rate and the lag of ends.

        Raises:
            RuntimeError: when the poller is not open.
        """
        return self._open_loop().statistics()

    def last_seen(self, job: JobRef | str, *, graph: str | None = None) -> Job | None:
        """Return how a job that is waited for was last reported, without a request.

        It agrees with the changes: an older reply takes it nowhere back, and an end that is yet to be confirmed is
        not shown (`explain` tells of it). Whole records are kept of the 100 open jobs that were read last in full;
        a list entry whose status word did not change is not read in full. Of any other job, and of one that only a
        snapshot knows, there are the status, its word, name, type, graph and whether it is an import; `raw` is empty.

        Args:
            job: a ref, or a job id.
            graph: with an id: its graph, as it was waited for.

        Returns:
            The job, or `None` when no reply has shown it yet, when nobody waits for it, and once it has ended for
            all who waited: then nothing is kept of it, and its last change has told everything.

        Raises:
            RuntimeError: when the poller is not open.
            TypeError: when `job` is neither a ref nor an id.
            ValueError: when the source cannot look at such a job.
        """
        return self._open_loop().last_seen(as_ref(job, graph))

    def explain(self, job: JobRef | str, *, graph: str | None = None) -> Explanation | None:
        """Tell how a job stands and is looked at: the evidence, the verdict, and what is asked next.

        It holds what queries and the list each reported last and when, with ends, denials and failures; the line of
        the verdict that applies (docs/verdicts.md); and which channel is asked next, when, and why then. `str()` of
        it shows that in four lines.

        Args:
            job: a ref, or a job id.
            graph: with an id: its graph, as it was waited for.

        Returns:
            The explanation, or `None` when nobody waits for the job.

        Raises:
            RuntimeError: when the poller is not open.
            ValueError: when the source cannot look at such a job.
        """
        return self._open_loop().explain(as_ref(job, graph))

    def _watch(
        self,
        refs: Refs | None,
        on_failure: OnFailure,
        graph: str | None = None,
        *,
        timeout: float | None = None,
        job_timeout: float | None = None,
        max_open: int | None = None,
        max_failed_lines: float | None = None,
        progress: bool = False,
        resumed: Snapshot | None = None,
    ) -> Watch:
        if on_failure not in {"end", "first", "never"}:
            raise ValueError(f"on_failure={on_failure!r} must be 'end', 'first' or 'never'")
        keeps = on_failure == "end"
        ledger = Ledger(
            on_failure=on_failure,
            keeps_results=keeps,
            timeout=timeout,
            job_timeout=job_timeout,
            max_open=max_open,
            max_failed_lines=max_failed_lines,
            progress=progress,
        )
        return self._open(ledger, refs, graph, resumed)

    def _open(
        self,
        ledger: Ledger,
        refs: Refs | None,
        graph: str | None,
        resumed: Snapshot | None = None,
    ) -> Watch:
        check_timeout("timeout", ledger.timeout)
        check_timeout("job_timeout", ledger.job_timeout)
        check_max_open(ledger.max_open)
        return Watch(self._open_loop(), ledger, refs, graph, resumed)

    def _open_loop(self) -> Loop:
        if self._loop is None:
            raise RuntimeError("the poller is not open: use it inside `async with`")
        self._loop.ensure_here()
        return self._loop


def _check_progress(progress: object, choices: str) -> None:
    if not isinstance(progress, bool):
        raise TypeError(f"progress must be {choices}, not {progress!r}")


def connect(
    endpoint: str | None = None,
    project_id: str | None = None,
    *,
    credentials: Credentials | None = None,
    region: str | None = None,
    engines: Mapping[str, str | Sequence[str]] | None = None,
    api: Literal["v2", "v1.0"] = "v2",
    session: Session | None = None,
    allow_http: bool = False,
    max_reply_bytes: int = MAX_REPLY_BYTES,
    status_words: Mapping[str, JobStatus | str] | None = None,
    rng: random.Random | None = None,
    wall_clock: Callable[[], datetime] | None = None,
    observers: Iterable[Observer] = (),
    **knobs: Unpack[Knobs],
) -> Poller:
    """Make a poller of a project's management plane, or of the engines of some graphs, and its source, closed together.

    `async with gespoll.connect(endpoint, project_id, credentials=gespoll.Token("…")) as poller:`

    What of the first four is not given is looked for in the environment, at once and only then: in the variables
    of the vendor's SDK, then in those of its Terraform provider, then in the SDK's credentials file.

    Args:
        endpoint: such as `https://ges.eu-west-101.myhuaweicloud.eu`.
        project_id: the project's id.
        credentials: such as a `Token`.
        region: instead of an endpoint, the region's id, such as `eu-west-101`.
        engines: instead of an endpoint, graph names to the URLs of their engines, as for `EngineSource`.
        api: "v2" or "v1.0".
        session: an `aiohttp.ClientSession` to borrow; never closed here.
        allow_http: allow plain http to a host other than loopback.
        max_reply_bytes: the largest reply that is read, in bytes.
        status_words: what words mean that no API document names, such as `{"halted": "cancelled"}`: word to
            `JobStatus` or its value. Case, `_` and `-` make no difference. They outweigh the documents' own.
        rng: as for `Poller`.
        wall_clock: as for `Poller`.
        observers: as for `Poller`.
        knobs: as for `Poller`.

    Raises:
        TypeError: when an argument has a wrong type.
        ValueError: when an argument cannot work, or something is neither given nor found; the text says what to
            give, and where it was looked for.
    """
    problem = None if credentials is None else credentials_problem(credentials)
    if problem:
        del credentials  # a bare token, perhaps, which a crash reporter would show
        raise TypeError(problem)
    if engines is not None and endpoint is not None:
        raise ValueError("endpoint= is of the management plane and engines= of the graphs' engines: give one of them")
    endpoint = endpoint if engines is None else ""  # none is looked for
    given = Given(endpoint=endpoint, project_id=project_id, region=region, credentials=credentials)
    found, problem = complete(given, os.environ, _read_file)
    if found is None:
        raise ValueError(problem)
    source: ManagementSource | EngineSource
    if engines is None:
        source = ManagementSource(
            found.endpoint,
            found.project_id,
            credentials=found.credentials,
            api=api,
            session=session,
            allow_http=allow_http,
            max_reply_bytes=max_reply_bytes,
            status_words=status_words,
        )
    else:
        source = EngineSource(
            engines,
            found.project_id,
            credentials=found.credentials,
            session=session,
            allow_http=allow_http,
            max_reply_bytes=max_reply_bytes,
            status_words=status_words,
        )
    return Poller(source, close_source=True, rng=rng, wall_clock=wall_clock, observers=observers, **knobs)


def _read_file(path: str) -> str | None:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
