"""The face: what it refuses and in which words, and the small behaviours of wait, watch and connect."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from gespoll import (
    EngineSource,
    Job,
    JobFailed,
    JobNotFound,
    JobRef,
    JobsFailed,
    JobStatus,
    ListingSource,
    ManagementSource,
    Poller,
    ServiceUnavailable,
    StateChange,
    Token,
    TransportError,
    WaitTimeout,
    Watch,
    connect,
)
from gespoll.testing import FakeGES, ScriptedSource

pytestmark = pytest.mark.anyio

OK, RUNNING, FAILED = JobStatus.SUCCESS, JobStatus.RUNNING, JobStatus.FAILED
HTTPS = "https://ges.example"
NAN, INF = float("nan"), float("inf")


def polling(delay: Any = 0.0, **stories: Any) -> Poller:
    """Make a poller of jobs that tell these stories."""
    return Poller(ScriptedSource(stories, delay=delay), rng=random.Random(0))


def looks(poller: Poller, job_id: str) -> int:
    """Count the looks at a job."""
    source = poller._source
    assert isinstance(source, ScriptedSource)
    return source.looks[job_id]


def management(endpoint: Any = HTTPS, project_id: Any = "p1", **options: Any) -> ManagementSource:
    """Make a source."""
    return ManagementSource(endpoint, project_id, credentials=Token("secret"), **options)


def engine(endpoints: Any = None, project_id: Any = "p1", **options: Any) -> EngineSource:
    """Make a source of the graph "movies"."""
    return EngineSource(endpoints or {"movies": HTTPS}, project_id, credentials=Token("secret"), **options)


async def submitting(*jobs: str, closed: list[str] | None = None, seconds: float = 0.0) -> AsyncIterator[str]:
    """Yield job ids; note when it is closed."""
    try:
        for job in jobs:
            await anyio.sleep(seconds)
            yield job
    finally:
        if closed is not None:
            closed.append("closed")


@contextlib.contextmanager
def says(kind: type[Exception], text: str) -> Iterator[None]:
    """Expect an error of just this text."""
    with pytest.raises(kind) as caught:
        yield
    assert str(caught.value) == text


async def drain(changes: Watch, seen: list[StateChange] | None = None) -> None:
    """Iterate to the end; note what comes."""
    async for change in changes:
        if seen is not None:
            seen.append(change)


class TestKnobs:
    """A value that cannot work is refused at once."""

    @pytest.mark.parametrize("name", ["max_per_second", "request_timeout", "outage_timeout"])
    @pytest.mark.parametrize("value", [0, 0.0, -1, -0.5])
    def test_positive_ones(self, name: str, value: float) -> None:
        """Nothing and less make no sense."""
        with says(ValueError, f"{name}={value!r} must be more than 0"):
            Poller(ScriptedSource({}), **{name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["interval", "not_found_grace"])
    def test_negative_ones(self, name: str) -> None:
        """Zero is allowed, less is not."""
        Poller(ScriptedSource({}), **{name: 0})  # type: ignore[arg-type]
        with says(ValueError, f"{name}=-1 must be 0 or more, in seconds"):
            Poller(ScriptedSource({}), **{name: -1})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "name", ["interval", "max_per_second", "request_timeout", "not_found_grace", "outage_timeout"]
    )
    @pytest.mark.parametrize("value", [NAN, INF, -INF, True, "5", [], 1j])
    def test_numbers_that_are_none(self, name: str, value: Any) -> None:
        """A flag is no number, and neither is a text."""
        error, text = TypeError, f"{name} must be a number, not {type(value).__name__}"
        if isinstance(value, float):
            error, text = ValueError, f"{name}={value!r} must be finite"  # type: ignore[assignment]
        with says(error, text):
            Poller(ScriptedSource({}), **{name: value})

    @pytest.mark.parametrize("name", ["interval", "max_per_second", "request_timeout", "not_found_grace"])
    def test_none_is_no_number(self, name: str) -> None:
        """Only the outage can last for ever."""
        Poller(ScriptedSource({}), outage_timeout=None)
        with says(TypeError, f"{name} must be a number, not NoneType"):
            Poller(ScriptedSource({}), **{name: None})  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", [1.0, NAN, INF, True, "5", None])
    @pytest.mark.parametrize("name", ["max_at_once", "max_reply_bytes"])
    def test_whole_numbers(self, name: str, value: Any) -> None:
        """There is no half a request, and no half a byte."""
        with says(TypeError, f"{name} must be a whole number, not {type(value).__name__}"):
            connect(HTTPS, "p1", credentials=Token("t"), **{name: value})

    @pytest.mark.parametrize("value", [0, -1])
    @pytest.mark.parametrize("name", ["max_at_once", "max_reply_bytes"])
    def test_whole_numbers_from_one(self, name: str, value: int) -> None:
        """None at all would wait for ever."""
        with says(ValueError, f"{name}={value} must be 1 or more"):
            connect(HTTPS, "p1", credentials=Token("t"), **{name: value})  # type: ignore[arg-type]

    def test_unknown_knob(self) -> None:
        """A misspelt one is not passed over."""
        with pytest.raises(TypeError, match="max_per_minute"):
            Poller(ScriptedSource({}), max_per_minute=3)  # type: ignore[call-arg]

    @pytest.mark.parametrize("name", ["timeout", "job_timeout"])
    async def test_timeouts(self, name: str) -> None:
        """They are refused by watch and wait_all before anything is done."""
        advice = "must be 0 or more seconds; None waits without limit, 0 looks once"
        cases: list[tuple[Any, type[Exception], str]] = [
            (-1, ValueError, f"{name}=-1 {advice}"),
            (NAN, ValueError, f"{name}=nan must be finite"),
            (INF, ValueError, f"{name}=inf must be finite"),
            (True, TypeError, f"{name} must be a number, not bool"),
            ("5", TypeError, f"{name} must be a number, not str"),
        ]
        async with polling(a=[OK]) as poller:
            for value, error, text in cases:
                with says(error, text):
                    poller.watch(["a"], **{name: value})
                with says(error, text):
                    await poller.wait_all(["a"], **{name: value})
            with says(ValueError, f"timeout=-1 {advice}"):
                await poller.wait("a", timeout=-1)
            assert looks(poller, "a") == 0

    @pytest.mark.parametrize(
        ("value", "error", "text"),
        [
            (0, ValueError, "max_open=0 must be 1 or more; None pulls all refs at once"),
            (-3, ValueError, "max_open=-3 must be 1 or more; None pulls all refs at once"),
            (True, TypeError, "max_open must be a whole number or None, not bool"),
            (2.0, TypeError, "max_open must be a whole number or None, not float"),
            ("2", TypeError, "max_open must be a whole number or None, not str"),
        ],
    )
    async def test_max_open(self, value: Any, error: type[Exception], text: str) -> None:
        """Nothing would ever be pulled."""
        async with polling(a=[OK]) as poller:
            with says(error, text):
                poller.watch(["a"], max_open=value)
            with says(error, text):
                await poller.wait_all(["a"], max_open=value)

    @pytest.mark.parametrize("value", ["END", "", None, True])
    async def test_on_failure(self, value: Any) -> None:
        """There are three words."""
        async with polling() as poller:
            with says(ValueError, f"on_failure={value!r} must be 'end', 'first' or 'never'"):
                poller.watch([], on_failure=value)


class TestRefs:
    """What jobs are handed over as."""

    @pytest.mark.parametrize("value", ["", " ", "\n", "a\nb", "\x00"])
    def test_id_must_be_one(self, value: str) -> None:
        """An empty answer was not looked at."""
        with says(ValueError, f"job_id {value!r} is not an id: pass the text the API answered, unchanged"):
            JobRef(value)
        with says(ValueError, f"graph {value!r} is not an id: pass the text the API answered, unchanged"):
            JobRef("j", value)

    @pytest.mark.parametrize("value", [7, b"j", ["j"], {"job_id": "j"}])
    def test_id_must_be_text(self, value: Any) -> None:
        """The whole answer of the API is no id."""
        with says(TypeError, f"job_id must be a str, not {type(value).__name__}: pass the id as the API gave it"):
            JobRef(value)

    async def test_wait_takes_a_ref_or_an_id(self) -> None:
        """Anything else is named."""
        async with polling() as poller:
            with says(TypeError, "a job is handed over as JobRef or str, not int: 7"):
                await poller.wait(7)  # type: ignore[arg-type]
            with says(ValueError, "job_id '' is not an id: pass the text the API answered, unchanged"):
                await poller.wait("")

    @pytest.mark.parametrize("refs", ["abc", b"abc", JobRef("abc")])
    async def test_one_job_is_no_list(self, refs: Any) -> None:
        """A text is never taken for its letters."""
        text = f"refs must be an iterable of jobs, and {refs!r} is one: put it in a list, or use wait()"
        async with polling() as poller:
            with says(TypeError, text):
                await poller.wait_all(refs)
            with says(TypeError, text):
                poller.watch(refs)

    async def test_number_is_no_list(self) -> None:
        """The type is named."""
        async with polling() as poller:
            with says(TypeError, "refs must be an iterable or async iterable of jobs, not int"):
                await poller.wait_all(7)  # type: ignore[arg-type]

    @pytest.mark.parametrize("max_open", [None, 5])
    async def test_wrong_element_is_named(self, max_open: int | None) -> None:
        """Whether the refs are pulled at once or one by one; nothing goes on being looked at."""
        async with polling(a=[RUNNING]) as poller:
            with says(TypeError, "a job is handed over as JobRef or str, not int: 7"):
                await poller.wait_all(["a", 7], max_open=max_open)  # type: ignore[list-item]
            before = looks(poller, "a")
            await anyio.sleep(60)
            assert looks(poller, "a") == before

    async def test_id_without_graph_is_refused_by_the_engine(self) -> None:
        """It has one list a graph."""
        async with Poller(engine(), close_source=True) as poller:
            with says(ValueError, "job 42 needs the name of its graph on the engine: give graph="):
                await poller.wait("42")
            with says(ValueError, "graph 'b' has no engine endpoint; endpoints are given for: movies"):
                await poller.wait_all(["42"], graph="b")

    async def test_no_refs_is_nothing_to_wait_for(self) -> None:
        """The answer is empty, at once and without a look."""
        async with polling() as poller:
            assert await poller.wait_all([]) == []
            assert await poller.wait_all(submitting()) == []
            assert await poller.wait_all([], max_open=1) == []
            async with poller.watch([]) as changes:
                assert [change async for change in changes] == []
            assert anyio.current_time() == 0

    @pytest.mark.parametrize("kind", ["list", "tuple", "iterator", "generator", "async", "dict"])
    @pytest.mark.parametrize("max_open", [None, 1])
    async def test_any_iterable_will_do(self, kind: str, max_open: int | None) -> None:
        """The answers come in its order."""
        ids = ["b", "a", "c"]
        makers: dict[str, Callable[[], Any]] = {
            "list": lambda: ids,
            "tuple": lambda: tuple(ids),
            "iterator": lambda: iter(ids),
            "generator": lambda: (job for job in ids),
            "async": lambda: submitting(*ids),
            "dict": lambda: dict.fromkeys(ids),
        }
        async with polling(a=[OK], b=[RUNNING, OK], c=[OK]) as poller:
            jobs = await poller.wait_all(makers[kind](), max_open=max_open)
        assert [job.ref.job_id for job in jobs if isinstance(job, Job)] == ids

    async def test_a_duplicate_that_comes_after_the_end_is_answered_at_its_place_too(self) -> None:
        """It is not looked at again, and gets no second final change."""
        source = ScriptedSource({"a": [JobStatus.SUCCESS], "b": [JobStatus.SUCCESS]})
        async with Poller(source) as poller:
            results = await poller.wait_all(["a", "b", "a"], graph="g", max_open=1)
        assert [result.ref.job_id for result in results if isinstance(result, Job)] == ["a", "b", "a"]
        assert source.looks == {"a": 1, "b": 1}

    async def test_duplicates_are_watched_once_and_answered_twice(self) -> None:
        """At both places, in the order of refs; a graph makes no other job of it."""
        async with polling(a=[RUNNING, OK], b=[OK]) as poller:
            jobs = await poller.wait_all([JobRef("a"), JobRef("b"), JobRef("a", "g")])
            assert [job.ref.job_id for job in jobs if isinstance(job, Job)] == ["a", "b", "a"]
            assert jobs[0] is jobs[2]
            assert looks(poller, "a") == 2
            async with poller.watch(["b", "b", JobRef("b", "g")]) as changes:
                assert len([change async for change in changes]) == 1

    async def test_same_job_with_and_without_graph_is_one_over_http(self) -> None:
        """It is queried where the graph is known, for the one who does not know it, too."""
        async with FakeGES() as ges:
            ges.add_job("j", graph="g", steps=[(0, "running"), (8, "success")], name="StartGraph")
            async with connect(ges.endpoint, ges.project_id, credentials=Token(ges.token)) as poller:
                jobs = await poller.wait_all([JobRef("j"), JobRef("j", "g")])
        assert [type(job) for job in jobs] == [Job, Job]


class TestSources:
    """What sources refuse, in which words."""

    @pytest.mark.parametrize("make", [management, lambda url, **more: engine({"movies": url}, **more)])
    @pytest.mark.parametrize(
        ("url", "error", "text"),
        [
            ("ges.example", ValueError, "'ges.example' must be a URL with its scheme, such as https://ges.example"),
            ("", ValueError, "'' must be a URL with its scheme, such as https://host"),
            ("ftp://a", ValueError, "'ftp://a' must be a URL with its scheme, such as https://ftp://a"),
            ("https://", ValueError, "'https://' must be a URL with its scheme, such as https://https://"),
            (None, TypeError, "must be a URL as str, not NoneType"),
            ("https://a:99999", ValueError, "'https://a:99999' is no URL: Port out of range 0-65535"),
            ("https://a\n", ValueError, "'https://a\\n' holds blanks or control characters: strip it"),
            (" https://a", ValueError, "' https://a' holds blanks or control characters: strip it"),
            *(
                (url, ValueError, "must be scheme, host and port only: no user, password, query or fragment")
                for url in ("https://u:pw@a", "u:pw@a", "https://@a", "https://a?b=c", "https://a?", "https://a#b")
            ),
            *(
                (url, ValueError, f"{url!r} would send credentials in clear text: use https, or pass allow_http=True")
                for url in ("http://ges.example", "http://10.0.0.5", "http://localhost.example")
            ),
        ],
    )
    def test_endpoint(self, make: Callable[..., Any], url: Any, error: type[Exception], text: str) -> None:
        """It is named, unless a password may stand in it."""
        name = "endpoint" if make is management else "endpoint of graph 'movies'"
        with says(error, f"{name} {text}"):
            make(url)

    @pytest.mark.parametrize("make", [management, lambda url, **more: engine({"movies": url}, **more)])
    def test_plain_http(self, make: Callable[..., Any]) -> None:
        """It is for loopback, and for those who ask for it."""
        for host in ("127.0.0.1:8080", "127.3.2.1", "localhost", "[::1]:80"):
            make(f"http://{host}")
        make("http://ges.example", allow_http=True)

    @pytest.mark.parametrize("endpoints", [{}, [], "https://a", None])
    def test_endpoints_of_no_graph(self, endpoints: Any) -> None:
        """An example is in the text."""
        with says(ValueError, 'endpoints must map graph names to server URLs, such as {"movies": "https://10.0.0.5"}'):
            EngineSource(endpoints, "p1", credentials=Token("t"))

    def test_graph_without_url(self) -> None:
        """An empty list is no server."""
        with says(ValueError, "graph 'movies' has no URL: give the URL of its server, or several"):
            engine({"movies": []})

    @pytest.mark.parametrize("api", ["v1", "V2", "", None])
    def test_api(self, api: Any) -> None:
        """There are two."""
        with says(ValueError, f"api={api!r} must be 'v2' or 'v1.0'"):
            management(api=api)

    @pytest.mark.parametrize("make", [management, engine])
    @pytest.mark.parametrize("project_id", ["a/b", "", "..", "a b", "项目", 7, None])
    def test_project_id(self, make: Callable[..., Any], project_id: Any) -> None:
        """It stands in every path."""
        with says(ValueError, f"project_id {project_id!r} must be the letters and digits of a project id"):
            make(project_id=project_id)

    @pytest.mark.parametrize("source", [None, 7, ScriptedSource])
    def test_poller_needs_a_source(self, source: Any) -> None:
        """A class is none."""
        with says(TypeError, f"a Poller needs a source, such as ManagementSource(...), not {source!r}"):
            Poller(source)

    def test_source_to_be_closed_must_be_closable(self) -> None:
        """A scripted one is not."""
        source = ScriptedSource({})
        with says(TypeError, f"close_source=True needs a source that is an async context manager, not {source!r}"):
            Poller(source, close_source=True)

    def test_source_closed_in_vain_is_open_for_nobody(self) -> None:
        """What connect refuses is refused before a session is made."""
        with says(TypeError, "interval must be a number, not str"):
            connect(HTTPS, "p1", credentials=Token("t"), interval="5")  # type: ignore[arg-type]


class TestBlocks:
    """Pollers and watches are entered once, and used inside."""

    async def test_poller_outside_its_block(self) -> None:
        """Before and after, every verb says so."""
        text = "the poller is not open: use it inside `async with`"
        poller = polling(a=[OK])
        for _ in range(2):
            with says(RuntimeError, text):
                await poller.wait("a")
            with says(RuntimeError, text):
                await poller.wait_all(["a"])
            with says(RuntimeError, text):
                poller.watch(["a"])
            if poller._entered_by is None:
                async with poller:
                    pass

    async def test_poller_is_entered_once(self) -> None:
        """Neither inside its block nor after it again."""
        async with polling() as poller:
            with says(RuntimeError, "a poller is entered once: make another one"):
                await poller.__aenter__()
        with says(RuntimeError, "a poller is entered once: make another one"):
            await poller.__aenter__()

    async def test_poller_that_was_not_entered_cannot_be_left(self) -> None:
        """It says what to do."""
        with says(RuntimeError, "the poller is not open: use it inside `async with`"):
            await polling().__aexit__(None, None, None)

    async def test_watch_is_entered_once(self) -> None:
        """Neither inside its block nor after it again."""
        text = "a watch is entered once: call watch() again for another"
        async with polling() as poller:
            async with poller.watch([]) as changes:
                with says(RuntimeError, text):
                    await changes.__aenter__()
            with says(RuntimeError, text):
                await changes.__aenter__()

    async def test_watch_is_entered_before_it_is_iterated(self) -> None:
        """It would never tell anything."""
        async with polling(a=[OK]) as poller:
            with says(RuntimeError, "enter the watch first: async with poller.watch(...) as changes"):
                await anext(poller.watch(["a"]))

    async def test_watch_of_a_closed_poller_cannot_be_entered(self) -> None:
        """Nobody would look."""
        async with polling(a=[OK]) as poller:
            watch = poller.watch(["a"])
        with pytest.raises(RuntimeError, match="the poller was closed while jobs were waited on"):
            await watch.__aenter__()

    async def test_iteration_that_ended_stays_ended(self) -> None:
        """Its error is raised once; after the block there is nothing more."""
        async with polling(a=[FAILED]) as poller:
            async with poller.watch(["a"]) as changes:
                with pytest.raises(JobsFailed):
                    assert [change async for change in changes]
                assert [change async for change in changes] == []
            assert [change async for change in changes] == []

    async def test_watch_that_was_left_tells_what_it_had(self) -> None:
        """And no more."""
        async with polling(a=[RUNNING]) as poller:
            async with poller.watch(["a"]) as changes:
                await anyio.sleep(1)
            assert [change.status async for change in changes] == [RUNNING]

    async def test_connect_closes_its_source(self) -> None:
        """A source that was handed to a poller is its owner's."""
        async with FakeGES() as ges, management(ges.endpoint) as lent:
            async with Poller(lent), connect(ges.endpoint, "p1", credentials=Token("t")) as poller:
                source = poller._source
                assert isinstance(source, ManagementSource)
                assert source._client._owned is not None
            assert source._client._owned is None
            assert lent._client._owned is not None


