"""The verdict: one test a line of its questions, and what holds whatever was reported."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import (
    EndUnconfirmed,
    JobNotFound,
    JobStatus,
    JobVanished,
    ListIncomplete,
    PendingTimeout,
    PermissionDenied,
    ServiceUnavailable,
    SourceError,
    UnknownEnd,
)
from gespoll._scheduler._evidence import Channel, Evidence
from gespoll._scheduler._verdict import (
    DATABASE_EDITION,
    MANAGEMENT,
    MEMORY_EDITION,
    Line,
    ListState,
    Phase,
    Verdict,
    reported_end,
)
from tests.life import BAD, DOWN, JOBS, REF, REFUSED, TERMS, Life

SUCCESS, PARTIAL, FAILED = JobStatus.SUCCESS, JobStatus.PARTIALLY_FAILED, JobStatus.FAILED
DENIED = (0, 3, 5, 8, 10)
"""Five denials over a grace."""


def story(number: str, behaviour: str, expected: Any, life: Callable[[Life], Life], plane: Any = MANAGEMENT) -> Any:
    """Name a story after its line."""
    return pytest.param(number, expected, life, plane, id=f"{number} {behaviour}")


def failing(job: Life, times: int) -> Life:
    """Let some queries fail where ten are called for, the last of them when the outage timeout is over."""
    job.terms = attrs.evolve(job.terms, failures_at_least=10)
    for number in range(times):
        job.query("failing", at=100 * (number + 1) / times)
    return job


ENDED = [
    story("0", "a lost service ends what is open", ServiceUnavailable, lambda job: job.can(lost=DOWN)),
    story(
        "0",
        "a bad end stands though the service is lost",
        "PARTIALLY_FAILED?",
        lambda job: job.listed("partial", at=1).can(lost=DOWN),
    ),
    story(
        "0",
        "a success that nobody can confirm any longer",
        EndUnconfirmed,
        lambda job: job.listed("success", at=1).can(lost=DOWN),
    ),
    story("1.1", "files leave nothing to know", "SUCCESS", lambda job: job.query("success, files", at=1)),
    story("1.1", "another job than an import", "SUCCESS", lambda job: job.listed("success of no import", at=1)),
    story(
        "1.1", "bad files of a partial failure", "PARTIALLY_FAILED", lambda job: job.listed("partial, bad files", at=1)
    ),
    story("1.1", "a failure of the management plane", "FAILED", lambda job: job.listed("failed", at=1)),
    story("1.1", "a cancelled job", "CANCELLED", lambda job: job.listed("cancelled", at=1)),
    story(
        "1.1",
        "nobody tells files on the database edition",
        "SUCCESS",
        lambda job: job.listed("success", at=1),
        DATABASE_EDITION,
    ),
    story(
        "1.1",
        "both told a failure without reason",
        "FAILED",
        lambda job: job.listed("failed", at=1).query("failed", at=2),
        MEMORY_EDITION,
    ),
    story(
        "1.1",
        "bad files seen while it ran",
        "PARTIALLY_FAILED",
        lambda job: job.listed("running, bad files", at=1).query("success", at=2),
    ),
    story(
        "1.1",
        "the worse of two ends",
        "FAILED",
        lambda job: job.listed("success", at=1).query("failed", at=2),
    ),
    story("1.2", "a query told the bad end, too", "PARTIALLY_FAILED", lambda job: job.query("partial", at=1)),
    story(
        "1.2",
        "a success told by both",
        "SUCCESS",
        lambda job: job.listed("success", at=1).query("success", at=2),
    ),
    story(
        "1.2",
        "a success told twice by a query",
        "SUCCESS",
        lambda job: job.query("success", at=1).query("success", at=2),
    ),
    story(
        "1.2",
        "the list confirms on the memory edition",
        "SUCCESS",
        lambda job: job.query("success", at=1).listed("success", at=2),
        MEMORY_EDITION,
    ),
    story(
        "1.3",
        "the query was tried",
        "PARTIALLY_FAILED?",
        lambda job: job.listed("partial", at=1).query("failing", at=2),
    ),
    story(
        "1.3",
        "the list was tried, which fails",
        "PARTIALLY_FAILED?",
        lambda job: job.query("partial", at=1).can(list_failure=DOWN, list_failing_since=2.0, list_failed_at=2.0),
        MEMORY_EDITION,
    ),
    story(
        "1.3",
        "the query cannot be asked",
        "PARTIALLY_FAILED?",
        lambda job: job.only_list().listed("partial", at=1),
    ),
    story("1.3", "a grace is over", "PARTIALLY_FAILED?", lambda job: job.listed("partial", at=1).at(11)),
    story(
        "1.3",
        "the query has no reason either",
        "FAILED?",
        lambda job: job.listed("failed", at=1).query("denied", at=2),
        DATABASE_EDITION,
    ),
    story(
        "1.4",
        "two tellings of the list alone",
        "SUCCESS?",
        lambda job: job.only_list().listed("success", at=1).listed("success", at=2),
    ),
    story("1.4", "a grace with the list alone", "SUCCESS?", lambda job: job.only_list().listed("success", at=1).at(11)),
    story(
        "1.5",
        "queries deny it for a grace",
        "SUCCESS?",
        lambda job: job.listed("success", at=1).denied(2, 11),
    ),
    story(
        "1.5",
        "queries call it open for five graces",
        "SUCCESS?",
        lambda job: job.listed("success", at=1).query("running", at=51),
    ),
    story(
        "1.5",
        "what a stale list calls open counts for nothing",
        "SUCCESS?",
        lambda job: job.query("success", at=1).can(list_state=ListState.STALE).listed("running", at=11),
        MEMORY_EDITION,
    ),
    story(
        "1.6",
        "queries fail for the outage timeout",
        EndUnconfirmed,
        lambda job: job.listed("success", at=1).query("failing", at=2).at(101),
    ),
    story(
        "1.6",
        "an outage shorter than a grace",
        EndUnconfirmed,
        lambda job: attrs.evolve(job, terms=attrs.evolve(TERMS, outage=5.0)).only_list().listed("success", at=1).at(6),
    ),
    story("2.1", "denied, and there is no list", JobNotFound, lambda job: job.only_query().denied(*DENIED)),
    story("2.1", "denied, and a scan lacks it", JobNotFound, lambda job: job.lacked(5).denied(*DENIED)),
    story(
        "2.1", "denied, and no scan is complete", JobNotFound, lambda job: job.denied(*DENIED).incomplete(11, 12, 13)
    ),
    story(
        "2.1",
        "it was shown before",
        JobVanished,
        lambda job: job.only_query().query("running", at=0).denied(1, 3, 5, 8, 11),
    ),
    story(
        "2.1",
        "a stale list that goes on showing it",
        JobVanished,
        lambda job: (
            job.can(list_state=ListState.STALE)
            .denied(*DENIED)
            .listed("running", at=10)
            .incomplete(11, 12, 13)
            .listed("running", at=14)
        ),
    ),
    story(
        "2.1",
        "a list that fails for ever, without outage_timeout",
        JobNotFound,
        lambda job: (
            attrs.evolve(job, terms=attrs.evolve(TERMS, outage=None))
            .can(list_failing_since=0.0, list_failure=DOWN)
            .denied(*DENIED)
            .at(900)
        ),
    ),
    story("2.2", "two scans a grace apart", JobNotFound, lambda job: job.only_list().lacked(0, 10)),
    story(
        "2.2",
        "the query was refused",
        PermissionDenied,
        lambda job: job.can(query=False, query_refusal=REFUSED).lacked(0, 10),
    ),
    story(
        "2.3",
        "no scan is ever complete",
        ListIncomplete,
        lambda job: job.only_list().incomplete(1, 2, 3).at(100),
    ),
    story(
        "2.3",
        "the query was refused, and no scan is ever complete",
        PermissionDenied,
        lambda job: job.can(query=False, query_refusal=REFUSED).incomplete(1, 2, 3).at(100),
    ),
    story("2.4", "no graph, and no list", SourceError, lambda job: job.only_list().only_query()),
    story(
        "2.4",
        "the list was refused",
        PermissionDenied,
        lambda job: job.only_list().can(list_state=ListState.REFUSED, list_refusal=REFUSED),
    ),
    story(
        "2.4",
        "the list fails for the outage timeout",
        ServiceUnavailable,
        lambda job: job.only_list().can(list_failing_since=-50.0, list_failure=DOWN).at(100),
    ),
    story(
        "2.4",
        "its scans break off for the outage timeout",
        ServiceUnavailable,
        lambda job: job.only_list().listed("broken off", at=1).listed("broken off", at=90).at(101),
    ),
    story("3", "queries fail", ServiceUnavailable, lambda job: job.query("failing", at=1).at(100)),
    story(
        "3",
        "queries fail, and a stale list goes on showing it",
        ServiceUnavailable,
        lambda job: job.can(list_state=ListState.STALE).query("failing", at=1).listed("running", at=99).at(100),
    ),
    story(
        "3",
        "the list fails after it was shown",
        ServiceUnavailable,
        lambda job: job.only_list().listed("running", at=1).can(list_failing_since=2.0, list_failure=DOWN).at(101),
    ),
    story(
        "3",
        "its record cannot be read, and queries are refused",
        SourceError,
        lambda job: (
            job.query("failing", at=1).can(query=False, query_refusal=REFUSED).listed("sighting", at=99).at(100)
        ),
    ),
    story("3", "ten queries fail while others are answered", ServiceUnavailable, lambda job: failing(job, 10)),
    story("3", "all of its scope fails", ServiceUnavailable, lambda job: failing(job.can(scope_fails=True), 2)),
    story("3", "its record cannot be read", SourceError, lambda job: job.only_list().listed("sighting", at=99).at(100)),
    story("4.1", "an unknown word beside an end time", UnknownEnd, lambda job: job.query("halted", at=1).at(11)),
    story(
        "4.1",
        "whatever the other says",
        UnknownEnd,
        lambda job: job.query("halted", at=1).listed("running", at=11),
    ),
    story("4.2", "it never starts", PendingTimeout, lambda job: job.query("pending", at=1).at(40)),
]


@pytest.mark.parametrize(("number", "expected", "life", "plane"), ENDED)
def test_job_ends(number: str, expected: str | type[Exception], life: Callable[[Life], Life], plane: Any) -> None:
    """By this line, as this end ("?" for one that is not confirmed) or in this error."""
    verdict = life(Life(plane)).verdict()
    assert (verdict.phase, verdict.line.number) == (Phase.ENDED, number)
    if verdict.error is not None:
        assert type(verdict.error) is expected
    else:
        assert verdict.job is not None
        assert verdict.job.confirmed is not verdict.is_unconfirmed
        assert f"{verdict.job.status.name}{'?' if verdict.is_unconfirmed else ''}" == expected


WAITS = [
    story("1.7", "a partial failure without files", 11, lambda job: job.listed("partial", at=1)),
    story(
        "1.7",
        "a try at the same moment is none",
        11,
        lambda job: job.query("running", at=1).listed("partial", at=1),
    ),
    story("1.7", "a success told once by the list", 101, lambda job: job.listed("success", at=1)),
    story("1.7", "a success told once by a query", 101, lambda job: job.query("success", at=1)),
    story(
        "1.7",
        "twice, but not an interval apart",
        101,
        lambda job: job.query("success", at=1).query("success", at=1.5),
    ),
    story(
        "1.7",
        "queries call it open for less than five graces",
        101,
        lambda job: job.listed("success", at=1).query("running", at=50),
    ),
    story("1.7", "a grace with the list alone", 11, lambda job: job.only_list().listed("success", at=1)),
    story(
        "1.7",
        "a list that merely fails can be asked",
        101,
        lambda job: job.query("success", at=1).can(list_failing_since=-200.0, list_failure=DOWN),
        MEMORY_EDITION,
    ),
    story(
        "1.7",
        "the list calls it open again for less than a grace",
        30,
        lambda job: job.only_list().listed("success", at=12).listed("success", at=20).listed("running", at=21),
    ),
    story(
        "1.8",
        "the list calls it open again for a grace",
        None,
        lambda job: job.only_list().listed("success", at=12).listed("success", at=20).listed("running", at=21).at(30),
    ),
    story(
        "1.8",
        "both call it open again",
        None,
        lambda job: job.listed("success", at=1).listed("running", at=2).query("running", at=51),
    ),
    story("5.1", "nobody has said anything", None, lambda job: job),
    story("5.1", "queries fail for less than the outage timeout", 100, lambda job: job.query("failing", at=1)),
    story("5.1", "two scans are incomplete", None, lambda job: job.only_list().incomplete(1, 2).at(99)),
    story("5.2", "four denials over a grace", None, lambda job: job.only_query().denied(0, 3, 5, 10)),
    story("5.2", "five denials within a grace", None, lambda job: job.only_query().denied(0, 1, 2, 3, 9.5).at(11)),
    story("5.2", "the list cannot be read in full yet", None, lambda job: job.denied(*DENIED).incomplete(11, 12)),
    story(
        "5.2", "the complete scan began before the first denial", None, lambda job: job.lacked(0).denied(1, 3, 5, 8, 11)
    ),
    story("5.2", "the scan began before the first denial", None, lambda job: job.incomplete(0).denied(1, 3, 5, 8, 11)),
    story("5.2", "one complete scan without a query", None, lambda job: job.only_list().lacked(0).at(99)),
    story("5.2", "two complete scans within a grace", None, lambda job: job.only_list().lacked(0, 9)),
    story("5.3", "the list shows what queries deny", 40, lambda job: job.denied(*DENIED).listed("pending", at=11)),
    story(
        "5.3",
        "a query shows what scans lack",
        None,
        lambda job: job.lacked(0, 10).query("running", at=11),
    ),
    story(
        "5.3",
        "a query shows what the list cannot",
        102,
        lambda job: job.listed("sighting", at=1).query("running", at=2),
    ),
    story(
        "5.3",
        "an unknown word without an end time",
        None,
        lambda job: job.query("thawing", at=1).at(99),
    ),
    story(
        "5.3",
        "the end time beside an unknown word moves",
        20,
        lambda job: job.query("halted", at=1).query("halted later", at=10),
    ),
    story("5.1", "nine queries fail while others are answered", None, lambda job: failing(job, 9)),
    story("5.3", "it is still pending", 40, lambda job: job.query("pending", at=1)),
    story(
        "5.3", "the list calls it running", None, lambda job: job.query("pending", at=1).listed("running", at=2).at(99)
    ),
]


@pytest.mark.parametrize(("number", "next_time", "life", "plane"), WAITS)
def test_job_is_waited_for(number: str, next_time: float | None, life: Callable[[Life], Life], plane: Any) -> None:
    """By this line, which may change by time alone at this time and not before."""
    told = life(Life(plane))
    verdict = told.verdict()
    assert (verdict.phase is not Phase.ENDED, verdict.line.number) == (True, number)
    assert verdict.next_time == (float("inf") if next_time is None else next_time)


class TestConfirming:
    """Who is asked, and what is left of an end that is dropped."""

    def test_fuller_channel_is_asked(self) -> None:
        """A query on the management plane, the list on the memory edition."""
        assert Life().listed("success", at=1).verdict().fuller is Channel.QUERY
        assert Life(MEMORY_EDITION).query("success", at=1).verdict().fuller is Channel.LIST

    def test_who_reported_is_asked_where_the_fuller_cannot_be(self) -> None:
        """A second report is as good as a grace."""
        assert Life().only_list().listed("success", at=1).verdict().fuller is Channel.LIST

    def test_success_of_an_import_without_files_is_not_confirmed(self) -> None:
        """Even where both told it: nobody told its files."""
        verdict = Life().query("success of an import", at=1).listed("success", at=2).verdict()
        assert verdict.job is not None
        assert (verdict.is_unconfirmed, verdict.job.confirmed) == (False, False)

    def test_failure_that_was_met_is_named(self) -> None:
        """Why nothing could confirm the end is in the error."""
        verdict = Life().listed("success", at=1).query("failing", at=2).verdict(101)
        assert str(verdict.error) == (
            "job g/j was reported as 'success', but nothing could confirm it: down (HTTP 503); 1 job left open: g/j"
        )

    def test_a_dropped_end_leaves_bad_files_and_the_last_showing(self) -> None:
        """The job is open as if it had just been shown, not silent since it joined."""
        told = Life().listed("running, bad files", at=1).query("success, files", at=100)
        told.evidence.begin_anew()
        assert told.query("failing", at=150).verdict().line is Line.OPEN
        end = told.query("success", at=151).verdict().job
        assert end is not None
        assert (end.status, end.files) == (PARTIAL, (BAD,))


class TestDeadline:
    """Question 1 as if patience were over."""

    @pytest.mark.parametrize(
        ("life", "expected"),
        [
            (lambda job: job.query("running", at=1), None),
            (lambda job: job.listed("success", at=1), None),
            (lambda job: job.query("success", at=1), None),
            (lambda job: job.only_list().listed("success", at=1).listed("success", at=2), None),
            (lambda job: job.listed("success", at=1).can(lost=DOWN), None),
            (lambda job: job.query("success, files", at=1), "SUCCESS"),
            (lambda job: job.listed("success", at=1).query("success", at=2), "SUCCESS"),
            (lambda job: job.listed("partial", at=1), "PARTIALLY_FAILED?"),
            (lambda job: job.listed("partial", at=1).query("partial", at=2), "PARTIALLY_FAILED"),
            (lambda job: job.listed("running, bad files", at=1).listed("success", at=2), "PARTIALLY_FAILED"),
            (lambda job: job.denied(*DENIED), None),
        ],
    )
    def test_end_at_a_deadline(self, life: Callable[[Life], Life], expected: str | None) -> None:
        """Bad ends stand; a success that nothing confirmed is left to the timeout."""
        verdict = life(Life()).at_deadline()
        assert (None if verdict is None else of_end(verdict)) == expected


def of_end(verdict: Verdict) -> str | None:
    """Name an end."""
    return None if verdict.job is None else f"{verdict.job.status.name}{'?' if verdict.is_unconfirmed else ''}"


# What holds whatever was reported

SAID = sorted(JOBS)
REACHES = (
    {"query": True, "list_state": ListState.USABLE},
    {"query": True, "list_state": ListState.STALE},
    {"query": True, "list_state": ListState.ABSENT},
    {"query": False, "list_state": ListState.USABLE},
    {"query": False, "list_state": ListState.STALE},
    {"query": False, "list_state": ListState.REFUSED},
)
QUERY_SAYS = st.sampled_from([*SAID, "denied", "denied", "failing"])
LIST_SAYS = st.sampled_from([*SAID, "sighting", "lacked", "lacked", "incomplete", "incomplete", "broken off"])


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Draw what both channels said, when, and what can be asked."""
    life = Life(draw(st.sampled_from([MANAGEMENT, MEMORY_EDITION, DATABASE_EDITION])))
    now = 0.0
    for _ in range(draw(st.integers(0, 8))):
        now += draw(st.sampled_from([0.0, 0.5, 1.0, 5.0, 10.0, 35.0]))
        say(life, *draw(st.one_of(st.tuples(st.just("query"), QUERY_SAYS), st.tuples(st.just("list"), LIST_SAYS))), now)
    return life.can(**draw(st.sampled_from(REACHES))).at(now + draw(st.sampled_from([0.0, 0.5, 20.0])))


