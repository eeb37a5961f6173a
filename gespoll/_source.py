"""Where states are read: the protocols a poller asks of a source.

Rule: a source turns one request into one reading or one error, and decides nothing about
when, how often or what an error means for a wait. Subclass `JobSource` to wait on the jobs of
another service; only `get` must be written.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Literal, Protocol, runtime_checkable

import attrs

from gespoll._jobs import Job, JobRef, JobStatus, status_of_word

Wanted = Callable[[Sequence[str], Sequence[str | None]], Sequence[int]]
"""Asked with the ids and the status words of some entries: at which places are whole records wanted?

The words are the server's own, `None` where an entry has none. Asking for many entries at once is cheap.
"""


@attrs.frozen(kw_only=True)
class ListWindow:
    """What one list request showed."""

    ids: tuple[str, ...]
    """Job ids of the entries, in the server's order."""
    jobs: tuple[Job, ...]
    """The whole records of the wanted entries."""
    total: int | None = None
    """Number of all jobs in the list, where the server tells."""
    unread: frozenset[str] = frozenset()
    """Sightings: ids whose entries were there, but had no status, or could not be read in full."""
    skipped: int = 0
    """Entries without a readable id, which count for the paging all the same."""
    newest_at: Literal["start", "end"] | None = None
    """At which end of the whole list its newest entries stand, as far as the times of these entries tell."""


@runtime_checkable
class JobSource(Protocol):
    """Reads one job at a time."""

    confirms_imports: bool = False
    """Whether `get` may tell the files of an import that another reading left out."""
    explains_failures: bool = False
    """Whether `get` tells the reason of a failure that a list entry leaves out."""
    list_confirms_imports: bool = False
    """Whether the list may tell the files of an import that `get` leaves out."""
    list_tells_progress: bool = False
    """Whether the list tells how far a job is, and `get` does not."""

    @abstractmethod
    async def get(self, ref: JobRef, /) -> Job:
        """Read how a job stands.

        May be cancelled at any await; nothing is cancelled at the server.

        Raises:
            JobNotFound: when the service says that it knows no such job.
            SourceError: when the state could not be read.
        """

    def check(self, ref: JobRef, /) -> None:
        """Accept a ref, or raise `ValueError` with a sentence that says what to give instead."""
        return

    def scope(self, ref: JobRef, /) -> str:
        """Name the list, limit and server a job belongs to. Within a scope, a job id means one job."""
        return ""

    def tells_files(self, scope: str, /) -> Literal["query", "list"] | None:
        """Return which channel may tell the files of an import that the other leaves out; `None` where neither does.

        Args:
            scope: as `scope` named it; what a source knows of one may change with each reply.
        """
        if self.confirms_imports:
            return "query"
        return "list" if self.list_confirms_imports else None

    def tells_reason(self, scope: str, /) -> Literal["query", "list", "either"] | None:
        """Return which channel may tell the reason of a failure that the other leaves out; `None` where neither does.

        Args:
            scope: as `scope` named it; what a source knows of one may change with each reply.
        """
        return "query" if self.explains_failures else None

    def tells_progress(self, scope: str, /) -> bool:
        """Return whether the list of a scope tells how far its jobs are, and a query does not.

        Args:
            scope: as `scope` named it; what a source knows of one may change with each reply.
        """
        return self.list_tells_progress

    def status_of(self, word: str, /) -> JobStatus:
        """Return what a status word of this source means by itself, without the job's files."""
        return status_of_word(word)


@runtime_checkable
class ListingSource(JobSource, Protocol):
    """Reads many jobs at once, too."""

    @abstractmethod
    async def list_window(self, scope: str, /, *, offset: int, limit: int, wanted: Wanted) -> ListWindow:
        """Read entries `offset` to `offset + limit` of a scope's list, in whatever order the server keeps.

        Gives control back to the event loop between slices of entries. May be cancelled at any await.

        Args:
            scope: as `scope` named it.
            offset: how many entries to pass over.
            limit: how many to ask for; the server may return fewer.
            wanted: asked for slices of entries; the whole record is decoded only where it says so.

        Raises:
            SourceError: when the list could not be read.
        """


class CredentialsRenewed(Exception):
    """The credentials were stale and have been renewed: the request must be sent again, within the budget."""


keeps_budget: ContextVar[bool] = ContextVar("keeps_budget", default=False)
"""Whether whoever asks counts requests by when they leave, and sends again what was held up on its way."""
