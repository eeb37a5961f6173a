"""The command `gespoll demo`, run as a process on the real clock."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

import pytest

from gespoll import JobStatus
from gespoll.cli import _bare
from gespoll.cli._demo import demo
from gespoll.cli._demo_options import LONGEST
from gespoll.cli._display import Lines
from gespoll.cli._imports import TROUBLES, make_imports
from gespoll.testing import FakeFile, FakeJob
from tests.shell import COMMAND, INTERRUPTIBLE, NEEDS_TERMINAL, on_terminal, terminal, without_codes


def bad_files(job: FakeJob) -> list[FakeFile]:
    """Give the files of an import that lost lines, or say so."""
    return [file for file in job.files or () if file.status in {"partFailed", "failed"} or file.failed_lines]


NUMBER, SEED = 60, 1
IMPORTS = make_imports(NUMBER, SEED)
BAD_FILES = [(job, file) for job in IMPORTS for file in bad_files(job)]
SECONDS = [("demo", "--seconds", text) for text in ("0", "-1", "3601", "nan", "soon")]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with warnings as errors."""
    return subprocess.run((*COMMAND, *arguments), capture_output=True, text=True, timeout=60, check=False)


@cache
def the_demo() -> subprocess.CompletedProcess[str]:
    """Run the demo, once for all tests."""
    return run("demo", "--jobs", str(NUMBER), "--seed", str(SEED), "--seconds", "5")


BLOCK_RICH = "import sys; sys.modules['rich'] = None; from gespoll.cli import main; sys.exit(main(sys.argv[1:]))"


def bad_ones(imports: Sequence[FakeJob]) -> list[FakeJob]:
    """Give the imports that do not end well."""
    return [job for job in imports if job.steps[-1][1] == "failed" or bad_files(job)]


def numbers(line: str) -> list[int]:
    """Give the whole numbers of a line of progress, behind its time."""
    return [int(word) for word in line.split()[2:9]]


def progress(output: str) -> list[list[int]]:
    """Give the numbers of all lines of progress."""
    return [numbers(line) for line in output.splitlines() if re.match(r" *\d+\.\d s ", line)]


def paragraph(output: str, job: FakeJob) -> str:
    """Give the part of the summary that is about a job."""
    parts = [part for part in output.split("\n\n") if part.startswith(f"{job.graph}/{job.job_id}: ")]
    assert len(parts) == 1, f"{job.job_id} is told {len(parts)} times"
    return parts[0]


def test_the_demo_ends_well_and_quietly() -> None:
    """Nothing is written to standard error, not even a warning, and the exit status is 0."""
    done = the_demo()
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_line_says_what_is_simulated() -> None:
    """A newcomer reads what he is looking at."""
    first = the_demo().stdout.splitlines()[0]
    assert first == "gespoll demo: waiting for 60 simulated bulk imports on a simulated Graph Engine Service."


@pytest.mark.parametrize(("job", "file"), BAD_FILES, ids=lambda value: getattr(value, "job_id", None))
def test_every_bad_file_is_named(job: FakeJob, file: FakeFile) -> None:
    """Cause, log and line counts stand with the file, under its job."""
    text = paragraph(the_demo().stdout, job)
    told = text[text.index(f"{file.kind} {file.path} ({file.status})") :].splitlines()
    assert told[0].endswith(
        f": {file.failed_lines} of {file.total_lines} lines not loaded, {file.successful_lines} loaded"
    )
    assert told[1].strip() == f"cause: {file.cause}"
    assert told[2].strip() == f"log:   {file.log}"


def test_no_sound_import_is_named() -> None:
    """The summary names the imports with a bad file or a failure, and no other."""
    bad = {job.job_id for job in bad_ones(IMPORTS)}
    named = re.findall(r"^\S+/(import-\d+): Import(?:Partially)?Failed", the_demo().stdout, flags=re.MULTILINE)
    assert set(named) == bad
    assert len(named) == len(bad)


def test_a_failure_without_files_tells_its_reason() -> None:
    """Where no file is to blame the server's reason stands."""
    job = next(job for job in IMPORTS if job.files is None)
    assert paragraph(the_demo().stdout, job).splitlines()[1] == f"  reason: {job.fail_reason}"


def test_the_counts_add_up() -> None:
    """Each line counts every import once, and requests never become fewer."""
    lines = progress(the_demo().stdout)
    assert [sum(line[:5]) for line in lines] == [NUMBER] * len(lines)
    assert lines == sorted(lines, key=lambda line: line[5])
    *_, last = lines
    bad = re.search(r"^(\d+) imports did not end well", the_demo().stdout, flags=re.MULTILINE)
    assert bad is not None
    assert last[0] == last[1] == 0
    assert last[3] + last[4] == int(bad[1])


