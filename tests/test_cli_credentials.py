"""Where the command line takes its token from, and that nobody is told it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")

import gespoll
from gespoll.cli._credentials import credentials_of
from gespoll.cli._exit import UsageError
from gespoll.testing import FakeJob
from tests.shell import Beside, beside

SECRET = "s3cr3t-token"
DONE = FakeJob("1", graph="movies", name="StartGraph", steps=[(0, "success")])


@pytest.fixture
def anyio_backend() -> str:
    """Commands are processes, which know no virtual time."""
    return "asyncio"


@pytest.fixture(scope="module")
def service() -> Iterator[Beside]:
    """Give a service whose token is in no variable."""
    with beside([DONE], token=SECRET) as told:
        environment = {name: value for name, value in told.environment.items() if name != "HW_AUTH_TOKEN"}
        yield Beside(told.ges, told.portal, {**environment, "HOME": "/nowhere"})


def script(path: Path, text: str) -> str:
    """Write a program, and give the command that runs it."""
    path.write_text(text)
    return f"'{sys.executable}' '{path}'"


def test_a_token_file_is_read(service: Beside, tmp_path: Path) -> None:
    """With the end of its line."""
    (tmp_path / "token").write_text(f"{SECRET}\n")
    done = service.run("wait", "movies/1", "--token-file", str(tmp_path / "token"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_token_command_is_run_without_a_shell(service: Beside, tmp_path: Path) -> None:
    """Its words are split as a shell would, and nothing is expanded; it cannot eat the jobs of standard input."""
    text = f"import sys; sys.stdin.read(); print({SECRET!r} if sys.argv[1:] == ['a b', '$HOME'] else 'wrong')"
    command = script(tmp_path / "token.py", text)
    done = service.run("wait", "-", "--token-command", f"{command} 'a b' $HOME", stdin="movies/1\n")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sdk_s_file_is_read(service: Beside, tmp_path: Path) -> None:
    """As `connect()` reads it."""
    (tmp_path / ".huaweicloud").mkdir()
    (tmp_path / ".huaweicloud" / "credentials").write_text("[basic]\nak = fake-ak\nsk = fake-sk\n")
    done = service.run("wait", "movies/1", HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


FAILING = {
    "import sys; print('SECRET'); sys.exit('not logged in')": "failed with status 1: not logged in",
    "import sys; print('SECRET'); sys.exit(3)": "failed with status 3: it said nothing",
    "print('SECRET', 'SECRET')": "must print a token and nothing else; on standard error it said: nothing",
    "import sys; print('log in first', file=sys.stderr)": "must print a token and nothing else; on standard error it "
    "said: log in first",
}


@pytest.mark.parametrize("text", FAILING)
def test_a_token_command_that_fails_is_told_without_what_it_printed(text: str, service: Beside, tmp_path: Path) -> None:
    """What it wrote to standard error is shown; status 5, at once."""
    before = len(service.ges.requests)
    command = script(tmp_path / "token.py", text.replace("SECRET", SECRET))
    done = service.run("wait", "movies/1", "--token-command", command)
    assert done.returncode == 5
    assert f"the token command {sys.executable!r} {FAILING[text]}" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert len(service.ges.requests) == before


def test_a_token_command_that_is_not_there_is_told(service: Beside) -> None:
    """By its name."""
    done = service.run("list", "--token-command", "/nowhere/token --now")
    assert done.returncode == 5
    assert done.stderr.startswith(
        "gespoll: the token command '/nowhere/token' cannot be run: No such file or directory"
    )


def test_usage_errors_of_tokens(tmp_path: Path) -> None:
    """Each says what to do; none shows what a file holds."""
    held = tmp_path / "token"
    held.write_text(f"token: {SECRET}")
    blank = tmp_path / "blank"
    blank.write_bytes(b"\xff\n")
    cases: list[tuple[Path | None, str | None, str]] = [
        (held, "date", "--token-file and --token-command are two places for one token: give one of them"),
        (held, None, f"the token file {held} must hold a token and nothing else"),
        (blank, None, f"the token file {blank} must hold a token and nothing else"),
        (tmp_path / "none", None, f"the token file {tmp_path / 'none'} cannot be read: No such file or directory"),
        (None, "", "--token-command is no command: it is empty"),
        (None, "it's", "--token-command is no command: No closing quotation"),
    ]
    for file, command, text in cases:
        with pytest.raises(UsageError) as problem:
            credentials_of(file, command)
        assert str(problem.value) == text
    assert credentials_of(None, None) is None


@pytest.mark.anyio
async def test_a_token_file_is_read_again_when_the_token_is_rejected(tmp_path: Path) -> None:
    """Whatever writes it may renew it; while it cannot be read the look only failed."""
    path = tmp_path / "token"
    path.write_text("old")
    credentials = credentials_of(path, None)
    assert credentials is not None
    first = await credentials.authorize("GET", "https://x")
    path.write_text("new")
    assert await credentials.renew(first)
    assert await credentials.authorize("GET", "https://x") == {"X-Auth-Token": "new"}
    path.unlink()
    credentials.accepted({"X-Auth-Token": "new"})
    with pytest.raises(gespoll.ServiceUnavailable, match="cannot be read: No such file"):
        await credentials.renew({"X-Auth-Token": "new"})


@pytest.mark.anyio
async def test_a_token_command_that_has_worked_may_work_again(tmp_path: Path) -> None:
    """Its failure later is one look that failed, and not a verdict on the credentials."""
    command = script(tmp_path / "token.py", "print('one')")
    credentials = credentials_of(None, command)
    assert credentials is not None
    first = await credentials.authorize("GET", "https://x")
    credentials.accepted(first)
    script(tmp_path / "token.py", "raise SystemExit('busy')")
    with pytest.raises(gespoll.ServiceUnavailable, match="failed with status 1: busy"):
        await credentials.renew(first)


def test_no_option_takes_a_secret(service: Beside) -> None:
    """There is no way to type a token, a key or a password."""
    done = service.run("wait", "--help")
    options = {word.strip("│ ") for word in done.stdout.split() if word.startswith("--")}
    assert {"--token-file", "--token-command"} <= options
    assert options.isdisjoint({"--token", "--ak", "--sk", "--password", "--secret"})
