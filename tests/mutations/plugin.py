"""A plugin for pytest: `-p tests.mutations.plugin --break NAME` runs tests with a break in its place."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import Phase, settings

from tests.mutations.applying import DoesNotFit, applied
from tests.mutations.breaks import BREAKS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--break", dest="broken", metavar="NAME", help="which of the deliberate breaks is to be noticed")


def pytest_configure(config: pytest.Config) -> None:
    """Break it before any test is imported, and look for no shorter example of a failure: one is enough."""
    settings.register_profile("one failure", settings(), phases=[Phase.explicit, Phase.generate], derandomize=True)
    settings.load_profile("one failure")
    name = config.getoption("broken")
    if name is None:
        return
    broken = next((each for each in BREAKS if each.name == name), None)
    if broken is None:
        raise pytest.UsageError(f"there is no break {name!r}")
    in_place = ExitStack()
    config.add_cleanup(in_place.close)
    try:
        in_place.enter_context(applied(broken))
    except DoesNotFit as error:
        raise pytest.UsageError(str(error)) from error