class TestFeedingByHand:
    """`add`, `discard` and `close_input`."""

    async def test_add_and_close_input(self) -> None:
        """The watch stays open without jobs, and ends when the jobs after it have."""
        async with polling(a=[OK], b=[RUNNING, OK]) as poller, poller.watch() as changes:
            seen: list[StateChange] = []
            changes.add("a")
            async for change in changes:
                seen.append(change)
                if change.ref.job_id == "a":
                    await anyio.sleep(100)
                    changes.add(JobRef("b"))
                    changes.close_input()
                    changes.close_input()
        assert [(change.ref.job_id, change.status) for change in seen] == [("a", OK), ("b", RUNNING), ("b", OK)]
        assert len({change.id for change in seen}) == 3

    async def test_a_job_discarded_and_added_again_counts_once(self) -> None:
        """And nothing that was told of it before is taken after."""
        async with polling(a=[RUNNING] * 20 + [FAILED], b=[OK]) as poller, poller.watch() as changes:
            changes.add("a")
            changes.add("b")
            await anyio.sleep(12)
            changes.discard("a")
            assert (await anext(changes)).ref.job_id == "b"
            changes.add("a")
            changes.close_input()
            with pytest.raises(JobsFailed) as caught:
                await drain(changes)
        assert [type(end) for end in caught.value.results] == [Job, JobFailed]

    async def test_a_graph_that_is_given_later_is_taken(self) -> None:
        """A job that was handed over without one can be queried from then on."""
        async with FakeGES(list_refused=True) as ges:
            ges.add_job("a", graph="g", name="StartGraph")
            async with connect(ges.endpoint, ges.project_id, credentials=Token(ges.token)) as poller:
                ends = await poller.wait_all([JobRef("a"), JobRef("a", "g")])
        assert [end.status for end in ends if isinstance(end, Job)] == [OK, OK]

    async def test_add_is_for_an_open_watch(self) -> None:
        """Before, after its end, and after its block it is refused."""
        text = "the watch is over or not entered: add jobs inside its block, before the last has ended"
        async with polling(a=[OK], b=[OK]) as poller:
            watch = poller.watch(["a"])
            with says(RuntimeError, text):
                watch.add("b")
            async with watch as changes:
                assert len([change async for change in changes]) == 1
                with says(RuntimeError, text):
                    changes.add("b")
            with says(RuntimeError, text):
                watch.add("b")

    async def test_add_while_others_are_open(self) -> None:
        """A watch of refs takes others, too, as long as it goes on."""
        async with polling(a=[RUNNING, OK], b=[OK]) as poller, poller.watch(["a"]) as changes:
            changes.add("b")
            assert {change.ref.job_id async for change in changes if change.is_final} == {"a", "b"}

    async def test_add_takes_the_graph_of_the_watch(self) -> None:
        """Unless it is given another."""
        async with polling(a=[OK], b=[OK]) as poller, poller.watch(graph="g") as changes:
            changes.add("a")
            changes.add("b", graph="h")
            changes.close_input()
            assert {change.ref async for change in changes} == {JobRef("a", "g"), JobRef("b", "h")}

    async def test_add_refuses_what_is_no_job(self) -> None:
        """The watch goes on."""
        async with polling(a=[OK]) as poller, poller.watch() as changes:
            with says(TypeError, "a job is handed over as JobRef or str, not int: 7"):
                changes.add(7)  # type: ignore[arg-type]
            changes.add("a")
            assert (await anext(changes)).status is OK

    async def test_discarded_job_is_not_looked_at(self) -> None:
        """It gets no further change, and the watch ends without it."""
        async with polling(a=[RUNNING], b=[RUNNING, RUNNING, OK]) as poller, poller.watch(["a", "b"]) as changes:
            seen = [(await anext(changes)).ref.job_id for _ in "ab"]
            changes.discard("a")
            before = looks(poller, "a")
            seen += [change.ref.job_id async for change in changes]
            assert sorted(seen) == ["a", "b", "b"]
            assert looks(poller, "a") == before

    async def test_discarded_job_can_be_added_again(self) -> None:
        """It starts anew, and ends once."""
        async with polling(a=[RUNNING, RUNNING, OK]) as poller, poller.watch() as changes:
            changes.add("a")
            first = await anext(changes)
            changes.discard("a")
            changes.add("a")
            changes.close_input()
            rest = [change async for change in changes]
        assert [(change.previous, change.status) for change in (first, *rest)] == [
            (None, RUNNING),
            (None, RUNNING),
            (RUNNING, OK),
        ]
        assert [change.is_final for change in rest] == [False, True]

    async def test_discarding_the_last_job_ends_the_watch(self) -> None:
        """Somebody who waits for its next change is woken."""
        async with polling(a=[RUNNING]) as poller, poller.watch(["a"]) as changes:
            assert (await anext(changes)).status is RUNNING
            async with anyio.create_task_group() as tasks:

                async def discard() -> None:
                    await anyio.sleep(3)
                    changes.discard("a")

                tasks.start_soon(discard)
                assert [change async for change in changes] == []

    async def test_discard_withdraws_the_request_under_way(self) -> None:
        """It is made for nobody."""
        async with polling(delay=20, a=[RUNNING]) as poller, poller.watch(["a"]) as changes:
            await anyio.sleep(1)
            changes.discard("a")
            await anyio.sleep(0.1)
            source = poller._source
            assert isinstance(source, ScriptedSource)
            assert source.at_once == 0

    async def test_discard_passes_over_what_is_not_watched(self) -> None:
        """Unknown, ended or discarded before."""
        async with polling(a=[OK]) as poller, poller.watch(["a"]) as changes:
            changes.discard("never")
            assert len([change async for change in changes]) == 1
            changes.discard("a")
            changes.discard("a")

    async def test_discard_leaves_other_watches_alone(self) -> None:
        """They share the job, not its fate."""
        async with (
            polling(a=[RUNNING, RUNNING, OK]) as poller,
            poller.watch(["a"]) as one,
            poller.watch(["a"]) as other,
        ):
            await anext(one)
            one.discard("a")
            assert [change.status async for change in other] == [RUNNING, OK]


