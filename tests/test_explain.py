"""What `Poller.explain` shows of a job: the evidence, the verdict, and what is asked next."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from gespoll import Explanation, ImportFile, Job, JobNotFound, JobRef, JobStatus, PermissionDenied, ServiceUnavailable
from gespoll._scheduler._verdict import Line
from tests.desk import Desk, Story, job

VERDICTS = Path(__file__).parents[1] / "docs" / "verdicts.md"
DOWN = ServiceUnavailable("down", status=503)
BAD = (ImportFile(kind="edgeset", path="edges.csv", status="partFailed"),)


def imported(status: str = "success") -> Job:
    """Make a reading of an import that tells no file."""
    return job("a", status, is_import=True, name="ImportGraph")


def explained(desk: Desk, graph: str | None = "g") -> Explanation:
    """Explain the job a."""
    found = desk.scheduler.explain(JobRef("a", graph), desk.now)
    assert found is not None
    return found


def told(*stages: Any, at: float, **options: Any) -> Explanation:
    """Explain a job that is queried, at a time; a stage lasts ten seconds."""
    story: Story = lambda now: stages[min(int(now // 10), len(stages) - 1)]  # noqa: E731
    desk = Desk({"a": story}, **options)
    desk.scheduler._source.confirms_imports = True
    desk.watch(["a"])
    desk.run(until=at)
    return explained(desk)


class TestText:
    """An operator reads four lines."""

    def test_of_a_job_that_is_open(self) -> None:
        """What shows it, and when it is asked for again."""
        assert str(told(job("a"), at=4)) == (
            "g/a: running; open, it is open (5.3)\n"
            "  query: running, 4.0 s ago\n"
            "  list:  has told nothing yet; there is none\n"
            "  next:  query in 1.4 s: the list does not show it: queried by itself, in turn"
        )

    def test_of_one_that_nobody_has_shown(self) -> None:
        """It may be asked for at once."""
        desk = Desk({"a": lambda now: job("a")})
        desk.watch(["a"])
        assert str(explained(desk)) == (
            "g/a: never seen; new, nobody has shown it yet (5.1)\n"
            "  query: has told nothing yet\n"
            "  list:  has told nothing yet; there is none\n"
            "  next:  query now: the list does not show it: queried by itself, in turn"
        )

    def test_of_an_end_that_is_to_be_confirmed(self) -> None:
        """It is no end yet, and its status is the one that was told."""
        lines = str(told(job("a"), imported(), at=12)).splitlines()
        assert lines[0] == "g/a: running; confirming, an end was reported that is to be confirmed (1.7)"
        assert re.fullmatch(r"  query: success, reported once, \d\.\d s ago", lines[1])
        assert re.fullmatch(r"  next:  query in \d\.\d s: its end \(success\) is to be confirmed by a query", lines[3])

    def test_of_one_that_is_denied(self) -> None:
        """How often."""
        lines = str(told(job("a"), JobNotFound(JobRef("a", "g")), at=40)).splitlines()
        assert lines[0] == "g/a: running; missing, a channel denies it, and nobody has shown it since (5.2)"
        assert re.fullmatch(r"  query: denied twice in a row, \d+(\.\d)? s ago", lines[1])

    def test_of_one_whose_queries_fail(self) -> None:
        """For how long, and with what."""
        lines = str(told(job("a"), DOWN, at=25)).splitlines()
        assert re.fullmatch(r"  query: running, \d+ s ago; fails for \d+ s: down \(HTTP 503\).*", lines[1])

    def test_of_a_list_alone_that_is_refused(self) -> None:
        """Nothing can be asked, and what says so is told."""
        desk = Desk({"a": lambda now: job("a")}, listing=True, outage_timeout=None)
        desk.watch(["a", "b"], graph=None)
        desk.list_error = ServiceUnavailable("down", status=503)
        desk.run(until=30)
        found = explained(desk, None)
        assert found.by_query.unusable == "no graph is known to ask in"
        assert found.by_list.failure == str(desk.list_error)
        assert found.next_by == "list"


class TestFacts:
    """The same as fields."""

    def test_both_channels_are_told_apart(self) -> None:
        """What the list shows, and what a query said of it."""
        desk = Desk({"a": lambda now: job("a", files=BAD), "b": lambda now: job("b")}, listing=True)
        desk.watch(["a", "b"])
        desk.run(until=20)
        found = explained(desk)
        assert (found.phase, found.line, found.verdict, found.next_by) == ("open", "5.3", Line.OPEN.value, "list")
        assert (found.by_list.said, found.by_list.status) == ("open", JobStatus.RUNNING)
        assert found.by_list.last_answer is not None
        assert found.by_list.last_answer <= 5.1
        assert found.by_list.unusable is None

    def test_ends_are_counted(self) -> None:
        """By their channel."""
        found = told(job("a"), imported(), at=12)
        assert (found.by_query.said, found.by_query.status, found.by_query.ends) == ("end", JobStatus.SUCCESS, 1)
        assert (found.by_list.ends, found.by_list.last_answer) == (0, None)

    def test_it_changes_nothing(self) -> None:
        """Of an ordinary job no more is kept for having been asked about."""
        desk = Desk({"a": lambda now: job("a")})
        desk.watch(["a"])
        desk.run(until=4)
        [record] = desk.scheduler._scopes[""].records.values()
        explained(desk)
        assert record.care is None
        assert not desk.scheduler._reviews

    def test_a_refusal_is_told(self) -> None:
        """Also where the job is still waited for, by the list."""
        desk = Desk({"a": lambda now: job("a"), "b": lambda now: job("b")}, listing=True)
        desk.watch(["a", "b"])
        desk.run(until=4)
        [record, _] = desk.scheduler._scopes[""].records.values()
        desk.scheduler._scopes[""].queries.refuse(record, PermissionDenied("not yours", status=403))
        assert str(explained(desk).by_query).endswith("refused: not yours (HTTP 403)")

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"said": "there"}, "shown, with a record that cannot be read"),
            ({"said": "open", "ends": 2, "status": JobStatus.SUCCESS}, "open again, and success twice before"),
            ({"incomplete_scans": 3}, "has told nothing yet; 3 times not read in full"),
            ({"failure": "down"}, "has told nothing yet; fails: down"),
        ],
    )
    def test_the_words_of_a_channel(self, fields: dict[str, Any], words: str) -> None:
        """Each kind has its own."""
        report = explained_nothing().by_list
        assert str(attrs.evolve(report, unusable=None, **fields)) == words

    def test_a_time_that_is_not_known(self) -> None:
        """And a channel that is not."""
        nothing = explained_nothing()
        assert "query at a time that is not known: " in str(attrs.evolve(nothing, next_look=math.inf))
        assert "nothing is asked: " in str(attrs.evolve(nothing, next_by=None))


def explained_nothing() -> Explanation:
    """Explain a job that nobody has shown."""
    desk = Desk({})
    desk.watch(["a"])
    return explained(desk)


def test_the_lines_are_those_of_the_documentation() -> None:
    """Each with its number and its words, in their order."""
    rows = re.findall(r"^\| (\d(?:\.\d)?) \| (.*) \|$", VERDICTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert rows == [(line.number, line.value) for line in Line]
