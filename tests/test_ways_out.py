"""Proxies and certificates: what is given, what the environment says, and that they are really gone through."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from traceback import walk_tb
from typing import Any

import aiohttp
import attrs
import pytest

trustme = pytest.importorskip("trustme", reason="a certificate authority of one's own needs trustme")

import gespoll
from gespoll import AccessKey, EngineSource, JobStatus, ManagementSource, Token, TransportError, connect
from gespoll._ways_out import WaysOut, hidden_proxy, read_ways_out

TOKEN = Token("t" * 20)
PASSWORD = "pass word-secret"
CREDENTIALS = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()
WITH_PASSWORD = "user:pass%20word-secret@"
DONE = b'{"status": "success", "job_name": "StopGraph"}'


@pytest.fixture
def anyio_backend() -> str:
    """Proxies and servers are sockets, which know no virtual time."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only a test's own variables count."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@attrs.define
class Seen:
    """What came to a server."""

    port: int = 0
    heads: list[str] = attrs.field(factory=list)

    @property
    def lines(self) -> list[str]:
        """The first line of each request."""
        return [head.partition("\r\n")[0] for head in self.heads]


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Any]


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[Seen]:
    """Serve requests until the block ends, then break off what is open."""
    seen, tasks = Seen(), set[asyncio.Task[Any]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                seen.heads.append(head)
                await handle(reader, writer, head)
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reply(body: bytes = DONE, status: str = "200 OK", *headers: str) -> bytes:
    """Write a reply."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def done(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
    """Answer that a job has ended well."""
    writer.write(reply())
    await writer.drain()


def proxying(to: int, authorization: str | None = None) -> Handle:
    """Make a proxy that leads every host to one port of this machine: by CONNECT, or by the URL in the first line."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        if authorization is not None and f"Proxy-Authorization: {authorization}" not in head:
            writer.write(reply(PASSWORD.encode(), "407 Proxy Authentication Required", "Proxy-Authenticate: Basic"))
            return
        if not head.startswith("CONNECT "):
            writer.write(reply())
            return
        there, back = await asyncio.open_connection("127.0.0.1", to)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        one, other = asyncio.create_task(pipe(reader, back)), asyncio.create_task(pipe(there, writer))
        try:
            await asyncio.wait({one, other}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            one.cancel()
            other.cancel()
            back.close()
            writer.close()

    return handle


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on bytes as they are."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)


@attrs.frozen
class Authority:
    """A certificate authority, with a server's and a client's certificate, in files."""

    bundle: Path
    server: ssl.SSLContext
    client: Path
    client_key: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make a certificate authority of one's own."""
    folder = tmp_path_factory.mktemp("authority")
    own = trustme.CA()
    own.cert_pem.write_to_path(folder / "ca.pem")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.issue_cert("ges.example", "127.0.0.1").configure_cert(server)
    own.configure_trust(server)
    client = own.issue_cert("robot@example.com")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    client.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    return Authority(folder / "ca.pem", server, folder / "client.pem", folder / "client.key")


async def status_at(endpoint: str, **options: Any) -> JobStatus:
    """Wait for the one job, with a short patience."""
    options = {"credentials": TOKEN, "outage_timeout": 0.2, **options}
    async with connect(endpoint, "p", **options) as poller:
        return (await poller.wait("j", graph="g", timeout=10)).status


@pytest.mark.anyio
class TestProxies:
    """Tried with a real one."""

    @pytest.mark.parametrize("how", ["given", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
    @pytest.mark.parametrize("user", ["", WITH_PASSWORD])
    async def test_a_tunnel(self, how: str, user: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        """Https stays closed to the proxy; what it must know to let us through, the server is not told."""
        async with listening(done, authority.server) as server:
            proxy = listening(proxying(server.port, CREDENTIALS if user else None))
            async with proxy as between:
                url, options = f"http://{user}127.0.0.1:{between.port}", {}
                if how == "given":
                    options = {"proxy": url}
                else:
                    monkeypatch.setenv(how, url)
                told = await status_at("https://ges.example", ca_bundle=authority.bundle, **options)
            assert told is JobStatus.SUCCESS
            assert set(between.lines) == {"CONNECT ges.example:443 HTTP/1.1"}
            assert "t" * 20 not in "".join(between.heads)
            assert server.lines[0].startswith("GET /v2/p/graphs/g/jobs/j/status")
            assert "Proxy-Authorization" not in "".join(server.heads)

    @pytest.mark.parametrize("how", ["given", "http_proxy", "HTTP_PROXY"])
    @pytest.mark.parametrize("user", ["", WITH_PASSWORD])
    async def test_plain_http(self, how: str, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where it is allowed, the proxy is asked for the whole URL."""
        async with listening(proxying(0, CREDENTIALS if user else None)) as between:
            url, options = f"http://{user}127.0.0.1:{between.port}", {}
            if how == "given":
                options = {"proxy": url}
            else:
                monkeypatch.setenv(how, url)
            assert await status_at("http://ges.invalid", allow_http=True, **options) is JobStatus.SUCCESS
        assert between.lines == ["GET http://ges.invalid/v2/p/graphs/g/jobs/j/status HTTP/1.1"]

    @pytest.mark.parametrize("endpoint", ["http://ges.invalid", "https://ges.example"])
    async def test_a_proxy_that_wants_a_password(self, endpoint: str, authority: Authority) -> None:
        """It is told as what it is, without what the proxy says."""
        async with listening(proxying(0, "Basic other")) as between:
            url = f"http://{WITH_PASSWORD}127.0.0.1:{between.port}"
            with pytest.raises(TransportError) as caught:
                await status_at(endpoint, proxy=url, allow_http=True, ca_bundle=authority.bundle)
        assert caught.value.detail == ("looking at job g/j: no usable reply came: the proxy answered with HTTP 407")
        shown = [repr(value) for frame, _ in walk_tb(caught.value.__traceback__) for value in own(frame)]
        assert "word-secret" not in "".join(shown) + repr(caught.value)

    async def test_a_proxy_that_is_away(self) -> None:
        """It is told that it is the proxy."""
        with pytest.raises(TransportError, match="no usable reply came: the proxy: "):
            await status_at("https://ges.example", proxy="http://127.0.0.1:9")

    async def test_a_proxy_that_hangs_up(self) -> None:
        """A tunnel that never was is no connection that was kept: it is a failure, and not sent again for ever."""

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
            writer.close()

        async with listening(hang_up) as between:
            with pytest.raises(TransportError, match="no usable reply came: the server closed the connection"):
                await status_at("https://ges.example", proxy=f"http://127.0.0.1:{between.port}")
        assert len(between.heads) < 10

    async def test_an_untrusted_server_behind_a_proxy(self, authority: Authority) -> None:
        """The proxy changes nothing in what is verified."""
        async with (
            listening(done, authority.server) as server,
            listening(proxying(server.port)) as between,
        ):
            with pytest.raises(TransportError, match="certificate could not be verified; name the authority"):
                await status_at("https://ges.example", proxy=f"http://127.0.0.1:{between.port}")
        assert server.heads == []

    async def test_the_token_of_iam_goes_the_same_way(self, authority: Authority) -> None:
        """With the password, which the proxy does not see."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
            if head.startswith("POST"):
                length = next(line for line in head.split("\r\n") if line.startswith("Content-Length")).split(": ")[1]
                await reader.readexactly(int(length))
                writer.write(reply(b"{}", "201 Created", "X-Subject-Token: t"))
            else:
                writer.write(reply())

        async with listening(answer, authority.server) as server, listening(proxying(server.port)) as between:
            user = gespoll.PasswordCredentials(domain="d", user="u", password="secret", endpoint="https://ges.example")
            options = {"ca_bundle": authority.bundle, "proxy": f"http://127.0.0.1:{between.port}", "credentials": user}
            assert await status_at("https://ges.example", **options) is JobStatus.SUCCESS
        assert [line.split()[0] for line in server.lines] == ["POST", "GET"]
        assert {line.split()[0] for line in between.lines} == {"CONNECT"}

    async def test_a_session_that_is_lent_has_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment counts for it only where its owner says so; two ways are one too many."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        async with listening(done) as server, aiohttp.ClientSession() as session:
            assert await status_at(f"http://127.0.0.1:{server.port}", session=session) is JobStatus.SUCCESS
            with pytest.raises(
                ValueError, match=r"^a session that is lent has its own proxies and certificates: give "
            ):
                connect("https://ges.example", "p", credentials=TOKEN, session=session, proxy="http://127.0.0.1:9")


def own(frame: Any) -> list[Any]:
    """List the variables of a frame of the library."""
    return list(frame.f_locals.values()) if "/gespoll/" in frame.f_code.co_filename else []


@pytest.mark.anyio
class TestNetrc:
    """What it holds is for other programs."""

    @pytest.mark.parametrize("lent", [False, True])
    @pytest.mark.parametrize("credentials", [TOKEN, AccessKey("ak", "sk")], ids=["token", "key"])
    async def test_it_is_not_sent(
        self, lent: bool, credentials: gespoll.Credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also not by a session that trusts the environment."""
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password netrc-secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        async with listening(done) as server, aiohttp.ClientSession(trust_env=True) as session:
            options = {"session": session} if lent else {}
            await status_at(f"http://127.0.0.1:{server.port}", credentials=credentials, **options)
        sent = [line for line in server.heads[0].split("\r\n") if line.startswith("Authorization")]
        assert [line.split()[1] for line in sent] == ([] if credentials is TOKEN else ["SDK-HMAC-SHA256"])

    async def test_what_a_session_s_owner_gave_it_is_sent(self) -> None:
        """Such as the password of a gateway in between."""
        async with (
            listening(done) as server,
            aiohttp.ClientSession(headers={"Authorization": "Basic own"}, trust_env=True) as session,
        ):
            await status_at(f"http://127.0.0.1:{server.port}", session=session)
        assert "Authorization: Basic own" in server.heads[0]


@pytest.mark.anyio
class TestCertificates:
    """Tried with a real authority."""

    @pytest.mark.parametrize("how", ["given", "folder", "SSL_CERT_FILE"])
    async def test_an_authority_of_one_s_own(
        self, how: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given, or named by the environment."""
        options: dict[str, Any] = {}
        if how == "given":
            options = {"ca_bundle": str(authority.bundle)}
        elif how == "folder":
            options = {"ca_bundle": hashed(authority.bundle, tmp_path)}
        else:
            monkeypatch.setenv(how, str(authority.bundle))
        async with listening(done, authority.server) as server:
            assert await status_at(f"https://127.0.0.1:{server.port}", **options) is JobStatus.SUCCESS

    @pytest.mark.parametrize("in_two", [True, False])
    async def test_a_client_s_certificate(self, in_two: bool, authority: Authority) -> None:
        """In one file with its key, or in two."""
        authority.server.verify_mode = ssl.CERT_REQUIRED
        both = authority.client.with_name("both.pem")
        given = (authority.client, authority.client_key) if in_two else both
        try:
            async with listening(done, authority.server) as server:
                endpoint = f"https://127.0.0.1:{server.port}"
                told = await status_at(endpoint, ca_bundle=authority.bundle, client_cert=given)
                with pytest.raises(TransportError):
                    await status_at(endpoint, ca_bundle=authority.bundle)
        finally:
            authority.server.verify_mode = ssl.CERT_NONE
        assert told is JobStatus.SUCCESS
        assert len(server.heads) == 1

    async def test_an_environment_that_names_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """OpenSSL would pass over it, and trust nobody without a word."""
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        with pytest.raises(TransportError, match=r"SSL_CERT_FILE '.*none.pem' cannot be read: No such file"):
            await status_at("https://127.0.0.1:9")


def hashed(bundle: Path, folder: Path) -> Path:
    """Make a folder of certificates, as OpenSSL looks them up."""
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(bundle)], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not name:
        pytest.skip("openssl is not installed")
    (folder / f"{name}.0").write_bytes(bundle.read_bytes())
    return folder


def way(url: str, variables: Mapping[str, str], proxy: str | None = None) -> str | None:
    """Return the proxy of a URL."""
    hidden, problem = hidden_proxy(proxy)
    assert problem == ""
    chosen = read_ways_out(hidden, None, None, variables).proxy_for(url)
    return None if chosen is None else chosen.url


PROXY = "http://proxy.example:3128"


class TestEnvironment:
    """Variables mean what they mean to curl."""

    @pytest.mark.parametrize(
        ("url", "variables", "expected"),
        [
            ("https://ges.example", {}, None),
            ("https://ges.example", {"HTTPS_PROXY": PROXY}, PROXY),
            ("https://ges.example", {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
            ("https://ges.example", {"HTTPS_PROXY": " "}, None),
            ("https://ges.example", {"HTTP_PROXY": PROXY}, None),
            ("http://ges.example", {"HTTP_PROXY": PROXY}, PROXY),
            ("http://ges.example", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
            ("http://ges.example", {"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, PROXY),
            ("https://ges.example", {"HTTPS_PROXY": "http://other", "https_proxy": PROXY}, PROXY),
            ("https://ges.example", {"ALL_PROXY": PROXY}, PROXY),
            ("https://ges.example", {"ALL_PROXY": "socks5://x", "HTTPS_PROXY": PROXY}, PROXY),
            ("https://[2001:db8::1]", {"HTTPS_PROXY": "http://[2001:db8::2]:80"}, "http://[2001:db8::2]:80"),
        ],
    )
    def test_which_proxy(self, url: str, variables: dict[str, str], expected: str | None) -> None:
        """By scheme, the lower case first."""
        assert way(url, variables) == expected

    @pytest.mark.parametrize(
        ("host", "entries", "exempt"),
        [
            ("ges.example", "ges.example", True),
            ("ges.example", "GES.example", True),
            ("a.ges.example", "ges.example", True),
            ("a.ges.example", ".ges.example", True),
            ("a.ges.example", "*.ges.example", True),
            ("nages.example", "ges.example", False),
            ("ges.example", "a.ges.example", False),
            ("ges.example", "x, ges.example", True),
            ("ges.example", "x ges.example", True),
            ("ges.example", "*", True),
            ("ges.example", "", False),
            ("ges.example", ",", False),
            ("ges.example", ".", False),
            ("ges.example", "ges.example:443", True),
            ("ges.example", "ges.example:8443", False),
            ("ges.example:8443", "ges.example:8443", True),
            ("ges.example.", "ges.example", True),
            ("10.0.0.5", "10.0.0.5", True),
            ("10.0.0.5", "10.0.0.0/8", True),
            ("10.0.0.5", "10.0.0.5:443", True),
            ("10.0.0.5", "10.0.0.5:80", False),
            ("10.0.0.5", "10.0.0", False),
            ("10.0.0.5", "0.0.5", False),
            ("11.0.0.5", "10.0.0.0/8", False),
            ("[2001:db8::1]", "2001:db8::/32", True),
            ("[2001:db8::1]", "[2001:db8::1]", True),
            ("[2001:db8::1]", "[2001:db8::1]:443", True),
            ("[2001:db8::1]", "10.0.0.0/8", False),
        ],
    )
    def test_what_no_proxy_exempts(self, host: str, entries: str, exempt: bool) -> None:
        """Hosts, domains, addresses, networks, and all of them."""
        expected = None if exempt else PROXY
        assert way(f"https://{host}", {"HTTPS_PROXY": PROXY, "NO_PROXY": entries}) == expected
        assert way(f"https://{host}", {"HTTPS_PROXY": PROXY, "no_proxy": entries}, PROXY) == PROXY

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1.2.3"])
    def test_no_other_machine_is_asked_for_this_one(self, host: str) -> None:
        """There it would be another one, and plain http would leave this one."""
        for url in (f"http://{host}:80", f"https://{host}"):
            for proxy in (PROXY, None):
                assert way(url, {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY}, proxy) is None
            assert way(url, {"HTTP_PROXY": "localhost:1", "HTTPS_PROXY": "localhost:1"}) == "http://localhost:1"


ADVICE = "must be the URL of an HTTP proxy and nothing more, such as http://proxy.example:3128"
NO_PROXIES = {
    "socks5://user:word-secret@proxy": f"{ADVICE}; socks5:// is not spoken here",
    "http://": ADVICE,
    " ": ADVICE,
    "": ADVICE,
    "http://user:word-secret@proxy:99999999": ADVICE,
    "http://user:word-secret@proxy/path": ADVICE,
    "http://user:word-secret@pro\nxy": ADVICE,
    "http://[::1": ADVICE,
}


class TestArguments:
    """What cannot work is refused at once, and no password is shown."""

    @pytest.mark.parametrize("text", NO_PROXIES)
    def test_what_is_no_proxy(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither given nor in the environment."""
        makers: list[Callable[..., Any]] = [
            lambda **options: connect("https://ges.example", "p", credentials=TOKEN, **options),
            lambda **options: connect(project_id="p", engines={"g": "https://x"}, credentials=TOKEN, **options),
            lambda **options: ManagementSource("https://ges.example", "p", credentials=TOKEN, **options),
            lambda **options: EngineSource({"g": "https://x"}, "p", credentials=TOKEN, **options),
        ]
        for make in makers:
            with pytest.raises(ValueError, match=r"^proxy= must be") as caught:
                make(proxy=text)
            assert str(caught.value) == f"proxy= {NO_PROXIES[text]}"
            shown = [repr(value) for frame, _ in walk_tb(caught.value.__traceback__) for value in own(frame)]
            assert "word-secret" not in "".join(shown)
        if text.strip():
            monkeypatch.setenv("HTTPS_PROXY", text)
            for make in makers:
                with pytest.raises(ValueError, match=r"^HTTPS_PROXY must be") as caught:
                    make()
                assert "word-secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "kind", "text"),
        [
            ({"proxy": 7}, ValueError, "proxy= must be a URL as str, not int"),
            (
                {"ca_bundle": "/nowhere/ca.pem"},
                ValueError,
                "ca_bundle '/nowhere/ca.pem' cannot be read: No such file or",
            ),
            ({"ca_bundle": __file__}, ValueError, f"ca_bundle {__file__!r} holds no certificates: give a PEM file of"),
            ({"ca_bundle": False}, TypeError, "ca_bundle must be the path of a file, not False"),
            (
                {"client_cert": "/nowhere/c.pem"},
                ValueError,
                "client_cert '/nowhere/c.pem' cannot be read: No such file",
            ),
            ({"client_cert": __file__}, ValueError, f"client_cert {__file__!r} cannot be used: give a certificate and"),
            ({"client_cert": ("a", "b", "c")}, TypeError, "client_cert must be the path of a PEM file, or two paths"),
            ({"client_cert": 7}, TypeError, "client_cert must be the path of a file, not 7"),
        ],
    )
    def test_what_cannot_work(self, options: dict[str, Any], kind: type[Exception], text: str) -> None:
        """The text says what to give."""
        with pytest.raises(kind) as caught:
            connect("https://ges.example", "p", credentials=TOKEN, **options)
        assert str(caught.value).startswith(text)

    def test_a_key_with_a_passphrase(self, authority: Authority, tmp_path: Path) -> None:
        """It is refused, and nobody is asked for the passphrase on the terminal."""
        key = tmp_path / "key.pem"
        lines = authority.client_key.read_text().splitlines()
        lines[1:1] = ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,00000000000000000000000000000000", ""]
        key.write_text("\n".join(lines))
        with pytest.raises(ValueError, match=r"without a passphrase, as PEM$"):
            connect("https://ges.example", "p", credentials=TOKEN, client_cert=(authority.client, key))

    def test_repr(self) -> None:
        """No password is shown."""
        proxy, _ = hidden_proxy(f"http://{WITH_PASSWORD}proxy.example:3128")
        assert repr(WaysOut(proxy)) == (
            "WaysOut(proxy=Proxy(url='http://proxy.example:3128'), ca_bundle=None, client_cert=None)"
        )
