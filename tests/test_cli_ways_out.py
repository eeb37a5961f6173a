"""The command line's ways out: proxies, authorities and a client's certificate, as options or in the environment."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")
trustme = pytest.importorskip("trustme", reason="a certificate authority of one's own needs trustme")

from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.shell import COMMAND, bare_environment
from tests.test_ways_out import Authority, Seen, authority, done, listening, proxying

__all__ = ["authority"]
GIVEN = ("wait", "g/j", "--timeout", "10s", "--project", "p")


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """Run servers beside the command."""
    with start_blocking_portal() as beside:
        yield beside


@pytest.fixture
def server(portal: BlockingPortal, authority: Authority) -> Iterator[Seen]:
    """Run a server over TLS."""
    with portal.wrap_async_context_manager(listening(done, authority.server)) as seen:
        yield seen


@pytest.fixture
def between(portal: BlockingPortal, server: Seen) -> Iterator[Seen]:
    """Run a proxy that leads to it."""
    with portal.wrap_async_context_manager(listening(proxying(server.port))) as seen:
        yield seen


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    known = {name: value for name, value in bare_environment().items() if name.lower() not in proxies}
    known |= {"HW_AUTH_TOKEN": "t" * 20, **environment}
    return subprocess.run(
        [*COMMAND, *GIVEN, *words], capture_output=True, text=True, timeout=60, env=known, check=False
    )


def test_options(server: Seen, between: Seen, authority: Authority) -> None:
    """A proxy and an authority."""
    proxy = f"http://127.0.0.1:{between.port}"
    told = run("--endpoint", "https://ges.example", "--proxy", proxy, "--ca-bundle", str(authority.bundle))
    assert (told.returncode, told.stderr) == (0, "")
    assert between.lines == ["CONNECT ges.example:443 HTTP/1.1"]
    assert len(server.heads) == 1


def test_the_environment(server: Seen, between: Seen, authority: Authority) -> None:
    """As other programs heed it."""
    variables = {"HTTPS_PROXY": f"127.0.0.1:{between.port}", "SSL_CERT_FILE": str(authority.bundle)}
    assert run("--endpoint", "https://ges.example", **variables).returncode == 0
    assert len(between.heads) == 1
    direct = run("--endpoint", f"https://127.0.0.1:{server.port}", **variables, NO_PROXY="example.com,127.0.0.1")
    assert direct.returncode == 0
    assert len(between.heads) == 1


def test_a_client_s_certificate(server: Seen, authority: Authority) -> None:
    """With its key beside it."""
    proof = ("--client-cert", str(authority.client), "--client-key", str(authority.client_key))
    endpoint = ("--endpoint", f"https://127.0.0.1:{server.port}", "--ca-bundle", str(authority.bundle))
    assert run(*endpoint, *proof).returncode == 0


def test_an_authority_that_is_not_trusted(server: Seen) -> None:
    """It says which option mends it."""
    told = run("--endpoint", f"https://127.0.0.1:{server.port}")
    assert told.returncode == 6
    assert "certificate could not be verified; name the authority that signed it by --ca-bundle or SSL_CERT_FILE" in (
        told.stderr
    )
    assert "session" not in told.stderr
    assert server.heads == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ("--proxy", "http://user:word-secret@proxy"),
            "--proxy takes no user and password, which others could see: set HTTPS_PROXY instead",
        ),
        (("--proxy", "socks5://proxy"), "--proxy must be the URL of an HTTP proxy and nothing more, such as"),
        (("--ca-bundle", "/nowhere"), "--ca-bundle '/nowhere' cannot be read: No such file or directory"),
        (("--client-cert", "/nowhere"), "--client-cert '/nowhere' cannot be read: No such file or directory"),
        (("--client-key", "/nowhere"), "--client-key is the key of a certificate: give --client-cert, too"),
    ],
)
def test_usage(words: tuple[str, ...], text: str) -> None:
    """What cannot work is told at once, in the words of the command line."""
    told = run("--endpoint", "https://ges.example", *words)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith(f"gespoll: {text}")
    assert "word-secret" not in told.stderr


def test_a_variable_that_names_no_proxy() -> None:
    """It is told by its name."""
    told = run("--endpoint", "https://ges.example", https_proxy="socks5://user:word-secret@proxy")
    assert told.returncode == 2
    assert told.stderr.startswith("gespoll: https_proxy must be the URL of an HTTP proxy and nothing more, such as")
    assert "word-secret" not in told.stderr