def say(life: Life, channel: str, said: str, now: float) -> None:
    """Let a channel say something."""
    if channel == "query":
        life.query(said, at=now)
    elif said == "lacked":
        life.lacked(now)
    elif said == "incomplete":
        life.incomplete(now)
    else:
        life.listed(said, at=now)


def plain(evidence: Evidence) -> dict[str, Any]:
    """Return all that evidence holds."""
    return attrs.asdict(evidence)


@given(lives())
def test_rule_4_the_worse_end_wins(life: Life) -> None:
    """Whatever else was reported, and whenever: no better end, and no worse one than bad files make it."""
    reported = [told.job.status for _, told in life.evidence.ends]
    verdict = life.verdict()
    if verdict.job is None:
        assert verdict.phase is not Phase.ENDED or set(reported) <= {SUCCESS}
        return
    order = [SUCCESS, JobStatus.CANCELLED, PARTIAL, FAILED]
    worst = max(reported, key=order.index)
    files = life.evidence.by_query.files or life.evidence.by_list.files
    assert verdict.job.status is (PARTIAL if files and worst is SUCCESS else worst)


@given(lives())
def test_rule_1_a_job_that_is_called_open_is_waited_for(life: Life) -> None:
    """A believed channel that has just shown it, and no end told by either: only a stuck word or a timeout ends it."""
    life.query("running", at=life.now).can(query=True)
    if not life.evidence.ends:
        assert life.verdict().line in {Line.OPEN, Line.UNKNOWN_END}


