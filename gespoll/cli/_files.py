"""A file that is read and replaced as a whole.

Rule: no link is followed, nothing but a regular file is read or replaced, and a new one has a name that nobody can
foresee until it takes the place of the old one.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_FOR_ALL = 0o777
_FOR_GROUP = 0o070


def read_regular(path: Path) -> bytes:
    """Read a file; a pipe or a device is not waited for.

    Raises:
        OSError: when it cannot be read, or is a link or no regular file; `strerror` says so.
    """
    if path.is_symlink():
        raise _refusal("it is a link: name the file that it leads to")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _refusal("it is no regular file")
        return file.read()


def replace_whole(path: Path, content: bytes) -> None:
    """Let a file hold something else, as a whole or not at all, also when this machine goes down meanwhile.

    It keeps its mode and, where that is allowed, its owner. A new one is for its owner alone.

    Raises:
        OSError: when it cannot be written, or there is a link or no regular file; `strerror` says so.
    """
    before = _status(path)
    descriptor, name = tempfile.mkstemp(prefix=".gespoll-", suffix=".new", dir=path.parent)
    beside = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            if before is not None:
                _give(beside, file.fileno(), before)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _status(path: Path) -> os.stat_result | None:
    """Look at what stands there, if anything; it must be what may be replaced."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise _refusal("it is a link: name the file that it leads to")
    if not stat.S_ISREG(status.st_mode):
        raise _refusal("it is no regular file")
    return status


def _give(path: Path, descriptor: int, like: os.stat_result) -> None:
    """Make a file as open to others as another one: to no group that is not the other's."""
    mode = like.st_mode & _FOR_ALL
    if hasattr(os, "fchown"):
        for user, group in ((-1, like.st_gid), (like.st_uid, -1)):
            with suppress(OSError):
                os.fchown(descriptor, user, group)
        if os.fstat(descriptor).st_gid != like.st_gid:
            mode &= ~_FOR_GROUP
    os.chmod(descriptor if os.chmod in os.supports_fd else path, mode)  # noqa: PTH101 - of what was opened


def _refusal(text: str) -> OSError:
    return OSError(errno.EINVAL, text)
