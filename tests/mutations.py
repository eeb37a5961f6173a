"""Deliberate breaks, at least one a rule that is built, and the proof that a test of that rule notices each.

`python -m tests.mutations` applies one break at a time to a copy of the library, runs the tests that bear
the rule's name, and ends with status 1 if any break goes unnoticed. `python -m tests.mutations WORD` runs
those whose name holds the word.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

ROOT = Path(__file__).parent.parent
AT_ONCE = 2


@attrs.frozen
class Mutation:
    """One break: in one place of one file, `old` becomes `new`."""

    name: str
    tests: str
    """What the names of the tests that must notice hold."""
    file: str
    old: str
    new: str
    where: str = "tests/test_rules.py"


HTTP = "tests/test_http.py"
SECRETS = "tests/test_secrets.py"
PROOF = "tests/test_authentication.py"
CORE = "_scheduler/_core.py"
LISTING = "_scheduler/_listing.py"
LISTS = "tests/test_lists.py"
WAIT = "tests/test_cli_wait.py"
LEDGER = "_scheduler/_ledger.py"
SNAPSHOTS = "tests/test_snapshots.py"
OBSERVERS = "tests/test_observers.py"
OTEL = "tests/test_otel.py"
MUTATIONS = [
    Mutation(
        "end jobs twice",
        "rule_1",
        LEDGER,
        "        self._let_go(record)\n        if error is not None:",
        "        if error is not None:",
    ),
    Mutation(
        "lose jobs at a timeout",
        "rule_1",
        CORE,
        "        for record in left:\n            ledger.tell_error(record, self._last_job(record), error, now)\n",
        "        for record in left:\n",
    ),
    Mutation("fail the job with the poll", "rule_2", "_pacing.py", "return Hit.DELAY", "return Hit.REF"),
    Mutation(
        "hit all jobs with one rejection",
        "rule_2",
        "_pacing.py",
        "Hit.LIST if listing else Hit.REF",
        "Hit.LIST if listing else Hit.SOURCE",
    ),
    Mutation(
        "keep asking for a refused list",
        "rule_2",
        LISTING,
        "        self.refusal = error\n        self._leave(now)",
        "        pass",
    ),
    Mutation("survive rejected credentials", "rule_2", "_pacing.py", "return Hit.SOURCE", "return Hit.DELAY"),
    Mutation("leave pending jobs unnamed", "rule_2", CORE, "error.with_pending(refs)", "error.with_pending(())"),
    Mutation("never give up on an outage", "rule_2", "_pacing.py", "return gone_by >= limit", "return False"),
    Mutation(
        "take a success without files",
        "rule_3",
        CORE,
        "return self._source.confirms_imports and job.is_import is not False and not job.tells_files",
        "return False",
    ),
    Mutation("take a denial for a confirmation", "rule_3", CORE, "if care.denials >= MISSES_AT_LEAST:", "if True:"),
    Mutation(
        "confirm for ever", "rule_3", CORE, "confirmed = record.candidate is not None and", "confirmed = False and"
    ),
    Mutation(
        "let states go back", "rule_4", "_scheduler/_record.py", "and status.rank >= self.profile.status.rank", ""
    ),
    Mutation("tell a status again", "rule_4", "_scheduler/_record.py", "not self.told & _BITS[status] and", ""),
    Mutation(
        "keep ended jobs",
        "nothing_is_kept",
        CORE,
        "        if job.status.is_terminal:\n            self._forget(scope, record)\n",
        "",
        "tests/test_interleavings.py",
    ),
    Mutation(
        "end on an unknown word",
        "rule_5",
        "_jobs.py",
        "return _RANKS.get(self, _TERMINAL_RANK)",
        "return 0 if self is JobStatus.PENDING else 1 if self is JobStatus.RUNNING else 2",
    ),
    Mutation(
        "keep quiet about an unknown word", "rule_5", CORE, "if job.status is JobStatus.UNKNOWN and", "if False and"
    ),
    Mutation(
        "drop the grace",
        "rule_6",
        CORE,
        "if absence.misses >= MISSES_AT_LEAST and waited >= self._settings.not_found_grace:",
        "if absence.misses >= MISSES_AT_LEAST:",
    ),
    Mutation("believe the first miss", "rule_6", "_scheduler/_record.py", "MISSES_AT_LEAST = 5", "MISSES_AT_LEAST = 2"),
    Mutation(
        "forget no miss",
        "rule_6",
        "_scheduler/_record.py",
        "        if care is None:\n            return\n        care.absence",
        "        if care is None or care.absence:\n            return\n        care.absence",
    ),
    Mutation(
        "call a vanished job not found",
        "rule_6",
        LEDGER,
        "        if job is not None and isinstance(error, JobNotFound):",
        "        if False:",
    ),
    Mutation("believe one sweep", "rule_6", CORE, "if absence.sweeps > 1 and", "if absence.sweeps > 0 or"),
    Mutation("believe an incomplete sweep", "rule_6", CORE, "if sweep.is_complete:", "if True:"),
    Mutation("do not look for a deleted graph's job", "rule_6", CORE, "elif error.graph_missing and", "elif False and"),
    Mutation("spend nothing", "rule_7", CORE, "                self._budget.spend(now)\n", ""),
    Mutation(
        "allow bursts after a pause",
        "rule_7",
        "_pacing.py",
        "self.ready_at = max(self.ready_at, now) + 1.0 / self.rate",
        "self.ready_at = max(self.ready_at, now - 2.0) + 1.0 / self.rate",
    ),
    Mutation(
        "forget Retry-After",
        "rule_7",
        "_pacing.py",
        "self.until = max(self.until, now + asked)",
        "pass",
    ),
    Mutation(
        "obey any Retry-After", "rule_7", "_pacing.py", "RETRY_AFTER_AT_MOST = 900.0", "RETRY_AFTER_AT_MOST = 1e9"
    ),
    Mutation(
        "start too many workers",
        "rule_7",
        "_loop.py",
        "range(self._settings.max_at_once)",
        "range(self._settings.max_at_once + 1)",
    ),
    Mutation(
        "leave requests running",
        "rule_8",
        "_loop.py",
        "        self.withdrawn = True\n        self.scope.cancel()",
        "        self.withdrawn = True",
    ),
    Mutation(
        "do not wait for their end",
        "rule_8",
        "_loop.py",
        "                await request.has_stopped()",
        "                pass",
    ),
    Mutation("follow redirects", "redirect", "_http.py", "allow_redirects=False", "allow_redirects=True", HTTP),
    Mutation(
        "chain aiohttp's errors",
        "TestFaults",
        "_http.py",
        '            failure = TransportError(f"{message.action}: no usable reply came: {_reason(error)}")',
        '            raise TransportError(f"{message.action}: no usable reply came: {_reason(error)}")',
        HTTP,
    ),
    Mutation(
        "read replies of any size", "limit", "_http.py", "if len(body) > self._max_reply_bytes:", "if False:", HTTP
    ),
    Mutation(
        "send dropped requests twice",
        "drop",
        "_http.py",
        "raise _Dropped(reason)",
        "raise aiohttp.ServerDisconnectedError(reason)",
        HTTP,
    ),
    Mutation(
        "give up without a last look",
        "rule_11",
        CORE,
        "                scope.look_now(here, now)",
        "                pass",
    ),
    Mutation(
        "forget the list at the deadline",
        "rule_11",
        "_scheduler/_observation.py",
        "        listing = self.listing.look_now(len(records) + urgent, now)",
        "        listing = False",
    ),
    Mutation(
        "trust a list that tells old states",
        "frozen",
        "_scheduler/_observation.py",
        "        return self.ends.age(job_id, sent_at) >= patience",
        "        return False",
        LISTS,
    ),
    Mutation(
        "look for no job that the list lost",
        "foreign",
        LISTING,
        "            self._unlocated[record.ref.job_id] = None\n            self.queries.soon(record)",
        "            pass",
        "tests/test_lists.py",
    ),
    Mutation(
        "forget where jobs stand",
        "cut and newest",
        LISTING,
        "self.line.see(offset, places, self.under_way.get(request, self.line.round))",
        "pass",
        LISTS,
    ),
    Mutation(
        "learn no page size",
        "largest",
        "_scheduler/_page_size.py",
        "            self.cut(count, now)",
        "            pass",
        "tests/test_page_size.py",
    ),
    Mutation("look without end", "rule_11", CORE, "LAST_LOOK_AT_MOST = 30.0", "LAST_LOOK_AT_MOST = 1e9"),
    Mutation(
        "keep the frames that hold secrets",
        "rule_9",
        "_http.py",
        "            without_frames(error)\n            raise\n",
        "            raise\n",
        SECRETS,
    ),
    Mutation(
        "keep the frames of an error's chain",
        "rule_9",
        "_secrecy.py",
        'left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]',
        "pass",
        SECRETS,
    ),
    Mutation("tell what a server echoes", "rule_9", "_http.py", "without_echo(told, message.secrets)", "told", SECRETS),
    Mutation(
        "hide no part of a signature",
        "rule_9",
        "_http.py",
        "            yield from _PARTS.findall(value)\n",
        "",
        SECRETS,
    ),
    Mutation(
        "miss echoes with escaped slashes", "rule_9", "_secrecy.py", 'secret.replace("/", r"\\/")', "secret", SECRETS
    ),
    Mutation("show a token that is refused", "rule_9", "_credentials/token.py", "            del value\n", "", SECRETS),
    Mutation(
        "show a key that is refused",
        "rule_9",
        "_credentials/access_key.py",
        "            del ak, sk, security_token  # or a crash reporter shows them\n",
        "",
        SECRETS,
    ),
    Mutation(
        "show a password that is refused",
        "rule_9",
        "_credentials/password.py",
        "            del password  # or a crash reporter shows it\n",
        "",
        SECRETS,
    ),
    Mutation("quote ids as they are", "rule_9", "_http.py", 'else quote(part, safe="")', "else part", SECRETS),
    Mutation(
        "read replies of any size", "rule_9", "_http.py", "if len(body) > self._max_reply_bytes:", "if False:", SECRETS
    ),
    Mutation(
        "try a rejected key again",
        "final or another_source",
        "_credentials/access_key.py",
        "        self._standing.rejected = True\n",
        "",
        PROOF,
    ),
    Mutation(
        "send all with a key that is not proved",
        "lock",
        "_http.py",
        "_UNPROVED_AT_ONCE = 2 ",
        "_UNPROVED_AT_ONCE = 99 ",
        PROOF,
    ),
    Mutation(
        "send a wrong password again",
        "wrong_password",
        "_credentials/password.py",
        "            account.refused = error\n",
        "",
        PROOF,
    ),
    Mutation(
        "renew a token for each poll",
        "once_for_many",
        "_credentials/renewal.py",
        "        if rejected != self._value:\n            return True\n",
        "",
        PROOF,
    ),
    Mutation(
        "let all leave who waited for a token",
        "saves_up",
        "_http.py",
        "            raise CredentialsRenewed  # all who were held up here would leave at once\n",
        "            pass\n",
        PROOF,
    ),
    Mutation(
        "number changes by what they leave open alone",
        "rule_15",
        "_scheduler/_sequence.py",
        "    step = last if is_final or status is None else _STEPS[status]\n",
        "    step = last\n",
    ),
    Mutation(
        "cover what was not taken",
        "rule_15",
        LEDGER,
        "            if key in untaken:\n                told, change = untaken[key]\n"
        "                yield standing(key, change.ref, before(told, change.previous), change.job)\n            elif key in self._frozen:",
        "            if key in self._frozen:",
    ),
    Mutation(
        "take an end that was not taken as known",
        "rule_15",
        LEDGER,
        "            if key in untaken:\n",
        "            if key in untaken and key in records:\n",
    ),
    Mutation(
        "forget what nobody was told",
        "first_failure",
        LEDGER,
        "            self._freeze(record, ref, last, None)\n",
        "",
        SNAPSHOTS,
    ),
    Mutation(
        "query a thousand jobs at the deadline",
        "last_looks_at_many",
        "_scheduler/_observation.py",
        "        walk = listing and unplaced",
        "        walk = False and unplaced",
        "tests/test_face.py",
    ),
    Mutation(
        "tell again what is known",
        "GoingOn",
        LEDGER,
        "            if job.status in known or job.status.rank < known[-1].rank:\n                return\n",
        "",
        SNAPSHOTS,
    ),
    Mutation(
        "watch ended jobs again",
        "GoingOn",
        CORE,
        "                ledger.recall_end(key, entry.ref, entry.end())\n                continue\n",
        "                pass\n",
        SNAPSHOTS,
    ),
    Mutation(
        "forget deadlines over a restart",
        "Deadlines",
        "_loop.py",
        "        if deadline is not None:\n",
        "        if False:\n",
        SNAPSHOTS,
    ),
    Mutation(
        "keep raw records in snapshots",
        "Ends",
        "_snapshot.py",
        "    as_of: Moment | None = None\n",
        "    as_of: Moment | None = None\n    raw: dict[str, Any] = {}\n",
        SNAPSHOTS,
    ),
    Mutation("take a long list in at once", "rule_10", LISTING, "_SLICE = 250", "_SLICE = 250_000"),
    Mutation(
        "decode a long reply at once",
        "rule_10",
        "_http.py",
        "        skipped += part.skipped\n        await anyio.lowlevel.checkpoint()\n",
        "        skipped += part.skipped\n",
    ),
    Mutation(
        "wait until a token is rejected",
        "day_of_tokens",
        "_credentials/renewal.py",
        "anyio.current_time() >= self._renew_at",
        "False",
        PROOF,
    ),
    Mutation(
        "press an IAM that cannot answer",
        "only_delays",
        "_credentials/password.py",
        "anyio.current_time() < account.held_until",
        "False",
        PROOF,
    ),
    Mutation(
        "blame no clock",
        "wrong_clock",
        "_http.py",
        "rejected = _named_skew(error, proof, reply)",
        "rejected = error",
        PROOF,
    ),
    Mutation(
        "tell lag by another clock",
        "rule_11",
        "_jobs.py",
        "return max(self.as_of - self.end_time, timedelta())",
        "return max(datetime.now(self.as_of.tzinfo) - self.end_time, timedelta())",
    ),
    Mutation(
        "keep state in a module",
        "rule_12",
        "_loop.py",
        '_logger = logging.getLogger("gespoll")',
        '_logger = logging.getLogger("gespoll")\n_open: list[object] = []',
    ),
    Mutation(
        "leave through the task group",
        "rule_13",
        "_watch.py",
        "await self._feeder.__aexit__(None, None, None)",
        "await self._feeder.__aexit__(*__import__('sys').exc_info())",
    ),
    Mutation(
        "swallow the error of the body",
        "rule_13",
        "_poller.py",
        "                await self._owned.__aexit__(kind, error, traceback)\n",
        "                await self._owned.__aexit__(kind, error, traceback)\n            return True  # type: ignore\n",
    ),
    Mutation(
        "raise into the task group",
        "rule_14",
        "_loop.py",
        "                self.close(error)\n",
        "                raise\n",
    ),
    Mutation(
        "forget watches without jobs",
        "rule_14",
        "_loop.py",
        "            ledger.stop(self._scheduler.fatal or error)",
        "            pass",
    ),
    Mutation(
        "detach every wait on a job",
        "rule_14",
        "_scheduler/_record.py",
        "            self.watchers.pop(watcher, None)\n",
        "            self.watchers.clear()\n",
    ),
    Mutation(
        "leave in any task", "rule_14", "_poller.py", "if self._entered_by != anyio.get_current_task().id:", "if False:"
    ),
    Mutation("keep what nobody was told", "nobody_was_told", "cli/_wait.py", " and not self.untold:", ":", WAIT),
    Mutation(
        "go on from anything",
        "another_project",
        CORE,
        "            if there != here and",
        "            if False and",
        WAIT,
    ),
    Mutation("keep at the end only", "was_killed", "cli/_kept.py", "if at_once or ", "if False and ", WAIT),
    Mutation("let pipes run ahead", "pipe_waits", "cli/_jobs_input.py", "    if narrow:\n", "    if False:\n", WAIT),
    Mutation(
        "wait for a line in a thread",
        "while_standard",
        "cli/_jobs_input.py",
        'if sys.platform == "win32":',
        "if True:",
        WAIT,
    ),
    Mutation(
        "print commands unquoted",
        "how_to_go_on",
        "cli/_ending.py",
        "return shlex.join([*words, *left, *[STDIN] * self.jobs.is_unread])",
        'return " ".join([*words, *left, *[STDIN] * self.jobs.is_unread])',
        WAIT,
    ),
    Mutation(
        "let servers write to the terminal",
        "cursor",
        "cli/_output.py",
        "letter if letter.isprintable()",
        "letter if letter",
        "tests/test_cli_input.py",
    ),
    Mutation("let the least matter most", "upper", "cli/_exit.py", "return min(", "return max(", "tests/test_exit.py"),
    Mutation(
        "tell what a token command printed",
        "without_what_it_printed",
        "cli/_credentials.py",
        "said = plain(done.stderr",
        "said = plain(done.stdout",
        "tests/test_cli_credentials.py",
    ),
    Mutation(
        "call open jobs failures",
        "states_seen",
        "cli/_look.py",
        "    if change.status is not None:\n        return ExitStatus.SUCCEEDED\n",
        "",
        "tests/test_cli_look.py",
    ),
    Mutation(
        "let observers raise",
        "wait_goes_on",
        "_observing.py",
        "except (Exception, CancelledError)",
        "except Warning",
        OBSERVERS,
    ),
    Mutation(
        "let observers cancel",
        "wait_goes_on",
        "_observing.py",
        "except (Exception, CancelledError)",
        "except Exception",
        OBSERVERS,
    ),
    Mutation(
        "tell observers in mid-change",
        "ThatAsk",
        "_observing.py",
        "        self._untold.append((method, event))\n",
        "        self._untold.append((method, event))\n        self.tell()\n",
        OBSERVERS,
    ),
    Mutation(
        "count jobs that were left as open",
        "watch_that_is_left",
        "_observing.py",
        "self._count(wait, 0)",
        "",
        OBSERVERS,
    ),
    Mutation(
        "hand observers' frames to crash reporters",
        "warning_says",
        "_observing.py",
        "chain=False)).rstrip(),\n",
        "chain=False)).rstrip(),\n                exc_info=error,\n",
        OBSERVERS,
    ),
    Mutation(
        "call a cancelled wait an error",
        "cancelled",
        "otel.py",
        'if event.outcome == "failed":',
        "if event.error:",
        OTEL,
    ),
    Mutation(
        "name many jobs on a span", "named", "_poller.py", 'kind="wait_all")', 'kind="wait_all", job=refs[0])', OTEL
    ),
    Mutation(
        "hammer a service that is down",
        "storm",
        "_pacing.py",
        "            self.until = max(self.until, now + self._streak.next())",
        "            pass",
        "tests/test_faults.py",
    ),
    Mutation(
        "let the list put off the end of an outage",
        "fails_for_too_long",
        LISTING,
        "filter(self.queries.may_be_asked, islice",
        "filter(self.queries.is_free, islice",
        "tests/test_liveness.py",
    ),
    Mutation(
        "stumble over a date",
        "out_of_bounds",
        "_wire/reply.py",
        "    except (ValueError, OverflowError):",
        "    except ValueError:",
        "tests/test_wire.py",
    ),
    Mutation(
        "quote headers as they are",
        "code_and_request_id",
        "_wire/reply.py",
        "return None if told is None else one_line(told)",
        "return told",
        "tests/test_wire.py",
    ),
    Mutation(
        "leave the connections open",
        "starts_again",
        "_http.py",
        "                await owned.close()",
        "                pass",
        "tests/test_faults.py",
    ),
]


def notices(mutation: Mutation) -> bool:
    """Apply a mutation to a copy, and tell whether a test fails there."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("benchmarks", "gespoll", "tests"):
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        path = Path(folder, "gespoll", mutation.file)
        text = path.read_text()
        if text.count(mutation.old) != 1:
            raise SystemExit(f"{mutation.name}: its place stands {text.count(mutation.old)} times in {mutation.file}")
        path.write_text(text.replace(mutation.old, mutation.new))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n",
            "0",
            "-k",
            mutation.tests,
            mutation.where,
        ]
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("CI", None)  # which makes pytest compare long lists in full, for minutes
        run = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=300,
            check=False,
        )
        if run.returncode not in {0, 1}:
            raise SystemExit(f"{mutation.name}: the tests did not run\n{run.stdout}{run.stderr}")
        return run.returncode == 1


def main() -> int:
    """Try the mutations that were asked for, two at a time; gives the exit status."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutation for mutation in MUTATIONS if word in f"{mutation.name} {mutation.tests}"]
    unnoticed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for mutation, noticed in zip(chosen, pool.map(notices, chosen), strict=True):
            unnoticed += [] if noticed else [mutation.name]
            print(f"{'noticed  ' if noticed else 'UNNOTICED'} {mutation.tests:8} {mutation.name}", flush=True)
    print(f"{len(chosen) - len(unnoticed)} of {len(chosen)} breaks noticed")
    return 1 if unnoticed or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main())
