"""The faults of networks and services, over real sockets: what the caller sees, and that nothing is lost or left.

Each row of `FAULTS` is met for a while, which only delays, and for ever, which ends in the error it names. What
FakeGES does wrong by itself (429, 5xx, HTML, blank words, dropped and slow replies) is met in tests/test_http.py by
`TestFaults`, and in all mixtures by tests/test_many.py and tests/test_properties.py; replies after redirects, with a
certificate that nobody trusts and of the largest size that is allowed stand in tests/test_http.py, too.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import re
import socket
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, get_args

import aiohttp
import aiohttp.abc
import anyio
import attrs
import pytest

from gespoll import (
    AccessKey,
    AuthenticationError,
    EngineSource,
    ImportPartiallyFailed,
    JobRef,
    JobStatus,
    ManagementSource,
    Poller,
    ProtocolError,
    SourceError,
    StateChange,
    Token,
    TransportError,
    connect,
)
from gespoll.testing import FakeFile, FakeGES, FaultKind, Faults
from tests.raw_server import Answer, RawServer, Turn, http
from tests.test_many import submit

pytestmark = pytest.mark.anyio

ENDS_AT = 20.0
LOADED = FakeFile("edgeset", "e.csv", total_lines=9, failed_lines=0, successful_lines=9)
REFS = [JobRef(f"job-{number}", "g") for number in range(3)]
LIMIT = 1_000_000
BOMB = zlib.compress(b" " * 50_000_000)


# A service that is well


def record(job_id: str, now: float, **fields: Any) -> dict[str, Any]:
    """Describe an import that runs until `ENDS_AT`."""
    word = "running" if now < ENDS_AT else "success"
    file = {"path": "e.csv", "status": "success", "total_lines": 9, "failed_lines": 0, "successful_lines": 9}
    return {
        "job_id": job_id,
        "status": word,
        "job_type": "GraphManagement",
        "job_name": "ImportGraph",
        "related_graph": "movies",
        "begin_time": "2030-01-01T00:00:00",
        "job_detail": {"edgeset_path": [file]},
        **fields,
    }


def told(path: str, now: float) -> bytes:
    """Answer a single query or a list window."""
    single = re.search(r"/jobs/([^/]+)/status$", path)
    if single:
        return json.dumps(record(single[1], now)).encode()
    jobs = [record(ref.job_id, now) for ref in REFS]
    return json.dumps({"job_count": len(jobs), "job_list": jobs}).encode()


async def well(turn: Turn) -> None:
    """Answer as the documents say."""
    turn.write(http(told(turn.path, anyio.current_time())))


# What can go wrong with a reply


async def reset(turn: Turn) -> None:
    """Break off before a word is said."""
    turn.reset()


async def reset_in_the_body(turn: Turn) -> None:
    """Break off in the middle."""
    turn.write(http(told(turn.path, 0))[:-20])
    await turn.writer.drain()
    await anyio.sleep(0.1)
    turn.reset()


async def closed(turn: Turn) -> None:
    """Close before a word is said."""
    turn.hang_up()


async def half_closed(turn: Turn) -> None:
    """Close the server's side within the headers, and go on listening."""
    turn.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    turn.writer.write_eof()
    await turn.until_the_client_leaves()


async def stalled(turn: Turn) -> None:
    """Take the request and say nothing."""
    await turn.until_the_client_leaves()


async def stalled_in_the_body(turn: Turn) -> None:
    """Say half of it, and then nothing."""
    turn.write(http(told(turn.path, 0))[:-20])
    await turn.until_the_client_leaves()


async def length_too_large(turn: Turn) -> None:
    """Promise more than there is, and close."""
    turn.write(http(told(turn.path, 0) + b" " * 99)[:-99])
    turn.hang_up()


async def length_too_small(turn: Turn) -> None:
    """Say more than was promised: the rest stands where the next reply is to begin."""
    body = told(turn.path, 0)
    turn.write(http(body[:-20]) + body[-20:])


async def length_that_is_none(turn: Turn) -> None:
    """Promise no number."""
    turn.write(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}")


async def two_lengths(turn: Turn) -> None:
    """Promise two numbers."""
    turn.write(http(told(turn.path, 0), "200 OK", "Content-Length: 3"))