class TestSubmitters:
    """Refs that come one by one."""

    @pytest.mark.parametrize("kind", ["async", "sync"])
    async def test_max_open_is_never_exceeded(self, kind: str) -> None:
        """The next is pulled only while fewer are open."""
        ids = [f"j{number}" for number in range(20)]
        open_at_pull: list[int] = []

        def pulled() -> Iterator[str]:
            for job in ids:
                open_at_pull.append(watch._ledger.open_count)
                yield job

        async def pulled_async() -> AsyncIterator[str]:
            for job in pulled():
                yield job
                await anyio.lowlevel.checkpoint()

        async with polling(**{job: [RUNNING, OK] for job in ids}) as poller:
            watch = poller.watch(pulled() if kind == "sync" else pulled_async(), max_open=3)
            async with watch as changes:
                assert len([change async for change in changes if change.is_final]) == 20
        assert max(open_at_pull) == 2

    @pytest.mark.parametrize("on_failure", ["end", "first", "never"])
    async def test_error_comes_out_bare_after_the_changes(self, on_failure: Any) -> None:
        """It is the same object, and its note counts who was pending."""
        error = LookupError("the submitter's own")

        async def submit() -> AsyncIterator[JobRef]:
            yield JobRef("a", "g")
            yield JobRef("b", "g")
            await anyio.sleep(3)
            raise error

        seen: list[StateChange] = []
        async with polling(a=[OK], b=[RUNNING]) as poller, poller.watch(submit(), on_failure=on_failure) as changes:
            await anyio.sleep(10)
            with pytest.raises(LookupError) as caught:
                await drain(changes, seen)
        assert caught.value is error
        assert [change.ref.job_id for change in seen] == ["a", "b"]
        assert error.__notes__ == ["gespoll: raised by the iterable of refs; 1 ref was pending: g/b"]

    async def test_error_comes_out_of_wait_all(self) -> None:
        """`return_exceptions` is about jobs."""

        def submit() -> Iterator[str]:
            yield "a"
            raise LookupError

        async with polling(a=[RUNNING]) as poller:
            for max_open in (None, 5):
                with pytest.raises(LookupError):
                    await poller.wait_all(submit(), max_open=max_open, return_exceptions=True)

    async def test_note_names_five_at_most(self) -> None:
        """A thousand names help nobody."""

        async def submit() -> AsyncIterator[str]:
            for job in "abcdefg":
                yield job
            raise LookupError

        async with polling() as poller:
            with pytest.raises(LookupError) as caught:
                await poller.wait_all(submit())
        assert caught.value.__notes__ == [
            "gespoll: raised by the iterable of refs; 7 refs were pending: a, b, c, d, e, …"
        ]

    @pytest.mark.parametrize("seconds", [0.0, 5.0])
    async def test_generator_is_closed_when_the_block_is_left_early(self, seconds: float) -> None:
        """Whether it is at work or waits for room."""
        closed: list[str] = []
        async with polling(a=[RUNNING], b=[RUNNING]) as poller:
            async with poller.watch(submitting("a", "b", closed=closed, seconds=seconds), max_open=1) as changes:
                async for _ in changes:
                    break
            assert closed == ["closed"]

    async def test_generator_is_closed_when_the_time_is_over(self) -> None:
        """It is not asked for another job."""
        closed: list[str] = []
        async with polling(a=[RUNNING], b=[OK]) as poller:
            with pytest.raises(WaitTimeout):
                await poller.wait_all(submitting("a", "b", closed=closed), max_open=1, timeout=30)
            assert closed == ["closed"]
            assert looks(poller, "b") == 0

    async def test_error_of_its_cleanup_comes_out(self) -> None:
        """Nothing is swallowed when the block is left early."""
        error = LookupError("cleanup")

        async def submit() -> AsyncIterator[str]:
            try:
                yield "a"
                yield "b"
            finally:
                raise error

        async with polling(a=[RUNNING], b=[RUNNING]) as poller:
            with pytest.raises(LookupError) as caught:
                async with poller.watch(submit(), max_open=1) as changes:
                    await anext(changes)
        assert caught.value is error

    async def test_error_of_the_body_goes_before_that_of_the_cleanup(self) -> None:
        """The first cause is what the caller wants to see."""
        error = ValueError("body")

        async def submit() -> AsyncIterator[str]:
            try:
                yield "a"
                yield "b"
            finally:
                raise LookupError

        async def leave_early(poller: Poller) -> None:
            async with poller.watch(submit(), max_open=1) as changes:
                await anext(changes)
                raise error

        async with polling(a=[RUNNING], b=[RUNNING]) as poller:
            with pytest.raises(ValueError, match=r"^body$") as caught:
                await leave_early(poller)
        assert caught.value is error


