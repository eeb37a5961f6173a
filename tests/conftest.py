"""What all tests share: which event loop they run on, and that no property is judged by how long it takes."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

from gespoll.testing import virtual_time

collect_ignore = [] if find_spec("airflow") else ["airflow"]  # run by tests/airflow/run.sh, where Airflow is installed

settings.register_profile("whatever time it takes", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("whatever time it takes")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run on virtual time; a module that needs the real clock overrides this."""
    return "asyncio", {"loop_factory": virtual_time}
