"""Observers: what they are told, when, in which context, and that they hurt nothing."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import attrs
import pytest

from gespoll import (
    AuthenticationError,
    EngineSource,
    ImportPartiallyFailed,
    JobFailed,
    JobNotFound,
    JobRef,
    JobsFailed,
    JobStatus,
    Observer,
    Poller,
    RequestMade,
    StateChange,
    Throttled,
    Token,
    TransportError,
    WaitEnded,
    WaitStarted,
    WaitTimeout,
    Watch,
    connect,
)
from gespoll.testing import FakeFile, FakeGES, ScriptedSource

pytestmark = pytest.mark.anyio

OK, RUNNING, FAILED = JobStatus.SUCCESS, JobStatus.RUNNING, JobStatus.FAILED
METHODS = ("request_made", "throttled", "changed", "open_jobs_changed", "wait_started", "wait_ended")
caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="nobody")


class Notes(Observer):
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.open = 0
        self.entered_in: list[str] = []

    def request_made(self, event: RequestMade, /) -> None:
        """Keep it."""
        self.told.append(("request_made", event))

    def throttled(self, error: Throttled, /) -> None:
        """Keep it."""
        self.told.append(("throttled", error))

    def changed(self, change: StateChange, /) -> None:
        """Keep it."""
        self.told.append(("changed", change))

    def open_jobs_changed(self, by: int, /) -> None:
        """Keep it, and the sum."""
        self.told.append(("open_jobs_changed", by))
        self.open += by

    def wait_started(self, event: WaitStarted, /) -> None:
        """Keep it, and who called."""
        self.told.append(("wait_started", event))
        self.entered_in.append(caller.get())

    def wait_ended(self, event: WaitEnded, /) -> None:
        """Keep it."""
        self.told.append(("wait_ended", event))

    def of(self, method: str) -> list[Any]:
        """Give what one method was told."""
        return [event for name, event in self.told if name == method]

    @property
    def ended(self) -> WaitEnded:
        """The end of the only wait."""
        [event] = self.of("wait_ended")
        assert isinstance(event, WaitEnded)
        return event


class Angry(Observer):
    """Raises whatever it is told."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name not in METHODS:
            return super().__getattribute__(name)

        def called(event: object) -> None:
            self.calls.append(name)
            raise self.error

        return called


def polling(*observers: Observer, stories: dict[str, list[Any]], **knobs: Any) -> Poller:
    """Make a poller of jobs that tell these stories."""
    return Poller(ScriptedSource(stories, delay=0.25), observers=observers, **knobs)


