"""The matrix of the verdict: for what a query said last and what the list said last, one cell, written by hand."""

from __future__ import annotations

import pytest

from gespoll._scheduler._matrix import BY_LIST, BY_QUERY, PLANES, cell, main, matrix, words

CODES = {
    "new": "new 5.1",
    "miss": "missing 5.2",
    "open": "open 5.3",
    "conf": "confirming 1.7",
    "S1": "SUCCESS 1.1",
    "S2": "SUCCESS 1.2",
    "C1": "CANCELLED 1.1",
    "P1": "PARTIALLY_FAILED 1.1",
    "P2": "PARTIALLY_FAILED 1.2",
    "P3": "PARTIALLY_FAILED? 1.3",
    "F1": "FAILED 1.1",
    "F2": "FAILED 1.2",
    "F3": "FAILED? 1.3",
    "gone": "JobNotFound 2.1",
    "gone2": "JobNotFound 2.2",
    "no2": "PermissionDenied 2.2",
    "no4": "PermissionDenied 2.4",
    "none": "SourceError 2.4",
}
HEAD = (
    "- open success files partial bad_files failed reason cancelled "
    "sighting lacks incomplete failing stale refused absent"
)
EXPECTED = {
    "management": """
        -          new  open conf S1 conf P1 F1 F1 C1 open miss  new  new  open new  new
        open       open open conf S1 conf P1 F1 F1 C1 open open  open open open open open
        success    conf conf S2   S1 P2   P1 F1 F1 C1 conf conf  conf conf conf conf conf
        files      S1   S1   S1   S1 P2   P1 F1 F1 C1 S1   S1    S1   S1   S1   S1   S1
        partial    P2   P2   P2   P2 P2   P1 F1 F1 P2 P2   P2    P2   P2   P2   P2   P2
        bad_files  P1   P1   P1   P1 P1   P1 F1 F1 P1 P1   P1    P1   P1   P1   P1   P1
        failed     F1   F1   F1   F1 F1   F1 F1 F1 F1 F1   F1    F1   F1   F1   F1   F1
        reason     F1   F1   F1   F1 F1   F1 F1 F1 F1 F1   F1    F1   F1   F1   F1   F1
        cancelled  C1   C1   C1   C1 P2   P1 F1 F1 C1 C1   C1    C1   C1   C1   C1   C1
        denied     miss open conf S1 conf P1 F1 F1 C1 open gone  gone miss miss gone gone
        failing    new  open conf S1 conf P1 F1 F1 C1 open miss  new  new  open new  new
        refused    new  open conf S1 P3   P1 F1 F1 C1 open no2   new  new  open no4  no4
        no_graph   new  open conf S1 P3   P1 F1 F1 C1 open gone2 new  new  open no4  none
    """,
    "memory": """
        -          new  open conf S1 P2   P1 conf F1 C1 open miss  new  new  open new  new
        open       open open conf S1 P2   P1 conf F1 C1 open open  open open open open open
        success    conf conf S2   S1 P2   P1 F2   F1 C1 conf conf  conf conf conf conf conf
        files      S1   S1   S1   S1 P2   P1 F2   F1 C1 S1   S1    S1   S1   S1   S1   S1
        partial    conf conf P2   P2 P2   P1 F2   F1 P2 conf conf  conf conf conf P3   P3
        bad_files  P1   P1   P1   P1 P1   P1 F2   F1 P1 P1   P1    P1   P1   P1   P1   P1
        failed     conf conf F2   F2 F2   F2 F1   F1 F2 conf conf  conf conf conf F3   F3
        reason     F1   F1   F1   F1 F1   F1 F1   F1 F1 F1   F1    F1   F1   F1   F1   F1
        cancelled  C1   C1   C1   C1 P2   P1 F2   F1 C1 C1   C1    C1   C1   C1   C1   C1
        denied     miss open conf S1 P2   P1 conf F1 C1 open gone  gone miss miss gone gone
        failing    new  open conf S1 P2   P1 conf F1 C1 open miss  new  new  open new  new
        refused    new  open conf S1 P2   P1 F3   F1 C1 open no2   new  new  open no4  no4
        no_graph   new  open conf S1 P2   P1 F3   F1 C1 open gone2 new  new  open no4  none
    """,
    "database": """
        -          new  open S1 S1 P1 P1 conf F1 C1 open miss  new  new  open new  new
        open       open open S1 S1 P1 P1 conf F1 C1 open open  open open open open open
        success    S1   S1   S1 S1 P1 P1 F2   F1 C1 S1   S1    S1   S1   S1   S1   S1
        files      S1   S1   S1 S1 P1 P1 F2   F1 C1 S1   S1    S1   S1   S1   S1   S1
        partial    P1   P1   P1 P1 P1 P1 F2   F1 P1 P1   P1    P1   P1   P1   P1   P1
        bad_files  P1   P1   P1 P1 P1 P1 F2   F1 P1 P1   P1    P1   P1   P1   P1   P1
        failed     F2   F2   F2 F2 F2 F2 F2   F1 F2 F2   F2    F2   F2   F2   F2   F2
        reason     F1   F1   F1 F1 F1 F1 F1   F1 F1 F1   F1    F1   F1   F1   F1   F1
        cancelled  C1   C1   C1 C1 P1 P1 F2   F1 C1 C1   C1    C1   C1   C1   C1   C1
        denied     miss open S1 S1 P1 P1 conf F1 C1 open gone  gone miss miss gone gone
        failing    new  open S1 S1 P1 P1 conf F1 C1 open miss  new  new  open new  new
        refused    new  open S1 S1 P1 P1 F3   F1 C1 open no2   new  new  open no4  no4
        no_graph   new  open S1 S1 P1 P1 F3   F1 C1 open gone2 new  new  open no4  none
    """,
}
"""What the design says, cell by cell: the codes in their order are those of `HEAD`."""


