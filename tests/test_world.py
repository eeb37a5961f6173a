"""Drawn worlds in which both channels lie: what the poller makes of them is right, in time and cheap."""

from __future__ import annotations

import pytest

from tests.world.draw import draw
from tests.world.judge import shortest_story, tried

SEEDS = 300
A_TEST = 10
"""Seeds that one test tries."""


@pytest.mark.parametrize("first", range(0, SEEDS, A_TEST))
def test_drawn_worlds_are_judged_right_in_time_and_cheap(first: int) -> None:
    """No seed shows a wrong end, a late one, or needless requests; one that does prints its shortest story."""
    for seed in range(first, first + A_TEST):
        world = draw(seed)
        faults = tried(world)
        assert not faults, f"seed {seed}\n{shortest_story(world, faults[0])}"
