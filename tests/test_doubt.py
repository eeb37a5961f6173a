"""How long a list is doubted."""

from __future__ import annotations

from gespoll._scheduler._doubt import Doubt


def test_each_repetition_lasts_twice_as_long_up_to_the_longest() -> None:
    """10, 20, 40, then no longer."""
    doubt = Doubt(10.0, 40.0)
    ends = []
    for _ in range(4):
        doubt.raise_at(max(doubt.until, 0.0))
        ends.append(doubt.until)
    assert ends == [10.0, 30.0, 70.0, 110.0]


def test_a_long_calm_starts_it_over() -> None:
    """What went wrong long ago is forgiven."""
    doubt = Doubt(10.0, 40.0)
    doubt.raise_at(0.0)
    doubt.raise_at(51.0)
    assert doubt.until == 61.0


def test_clearing_starts_it_over() -> None:
    """Trusted again at once."""
    doubt = Doubt(10.0, 40.0)
    doubt.raise_at(0.0)
    doubt.clear()
    assert doubt.until < 0
    doubt.raise_at(5.0)
    assert doubt.until == 15.0