class TestFailures:
    """What a watch and a wait raise, and when."""

    async def test_results_are_in_the_order_of_refs(self) -> None:
        """Whoever ended first."""
        async with polling(a=[RUNNING, FAILED], b=[OK], c=[FAILED]) as poller:
            with pytest.raises(JobsFailed) as caught:
                await poller.wait_all(["a", "b", "c"])
        kinds = [(type(result), getattr(result, "ref", None)) for result in caught.value.results]
        assert kinds == [(JobFailed, JobRef("a")), (Job, JobRef("b")), (JobFailed, JobRef("c"))]
        assert [type(error) for error in caught.value.exceptions] == [JobFailed, JobFailed]

    async def test_on_failure_first_raises_the_bare_error_at_once(self) -> None:
        """After the change that tells it."""
        seen: list[StateChange] = []
        async with polling(a=[RUNNING], b=[FAILED]) as poller, poller.watch(["a", "b"], on_failure="first") as changes:
            with says(JobFailed, "job b failed: the server gave no reason"):
                await drain(changes, seen)
            assert anyio.current_time() < 5
        assert (seen[-1].ref.job_id, type(seen[-1].error)) == ("b", JobFailed)

    async def test_on_failure_end_raises_after_the_last_change(self) -> None:
        """All jobs have ended then."""
        seen: list[StateChange] = []
        async with polling(a=[RUNNING, OK], b=[FAILED]) as poller, poller.watch(["a", "b"]) as changes:
            with pytest.raises(JobsFailed) as caught:
                await drain(changes, seen)
        assert [change.ref.job_id for change in seen if change.is_final] == ["b", "a"]
        assert [type(result) for result in caught.value.results] == [Job, JobFailed]

    async def test_on_failure_never_raises_nothing(self) -> None:
        """The changes tell."""
        async with polling(a=[OK], b=[FAILED]) as poller, poller.watch(["a", "b"], on_failure="never") as changes:
            ends = {change.ref.job_id: change async for change in changes}
        ends["a"].raise_for_status()
        with pytest.raises(JobFailed):
            ends["b"].raise_for_status()

    async def test_return_exceptions(self) -> None:
        """Errors stand at their places, timeouts too."""
        async with polling(a=[OK], b=[FAILED], c=[RUNNING]) as poller:
            results = await poller.wait_all(["c", "b", "a", "b"], timeout=20, return_exceptions=True)
        assert [type(result) for result in results] == [WaitTimeout, JobFailed, Job, JobFailed]

    @pytest.mark.parametrize("story", [[RUNNING, OK], [OK], [TransportError("reset"), OK]])
    async def test_timeout_0_looks_once(self, story: list[Any]) -> None:
        """What the one look shows is the answer; a failed look shows nothing."""
        async with polling(a=story) as poller:
            (result,) = await poller.wait_all(["a"], timeout=0, return_exceptions=True)
            assert looks(poller, "a") == 1
        assert isinstance(result, Job if story == [OK] else WaitTimeout)

    @pytest.mark.parametrize("count", [500, 1200])
    async def test_timeout_0_looks_once_at_however_many(self, count: int) -> None:
        """All are handed over before the time passes; what is left open is one error."""
        names = [str(number) for number in range(count)]
        source = ScriptedSource({name: [OK] if name == "7" else [RUNNING] for name in names})
        async with Poller(source, max_per_second=1000.0, rng=random.Random(0)) as poller:
            with pytest.raises(WaitTimeout) as caught:
                await poller.wait_all(names, timeout=0)
        assert len(caught.value.pending) == count - 1
        assert count <= source.looks.total() <= count + 10  # those sent while the last were handed over

    @pytest.mark.parametrize("one_by_one", [False, True])
    @pytest.mark.parametrize("limits", [{"timeout": 0}, {"job_timeout": 0}, {"job_timeout": 3}])
    async def test_last_looks_at_many_are_the_lists(self, limits: dict[str, float], one_by_one: bool) -> None:
        """A thousand jobs in pages of a hundred: queries would not be through in the half minute they have."""
        names = [str(number) for number in range(1000)]
        async with FakeGES(max_page=100) as ges:
            for name in names:
                ges.add_job(name, graph="g", name="StartGraph", steps=[(0, "running"), (2.9, "success")], files=None)
            await anyio.sleep(2.9 if 0 in limits.values() else 0)
            async with connect(ges.endpoint, ges.project_id, credentials=Token(ges.token), interval=50.0) as poller:
                refs = submitting(*names, seconds=0.0005) if one_by_one and "timeout" not in limits else names
                ends = await poller.wait_all(refs, graph="g", return_exceptions=True, **limits)  # type: ignore[arg-type]
                told = poller.statistics()
        assert sum(isinstance(end, Job) for end in ends) == 1000
        assert told.queries + told.windows < 100

    async def test_a_success_that_only_the_list_reports_is_unconfirmed_at_a_deadline(self) -> None:
        """Whether it was whole only a query could tell, which needs a graph."""
        async with FakeGES() as ges:
            ges.add_job("whole", graph="g", steps=[(0, "success")], files=[])
            async with connect(ges.endpoint, ges.project_id, credentials=Token(ges.token), interval=60) as poller:
                with pytest.raises(
                    WaitTimeout, match="reported as a success, which nothing confirmed: whole"
                ) as caught:
                    await poller.wait("whole", timeout=0)
                assert caught.value.unconfirmed == (JobRef("whole"),)
                assert anyio.current_time() < 2

    async def test_a_last_change_is_no_step_back(self) -> None:
        """An older reading that the last look brings is passed over like any."""
        async with (
            polling(a=[JobStatus.PENDING, RUNNING, JobStatus.PENDING]) as poller,
            poller.watch(["a"], timeout=30, on_failure="never") as changes,
        ):
            last = [change async for change in changes][-1]
        assert (last.previous, last.status) == (RUNNING, RUNNING)

    @pytest.mark.parametrize("others", [[], ["open"]])
    async def test_timeout_0_confirms_what_the_one_look_shows(self, others: list[str]) -> None:
        """An import that is told as a success without its files is queried once more, and told."""
        async with FakeGES() as ges:
            ges.add_job("whole", graph="g", steps=[(0, "success")], files=[])
            ges.add_job("open", graph="g", steps=[(0, "running")])
            async with connect(ges.endpoint, ges.project_id, credentials=Token(ges.token)) as poller:
                ends = await poller.wait_all(["whole", *others], graph="g", timeout=0, return_exceptions=True)
        assert [type(end) for end in ends] == [Job, WaitTimeout][: len(ends)]

    @pytest.mark.parametrize("fails", [False, True])
    async def test_timeout_0_without_a_graph_is_one_look_at_the_list(self, fails: bool) -> None:
        """A list that lacks the job, or cannot be read, has been looked at."""
        async with FakeGES() as ges:
            ges.add_foreign(50)
            if fails:
                ges.inject("unavailable", times=10)
            async with connect(ges.endpoint, ges.project_id, credentials=Token(ges.token)) as poller:
                with pytest.raises(WaitTimeout) as caught:
                    await poller.wait("absent", timeout=0)
                assert anyio.current_time() < 2
        assert type(caught.value.last_failure) is (ServiceUnavailable if fails else JobNotFound)

    async def test_a_ref_that_comes_after_the_deadline_gets_its_look(self) -> None:
        """What was being submitted when the time was over is left open with the others, not waited for."""
        async with polling(a=[RUNNING], b=[RUNNING], delay=3.0) as poller:
            with pytest.raises(WaitTimeout) as caught:
                await poller.wait_all(submitting("a", "b", seconds=6.0), timeout=10)
            assert anyio.current_time() < 20
        assert [ref.job_id for ref in caught.value.pending] == ["a", "b"]

    async def test_timeout_names_pending_and_last_seen(self) -> None:
        """It is raised bare where nothing else went wrong."""
        async with polling(a=[RUNNING], b=[OK], c=[TransportError("reset")]) as poller:
            with pytest.raises(WaitTimeout) as caught:
                await poller.wait_all(["a", "b", "c"], timeout=30)
        assert caught.value.pending == (JobRef("a"), JobRef("c"))
        assert caught.value.last_seen == {JobRef("a"): RUNNING, JobRef("c"): None}
        assert str(caught.value) == (
            "2 jobs still open after 30 s: a (running), c (never seen); "
            "the last look brought nothing: reset; what was seen goes on at the server, wait again to follow it"
        )

    async def test_timeout_of_one_is_a_timeout_error(self) -> None:
        """It can be caught as Python's own."""
        async with polling(a=[RUNNING]) as poller:
            with pytest.raises(TimeoutError, match=r"^1 job still open after 7\.5 s: g/a \(running\); "):
                await poller.wait("a", graph="g", timeout=7.5)

    async def test_failures_and_timeouts_are_one_group(self) -> None:
        """The timeout is one member, however many jobs it left open."""
        async with polling(a=[RUNNING], b=[FAILED], c=[RUNNING]) as poller:
            with pytest.raises(JobsFailed) as caught:
                await poller.wait_all(["a", "b", "c"], timeout=30)
        assert [type(error) for error in caught.value.exceptions] == [WaitTimeout, JobFailed]
        assert caught.value.results[0] is caught.value.results[2]

    async def test_job_timeout_counts_from_when_the_job_was_handed_in(self) -> None:
        """Late jobs have their whole time."""
        async with (
            polling(a=[RUNNING], b=[RUNNING]) as poller,
            poller.watch(submitting("a", "b", seconds=10), job_timeout=30, on_failure="never") as changes,
        ):
            ends = [change async for change in changes if change.is_final]
        assert [(change.ref.job_id, type(change.error), change.observed_at) for change in ends] == [
            ("a", WaitTimeout, 40.0),
            ("b", WaitTimeout, 50.0),
        ]
        assert [change.status for change in ends] == [RUNNING, RUNNING]

    async def test_timeout_of_a_watch_fed_by_hand(self) -> None:
        """It ends though the input was never closed, and without jobs, too."""
        async with polling(a=[RUNNING]) as poller:
            for jobs in (["a"], []):
                async with poller.watch(timeout=10) as changes:
                    for job in jobs:
                        changes.add(job)
                    with pytest.raises(WaitTimeout) as caught:
                        await drain(changes)
                assert len(caught.value.pending) == len(jobs)