def rows() -> list[tuple[str, str, list[str]]]:
    """Return plane, row and codes of every row."""
    return [
        (plane, head.replace("_", " "), codes)
        for plane, table in EXPECTED.items()
        for head, *codes in (line.split() for line in table.strip().splitlines())
    ]


def cells() -> list[object]:
    """Return every cell: plane, row, column, code."""
    return [
        pytest.param(plane, row, column.replace("_", " "), code, id=f"{plane}: query {row}, list {column}")
        for plane, row, codes in rows()
        for column, code in zip(HEAD.split(), codes, strict=True)
    ]


@pytest.mark.parametrize(("plane", "row", "column", "code"), cells())
def test_cell(plane: str, row: str, column: str, code: str) -> None:
    """What a query said last and what the list said last make this verdict, by this line."""
    assert words(cell(row, column, PLANES[plane])) == CODES[code]


def test_every_row_and_column_is_expected() -> None:
    """So that whoever adds a word to the matrix writes down what is to come of it."""
    assert [column.replace("_", " ") for column in HEAD.split()] == list(BY_LIST)
    for plane in PLANES:
        assert [row for of_plane, row, _ in rows() if of_plane == plane] == list(BY_QUERY)


def test_patience_ends_by_time_alone() -> None:
    """After a grace in which nobody said more, an end that no query can confirm is taken as it is."""
    assert words(cell("refused", "success", PLANES["management"], after=60.0)) == "SUCCESS? 1.4"
    assert words(cell("failing", "success", PLANES["management"], after=900.0)) == "EndUnconfirmed 1.6"


def test_matrix_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the planes that were asked for, with a legend of the lines that occur."""
    assert main(["--plane", "memory", "--after", "60"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("memory, 60 s after")
    assert "management" not in text
    assert all(row[0] in text for row in matrix(PLANES["memory"]))
    assert " 1.3  a bad end was reported" in text
