"""Sources and pollers over real sockets: FakeGES answers, and goes wrong, in virtual time."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import aiohttp
import anyio
import anyio.abc
import anyio.lowlevel
import pytest
from aiohttp import web

from gespoll import (
    AuthenticationError,
    EngineSource,
    ImportFailed,
    ImportFile,
    ImportPartiallyFailed,
    Job,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobRef,
    JobRequest,
    JobStatus,
    JobVanished,
    ManagementSource,
    PermissionDenied,
    Poller,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
    Token,
    TransportError,
    connect,
)
from gespoll._pacing import CERTIFICATE_REJECTED
from gespoll._source import CredentialsRenewed, ListWindow
from gespoll.testing import FakeFile, FakeGES, FakeJob, FaultKind, Faults

pytestmark = pytest.mark.anyio

Api = Literal["v2", "v1.0"]
APIS: tuple[Api, ...] = ("v2", "v1.0")
ORIGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOADED = FakeFile("edgeset", "e.csv", total_lines=9, failed_lines=0, successful_lines=9)
PARTLY = FakeFile(
    "edgeset", "bad.csv", status="partFailed", cause="no label", log="log/bad", total_lines=9, failed_lines=2
)
LOST = FakeFile("vertexset", "lost.csv", status="failed", cause="no such file")
LIST = "/graphs/jobs"
IDS = ["...", "50%", "%2F", "%2e%2e", "作业-1", "a b", "a?b=c", "a#b", "a+b&c;d", "status"]

CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0QnVqdVBb2rhIE3V
RMafo85zFLHXiXRbz8lDNWHGeLOhRANCAARvxotk24l7EtaWQvqYBNG1R8Jucfq2
hbr/9/yHW41ToN9klv+nbK1hfZMjOc/iLMieIQFfmRZskyayyQkuBLZD
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBXTCCAQKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABG/Gi2TbiXsS1pZC
+pgE0bVHwm5x+raFuv/3/IdbjVOg32SW/6dsrWF9kyM5z+IsyJ4hAV+ZFmyTJrLJ
CS4EtkOjQzBBMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAdBgNV
HQ4EFgQUSES8nifUobniJ3iwyW1f+cEH4QEwCgYIKoZIzj0EAwIDSQAwRgIhAJpM
Fh+yJMfNelVniKzpLt26ugBni9nXuQ5B1jpg9vOfAiEAiDTDM8Roi1J0LUacmLvk
W7q1HOQ+EKwp/7J2eD81tt0=
-----END CERTIFICATE-----
"""  # key and certificate of 127.0.0.1, signed by nobody else and good for nothing else


def managed(ges: FakeGES, credentials: Token | None = None, **options: Any) -> ManagementSource:
    """Make a source of the server's management plane."""
    return ManagementSource(ges.endpoint, ges.project_id, credentials=credentials or Token(ges.token), **options)


def engine(ges: FakeGES, urls: str | Sequence[str] = (), credentials: Token | None = None) -> EngineSource:
    """Make a source of the engine of the graph "movies"."""
    return EngineSource({"movies": urls or ges.endpoint}, ges.project_id, credentials=credentials or Token(ges.token))


def polling(ges: FakeGES, credentials: Token | None = None, **options: Any) -> Poller:
    """Make a poller of the server's management plane."""
    token = credentials or Token(ges.token)
    return connect(ges.endpoint, ges.project_id, credentials=token, rng=random.Random(0), **options)


def polling_engine(ges: FakeGES, **options: Any) -> Poller:
    """Make a poller of the engine of the graph "movies"."""
    return Poller(engine(ges, **options), close_source=True, rng=random.Random(0))


def add_import(ges: FakeGES, job_id: str = "job", end: float = 3.0, word: str = "success", **details: Any) -> FakeJob:
    """Add an import into graph "g" that runs until `end`, loaded unless told otherwise."""
    details.setdefault("graph", "g")
    details.setdefault("files", [LOADED])
    return ges.add_job(job_id, steps=[(0, "running"), (end, word)], **details)


def add_imports(ges: FakeGES, count: int, end: float = 30.0, **details: Any) -> list[JobRef]:
    """Add imports into one graph each, that end one second after the other."""
    return [
        JobRef(job.job_id, job.graph)
        for job in (
            add_import(ges, f"job-{number:03d}", end + number % 10, graph=f"g-{number}", **details)
            for number in range(count)
        )
    ]


async def warm_up(ges: FakeGES, poller: Poller) -> None:
    """Let the service answer once: one that never did is given up sooner."""
    await poller.wait(add_import(ges, "warm", 0).job_id, graph="g")


def looks_at(ges: FakeGES, job_id: str = "job") -> int:
    """Count the single queries of a job."""
    return sum(request.job_id == job_id for request in ges.requests)


def all_wanted(ids: Sequence[str], words: Sequence[str | None]) -> Sequence[int]:
    """Want every entry."""
    return range(len(ids))


def assert_within_budget(arrivals: Sequence[float], rate: float = 10.0) -> None:
    """In any window of W seconds at most `rate * W + 1` requests arrive."""
    for first, start in enumerate(arrivals):
        for count, end in enumerate(arrivals[first:], 1):
            assert count <= rate * (end - start) + 1 + 1e-6


def assert_unchained(error: BaseException, secret: str = "fake-token") -> None:
    """The error drags no foreign error along, and tells no secret."""
    assert error.__cause__ is None
    assert error.__context__ is None
    assert secret not in f"{error} {error!r} {vars(error)}"


class Mint:
    """An async callable that hands out some tokens in turn, the last for ever."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.calls = 0

    async def __call__(self) -> str:
        """Give the next token."""
        self.calls += 1
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Run a server that is no GES; gives its URL."""
    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await anyio.lowlevel.checkpoint()


async def listed(entries: Sequence[object]) -> ListWindow:
    """Read a page of a v2 list with all its records; "@" in it is a number that no decoder takes."""
    body = json.dumps({"job_list": entries}).replace('"@"', "1e400").encode()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body)

    async with serving(answer) as endpoint, ManagementSource(endpoint, "p", credentials=Token("t")) as source:
        return await source.list_window("p", offset=0, limit=10, wanted=all_wanted)


