"""Fixtures for the test suites of programs that wait for jobs, on virtual time.

Rule: a suite that does not ask gets nothing. It asks in its top conftest.py, and needs no further set-up but
anyio's own mark on each async test::

    pytest_plugins = ["gespoll.testing.plugin"]

Asked for by `-p` it comes before anyio's plugin, whose real clock then stays in force. Runs repeat: loop and
service start at the same times, chance is seeded. Provisional: this may change in any release.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

import gespoll
from gespoll.testing import FakeGES, VirtualTimeLoop, virtual_time

__all__ = ["anyio_backend", "fake_ges", "fake_ges_options", "ges_poller", "ges_poller_options"]

_ORIGIN = datetime(2030, 1, 1, tzinfo=UTC)
_SEED = 0


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Callable[[], VirtualTimeLoop]]]:
    """Run async tests and fixtures of any scope on virtual time.

    A module that needs the real clock overrides it by a fixture that returns `"asyncio"`.
    """
    return "asyncio", {"loop_factory": virtual_time}


@pytest.fixture
def fake_ges_options() -> Mapping[str, Any]:
    """Give the keyword arguments of `FakeGES`, of which there are none: override it."""
    return {}


@pytest.fixture
async def fake_ges(anyio_backend: object, fake_ges_options: Mapping[str, Any]) -> AsyncIterator[FakeGES]:
    """Give a running fake service of the test's own, whose wall clock begins at 2030-01-01 00:00 UTC."""
    async with FakeGES(**{"origin": _ORIGIN, **fake_ges_options}) as ges:
        yield ges


@pytest.fixture
def ges_poller_options() -> Mapping[str, Any]:
    """Give the keyword arguments of `gespoll.connect`, of which there are none: override it."""
    return {}


@pytest.fixture
async def ges_poller(
    anyio_backend: object, fake_ges: FakeGES, ges_poller_options: Mapping[str, Any]
) -> AsyncIterator[gespoll.Poller]:
    """Give an open poller of the fake service's management plane, whose jitter is seeded."""
    # anyio runs the set-up and the tear-down of a test's async fixtures in one task, as a poller needs it.
    known: dict[str, Any] = {"credentials": gespoll.Token(fake_ges.token), "rng": Random(_SEED)}
    async with gespoll.connect(fake_ges.endpoint, fake_ges.project_id, **{**known, **ges_poller_options}) as poller:
        yield poller
