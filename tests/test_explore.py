"""The verdict, explored: every answer of both channels at every moment, in worlds small enough for the suite."""

from __future__ import annotations

from array import array

import pytest

from gespoll import TransportError
from gespoll._scheduler._evidence import Channel
from gespoll._scheduler._verdict import Line, Phase, Verdict
from tests.explore import JOBS, PLANES, SUITE, Node, Told, explore, longest_way, report, wrong

REACH = next(iter(SUITE.values())).reaches[0]


@pytest.mark.parametrize("world", SUITE)
@pytest.mark.parametrize("plane", PLANES)
def test_no_fault_and_no_livelock(plane: str, world: str) -> None:
    """Rules 1 to 6 hold at every node, and without a believed OPEN every way ends, within a bound."""
    found = explore(plane, SUITE[world])
    assert found.problem is None, report(found)
    assert found.nodes > 10
    assert {Line.NOTHING_MORE} <= found.endings.keys()


def node(told: Told, *, open_heard: bool = False) -> Node:
    """Make a node at which this was reported."""
    return Node(1, REACH, (), told, open_heard)


def ended(status: str) -> Verdict:
    """End as this."""
    return Verdict(phase=Phase.ENDED, line=Line.NOTHING_MORE, job=JOBS[status])


@pytest.mark.parametrize(
    ("verdict", "at", "problem"),
    [
        (ended("success"), node(Told(3)), "better than the worst"),
        (ended("success"), node(Told(0, frozenset({Channel.QUERY}))), "bad files"),
        (ended("failed"), node(Told(0)), "worse than anything"),
        (
            Verdict(phase=Phase.ENDED, line=Line.SILENT, error=TransportError("x")),
            node(Told(3)),
            "an error of the source",
        ),
        (
            Verdict(phase=Phase.ENDED, line=Line.SILENT, error=TransportError("x")),
            node(Told(), open_heard=True),
            "calls it",
        ),
    ],
)
def test_faults_are_found(verdict: Verdict, at: Node, problem: str) -> None:
    """What the explorer looks for it also sees."""
    assert problem in (wrong(verdict, at) or "")


def test_cycle_is_found() -> None:
    """With the nodes that it goes through; without one, the most ticks of any way are counted."""
    assert longest_way([array("l", [1]), array("l", [2]), array("l", [1])], [False, True, True])[0] == [1, 2]
    assert longest_way([array("l", [1, 2]), array("l", [2]), array("l")], [True, True, False]) == (None, 2)


def test_bad_files_are_remembered_by_channel() -> None:
    """Until the same channel ends with its files: the explorer keeps its own account of rule 3."""
    told = Told().and_then(Channel.LIST, JOBS["running with bad files"])
    assert told.and_then(Channel.QUERY, JOBS["success with files"]).bad_files == {Channel.LIST}
    assert told.and_then(Channel.LIST, JOBS["success with files"]) == Told(0)