@pytest.fixture
def refusing() -> Iterator[str]:
    """The URL of a port that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


Reader = Callable[[ManagementSource], Awaitable[Job]]


async def by_get(source: ManagementSource) -> Job:
    """Read the job by its own query."""
    return await source.get(JobRef("job-1", "graph-1"))


async def by_window(source: ManagementSource) -> Job:
    """Read the job in a list window."""
    window = await source.list_window(source.scope(JobRef("job-1")), offset=0, limit=10, wanted=all_wanted)
    return window.jobs[0]


async def by_jobs(source: ManagementSource) -> Job:
    """Read the job in the iterated list."""
    (job,) = [job async for job in source.jobs()]
    return job


class TestManagementSource:
    """One request, one reading."""

    @pytest.mark.parametrize("api", APIS)
    @pytest.mark.parametrize(("read", "graph"), [(by_get, "graph-1"), (by_window, None), (by_jobs, None)])
    async def test_every_field_comes_over_the_wire(self, api: Api, read: Reader, graph: str | None) -> None:
        """Each way of reading tells the same, times in UTC; only the list does not know the graph's id."""
        async with FakeGES(origin=ORIGIN) as ges, managed(ges, api=api) as source:
            files = [FakeFile("schema", "s.xml"), LOST, PARTLY]
            ges.add_job("job-1", files=files, age=10, steps=[(4, "success")], fail_reason="2 of 3 files")
            job = await read(source)
        assert job == Job(
            ref=JobRef("job-1", graph),
            status=JobStatus.PARTIALLY_FAILED,
            reported_status="success",
            job_type="GraphManagement",
            name="ImportGraph",
            related_graph="graph-1-name",
            is_import=True,
            begin_time=ORIGIN - timedelta(seconds=10),
            end_time=ORIGIN - timedelta(seconds=6),
            fail_reason="2 of 3 files",
            files=(
                ImportFile(kind="schema", path="s.xml", status="success"),
                ImportFile(kind="vertexset", path="lost.csv", status="failed", cause="no such file"),
                ImportFile(
                    kind="edgeset",
                    path="bad.csv",
                    status="partFailed",
                    log="log/bad",
                    cause="no label",
                    total_lines=9,
                    failed_lines=2,
                ),
            ),
            as_of=ORIGIN,
        )
        assert job.lag == timedelta(seconds=6)
        assert job.raw["job_progress" if api == "v2" else "jobProgress"] == 0

    @pytest.mark.parametrize("api", APIS)
    async def test_window_is_the_part_asked_for(self, api: Api) -> None:
        """Offset and limit reach the server; all ids and the total come back."""
        async with FakeGES(order="oldest") as ges, managed(ges, api=api) as source:
            add_imports(ges, 10)
            window = await source.list_window("any", offset=2, limit=3, wanted=all_wanted)
            assert window.ids == ("job-002", "job-003", "job-004")
            assert [job.ref.job_id for job in window.jobs] == list(window.ids)
            assert (window.total, window.unread) == (10, frozenset())
            assert ges.requests[0].query == {"offset": "2", "limit": "3"}

    @pytest.mark.parametrize("api", APIS)
    async def test_only_wanted_entries_are_decoded(self, api: Api) -> None:
        """Entries are asked about with their ids and the server's words."""
        asked: dict[str, str | None] = {}

        def wanted(ids: Sequence[str], words: Sequence[str | None]) -> Sequence[int]:
            asked.update(zip(ids, words, strict=True))
            return [ids.index("b")]

        async with FakeGES() as ges, managed(ges, api=api) as source:
            for job_id, word in (("a", "running"), ("b", "waiting"), ("c", "canceled")):
                ges.add_job(job_id, steps=[(0, word)])
            window = await source.list_window("any", offset=0, limit=10, wanted=wanted)
        assert asked == {"a": "running", "b": "waiting", "c": "canceled"}
        assert [job.ref.job_id for job in window.jobs] == ["b"]

    async def test_entries_without_a_status_are_told_as_unread(self) -> None:
        """They were there, and are told of even where they are wanted."""
        async with FakeGES() as ges, managed(ges) as source:
            add_imports(ges, 3)
            ges.inject("blank_status")
            window = await source.list_window("any", offset=0, limit=10, wanted=all_wanted)
        assert (len(window.ids), window.jobs) == (3, ())
        assert window.unread == set(window.ids)

    async def test_furthest_state_of_an_id_that_stands_twice(self) -> None:
        """Wherever in the page they stand; of two ends the worse."""
        states = {
            "a": (["pending", "running"], JobStatus.RUNNING),
            "b": (["running", "success"], JobStatus.SUCCESS),
            "c": (["success", "cancelled"], JobStatus.CANCELLED),
            "d": (["partiallyFailed", "cancelled"], JobStatus.PARTIALLY_FAILED),
            "e": (["failed", "partiallyFailed"], JobStatus.FAILED),
            "f": (["", "running"], JobStatus.RUNNING),
        }
        entries = [{"job_id": job_id, "status": word} for job_id, (words, _) in states.items() for word in words]
        for order in (entries, entries[::-1]):
            window = await listed(order)
            assert window.ids == tuple(entry["job_id"] for entry in order)
            assert {job.ref.job_id: job.status for job in window.jobs} == {
                job_id: status for job_id, (_, status) in states.items()
            }
            assert (len(window.jobs), window.unread) == (len(states), frozenset())

    async def test_entry_that_cannot_be_read_in_full_is_a_sighting(self) -> None:
        """The others are read, and its own files are not passed over."""
        lossy = {"job_id": "j", "status": "success", "x": "@", "job_detail": {"edgeset_path": [{"failed_lines": 1}]}}
        window = await listed([lossy, {"job_id": "k", "status": "success"}])
        assert window.ids == ("j", "k")
        assert ([job.ref.job_id for job in window.jobs], window.unread) == (["k"], frozenset("j"))

    async def test_words_of_ones_own(self) -> None:
        """They hold for queries and lists, on either plane, and can be asked for."""
        words = {"halted": "cancelled"}
        async with FakeGES() as ges:
            for on_engine in (False, True):
                ges.add_job("1", graph="movies", engine=on_engine, steps=[(0, "Halted")])
            for engines in (None, {"movies": ges.endpoint}):
                poller = connect(
                    None if engines else ges.endpoint,
                    ges.project_id,
                    engines=engines,
                    credentials=Token(ges.token),
                    status_words=words,
                )
                async with poller:
                    with pytest.raises(JobCancelled):
                        await poller.wait("1", graph="movies")
                    source = poller.source
                    assert isinstance(source, ManagementSource | EngineSource)
                    assert [job.status async for job in source.jobs()] == [JobStatus.CANCELLED]
                    assert source.status_of("HALTED") is JobStatus.CANCELLED

    def test_words_that_cannot_be(self) -> None:
        """It is said at once."""
        with pytest.raises(ValueError, match="'halted' cannot mean 'gone'"):
            ManagementSource("https://ges", "p", credentials=Token("t"), status_words={"halted": "gone"})

    async def test_total_is_none_where_the_server_does_not_count(self) -> None:
        """Nothing is made up."""
        async with FakeGES(list_count=False) as ges, managed(ges) as source:
            add_imports(ges, 3)
            window = await source.list_window("any", offset=0, limit=2, wanted=all_wanted)
        assert (window.total, len(window.ids)) == (None, 2)

    async def test_job_without_graph_cannot_be_queried(self) -> None:
        """The error says what to give."""
        async with FakeGES() as ges, managed(ges) as source:
            with pytest.raises(
                ValueError, match=r"^job j can be queried by itself only with its graph id: give graph=$"
            ):
                await source.get(JobRef("j"))

    @pytest.mark.parametrize("api", APIS)
    async def test_missing_job_and_missing_graph_are_not_found(self, api: Api) -> None:
        """The one error tells which."""
        async with FakeGES() as ges, managed(ges, api=api) as source:
            with pytest.raises(JobNotFound) as job_gone:
                await source.get(JobRef("j", "g"))
            ges.delete_graph("g")
            with pytest.raises(JobNotFound) as graph_gone:
                await source.get(JobRef("j", "g"))
        assert (job_gone.value.graph_missing, graph_gone.value.graph_missing) == (False, True)

    async def test_wrong_project_is_rejected(self) -> None:
        """The server's code and request id are at hand."""
        async with FakeGES() as ges, ManagementSource(ges.endpoint, "other", credentials=Token(ges.token)) as source:
            with pytest.raises(RequestRejected) as caught:
                await source.get(JobRef("j", "g"))
        assert (caught.value.status, caught.value.code) == (400, "GES.0016")


