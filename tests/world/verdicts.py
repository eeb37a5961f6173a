"""Whether one end is what the evidence allows: section 4 of the design, line by line, as conditions that must hold."""

from __future__ import annotations

import math
from typing import NamedTuple

import attrs

from gespoll import JobStatus

from .channels import Manner
from .evidence import Channel, Evidence
from .log import Joined, Taken
from .pages import Pages
from .plan import Case, World

EPSILON = 0.01
"""Seconds: clocks of floats."""
FIRST_PATIENCE = 60.0
"""Seconds after which a service that never answered at all may be given up."""
FINAL_POLL = 30.0
"""Seconds that a final poll may take at most."""
DENIALS = 5
"""Denials in a row that a query needs at least."""
SCANS = 3
"""Incomplete scans in a row that stand for an absence."""
OPEN_GRACES = 5
"""Graces that a success waits while the channel that may report its files says that the job is open."""
_JOB_ENDS = {
    JobStatus.FAILED: "JobFailed",
    JobStatus.PARTIALLY_FAILED: "ImportPartiallyFailed",
    JobStatus.CANCELLED: "JobCancelled",
}


class Reason(NamedTuple):
    """Why an end is wrong."""

    kind: str
    text: str


def _covers(one: tuple[bool, bool], other: tuple[bool, bool]) -> bool:
    return one[0] >= other[0] and one[1] >= other[1]


