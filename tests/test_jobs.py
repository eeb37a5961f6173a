"""The nouns: what they accept, and what a server's words mean."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import ImportFile, ImportPartiallyFailed, Job, JobFailed, JobRef, JobStatus, StateChange, WaitTimeout
from gespoll._errors import error_of
from gespoll._jobs import effective_status, extended_words, status_of_word

REF = JobRef("j", "g")
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def file(status: str | None = None, **counts: int | None) -> ImportFile:
    """Make a file of an import."""
    return ImportFile(kind="edgeset", path="e.csv", status=status, **counts)  # type: ignore[arg-type]


LOADED = file("success", failed_lines=0)
PARTIAL = file("partFailed")
FAILED = file("failed")


def change(**fields: Any) -> StateChange:
    """Make the final change of a job."""
    defaults: dict[str, Any] = {"previous": None, "status": JobStatus.SUCCESS, "job": None, "is_final": True}
    return StateChange(ref=REF, observed_at=1.0, observed_time=NOON, id="c1", **(defaults | fields))


def job(status: JobStatus = JobStatus.SUCCESS, **fields: Any) -> Job:
    """Make a reading."""
    return Job(ref=REF, status=status, reported_status=status.value, **fields)


@pytest.mark.parametrize(
    ("word", "files", "status"),
    [
        pytest.param("success", None, JobStatus.SUCCESS, id="success, files untold"),
        pytest.param("success", (), JobStatus.SUCCESS, id="success, no files"),
        pytest.param("success", [LOADED, file("SUCCESS")], JobStatus.SUCCESS, id="success, every file success"),
        pytest.param("success", [file(failed_lines=0)], JobStatus.SUCCESS, id="success, no word but no failed lines"),
        pytest.param(
            "success", [file(total_lines=3, successful_lines=3)], JobStatus.SUCCESS, id="success, no word but all lines"
        ),
        pytest.param("success", [file()], JobStatus.SUCCESS, id="success, a file of which nothing is told"),
        pytest.param("success", [LOADED, PARTIAL], JobStatus.PARTIALLY_FAILED, id="success, a file partFailed"),
        pytest.param("success", [PARTIAL], JobStatus.PARTIALLY_FAILED, id="success, the only file partFailed"),
        pytest.param("success", [LOADED, FAILED], JobStatus.PARTIALLY_FAILED, id="success, a file failed"),
        pytest.param("success", [PARTIAL, FAILED], JobStatus.PARTIALLY_FAILED, id="success, files partial and failed"),
        pytest.param("success", [LOADED, file("odd")], JobStatus.PARTIALLY_FAILED, id="success, an unknown file word"),
        pytest.param(
            "success", [file("success", failed_lines=1)], JobStatus.PARTIALLY_FAILED, id="success, failed lines"
        ),
        pytest.param(
            "success", [file(failed_lines=1)], JobStatus.PARTIALLY_FAILED, id="success, no word, failed lines"
        ),
        pytest.param("success", [FAILED, file("Failed")], JobStatus.FAILED, id="success, all files failed"),
        pytest.param("complete", None, JobStatus.SUCCESS, id="complete"),
        pytest.param("complete", [PARTIAL], JobStatus.PARTIALLY_FAILED, id="complete, a file partFailed"),
        pytest.param("partiallyFailed", None, JobStatus.PARTIALLY_FAILED, id="partiallyFailed"),
        pytest.param("partiallyFailed", [LOADED], JobStatus.PARTIALLY_FAILED, id="partiallyFailed, files success"),
        pytest.param("partFailed", None, JobStatus.PARTIALLY_FAILED, id="partFailed"),
        pytest.param("failed", None, JobStatus.FAILED, id="failed"),
        pytest.param("failed", [LOADED], JobStatus.FAILED, id="failed, files success"),
        pytest.param("Failed", None, JobStatus.FAILED, id="Failed"),
        pytest.param("cancelled", None, JobStatus.CANCELLED, id="cancelled"),
        pytest.param("canceled", None, JobStatus.CANCELLED, id="canceled"),
        pytest.param("CANCELLED", None, JobStatus.CANCELLED, id="CANCELLED"),
        pytest.param("waiting", None, JobStatus.PENDING, id="waiting"),
        pytest.param("pending", None, JobStatus.PENDING, id="pending"),
        pytest.param("running", None, JobStatus.RUNNING, id="running"),
        pytest.param("running", [FAILED], JobStatus.RUNNING, id="running, a file already failed"),
        pytest.param("suspended", None, JobStatus.UNKNOWN, id="a word no document names"),
        pytest.param("suspended", [FAILED], JobStatus.UNKNOWN, id="such a word, files failed"),
    ],
)
def test_effective_status(word: str, files: list[ImportFile] | None, status: JobStatus) -> None:
    """The job's word holds, unless it says success and its files say less."""
    assert effective_status(word, files) is status