async def bad_chunk(turn: Turn) -> None:
    """Begin a chunk whose size is no number."""
    turn.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n")


async def last_chunk_missing(turn: Turn) -> None:
    """End without saying so."""
    body = told(turn.path, 0)
    turn.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body))
    turn.hang_up()


async def oversized(turn: Turn) -> None:
    """Answer with more than the limit allows."""
    turn.write(http(b" " * (2 * LIMIT)))


async def bomb(turn: Turn) -> None:
    """Answer with little that becomes much."""
    turn.write(http(BOMB, "200 OK", "Content-Encoding: deflate"))


async def no_compression(turn: Turn) -> None:
    """Call something compressed that is not."""
    turn.write(http(told(turn.path, 0), "200 OK", "Content-Encoding: gzip"))


async def other_compression(turn: Turn) -> None:
    """Compress in a way that was not asked for and that nobody knows."""
    turn.write(http(b"\x00\x01\x02", "200 OK", "Content-Encoding: tarball"))


async def endless_headers(turn: Turn) -> None:
    """Send a header of a megabyte."""
    turn.write(http(b"{}", "200 OK", f"X-Long: {'x' * LIMIT}"))


async def no_http(turn: Turn) -> None:
    """Speak of something else."""
    turn.write(b"220 mail.example ESMTP\r\n\r\n")


async def no_utf_8(turn: Turn) -> None:
    """Send bytes that are no text."""
    turn.write(http(b"\xff\xfe\x00{"))


async def no_content(turn: Turn) -> None:
    """Answer 204, without a body."""
    turn.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def not_modified(turn: Turn) -> None:
    """Answer 304 to what was not conditional."""
    turn.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")


async def nothing_but_interim_answers(turn: Turn) -> None:
    """Promise an answer, and close."""
    turn.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3)
    turn.hang_up()


NO_REPLY = "no usable reply came: "
DISCONNECTED = NO_REPLY + "the server closed the connection before it had answered;"
DAMAGED = NO_REPLY + "the reply was cut off or is damaged;"
NO_HTTP = NO_REPLY + "the reply is no HTTP that can be read;"
SILENCE = "^no reply came within request_timeout=30 s;"
TOO_LARGE = rf"the reply is larger than max_reply_bytes={LIMIT} \(HTTP 200\)"
NO_JSON = r"was answered with something that is no JSON object, perhaps by a proxy in between \(HTTP 200\)"
REDIRECT = r"was answered with a redirect, which is never followed; check the endpoint \(HTTP 304\)"
FAULTS: list[tuple[Answer, type[SourceError], str]] = [
    (reset, TransportError, NO_REPLY + "(Connection reset by peer|the server closed the connection)"),
    (reset_in_the_body, TransportError, NO_REPLY + "(Connection reset by peer|the reply was cut off)"),
    (closed, TransportError, DISCONNECTED),
    (half_closed, TransportError, DISCONNECTED),
    (stalled, TransportError, SILENCE),
    (stalled_in_the_body, TransportError, SILENCE),
    (length_too_large, TransportError, DAMAGED),
    (length_too_small, TransportError, NO_HTTP),
    (length_that_is_none, TransportError, NO_HTTP),
    (two_lengths, TransportError, NO_HTTP),
    (bad_chunk, TransportError, f"{DAMAGED}|{NO_HTTP}"),
    (last_chunk_missing, TransportError, DAMAGED),
    (oversized, ProtocolError, TOO_LARGE),
    (bomb, ProtocolError, TOO_LARGE),
    (no_compression, TransportError, DAMAGED),
    (other_compression, ProtocolError, NO_JSON),
    (endless_headers, TransportError, NO_HTTP),
    (no_http, TransportError, NO_HTTP),
    (no_utf_8, ProtocolError, NO_JSON),
    (no_content, ProtocolError, NO_JSON.replace("200", "204")),
    (not_modified, ProtocolError, REDIRECT),
    (nothing_but_interim_answers, TransportError, DISCONNECTED),
]
ROWS = pytest.mark.parametrize(
    ("fault", "error", "text"), [pytest.param(*row, id=row[0].__name__.replace("_", " ")) for row in FAULTS]
)
NUMBERS = pytest.mark.parametrize("count", [pytest.param(1, id="query"), pytest.param(3, id="list")])


