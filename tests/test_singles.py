"""Which single query next: urgent ones, those with a time of their own, newcomers, and all others in turn."""

from __future__ import annotations

import math
from typing import Any

from gespoll import JobRef
from gespoll._scheduler._record import ASKED, Record
from gespoll._scheduler._singles import Singles


def record_of(job_id: str) -> Record[Any]:
    """Make a job that somebody waits for."""
    return Record(JobRef(job_id, "g"), "", 0.0, watchers="somebody")


def taken(singles: Singles, now: float) -> list[str]:
    """Take all that is due, in order."""
    found = []
    while (record := singles.pop(now)) is not None:
        found.append(record.ref.job_id)
    return found


def test_they_leave_in_the_order_of_their_urgency() -> None:
    """Urgent, due by itself, new, in turn."""
    singles = Singles()
    turn, new, own, urgent = (record_of(name) for name in ("turn", "new", "own", "urgent"))
    singles.later(turn, 1.0)
    singles.soon(new)
    singles.at(own, 1.0)
    singles.first(urgent)
    assert singles.is_urgent
    assert taken(singles, 1.0) == ["urgent", "own", "new", "turn"]
    assert singles.due() == math.inf


def test_turns_are_taken_in_the_order_of_the_last_look() -> None:
    """A time that is earlier than the last in the queue waits for its turn all the same."""
    singles = Singles()
    for name, due in (("a", 5.0), ("b", 7.0), ("c", 6.0)):
        singles.later(record_of(name), due)
    assert taken(singles, 6.0) == ["a"]
    assert singles.due() == 7.0
    assert taken(singles, 7.0) == ["b", "c"]


def test_a_job_stands_in_the_queue_once() -> None:
    """However often it is planned."""
    singles = Singles()
    record = record_of("a")
    singles.later(record, 1.0)
    singles.later(record, 2.0)
    singles.soon(record)
    assert singles.waiting == 1
    assert taken(singles, 9.0) == ["a"]


def test_what_the_list_shows_or_has_ended_is_passed_over() -> None:
    """So is what is under way, or has a time of its own."""
    singles = Singles()
    listed, ended, asked, own, left = (record_of(name) for name in ("listed", "ended", "asked", "own", "left"))
    for record in (listed, ended, asked, own, left):
        singles.later(record, 0.0)
    listed.place = 3
    ended.watchers = None
    asked.state |= ASKED
    own.cared().is_personal = True
    assert taken(singles, 1.0) == ["left"]


def test_a_time_of_its_own_that_was_changed_counts_no_more() -> None:
    """Only the last plan holds."""
    singles = Singles()
    record = record_of("a")
    singles.at(record, 1.0)
    singles.at(record, 5.0)
    assert taken(singles, 1.0) == []
    assert singles.due() == 5.0
    assert taken(singles, 5.0) == ["a"]


def test_it_tells_when_a_turn_comes() -> None:
    """At once, at its time, or not by its turn at all."""
    singles = Singles()
    new, turn, other = (record_of(name) for name in ("new", "turn", "other"))
    singles.soon(new)
    singles.later(turn, 4.0)
    assert [singles.due_of(record) for record in (new, turn, other)] == [-math.inf, 4.0, None]


def test_clearing_forgets_all_plans() -> None:
    """Nothing is due, and nothing is kept."""
    singles = Singles()
    singles.later(record_of("a"), 0.0)
    singles.at(record_of("b"), 0.0)
    singles.clear()
    assert (len(singles), singles.due()) == (0, math.inf)


def test_confirmations_newcomers_and_jobs_in_turn_take_turns() -> None:
    """However many there are of one kind, each of the others gets a third."""
    singles = Singles()
    for number in range(30):
        singles.soon(record_of(f"new {number}"))
        singles.at(record_of(f"own {number}"), 0.0)
    for number in range(3):
        singles.later(record_of(f"turn {number}"), 0.0)
    first = taken(singles, 1.0)[:9]
    assert [job_id.split()[0] for job_id in first] == ["own", "new", "turn"] * 3