class TestJobs:
    """Iterating over the project's list."""

    @pytest.mark.parametrize("api", APIS)
    @pytest.mark.parametrize("order", ["newest", "oldest", "id"])
    @pytest.mark.parametrize("count", [True, False])
    async def test_all_pages_are_read(self, api: Api, order: Any, count: bool) -> None:
        """Each of 250 jobs comes once."""
        async with FakeGES(order=order, list_count=count) as ges, managed(ges, api=api) as source:
            refs = add_imports(ges, 250)
            found = [job.ref.job_id async for job in source.jobs()]
        assert sorted(found) == [ref.job_id for ref in refs]

    @pytest.mark.parametrize("newcomers", [10, 100, 200])
    async def test_jobs_that_come_meanwhile_hide_none(self, newcomers: int) -> None:
        """They push the others to later pages, even by more than a page."""
        async with FakeGES() as ges, managed(ges) as source:
            refs = add_imports(ges, 250)
            found: list[str] = []
            async for job in source.jobs():
                if not found:
                    await anyio.sleep(1)
                    ges.add_foreign(newcomers, age=0)
                found.append(job.ref.job_id)
        assert len(found) == len(set(found))
        assert {ref.job_id for ref in refs} <= set(found)

    @pytest.mark.parametrize("count", [True, False])
    async def test_list_without_pages_ends(self, count: bool) -> None:
        """A server that always answers the first page is asked a few times, not for ever."""
        async with FakeGES(list_ignores_offset=True, list_count=count) as ges, managed(ges) as source:
            add_imports(ges, 250)
            assert len([job async for job in source.jobs()]) == 100
            assert len(ges.requests) <= 3

    async def test_empty_list(self) -> None:
        """Nothing comes, after one request."""
        async with FakeGES() as ges, managed(ges) as source:
            assert [job async for job in source.jobs()] == []
            assert len(ges.requests) == 1

    @pytest.mark.parametrize("api", APIS)
    @pytest.mark.parametrize(
        ("filters", "ids"),
        [
            ({"status": JobStatus.PENDING}, ["pending", "waiting"]),
            ({"status": JobStatus.RUNNING}, ["running"]),
            ({"status": JobStatus.SUCCESS}, ["old", "success"]),
            ({"status": JobStatus.PARTIALLY_FAILED}, ["partiallyFailed"]),
            ({"status": JobStatus.FAILED}, ["failed"]),
            ({"graph": "books-name"}, ["old"]),
            ({"end": date(2026, 2, 27)}, ["old"]),
            ({"start": date(2026, 2, 28), "status": JobStatus.SUCCESS}, ["success"]),
            ({"start": date(2026, 2, 27), "end": date(2026, 2, 27)}, ["old"]),
            ({"start": date(2026, 3, 2)}, []),
        ],
    )
    async def test_filters_are_the_servers(self, api: Api, filters: dict[str, Any], ids: list[str]) -> None:
        """Status, graph name and days reach it in its own words."""
        async with FakeGES(origin=ORIGIN) as ges, managed(ges, api=api) as source:
            for word in ("pending", "waiting", "running", "success", "partiallyFailed", "failed"):
                ges.add_job(word, steps=[(0, word)], graph="movies")
            ges.add_job("old", steps=[(0, "success")], graph="books", age=48 * 3600)
            assert sorted([job.ref.job_id async for job in source.jobs(**filters)]) == ids

    async def test_status_without_a_filter_word_is_refused(self) -> None:
        """The error names those that have one."""
        async with FakeGES() as ges, managed(ges) as source:
            with pytest.raises(ValueError, match="cannot filter by cancelled; it can by pending, running, success, "):
                await anext(source.jobs(status=JobStatus.CANCELLED))
            assert ges.requests == []

    async def test_renewed_token_goes_on_with_the_page(self) -> None:
        """The page that met the old token is asked for again."""
        async with FakeGES() as ges, managed(ges, Token(Mint(ges.token, "fresh"))) as source:
            add_imports(ges, 150)
            found = []
            async for job in source.jobs():
                found.append(job.ref.job_id)
                if len(found) == 1:
                    ges.expire_token("fresh")
        assert len(set(found)) == len(found) == 150