# What is checked of every row


@asynccontextmanager
async def leaving_nothing(connections: Callable[[], int]) -> AsyncIterator[None]:
    """Check that a block leaves no task, no connection and nothing that warns when it is collected."""
    before = asyncio.all_tasks()
    yield
    for _ in range(100):
        if not connections() and asyncio.all_tasks() <= before:
            break
        await anyio.sleep(0.01)
    assert connections() == 0
    assert asyncio.all_tasks() - before == set()
    gc.collect()


def connections_of(ges: FakeGES) -> Callable[[], int]:
    """Count the connections that a fake service has open."""
    runner = ges._runner
    assert runner is not None

    def count() -> int:
        return len(runner.server.connections) if runner.server is not None else 0

    return count


async def watched(poller: Poller, refs: Iterable[JobRef], **options: Any) -> list[StateChange]:
    """Watch jobs to their ends."""
    async with poller.watch(refs, on_failure="never", **options) as changes:
        return [change async for change in changes]


def ends_of(changes: Sequence[StateChange], refs: Iterable[JobRef]) -> list[JobStatus | Exception | None]:
    """Give the end of each job, of which there is exactly one, its last change."""
    finals = {change.ref: change for change in changes if change.is_final}
    assert Counter(change.ref for change in changes if change.is_final) == Counter(refs)
    for ref, final in finals.items():
        assert [change for change in changes if change.ref == ref][-1] is final
    return [finals[ref].error or finals[ref].status for ref in refs]


def faulty(fault: Answer, first: int, last: float) -> Answer:
    """Let the requests from `first` up to `last` meet a fault, and all others be answered well."""

    async def answer(turn: Turn) -> None:
        await (fault if first <= turn.number < last else well)(turn)

    return answer


def polling(server: RawServer, **options: Any) -> Poller:
    """Make a poller of a raw server."""
    return connect(server.endpoint, "p", credentials=Token("t"), rng=random.Random(0), max_reply_bytes=LIMIT, **options)


@NUMBERS
@pytest.mark.parametrize("fault", [row[0] for row in FAULTS], ids=lambda fault: fault.__name__.replace("_", " "))
async def test_a_fault_that_passes_is_a_delay(fault: Answer, count: int) -> None:
    """Four requests meet it: each job is told of as if nothing had been, and ends once."""
    refs = REFS[:count]
    async with RawServer(faulty(fault, 1, 5)) as server, leaving_nothing(server.open), polling(server) as poller:
        changes = await watched(poller, refs)
        assert poller.statistics().open_jobs == 0
    assert ends_of(changes, refs) == [JobStatus.SUCCESS] * count
    assert [change.status for change in changes if not change.is_final] == [JobStatus.RUNNING] * count


@NUMBERS
@ROWS
async def test_a_fault_that_stays_ends_all_waits(
    fault: Answer, error: type[SourceError], text: str, count: int
) -> None:
    """After the time that was allowed the one error says what is wrong, and names the jobs left open."""
    refs = REFS[:count]
    async with (
        RawServer(faulty(fault, 1, 1e9)) as server,
        leaving_nothing(server.open),
        polling(server, outage_timeout=100) as poller,
    ):
        changes = await watched(poller, refs)
        assert 100 <= anyio.current_time() <= 100 + 2 * 30 + 5
    (end,) = set(ends_of(changes, refs))
    assert type(end) is error
    assert end.pending == tuple(refs)
    assert re.search(text, str(end))
    assert str(end).endswith(f"left open: {', '.join(map(str, refs))}")
    assert end.__cause__ is end.__context__ is None


# Wrong types