class TestSharing:
    """Waits and watches of one poller share what they see."""

    async def test_second_watch_is_told_the_state_at_once(self) -> None:
        """Without another look."""
        async with polling(a=[RUNNING]) as poller, poller.watch(["a"]) as first:
            await anext(first)
            before = looks(poller, "a"), anyio.current_time()
            async with poller.watch(["a"]) as second:
                change = await anext(second)
            assert (change.previous, change.status) == (None, RUNNING)
            assert (looks(poller, "a"), anyio.current_time()) == before

    async def test_two_waits_cost_the_looks_of_one(self) -> None:
        """And get the same answer."""
        async with polling(a=[RUNNING] * 5 + [OK]) as poller, anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(poller.wait, "a")
            await poller.wait("a")
            assert looks(poller, "a") == 6

    async def test_each_wait_keeps_its_own_ref(self) -> None:
        """One handed in the graph, the other did not."""
        async with (
            polling(a=[RUNNING, RUNNING, OK]) as poller,
            poller.watch([JobRef("a")]) as bare,
            poller.watch([JobRef("a", "g")]) as full,
        ):
            assert {change.ref async for change in bare} == {JobRef("a")}
            refs = {(change.ref, change.job and change.job.ref) async for change in full}
        assert refs == {(JobRef("a", "g"), JobRef("a", "g"))}