class TestWhatIsTold:
    """One wait, from its start to its end."""

    async def test_everything_in_order(self) -> None:
        """The start, the job, each request before what it changed, and the end."""
        notes = Notes()
        async with polling(notes, stories={"a": [RUNNING, OK]}) as poller:
            await poller.wait("a")
        assert [name for name, _ in notes.told] == [
            "wait_started",
            "open_jobs_changed",
            "request_made",
            "changed",
            "request_made",
            "changed",
            "open_jobs_changed",
            "wait_ended",
        ]

    async def test_requests(self) -> None:
        """Kind, scope and duration in seconds, and no error after an answer."""
        notes = Notes()
        async with polling(notes, stories={"a": [RUNNING, OK]}) as poller:
            await poller.wait("a")
        made = RequestMade(kind="query", scope="", duration=pytest.approx(0.25), outcome="answered")  # type: ignore[arg-type]
        assert [attrs.asdict(each) for each in notes.of("request_made")] == [attrs.asdict(made)] * 2

    async def test_changes_are_those_of_the_watch(self) -> None:
        """They are the same objects, told once for each watch on the job."""
        notes = Notes()
        async with (
            polling(notes, stories={"a": [RUNNING, OK]}) as poller,
            poller.watch(["a"]) as first,
            poller.watch(["a"]) as second,
        ):
            seen = [change async for change in first] + [change async for change in second]
        assert {id(change) for change in notes.of("changed")} == {id(change) for change in seen}
        assert len(notes.of("changed")) == 4

    async def test_changes_that_nobody_takes(self) -> None:
        """They are told as they are seen, not as they are taken."""
        notes = Notes()
        async with polling(notes, stories={"a": [RUNNING, OK]}) as poller, poller.watch(["a"]):
            await anyio.sleep(30)
            assert [change.status for change in notes.of("changed")] == [RUNNING, OK]

    async def test_windows_and_projects_of_the_real_source(self) -> None:
        """A window tells its kind and the project it went to; several observers are told the same."""
        one, other = Notes(), Notes()
        async with FakeGES() as ges:
            ges.add_job("a", graph="g")
            ges.add_job("b", graph="g")
            token = Token(ges.token)
            async with connect(ges.endpoint, ges.project_id, credentials=token, observers=[one, other]) as poller:
                await poller.wait_all(["a", "b"], graph="g")
        made = one.of("request_made")
        assert {(each.kind, each.scope) for each in made} >= {("window", ges.project_id)}
        assert len(made) == len(ges.requests)
        assert [name for name, _ in one.told] == [name for name, _ in other.told]

    async def test_engines_by_graph(self) -> None:
        """The scope of an engine's request is its graph."""
        notes = Notes()
        async with FakeGES() as ges:
            ges.add_job("1", graph="movies", engine=True)
            source = EngineSource({"movies": ges.endpoint}, ges.project_id, credentials=Token(ges.token))
            async with Poller(source, close_source=True, observers=[notes]) as poller:
                await poller.wait("1", graph="movies")
        assert {each.scope for each in notes.of("request_made")} == {"movies"}

    async def test_throttles(self) -> None:
        """The error tells the limit; the request that met it is told, too."""
        throttled = Throttled("slow down", limit=2.0, retry_after=7.0)
        notes = Notes()
        async with polling(notes, stories={"a": [throttled, OK]}) as poller:
            await poller.wait("a")
        assert notes.of("throttled") == [throttled]
        assert [(each.outcome, each.error) for each in notes.of("request_made")] == [
            ("failed", throttled),
            ("answered", None),
        ]

    async def test_jobs_that_are_not_found(self) -> None:
        """The service answered: that is no failure of the request."""
        notes = Notes()
        async with polling(notes, stories={}, not_found_grace=0) as poller:
            with pytest.raises(JobNotFound):
                await poller.wait("a")
        assert {(each.outcome, each.error) for each in notes.of("request_made")} == {("not_found", None)}

    async def test_requests_that_take_too_long(self) -> None:
        """They failed without a reply."""
        notes = Notes()
        async with polling(notes, stories={"a": [OK]}, request_timeout=0.1) as poller:
            with pytest.raises(WaitTimeout):
                await poller.wait("a", timeout=1)
        first = notes.of("request_made")[0]
        assert (first.outcome, type(first.error), first.duration) == ("failed", TransportError, pytest.approx(0.1))

    async def test_requests_that_are_withdrawn(self) -> None:
        """Leaving a wait is no failure of its request."""
        notes = Notes()
        async with polling(notes, stories={"a": [OK]}) as poller:
            with anyio.move_on_after(0.1):
                await poller.wait("a")
            assert [each.outcome for each in notes.of("request_made")] == ["withdrawn"]

    async def test_credentials_that_are_renewed(self) -> None:
        """The request that showed it is told as one that is sent again."""
        notes = Notes()

        async def fetch() -> str:
            return ges.token

        async with FakeGES() as ges:
            ges.add_job("a", graph="g")
            credentials = Token(fetch)
            async with connect(ges.endpoint, ges.project_id, credentials=credentials, observers=[notes]) as poller:
                await poller.wait("a", graph="g")
                ges.add_job("b", graph="g")
                ges.expire_token("another")
                await poller.wait("b", graph="g")
        outcomes = [each.outcome for each in notes.of("request_made")]
        assert outcomes.count("renewed") == 1
        assert set(outcomes) == {"answered", "renewed"}


