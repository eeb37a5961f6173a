"""What the tests on Airflow share: a fake service in a thread of its own, and the connection that leads to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anyio.from_thread
import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from gespoll.testing import FakeFile, FakeGES

Connect = Callable[..., None]
VARIABLE = "AIRFLOW_CONN_HUAWEICLOUD_DEFAULT"
LOADED = FakeFile("edgeset", "edges.csv", total_lines=90, failed_lines=0)
LOSSY = FakeFile("edgeset", "edges.csv", status="partFailed", cause="row 7", total_lines=90, failed_lines=3)


class Service:
    """A fake service that runs beside the test, on the real clock."""

    def __init__(self, ges: FakeGES, portal: anyio.from_thread.BlockingPortal) -> None:
        self.ges = ges
        self._portal = portal

    def add(self, job_id: str, **details: Any) -> None:
        """Add a job now; without `steps`, one that has ended well."""
        details = {"graph": "movies", "steps": [(0, "success")], "files": [LOADED], **details}
        self._portal.call(lambda: self.ges.add_job(job_id, **details))

    def expire_token(self) -> None:
        """Let the token of the connection expire."""
        self._portal.call(self.ges.expire_token, "another")


@pytest.fixture
def service() -> Iterator[Service]:
    """Run a fake service in a thread."""
    with anyio.from_thread.start_blocking_portal() as portal, portal.wrap_async_context_manager(FakeGES()) as ges:
        yield Service(ges, portal)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make the default connection lead to a fake service, or say something else."""

    def to(ges: FakeGES | None = None, **fields: Any) -> None:
        if ges is not None:
            extra = {"endpoint": ges.endpoint, "project_id": ges.project_id, "token": ges.token}
            fields = {"extra": extra} | fields
        monkeypatch.setenv(VARIABLE, json.dumps({"conn_type": "huaweicloud", **fields}))

    return to


@pytest.fixture(autouse=True)
def outside_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `execute` be called by a test."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