DOCUMENTED = {
    JobStatus.PENDING: ["pending", "waiting"],
    JobStatus.RUNNING: ["running"],
    JobStatus.SUCCESS: ["success", "complete"],
    JobStatus.PARTIALLY_FAILED: ["partiallyFailed", "partFailed"],
    JobStatus.FAILED: ["failed"],
    JobStatus.CANCELLED: ["cancelled", "canceled", "stopped", "terminated", "killed"],
}
MEANINGS = [(word, status) for status, words in DOCUMENTED.items() for word in words]


@given(st.sampled_from(MEANINGS), st.data())
def test_spelling_of_a_word_makes_no_difference(known: tuple[str, JobStatus], data: st.DataObject) -> None:
    """Case, blanks around it, `_` and `-` are ignored."""
    word, status = known
    spelled = "".join(
        data.draw(st.sampled_from(["", "_", "-"])) + data.draw(st.sampled_from([letter.upper(), letter.lower()]))
        for letter in word
    )
    assert status_of_word(f" {spelled}\t") is status


@given(st.text())
def test_any_other_word_is_unknown(word: str) -> None:
    """Nothing is guessed."""
    spelled = word.strip().lower().replace("_", "").replace("-", "")
    assert (status_of_word(word) is JobStatus.UNKNOWN) is (spelled not in {known.lower() for known, _ in MEANINGS})


class TestExtendedWords:
    """A user's own words, `status_words=`."""

    def test_own_words_stand_beside_those_of_the_documents(self) -> None:
        """A status, or its value; in any spelling, on both sides."""
        words = extended_words({" Half-Loaded": JobStatus.PARTIALLY_FAILED, "halted": "cancelled"})
        assert status_of_word("HALFLOADED", words) is JobStatus.PARTIALLY_FAILED
        assert status_of_word("halted", words) is JobStatus.CANCELLED
        assert status_of_word("running", words) is JobStatus.RUNNING
        assert status_of_word("halted") is JobStatus.UNKNOWN

    def test_own_success_is_corrected_by_the_files_too(self) -> None:
        """Rule 3 holds for every word."""
        assert effective_status("done", [PARTIAL], extended_words({"done": "success"})) is JobStatus.PARTIALLY_FAILED

    def test_no_words_of_ones_own(self) -> None:
        """None and an empty mapping add nothing."""
        assert extended_words(None) == extended_words({})

    @pytest.mark.parametrize(
        ("words", "kind", "text"),
        [
            ("halted", TypeError, 'must be a mapping such as {"halted": "cancelled"}, not str'),
            ({7: "cancelled"}, TypeError, "the word 7 must be a str, not int"),
            ({" _": "cancelled"}, ValueError, "the word ' _' is blank"),
            ({"halted": None}, TypeError, "'halted' must mean a JobStatus or its value, not NoneType"),
            ({"halted": "gone"}, ValueError, "'halted' cannot mean 'gone'; it can mean pending, running, success"),
            ({"hal-ted": "failed", "halted": "cancelled"}, ValueError, "'halted' two meanings: failed and cancelled"),
        ],
    )
    def test_what_cannot_be_words(self, words: Any, kind: type[Exception], text: str) -> None:
        """The error says what to give."""
        with pytest.raises(kind, match=re.escape(text)):
            extended_words(words)


