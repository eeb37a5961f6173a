"""What is told when a wait has ended, besides its report.

Rule: however it ended, what is still open is told with the command that goes on, on standard error.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import attrs

from gespoll.cli._connection import spoken
from gespoll.cli._exit import VERDICTS, ExitStatus
from gespoll.cli._jobs_input import STDIN, Jobs
from gespoll.cli._options import Service, Waiting, typed
from gespoll.cli._output import complain, plain
from gespoll.cli._standing import Standing
from gespoll.cli._words import counted, named, status_words

_AS_ARGUMENTS_AT_MOST = 50


@attrs.frozen(kw_only=True)
class Ending:
    """How a wait has ended."""

    jobs: Jobs
    waiting: Waiting
    standing: Standing
    stopped: bool
    """Whether a failure has ended it before all jobs have."""

    def statuses(self) -> set[ExitStatus]:
        """Tell what the jobs make of it."""
        statuses = set(self.standing.statuses)
        if not self.stopped and (self.jobs.is_unread or self._some_unsettled):
            statuses.add(ExitStatus.TIMED_OUT)  # the time was over before they were taken in
        return statuses - VERDICTS if self.waiting.on_failure == "never" else statuses

    def tell(self, service: Service, error: Exception | None) -> None:
        """Tell what kept jobs from being waited for, which are open, and how to go on.

        Args:
            service: which service was asked.
            error: what ended it besides.
        """
        errors = [change.error for change in self.standing.unsettled]
        for text in dict.fromkeys(spoken(each) for each in [*errors, error] if each is not None):
            complain(plain(text))
        if not self.standing.total and not self.jobs.is_unread:
            complain("no job was given: standard input held none")
        self._tell_open(service)

    @property
    def _some_unsettled(self) -> bool:
        """Whether jobs are open of which no last change was told."""
        return len(self.standing.unsettled) < self.standing.total - self.standing.ended

    def _tell_open(self, service: Service) -> None:
        left = self.standing.open_jobs()
        if self._some_unsettled:  # the others have just been named
            names = named(f"{ref} ({status_words(status)})" for ref, status in left)
            complain(f"{counted(len(left), 'job')} still open, which nothing here stops: {names}")
        if self.jobs.is_unread:
            complain("standard input was not read to its end")
        if left or self.jobs.is_unread:
            complain(f"to go on: {self._command([str(ref) for ref, _ in left], service)}")

    def _command(self, left: list[str], service: Service) -> str:
        """Write the command that goes on, to be pasted into a shell."""
        start = ["gespoll"] if Path(sys.argv[0]).name == "gespoll" else [sys.executable, "-m", "gespoll"]
        words = [*start, "wait", *typed(service), *typed(self.waiting)]
        if self.waiting.snapshot is not None:
            return shlex.join([*words, *self.jobs.typed])
        if len(left) <= _AS_ARGUMENTS_AT_MOST:
            return shlex.join([*words, *left, *[STDIN] * self.jobs.is_unread])
        lines = "\n".join(left)
        return f"{shlex.join([*words, STDIN])} <<'END'\n{lines}\nEND"