class TestReprs:
    """They are sentences without secrets."""

    async def test_poller_and_sources(self) -> None:
        """Where they look, and whether they do."""
        poller = connect(HTTPS, "p1", credentials=Token("secret"))
        assert repr(poller) == "<poller of ManagementSource of project p1 at https://ges.example, not open>"
        async with poller:
            assert repr(poller) == "<poller of ManagementSource of project p1 at https://ges.example, open>"
        assert repr(engine({"a": HTTPS, "b": [HTTPS, HTTPS]})) == "EngineSource of project p1 for 2 graphs"

    async def test_watch(self) -> None:
        """How much is open, and how much is to be taken."""
        async with polling(a=[OK], b=[RUNNING]) as poller:
            watch = poller.watch(["a", "b"])
            assert repr(watch) == "<watch, not entered: 0 jobs open, 0 changes to take>"
            async with watch:
                await anyio.sleep(1)
                assert repr(watch) == "<watch, open: 1 job open, 2 changes to take>"
            assert repr(watch).startswith("<watch, left: ")


async def awaits_something_cancelled() -> Any:
    """Await a task that somebody cancelled, as code of the caller's may."""
    task = asyncio.ensure_future(anyio.sleep(10))
    await anyio.sleep(0.1)
    task.cancel()
    return await task