class TestHowWaitsEnd:
    """Counts, durations and errors."""

    async def test_a_wait_names_its_job(self) -> None:
        """A single one does; the start is told again with the end."""
        notes = Notes()
        async with polling(notes, stories={"a": [OK]}) as poller:
            await poller.wait("a", graph="g")
        [started] = notes.of("wait_started")
        assert (started.kind, started.job) == ("wait", JobRef("a", "g"))
        assert notes.ended.started is started
        assert attrs.asdict(notes.ended, filter=attrs.filters.exclude("started")) == {
            "duration": pytest.approx(0.25),
            "jobs_ended": 1,
            "jobs_failed": 0,
            "jobs_open": 0,
            "error": None,
        }
        assert notes.ended.outcome == "ended"

    @pytest.mark.parametrize("return_exceptions", [True, False])
    async def test_many_are_counted(self, return_exceptions: bool) -> None:
        """An error is told where one was raised; failed jobs are counted in any case."""
        notes = Notes()
        raised: Exception | None = None
        async with polling(notes, stories={"a": [OK], "b": [FAILED], "c": [RUNNING]}) as poller:
            try:
                await poller.wait_all(["a", "b", "c"], timeout=20, return_exceptions=return_exceptions)
            except JobsFailed as error:
                raised = error
        ended = notes.ended
        assert (ended.started.kind, ended.started.job) == ("wait_all", None)
        assert (ended.jobs_ended, ended.jobs_failed, ended.jobs_open) == (3, 2, 0)
        assert ended.error is raised
        assert ended.outcome == ("ended" if return_exceptions else "failed")

    async def test_a_watch_that_is_left(self) -> None:
        """What it leaves open is counted, and open no more."""
        notes = Notes()
        async with polling(notes, stories={"a": [OK], "b": [RUNNING]}) as poller:
            async with poller.watch(["a", "b"]) as changes:
                async for change in changes:
                    if change.is_final:
                        break
            assert notes.open == 0
        ended = notes.ended
        assert (ended.started.kind, ended.outcome, ended.jobs_ended, ended.jobs_open) == ("watch", "left", 1, 1)

    async def test_a_watch_that_raises(self) -> None:
        """The error is what the iteration raised."""
        notes = Notes()
        async with polling(notes, stories={"a": [FAILED]}) as poller:
            with pytest.raises(JobFailed) as caught:
                await poller.wait("a")
        assert notes.ended.error is caught.value
        assert notes.ended.outcome == "failed"

    async def test_a_body_that_raises(self) -> None:
        """Its error is told, too."""
        notes, own = Notes(), ValueError("my own")
        async with polling(notes, stories={"a": [RUNNING]}) as poller:
            with pytest.raises(ValueError, match="my own"):
                async with poller.watch(["a"]):
                    raise own
        assert notes.ended.error is own

    async def test_a_cancellation(self) -> None:
        """It is told from an error."""
        notes = Notes()
        async with polling(notes, stories={"a": [RUNNING]}) as poller:
            with anyio.move_on_after(3):
                await poller.wait("a")
        assert notes.ended.outcome == "cancelled"
        assert notes.ended.duration == pytest.approx(3)
        assert isinstance(notes.ended.error, asyncio.CancelledError)

    async def test_input_that_fails_at_once(self) -> None:
        """A watch that cannot be entered has started and ended all the same."""
        notes = Notes()
        async with polling(notes, stories={"a": [RUNNING]}) as poller:
            with pytest.raises(TypeError):
                await poller.wait_all(["a", 7])  # type: ignore[list-item]
        assert isinstance(notes.ended.error, TypeError)

    @pytest.mark.parametrize("at", ["yield", "close"])
    async def test_input_that_fails_later(self, at: str) -> None:
        """The submitter's own error is told, also where it comes while the watch is left."""
        notes, own = Notes(), ValueError("no more")

        async def submitting() -> AsyncIterator[str]:
            try:
                yield "a"
                if at == "yield":
                    raise own
                yield "b"
            finally:
                if at == "close":
                    raise own

        async def follow() -> None:
            async with poller.watch(submitting(), max_open=1) as changes:
                async for _ in changes:
                    if at == "close":
                        break

        async with polling(notes, stories={"a": [OK], "b": [RUNNING]}) as poller:
            with pytest.raises(ValueError, match="no more"):
                await follow()
        assert notes.ended.error is own

    async def test_a_poller_that_cannot_go_on(self) -> None:
        """Its waits end with the error, and no job stays open."""
        notes = Notes()
        async with polling(notes, stories={"a": [RUNNING, AuthenticationError("no")]}) as poller:
            with pytest.raises(AuthenticationError):
                await poller.wait("a")
        assert isinstance(notes.ended.error, AuthenticationError)
        assert notes.open == 0

    async def test_a_poller_that_is_closed_before_its_watch(self) -> None:
        """The wait is told to end when it is left."""
        notes = Notes()
        async with anyio.create_task_group() as tasks, polling(notes, stories={"a": [RUNNING]}) as poller:

            async def wait() -> None:
                with pytest.raises(RuntimeError, match="the poller was closed"):
                    await poller.wait("a")

            tasks.start_soon(wait)
            await anyio.sleep(3)
        assert isinstance(notes.ended.error, RuntimeError)

    async def test_each_wait_is_told_in_the_context_that_entered_it(self) -> None:
        """Also where many tasks wait at once, so that a span has the right parent."""
        notes = Notes()
        async with polling(notes, stories={"a": [RUNNING, OK], "b": [OK]}) as poller:

            async def wait(name: str) -> None:
                caller.set(name)
                await poller.wait(name)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, "a")
                tasks.start_soon(wait, "b")
        assert sorted(notes.entered_in) == ["a", "b"]
        assert [event.job.job_id for event in notes.of("wait_started")] == notes.entered_in