WRONG: dict[str, list[Any]] = {
    "text": [None, True, 7, -1.5, [], ["a", "b"], {}, {"a": "b"}],
    "number": [None, True, "many", -2, 1.5, 1e300, [], [9], {}],
    "object": [None, True, 7, "text", [], ["a"]],
}
FIELDS = {
    "job_id": "text",
    "job_type": "text",
    "job_name": "text",
    "related_graph": "text",
    "begin_time": "text",
    "end_time": "text",
    "fail_reason": "text",
    "job_detail": "object",
    "job_progress": "number",
    "edgeset_path": "object",
    "path": "text",
    "log": "text",
    "cause": "text",
    "total_lines": "number",
    "successful_lines": "number",
}
LINE_COUNTS = {"total_lines", "successful_lines"}
CASES = {
    f"{field}-{number}": (field, value)
    for field, kind in FIELDS.items()
    for number, value in enumerate(WRONG[kind])
    if (field, value) != ("job_id", 7)  # which is the id of another job
}


def camel(name: str) -> str:
    """Spell a name as v1.0 does."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def spelt(value: Any, spell: Callable[[str], str]) -> Any:
    """Spell all names of a record."""
    if isinstance(value, list):
        return [spelt(part, spell) for part in value]
    return {spell(name): spelt(part, spell) for name, part in value.items()} if isinstance(value, dict) else value


def wrongly(job_id: str, now: float) -> dict[str, Any]:
    """Describe a job with one field of a wrong type."""
    field, value = CASES[job_id]
    whole = record(job_id, now)
    if field in whole or field in {"end_time", "fail_reason", "job_progress"}:
        return {**whole, field: value}
    file = whole["job_detail"]["edgeset_path"][0]
    return {**whole, "job_detail": {"edgeset_path": value if field == "edgeset_path" else [{**file, field: value}]}}


@pytest.mark.parametrize("listing", [True, False])
@pytest.mark.parametrize("api", ["v2", "v1.0"])
async def test_a_wrong_type_in_any_field_is_passed_over(api: Any, listing: bool) -> None:
    """Every job ends once, and rightly, by queries and by the list; line counts that cannot be read make a bad file."""
    spell = camel if api == "v1.0" else str

    async def answer(turn: Turn) -> None:
        now = anyio.current_time()
        single = re.search(r"/jobs/([^/]+)/status$", turn.path)
        if single:
            body: Any = wrongly(single[1], now)
        elif listing:
            body = {"job_count": len(CASES), "job_list": [wrongly(job_id, now) for job_id in CASES]}
        else:
            body = {"job_count": [], "job_list": {}}
        turn.write(http(json.dumps(spelt(body, spell)).encode()))

    refs = [JobRef(job_id, "g") for job_id in CASES]
    async with (
        RawServer(answer) as server,
        leaving_nothing(server.open),
        polling(server, api=api, interval=1.0, max_per_second=100) as poller,
    ):
        changes = await watched(poller, refs, timeout=300)
    harmless = [("successful_lines", 1e300), *((field, None) for field in LINE_COUNTS)]  # as many as there are, untold
    cases = {ref: CASES[ref.job_id] for ref in refs}
    bad = {ref for ref, case in cases.items() if case[0] in LINE_COUNTS and case not in harmless}
    ends = dict(zip(refs, ends_of(changes, refs), strict=True))
    assert {ref for ref, end in ends.items() if isinstance(end, ImportPartiallyFailed)} == bad
    assert {end for ref, end in ends.items() if ref not in bad} == {JobStatus.SUCCESS}


@pytest.mark.parametrize("value", [None, True, 7, -1.5, [], ["a", "b"], {}, {"a": "b"}])
async def test_a_status_of_a_wrong_type_is_a_failed_look(value: Any) -> None:
    """On both planes; the error says that there is no status."""

    async def answer(turn: Turn) -> None:
        turn.write(http(json.dumps({"status": value, "job_id": "j", "jobId": "j"}).encode()))

    async with RawServer(answer) as server, leaving_nothing(server.open):
        managed = ManagementSource(server.endpoint, "p", credentials=Token("t"))
        engine = EngineSource({"g": server.endpoint}, "p", credentials=Token("t"))
        async with managed, engine:
            for source in (managed, engine):
                with pytest.raises(ProtocolError, match=r"^looking at job g/j: the reply has no status \(HTTP 200\)$"):
                    await source.get(JobRef("j", "g"))


# Names, restarts, storms


@attrs.define
class Resolver(aiohttp.abc.AbstractResolver):
    """Knows no name for some look-ups, and then that of the server; asks nobody."""

    failures: int
    lookups: int = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        """Give the address of a name."""
        self.lookups += 1
        if self.lookups <= self.failures:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Hold nothing."""