@given(lives(), QUERY_SAYS, LIST_SAYS)
def test_order_of_two_channels_does_not_matter(life: Life, by_query: str, by_list: str) -> None:
    """What they say at the same moment makes the same verdict, whichever comes first."""
    other = copy.deepcopy(life)
    say(life, "query", by_query, life.now)
    say(life, "list", by_list, life.now)
    say(other, "list", by_list, life.now)
    say(other, "query", by_query, life.now)
    first, second = life.verdict(), other.verdict()
    assert (first.phase, first.line, first.next_time) == (second.phase, second.line, second.next_time)
    assert (first.job, str(first.error)) == (second.job, str(second.error))


@given(lives())
def test_deciding_changes_nothing(life: Life) -> None:
    """The verdict is a pure function, also at a deadline."""
    before = plain(life.evidence)
    first = life.verdict()
    life.at_deadline()
    again = life.verdict()
    assert plain(life.evidence) == before
    assert (first.phase, first.line, first.job, str(first.error)) == (
        again.phase,
        again.line,
        again.job,
        str(again.error),
    )


@given(lives(), st.floats(0.0, 1.0, exclude_max=True))
def test_time_alone_changes_a_verdict_at_its_next_time_only(life: Life, share: float) -> None:
    """Nobody needs to decide again before, unless somebody says something."""
    verdict = life.verdict()
    if verdict.phase is Phase.ENDED:
        return
    assert verdict.next_time > life.now
    until = min(verdict.next_time, life.now + 1000)
    later = life.verdict(life.now + share * (until - life.now))
    assert (later.phase, later.line, later.fuller) == (verdict.phase, verdict.line, verdict.fuller)
    assert later.next_time == verdict.next_time