class TestOpenJobs:
    """The sum of what `open_jobs_changed` tells."""

    async def test_it_follows_the_jobs(self) -> None:
        """Up when they are handed in, down when they end or are discarded; a job twice in a watch counts once."""
        notes, sums = Notes(), []
        async with polling(notes, stories={"a": [OK], "b": [RUNNING], "c": [RUNNING]}) as poller:
            async with poller.watch() as changes:
                for job in ("a", "b", "b", "c"):
                    changes.add(job)
                sums.append(notes.open)
                await anyio.sleep(1)
                sums.append(notes.open)
                changes.discard("b")
                sums.append(notes.open)
            sums.append(notes.open)
            changes.discard("c")
            sums.append(notes.open)
        assert sums == [3, 2, 1, 0, 0]

    async def test_jobs_out_of_a_snapshot_count(self) -> None:
        """Those that are open do; the changes told before are not told again."""
        notes = Notes()
        async with polling(stories={"a": [OK], "b": [RUNNING]}) as poller, poller.watch(["a", "b"]) as changes:
            for _ in range(2):
                await anext(changes)
            snapshot = changes.snapshot()
        async with polling(notes, stories={"b": [RUNNING, OK]}) as poller, poller.resume(snapshot) as changes:
            assert notes.open == 1
            assert [change.ref.job_id async for change in changes] == ["b"]
        assert (notes.open, notes.ended.jobs_ended, notes.ended.started.kind) == (0, 1, "watch")

    async def test_many_are_told_at_once(self) -> None:
        """Handing in a thousand jobs is no thousand calls."""
        notes = Notes()
        jobs = [f"job-{number}" for number in range(1000)]
        async with polling(notes, stories={}) as poller, poller.watch(jobs):
            pass
        assert notes.of("open_jobs_changed") == [500, 500, -1000]

    async def test_jobs_that_end_while_they_are_handed_in(self) -> None:
        """A job that can only be found in a list that is refused ends at once, and leaves the sum right."""
        notes = Notes()
        async with FakeGES(list_refused=True) as ges:
            token = Token(ges.token)
            async with connect(ges.endpoint, ges.project_id, credentials=token, observers=[notes]) as poller:
                for _ in range(2):
                    await poller.wait_all(["a", "b"], return_exceptions=True)
                    assert notes.open == 0
        assert [event.jobs_failed for event in notes.of("wait_ended")] == [2, 2]