@pytest.mark.parametrize("status", JobStatus)
def test_terminal_statuses_are_those_that_never_change(status: JobStatus) -> None:
    """Only pending, running and unknown jobs go on."""
    assert status.is_terminal is (status.name not in {"PENDING", "RUNNING", "UNKNOWN"})


def test_statuses_are_ordered_pending_running_terminal() -> None:
    """Unknown stands level with running, and all terminal statuses level with each other."""
    ranks = [JobStatus.PENDING.rank, JobStatus.RUNNING.rank, JobStatus.SUCCESS.rank]
    assert all(low < high for low, high in pairwise(ranks))
    assert JobStatus.UNKNOWN.rank == JobStatus.RUNNING.rank
    assert {status.rank for status in JobStatus if status.is_terminal} == {JobStatus.SUCCESS.rank}


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (file("success"), "loaded"),
        (file(" Success "), "loaded"),
        (file("success", failed_lines=0), "loaded"),
        (file("success", failed_lines=2), "partial"),
        (file("complete"), "loaded"),
        (file("success", total_lines=100, successful_lines=60), "partial"),
        (file("success", failed_lines=0, total_lines=100, successful_lines=60), "partial"),
        (file("success", total_lines=5, successful_lines=6), "loaded"),
        (file("success", has_unreadable_count=True), "partial"),
        (file(failed_lines=0, has_unreadable_count=True), "partial"),
        (file("FAILED", has_unreadable_count=True), "failed"),
        (file("part_failed"), "partial"),
        (file("running"), "partial"),
        (file("partFailed"), "partial"),
        (file("partiallyFailed"), "partial"),
        (file("mostly"), "partial"),
        (file("failed"), "failed"),
        (file("Failed"), "failed"),
        (file("failed", failed_lines=0), "failed"),
        (file(), "untold"),
        (file(failed_lines=0), "loaded"),
        (file(failed_lines=2), "partial"),
        (file(total_lines=5, successful_lines=5), "loaded"),
        (file(total_lines=5, successful_lines=4), "partial"),
        (file(total_lines=5), "untold"),
    ],
)
def test_outcome_of_a_file(found: ImportFile, outcome: str) -> None:
    """Its word and its counts decide together, the worse of them winning."""
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (file("success"), "edgeset e.csv: success"),
        (ImportFile(kind="schema"), "schema (no path): no status"),
        (file("partFailed", failed_lines=2), "edgeset e.csv: partFailed, 2 lines failed"),
        (file("success", total_lines=9, successful_lines=5), "edgeset e.csv: success, 4 of 9 lines missing"),
        (file(has_unreadable_count=True), "edgeset e.csv: no status, its line counts cannot be read"),
        (file("partFailed", failed_lines=2, total_lines=9), "edgeset e.csv: partFailed, 2 of 9 lines failed"),
        (
            ImportFile(kind="vertexset", path="v.csv", status="failed", cause="bad row", log="obs/log"),
            "vertexset v.csv: failed, cause bad row, log obs/log",
        ),
    ],
)
def test_text_of_a_file(found: ImportFile, text: str) -> None:
    """It says what is known and nothing else."""
    assert str(found) == text


def test_bad_files_are_those_not_wholly_loaded() -> None:
    """Files of which nothing is told are not accused."""
    assert job(files=(LOADED, PARTIAL, file(), FAILED)).bad_files == (PARTIAL, FAILED)
    assert job().bad_files == ()


def test_a_status_is_its_text() -> None:
    """In JSON, in a template and in a comparison, without `.value`."""
    statuses = list(JobStatus)
    assert [f"{status}" for status in statuses] == [status.value for status in statuses]
    assert json.loads(json.dumps(statuses)) == statuses
    assert JobStatus("partially_failed") == "partially_failed"