class TestStrayCancellation:
    """A cancelled task of somebody's cancels nobody else."""

    async def test_in_a_source_it_is_a_failed_look(self) -> None:
        """The next look is answered."""

        class Straying(ScriptedSource):
            async def get(self, ref: JobRef, /) -> Job:
                if not self.looks[ref.job_id]:
                    self.looks[ref.job_id] += 1
                    await awaits_something_cancelled()
                return await super().get(ref)

        async with Poller(Straying({"a": [OK]})) as poller:
            assert (await poller.wait("a")).status is OK

    async def test_in_a_token_callable_it_is_a_failed_look(self) -> None:
        """The next call gives the token."""
        calls: list[int] = []

        async def fetch() -> str:
            calls.append(1)
            return "fake-token" if len(calls) > 1 else await awaits_something_cancelled()

        async with FakeGES() as ges:
            ges.add_job("a", graph="g", steps=[(0, "failed")])
            async with connect(ges.endpoint, ges.project_id, credentials=Token(fetch)) as poller:
                with pytest.raises(JobFailed):
                    await poller.wait("a", graph="g")
        assert len(calls) == 2

    async def test_in_a_submitter_it_ends_the_watch(self) -> None:
        """With an error that says so."""

        async def submit() -> AsyncIterator[str]:
            yield "a"
            await awaits_something_cancelled()

        async with polling(a=[RUNNING]) as poller:
            with says(RuntimeError, "the iterable of refs awaited something that was cancelled"):
                await poller.wait_all(submit())