class TestObserversThatRaise:
    """They hurt nobody, and are told on."""

    @pytest.mark.parametrize("error", [ValueError("my fault"), asyncio.CancelledError("stray")], ids=type)
    async def test_the_wait_goes_on(self, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
        """Each method is called each time; one warning for each; the observers after it are told, too."""
        throttled = Throttled("slow down")
        angry, notes = Angry(error), Notes()
        async with polling(angry, notes, stories={"a": [RUNNING, throttled, OK]}) as poller:
            assert (await poller.wait("a")).status is OK
        assert set(angry.calls) == set(METHODS)
        assert angry.calls == [name for name, _ in notes.told]
        warned = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warned) == len(METHODS)
        assert {record.name for record in warned} == {"gespoll"}

    async def test_the_warning_says_what_happened(self, caplog: pytest.LogCaptureFixture) -> None:
        """Whose, where, and what it means; the traceback is text, without frames that hold values."""

        class Broken(Observer):
            """Divides."""

            def wait_ended(self, event: WaitEnded, /) -> None:
                """Fail."""
                raise ZeroDivisionError("none open")

        async with polling(Broken(), stories={"a": [FAILED]}) as poller:
            with pytest.raises(JobFailed):
                await poller.wait("a")
        [record] = caplog.records
        text = record.getMessage().splitlines()
        assert text[0] == (
            f"{Broken.__qualname__}.wait_ended() raised; the wait goes on, "
            "and further errors of this method are not logged"
        )
        assert text[1] == "Traceback (most recent call last):"
        assert text[-1] == "ZeroDivisionError: none open"
        assert record.exc_info is None
        assert "JobFailed" not in record.getMessage()

    async def test_an_observer_without_a_hash(self) -> None:
        """Observers are told apart by what they are, not by what they equal."""

        @attrs.define
        class Equal(Observer):
            """Equals all of its kind."""

            def changed(self, change: StateChange, /) -> None:
                """Fail."""
                raise ValueError

        async with polling(Equal(), Equal(), stories={"a": [OK]}) as poller:
            await poller.wait("a")

    async def test_an_interrupt_passes(self) -> None:
        """What is no error is not swallowed."""

        class Stop(BaseException):
            """No error."""

        def stop(*_: object) -> None:
            raise Stop

        notes = Notes()
        notes.wait_started = stop  # type: ignore[method-assign]
        async with polling(notes, stories={"a": [OK]}) as poller:
            with pytest.raises(Stop):
                await poller.wait("a")