def test_lines_of_all_files_are_summed_as_far_as_they_are_told() -> None:
    """Nothing told is `None`, which is not 0."""
    files = (file(total_lines=5, failed_lines=2), file(total_lines=4), file("success"))
    assert (job(files=files).total_lines, job(files=files).failed_lines) == (9, 2)
    assert (job(files=(file(),)).total_lines, job(files=None).failed_lines) == (None, None)
    assert job(files=(file(failed_lines=0),)).failed_lines == 0


class TestJobRef:
    """Ids are opaque text, but text."""

    @pytest.mark.parametrize("job_id", [None, 7, b"j", ["j"]])
    def test_id_must_be_text(self, job_id: Any) -> None:
        """The error names the type that was given."""
        with pytest.raises(TypeError) as caught:
            JobRef(job_id)
        kind = type(job_id).__name__
        assert str(caught.value) == f"job_id must be a str, not {kind}: pass the id as the API gave it"

    def test_graph_must_be_text(self) -> None:
        """The error names the field."""
        with pytest.raises(TypeError) as caught:
            JobRef("j", 7)  # type: ignore[arg-type]
        assert str(caught.value) == "graph must be a str, not int: pass the id as the API gave it"

    @pytest.mark.parametrize("job_id", ["", " ", "\t", "j\n", "\x00", "a\u200bb"])
    def test_id_must_be_printable(self, job_id: str) -> None:
        """Blank ids and control characters are refused, with the id as it was given."""
        with pytest.raises(ValueError, match="is not an id") as caught:
            JobRef(job_id)
        assert str(caught.value) == f"job_id {job_id!r} is not an id: pass the text the API answered, unchanged"

    def test_graph_must_not_be_blank(self) -> None:
        """An empty graph is a mistake, not the absence of one."""
        with pytest.raises(ValueError, match="graph '' is not an id"):
            JobRef("j", "")

    @pytest.mark.parametrize("job_id", ["ff80" * 8, "a" * 45, "图 作业 1", "...", "j?x=1", "%2F"])
    def test_any_printable_text_is_an_id(self, job_id: str) -> None:
        """No length and no alphabet is asked for."""
        assert JobRef(job_id).job_id == job_id

    def test_text_names_the_graph_where_there_is_one(self) -> None:
        """It is graph/job, or the job alone."""
        assert (str(REF), str(JobRef("j"))) == ("g/j", "j")

    @pytest.mark.parametrize("name", ["job_id", "graph"])
    @pytest.mark.parametrize("text", [".", "..", "a/b", "/", "../j", "a\\b", "\\"])
    def test_a_path_is_no_id(self, name: str, text: str) -> None:
        """A server in between would make another request of it."""
        with pytest.raises(ValueError, match="is a path") as caught:
            JobRef(**{"job_id": "j"} | {name: text})
        advice = "pass the id alone, or 'graph/job' to JobRef.parse"
        assert str(caught.value) == f"{name} {text!r} is a path, not an id: {advice}"

    def test_equal_refs_are_one_in_a_set(self) -> None:
        """By job id and graph; the key is no part of it."""
        refs = [JobRef("j", "g"), JobRef("j", "g", "film 1"), JobRef("j", "g", "film 2"), JobRef("j"), JobRef("i", "g")]
        assert len(set(refs)) == 3
        assert (refs[0] == refs[1], refs[0] == refs[3], refs[0] == "g/j") == (True, False, False)

    def test_a_key_is_kept(self) -> None:
        """It is any text of the caller's, and told only by repr."""
        ref = JobRef("j", "g", key="films/1")
        assert (ref.key, str(ref), repr(ref)) == ("films/1", "g/j", "JobRef(job_id='j', graph='g', key='films/1')")
        assert repr(JobRef("j")) == "JobRef(job_id='j', graph=None)"

    def test_a_key_must_be_text(self) -> None:
        """The error names the type that was given."""
        with pytest.raises(TypeError) as caught:
            JobRef("j", key=7)  # type: ignore[arg-type]
        assert str(caught.value) == "key must be a str, not int: pass your own name for the work"

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda ref: pickle.loads(pickle.dumps(ref))])
    def test_a_copy_is_the_same(self, copied: Callable[[JobRef], JobRef]) -> None:
        """With its key."""
        again = copied(JobRef("j", "g", "k"))
        assert (again, again.key) == (JobRef("j", "g"), "k")

    def test_the_collector_need_not_walk_refs(self) -> None:
        """A hundred thousand of them make no collection longer."""
        assert not gc.is_tracked(JobRef("j", "g", "k"))

    @pytest.mark.parametrize(
        ("text", "ref"),
        [("movies/j-1", JobRef("j-1", "movies")), ("j-1", JobRef("j-1")), (" a b ", JobRef(" a b "))],
    )
    def test_a_text_is_parsed(self, text: str, ref: JobRef) -> None:
        """What `str` gives is read back."""
        assert JobRef.parse(text) == ref
        assert str(ref) == text

    @pytest.mark.parametrize("text", ["", "/", "movies/", "/j", "movies/a/b", "movies/.."])
    def test_a_text_that_names_no_job_is_refused(self, text: str) -> None:
        """Neither part may be missing or be a path."""
        with pytest.raises(ValueError, match="an id"):
            JobRef.parse(text)

    def test_only_text_is_parsed(self) -> None:
        """The error names the type that was given."""
        with pytest.raises(TypeError) as caught:
            JobRef.parse(b"g/j")  # type: ignore[arg-type]
        assert str(caught.value) == "text must be a str, not bytes: pass 'graph/job', or a job id"