@pytest.mark.parametrize("failures", [4, 1_000_000])
async def test_a_name_that_cannot_be_looked_up_is_a_delay_and_then_an_error(failures: int) -> None:
    """It is told as it is; a name that is found again goes on."""
    async with RawServer(well) as server, leaving_nothing(server.open):
        resolver = Resolver(failures)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            connect(
                f"http://ges.invalid:{server.port}", "p", credentials=Token("t"), session=session, allow_http=True
            ) as poller,
        ):
            ends = ends_of(await watched(poller, REFS), REFS)
    assert resolver.lookups > 4
    if failures == 4:
        assert ends == [JobStatus.SUCCESS] * 3
    else:
        (error,) = set(ends)
        assert type(error) is TransportError
        assert re.fullmatch(
            r"(looking at job g/job-\d|listing the project's jobs): no usable reply came: Name or service not known; "
            "3 jobs left open: g/job-0, g/job-1, g/job-2",
            str(error),
        )


@NUMBERS
@pytest.mark.parametrize("away", [6.0, 200.0])
async def test_a_server_that_starts_again_is_found_again(away: float, count: int) -> None:
    """In between it refuses connections, and breaks off those that were open: a delay, and no word about it."""
    refs = REFS[:count]
    async with (
        RawServer(well) as server,
        leaving_nothing(server.open),
        polling(server) as poller,
        anyio.create_task_group() as tasks,
    ):

        async def restart() -> None:
            await anyio.sleep(7)
            await server.stop()
            await anyio.sleep(away)
            await server.listen()

        tasks.start_soon(restart)
        changes = await watched(poller, refs)
        assert poller.statistics().failures > 0
    assert ends_of(changes, refs) == [JobStatus.SUCCESS] * count
    assert changes[-1].observed_at <= max(ENDS_AT, 7 + away) + 35


# Storms, outages, tokens, clocks: FakeGES goes wrong by itself


def add_jobs(ges: FakeGES, count: int, end: float = 30.0) -> list[JobRef]:
    """Add imports that end one second after the other."""
    refs = [JobRef(f"job-{number:03d}", "g") for number in range(count)]
    for number, ref in enumerate(refs):
        ges.add_job(ref.job_id, graph="g", steps=[(0, "running"), (end + number % 10, "success")], files=[LOADED])
    return refs


def faking(ges: FakeGES, **options: Any) -> Poller:
    """Make a poller of a fake service."""
    options.setdefault("credentials", Token(ges.token))
    return connect(ges.endpoint, ges.project_id, rng=random.Random(0), **options)


STORMS: dict[str, tuple[FaultKind, float]] = {
    "five minutes of 503": ("unavailable", 300.0),
    "ten minutes of 429": ("throttle", 600.0),
    "ten minutes of 429 with Retry-After": ("throttle_retry_after", 600.0),
}


@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize("storm", STORMS)
async def test_a_storm_only_delays(storm: str, count: int) -> None:
    """However many jobs there are, it meets few requests; afterwards all end once, within a minute."""
    kind, seconds = STORMS[storm]
    async with FakeGES(faults=Faults(retry_after=20.0)) as ges, leaving_nothing(connections_of(ges)):
        refs = add_jobs(ges, count, 100)
        async with faking(ges) as poller, anyio.create_task_group() as tasks:

            async def rage() -> None:
                await anyio.sleep(20)
                ges.inject(kind, times=1_000_000)
                await anyio.sleep(seconds)
                ges._front.plan.scripted.clear()

            tasks.start_soon(rage)
            changes = await watched(poller, refs)
        assert ges.fault_counts[kind] < seconds / 4
    assert ends_of(changes, refs) == [JobStatus.SUCCESS] * count
    assert len(changes) == 2 * count
    assert changes[-1].observed_at < 20 + seconds + 60


