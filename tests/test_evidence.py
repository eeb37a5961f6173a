"""Evidence: what each report does to what is kept of its channel, and what it leaves alone."""

from __future__ import annotations

import math

import attrs
import pytest

from gespoll import JobStatus
from gespoll._scheduler._evidence import (
    INCOMPLETE_SCANS,
    NEVER,
    Channel,
    ChannelEvidence,
    Evidence,
    ReportedEnd,
    Word,
    with_bad_files,
    worse,
)
from tests.life import BAD, DOWN, ELSEWHERE, GOOD, JOBS, Life, job

QUERY, LIST = Channel.QUERY, Channel.LIST


def end_of(life: Life, channel: Channel) -> ReportedEnd:
    """Return the end that a channel reported."""
    end = life.evidence.of(channel).end
    assert end is not None
    return end


class TestReports:
    """What the table of the design says of each."""

    @pytest.mark.parametrize("said", ["pending", "running", "thawing"])
    def test_an_open_status(self, said: str) -> None:
        """The last word is OPEN, a status was read, and denials begin anew."""
        told = Life().denied(1, 2).query(said, at=3).evidence.by_query
        assert (told.last_word, told.status_at, told.shown_at, told.denials) == (Word.OPEN, 3, 3, None)

    def test_an_end_stays_when_the_job_is_open_again(self) -> None:
        """No older reply takes a job back."""
        life = Life().query("success", at=1).query("running", at=2)
        assert (life.evidence.by_query.last_word, end_of(life, QUERY).last) == (Word.OPEN, 1)

    def test_an_end(self) -> None:
        """The last word is END, a status was read, and denials begin anew."""
        told = Life().denied(1).query("failed", at=2).evidence.by_query
        assert (told.last_word, told.status_at, told.shown_at, told.denials) == (Word.END, 2, 2, None)
        assert told.end is not None
        assert (told.end.first, told.end.last, told.end.count) == (2, 2, 1)

    @pytest.mark.parametrize("order", [("success", "failed", "cancelled"), ("failed", "cancelled", "success")])
    def test_the_worst_end_stands(self, order: tuple[str, ...]) -> None:
        """In whatever order one channel told them."""
        life = Life()
        for at, said in enumerate(order):
            life.query(said, at=at)
        assert (end_of(life, QUERY).job.status, end_of(life, QUERY).count) == (JobStatus.FAILED, 3)

    def test_ends_count_once_an_interval(self) -> None:
        """Two replies to requests that left together are one report."""
        life = Life().query("success", at=1).query("success", at=1.9)
        assert (end_of(life, QUERY).count, end_of(life, QUERY).last) == (1, 1.9)
        life.query("success", at=2)
        assert end_of(life, QUERY).count == 2

    def test_a_sighting(self) -> None:
        """The last word is THERE: it was shown, no status was read, and denials begin anew."""
        evidence = Life().listed("running", at=1).lacked(2).listed("sighting", at=3).evidence
        told = evidence.by_list
        assert (told.last_word, told.status_at, told.shown_at, told.denials) == (Word.THERE, 1, 3, None)
        assert Life().listed("sighting", at=1).evidence.ever_shown

    def test_denials_of_queries(self) -> None:
        """They are counted in a row, with the first and the last."""
        told = Life().denied(1, 2, 4).evidence.by_query
        assert told.last_word is Word.DENIED
        assert told.denials is not None
        assert (told.denials.first, told.denials.last, told.denials.count) == (1, 4, 3)

    def test_a_missing_graph_is_what_the_last_denial_said(self) -> None:
        """It may be back since."""
        denials = Life().query("graph missing", at=1).evidence.by_query.denials
        assert denials is not None
        assert denials.graph_missing
        denials = Life().query("graph missing", at=1).query("denied", at=2).evidence.by_query.denials
        assert denials is not None
        assert not denials.graph_missing

    def test_denials_of_scans_count_from_their_begin(self) -> None:
        """What came in while it was read may be missing from it."""
        evidence = Evidence(0.0, 0.0)
        evidence.deny_by_scan(1.0)
        evidence.deny_by_scan(6.0)
        denials = evidence.by_list.denials
        assert denials is not None
        assert (denials.first, denials.last, denials.count, evidence.by_list.answered_at) == (1.0, 6.0, 2, 6.0)

    @pytest.mark.parametrize("channel", Channel)
    def test_a_scan_that_began_before_the_job_was_shown_denies_nothing(self, channel: Channel) -> None:
        """The job may have come while it was read."""
        evidence = Evidence(0.0, 0.0)
        evidence.show(channel, JOBS["running"], 3.0, 1.0)
        evidence.deny_by_scan(2.0)
        assert evidence.by_list.denials is None
        assert evidence.by_list.answered_at == {Channel.QUERY: 2.0, Channel.LIST: 3.0}[channel]

    def test_a_channel_leaves_the_other_alone(self) -> None:
        """What one says never erases what the other said."""
        life = Life().denied(1, 2).lacked(3)
        query = attrs.asdict(life.evidence.by_query)
        life.listed("running", at=4)
        assert attrs.asdict(life.evidence.by_query) == query

    def test_incomplete_scans_are_counted_in_a_row(self) -> None:
        """A complete one breaks it, one that broke off does not; no more are kept than are asked for."""
        assert Life().incomplete(1).lacked(2).incomplete(3).evidence.incomplete_scans == [3]
        assert Life().incomplete(1).listed("broken off", at=2).evidence.incomplete_scans == [1]
        kept = Life().incomplete(*range(9)).evidence.incomplete_scans
        assert len(kept) == INCOMPLETE_SCANS
        assert kept[-1] == 8

    def test_a_failure_touches_nothing_else(self) -> None:
        """It is a try, and no answer."""
        told = Life().denied(1).query("failing", at=2).query("failing", at=3).evidence.by_query
        assert (told.last_word, told.answered_at, told.tried_at) == (Word.DENIED, 1, 3)
        assert (told.failure, told.failing_since) == (DOWN, 2)

    @pytest.mark.parametrize("said", ["running", "success", "denied"])
    def test_an_answer_ends_a_row_of_failures(self, said: str) -> None:
        """Whatever it says."""
        told = Life().query("failing", at=1).query(said, at=2).evidence.by_query
        assert (told.failure, told.failing_since, told.tried_at) == (None, math.inf, 2)

    def test_an_incomplete_scan_is_an_answer_too(self) -> None:
        """It ends the failures of those before it, and says nothing else of the job."""
        told = Life().listed("running", at=1).listed("broken off", at=2).incomplete(3).evidence.by_list
        assert (told.last_word, told.failure, told.answered_at) == (Word.OPEN, None, 3)

    def test_what_is_not_believed_shows_only_that_the_job_existed(self) -> None:
        """It answers, and remembers bad files; a row of denials goes on, and no status was read."""
        evidence = Life().denied(1, 2).evidence
        evidence.show_disbelieved(Channel.LIST, JOBS["running, bad files"], 3)
        listed = evidence.by_list
        assert (evidence.ever_shown, listed.answered_at, listed.files) == (True, 3, (BAD,))
        assert (evidence.shown_at, evidence.status_at, listed.last_word) == (NEVER, NEVER, Word.OPEN)


