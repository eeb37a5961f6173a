"""The deliberate breaks fit the code as it stands; whether each is noticed takes a minute, and is run by itself."""

from __future__ import annotations

import pytest

import gespoll._errors
import gespoll._watch
from tests.mutations.__main__ import ROOT
from tests.mutations.applying import Break, DoesNotFit, applied, check
from tests.mutations.breaks import BREAKS

RULES = set(range(1, 20)) - {12}  # which no function can break


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.name)
def test_a_break_fits(broken: Break) -> None:
    """The function is there and takes the same arguments, and so is the file with the tests."""
    if broken.target.startswith("gespoll.cli."):
        pytest.importorskip("cyclopts", reason="the command line needs the extra `cli`: pip install 'gespoll[cli]'")
    check(broken)
    assert (ROOT / broken.tests).is_file()


def test_every_rule_has_a_break_and_every_break_a_name() -> None:
    """A rule that nobody can break on purpose may be broken by mistake."""
    assert {broken.rule for broken in BREAKS} == RULES
    assert len({broken.name for broken in BREAKS}) == len(BREAKS)


def many(number: int, noun: str) -> str:
    """Count nothing."""
    return f"many {noun}"


def one_more(original: object, number: int, noun: str) -> str:
    """Count one too many."""
    assert callable(original)
    return str(original(number + 1, noun))


@pytest.mark.parametrize(("override", "said"), [(many, "many job"), (one_more, "3 jobs")])
def test_a_break_reaches_all_who_import_the_function(override: object, said: str) -> None:
    """It takes the place of the function under every name, and leaves it again."""
    assert callable(override)
    here, there = vars(gespoll._errors), vars(gespoll._watch)
    before = here["counted"]
    with applied(Break(1, "gespoll._errors.counted", "", "", override)):
        assert here["counted"](2, "job") == there["counted"](2, "job") == said
    assert here["counted"] is there["counted"] is before


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("gespoll._errors.count", "there is no gespoll._errors.count"),
        ("gespoll._nowhere.counted", "there is no gespoll._nowhere.counted"),
        ("gespoll._errors.GespollError", "is neither a function nor a property"),
        ("gespoll._pacing.hit_of", "many: gespoll._pacing.hit_of takes"),
    ],
)
def test_a_break_that_does_not_fit_is_refused(target: str, why: str) -> None:
    """Else it would go unnoticed, or be noticed by mistake."""
    with pytest.raises(DoesNotFit, match=why):
        check(Break(1, target, "", "", many))
