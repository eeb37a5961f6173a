"""The deliberate breaks name the code as it stands; whether each is noticed takes minutes, and is run by itself."""

from __future__ import annotations

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_break_names_one_place(mutation: Mutation) -> None:
    """What it replaces stands once in its file, and the tests that must notice are there."""
    assert (ROOT / "gespoll" / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1
    assert (ROOT / mutation.where).is_file()