async def test_a_quota_that_is_always_spent_only_delays() -> None:
    """Others leave one request in two seconds: the poller slows down to it, and is seldom refused."""
    async with FakeGES(max_rate=0.5) as ges, leaving_nothing(connections_of(ges)):
        refs = add_jobs(ges, 200)
        async with faking(ges) as poller:
            changes = await watched(poller, refs)
        refused = sum(request.status == 429 for request in ges.requests)
        assert refused <= 3 + len(ges.requests) / 10
    assert ends_of(changes, refs) == [JobStatus.SUCCESS] * 200


@pytest.mark.parametrize("renewed", [True, False])
async def test_a_token_that_dies_in_mid_watch(renewed: bool) -> None:
    """A new one goes on with all jobs; without one each job ends in the same error, which names them all, at once."""
    async with FakeGES() as ges, leaving_nothing(connections_of(ges)):
        handed_out = [ges.token]

        async def fetch() -> str:
            return handed_out[-1]

        refs = add_jobs(ges, 50)
        async with faking(ges, credentials=Token(fetch)) as poller, anyio.create_task_group() as tasks:

            async def die() -> None:
                await anyio.sleep(12)
                ges.expire_token("another-token")
                handed_out.extend(["another-token"] if renewed else [])

            tasks.start_soon(die)
            changes = await watched(poller, refs)
            if not renewed:
                with pytest.raises(AuthenticationError):
                    await poller.wait("job-000", graph="g")
        ends = ends_of(changes, refs)
    if renewed:
        assert ends == [JobStatus.SUCCESS] * 50
        return
    (error,) = set(ends)
    assert type(error) is AuthenticationError
    assert error.pending == tuple(refs)
    assert (error.status, error.code) == (401, "APIG.0307")
    assert changes[-1].observed_at < 20
    assert not re.search("fake-token|another-token", str(error))


@attrs.define
class Clock:
    """A wall clock that is set to another time at every reading."""

    wanders: bool
    rng: random.Random = attrs.field(factory=lambda: random.Random(0))

    def read(self) -> datetime:
        """Tell the time."""
        off = self.rng.choice([-86_400, -3600, -1, 0, 1, 3600, 86_400]) if self.wanders else 0
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=anyio.current_time() + off)


@pytest.mark.parametrize("count", [1, 3])
async def test_a_server_clock_that_jumps_changes_nothing(count: int) -> None:
    """Each reply is dated a day before or after the last: changes and requests come at the same moments."""

    async def run(clock: Clock) -> tuple[list[Any], list[float]]:
        arrivals: list[float] = []
        origin = anyio.current_time()

        async def answer(turn: Turn) -> None:
            now = anyio.current_time() - origin
            arrivals.append(round(now, 3))
            date = f"Date: {format_datetime(clock.read(), usegmt=True)}"
            times = {"begin_time": f"{clock.read():%Y-%m-%dT%H:%M:%S}", "end_time": f"{clock.read():%Y-%m-%dT%H:%M:%S}"}
            single = turn.path.endswith("/status")
            jobs = [record(ref.job_id, now, **times) for ref in REFS[: 1 if single else 3]]
            turn.write(http(json.dumps(jobs[0] if single else {"job_list": jobs}).encode(), "200 OK", date))

        async with RawServer(answer) as server, leaving_nothing(server.open), polling(server) as poller:
            changes = await watched(poller, REFS[:count])
        assert ends_of(changes, REFS[:count]) == [JobStatus.SUCCESS] * count
        assert all(change.lag is None or change.lag >= 0 for change in changes)
        seen = [(change.ref, change.status, round(change.observed_at - origin, 3)) for change in changes]
        return seen, arrivals

    assert await run(Clock(wanders=True)) == await run(Clock(wanders=False))


async def test_a_client_clock_that_jumps_ends_a_signed_watch_with_advice() -> None:
    """Only signatures need the wall clock; the error tells how far off it is."""
    async with FakeGES() as ges, leaving_nothing(connections_of(ges)):
        clocks = [timedelta(), timedelta(hours=-3)]
        key = AccessKey("fake-ak", "fake-sk", clock=lambda: ges.wall_clock() + clocks[0])
        refs = add_jobs(ges, 3)
        async with faking(ges, credentials=key) as poller, poller.watch(refs, on_failure="never") as watch:
            changes = [await anext(watch) for _ in refs]
            clocks.pop(0)
            changes += [change async for change in watch]
    (error,) = set(ends_of(changes, refs))
    assert type(error) is AuthenticationError
    assert "this machine's clock is 180 minutes behind the server's: set it" in str(error)
    assert error.pending == tuple(refs)


