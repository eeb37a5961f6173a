"""Where a token comes from that is neither in the environment nor in the vendor's file.

Rule: a secret is never an argument, and never told: of a command that prints a token only what it writes to
standard error is, and only when it fails.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import anyio
import attrs

from gespoll import AuthenticationError, Credentials, ServiceUnavailable, Token
from gespoll.cli._exit import UsageError
from gespoll.cli._output import plain

_TOLD_AT_MOST = 500


def credentials_of(file: Path | None, command: str | None) -> Credentials | None:
    """Make the credentials that the options name; none when they name none.

    Raises:
        UsageError: when they name two, the file holds no token, or the command is none.
    """
    if file is not None and command is not None:
        raise UsageError("--token-file and --token-command are two places for one token: give one of them")
    if file is not None:
        _read(file)  # what is wrong with it is told before anything is asked
        return Token(_File(file))
    return None if command is None else Token(_Command(_split(command)))


def _read(file: Path) -> str:
    """Read the token of a file; neither errors nor their causes hold what stands in it."""
    try:
        token = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise UsageError(f"the token file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        token = ""
    if not token or len(token.split()) != 1:
        del token
        raise UsageError(f"the token file {file} must hold a token and nothing else")
    return token


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--token-command is no command: {error}") from None
    if not words:
        raise UsageError("--token-command is no command: it is empty")
    return words


@attrs.frozen
class _File:
    """Reads a token each time one is wanted, so that whatever writes the file may renew it."""

    path: Path

    async def __call__(self) -> str:
        try:
            return await anyio.to_thread.run_sync(_read, self.path)
        except UsageError as error:
            raise ServiceUnavailable(str(error)) from None


@attrs.define
class _Command:
    """Runs a command each time a token is wanted.

    Failing at first it is taken to be wrong, and ends the wait. One that has worked may work again.
    """

    words: list[str]
    has_worked: bool = False

    async def __call__(self) -> str:
        token, problem = await self._run()
        if problem:
            raise (ServiceUnavailable if self.has_worked else AuthenticationError)(problem)
        self.has_worked = True
        return token

    async def _run(self) -> tuple[str, str]:
        """Give the token, or what to tell about the command's failure."""
        name = f"the token command {self.words[0]!r}"
        try:
            done = await anyio.run_process(self.words, stdin=subprocess.DEVNULL, check=False)
        except OSError as error:
            return "", f"{name} cannot be run: {error.strerror}"
        said = plain(done.stderr.decode(errors="replace").strip()[-_TOLD_AT_MOST:])
        if done.returncode:
            return "", f"{name} failed with status {done.returncode}: {said or 'it said nothing'}"
        token = done.stdout.decode(errors="replace").strip()
        if not token.isascii() or len(token.split()) != 1:
            return "", f"{name} must print a token and nothing else; on standard error it said: {said or 'nothing'}"
        return token, ""
