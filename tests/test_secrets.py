"""Rule 9: no secret stands in anything that leaves the library, whatever goes wrong.

Each kind of credentials meets each kind of failure, over real sockets. What comes out is searched as a crash
reporter would: texts, fields, notes, pickles, log records, and the locals of every frame of the traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import json
import logging
import pickle
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, get_args

import aiohttp
import anyio
import anyio.abc
import attrs
import pytest
from aiohttp import web

from gespoll import (
    AccessKey,
    AuthenticationError,
    Credentials,
    EngineSource,
    GespollError,
    Job,
    JobRef,
    ManagementSource,
    PasswordCredentials,
    Poller,
    ProtocolError,
    Token,
    TransportError,
    connect,
)
from gespoll._credentials import Errand
from gespoll._environment import Given, complete
from gespoll.testing import FakeGES, FaultKind
from tests.test_http import CERTIFICATE, all_wanted, serving

pytestmark = pytest.mark.anyio

TOKEN = "MIIT-secret/token+=="
AK, SK, SECURITY_TOKEN = "AKSECRETAKSECRETAKSE", "sk/secret+sk", "st/secret+st"
PASSWORD = "pass/word-secret"
ISSUED = "fake-iam-token"
SECRETS = (TOKEN, AK, SK, SECURITY_TOKEN, PASSWORD, ISSUED, "Signature=")
REF = JobRef("job", "movies")
VARIABLES = {
    "HUAWEICLOUD_SDK_AK": AK,
    "HUAWEICLOUD_SDK_SK": SK,
    "HW_ACCESS_KEY": AK,
    "HW_SECRET_KEY": SK,
    "HW_USER_NAME": "u",
    "HW_USER_PASSWORD": PASSWORD,
    "HW_DOMAIN_NAME": "d",
}


async def fetch_token() -> str:
    """Give the token as a callable of the caller's does."""
    return TOKEN


def fixed(ges: FakeGES) -> Credentials:
    """Make a fixed token."""
    return Token(TOKEN)


def fetched(ges: FakeGES) -> Credentials:
    """Make a token that is fetched."""
    return Token(fetch_token)


def permanent(ges: FakeGES) -> Credentials:
    """Make a permanent key."""
    ges.access_keys = {AK: SK}
    return AccessKey(AK, SK, clock=ges.wall_clock)


def temporary(ges: FakeGES) -> Credentials:
    """Make a temporary key."""
    ges.access_keys = {AK: (SK, SECURITY_TOKEN)}
    return AccessKey(AK, SK, SECURITY_TOKEN, clock=ges.wall_clock)


def password(ges: FakeGES) -> Credentials:
    """Make a user."""
    ges.users = {"robot": PASSWORD}
    return PasswordCredentials(domain=ges.domain, user="robot", password=PASSWORD, endpoint=ges.endpoint)


Make = Callable[[FakeGES], Credentials]
KINDS = pytest.mark.parametrize("make", [fixed, fetched, permanent, temporary, password])