class TestBadFiles:
    """They are remembered until a later end of the same channel comes with its files."""

    @pytest.mark.parametrize("said", ["running", "success", "failed", "denied", "failing"])
    def test_they_stay(self, said: str) -> None:
        """Nothing that comes without files makes them good."""
        assert Life().query("running, bad files", at=1).query(said, at=2).evidence.by_query.files == (BAD,)

    def test_the_other_channel_does_not_make_them_good(self) -> None:
        """It is a matter of whoever told them."""
        life = Life().query("running, bad files", at=1).listed("success, files", at=2)
        assert life.evidence.by_query.files == (BAD,)

    def test_an_end_with_files_is_the_last_word(self) -> None:
        """A file that was being loaded may have been loaded in the end."""
        assert Life().query("running, bad files", at=1).query("success, files", at=2).evidence.by_query.files == ()

    def test_bad_files_of_several_replies_add_up(self) -> None:
        """A reply that names another one does not make the first good."""
        evidence = Evidence(0.0, 0.0)
        for at, files in enumerate([(BAD,), (GOOD, ELSEWHERE)]):
            evidence.show(QUERY, job(JobStatus.RUNNING, files=files), at, 1.0)
        assert evidence.by_query.files == (ELSEWHERE, BAD)

    def test_the_newest_word_on_a_bad_file_is_kept(self) -> None:
        """Its counts may have grown."""
        worse_now = attrs.evolve(BAD, failed_lines=5)
        assert with_bad_files((worse_now, GOOD), (BAD,)) == (worse_now, GOOD)


class TestStuck:
    """An unknown word beside an end time, unchanged."""

    @pytest.mark.parametrize(
        ("later", "since"),
        [("halted", 1), ("halted later", 5), ("thawing", math.inf), ("running", math.inf), ("failed", math.inf)],
    )
    def test_it_counts_from_its_last_change(self, later: str, since: float) -> None:
        """Of the word or of the end time."""
        assert Life().query("halted", at=1).query(later, at=5).evidence.by_query.stuck_since == since


