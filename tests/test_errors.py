"""Every error: its sentence, its place in the tree, and that it survives a pickle."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

from gespoll import (
    AuthenticationError,
    EndUnconfirmed,
    GespollError,
    ImportFailed,
    ImportFile,
    ImportPartiallyFailed,
    Job,
    JobCancelled,
    JobError,
    JobFailed,
    JobNotFound,
    JobRef,
    JobsFailed,
    JobStatus,
    JobVanished,
    ListIncomplete,
    PendingTimeout,
    PermissionDenied,
    ProtocolError,
    RequestRejected,
    ServiceUnavailable,
    SourceError,
    Throttled,
    TransportError,
    UnknownEnd,
    WaitTimeout,
    _errors,
)
from gespoll._errors import error_of

REF = JobRef("j", "g")
SOURCE_ERRORS: list[type[SourceError]] = [
    SourceError,
    TransportError,
    AuthenticationError,
    PermissionDenied,
    Throttled,
    ServiceUnavailable,
    RequestRejected,
    ProtocolError,
    ListIncomplete,
    EndUnconfirmed,
]


def refs(number: int) -> list[JobRef]:
    """Name some jobs."""
    return [JobRef(f"j{index}") for index in range(1, number + 1)]


def job(status: JobStatus = JobStatus.FAILED, **fields: Any) -> Job:
    """Make a reading."""
    return Job(ref=REF, status=status, reported_status=status.value, **fields)


def bad_files(number: int) -> tuple[ImportFile, ...]:
    """Make files that were only partly loaded."""
    return tuple(ImportFile(kind="edgeset", path=f"{index}.csv", status="partFailed") for index in range(1, number + 1))


SENTENCES: list[tuple[GespollError, str]] = [
    (JobFailed(REF, job()), "job g/j failed: the server gave no reason"),
    (JobFailed(REF, job(name="StopGraph", fail_reason="disk full")), "StopGraph job g/j failed: disk full"),
    (ImportFailed(REF, job()), "job g/j failed: the server names no file and no reason"),
    (
        ImportFailed(REF, job(name="ImportGraph", fail_reason="bad", files=bad_files(1))),
        "ImportGraph job g/j failed: bad: edgeset 1.csv: partFailed",
    ),
    (
        ImportPartiallyFailed(REF, job(files=bad_files(2))),
        "job g/j was only partly loaded: edgeset 1.csv: partFailed; edgeset 2.csv: partFailed",
    ),
    (
        ImportPartiallyFailed(REF, job(files=bad_files(6))),
        "job g/j was only partly loaded: "
        + "; ".join(f"edgeset {index}.csv: partFailed" for index in range(1, 6))
        + "; and 1 more file",
    ),
    (
        ImportPartiallyFailed(REF, job(files=bad_files(7))),
        "job g/j was only partly loaded: "
        + "; ".join(f"edgeset {index}.csv: partFailed" for index in range(1, 6))
        + "; and 2 more files",
    ),
    (JobCancelled(REF), "job g/j was cancelled at the server"),
    (JobCancelled(REF, job(name="RunAlgorithm")), "RunAlgorithm job g/j was cancelled at the server"),
    (
        JobNotFound(REF, waited=60.4),
        (
            "job g/j was not found: the server has answered for 60 s that it does not exist; "
            "check the job id, the graph and the project"
        ),
    ),
    (
        JobNotFound(JobRef("j"), waited=61, graph_missing=True),
        (
            "job j was not found: the server has answered for 61 s that its graph does not exist; "
            "check the job id, the graph and the project"
        ),
    ),
    (
        JobVanished(REF, waited=61),
        (
            "job g/j has vanished: the server has answered for 61 s that it does not exist; "
            "look at the graph itself to learn how it ended"
        ),
    ),
    (
        JobVanished(REF, job(JobStatus.RUNNING, name="ImportGraph"), waited=61),
        (
            "ImportGraph job g/j has vanished, last seen running: the server has answered for 61 s that it does not "
            "exist; look at the graph itself to learn how it ended"
        ),
    ),
    (
        WaitTimeout(3600, {REF: JobStatus.RUNNING}),
        "1 job still open after 3600 s: g/j (running); what was seen goes on at the server, wait again to follow it",
    ),
    (
        WaitTimeout(0.5, {REF: JobStatus.PENDING, JobRef("k"): None}),
        (
            "2 jobs still open after 0.5 s: g/j (pending), k (never seen); "
            "what was seen goes on at the server, wait again to follow it"
        ),
    ),
    (
        WaitTimeout(9, dict.fromkeys(refs(7), JobStatus.RUNNING)),
        (
            "7 jobs still open after 9 s: j1 (running), j2 (running), j3 (running), j4 (running), j5 (running) "
            "and 2 more; what was seen goes on at the server, wait again to follow it"
        ),
    ),
    (
        UnknownEnd(REF, Job(ref=REF, status=JobStatus.UNKNOWN, reported_status="halted", name="ImportGraph")),
        (
            "ImportGraph job g/j ended as 'halted', a status that no API document names; look at the graph itself to "
            "learn how it ended, and tell connect(status_words=...) what the word means"
        ),
    ),
    (
        PendingTimeout(600, {REF: JobStatus.PENDING}),
        (
            "job g/j is still pending after 600 s (pending_timeout); it may still start at the server, so cancel it "
            "there before you submit it again"
        ),
    ),
    (EndUnconfirmed("nobody knows", job=job(JobStatus.SUCCESS), pending=[REF]), "nobody knows; 1 job left open: g/j"),
    (
        JobsFailed([JobCancelled(REF)]),
        "1 of 1 job did not end well: g/j; the first error: job g/j was cancelled at the server",
    ),
    (
        JobsFailed([job(JobStatus.SUCCESS), *(JobCancelled(ref) for ref in refs(6))]),
        (
            "6 of 7 jobs did not end well: j1, j2, j3, j4, j5 and 1 more; "
            "the first error: job j1 was cancelled at the server"
        ),
    ),
    *((kind("looking at job j"), "looking at job j") for kind in SOURCE_ERRORS),
    (ServiceUnavailable("down", status=503), "down (HTTP 503)"),
    (
        Throttled("too many", status=429, code="APIG.0308", request_id="r1", retry_after=3, limit=5),
        "too many (HTTP 429, code APIG.0308, request r1)",
    ),
    (PermissionDenied("no", code="GES.7041", pending=refs(1)), "no (code GES.7041); 1 job left open: j1"),
    (
        TransportError("reset", pending=refs(8)),
        "reset; 8 jobs left open: j1, j2, j3, j4, j5 and 3 more",
    ),
]
ERRORS = [error for error, _ in SENTENCES]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_error_is_one_sentence(error: GespollError, sentence: str) -> None:
    """The text is built from the fields, and the repr from the text."""
    assert str(error) == sentence
    assert repr(error) == f"{type(error).__name__}({sentence!r})"


def test_every_public_error_has_its_sentence_tested() -> None:
    """Only the two that are never raised themselves are left out."""
    tested = {type(error) for error in ERRORS}
    assert descendants(GespollError) - tested == {JobError}


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", ERRORS)
def test_error_survives_a_copy(error: GespollError, again: Callable[[GespollError], GespollError]) -> None:
    """Type, fields, text and notes stay."""
    noted = copy.copy(error)
    noted.add_note("seen at noon")
    found = again(noted)
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert found.__notes__ == ["seen at noon"]
    assert told(found) == told(noted)


def told(error: BaseException) -> dict[str, Any]:
    """Return the fields of an error, with errors among them told by their fields."""
    return {
        name: [told(item) if isinstance(item, BaseException) else item for item in value]
        if name == "results"
        else value
        for name, value in vars(error).items()
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_survives_every_pickle_protocol(protocol: int) -> None:
    """Process pools may use any of them."""
    error = pickle.loads(pickle.dumps(WaitTimeout(5, {REF: JobStatus.RUNNING}), protocol))
    assert (error.timeout, error.pending) == (5, (REF,))


def test_a_copied_group_keeps_its_members() -> None:
    """The members are those among its results, each still one object."""
    found: JobsFailed = pickle.loads(pickle.dumps(JobsFailed([job(), JobCancelled(REF)])))
    assert found.exceptions == (found.results[1],)


def descendants(kind: type[GespollError]) -> set[type[GespollError]]:
    """Find all public classes of the library below a class."""
    below = {sub for sub in kind.__subclasses__() if sub.__module__ == _errors.__name__}
    return below.union(*(descendants(sub) for sub in below))


def drawn_tree() -> dict[str, str | None]:
    """Read the tree of the module docstring: each class and its parent."""
    drawing = (_errors.__doc__ or "").partition("GespollError")
    parents: dict[str, str | None] = {"GespollError": None}
    branch = [(0, "GespollError")]
    for stem, names in re.findall(r"^([│├└─ ]*)((?:[A-Z]\w+,? ?)+)", drawing[2].split("Rule:")[0], re.MULTILINE):
        while branch[-1][0] >= len(stem):
            branch.pop()
        siblings = re.findall(r"\w+", names)
        parents.update(dict.fromkeys(siblings, branch[-1][1]))
        branch.append((len(stem), siblings[0]))
    return parents


def test_tree_in_the_docstring_is_the_tree() -> None:
    """Every class stands below its own first base."""
    classes: set[type[GespollError]] = {GespollError, *descendants(GespollError)}
    assert drawn_tree() == {
        kind.__name__: None if kind is GespollError else kind.__bases__[0].__name__ for kind in classes
    }


class TestJobErrors:
    """What is known of the job is at hand."""

    def test_fields(self) -> None:
        """The ref and the last record stand beside the text."""
        failed = job(files=bad_files(1))
        error = ImportPartiallyFailed(REF, failed)
        assert (error.ref, error.job, error.failed_files) == (REF, failed, failed.files)

    def test_loaded_files_are_not_blamed(self) -> None:
        """Only files that were not wholly loaded are listed."""
        good = ImportFile(kind="schema", path="s.xml", status="success")
        assert ImportFailed(REF, job(files=(good, *bad_files(1)))).failed_files == bad_files(1)

    def test_timeout_is_a_timeout_error(self) -> None:
        """Whoever catches Python's own catches ours, too."""
        assert issubclass(WaitTimeout, TimeoutError)

    def test_pending_timeout_is_a_wait_timeout(self) -> None:
        """Its budget and its job stand in the same fields."""
        error = PendingTimeout(600, {REF: JobStatus.PENDING})
        assert isinstance(error, WaitTimeout)
        assert (error.timeout, error.pending) == (600, (REF,))

    def test_timeout_names_the_pending_in_order(self) -> None:
        """They are the refs it holds a last status of."""
        assert WaitTimeout(1, dict.fromkeys(refs(3))).pending == tuple(refs(3))

    @pytest.mark.parametrize(
        ("status", "is_import", "kind"),
        [
            (JobStatus.FAILED, True, ImportFailed),
            (JobStatus.FAILED, False, JobFailed),
            (JobStatus.FAILED, None, JobFailed),
            (JobStatus.PARTIALLY_FAILED, True, ImportPartiallyFailed),
            (JobStatus.PARTIALLY_FAILED, None, ImportPartiallyFailed),
            (JobStatus.CANCELLED, None, JobCancelled),
            (JobStatus.SUCCESS, True, type(None)),
            (JobStatus.RUNNING, True, type(None)),
            (JobStatus.PENDING, None, type(None)),
            (JobStatus.UNKNOWN, None, type(None)),
        ],
    )
    def test_end_of_a_job_has_its_error(self, status: JobStatus, is_import: bool | None, kind: type) -> None:
        """A success has none, and neither has a job that goes on."""
        assert type(error_of(job(status, is_import=is_import))) is kind