class TestLag:
    """By the server's clock alone."""

    def test_lag_is_the_servers_date_less_its_end_time(self) -> None:
        """Time zones do not matter."""
        as_of = (NOON + timedelta(seconds=3)).astimezone(timezone(timedelta(hours=8)))
        seen = job(end_time=NOON, as_of=as_of)
        assert seen.lag == timedelta(seconds=3)
        assert change(job=seen).lag == 3.0

    def test_lag_is_never_negative(self) -> None:
        """An end told in whole seconds may lie ahead of the Date."""
        assert change(job=job(end_time=NOON, as_of=NOON - timedelta(seconds=1))).lag == 0.0

    @pytest.mark.parametrize("times", [{}, {"end_time": NOON}, {"as_of": NOON}])
    def test_lag_is_none_where_a_time_is_untold(self, times: dict[str, Any]) -> None:
        """Nothing is guessed."""
        assert job(**times).lag is None
        assert change(job=job(**times)).lag is None

    def test_only_a_final_change_of_a_seen_job_has_a_lag(self) -> None:
        """A job that goes on, or was never seen, has none."""
        assert change(job=job(end_time=NOON, as_of=NOON), is_final=False).lag is None
        assert change(job=None).lag is None


class TestRaiseForStatus:
    """A change raises what its end deserves."""

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(JobStatus.FAILED, JobFailed), (JobStatus.PARTIALLY_FAILED, ImportPartiallyFailed)],
    )
    def test_bad_end_raises_its_error(self, status: JobStatus, kind: type[Exception]) -> None:
        """The very error of the change is raised."""
        error = error_of(job(status))
        assert type(error) is kind
        with pytest.raises(kind) as caught:
            change(status=status, job=job(status), error=error).raise_for_status()
        assert caught.value is error

    def test_deadline_raises_wait_timeout(self) -> None:
        """So does a job that was still open."""
        with pytest.raises(WaitTimeout):
            change(error=WaitTimeout(5, {REF: None})).raise_for_status()

    @pytest.mark.parametrize("ending", [change(), change(status=JobStatus.RUNNING, is_final=False)])
    def test_success_and_open_jobs_raise_nothing(self, ending: StateChange) -> None:
        """There is nothing to raise."""
        ending.raise_for_status()
