"""What all tests share: which event loop they run on."""

from __future__ import annotations

import pytest

from gespoll.testing import virtual_time


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run on virtual time; a module that needs the real clock overrides this."""
    return "asyncio", {"loop_factory": virtual_time}