class TestJobsFailed:
    """A group that is also one error."""

    def group(self) -> JobsFailed:
        """Make a group with one success, three failures, and one failure twice."""
        failed = JobFailed(REF, job())
        return JobsFailed([failed, job(JobStatus.SUCCESS), JobCancelled(REF), failed, WaitTimeout(1, {REF: None})])

    def test_results_keep_their_order(self) -> None:
        """There is one entry a ref; the members are the distinct errors among them."""
        kinds = [type(result) for result in self.group().results]
        assert kinds == [JobFailed, Job, JobCancelled, JobFailed, WaitTimeout]
        assert [type(member) for member in self.group().exceptions] == [JobFailed, JobCancelled, WaitTimeout]

    def test_except_star_takes_a_part(self) -> None:
        """Each clause sees its own errors, with the results whole."""
        seen: list[tuple[int, int]] = []
        try:
            raise self.group()
        except* JobFailed as part:
            seen.append((len(part.exceptions), len(part.results)))  # type: ignore[attr-defined]
        except* (JobCancelled, TimeoutError) as part:
            seen.append((len(part.exceptions), len(part.results)))  # type: ignore[attr-defined]
        assert seen == [(1, 5), (2, 5)]

    def test_except_star_takes_it_by_the_root(self) -> None:
        """The group itself is a GespollError, so it is taken whole."""
        group = self.group()
        seen: list[BaseException] = []
        try:
            raise group
        except* GespollError as whole:
            seen.append(whole)
        assert seen == [group]

    @pytest.mark.parametrize("kind", [JobsFailed, GespollError, ExceptionGroup])
    def test_except_takes_it_by_name_and_by_root(self, kind: type[Exception]) -> None:
        """It is caught whole, as the same object."""
        group = self.group()
        with pytest.raises(kind) as caught:
            raise group
        assert caught.value is group

    def test_split_subgroup_and_derive_keep_the_results(self) -> None:
        """Every part is a JobsFailed of its own, with the notes of the whole."""
        group = self.group()
        group.add_note("seen at noon")
        match, rest = group.split(JobFailed)
        parts = [match, rest, group.subgroup(WaitTimeout)]
        assert [type(part) for part in parts] == [JobsFailed] * 3
        assert [len(part.exceptions) for part in parts if part] == [1, 2, 1]
        assert all(part.results == group.results for part in parts if isinstance(part, JobsFailed))
        assert all(part.__notes__ == ["seen at noon"] for part in parts if part)
        assert group.derive([JobCancelled(REF)]).results == group.results

    def test_no_part_is_none(self) -> None:
        """Nothing is made of nothing."""
        assert self.group().subgroup(ProtocolError) is None

    def test_without_errors_there_is_no_group(self) -> None:
        """All is well, so there is nothing to raise."""
        with pytest.raises(ValueError, match="empty"):
            JobsFailed([job(JobStatus.SUCCESS)])


class TestSourceError:
    """Fields as well as text."""

    def test_fields(self) -> None:
        """Everything that the reply told is at hand."""
        error = Throttled(
            "d", status=429, code="c", request_id="r", retry_after=3.0, pending=iter(refs(2)), limit=0.5, policy="api"
        )
        assert vars(error) == {
            "detail": "d",
            "status": 429,
            "code": "c",
            "request_id": "r",
            "retry_after": 3.0,
            "pending": tuple(refs(2)),
            "limit": 0.5,
            "policy": "api",
        }

    def test_unconfirmed_end_has_its_job(self) -> None:
        """What was reported is at hand, also in a copy that names pending jobs."""
        reported = job(JobStatus.SUCCESS)
        assert EndUnconfirmed("d", job=reported).with_pending(refs(1)).job is reported

    def test_pending_jobs_are_named_by_a_copy(self) -> None:
        """The original stays as it was."""
        error = Throttled("too many", limit=5)
        named = error.with_pending(refs(1))
        assert (type(named), named.limit, named.pending) == (Throttled, 5, tuple(refs(1)))
        assert error.pending == ()
