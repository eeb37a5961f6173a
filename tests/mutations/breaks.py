"""The breaks: at least one for each rule of the design, each with the tests that must notice.

Rule: what is broken is decided in a function that other work leaves alone. Rule 12 has no break, because no function
can break it: it is about what modules hold, and its test reads their text.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from gespoll import ImportFile, Job, JobRef, JobStatus, Poller, SourceError
from gespoll._credentials import AccessKey
from gespoll._jobs import STATUS_WORDS, StatusWords, status_of_word
from gespoll._loop import Loop, _UnderWay
from gespoll._pacing import Hit, RequestBudget, RetryDelays
from gespoll._scheduler._evidence import Channel, Evidence
from gespoll._scheduler._ledger import Ledger
from gespoll._scheduler._record import Key, Record
from gespoll._scheduler._requests import Get
from gespoll._scheduler._verdict import Plane, Verdict, _Case
from gespoll._scheduler._verify import Verify
from gespoll._scheduler._view import View
from gespoll._secrecy import _Error
from gespoll._watch import Watch, as_ref
from gespoll._wire.listing import Part, _decode_glances
from tests.mutations.applying import Breaks

RULES = "tests/test_rules.py"
SECRETS = "tests/test_secrets.py"
SNAPSHOTS = "tests/test_snapshots.py"
WIRE = "tests/test_wire.py"
PACING = "tests/test_pacing.py"
INPUT = "tests/test_cli_input.py"

BREAKS = Breaks()


# Rule 1: every job ends in exactly one final change


@BREAKS(1, "gespoll._scheduler._ledger.Ledger._end", tests=RULES, chosen="rule_1_")
def end_jobs_twice(
    original: Callable[..., None],
    self: Ledger,
    record: Record[Ledger],
    ref: JobRef,
    job: Job | None,
    error: Exception | None,
) -> None:
    """Tell each final change once more."""
    original(self, record, ref, job, error)
    self.changes.append(self.changes[-1])
    self._before.append(self._before[-1])


@BREAKS(1, "gespoll.airflow._batches.batched_jobs", tests="tests/test_airflow_batches.py", chosen="one_batch")
def lose_the_last_batch(
    original: Callable[..., list[Any]], jobs: Any, size: int = 2500, *, graph: str | None = None
) -> list[Any]:
    """Leave out the jobs that fill no batch."""
    return original(jobs, size, graph=graph)[:-1]


# Rule 2: a failed poll is never a failed job


@BREAKS(2, "gespoll._pacing.hit_of", tests=RULES, chosen="rule_2_a_failed_poll")
def fail_the_job_with_the_poll(original: Callable[..., Hit], error: SourceError, *, listing: bool) -> Hit:
    """End a job whose query failed for a moment."""
    hit = original(error, listing=listing)
    return Hit.REF if hit is Hit.DELAY else hit


@BREAKS(2, "gespoll._scheduler._verdict._is_silent", tests=RULES, chosen="rule_2_an_outage")
def never_give_up_on_an_outage(case: _Case) -> Verdict | None:
    """Wait for a service that is gone for as long as it takes."""
    return None


# Rule 3: a partly failed import never ends as a success


@BREAKS(3, "gespoll._jobs.effective_status", tests="tests/test_http.py", chosen="bad_import")
def believe_the_word_whatever_the_files_say(
    word: str, files: Iterable[ImportFile] | None, words: StatusWords = STATUS_WORDS
) -> JobStatus:
    """Call an import a success because the service does."""
    return status_of_word(word)


@BREAKS(3, "gespoll._jobs.Job.tells_files", tests=RULES, chosen="rule_3_a_partly")
def take_a_success_without_files(self: Job) -> bool:
    """Pretend that the record of an import told its files."""
    return True


@BREAKS(3, "gespoll._scheduler._verdict.fuller_channel", tests="tests/test_verdict.py", chosen="test_job_is_waited_for")
def ask_nobody_for_the_files(end: Job, evidence: Evidence, plane: Plane) -> Channel | None:
    """Take every end as it is reported first."""
    return None


# Rule 4: states only move forward


@BREAKS(4, "gespoll._scheduler._record.Record.moves_to", tests=RULES, chosen="rule_4_states")
def let_states_go_back(self: Record[Ledger], status: JobStatus) -> bool:
    """Tell each status once, in whatever order."""
    return self.profile is None or status not in self.statuses


# Rule 5: an unknown status word is waited on


@BREAKS(5, "gespoll._jobs.JobStatus.rank", tests=RULES, chosen="rule_5_an_unknown_word_is_told")
def end_on_an_unknown_word(original: Callable[[JobStatus], int], self: JobStatus) -> int:
    """Count what no document names among the ends."""
    return 2 if self is JobStatus.UNKNOWN else original(self)


# Rule 6: absence is proved, never assumed


@BREAKS(6, "gespoll._wire.reply._is_absence", tests=WIRE, chosen="test_code_decides")
def take_any_rejection_for_absence(status: int, code: str | None) -> bool:
    """Let the HTTP status say that there is no such job, whatever the code says."""
    return 400 <= status < 500


@BREAKS(
    6, "gespoll._scheduler._verdict._is_denied_by_query", tests="tests/test_world_stories.py", chosen="queries_deny"
)
def believe_queries_that_deny(case: _Case) -> bool:
    """End a job that queries deny, whatever the list shows."""
    denials = case.evidence.by_query.denials
    return denials is not None and denials.count > 1


# Rule 7: the budget, and Retry-After


@BREAKS(7, "gespoll._pacing.RequestBudget.spend", tests=RULES, chosen="rule_7_requests_stay")
def allow_bursts_after_a_pause(self: RequestBudget, now: float) -> None:
    """Save up two seconds in which nothing was sent."""
    self.ready_at = max(self.ready_at, now - 2.0) + 1.0 / self.rate


@BREAKS(7, "gespoll._pacing.wait_asked", tests=RULES, chosen="rule_7_retry_after")
def forget_retry_after(error: SourceError) -> float | None:
    """Ask again whenever it suits."""
    return None


@BREAKS(7, "gespoll._loop.Loop.start", tests=RULES, chosen="rule_7_never_more")
def start_too_many_workers(original: Callable[[Loop], None], self: Loop) -> None:
    """Have one request more under way than is allowed."""
    original(self)
    self._tasks.start(self._work)


# Rule 8: leaving stops what was done, and leaves nothing


@BREAKS(8, "gespoll._loop._UnderWay.withdraw", tests=RULES, chosen="rule_8_")
def leave_requests_running(self: _UnderWay) -> None:
    """Call a request withdrawn that goes on."""
    self.withdrawn = True


@BREAKS(8, "gespoll.cli._jobs_input._read", tests=INPUT, chosen="in_no_thread")
async def wait_for_a_line_in_a_thread(descriptor: int) -> bytes:
    """Read standard input where nobody can stop it."""
    return await anyio.to_thread.run_sync(os.read, descriptor, 512, abandon_on_cancel=True)


# Rule 9: no secret leaves


@BREAKS(9, "gespoll._secrecy.without_frames", tests=SECRETS, chosen="rule_9_rejected_credentials")
def keep_the_frames_that_hold_secrets(error: _Error) -> _Error:
    """Raise an error with the variables of all it came through."""
    return error


@BREAKS(9, "gespoll._secrecy.without_echo", tests=SECRETS, chosen="rule_9_servers_that_echo")
def tell_what_a_server_echoes(body: bytes, secrets: Iterable[str]) -> bytes:
    """Keep a reply as it is."""
    return body


@BREAKS(9, "gespoll._endpoints.is_clear_text", tests="tests/test_face.py", chosen="test_endpoint")
def send_secrets_in_clear_text(url: str) -> bool:
    """Take every URL for a safe one."""
    return False


# Rule 10: the event loop is never held


@BREAKS(10, "gespoll._watch.Watch._take", tests=RULES, chosen="rule_10_a_long_reply")
async def take_all_refs_at_once(self: Watch, jobs: Iterator[JobRef | str]) -> bool:
    """Hand over twenty thousand jobs before anything else may happen."""
    self._loop.join(self._ledger, [as_ref(job, self._graph) for job in jobs])
    return True


# Rule 11: clocks, and the final poll at a deadline


@BREAKS(11, "gespoll._jobs.Job.lag", tests=RULES, chosen="rule_11_lag")
def tell_lag_by_another_clock(self: Job) -> timedelta | None:
    """Compare the server's time with this machine's."""
    return None if self.end_time is None or self.as_of is None else datetime.now(self.as_of.tzinfo) - self.end_time


@BREAKS(11, "gespoll._scheduler._ledger.Ledger.looked", tests=RULES, chosen="rule_11_a_last_look_comes")
def overlook_final_polls(self: Ledger, record: Record[Ledger], sent_at: float) -> None:
    """Wait until the last moment for polls that were answered."""


# Rule 13: errors and cancellation pass through


@BREAKS(13, "gespoll._poller.Poller.__aexit__", tests=RULES, chosen="rule_13_an_error")
async def swallow_the_error_of_the_body(
    original: Callable[..., Awaitable[None]],
    self: Poller,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
    /,
) -> bool:
    """Let the block end as if all were well."""
    await original(self, kind, error, traceback)
    return True


# Rule 14: the loop's tasks harm nobody


@BREAKS(14, "gespoll._loop.Loop.close", tests=RULES, chosen="rule_14_a_fatal_error")
def close_without_a_word(self: Loop, error: Exception) -> None:
    """Tell nobody who waits that a task cannot go on."""
    self._scheduler.fatal = self._scheduler.fatal or error
    self._tasks.cancel()


@BREAKS(14, "gespoll._scheduler._record.Record.detach", tests=RULES, chosen="rule_14_cancelling")
def detach_every_wait_on_a_job(self: Record[Ledger], watcher: Ledger) -> None:
    """Let all stop waiting where one does."""
    self.watchers = None


# Rule 15: a snapshot covers the changes that were returned


@BREAKS(15, "gespoll._scheduler._ledger.Ledger.view", tests=SNAPSHOTS, chosen="waits_to_be_taken")
def cover_what_was_not_taken(original: Callable[[Ledger], View], self: Ledger) -> View:
    """Write down what nobody was given yet."""
    view = original(self)
    view.before = view.changes = ()
    return view


@BREAKS(15, "gespoll._scheduler._view.View.keep", tests="tests/test_snapshot_async.py", chosen="rule_15")
def write_down_what_came_later(self: View, record: Record[Ledger]) -> None:
    """Keep nothing of what changes while a snapshot is written."""


@BREAKS(15, "gespoll._scheduler._ledger.Ledger.know", tests=SNAPSHOTS, chosen="what_is_known")
def tell_again_what_is_known(self: Ledger, key: Key, statuses: Iterable[JobStatus]) -> None:
    """Forget what was told before a restart."""


# Rule 16: what one channel alone shows is verified


@BREAKS(16, "gespoll._scheduler._verify.Verify.next", tests="tests/test_verify.py", chosen="frozen")
def verify_nothing_that_the_list_shows(self: Verify, now: float) -> Get | None:
    """Believe a list that stands still."""
    return None


# Rule 17: what was left is taken up again


@BREAKS(17, "gespoll._pacing.RequestBudget.answered", tests=PACING, chosen="give_the_rate_back")
def stay_as_slow_as_ever_throttled(self: RequestBudget) -> None:
    """Never give back what a throttled reply took."""


# Rule 18: no state of the service makes requests grow


@BREAKS(18, "gespoll._pacing.RetryDelays.next", tests="tests/test_faults.py", chosen="test_a_storm")
def hammer_a_service_that_is_down(self: RetryDelays) -> float:
    """Ask again at once, however often it failed."""
    return 0.01


@BREAKS(18, "gespoll._credentials.access_key.AccessKey.renew", tests="tests/test_authentication.py", chosen="another")
async def try_a_rejected_key_again(self: AccessKey, rejected: Mapping[str, str], /) -> bool:
    """Forget that the service refused a key, which more of the same would lock."""
    return False


# Rule 19: what the service says is data


@BREAKS(19, "gespoll._wire.listing._read_part", tests=WIRE, chosen="hides_no_other")
def let_one_record_hide_the_others(original: Callable[[bytes], Part], part: bytes) -> Part:
    """Read nothing of what holds an entry that cannot be read."""
    try:
        _decode_glances(part)
    except msgspec.DecodeError:
        return Part([], [], 0, b"[]")
    return original(part)