@pytest.fixture(autouse=True)
def records(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Search every log record of a test, of all levels and of all libraries, the event loop's among them."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in [*caplog.get_records("setup"), *caplog.get_records("call")]:
        assert leaks_in(record.getMessage(), str(vars(record))) == []
        if record.exc_info and record.exc_info[1]:
            assert leaks(record.exc_info[1]) == []


@contextlib.asynccontextmanager
async def a_service(**options: Any) -> AsyncIterator[FakeGES]:
    """Run a service that knows the secrets and holds one job."""
    async with FakeGES(token=TOKEN, **options) as ges:
        ges.add_job(REF.job_id, graph="movies", graph_name="movies", steps=[(0, "running")])
        ges.add_job(REF.job_id, graph="movies", engine=True, steps=[(0, "running")])
        yield ges


def leaks_in(*texts: str) -> list[str]:
    """Name the secrets that stand in some texts."""
    return [secret for secret in SECRETS for text in texts if secret in text]


def leaks(error: BaseException) -> list[str]:
    """Name the secrets that an error and its whole chain tell, in any way that a reporter might look."""
    found: list[str] = []
    for each in chain(error):
        found += leaks_in(str(each), repr(each), repr(each.args), repr(vars(each)))
        found += leaks_in(*getattr(each, "__notes__", ()), *shown_by_frames(each))
        rendered = traceback.TracebackException.from_exception(each, capture_locals=True)
        found += leaks_in("".join(rendered.format()))
        if isinstance(each, GespollError):
            found += leaks_in(pickle.dumps(each).decode("latin-1"))
    return found


def chain(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an error with its causes, contexts and members."""
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            left += [more for more in (each.__cause__, each.__context__) if more is not None]
            left += getattr(each, "exceptions", ())


def shown_by_frames(error: BaseException) -> Iterator[str]:
    """Tell every local of the frames of the library and of aiohttp, and the fields of those that are plain records."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values() if is_ours(frame) else ():
            yield shown(value)
            if attrs.has(type(value)) or isinstance(value, BaseException):
                yield shown([getattr(value, name, None) for name in dir(value) if not name.startswith("__")])


def shown(value: object) -> str:
    """Give the repr of a value, which may be only half made."""
    try:
        return repr(value)
    except AttributeError as error:
        return repr(error)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame belongs to the library or to aiohttp, and not to the caller."""
    name: str = frame.f_globals.get("__name__", "")
    return name.startswith(("gespoll", "aiohttp"))


async def told_by(program: Awaitable[object]) -> object:
    """Give what a program returns or raises."""
    try:
        return await program
    except Exception as error:
        return error


def leaks_of(told: object) -> list[str]:
    """Name the secrets that a result or an error tells."""
    if isinstance(told, BaseException):
        return leaks(told)
    return leaks_in(repr(told), repr(told.raw) if isinstance(told, Job) else "")


async def raised_by(program: Awaitable[object]) -> BaseException:
    """Give what a program raises."""
    try:
        await program
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def raised_at_once(program: Callable[[], object]) -> BaseException:
    """Give what a function raises."""
    try:
        program()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def looking(source: ManagementSource | EngineSource) -> list[Awaitable[object]]:
    """Give the ways to ask a source."""

    async def listed() -> None:
        async for _ in source.jobs():
            pass

    return [source.get(REF), source.list_window("movies", offset=0, limit=5, wanted=all_wanted), listed()]


async def none_of_ours(headers: dict[str, str]) -> aiohttp.ClientResponse:
    """Fail in the middle of a request, with its headers at hand."""
    raise LookupError(len(headers))


def test_a_planted_secret_is_found() -> None:
    """The search sees texts, fields, notes, chains, groups, and locals of frames."""

    def ours() -> None:
        proof = {"X-Auth-Token": TOKEN}
        raise ValueError(len(proof))

    namespace: dict[str, Any] = {"__name__": "gespoll.planted"}
    exec(compile("def planted(secret):\n    raise ValueError", "<planted>", "exec"), namespace)
    noted = ValueError()
    noted.add_note(PASSWORD)
    chained = ValueError()
    chained.__context__ = ValueError(SK)
    planted: list[BaseException] = [
        ValueError(TOKEN),
        noted,
        chained,
        ExceptionGroup("x", [ValueError(AK)]),
        TransportError("x", request_id=SECURITY_TOKEN),
    ]
    planted += [raised_at_once(run) for run in (ours, partial(namespace["planted"], TOKEN))]
    assert [bool(leaks(error)) for error in planted] == [True] * len(planted)


class TestEveryFailure:
    """No kind of credentials is told by any kind of failure."""

    @KINDS
    @pytest.mark.parametrize("kind", get_args(FaultKind))
    @pytest.mark.parametrize("engine", [False, True])
    async def test_rule_9_faults_of_the_service(self, make: Make, kind: FaultKind, engine: bool) -> None:
        """On both planes, for single queries and for lists; where a fault raises, it tells nothing."""
        async with a_service() as ges, source_of(ges, make(ges), engine=engine) as source:
            for ask in looking(source):
                ges.inject(kind, match="/graphs/")
                with anyio.move_on_after(40):
                    assert leaks_of(await told_by(ask)) == []
                ges._front.plan.scripted.clear()

    @KINDS
    @pytest.mark.parametrize("engine", [False, True])
    async def test_rule_9_rejected_credentials(self, make: Make, engine: bool) -> None:
        """The service knows none of them."""
        async with a_service() as ges, source_of(ges, make(ges), engine=engine) as source:
            ges.token, ges.access_keys, ges.token_lifetime = "another", {}, -1.0
            for ask in looking(source):
                error = await raised_by(ask)
                assert leaks(error) == []

    @KINDS
    @pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 429, 500, 503])
    @pytest.mark.parametrize("escaped", [False, True])
    async def test_rule_9_servers_that_echo(self, make: Make, status: int, escaped: bool) -> None:
        """The API gateway quotes what was signed, the security token with it: its text is shown without secrets."""

        async def echo(request: web.BaseRequest) -> web.StreamResponse:
            said = f"{await request.text()} {dict(request.headers)}"
            said += f" forbidden: {AK}" if "Authorization" in request.headers else ""
            body = json.dumps({"error_code": "X", "error_msg": said, "fail_reason": said, "status": "failed"})
            body = body.replace("/", r"\/") if escaped else body
            headers = {"X-Subject-Token": f"{ISSUED}-1"} if request.path == "/v3/auth/tokens" else {}
            return web.Response(status=201 if headers else status, text=body, headers=headers)

        async with serving(echo) as endpoint, a_service() as ges:
            credentials = make(ges)
            if isinstance(credentials, PasswordCredentials):
                credentials = PasswordCredentials(domain="d", user="u", password=PASSWORD, endpoint=endpoint)
            async with ManagementSource(endpoint, "p", credentials=credentials) as source:
                assert leaks_of(await told_by(source.get(REF))) == []

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
    async def test_rule_9_iam_that_echoes(self, status: int) -> None:
        """The password is not told back."""

        async def echo(request: web.BaseRequest) -> web.StreamResponse:
            return web.json_response({"error_code": "IAM.0001", "error_msg": await request.text()}, status=status)

        async with serving(echo) as iam, a_service() as ges:
            user = PasswordCredentials(domain="d", user="u", password=PASSWORD, endpoint=iam)
            async with source_of(ges, user) as source:
                error = await raised_by(source.get(REF))
        assert leaks(error) == []
        assert status == 200 or "***" in str(error)

    @KINDS
    async def test_rule_9_no_connection(self, make: Make) -> None:
        """Refused, with TLS that is none, and with TLS that is not trusted."""
        async with a_service() as ges:
            for endpoint in (free_port(), ges.endpoint.replace("http", "https")):
                async with ManagementSource(endpoint, ges.project_id, credentials=make(ges)) as source:
                    for ask in looking(source):
                        error = await raised_by(ask)
                        assert type(error) is TransportError
                        assert leaks(error) == []

    @KINDS
    async def test_rule_9_untrusted_certificate(self, make: Make, tmp_path: Path) -> None:
        """The error of aiohttp for it holds the key of the connection."""
        (tmp_path / "server.pem").write_text(CERTIFICATE)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(tmp_path / "server.pem")

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response()

        async with (
            serving(answer, tls) as endpoint,
            a_service() as ges,
            ManagementSource(endpoint, ges.project_id, credentials=make(ges)) as source,
        ):
            error = await raised_by(source.get(REF))
        assert type(error) is TransportError
        assert leaks(error) == []

    @KINDS
    @pytest.mark.parametrize("said", [b"220 mail\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, b""])
    async def test_rule_9_replies_that_are_no_http(self, make: Make, said: bytes) -> None:
        """Whatever aiohttp says of them is not chained."""
        async with (
            loopback(said) as endpoint,
            a_service() as ges,
            ManagementSource(endpoint, ges.project_id, credentials=make(ges)) as source,
        ):
            error = await raised_by(source.get(REF))
        assert type(error) is TransportError
        assert (error.__cause__, error.__context__) == (None, None)
        assert leaks(error) == []

    @KINDS
    async def test_rule_9_time_that_is_over(self, make: Make) -> None:
        """A timeout of the caller's holds the cancellation that came through aiohttp."""
        async with a_service() as ges, source_of(ges, make(ges)) as source:
            await source.get(REF)
            for ask in looking(source):
                ges.inject("stall", match="/graphs/")
                with pytest.raises(TimeoutError) as caught:
                    async with asyncio.timeout(5):
                        await ask
                assert isinstance(caught.value.__cause__, asyncio.CancelledError)
                assert leaks(caught.value) == []

    @KINDS
    async def test_rule_9_cancelled_tasks(self, make: Make) -> None:
        """What a cancelled task raises is often logged."""
        async with a_service() as ges, source_of(ges, make(ges)) as source:
            for ask in looking(source):
                ges.inject("stall")
                task = asyncio.ensure_future(ask)
                await anyio.sleep(5)
                task.cancel("enough")
                error = await raised_by(task)
                assert isinstance(error, asyncio.CancelledError)
                assert error.args == ("enough",)
                assert leaks(error) == []

    @KINDS
    async def test_rule_9_errors_that_are_not_ours(self, make: Make) -> None:
        """They pass as they are, and tell where they came from, but not through which values."""

        async def broken(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            headers = dict(request.headers)
            try:
                return await none_of_ours(headers)
            except LookupError as error:
                raise ExceptionGroup("mine", [ValueError("inner")]) from error

        async with a_service() as ges:
            async with (
                aiohttp.ClientSession(middlewares=(broken,)) as session,
                source_of(ges, make(ges), session=session) as source,
            ):
                error = await raised_by(source.get(REF))
            assert isinstance(error, ExceptionGroup)
            assert leaks(error) == []
            assert ", in broken\n" in error.__notes__[0]
            assert isinstance(error.__cause__, LookupError)
            async with source_of(ges, make(ges), session=session) as source:
                error = await raised_by(source.get(REF))
        assert (type(error), str(error)) == (RuntimeError, "Session is closed")
        assert leaks(error) == []

    @KINDS
    async def test_rule_9_a_poller_that_cannot_go_on(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        """Its record in the log and the error in the wait tell nothing, nor does a repr of anything."""
        async with a_service() as ges, aiohttp.ClientSession() as session:
            credentials = make(ges)
            source = ManagementSource(ges.endpoint, ges.project_id, credentials=credentials, session=session)
            async with Poller(source) as poller:
                with anyio.move_on_after(20):
                    await poller.wait(REF)
                await session.close()
                error = await raised_by(poller.wait(REF))
                shown = [repr(each) for each in (credentials, source, source._client, poller, poller._loop)]
        assert "the poller cannot go on" in caplog.text
        assert leaks(error) == leaks_in(*shown) == []

    @KINDS
    async def test_rule_9_polling(self, make: Make) -> None:
        """Groups, timeouts, rejections in mid-wait and outages name jobs and nothing else."""
        async with a_service() as ges, connect(ges.endpoint, ges.project_id, credentials=make(ges)) as poller:
            for job_id in ("failed", "cancelled"):
                ges.add_job(job_id, graph="movies", steps=[(0, job_id)])
            errors = [await raised_by(poller.wait_all([REF, JobRef("failed", "movies")], timeout=20))]
            errors.append(await raised_by(poller.wait_all(["failed", "cancelled"], graph="movies")))
            ges.token, ges.access_keys, ges.token_lifetime = "another", {}, -1.0
            ges.revoke_tokens()
            errors.append(await raised_by(poller.wait(REF)))
        assert type(errors[-1]) is AuthenticationError
        assert [leaks(error) for error in errors] == [[]] * 3
        assert [error.snapshot is not None for error in errors if isinstance(error, GespollError)] == [True] * 3

    @KINDS
    async def test_rule_9_the_url_holds_none(self, make: Make) -> None:
        """Proxies log it."""
        async with a_service() as ges, source_of(ges, make(ges)) as source:
            await source.get(REF)
            assert leaks_in(*(f"{request.path}{request.query}" for request in ges.requests)) == []

    async def test_rule_9_callables_that_fail(self) -> None:
        """What the caller's own callable raises is named by its type."""

        async def fails() -> str:
            raise ConnectionError(f"password {PASSWORD} was refused")

        async def gives() -> Any:
            return f"{TOKEN}\n"

        for fetch in (fails, gives):
            async with a_service() as ges, source_of(ges, Token(fetch)) as source:
                error = await raised_by(source.get(REF))
                assert leaks(error) == []


class TestArguments:
    """What cannot be used is not shown."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Token(f"{TOKEN}\n"),
            lambda: Token(TOKEN.encode()),  # type: ignore[arg-type]
            lambda: AccessKey(AK, f"{SK}\n"),
            lambda: AccessKey(f"{AK} ", SK),
            lambda: AccessKey(AK, SK, f"{SECURITY_TOKEN}\n"),
            lambda: AccessKey(AK, SK.encode()),  # type: ignore[arg-type]
            lambda: PasswordCredentials(domain="", user="u", password=PASSWORD, region="cn-north-4"),
            lambda: PasswordCredentials(domain="d", user="u", password=PASSWORD),
            lambda: PasswordCredentials(domain="d", user="u", password=PASSWORD, endpoint="x"),
            lambda: PasswordCredentials(domain="d", user="u", password=PASSWORD, region="x"),
            lambda: PasswordCredentials(domain="d", user="u", password=PASSWORD.encode(), region="x"),  # type: ignore[arg-type]
            lambda: connect("https://ges.example", "p", credentials=TOKEN),  # type: ignore[arg-type]
            lambda: ManagementSource("https://ges.example", "p", credentials=TOKEN),  # type: ignore[arg-type]
            lambda: EngineSource({"g": "https://a"}, "p", credentials=TOKEN),  # type: ignore[arg-type]
            lambda: EngineSource({"g": "https://a"}, "p/q", credentials=Token(TOKEN)),
            lambda: EngineSource({}, "p", credentials=Token(TOKEN)),
            lambda: Poller(ManagementSource("https://a", "p", credentials=Token(TOKEN)), interval=-1),
            lambda: ManagementSource("ges.example", "p", credentials=Token(TOKEN)),
            lambda: ManagementSource("http://ges.example", "p", credentials=AccessKey(AK, SK)),
        ],
    )
    def test_rule_9_unusable_arguments(self, make: Callable[[], object]) -> None:
        """Neither in the text nor in a local of the frames that refused them."""
        with pytest.raises((TypeError, ValueError)) as caught:
            make()
        assert leaks(caught.value) == []

    @pytest.mark.parametrize("lacking", ["HUAWEICLOUD_SDK_SK", "HW_SECRET_KEY", "HW_USER_NAME", "HW_DOMAIN_NAME"])
    def test_rule_9_the_environment(self, lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error lists names; the variables stand in none of its frames."""
        names = list(VARIABLES)
        begin = names.index(lacking) - names.index(lacking) % 2
        for name in set(names[begin:]) - {lacking}:
            monkeypatch.setenv(name, VARIABLES[name])
        with pytest.raises(ValueError, match="did not find") as caught:
            connect("https://ges.example", "p")
        assert leaks(caught.value) == []

    def test_rule_9_what_was_found_has_a_repr_without_it(self) -> None:
        """Also while it is handed on."""
        found, _ = complete(Given(region="cn-north-4", project_id="p"), {"HW_AUTH_TOKEN": TOKEN}, lambda path: None)
        assert found is not None
        assert leaks_in(repr(found)) == []

    def test_rule_9_errands_and_reprs(self) -> None:
        """Nor does anything between."""
        errand = Errand(url="https://iam", body=PASSWORD.encode(), secrets=(PASSWORD,), action="asking")
        assert leaks_in(repr(errand)) == []


class TestHostileServers:
    """What a server may do is bounded."""

    async def test_rule_9_no_redirect_takes_the_secret_elsewhere(self) -> None:
        """Of whatever kind, to whatever host."""
        for status in (301, 302, 303, 307, 308):
            async with a_service() as ges:
                said = http(b"", f"Location: {ges.endpoint}/x", status=status)
                async with opened(said, Token(TOKEN)) as source:
                    with pytest.raises(ProtocolError, match="a redirect, which is never followed"):
                        await source.get(REF)
                assert ges.requests == []

    @pytest.mark.parametrize("encoding", ["", "gzip"])
    async def test_rule_9_replies_are_bounded(self, encoding: str) -> None:
        """By what they hold when unpacked: a bomb of 5 KB is not unpacked to its 5 MB."""
        body = b" " * 5_000_000
        packed = gzip.compress(body) if encoding else body
        said = http(packed, f"Content-Encoding: {encoding or 'identity'}")
        async with opened(said, Token("t"), max_reply_bytes=1_000_000) as source:
            with pytest.raises(ProtocolError, match="larger than max_reply_bytes=1000000"):
                await source.get(REF)

    async def test_rule_9_a_reply_without_end_is_bounded(self) -> None:
        """It is left as soon as it is too large."""

        async def endless(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(1_000):
                await response.write(b" " * 65_536)
            raise AssertionError("nobody stopped reading")

        async with (
            serving(endless) as endpoint,
            ManagementSource(endpoint, "p", credentials=Token("t"), max_reply_bytes=100_000) as source,
        ):
            with pytest.raises(ProtocolError, match="larger than max_reply_bytes=100000"):
                await source.get(REF)

    @pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"status":"success","job_detail":['])
    @pytest.mark.parametrize("depth", [900, 200_000])
    async def test_rule_9_nesting_is_bounded(self, opening: bytes, depth: int) -> None:
        """What is nested too deeply is unreadable, and breaks nothing."""
        async with opened(http(opening * depth), Token("t")) as source:
            for ask in looking(source):
                assert type(await raised_by(ask)) is ProtocolError

    async def test_rule_9_headers_are_bounded(self) -> None:
        """A header of 64 KB is no reply."""
        said = http(b"{}", f"X-Request-Id: {'x' * 70_000}")
        async with opened(said, Token("t")) as source:
            assert type(await raised_by(source.get(REF))) is TransportError


class TestIds:
    """An id is one segment of a path, or no id."""

    @pytest.mark.parametrize(
        ("job_id", "sent"),
        [
            ("%2f", "%252f"),
            ("%2e%2e%2f", "%252e%252e%252f"),
            ("a?token=x#y", "a%3Ftoken%3Dx%23y"),
            ("http:elsewhere", "http%3Aelsewhere"),
            ("@elsewhere", "%40elsewhere"),
            ("x" * 10_240, "x" * 10_240),
            ("作", "%E4%BD%9C"),
        ],
    )
    async def test_rule_9_it_leads_nowhere_else(self, job_id: str, sent: str) -> None:
        """Neither out of its path, nor to another host."""
        seen: list[bytes] = []
        async with opened(http(b'{"status":"running"}'), Token("t"), seen) as source:
            await source.get(JobRef(job_id, job_id))
        line = seen[0].split(b"\r\n")[0].decode()
        assert line == f"GET /v2/p/graphs/{sent}/jobs/{sent}/status HTTP/1.1"

    @pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\n", "\x00", "a\x7f", "a\x85", "\u2028", "\u202e"])
    @pytest.mark.parametrize("graph", [False, True])
    def test_rule_9_line_breaks_and_control_characters_are_refused(self, text: str, graph: bool) -> None:
        """They would end a header or a log line."""
        with pytest.raises(ValueError, match=r" is not an id: pass the text the API answered, unchanged$"):
            JobRef("j" if graph else text, text if graph else None)


@contextlib.asynccontextmanager
async def source_of(
    ges: FakeGES, credentials: Credentials, *, engine: bool = False, session: aiohttp.ClientSession | None = None
) -> AsyncIterator[ManagementSource | EngineSource]:
    """Open a source of a plane."""
    if engine:
        endpoints = {"movies": ges.endpoint}
        async with EngineSource(endpoints, ges.project_id, credentials=credentials, session=session) as source:
            yield source
    else:
        async with ManagementSource(ges.endpoint, ges.project_id, credentials=credentials, session=session) as managed:
            yield managed


@contextlib.asynccontextmanager
async def opened(
    said: bytes, credentials: Credentials, seen: list[bytes] | None = None, **options: Any
) -> AsyncIterator[ManagementSource]:
    """Open a source of a server that says some bytes."""
    async with (
        loopback(said, seen) as endpoint,
        ManagementSource(endpoint, "p", credentials=credentials, **options) as source,
    ):
        yield source


def http(body: bytes, *headers: str, status: int = 200) -> bytes:
    """Write a reply."""
    lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def free_port() -> str:
    """Give the URL of a port that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextlib.asynccontextmanager
async def loopback(said: bytes, seen: list[bytes] | None = None) -> AsyncIterator[str]:
    """Run a server that reads the head of a request, says some bytes, and hangs up; gives its URL."""

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            if seen is not None:
                seen.append(head)
            with contextlib.suppress(anyio.BrokenResourceError):
                await stream.send(said)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()
    gc.collect()
