"""For testing code that waits on GES jobs: a server that can fail in every way, a scripted source, virtual time."""

from gespoll.testing._fake_ges import FakeGES
from gespoll.testing._faults import FaultKind, Faults, RequestKind
from gespoll.testing._options import Edition, ListOrder, PagePolicy
from gespoll.testing._routes import LoggedRequest
from gespoll.testing._scripted import Reading, ScriptedSource
from gespoll.testing._timeline import FakeFile, FakeJob, FileKind
from gespoll.testing._virtual_time import VirtualDeadlockError, VirtualTimeLoop, virtual_time

__all__ = [
    "Edition",
    "FakeFile",
    "FakeGES",
    "FakeJob",
    "FaultKind",
    "Faults",
    "FileKind",
    "ListOrder",
    "LoggedRequest",
    "PagePolicy",
    "Reading",
    "RequestKind",
    "ScriptedSource",
    "VirtualDeadlockError",
    "VirtualTimeLoop",
    "virtual_time",
]