@attrs.frozen
class Verdict:
    """One end, and whether the evidence allows it."""

    world: World
    case: Case
    pages: Pages
    evidence: Evidence
    change: Taken
    joined: Joined

    def reason(self) -> Reason | None:
        """Return why it is wrong; nothing where it is right."""
        for name, judge in (
            ("EndUnconfirmed", self._end_unconfirmed),
            ("ListIncomplete", self._list_incomplete),
            ("UnknownEnd", self._unknown_end),
            ("JobNotFound", self._not_found),
            ("WaitTimeout", self._timeout),
            ("SourceError", self._source_error),
        ):
            if self.change.is_error(name):
                return judge()
        return self._success() if self.change.error is None else self._failure()

    @property
    def now(self) -> float:
        """When it was decided."""
        return self.change.observed_at

    @property
    def grace(self) -> float:
        """Seconds of grace, a little less for floats."""
        return self.world.knobs.not_found_grace - EPSILON

    @property
    def patience(self) -> float:
        """Seconds of silence that a verdict waits for, a little less for floats."""
        return self.world.knobs.patience - EPSILON

    def _words(self) -> str:
        """Say what each channel told last."""
        last = [f"{name} {channel.last}" for name, channel in self._channels() if channel.last is not None]
        return "; ".join(last) or "no reply"

    def _channels(self) -> list[tuple[str, Channel]]:
        return [("query:", self.evidence.query), ("list:", self.evidence.listed)]

    # Ends that were reported

    def _success(self) -> Reason | None:
        worst = self.evidence.worst
        if worst is None:
            return Reason("invented success", "success, which no reply reported")
        if worst is not JobStatus.SUCCESS:
            return Reason("better than reported", f"success, though {worst.value} was reported; last {self._words()}")
        if self.raises and not self.change.confirmed:
            return Reason("unconfirmed success", "a success that is not confirmed, which was to be raised")
        is_in_full = bool(self.change.files)
        if self.has_more_to_know and not is_in_full and not self.is_confirmed_at_last and not self._may_settle():
            return Reason("unconfirmed success", f"success without files and unconfirmed; last {self._words()}")
        return self._in_full()

    def _failure(self) -> Reason | None:
        worst, status = self.evidence.worst, self.change.status
        if status not in _JOB_ENDS or not self.change.is_error(_JOB_ENDS[status]):
            return Reason("odd end", f"{self.change.error} as {status}")
        if worst is not status:
            reported = "nothing" if worst is None else worst.value
            return Reason("another end", f"{status.value}, but the worst reported is {reported}; last {self._words()}")
        return self._in_full()

    def _in_full(self) -> Reason | None:
        """Of equal ends one stands that tells no less than the others."""
        equals = [channel for channel in self.evidence.both if channel.worst is self.evidence.worst]
        told = {(channel.has_files, channel.has_reason) for channel in equals}
        fullest = [one for one in told if not any(other != one and _covers(other, one) for other in told)]
        shown = (self.change.files, self.change.reason)
        if not fullest or any(_covers(shown, one) for one in fullest):
            return None
        return Reason("less than reported", f"{self.change.ended_as} without the files or reason that were reported")

    @property
    def has_more_to_know(self) -> bool:
        """Whether a success lacks files that a channel may report."""
        evidence = self.evidence
        return self.world.plane.fuller is not None and evidence.is_import is not False and not evidence.has_files

    @property
    def is_confirmed(self) -> bool:
        """Whether the channel that may report more told an end, and there are two tellings in all."""
        fuller = self.evidence.channel(self.world.plane.fuller or "query")
        return fuller.worst is not None and self.evidence.tellings > 1

    @property
    def is_confirmed_at_last(self) -> bool:
        """Whether it is confirmed for a deadline: by two reports of the channel that may report more, however close."""
        fuller = self.evidence.channel(self.world.plane.fuller or "query")
        is_over = self.joined.ends_at is not None and self.now >= self.joined.ends_at - EPSILON
        return self.is_confirmed or (is_over and fuller.worst is not None and fuller.heard > 1)

    def _may_settle(self) -> bool:
        waited = self.now - self.evidence.first_end
        if self._fuller_cannot_be_asked():
            return waited >= self.grace or self.evidence.tellings > 1
        fuller = self.evidence.channel(self.world.plane.fuller or "query")
        answered = fuller.answered_at >= self.evidence.first_end + self.grace
        if self.world.plane.fuller == "list":
            answered = answered or bool(self.pages.read(self.case, self.evidence.first_end + self.grace, self.now))
        is_open = fuller.last is not None and fuller.last.is_open and not self._has_left_the_list()
        is_open = is_open and not (self.world.plane.fuller == "list" and self._may_be_stale_as_a_whole())
        return answered and (not is_open or waited >= OPEN_GRACES * self.grace)

    def _has_left_the_list(self) -> bool:
        """Whether the fuller channel is a list that has not shown the job for two cycles: its last word is a denial."""
        shown_at = self.evidence.listed.shown_at
        return self.world.plane.fuller == "list" and self.now - shown_at > 2 * self.world.knobs.interval

    def _fuller_cannot_be_asked(self) -> bool:
        if self.world.plane.fuller == "list":
            return self.list_cannot_be_asked
        return self.query_cannot_be_asked

    @property
    def query_cannot_be_asked(self) -> bool:
        """Whether no graph was given, or a query was refused."""
        return self.joined.graph is None or self.evidence.query.refused

    @property
    def is_lost(self) -> bool:
        """Whether the source was lost."""
        return self.pages.is_lost(self.change.life, self.now, self.world.scope(self.case.truth.graph))

    @property
    def list_cannot_be_asked(self) -> bool:
        """Whether there is no list, or it is refused, or has failed for long."""
        return self.pages.cannot_be_asked(self.case, self.evidence.since, self.now)

    def _end_unconfirmed(self) -> Reason | None:
        evidence = self.evidence
        if evidence.worst is not JobStatus.SUCCESS:
            return Reason("odd EndUnconfirmed", f"the worst that was reported is {evidence.worst}")
        if self.raises and (self._may_settle() or self._nobody_told_files()):
            return None
        if not self.has_more_to_know or self.is_confirmed:
            return Reason("odd EndUnconfirmed", "the success was confirmed")
        if self.now - evidence.first_end < self.patience and not self.is_lost:
            return Reason("early EndUnconfirmed", f"only {self.now - evidence.first_end:.0f} s after the success")
        return None

    @property
    def raises(self) -> bool:
        """Whether the caller wants no success that nothing confirmed."""
        return self.world.knobs.unconfirmed == "raise"

    def _nobody_told_files(self) -> bool:
        """Whether it is an import whose files nobody told, and whose success would stand otherwise."""
        stands = self.world.plane.fuller is None or self.is_confirmed_at_last
        return bool(self.evidence.is_import) and not self.evidence.has_files and stands

    def _unknown_end(self) -> Reason | None:
        if self.evidence.worst is not None:
            return self._an_end_was_reported()
        if self.now - self.evidence.halted_since < self.grace:
            return Reason("early UnknownEnd", f"the word was first seen at {self.evidence.halted_since:.0f} s")
        return None

    def _timeout(self) -> Reason | None:
        if self.change.is_error("PendingTimeout"):
            return self._pending_timeout()
        ends_at, knobs = self.joined.ends_at, self.world.knobs
        if ends_at is None or self.now < ends_at - EPSILON:
            return Reason("early timeout", f"its deadline is {ends_at}")
        begins = max(ends_at, self.joined.at)
        final_poll = min(knobs.request_timeout, FINAL_POLL)
        if self.pages.held_until(self.case, self.change.life, begins) >= begins + final_poll:
            final_poll = self.world.slowest  # none may leave; one under way may come back
        if self.now > begins + final_poll + EPSILON:
            return Reason("late timeout", f"its deadline was {ends_at:.1f} s")
        worst = self.evidence.worst
        if worst is None or (worst is JobStatus.SUCCESS and self.has_more_to_know and not self.is_confirmed):
            return None
        if worst is JobStatus.SUCCESS and self.raises and self._nobody_told_files():
            return None
        return self._an_end_was_reported()

    def _pending_timeout(self) -> Reason | None:
        allowed = self.world.knobs.pending_timeout
        if self.evidence.worst is not None:
            return self._an_end_was_reported()
        if allowed is None or self.now < self.joined.first_at + allowed - EPSILON:
            return Reason("early PendingTimeout", f"it joined at {self.joined.first_at:.1f} s")
        last = [channel.last_open for channel in self.evidence.both if channel.last_open is not None]
        is_pending = JobStatus.PENDING in last and (set(last) == {JobStatus.PENDING} or self._may_be_stale())
        return None if is_pending else Reason("odd PendingTimeout", f"it was shown as {last}")

    def _an_end_was_reported(self) -> Reason:
        reported = "nothing" if self.evidence.worst is None else self.evidence.worst.value
        return Reason(
            f"{self.change.ended_as} despite an end", f"{self.change.ended_as}, though {reported} was reported"
        )

    # Absence

    def _not_found(self) -> Reason | None:
        evidence = self.evidence
        if evidence.worst is not None:
            return self._an_end_was_reported()
        return self._absence() or self._name_of_absence()

    def _name_of_absence(self) -> Reason | None:
        if self.evidence.ever_shown != self.change.is_error("JobVanished"):
            return Reason("vanished or not found", f"{self.change.ended_as}, ever shown: {self.evidence.ever_shown}")
        return None

    def _absence(self) -> Reason | None:
        evidence, since = self.evidence, self._missing_since()
        waited = self.now - since
        query_denies = evidence.query.denials >= DENIALS and waited >= self.grace
        if not query_denies and not self.query_cannot_be_asked:
            return Reason("early not found", f"after {evidence.query.denials} denials in {waited:.0f} s")
        if self.list_cannot_be_asked:
            return None
        return self._absence_by_list(since, query_denies=query_denies)

    def _missing_since(self) -> float:
        """Return since when it is missing: at the earliest that a denial can have been, after it was last shown."""
        seen = self.evidence.query if self._may_be_stale_as_a_whole() else self.evidence
        shown = max(seen.shown_at, self.evidence.since)
        asked = self.pages.first_asked(self.case, shown, self.now)
        return max(shown, min(self.evidence.query.first_denial, asked))

    def _absence_by_list(self, since: float, *, query_denies: bool) -> Reason | None:
        pages = self.pages.read(self.case, since, self.now)
        if not pages:
            return Reason("absence without the list", f"{self.change.ended_as}, and the list was not asked")
        is_served = self.pages.is_served(self.case, pages)
        if is_served and self.world.listing.is_orderly:
            return Reason("absence of a listed job", f"{self.change.ended_as}, though it stands in the list")
        if query_denies and len(pages) >= SCANS:
            return None
        if not self.pages.may_be_complete(pages):
            return Reason("absence by an incomplete scan", f"{self.change.ended_as} by {len(pages)} pages")
        if not query_denies and not self.pages.read(self.case, since + self.grace, self.now):
            return Reason("early not found", "no second scan a grace after the first")
        return None

    def _list_incomplete(self) -> Reason | None:
        if self.evidence.worst is not None:
            return self._an_end_was_reported()
        if not self.query_cannot_be_asked:
            return Reason("odd ListIncomplete", "a query can be asked")
        shown = max(self.evidence.shown_at, self.evidence.since)
        pages = self.pages.read(self.case, shown, self.now)
        if self.now - shown < self.patience or len(pages) < SCANS:
            return Reason("early ListIncomplete", f"{self.now - shown:.0f} s after it was shown, {len(pages)} pages")
        if self.world.listing.is_orderly and not self._may_be_stale():
            return Reason("odd ListIncomplete", "the list is whole")
        return None

    def _may_be_stale(self) -> bool:
        """Whether the list is behind for any job, so that no scan of it may count."""
        behind = {Manner.FROZEN, Manner.LAG}
        return any(phase.manner in behind for case in self.world.cases for phase in case.listed.phases)

    def _is_behind(self) -> bool:
        """Whether the list is behind for this job, so that what it shows of it may not be believed."""
        return any(phase.manner in {Manner.FROZEN, Manner.LAG} for phase in self.case.listed.phases)

    def _may_be_stale_as_a_whole(self) -> bool:
        """Whether the list is behind for two of its jobs: those may be half of a turn, and nothing it shows counts."""
        scope, behind = self.world.scope(self.case.truth.graph), {Manner.FROZEN, Manner.LAG}
        cases = [case for case in self.world.cases if self.world.scope(case.truth.graph) == scope]
        return sum(any(phase.manner in behind for phase in case.listed.phases) for case in cases) > 1

    # Errors

    def _source_error(self) -> Reason | None:
        if self.evidence.worst is not None:
            return self._an_end_was_reported()
        if self.change.is_error("AuthenticationError"):
            return None if self.is_lost else Reason("odd AuthenticationError", "no reply rejected the credentials")
        if "certificate" in self.change.text:
            return None if self.is_lost else Reason("odd certificate", "no reply came with a wrong one")
        if self.joined.graph is None and self.pages.no_smaller_was_tried(self.case, self.now):
            return Reason("no smaller page", f"{self.change.ended_as}, and no smaller page was asked for")
        if self.change.is_error("PermissionDenied") or self.change.is_error("RequestRejected"):
            return self._refusal()
        believed = self.evidence.query if self._is_behind() else self.evidence
        silent = self.now - max(believed.status_at, self.evidence.since)
        never_answered = max(self.evidence.query.answered_at, self.evidence.listed.answered_at) == -math.inf
        patience = min(FIRST_PATIENCE, self.patience) if never_answered else self.patience
        if silent < patience - 1.0:
            return Reason("early silence", f"{self.change.ended_as} {silent:.0f} s after a status was read")
        return None

    def _refusal(self) -> Reason | None:
        if self.joined.graph is None and self.list_cannot_be_asked:
            return None
        if not self.evidence.query.refused:
            return Reason("odd refusal", f"{self.change.ended_as}, but no query for it was refused")
        if self.list_cannot_be_asked:
            return None
        shown = max(self.evidence.shown_at, self.evidence.since)
        pages = self.pages.read(self.case, shown, self.now)
        if len(pages) < 1 or self.now - shown < self.grace:
            return Reason(
                "refusal of a listed job", f"{self.change.ended_as} {self.now - shown:.0f} s after it was shown"
            )
        if self.pages.is_served(self.case, pages) and self.world.listing.is_orderly:
            return Reason("refusal of a listed job", f"{self.change.ended_as}, though it stands in the list")
        return None