class TestOddSources:
    """What a source of the caller's may get wrong is said, and hangs nothing."""

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            (None, "Odd.list_window() must return a gespoll.ListWindow, not NoneType"),
            (JobNotFound(JobRef("a")), "Odd.list_window() must not raise JobNotFound"),
        ],
    )
    async def test_list_window_of_a_wrong_kind(self, given: Any, text: str) -> None:
        """The first list query ends the wait."""

        class Odd(ScriptedSource, ListingSource):
            async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Any) -> Any:
                if isinstance(given, Exception):
                    raise given
                return given

        async with Poller(Odd({})) as poller:
            with says(TypeError, text):
                await poller.wait_all(["a", "b", "c", "d"], graph="g")

    async def test_get_of_a_wrong_kind(self) -> None:
        """The first look ends the wait."""

        class Odd(ScriptedSource):
            async def get(self, ref: JobRef, /) -> Any:
                return "success"

        async with Poller(Odd({})) as poller:
            with says(TypeError, "Odd.get() must return a gespoll.Job, not str"):
                await poller.wait("a")

    async def test_one_ref_that_cannot_be_looked_at_among_others(self) -> None:
        """Its own error comes out, and nothing is watched."""
        async with Poller(engine()) as poller:
            with says(ValueError, "graph 'unknown' has no engine endpoint; endpoints are given for: movies"):
                await poller.wait_all([JobRef("a", "movies"), JobRef("b", "unknown")])


class TestInput:
    """What flows in, and what becomes of it."""

    async def test_wait_all_needs_refs(self) -> None:
        """Only a watch may be opened without any."""
        async with polling() as poller:
            with says(TypeError, "refs must be an iterable or async iterable of jobs, not NoneType"):
                await poller.wait_all(None)  # type: ignore[arg-type]

    async def test_timeout_0_with_room_for_all_looks_once(self) -> None:
        """As many as there is room for are pulled before time is up."""
        async with polling(a=[OK]) as poller:
            assert [
                job.status for job in await poller.wait_all(["a"], max_open=5, timeout=0) if isinstance(job, Job)
            ] == [OK]
            assert await poller.wait_all([], max_open=1, timeout=0) == []

    async def test_timeout_before_all_were_handed_over(self) -> None:
        """The error says so; with `return_exceptions` what there is is given."""
        async with polling(a=[OK]) as poller:
            with says(WaitTimeout, "the jobs to wait for were not all handed over after 30 s; none was open"):
                await poller.wait_all(submitting("a", "b", seconds=20), timeout=30)
            results = await poller.wait_all(submitting("a", "b", seconds=20), timeout=30, return_exceptions=True)
        assert [job.status for job in results if isinstance(job, Job)] == [OK]

    async def test_a_sync_generator_is_closed_when_the_block_is_left_early(self) -> None:
        """Its cleanup runs, as that of an async one does."""
        closed: list[str] = []

        def jobs() -> Iterator[str]:
            try:
                yield "a"
                yield "b"
                yield "c"
            finally:
                closed.append("closed")

        async with polling(a=[OK], b=[RUNNING]) as poller:
            async with poller.watch(jobs(), max_open=1) as changes:
                await anext(changes)
            assert closed == ["closed"]

    async def test_a_sync_iterable_that_raises_gets_its_note_too(self) -> None:
        """It comes out of the entry, bare."""

        def jobs() -> Iterator[str]:
            yield "a"
            raise LookupError("mine")

        async with polling(a=[RUNNING]) as poller:
            with pytest.raises(LookupError) as caught:
                await poller.wait_all(jobs())
        assert caught.value.__notes__ == ["gespoll: raised by the iterable of refs; 1 ref was pending: a"]


class TestWhatNewcomersMeet:
    """The commonest mistakes, and what is said about them."""

    async def test_a_timeout_says_what_the_last_look_ended_in(self) -> None:
        """A wrong address and a wrong graph are told apart."""
        async with polling(a=[TransportError("no route")]) as poller:
            with says(
                WaitTimeout,
                "1 job still open after 2 s: a (never seen); the last look brought nothing: no route; "
                "check ids, graph and endpoint, or wait longer",
            ):
                await poller.wait("a", timeout=2)

    @pytest.mark.parametrize("given", ["fake-token", None, 7])
    def test_credentials_that_are_none(self, given: Any) -> None:
        """A bare token is refused at once, with advice."""
        with says(TypeError, f"credentials must be an object such as gespoll.Token(...), not {type(given).__name__}"):
            ManagementSource(HTTPS, "p1", credentials=given)


CONFLICTS: dict[str, Callable[[Poller, str], Any]] = {
    "wait": lambda poller, graph: poller.wait(JobRef("a", "movies"), graph=graph),
    "wait_all": lambda poller, graph: poller.wait_all([JobRef("a", "movies")], graph=graph),
    "watch": lambda poller, graph: taken(poller.watch([JobRef("a", "movies")], graph=graph)),
    "watch, async refs": lambda poller, graph: taken(poller.watch(one_by_one(JobRef("a", "movies")), graph=graph)),
    "resume": lambda poller, graph: resumed(poller, graph),
    "add": lambda poller, graph: used_within(poller, lambda changes: changes.add(JobRef("a", "movies"), graph)),
    "discard": lambda poller, graph: used_within(poller, lambda changes: changes.discard(JobRef("a", "movies"), graph)),
    "explain": lambda poller, graph: explained(poller, graph),
    "last_seen": lambda poller, graph: last_seen(poller, graph),
}


async def one_by_one(*refs: JobRef) -> AsyncIterator[JobRef]:
    """Give refs as an async generator does."""
    for ref in refs:
        yield ref


async def taken(watch: Watch) -> None:
    """Iterate over a watch to its end."""
    async with watch as changes:
        async for _ in changes:
            pass


async def used_within(poller: Poller, use: Callable[[Watch], None]) -> None:
    """Use an open watch."""
    async with poller.watch() as changes:
        use(changes)


async def resumed(poller: Poller, graph: str) -> None:
    """Go on from an empty snapshot with a ref besides."""
    async with poller.watch([]) as changes:
        snapshot = changes.snapshot()
    await taken(poller.resume(snapshot, [JobRef("a", "movies")], graph=graph))


async def explained(poller: Poller, graph: str) -> None:
    """Ask how a job is looked at that nobody waits for."""
    poller.explain(JobRef("a", "movies"), graph=graph)


async def last_seen(poller: Poller, graph: str) -> None:
    """Ask how a job was last reported that nobody waits for."""
    poller.last_seen(JobRef("a", "movies"), graph=graph)


@pytest.mark.parametrize("way", CONFLICTS)
async def test_a_ref_that_names_another_graph_is_refused(way: str) -> None:
    """Both graphs are named, and nothing was asked; the same graph twice is no conflict."""
    async with polling(a=[OK]) as poller:
        with pytest.raises(ValueError, match=r"names the graph 'movies' and is handed in with graph='people'"):
            await CONFLICTS[way](poller, "people")
        assert looks(poller, "a") == 0
        await CONFLICTS[way](poller, "movies")