PATIENCE = {
    "never an answer": ({}, False, 60.0),
    "after answers": ({}, True, 900.0),
    "shorter than a minute, never an answer": ({"outage_timeout": 0.5}, False, 0.5),
    "shorter than a minute, after answers": ({"outage_timeout": 0.5}, True, 0.5),
    "longer, never an answer": ({"outage_timeout": 7200.0}, False, 60.0),
    "longer, after answers": ({"outage_timeout": 7200.0}, True, 7200.0),
}


@NUMBERS
@pytest.mark.parametrize("how", PATIENCE)
async def test_an_outage_ends_all_waits_when_it_has_lasted_as_long_as_allowed(how: str, count: int) -> None:
    """Not sooner, and at the next failed query; failed looks are half a minute apart at most."""
    options, answers, seconds = PATIENCE[how]
    refs = REFS[:count]
    answer = faulty(closed, 2 if answers else 0, 1e9)
    async with RawServer(answer) as server, leaving_nothing(server.open), polling(server, **options) as poller:
        changes = await watched(poller, refs)
    (error,) = set(ends_of(changes, refs))
    assert type(error) is TransportError
    assert seconds <= changes[-1].observed_at <= seconds + 2 * 30 + 5


@NUMBERS
async def test_without_outage_timeout_an_outage_of_hours_is_waited_out(count: int) -> None:
    """Also when there was never an answer."""
    refs = REFS[:count]

    async def answer(turn: Turn) -> None:
        await (closed if anyio.current_time() < 7200 else well)(turn)

    async with (
        RawServer(answer) as server,
        leaving_nothing(server.open),
        polling(server, outage_timeout=None) as poller,
    ):
        changes = await watched(poller, refs)
    assert ends_of(changes, refs) == [JobStatus.SUCCESS] * count
    assert 7200 <= changes[-1].observed_at <= 7200 + 35


# Consumers, and many


@pytest.mark.parametrize("waited", [0.0, 3.0, 3600.0])
async def test_a_watch_that_is_never_read_holds_up_nobody(waited: float) -> None:
    """Others go on; what it holds is a handful of changes a job; when it is left, nothing is asked for it."""
    async with FakeGES() as ges, leaving_nothing(connections_of(ges)):
        refs = add_jobs(ges, 20)
        endless = [JobRef(ges.add_job("endless", graph="g", steps=[(0, "running")]).job_id, "g")]
        async with faking(ges) as poller:
            async with poller.watch([*refs, *endless], timeout=7200) as ignored:
                assert ends_of(await watched(poller, refs[:5]), refs[:5]) == [JobStatus.SUCCESS] * 5
                await anyio.sleep(waited)
                assert len(ignored._ledger.changes) <= 2 * 20 + 1
            asked = len(ges.requests)
            assert poller.statistics().open_jobs == 0
            await anyio.sleep(3600)
            assert len(ges.requests) == asked


async def test_10000_jobs_end_once_and_right_with_every_fifth_reply_faulty() -> None:
    """Of every kind of fault; the budget is kept, and nothing is left."""
    kinds: tuple[FaultKind, ...] = get_args(FaultKind)
    faults = Faults(dict.fromkeys(kinds, 0.2 / len(kinds)), slow_seconds=2.0)
    async with FakeGES(seed=1, faults=faults) as ges, leaving_nothing(connections_of(ges)):
        expected = submit(ges, 10_000, random.Random(1))
        async with faking(ges, max_per_second=50.0) as poller:
            changes = await watched(poller, expected)
            assert poller.statistics().open_jobs == 0
            assert poller.statistics().ended_jobs == 10_000
        finals = {change.ref: change.status for change in changes if change.is_final}
        assert sum(change.is_final for change in changes) == 10_000
        assert finals == expected
        assert ges.fault_counts.total() >= len(ges.requests) / 10
        assert ges.max_in_flight <= 10