def test_the_outcome_agrees_with_the_last_line() -> None:
    """The summary's first sentence repeats the last counts, and its requests."""
    _, _, success, partly, failed, requests, loop = progress(the_demo().stdout)[-1]
    names = [status.value.replace("_", " ") for status in (JobStatus.SUCCESS, JobStatus.PARTIALLY_FAILED)]
    told = f"60 of 60 imports ended: {success} {names[0]}, {partly} {names[1]}, {failed} failed."
    assert told in the_demo().stdout
    assert re.search(
        rf"^{requests} requests \(.*\); the loop would have sent {loop}\.$", the_demo().stdout, re.MULTILINE
    )
    assert requests < loop


@pytest.mark.anyio
@pytest.mark.parametrize(("number", "seed"), [(1, 0), (1, 5), (NUMBER, SEED), (300, 0), (1000, 2)])
async def test_any_number_of_imports_is_told(number: int, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """On virtual time, too: all imports end, within 20 seconds, and the lines count each once."""
    await demo(number, seed)
    output = capsys.readouterr().out
    assert f"{number} of {number} import" in output
    assert {sum(line[:5]) for line in progress(output)} == {number}
    assert len(progress(output)) <= 20
    told = re.findall("^    cause: ", output, flags=re.MULTILINE)
    assert len(told) == sum(len(bad_files(job)) for job in make_imports(number, seed))


def test_the_faults_were_met() -> None:
    """What the service was told to do wrong did hit requests."""
    assert "Answered badly on purpose: 2 x throttle, 2 x unavailable" in the_demo().stdout


@pytest.mark.parametrize("arguments", [(), ("demo", "--jobs", "0"), ("demo", "--jobs", "many"), ("what",), *SECONDS])
def test_a_usage_error_ends_with_status_2(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without the extra `cli`, too, the usage goes to standard error, and nothing runs."""
    with pytest.raises(SystemExit) as ended:
        _bare.main(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usage: gespoll")


def test_a_usage_error_of_the_process_ends_with_status_2() -> None:
    """`python -m gespoll` hands the exit status on; with the extra `cli` one line says what is wrong."""
    done = run("demo", "--seed", "one")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--seed" in done.stderr


@pytest.mark.parametrize("command", _bare.OTHERS)
def test_what_needs_the_extra_says_so(command: str) -> None:
    """Without cyclopts one sentence says what to install, and the exit status is that of a usage error."""
    start = (sys.executable, "-W", "error", "-c", BLOCK_RICH, command, "--timeout", "5s", "job")
    done = subprocess.run(start, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    advice = "needs the extra `cli`; install it with: pip install 'gespoll[cli]', in a checkout: pip install '.[cli]'"
    assert done.stderr == f"gespoll: `gespoll {command}` {advice}\n"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` tells the installed version, with and without the extra `cli`."""
    with pytest.raises(SystemExit) as ended:
        _bare.main(["--version"])
    assert ended.value.code == 0
    told = f"gespoll {version('gespoll')}\n"
    assert (capsys.readouterr().out, run("--version").stdout) == (told, told)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_an_interrupt_ends_it_quietly_with_status_130() -> None:
    """Ctrl-C leaves no traceback."""
    with subprocess.Popen(
        (*INTERRUPTIBLE, "demo"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        seconds = (line for line in process.stdout if line.lstrip().startswith("1.0 s"))
        assert next(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end in another way")
def test_a_reader_who_leaves_ends_it_quietly() -> None:
    """`gespoll demo | head` leaves no traceback either."""
    with subprocess.Popen((*COMMAND, "demo"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=30)
    assert (process.returncode, errors) == (1, "")


def test_a_pipe_gets_no_escape_codes() -> None:
    """Nor carriage returns: what is piped is plain text."""
    assert re.search(r"[^\n -~]", the_demo().stdout) is None


@NEEDS_TERMINAL
def test_a_terminal_shows_the_imports_in_place() -> None:
    """A bar grows to the end, each failure is told once above it, and the cursor comes back."""
    pytest.importorskip("rich", reason="the live display needs the extra `cli`: pip install 'gespoll[cli]'")
    status, output = on_terminal(*COMMAND, "demo", "--jobs", "40", "--seed", "1", "--seconds", "1")
    text = without_codes(output)
    ended = [int(number) for number in re.findall(r"(\d+) of 40 ended +\d+\.\d s", text)]
    assert status == 0, text
    assert len(ended) > 8
    assert (ended, ended[0], ended[-1]) == (sorted(ended), 0, 40)
    assert "\u2501" * 20 in text
    assert re.search(r"\x1b\[[0-9;]*m", output)
    told = re.findall(r"^ *\d\.\d s  (\S+) (?:partially )?failed", text, flags=re.MULTILINE)
    assert sorted(told) == sorted(f"{job.graph}/{job.job_id}" for job in bad_ones(make_imports(40, 1)))
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h") > 0
    assert "40 of 40 imports ended: " in text


@NEEDS_TERMINAL
def test_no_color_is_obeyed() -> None:
    """The table stays in place, and nothing is coloured."""
    pytest.importorskip("rich", reason="the live display needs the extra `cli`: pip install 'gespoll[cli]'")
    status, output = on_terminal(*COMMAND, "demo", "--jobs", "8", "--seconds", "0.5", NO_COLOR="1")
    assert status == 0, output
    assert "8 of 8 ended" in output
    assert [
        code for code in re.findall(r"\x1b\[([0-9;]*)m", output) if not set(code.split(";")) <= {"0", "1", "2"}
    ] == []


@NEEDS_TERMINAL
@pytest.mark.parametrize(
    ("start", "kind"), [((sys.executable, "-W", "error", "-c", BLOCK_RICH), "xterm"), (COMMAND, "dumb")]
)
def test_a_terminal_gets_lines_where_nothing_better_can_be_had(start: Sequence[str], kind: str) -> None:
    """Without rich, or where the cursor cannot be moved, the lines are those of a pipe."""
    status, output = on_terminal(*start, "demo", "--jobs", "3", "--seconds", "0.5", TERM=kind)
    assert status == 0, output
    assert "\x1b" not in output
    assert progress(without_codes(output))


@NEEDS_TERMINAL
def test_an_interrupt_leaves_the_terminal_as_it_was() -> None:
    """The cursor comes back, and there is no traceback."""
    pytest.importorskip("rich", reason="the live display needs the extra `cli`: pip install 'gespoll[cli]'")
    with terminal(*INTERRUPTIBLE, "demo") as (process, written):
        begun = next(piece for piece in written if " of 300 ended" in piece)
        process.send_signal(signal.SIGINT)
        output = begun + "".join(written)
        assert process.wait() == 130
    assert output.count("\x1b[?25h") == 1
    assert "Traceback" not in output


@pytest.mark.anyio
@pytest.mark.parametrize("width", [40, 80, 200])
async def test_the_live_table_counts_every_import(width: int) -> None:
    """On virtual time, too; a narrow terminal cuts lines off, and never breaks them."""
    rich_console = pytest.importorskip("rich.console", reason="the live display needs the extra `cli`")
    from gespoll.cli._live import live_table

    screen = io.StringIO()
    console = rich_console.Console(file=screen, force_terminal=True, force_interactive=True, width=width, height=40)
    await demo(NUMBER, SEED, display_of=lambda board: live_table(board, console) or Lines(board))
    text = without_codes(screen.getvalue())
    assert max(map(len, text.splitlines())) <= width
    assert re.search(r"60 of 60 ended +\d+\.\d s", text)
    counts = [[int(word) for word in line.split()] for line in text.splitlines() if re.fullmatch(r"[ \d]+", line)]
    assert width < 80 or {sum(count[:5]) for count in counts} == {NUMBER}


@pytest.mark.parametrize("number", [1, 7, 300])
def test_the_same_seed_makes_the_same_imports(number: int) -> None:
    """Every import has an id of its own, and ends in time, whatever time there is."""
    imports = make_imports(number, 3)
    assert [(job.job_id, job.steps, job.files) for job in imports] == [
        (job.job_id, job.steps, job.files) for job in make_imports(number, 3)
    ]
    assert len({job.job_id for job in imports}) == number
    assert all(job.steps[-1][0] <= LONGEST for job in imports)
    assert all(job.steps[-1][0] <= 2.0 for job in make_imports(number, 3, 2.0))


def test_every_trouble_is_shown() -> None:
    """With enough imports, each line of the table stands for at least one of them."""
    hidden = [job for job in IMPORTS if job.list_detail_after is not None]
    assert len(IMPORTS) >= len(TROUBLES)
    assert {job.steps[-1][1] for job in IMPORTS} == {"success", "failed", "partiallyFailed"}
    assert {file.status for _, file in BAD_FILES} == {"success", "partFailed", "failed"}
    assert {job in [bad for bad, _ in BAD_FILES] for job in hidden} == {True, False}
