"""Rule 19: what is shown is printable, on one line and bounded, whatever the service said."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import (
    EndUnconfirmed,
    ImportFailed,
    ImportFile,
    ImportPartiallyFailed,
    Job,
    JobCancelled,
    JobFailed,
    JobRef,
    JobsFailed,
    JobStatus,
    JobVanished,
    SourceError,
    UnknownEnd,
    WaitTimeout,
)
from gespoll._text import SENTENCE, printable

REF = JobRef("j", "g")
EVIL = "\x1b[2J\x1b]0;owned\x07\r\n[2026-11-25, 10:00:00] INFO - SUCCESS\u202e\u2066\x9b31m\x85\x00\u2028\ud83d\ufeff"
LONG = "x" * 1_000_000
Make = Callable[[Job], Exception]


def unlucky(text: str) -> Job:
    """Make a job of which every word is a stranger's."""
    files = tuple(ImportFile(kind="edgeset", path=text, status=text, log=text, cause=text) for _ in range(9))
    return Job(ref=REF, status=JobStatus.FAILED, reported_status=text, name=text, fail_reason=text, files=files)


ERRORS: list[Make] = [
    *(partial(kind, REF) for kind in (JobFailed, ImportFailed, ImportPartiallyFailed, JobCancelled, UnknownEnd)),
    partial(JobVanished, REF),
    lambda job: JobsFailed([JobFailed(REF, job)]),
    lambda job: SourceError(job.fail_reason or "", code=job.name, request_id=job.name),
    lambda job: EndUnconfirmed(job.reported_status, job=job),
    lambda job: WaitTimeout(1, {REF: None}, last_failure=SourceError(job.fail_reason or "")),
]


@pytest.mark.parametrize("text", [EVIL, LONG])
@pytest.mark.parametrize("make", ERRORS)
def test_rule_19_the_text_of_an_error_is_one_bounded_line(make: Make, text: str) -> None:
    """So is what a logger writes of it; the fields of its job keep the words."""
    error, out, log = make(unlucky(text)), io.StringIO(), logging.Logger("of the application")
    log.addHandler(logging.StreamHandler(out))
    log.error("%s", error)
    assert out.getvalue() == f"{error}\n"
    assert str(error).isprintable()
    assert len(str(error)) <= SENTENCE


@pytest.mark.parametrize("text", [EVIL, LONG])
def test_rule_19_the_text_of_a_file_is_one_bounded_line(text: str) -> None:
    """Its fields keep the words."""
    file = unlucky(text).bad_files[0]
    assert str(file).isprintable()
    assert len(str(file)) <= SENTENCE
    assert (file.path, file.status, file.log, file.cause) == (text,) * 4


def test_rule_19_a_long_reason_does_not_hide_the_files() -> None:
    """Each part of an error's text is bounded by itself."""
    job = Job(
        ref=REF,
        status=JobStatus.FAILED,
        reported_status="failed",
        fail_reason=LONG,
        files=(ImportFile(kind="edgeset", path="obs/edges.csv", status="failed"),),
    )
    assert str(ImportFailed(REF, job)).endswith("xxx…: edgeset obs/edges.csv: failed")


@given(st.text(), st.integers(1, 50))
def test_rule_19_any_text_can_be_shown(text: str, at_most: int) -> None:
    """What is printable and short enough stays as it is."""
    shown = printable(text, at_most)
    assert shown.isprintable()
    assert len(shown) <= at_most
    assert shown == text or not text.isprintable() or len(text) > at_most


def test_rule_19_what_cannot_be_printed_becomes_a_blank() -> None:
    """So that words stay apart, and a place in the text stays where it was."""
    assert printable("a\r\nb\x1b[2J\u202ec\ud83d") == "a  b [2J c "
    assert printable("abcdef", 4) == "abc…"