class TestKind:
    """Whether it is an import, as either channel said at any time."""

    @pytest.mark.parametrize("order", [(QUERY, LIST), (LIST, QUERY)])
    def test_an_import_stays_one(self, order: tuple[Channel, Channel]) -> None:
        """Whichever channel says so, and whoever comes first: its success is relied on less."""
        said = {QUERY: "success of an import", LIST: "success of no import"}
        evidence = Evidence(0.0, 0.0)
        for channel in order:
            evidence.show(channel, JOBS[said[channel]], 1.0, 1.0)
        assert evidence.is_import is True

    def test_silence_about_it_says_nothing(self) -> None:
        """The other reply knows."""
        assert Life().query("success of no import", at=1).query("success", at=2).evidence.is_import is False


class TestWorse:
    """Two ends, of which the worse stands."""

    def test_of_equals_the_one_that_says_more(self) -> None:
        """With what only the other says."""
        reason, files = job(JobStatus.FAILED, fail_reason="full"), job(JobStatus.FAILED, files=(BAD,))
        for found in (worse(reason, files), worse(files, reason)):
            assert (found.fail_reason, found.files) == ("full", (BAD,))

    def test_an_empty_list_of_files_says_nothing(self) -> None:
        """Files that the other names are kept."""
        found = worse(job(JobStatus.FAILED, files=(), fail_reason="full"), job(JobStatus.FAILED, files=(BAD,)))
        assert found.files == (BAD,)

    def test_facts_are_those_of_either(self) -> None:
        """What a job is called does not depend on how it ended; why it failed does."""
        found = worse(job(JobStatus.FAILED), job(JobStatus.SUCCESS, name="ImportGraph", files=(GOOD,)))
        assert (found.status, found.name, found.files) == (JobStatus.FAILED, "ImportGraph", None)


class TestBeginningAnew:
    """What is left when an end is dropped, and after a resume."""

    def test_dropped(self) -> None:
        """Bad files, that and when it was shown, and its kind; nothing else of either channel."""
        life = Life().query("running, bad files", at=1).listed("success of an import", at=2).denied(3).incomplete(4)
        life.evidence.begin_anew()
        evidence = life.evidence
        assert (evidence.ends, evidence.incomplete_scans, evidence.is_import) == ((), [], True)
        assert (evidence.ever_shown, evidence.by_query.files, evidence.shown_at) == (True, (BAD,), 2)
        assert attrs.asdict(evidence.by_query) == attrs.asdict(ChannelEvidence(files=(BAD,), status_at=1, shown_at=1))

    def test_restored(self) -> None:
        """An end counts as told once, at the resume, and its channel as having said nothing else."""
        evidence = Evidence(50.0, 0.0)
        evidence.restore(LIST, JOBS["success"], (BAD,), 50.0)
        evidence.restore(QUERY, None, (), 50.0)
        told = evidence.by_list
        assert told.end is not None
        assert (told.end.job, told.end.first, told.end.last, told.end.count) == (JOBS["success"], 50, 50, 1)
        assert (told.last_word, told.files, told.answered_at, evidence.ever_shown) == (Word.END, (BAD,), NEVER, True)
        assert (evidence.is_import, evidence.by_query.last_word, evidence.first_joined_at) == (True, None, 0.0)

    def test_restored_end_is_told_again_like_any_other(self) -> None:
        """An interval later it counts twice."""
        evidence = Evidence(50.0, 0.0)
        evidence.restore(LIST, JOBS["success"], (), 50.0)
        evidence.show(LIST, JOBS["success"], 50.5, 1.0)
        evidence.show(LIST, JOBS["success"], 51.0, 1.0)
        assert evidence.by_list.end is not None
        assert evidence.by_list.end.count == 2


class TestOrdinary:
    """Only jobs in trouble need more than a record."""

    def test_open_and_shown_is_ordinary(self) -> None:
        """By one channel or by both, also after trouble that is over."""
        assert Evidence(0.0, 0.0).is_ordinary
        assert Life().query("running", at=1).listed("pending", at=2).evidence.is_ordinary
        over = Life().query("failing", at=1).denied(2).lacked(3).incomplete(4).query("running", at=5)
        assert over.listed("running", at=6).evidence.is_ordinary

    @pytest.mark.parametrize(
        "life",
        [
            Life().query("success", at=1),
            Life().query("running, bad files", at=1),
            Life().query("failing", at=1),
            Life().query("halted", at=1),
            Life().denied(1),
            Life().lacked(1),
            Life().incomplete(1),
            Life().listed("sighting", at=1),
            Life().listed("broken off", at=1),
        ],
    )
    def test_anything_else_is_trouble(self, life: Life) -> None:
        """An end, bad files, failures, denials, sightings, incomplete scans, a stuck word."""
        assert not life.evidence.is_ordinary