@given(lives())
def test_a_kill_makes_no_verdict_better(life: Life) -> None:
    """The ends and bad files that a snapshot keeps are the worst that were told; a resume makes nobody surer."""
    resumed = Evidence(life.now, 0.0, ever_shown=life.evidence.ever_shown, is_import=life.evidence.is_import)
    for channel, told in life.evidence.channels:
        resumed.restore(channel, told.end.job if told.end else None, told.files, life.now)
    assert bool(resumed.ends) is bool(life.evidence.ends)
    if life.evidence.ends:
        assert reported_end(resumed) == reported_end(life.evidence)
        assert all(told.count == 1 and told.first == life.now for _, told in resumed.ends)


def test_error_of_a_missing_job_has_its_last_record() -> None:
    """And for how long it was denied, and that its graph is gone."""
    told = Life().only_query().query("running", at=0)
    for at in (1, 3, 5, 8, 12):
        told.query("graph missing", at=at)
    error = told.verdict().error
    assert isinstance(error, JobVanished)
    assert (error.ref, error.job, error.waited, error.graph_missing) == (REF, JOBS["running"], 11, True)


@pytest.mark.parametrize(
    ("life", "text"),
    [
        (
            lambda job: job.only_list().incomplete(1, 2, 3).at(100),
            (
                "job g/j was neither found nor ruled out: the job list could not be read in full for 100 s; "
                "give graph= to query the job by itself; 1 job left open: g/j"
            ),
        ),
        (
            lambda job: job.only_list().only_query(),
            "job g/j cannot be looked up: there is no job list; give graph= to query it by itself",
        ),
        (
            lambda job: job.only_list().can(list_state=ListState.REFUSED, list_refusal=REFUSED),
            "not allowed; give graph= to query job g/j by itself (HTTP 403)",
        ),
        (
            lambda job: job.can(query=False, query_refusal=REFUSED).lacked(0, 10),
            "not allowed; the job list does not have job g/j either (HTTP 403)",
        ),
        (
            lambda job: job.only_list().listed("sighting", at=99).at(100),
            "job g/j is in the job list, but its record cannot be read; 1 job left open: g/j",
        ),
    ],
)
def test_error_says_what_to_do(life: Callable[[Life], Life], text: str) -> None:
    """Every wait that no end was reported for ends in a sentence that helps."""
    assert str(life(Life()).verdict().error) == text