class TestEnds:
    """A wait returns the job, or raises what its end deserves."""

    @pytest.mark.parametrize("api", APIS)
    async def test_success_is_returned(self, api: Api) -> None:
        """The job has the ref that was handed in, and its whole record."""
        async with FakeGES() as ges, polling(ges, api=api) as poller:
            add_import(ges, end=12)
            job = await poller.wait("job", graph="g")
        assert (job.ref, job.status, job.name) == (JobRef("job", "g"), JobStatus.SUCCESS, "ImportGraph")
        assert [file.path for file in job.files or ()] == ["e.csv"]

    @pytest.mark.parametrize("api", APIS)
    @pytest.mark.parametrize(
        ("word", "files", "kind"),
        [
            ("failed", [LOADED, LOST], ImportFailed),
            ("success", [LOST], ImportFailed),
            ("partiallyFailed", [LOADED, PARTLY], ImportPartiallyFailed),
            ("success", [LOADED, PARTLY], ImportPartiallyFailed),
            ("success", [LOADED, FakeFile("edgeset", "x.csv", failed_lines=1, total_lines=2)], ImportPartiallyFailed),
            ("success", [LOADED, FakeFile("edgeset", "x.csv", status="strange")], ImportPartiallyFailed),
            ("success", [LOADED, LOST], ImportPartiallyFailed),
        ],
    )
    async def test_bad_import_is_raised_bare(
        self, api: Api, word: str, files: list[FakeFile], kind: type[ImportFailed]
    ) -> None:
        """Whatever the word for the job, the files decide; only the bad one is blamed."""
        async with FakeGES() as ges, polling(ges, api=api) as poller:
            add_import(ges, word=word, files=files)
            with pytest.raises(ImportFailed) as caught:
                await poller.wait("job", graph="g")
        assert type(caught.value) is kind
        assert [file.path for file in caught.value.failed_files] == [files[-1].path]

    @pytest.mark.parametrize("api", APIS)
    async def test_each_bad_file_tells_cause_log_and_lines(self, api: Api) -> None:
        """What to repair is at hand, and in the text."""
        async with FakeGES() as ges, polling(ges, api=api) as poller:
            add_import(ges, files=[LOADED, PARTLY, LOST])
            with pytest.raises(ImportPartiallyFailed) as caught:
                await poller.wait("job", graph="g")
        lost, partly = caught.value.failed_files
        assert (lost.path, lost.status, lost.cause, lost.log) == ("lost.csv", "failed", "no such file", None)
        assert (partly.cause, partly.log, partly.total_lines, partly.failed_lines) == ("no label", "log/bad", 9, 2)
        assert str(caught.value) == (
            "ImportGraph job g/job was only partly loaded: vertexset lost.csv: failed, cause no such file; "
            "edgeset bad.csv: partFailed, 2 of 9 lines failed, cause no label, log log/bad"
        )

    async def test_other_failed_job_is_raised_bare(self) -> None:
        """It is no import, and its reason is in the text."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, word="failed", name="StopGraph", fail_reason="no quota")
            with pytest.raises(JobFailed, match=r"^StopGraph job g/job failed: no quota$") as caught:
                await poller.wait("job", graph="g")
        assert type(caught.value) is JobFailed

    async def test_success_without_files_is_confirmed_by_one_query(self) -> None:
        """An import whose files are never told is believed at the second time of asking."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, end=0, files=None)
            assert (await poller.wait("job", graph="g")).status is JobStatus.SUCCESS
            assert len(ges.requests) == looks_at(ges) == 2

    async def test_success_with_files_needs_no_confirmation(self) -> None:
        """One look is enough."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, end=0)
            await poller.wait("job", graph="g")
            assert len(ges.requests) == 1

    async def test_other_job_needs_no_confirmation(self) -> None:
        """Only imports have files."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, end=0, name="StartGraph")
            await poller.wait("job", graph="g")
            assert len(ges.requests) == 1

    async def test_files_that_come_late_still_decide(self) -> None:
        """The first success told no files; the confirming look finds a bad one."""
        async with FakeGES() as ges, polling(ges, max_per_second=1) as poller:
            add_import(ges, end=0, files=[PARTLY], detail_after=0.5)
            with pytest.raises(ImportPartiallyFailed):
                await poller.wait("job", graph="g")
            assert looks_at(ges) == 2

    @pytest.mark.parametrize("options", [{"list_has_files": False}, {}])
    async def test_list_without_files_is_confirmed_by_one_query_each(self, options: dict[str, Any]) -> None:
        """The list says success, the job's own query knows of the bad file."""
        late: dict[str, Any] = {} if options else {"list_detail_after": 3600}
        async with FakeGES(**options) as ges, polling(ges) as poller:
            good = [add_import(ges, f"good-{number}", 20, **late).job_id for number in range(4)]
            bad = [add_import(ges, f"bad-{number}", 20, files=[PARTLY], **late).job_id for number in range(4)]
            results = await poller.wait_all(good + bad, graph="g", return_exceptions=True)
            assert [type(result) for result in results] == [Job] * 4 + [ImportPartiallyFailed] * 4
            assert {looks_at(ges, job_id) for job_id in good + bad} == {1}

    async def test_list_with_files_needs_no_query(self) -> None:
        """Its entry is the result."""
        async with FakeGES() as ges, polling(ges) as poller:
            refs = add_imports(ges, 20, files=[PARTLY])
            results = await poller.wait_all(refs, return_exceptions=True)
            assert {type(result) for result in results} == {ImportPartiallyFailed}
            assert sum(request.kind == "get" for request in ges.requests) <= len(ges.requests) // 20 + 2

    async def test_job_without_graph_is_found_in_the_list(self) -> None:
        """Its success is confirmed where its graph becomes known, and believed where it does not."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, end=12)
            assert (await poller.wait("job")).ref == JobRef("job")
            assert {request.kind for request in ges.requests} == {"list"}


class TestEngine:
    """The engine plane end to end."""

    @pytest.mark.parametrize("raw_request", [True, False])
    async def test_every_field_comes_over_the_wire(self, raw_request: bool) -> None:
        """The list tells the request, the single query only the status."""
        async with FakeGES(origin=ORIGIN, raw_request=raw_request) as ges, engine(ges) as source:
            ges.add_job("42", graph="movies", engine=True, steps=[(0, "complete")], request_body={"edges": "e.csv"})
            listed = [job async for job in source.jobs()]
            window = await source.list_window("movies", offset=0, limit=5, wanted=all_wanted)
            single = await source.get(JobRef("42", "movies"))
            url = f"/ges/v1.0/{ges.project_id}/graphs/movies/action?action_id=import-graph"
        expected = Job(
            ref=JobRef("42", "movies"),
            status=JobStatus.SUCCESS,
            reported_status="complete",
            name="import_graph",
            related_graph="movies",
            is_import=True,
            request=JobRequest(command="import_graph", url=url, body={"edges": "e.csv"}),
            as_of=ORIGIN,
        )
        assert listed == list(window.jobs) == [expected]
        assert (window.ids, window.total) == (("42",), 1)
        assert (single.status, single.reported_status, single.related_graph) == (
            JobStatus.SUCCESS,
            "complete",
            "movies",
        )
        assert (single.files, single.begin_time, single.end_time, single.lag) == (None, None, None, None)

    async def test_memory_edition_tells_the_files_of_an_import_in_its_list(self) -> None:
        """A partly loaded one is found there; a query tells nothing but the word."""
        async with FakeGES(edition="memory") as ges, engine(ges) as source:
            ges.add_job("42", graph="movies", engine=True, steps=[(0, "success")], files=[LOADED, PARTLY])
            ges.add_job("43", graph="movies", engine=True, steps=[(0, "failed")], name="Algorithm", fail_reason="no")
            ges.add_job("44", graph="movies", engine=True, steps=[(0, "running"), (40, "success")], age=10)
            jobs = {job.ref.job_id: job async for job in source.jobs()}
            single = await source.get(JobRef("42", "movies"))
        assert (single.status, single.files) == (JobStatus.SUCCESS, None)
        assert (jobs["42"].status, jobs["42"].is_import) == (JobStatus.PARTIALLY_FAILED, True)
        assert [file.path for file in jobs["42"].bad_files] == ["bad.csv"]
        assert (jobs["42"].total_lines, jobs["42"].failed_lines, jobs["42"].progress) == (18, 2, 1.0)
        assert (jobs["43"].name, jobs["43"].is_import, jobs["43"].fail_reason) == ("Algorithm", False, "no")
        assert (jobs["44"].progress, jobs["44"].begin_time, jobs["44"].end_time) == (0.25, None, None)

    async def test_edition_is_learned_from_the_list(self) -> None:
        """Per graph; until then it counts as the memory edition, of which more can be asked."""
        editions: list[Literal["memory", "database"]] = ["database", "memory"]
        async with FakeGES() as ges:
            urls = dict.fromkeys(("database", "memory"), ges.endpoint)
            async with EngineSource(urls, ges.project_id, credentials=Token(ges.token)) as source:
                for name in editions:
                    ges.edition = name
                    await source.list_window(name, offset=0, limit=5, wanted=all_wanted)
                    assert (source.tells_files(name), source.tells_reason(name)) == ("list", "either")
                    ges.add_job("42", graph=name, engine=True)
                    await source.list_window(name, offset=0, limit=5, wanted=lambda ids, words: ())
                assert (source.tells_files("database"), source.tells_reason("database")) == (None, "query")
                assert (source.tells_files("memory"), source.tells_reason("memory")) == ("list", "either")
                ges.edition = "memory"
                await source.list_window("database", offset=0, limit=5, wanted=all_wanted)
                assert source.tells_files("database") == "list"  # the graph was made anew

    async def test_what_the_management_plane_can_tell(self) -> None:
        """Files by a query; a reason by neither more than by the other."""
        async with ManagementSource("https://ges", "p", credentials=Token("t")) as source:
            assert (source.tells_files("p"), source.tells_reason("p")) == ("query", None)

    async def test_missing_graph_is_not_found(self) -> None:
        """A query says so; the list says why it cannot be read."""
        async with FakeGES() as ges, engine(ges) as source:
            ges.delete_graph("movies")
            with pytest.raises(JobNotFound) as caught:
                await source.get(JobRef("42", "movies"))
            assert caught.value.graph_missing
            with pytest.raises(RequestRejected, match=r"listing the jobs of graph movies: .* movies not exist"):
                await source.list_window("movies", offset=0, limit=5, wanted=all_wanted)

    async def test_jobs_of_all_graphs_by_status(self) -> None:
        """Each graph's list is read, page by page; the filter is applied here."""
        async with FakeGES() as ges:
            for graph in ("books", "movies"):
                for number in range(120):
                    word = "failed" if number == 7 else "success"
                    ges.add_job(f"{number}", graph=graph, engine=True, steps=[(0, word)])
            urls = {"books": ges.endpoint, "movies": ges.endpoint}
            async with EngineSource(urls, ges.project_id, credentials=Token(ges.token)) as source:
                assert len({job.ref async for job in source.jobs()}) == 240
                assert len([job async for job in source.jobs(graph="books")]) == 120
                failed = [job.ref async for job in source.jobs(status=JobStatus.FAILED)]
        assert failed == [JobRef("7", "books"), JobRef("7", "movies")]

    @pytest.mark.parametrize("word", ["success", "complete"])
    async def test_success_is_returned(self, word: str) -> None:
        """Both words mean it; the list is asked once, which tells files on an engine of the memory edition."""
        async with FakeGES() as ges, polling_engine(ges) as poller:
            ges.add_job("42", graph="movies", engine=True, steps=[(0, word)])
            job = await poller.wait("42", graph="movies")
            assert (job.status, job.reported_status) == (JobStatus.SUCCESS, word)
            assert len(ges.requests) == 2

    async def test_failed_one_of_many_costs_one_query(self) -> None:
        """The list does not tell why; the query does, and keeps what the list told."""
        async with FakeGES() as ges, polling_engine(ges) as poller:
            for number in range(9):
                word = "failed" if number == 4 else "success"
                steps = [(0, "running"), (12, word)]
                ges.add_job(f"{number}", graph="movies", engine=True, steps=steps, fail_reason="disk full")
            results = await poller.wait_all(map(str, range(9)), graph="movies", return_exceptions=True)
            singles = [request.job_id for request in ges.requests if request.kind == "get"]
        assert singles == ["4"]
        assert type(results[4]) is ImportFailed
        assert str(results[4]) == "import_graph job movies/4 failed: disk full (GES.8013)"

    async def test_every_request_is_small_and_in_english(self) -> None:
        """A finished algorithm would send all its results; the engine demands a language."""
        async with FakeGES() as ges, polling_engine(ges) as poller:
            for job_id in "abcd":
                steps = [(0, "running"), (3, "success" if job_id == "a" else "failed")]
                ges.add_job(job_id, graph="movies", engine=True, steps=steps, results=50_000)
            job = await poller.wait("a", graph="movies")
            await poller.wait_all(list("bcd"), graph="movies", return_exceptions=True)
            assert {request.kind for request in ges.requests} == {"get", "list"}
            assert {request.query["limit"] for request in ges.requests if request.kind == "get"} == {"1"}
            assert {request.headers["X-Language"] for request in ges.requests} == {"en-us"}
        assert "data" not in job.raw

    async def test_rejected_token_is_an_authentication_error(self) -> None:
        """The engine says so with 400 and a code."""
        async with FakeGES() as ges, polling_engine(ges, credentials=Token("wrong")) as poller:
            with pytest.raises(AuthenticationError) as caught:
                await poller.wait("42", graph="movies")
        assert (caught.value.status, caught.value.code) == (400, "GES.8007")
        assert caught.value.pending == (JobRef("42", "movies"),)

    async def test_next_url_serves_when_the_first_refuses(self, refusing: str) -> None:
        """And goes on serving."""
        async with FakeGES() as ges, polling_engine(ges, urls=[refusing, ges.endpoint]) as poller:
            ges.add_job("42", graph="movies", engine=True, steps=[(0, "running"), (20, "success")])
            assert (await poller.wait("42", graph="movies", timeout=60)).status is JobStatus.SUCCESS
            assert len(ges.requests) >= 4

    async def test_next_url_serves_when_the_first_is_silent(self) -> None:
        """A server that takes the connection and says nothing is not asked again."""
        asked = 0

        async def silent(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal asked
            asked += 1
            await anyio.sleep(3600)
            return web.Response()

        async with serving(silent) as dead, FakeGES() as ges, polling_engine(ges, urls=[dead, ges.endpoint]) as poller:
            ges.add_job("42", graph="movies", engine=True)
            assert (await poller.wait("42", graph="movies", timeout=120)).status is JobStatus.SUCCESS
        assert asked == 1

    async def test_url_may_be_spelt_in_any_way(self, refusing: str) -> None:
        """What is normalized on its way, as a default port is, is still known as the first when it refuses."""
        first = refusing.replace("http", "HTTP")
        async with FakeGES() as ges, engine(ges, [first, ges.endpoint]) as source:
            ges.add_job("42", graph="movies", engine=True, steps=[(0, "success")])
            with pytest.raises(TransportError):
                await source.get(JobRef("42", "movies"))
            assert (await source.get(JobRef("42", "movies"))).status is JobStatus.SUCCESS

    async def test_requests_that_fail_together_turn_once(self, refusing: str) -> None:
        """Two failures of the first URL do not lead back to it."""
        async with FakeGES() as ges, engine(ges, [refusing, ges.endpoint]) as source:
            ges.add_job("42", graph="movies", engine=True, steps=[(0, "success")])

            async def fail() -> None:
                with pytest.raises(TransportError):
                    await source.get(JobRef("42", "movies"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)
                tasks.start_soon(fail)
            assert (await source.get(JobRef("42", "movies"))).status is JobStatus.SUCCESS

    async def test_unmapped_graph_is_refused(self) -> None:
        """Before anything is sent; the text names the graphs that have a server."""
        advice = "graph 'books' has no engine endpoint; endpoints are given for: movies"
        async with FakeGES() as ges, engine(ges) as source:
            with pytest.raises(ValueError, match=advice):
                await source.get(JobRef("42", "books"))
            with pytest.raises(ValueError, match=advice):
                await anext(source.jobs(graph="books"))
            async with Poller(source) as poller:
                with pytest.raises(ValueError, match=advice):
                    await poller.wait("42", graph="books")
            assert ges.requests == []

    async def test_missing_job_of_one_graph_leaves_the_other(self) -> None:
        """Each graph is a scope of its own."""
        async with FakeGES() as ges:
            ges.add_job("42", graph="movies", engine=True)
            urls = {"books": ges.endpoint, "movies": ges.endpoint}
            source = EngineSource(urls, ges.project_id, credentials=Token(ges.token))
            async with Poller(source, close_source=True) as poller:
                refs = [JobRef("42", "books"), JobRef("42", "movies")]
                lost, found = await poller.wait_all(refs, return_exceptions=True)
        assert (type(lost), type(found)) == (JobNotFound, Job)


class TestFaults:
    """What goes wrong on the way costs time and nothing else."""

    @pytest.mark.parametrize("kind", get_args(FaultKind))
    async def test_single_queries_survive(self, kind: FaultKind) -> None:
        """The wait ends right, and nothing is raised."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, end=12)
            await warm_up(ges, poller)
            ges.inject(kind, times=3)
            assert (await poller.wait("job", graph="g")).status is JobStatus.SUCCESS
            assert ges.fault_counts[kind] == (1 if kind == "not_found" else 3)  # denied once, the list is asked
            assert_within_budget(ges.arrivals())

    @pytest.mark.parametrize("kind", sorted(set(get_args(FaultKind)) - {"not_found"}))
    @pytest.mark.parametrize("times", [2, 6])
    async def test_list_windows_survive(self, kind: FaultKind, times: int) -> None:
        """All jobs end right, by the list or without it."""
        async with FakeGES() as ges, polling(ges) as poller:
            await warm_up(ges, poller)
            refs = add_imports(ges, 8)
            ges.inject(kind, times=times, match=LIST)
            results = await poller.wait_all(refs)
            assert {type(result) for result in results} == {Job}
            assert ges.fault_counts[kind] >= 2
            assert_within_budget(ges.arrivals())

    @pytest.mark.parametrize("kind", get_args(FaultKind))
    async def test_engine_survives(self, kind: FaultKind) -> None:
        """The other plane has other words for the same."""
        async with FakeGES() as ges, polling_engine(ges) as poller:
            for number in range(5):
                end = 12 if number else 0
                ges.add_job(f"{number}", graph="movies", engine=True, steps=[(0, "running"), (end, "success")])
            await poller.wait("0", graph="movies")
            ges.inject(kind, times=3)
            results = await poller.wait_all(map(str, range(5)), graph="movies")
            assert {type(result) for result in results} == {Job}

    async def test_everything_at_once(self) -> None:
        """A third of all requests is hit, by anything, and there is no list."""
        kinds: tuple[FaultKind, ...] = get_args(FaultKind)
        faults = Faults(dict.fromkeys(kinds, 0.02), match="/status")
        async with FakeGES(faults=faults, list_unsupported=True) as ges, polling(ges) as poller:
            good = add_imports(ges, 40)
            bad = [JobRef(add_import(ges, f"bad-{number}", 40, files=[PARTLY]).job_id, "g") for number in range(20)]
            results = await poller.wait_all(good + bad, return_exceptions=True)
            assert [type(result) for result in results] == [Job] * 40 + [ImportPartiallyFailed] * 20
            assert len(ges.fault_counts) > 8

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("throttle", Throttled),
            ("server_error", ServiceUnavailable),
            ("unavailable", ServiceUnavailable),
            ("bad_gateway", ServiceUnavailable),
            ("transient_400", ServiceUnavailable),
            ("html", ServiceUnavailable),
            ("html_200", ProtocolError),
            ("error_in_200", ServiceUnavailable),
            ("blank_status", ProtocolError),
            ("invalid_json", ProtocolError),
            ("wrong_json", ProtocolError),
            ("drop", TransportError),
            ("truncate", TransportError),
        ],
    )
    async def test_each_look_has_its_error(self, kind: FaultKind, error: type[SourceError]) -> None:
        """It drags no error of aiohttp along, because that holds the token."""
        async with FakeGES() as ges, managed(ges) as source:
            add_import(ges)
            ges.inject(kind)
            with pytest.raises(SourceError) as caught:
                await source.get(JobRef("job", "g"))
        assert type(caught.value) is error
        assert_unchained(caught.value)

    async def test_retry_after_is_kept(self) -> None:
        """Nothing is sent before the server wants it."""
        async with FakeGES(faults=Faults(retry_after=40)) as ges, polling(ges) as poller:
            add_import(ges, end=1)
            ges.inject("throttle_retry_after")
            await poller.wait("job", graph="g")
            assert ges.arrivals()[1] >= 40

    @pytest.mark.parametrize("borrowed", [False, True])
    @pytest.mark.parametrize("looks_before", [0, 1])
    async def test_dropped_request_is_sent_once(self, borrowed: bool, looks_before: int) -> None:
        """By itself aiohttp would send it again, past the budget, on a connection old or new."""
        async with contextlib.AsyncExitStack() as stack:
            ges = await stack.enter_async_context(FakeGES())
            session = await stack.enter_async_context(aiohttp.ClientSession()) if borrowed else None
            source = await stack.enter_async_context(managed(ges, session=session))
            add_import(ges)
            for _ in range(looks_before):
                await source.get(JobRef("job", "g"))
            ges.inject("drop", times=5)
            with pytest.raises(TransportError) as caught:
                await source.get(JobRef("job", "g"))
            assert len(ges.requests) == looks_before + 1
        assert_unchained(caught.value)

    async def test_redirect_is_not_followed(self) -> None:
        """The token goes to nobody else; the error says what to check."""
        strangers: list[web.BaseRequest] = []

        async def stranger(request: web.BaseRequest) -> web.StreamResponse:
            strangers.append(request)
            return web.json_response({"status": "success"})

        async with serving(stranger) as elsewhere:

            async def redirect(request: web.BaseRequest) -> web.StreamResponse:
                return web.Response(status=307, headers={"Location": f"{elsewhere}{request.path}"})

            async with (
                serving(redirect) as endpoint,
                ManagementSource(endpoint, "p", credentials=Token("fake-token")) as source,
            ):
                with pytest.raises(ProtocolError) as caught:
                    await source.get(JobRef("j", "g"))
        assert strangers == []
        assert str(caught.value) == (
            "looking at job g/j was answered with a redirect, which is never followed; check the endpoint (HTTP 307)"
        )
        assert_unchained(caught.value)

    @pytest.mark.parametrize("compressed", [False, True])
    async def test_reply_over_the_limit_is_not_read(self, compressed: bool) -> None:
        """It counts what would be held, not what was sent."""

        async def bomb(request: web.BaseRequest) -> web.StreamResponse:
            body = b" " * 5_000_000
            if compressed:
                return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
            return web.Response(body=body)

        async with (
            serving(bomb) as endpoint,
            ManagementSource(endpoint, "p", credentials=Token("fake-token"), max_reply_bytes=1_000_000) as source,
        ):
            with pytest.raises(ProtocolError) as caught:
                await source.get(JobRef("j", "g"))
        assert str(caught.value) == "looking at job g/j: the reply is larger than max_reply_bytes=1000000 (HTTP 200)"
        assert_unchained(caught.value)

    async def test_reply_of_just_the_limit_is_read(self) -> None:
        """The limit itself is allowed."""
        body = b'{"status": "running"}'

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=body)

        async with (
            serving(answer) as endpoint,
            ManagementSource(endpoint, "p", credentials=Token("t"), max_reply_bytes=len(body)) as source,
        ):
            assert (await source.get(JobRef("j", "g"))).status is JobStatus.RUNNING

    @pytest.mark.parametrize("coding", [web.ContentCoding.gzip, web.ContentCoding.deflate])
    async def test_compressed_replies_are_read(self, coding: web.ContentCoding) -> None:
        """The service's front may compress as it likes."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            response = web.json_response({"job_id": "j", "status": "success", "job_name": "StopGraph"})
            response.enable_compression(coding)
            return response

        async with serving(answer) as endpoint, connect(endpoint, "p", credentials=Token("t")) as poller:
            assert (await poller.wait("j", graph="g")).name == "StopGraph"

    async def test_broken_compression_is_a_lost_reply(self) -> None:
        """It is an error of the way, and tried again."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=b"no gzip at all", headers={"Content-Encoding": "gzip"})

        async with (
            serving(answer) as endpoint,
            ManagementSource(endpoint, "p", credentials=Token("fake-token")) as source,
        ):
            with pytest.raises(TransportError) as caught:
                await source.get(JobRef("j", "g"))
        assert_unchained(caught.value)

    @pytest.mark.parametrize("where", ["text", "outside"])
    async def test_invalid_utf_8(self, where: str) -> None:
        """In a text it hides nothing else; elsewhere the reply is no JSON."""
        body = b'{"status": "failed", "job_name": "X", "fail_reason": "\xff\xfe"}' if where == "text" else b"\xff\xfe"

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=body)

        async with serving(answer) as endpoint, ManagementSource(endpoint, "p", credentials=Token("t")) as source:
            if where == "text":
                assert (await source.get(JobRef("j", "g"))).fail_reason == "\ufffd\ufffd"
            else:
                with pytest.raises(ProtocolError):
                    await source.get(JobRef("j", "g"))

    async def test_reply_that_is_no_http(self) -> None:
        """It is an error of the way, without its text."""

        async def answer(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                await stream.receive()
                await stream.send(b"220 mail.example ESMTP fake-token\r\n")

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, answer)
            async with ManagementSource(f"http://127.0.0.1:{port}", "p", credentials=Token("t")) as source:
                with pytest.raises(TransportError) as caught:
                    await source.get(JobRef("j", "g"))
            tasks.cancel_scope.cancel()
        assert_unchained(caught.value)

    async def test_untrusted_certificate_ends_the_wait_at_once(self, tmp_path: Path) -> None:
        """Waiting would not mend it; the text says what to pass."""
        pem = tmp_path / "server.pem"
        pem.write_text(CERTIFICATE)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pem)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.json_response({"job_id": "j", "status": "success", "job_name": "StopGraph"})

        async with serving(answer, tls) as endpoint:
            async with connect(endpoint, "p", credentials=Token("fake-token")) as poller:
                with pytest.raises(TransportError) as caught:
                    await poller.wait("j", graph="g")
            trusting = ssl.create_default_context(cafile=str(pem))
            trusting.check_hostname = False
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
                connect(endpoint, "p", credentials=Token("t"), session=session) as poller,
            ):
                assert (await poller.wait("j", graph="g")).status is JobStatus.SUCCESS
        assert (caught.value.code, caught.value.pending) == (CERTIFICATE_REJECTED, (JobRef("j", "g"),))
        assert "certificate could not be verified; pass a session that trusts it" in str(caught.value)
        assert_unchained(caught.value)


class TestToken:
    """Tokens expire in mid-wait."""

    async def test_it_is_renewed_once_for_many_polls(self) -> None:
        """The wait goes on, and every replay is paid for."""
        mint = Mint("fake-token", "fresh")
        slow = Faults({"slow": 1.0}, on={"get", "list"}, slow_seconds=2.0)
        async with FakeGES(faults=slow, list_unsupported=True) as ges, polling(ges, Token(mint), interval=1) as poller:
            refs = add_imports(ges, 30)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poller.wait_all, refs)
                await anyio.sleep(15)
                ges.expire_token("fresh")
            assert sum(request.status == 401 for request in ges.requests) > 3
            assert_within_budget(ges.arrivals())
        assert mint.calls == 2

    async def test_source_tells_that_a_request_must_be_sent_again(self) -> None:
        """It does not send it itself, because the budget is not its own."""
        async with FakeGES() as ges, managed(ges, Token(Mint("old", ges.token))) as source:
            add_import(ges)
            with pytest.raises(CredentialsRenewed):
                await source.get(JobRef("job", "g"))
            assert len(ges.requests) == 1
            assert (await source.get(JobRef("job", "g"))).status is JobStatus.RUNNING

    async def test_it_is_renewed_every_day(self) -> None:
        """A token that was accepted may expire again."""
        mint = Mint("fake-token", "one", "two", "three")
        async with FakeGES() as ges, polling(ges, Token(mint), interval=1800) as poller:
            add_import(ges, end=3.5 * 86400)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poller.wait, JobRef("job", "g"))
                for token in ("one", "two", "three"):
                    await anyio.sleep(86400)
                    ges.expire_token(token)
        assert mint.calls == 4

    async def test_not_found_proves_the_token_good(self) -> None:
        """The service answered to it, so that it may be renewed again."""
        async with FakeGES() as ges, managed(ges, Token(Mint("old", ges.token, "fresh"))) as source:
            with pytest.raises(CredentialsRenewed):
                await source.get(JobRef("job", "g"))
            with pytest.raises(JobNotFound):
                await source.get(JobRef("job", "g"))
            ges.expire_token("fresh")
            with pytest.raises(CredentialsRenewed):
                await source.get(JobRef("job", "g"))

    async def test_second_rejection_ends_all_waits(self) -> None:
        """Each is told which of its jobs are left open."""
        mint = Mint("fake-token", "bad", "worse")
        caught: dict[str, AuthenticationError] = {}
        async with FakeGES() as ges, polling(ges, Token(mint)) as poller:
            for job_id in "ab":
                add_import(ges, job_id, 3600)

            async def wait(job_id: str) -> None:
                with pytest.raises(AuthenticationError) as raised:
                    await poller.wait(job_id, graph="g")
                caught[job_id] = raised.value

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, "a")
                tasks.start_soon(wait, "b")
                await anyio.sleep(12)
                ges.expire_token("never-given")
            with pytest.raises(AuthenticationError):
                await poller.wait("a", graph="g")
        assert {job_id: error.pending for job_id, error in caught.items()} == {
            "a": (JobRef("a", "g"),),
            "b": (JobRef("b", "g"),),
        }
        assert mint.calls == 2
        assert (caught["a"].status, caught["a"].code) == (401, "APIG.0301")

    async def test_rejected_fixed_token_ends_at_once(self) -> None:
        """One request, then the error; the token is not in it."""
        async with FakeGES() as ges, polling(ges, Token("wrong-secret")) as poller:
            with pytest.raises(AuthenticationError) as caught:
                await poller.wait("job", graph="g")
            assert len(ges.requests) == 1
        assert caught.value.pending == (JobRef("job", "g"),)
        assert "wrong-secret" not in str(caught.value)


class TestListRefused:
    """Without the list, single queries serve."""

    @pytest.mark.parametrize(
        "options",
        [
            {"list_refused": True},
            {"list_refused": "GES.7041"},
            {"list_unsupported": True},
        ],
    )
    async def test_it_is_asked_for_once(self, options: dict[str, Any]) -> None:
        """All jobs end by their own queries."""
        async with FakeGES(**options) as ges, polling(ges) as poller:
            results = await poller.wait_all(add_imports(ges, 10))
            assert {type(result) for result in results} == {Job}
            assert len(ges.arrivals("list")) == 1

    async def test_engine_list_is_asked_for_once(self) -> None:
        """The engine refuses with another code."""
        async with FakeGES(list_refused=True) as ges, polling_engine(ges) as poller:
            for number in range(5):
                ges.add_job(f"{number}", graph="movies", engine=True)
            await poller.wait_all(map(str, range(5)), graph="movies")
            assert len(ges.arrivals("list")) == 1

    async def test_it_is_asked_for_again_after_renewal(self) -> None:
        """New credentials may allow more."""
        mint = Mint("fake-token", "fresh")
        async with FakeGES(list_refused=True) as ges, polling(ges, Token(mint)) as poller:
            refs = add_imports(ges, 10, end=200)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poller.wait_all, refs)
                await anyio.sleep(60)
                assert len(ges.arrivals("list")) == 1
                ges.list_refused = False
                ges.expire_token("fresh")
            assert len(ges.arrivals("list")) > 10

    @pytest.mark.parametrize("others", [0, 5])
    async def test_job_without_graph_is_refused(self, others: int) -> None:
        """Only the list could show it; the text says what to give. The others go on."""
        async with FakeGES(list_refused=True) as ges, polling(ges) as poller:
            refs = add_imports(ges, others)
            add_import(ges)
            *results, error = await poller.wait_all([*refs, JobRef("job")], return_exceptions=True)
        assert {type(result) for result in results} <= {Job}
        assert type(error) is PermissionDenied
        assert "; give graph= to query job job by itself (HTTP 403, code APIG.0302, request " in str(error)


class TestListShapes:
    """Whatever the list looks like, every job ends right."""

    async def check(self, ges: FakeGES, **knobs: Any) -> None:
        """Wait for 60 jobs of three fates."""
        refs = [
            JobRef(
                add_import(
                    ges,
                    f"job-{number:02d}",
                    10 + number % 7,
                    "failed" if number % 3 == 1 else "success",
                    graph=f"g{number % 5}",
                    files=[PARTLY] if number % 3 == 2 else [LOADED],
                ).job_id,
                f"g{number % 5}",
            )
            for number in range(60)
        ]
        async with polling(ges, **knobs) as poller:
            results = await poller.wait_all(refs, return_exceptions=True)
        assert [type(result) for result in results] == [Job, ImportFailed, ImportPartiallyFailed] * 20
        assert_within_budget(ges.arrivals())

    @pytest.mark.parametrize("order", ["newest", "oldest", "id", "random"])
    @pytest.mark.parametrize("max_page", [10, 100])
    @pytest.mark.parametrize("page_policy", ["cut", "refuse"])
    @pytest.mark.parametrize("list_count", [True, False])
    @pytest.mark.parametrize("list_ignores_offset", [True, False])
    async def test_pages(
        self, order: Any, max_page: int, page_policy: Any, list_count: bool, list_ignores_offset: bool
    ) -> None:
        """Order, page size and count are found out, and never trusted."""
        async with FakeGES(
            order=order,
            max_page=max_page,
            page_policy=page_policy,
            list_count=list_count,
            list_ignores_offset=list_ignores_offset,
        ) as ges:
            await self.check(ges)

    @pytest.mark.parametrize("api", APIS)
    @pytest.mark.parametrize("empty_arrays", ["null", "absent", "empty"])
    @pytest.mark.parametrize("error_keys", ["absent", "blank", "null"])
    async def test_spellings(self, api: Api, empty_arrays: Any, error_keys: Any) -> None:
        """The documents' variants mean the same."""
        async with FakeGES(empty_arrays=empty_arrays, error_keys=error_keys, space_in_times=True) as ges:
            await self.check(ges, api=api)

    @pytest.mark.parametrize("lag", [5.0, 60.0, 900.0])
    async def test_list_that_lags(self, lag: float) -> None:
        """Old entries end nothing too early and hold nothing up for ever."""
        async with FakeGES(list_lag=lag) as ges:
            await self.check(ges)

    @pytest.mark.parametrize("freeze_at", [0.0, 6.0])
    async def test_list_that_stands_still(self, freeze_at: float) -> None:
        """Jobs are verified by queries in turn; that finds out, and queries serve."""
        async with FakeGES() as ges, polling(ges) as poller:
            refs = add_imports(ges, 60, end=20)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poller.wait_all, refs)
                await anyio.sleep(freeze_at)
                ges.freeze_list()
            assert anyio.current_time() < 600
            assert ges.arrivals("get")

    @pytest.mark.parametrize("order", ["newest", "oldest", "random"])
    async def test_thousands_of_other_peoples_jobs(self, order: Any) -> None:
        """A list that shows others costs less than it would without a second thought."""
        async with FakeGES(order=order, max_page=100) as ges:
            ges.add_foreign(5000, age=0 if order == "newest" else 3600)
            await self.check(ges)

    async def test_jobs_that_show_up_late(self) -> None:
        """Absence ends nothing by itself."""
        async with FakeGES() as ges, polling(ges) as poller:
            refs = add_imports(ges, 10, visible_after=25)
            assert {type(result) for result in await poller.wait_all(refs)} == {Job}
            single = add_import(ges, "late", 40, visible_after=30)
            assert (await poller.wait(single.job_id, graph="g")).status is JobStatus.SUCCESS

    @pytest.mark.parametrize("count", [1, 8])
    async def test_jobs_that_vanish(self, count: int) -> None:
        """How they ended cannot be told; when they were last seen can."""
        async with FakeGES() as ges, polling(ges) as poller:
            refs = add_imports(ges, count, vanishes_after=12)
            results = await poller.wait_all(refs, return_exceptions=True)
            for result in results:
                assert type(result) is JobVanished
                assert result.waited >= 60
                assert result.job is not None
                assert "has vanished, last seen running: the server has answered for " in str(result)

    async def test_jobs_that_never_were(self) -> None:
        """With a graph and without, each is not found, after the grace."""
        async with FakeGES() as ges, polling(ges) as poller:
            results = await poller.wait_all([JobRef("x", "g"), JobRef("y")], return_exceptions=True)
            assert [type(result) for result in results] == [JobNotFound, JobNotFound]
            assert 60 <= anyio.current_time() < 120

    async def test_deleted_graph_takes_its_job_not_along(self) -> None:
        """The job that deleted it is only in the list, and ends there."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, end=10, name="DeleteGraph")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poller.wait, JobRef("job", "g"))
                await anyio.sleep(7)
                ges.delete_graph("g")
            assert (await poller.wait("job", graph="g")).status is JobStatus.SUCCESS
            assert ges.arrivals("list")


class TestSession:
    """Whose session it is, and what is sent over it."""

    async def test_borrowed_session_is_used_and_left_as_it_was(self) -> None:
        """Its own settings that would get in the way do not; it stays open."""
        async with FakeGES() as ges:
            timeout = aiohttp.ClientTimeout(total=0.001)
            async with aiohttp.ClientSession(
                headers={"X-Mine": "1"}, raise_for_status=True, timeout=timeout
            ) as session:
                before = dict(session.headers), session.timeout, session.raise_for_status, session.cookie_jar
                add_import(ges, end=8)
                ges.inject("server_error")
                async with polling(ges, session=session) as poller:
                    await poller.wait("job", graph="g")
                assert not session.closed
                after = dict(session.headers), session.timeout, session.raise_for_status, session.cookie_jar
                assert before == after
            assert {request.headers.get("X-Mine") for request in ges.requests} == {"1"}

    async def test_borrowed_session_keeps_its_middlewares(self) -> None:
        """What the lender put between is still called, once a look."""
        seen: list[str] = []

        async def note(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            seen.append(request.method)
            return await send(request)

        async with FakeGES() as ges, aiohttp.ClientSession(middlewares=(note,)) as session:
            add_import(ges)
            async with managed(ges, session=session) as source:
                await source.get(JobRef("job", "g"))
        assert seen == ["GET"]

    async def test_borrowed_session_that_is_closed_ends_the_wait(self) -> None:
        """Nothing can be asked any more, and the wait does not hang."""
        async with FakeGES() as ges, aiohttp.ClientSession() as session:
            add_import(ges, end=3600)
            async with polling(ges, session=session) as poller, anyio.create_task_group() as tasks:

                async def wait() -> None:
                    with pytest.raises(RuntimeError, match="Session is closed"):
                        await poller.wait("job", graph="g")

                tasks.start_soon(wait)
                await anyio.sleep(7)
                await session.close()

    async def test_own_session_is_closed_with_the_source(self) -> None:
        """Nothing can be asked afterwards, and closing again is no error."""
        async with FakeGES() as ges:
            source = managed(ges)
            add_import(ges)
            async with source:
                await source.get(JobRef("job", "g"))
                own = source._client._owned
                assert own is not None
            assert own.closed
            await source.aclose()
            with pytest.raises(RuntimeError, match=r"^the source is not open: use it in `async with`$"):
                await source.get(JobRef("job", "g"))

    async def test_source_that_was_not_entered_says_so(self) -> None:
        """The advice is in the text, on both planes and for the list."""
        async with FakeGES() as ges:
            for source in (managed(ges), engine(ges)):
                with pytest.raises(RuntimeError, match=r"^the source is not open: use it in `async with`$"):
                    await source.get(JobRef("job", "movies"))
                with pytest.raises(RuntimeError, match=r"^the source is not open: use it in `async with`$"):
                    await source.list_window("movies", offset=0, limit=1, wanted=all_wanted)

    @pytest.mark.parametrize("job_id", IDS)
    async def test_any_id_is_one_segment(self, job_id: str) -> None:
        """It reaches the server as it is, and is found there."""
        async with FakeGES() as ges, polling(ges) as poller:
            add_import(ges, job_id, 0, graph=job_id)
            assert (await poller.wait(job_id, graph=job_id)).ref == JobRef(job_id, job_id)
            assert [request.job_id for request in ges.requests] == [job_id]

    @pytest.mark.parametrize("job_id", IDS)
    async def test_any_id_is_one_segment_on_the_engine(self, job_id: str) -> None:
        """Graph names are as opaque as ids."""
        async with FakeGES() as ges:
            ges.add_job(job_id, graph=job_id, engine=True, steps=[(0, "success")])
            async with EngineSource({job_id: ges.endpoint}, ges.project_id, credentials=Token(ges.token)) as source:
                assert (await source.get(JobRef(job_id, job_id))).status is JobStatus.SUCCESS
                assert [job.ref async for job in source.jobs(graph=job_id)] == [JobRef(job_id, job_id)]

    async def test_graph_name_of_a_filter_is_encoded(self) -> None:
        """A name is no part of the query's grammar."""
        async with FakeGES() as ges, managed(ges) as source:
            ges.add_job("j", graph_name="a&b=c/作 %41+#")
            assert [job.ref.job_id async for job in source.jobs(graph="a&b=c/作 %41+#")] == ["j"]

    async def test_endpoint_may_have_a_path_and_a_last_slash(self) -> None:
        """A gateway in front may want a prefix."""
        paths: list[str] = []

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            paths.append(request.path)
            return web.json_response({"status": "running"})

        async with (
            serving(answer) as endpoint,
            ManagementSource(f"{endpoint}/ges/", "p", credentials=Token("t")) as source,
        ):
            await source.get(JobRef("j", "g"))
        assert paths == ["/ges/v2/p/graphs/g/jobs/j/status"]


class TestOutage:
    """How long a service may be away."""

    async def outage(self, ges: FakeGES, start: float, seconds: float) -> None:
        """Answer 503 for a while."""
        await anyio.sleep(start)
        ges.inject("unavailable", times=1_000_000)
        await anyio.sleep(seconds)
        ges._front.plan.scripted.clear()

    async def test_one_that_never_answered_is_given_up_after_a_minute(self, refusing: str) -> None:
        """The error tells what went wrong and which jobs are left open."""
        async with connect(refusing, "p", credentials=Token("fake-token")) as poller:
            with pytest.raises(TransportError) as caught:
                await poller.wait("j", graph="g")
            assert 55 <= anyio.current_time() <= 95
        assert caught.value.pending == (JobRef("j", "g"),)
        assert str(caught.value).startswith("looking at job g/j: no usable reply came: Connect call failed (")
        assert str(caught.value).endswith("; 1 job left open: g/j")
        assert_unchained(caught.value)

    async def test_all_jobs_share_one_error(self, refusing: str) -> None:
        """It is raised bare, and names them all."""
        refs = [JobRef(f"{number}", "g") for number in range(30)]
        async with connect(refusing, "p", credentials=Token("t")) as poller:
            with pytest.raises(TransportError) as caught:
                await poller.wait_all(refs)
        assert caught.value.pending == tuple(refs)

    @pytest.mark.parametrize("count", [1, 20])
    async def test_five_minutes_are_survived(self, count: int) -> None:
        """The jobs end afterwards as if nothing had been."""
        async with FakeGES() as ges, polling(ges) as poller, anyio.create_task_group() as tasks:
            tasks.start_soon(self.outage, ges, 20.0, 300.0)
            results = await poller.wait_all(add_imports(ges, count, end=100))
            assert {type(result) for result in results} == {Job}
            assert anyio.current_time() > 320
            assert ges.fault_counts["unavailable"] < 100

    @pytest.mark.parametrize("count", [1, 20])
    async def test_twenty_minutes_are_not(self, count: int) -> None:
        """After a quarter of an hour the error names the jobs left open."""
        async with FakeGES() as ges, polling(ges) as poller, anyio.create_task_group() as tasks:
            tasks.start_soon(self.outage, ges, 20.0, 1200.0)
            refs = add_imports(ges, count, end=100)
            with pytest.raises(ServiceUnavailable) as caught:
                await poller.wait_all(refs)
            assert 900 < anyio.current_time() < 1000
            tasks.cancel_scope.cancel()
        assert set(caught.value.pending) == set(refs)
        assert (caught.value.status, caught.value.code) == (503, "GES.8602")

    async def test_without_a_limit_they_are(self) -> None:
        """`outage_timeout=None` waits on."""
        async with FakeGES() as ges, polling(ges, outage_timeout=None) as poller, anyio.create_task_group() as tasks:
            tasks.start_soon(self.outage, ges, 20.0, 7200.0)
            (ref,) = add_imports(ges, 1, end=100)
            assert (await poller.wait(ref)).status is JobStatus.SUCCESS