class TestObserversThatAsk:
    """The poller is at rest while an observer is told."""

    async def test_it_may_look_at_the_poller(self) -> None:
        """Also at the job that it is told of."""
        seen: list[tuple[int, object]] = []

        class Curious(Observer):
            """Asks."""

            def changed(self, change: StateChange, /) -> None:
                """Ask."""
                seen.append((poller.statistics().open_jobs, poller.explain(change.ref)))

        async with polling(Curious(), stories={"a": [RUNNING, OK]}) as poller:
            await poller.wait("a")
        assert [(number, explained is None) for number, explained in seen] == [(1, False), (0, True)]

    async def test_a_change_is_told_in_every_watch_before(self) -> None:
        """An observer that discards the job everywhere at its end takes no final change from anybody."""
        watches: list[Watch] = []

        class Hasty(Observer):
            """Discards."""

            def changed(self, change: StateChange, /) -> None:
                """Discard."""
                for watch in watches if change.is_final else ():
                    watch.discard("a")

        async with (
            polling(Hasty(), stories={"a": [RUNNING, OK]}) as poller,
            poller.watch(["a"]) as first,
            poller.watch(["a"]) as second,
        ):
            watches += [first, second]
            for watch in watches:
                assert [change.status async for change in watch] == [RUNNING, OK]

    async def test_what_it_makes_happen_is_told_behind(self) -> None:
        """Every observer gets the events in one order, however many one makes happen."""
        watches: list[Watch] = []

        class Busier(Notes):
            """Adds a job for each that is taken in."""

            def open_jobs_changed(self, by: int, /) -> None:
                """Add another."""
                super().open_jobs_changed(by)
                if by > 0 and self.open < 2000:
                    watches[0].add(str(self.open))

        notes = [Busier(), Notes()]
        async with polling(*notes, stories={}) as poller, poller.watch() as watch:
            watches.append(watch)
            watch.add("0")
            assert [note.open for note in notes] == [2000, 2000]
        assert notes[0].told == notes[1].told

    @pytest.mark.parametrize("kinds", ["queries", "lists"])
    async def test_it_may_discard_and_add(self, kinds: str) -> None:
        """Whatever is seen to run is discarded, and another is added in its place; each ends once."""
        act: Callable[[StateChange], None]

        class Busy(Observer):
            """Acts."""

            def changed(self, change: StateChange, /) -> None:
                """Act."""
                act(change)

        busy, notes = Busy(), Notes()
        async with FakeGES(list_refused=kinds == "queries") as ges:
            for number in range(6):
                ges.add_job(f"old-{number}", graph="g", steps=[(0, "running")])
                ges.add_job(f"new-{number}", graph="g", steps=[(0, "success")], name="StartGraph")
            token = Token(ges.token)
            async with connect(ges.endpoint, ges.project_id, credentials=token, observers=[busy, notes]) as poller:
                async with poller.watch(graph="g", on_failure="never", timeout=60) as changes:

                    def act(change: StateChange) -> None:
                        if change.ref.job_id.startswith("old"):
                            changes.discard(change.ref)
                            changes.add(change.ref.job_id.replace("old", "new"))

                    for number in range(6):
                        changes.add(f"old-{number}")
                    ends: list[StateChange] = []
                    while len(ends) < 6:
                        change = await anext(changes)
                        ends += [change] if change.is_final else []
                assert notes.open == 0
        assert sorted(change.ref.job_id for change in ends) == [f"new-{number}" for number in range(6)]
        assert notes.ended.jobs_ended == 6


class TestObserversThatAreNone:
    """What is refused, and in which words."""

    @pytest.mark.parametrize(
        ("observers", "text"),
        [
            (Notes(), "observers must be an iterable, and Notes is one: put it in a list"),
            (7, "observers must be an iterable of Observer objects, not int"),
            ([7], "an observer is an object of a subclass of gespoll.Observer, not 7"),
            (
                [Notes],
                "an observer is an object of a subclass of gespoll.Observer, not <class 'tests.test_observers.Notes'>",
            ),
        ],
        ids=["one", "no iterable", "no observer", "a class"],
    )
    def test_it_is_said_what_to_give(self, observers: Any, text: str) -> None:
        """At once, by a `TypeError`."""
        with pytest.raises(TypeError) as caught:
            Poller(ScriptedSource({}), observers=observers)
        assert str(caught.value) == text

    async def test_an_observer_that_overrides_nothing(self) -> None:
        """It is told everything, and does nothing."""
        async with polling(Observer(), stories={"a": [Throttled("slow down"), OK]}) as poller:
            assert (await poller.wait("a")).status is OK


async def test_the_lag_is_that_of_the_change() -> None:
    """By the server's clock: what is seen at once is a lag of some seconds at most."""
    notes = Notes()
    lossy = FakeFile("edgeset", "e.csv", status="partFailed", total_lines=9, failed_lines=1)
    async with FakeGES() as ges:
        ges.add_job("a", graph="g", steps=[(0, "running"), (12, "success")], files=[lossy])
        token = Token(ges.token)
        async with connect(ges.endpoint, ges.project_id, credentials=token, observers=[notes]) as poller:
            with pytest.raises(ImportPartiallyFailed):
                await poller.wait("a", graph="g")
    final = notes.of("changed")[-1]
    assert final.is_final
    assert 0 <= final.lag <= 5
