"""Where jobs stand in a list that moves, and which windows show them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gespoll import JobRef
from gespoll._scheduler._line import Line, Reach
from gespoll._scheduler._record import Record


def records_of(count: int) -> list[Record[Any]]:
    """Make jobs that somebody waits for."""
    return [Record(JobRef(str(number), "g"), "", 0.0, watchers="somebody") for number in range(count)]


def shown(line: Line, records: Sequence[Record[Any]], offset: int = 0, now: float = 0.0) -> None:
    """Let a reply show jobs side by side."""
    places = list(enumerate(records))
    line.correct(offset, places, now)
    line.see(offset, places, line.round)


def line_of(records: Sequence[Record[Any]]) -> Line:
    """Make a line in which jobs stand side by side from the start, at the beginning of a round."""
    line = Line()
    line.begin_round()
    shown(line, records)
    line.begin_round()
    return line


def reaches(line: Line, limit: int) -> list[Reach]:
    """Take what a whole round asks for."""
    found = []
    while (reach := line.next_reach(limit, 0.0)) is not None:
        found.append(reach)
    return found


def spans(line: Line, limit: int) -> list[tuple[int, int]]:
    """Tell offset and limit of what a whole round asks for."""
    return [(reach.offset, reach.limit) for reach in reaches(line, limit)]


def test_windows_show_every_job_once_and_are_no_larger_than_needed() -> None:
    """Each begins at a job and ends at one."""
    records = records_of(250)
    assert spans(line_of(records), 100) == [(0, 100), (100, 100), (200, 50)]


def test_what_has_ended_is_not_asked_for() -> None:
    """A window begins at the next open job."""
    records = records_of(100)
    line = line_of(records)
    for record in [*records[:30], *records[40:90]]:
        record.watchers = None
    assert spans(line, 10) == [(30, 10), (90, 10)]


def test_a_job_that_was_shown_meanwhile_is_not_asked_for_again() -> None:
    """Whatever a reply was asked for, it spares all that it shows."""
    records = records_of(30)
    line = line_of(records)
    first = line.next_reach(10, 0.0)
    assert first is not None
    shown(line, records[:20])
    assert spans(line, 10) == [(20, 10)]


def test_one_reply_tells_how_far_all_jobs_have_moved() -> None:
    """Entries that come at the start move the others by the same number."""
    records = records_of(30)
    line = line_of(records)
    shown(line, records[:10], offset=7)
    assert spans(line, 30)[0][0] <= 17
    assert sum(len(reach.records) for reach in reaches(line_again(line, records), 30)) == 30


def line_again(line: Line, records: Sequence[Record[Any]]) -> Line:
    """Show all jobs where they stand now, and begin another round."""
    shown(line, records[10:], offset=17)
    line.begin_round()
    return line


def test_a_steady_stream_of_newcomers_is_foreseen() -> None:
    """After some replies the windows move with the list."""
    records = records_of(10)
    line = line_of(records)
    line.drifts = True
    for second in range(1, 60):
        shown(line, records, offset=2 * second, now=float(second))
        line.begin_round()
    reach = line.next_reach(100, 60.0)
    assert reach is not None
    assert reach.offset <= 120 <= reach.offset + 3
    assert reach.limit <= 16


def test_a_list_that_stands_still_needs_no_slack() -> None:
    """Windows of a quiet list are exact."""
    records = records_of(200)
    line = line_of(records)
    for _ in range(5):
        shown(line, records)
        line.begin_round()
    assert spans(line, 100) == [(0, 100), (100, 100)]


def test_jobs_that_a_window_missed_because_the_list_moved_are_asked_for_once_more() -> None:
    """Where they stand now by the corrected base; missed there, too, they are lost."""
    records = records_of(20)
    line = line_of(records)
    reach = line.next_reach(10, 0.0)
    assert reach is not None
    shown(line, records[:7], offset=3)
    assert line.missed(reach.records, 0, 10, may_repeat=True) == []
    again = line.next_reach(10, 0.0)
    assert again is not None
    assert again.is_repeat
    assert list(again.records) == records[7:10]
    assert line.missed(again.records, again.offset, 10, may_repeat=False) == records[7:10]


def test_a_job_missing_where_it_was_to_be_is_lost() -> None:
    """The window showed its place, and others there."""
    records = records_of(10)
    line = line_of(records)
    reach = line.next_reach(10, 0.0)
    assert reach is not None
    shown(line, records[:9])
    assert line.missed(reach.records, 0, 10, may_repeat=True) == records[9:]
    assert (line.expected, line.lost) == (10, records[9:])


def test_jobs_of_a_window_under_way_stand_in_the_next_line_once() -> None:
    """A slow reply loses nobody and doubles nobody."""
    records = records_of(20)
    line = line_of(records)
    reach = line.next_reach(10, 0.0)
    assert reach is not None
    line.begin_round([reach.records, reach.records])
    asked = [record for each in reaches(line, 10) for record in each.records]
    assert sorted(record.ref.job_id for record in asked) == sorted(record.ref.job_id for record in records)


@given(open_ones=st.sets(st.integers(0, 400), min_size=1), limit=st.integers(1, 120))
def test_a_round_asks_for_every_open_job_exactly_once(open_ones: set[int], limit: int) -> None:
    """However they are spread, and however small the windows are."""
    records = records_of(401)
    line = line_of(records)
    for number in set(range(401)) - open_ones:
        records[number].watchers = None
    found = reaches(line, limit)
    assert [int(record.ref.job_id) for reach in found for record in reach.records] == sorted(open_ones)
    for reach in found:
        places = [int(record.ref.job_id) for record in reach.records]
        assert reach.offset <= min(places)
        assert max(places) < reach.offset + reach.limit
        assert reach.limit <= limit
