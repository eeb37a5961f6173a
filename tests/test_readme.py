"""README.md keeps its word: its programs run, its tables and its tree are those of the library."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, get_args

import aiohttp
import anyio
import attrs
import pytest

import gespoll
from gespoll import _environment
from gespoll._http import MAX_REPLY_BYTES
from gespoll._jobs import effective_status
from gespoll._scheduler import Settings
from gespoll._scheduler._verdict import Line
from gespoll._snapshot import OnFailure
from gespoll.testing import FakeFile, FakeGES, FakeJob, virtual_time

pytest_plugins = ["pytester"]

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
RUNS_ITSELF = "asyncio.run(main())\n"
BAD_EDGES = FakeFile(
    "edgeset",
    "bucket/edges.csv",
    status="partFailed",
    cause="no such vertex",
    log="bucket/edges.log",
    total_lines=9,
    failed_lines=2,
    successful_lines=7,
)
GOOD_EDGES = attrs.evolve(BAD_EDGES, status="success", cause=None, failed_lines=0, successful_lines=9)
JOBS = (
    FakeJob("good", graph="movies", files=[GOOD_EDGES]),
    FakeJob("partial", graph="movies", files=[BAD_EDGES]),
    FakeJob("bad", graph="movies", name="StartGraph", steps=[(0.0, "failed")], fail_reason="no room"),
    FakeJob("endless", graph="movies", steps=[(0.0, "running")]),
)


@attrs.frozen
class Block:
    """A fenced block."""

    language: str
    line: int
    """Number of its first line."""
    code: str

    @property
    def is_script(self) -> bool:
        """Whether it ends by running its own `main`."""
        return self.code.endswith(RUNS_ITSELF)

    @property
    def module(self) -> str:
        """The module it is to be, where its first line names a file."""
        match = re.match(r"# (\w+)\.py\n", self.code)
        return match[1] if match else ""

    def load(self) -> dict[str, Any]:
        """Run it in a namespace of its own, all but the line that starts `main`, and give what it defines."""
        code = self.code.removesuffix(RUNS_ITSELF)
        namespace: dict[str, Any] = {"__name__": "readme"}
        exec(compile("\n" * (self.line - 1) + code, README, "exec", dont_inherit=True), namespace)
        return namespace


def _blocks() -> list[Block]:
    fences = re.finditer(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    return [Block(match[1], TEXT.count("\n", 0, match.start(2)) + 1, match[2]) for match in fences]


BLOCKS = _blocks()
DAGS = [block for block in BLOCKS if block.language == "python" and block.code.startswith("from airflow")]
PYTHON = [block for block in BLOCKS if block.language == "python" and block not in DAGS]
OUTPUTS = {
    before.line: after.code for before, after in pairwise(BLOCKS) if before.is_script and after.language == "text"
}
TREE = next(block.code for block in BLOCKS if block.code.startswith("GespollError\n"))


EXPLAINED = next(block.code for block in BLOCKS if block.code.startswith("movies/42: running;"))


def _table(heading: str) -> list[list[str]]:
    """Give the cells of the table that has this first heading, without its two first rows."""
    rows = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[- |]+\n((?:\|.*\n)+)", TEXT, flags=re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1].splitlines()]


def _quoted(cell: str) -> list[str]:
    """Give what stands in a cell as code."""
    return re.findall(r"`([^`]*)`", cell)


VARIABLES = [name for row in _table("sought") for name in _quoted(row[1]) if name.isupper()]


def _functions(block: Block) -> list[str]:
    """Name the functions of a block that take a poller."""
    return re.findall(r"^async def (\w+)\(poller\b", block.code, flags=re.MULTILINE)


FILES = [block for block in PYTHON if block.module]
SCRIPTS = [block for block in PYTHON if block.is_script]
FUNCTIONS = [(block, name) for block in PYTHON for name in _functions(block)]
EXPECTED = {
    "tell": [
        "0 requests, 0 throttled, 0 jobs open\n",
        "a look at each every 5.0 s; ends were seen after None s\n",
        "last seen never\n",
    ],
    "follow_many": ["movies/good success\n", "movies/partial partially_failed\n"],
    "until_all_have_ended": ["success\n", "was only partly loaded", "failed: no room", "still open after 3600 s"],
    "as_they_change": ["pending -> success", "s after its end", "was only partly loaded"],
    "fed_by_hand": [],
    "follow": ["movies/good success\n"],
    "load": ["3 graphs loaded\n"],
    "load_or_tell": [
        "movies/partial None [('bucket/edges.csv', 'no such vertex', 'bucket/edges.log')]",
        "not settled: ",
    ],
}


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeGES, str], None]:
    """Point the environment at a fake service and one of its jobs."""

    def point(ges: FakeGES, job_id: str) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        found = {"HUAWEICLOUD_SDK_REGION_GES_X_1": ges.endpoint, "HW_PROJECT_ID": ges.project_id}
        asked = {"GES_JOB_ID": job_id, "GES_GRAPH_ID": "movies", "HW_AUTH_TOKEN": ges.token}
        for name, value in {**found, **asked}.items():
            monkeypatch.setenv(name, value)

    return point


@pytest.mark.anyio
@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: f"line {block.line}")
async def test_a_program_runs_and_prints_what_is_shown(
    block: Block, in_environment: Callable[[FakeGES, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each program runs on virtual time; where its output is shown, that is what it prints."""
    async with FakeGES() as ges:
        ges.add_jobs(JOBS)
        in_environment(ges, "good")
        await block.load()["main"]()
    printed = capsys.readouterr().out
    assert printed
    assert printed == OUTPUTS.get(block.line, printed)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("job_id", "told"),
    [
        ("good", "success after 0:00:03\n"),
        ("partial", "bucket/edges.csv 2 of 9 lines lost: no such vertex bucket/edges.log\n"),
        ("bad", "failed: no room\n"),
        ("endless", "still open: (JobRef(job_id='endless', graph='movies'),)\n"),
    ],
)
async def test_the_program_for_the_real_service_tells_every_end(
    job_id: str, told: str, in_environment: Callable[[FakeGES, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of its branches is reached by the job it is written for."""
    [block] = [block for block in SCRIPTS if "os.environ" in block.code]
    async with FakeGES() as ges:
        ges.add_jobs(JOBS)
        in_environment(ges, job_id)
        await block.load()["main"]()
    assert capsys.readouterr().out == told


@pytest.mark.anyio
@pytest.mark.parametrize(("block", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
async def test_a_function_does_what_is_said(
    block: Block, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each function that takes a poller is called with one, and with jobs of every kind."""
    function: Callable[..., Awaitable[None]] = block.load()[name]
    jobs = JOBS[:1] if name == "follow" else JOBS[:3] if name == "fed_by_hand" else JOBS
    async with FakeGES() as ges, aiohttp.ClientSession(headers={"X-Auth-Token": ges.token}) as session:
        ges.add_jobs(JOBS)
        known = {
            "refs": [gespoll.JobRef(job.job_id, job.graph) for job in jobs],
            "job": gespoll.JobRef("nobody waits for it", "movies"),
            "session": session,
            "kept": tmp_path / "kept.json",
            "has": set(),
            "imports": f"{ges.endpoint}/v2/{ges.project_id}/graphs/{{graph}}/import-graph",
            "graphs": ["movies", "people", "roads"],
        }
        wanted = {each: known[each] for each in inspect.signature(function).parameters if each != "poller"}
        async with gespoll.connect(ges.endpoint, ges.project_id, credentials=gespoll.Token(ges.token)) as poller:
            await function(poller, **wanted)
    printed = capsys.readouterr().out
    assert [text for text in EXPECTED[name] if text not in printed] == []


def test_the_suite_passes(pytester: pytest.Pytester) -> None:
    """The files of a suite, together with the function they test, pass with warnings as errors."""
    [tested] = [block for block, name in FUNCTIONS if name == "load"]
    pytester.makepyfile(loading=tested.code, **{block.module: block.code for block in FILES})
    done = pytester.runpytest_subprocess("-W", "error")
    done.assert_outcomes(passed=1)


def test_the_dag_is_the_recipe() -> None:
    """It is the one that runs on a real Airflow, where one is installed: see tests/airflow."""
    [block] = DAGS
    recipe = (README.parent / "tests" / "recipes" / "airflow_dag.py").read_text(encoding="utf-8")
    docstring, _, code = recipe.partition("\n\n")
    assert docstring.endswith('"""')
    assert block.code == code


def test_the_test_of_the_suite_is_short() -> None:
    """Six lines, as someone who has to write the next one counts them."""
    [test] = [block for block in FILES if block.module != "conftest"]
    assert len(test.code[test.code.index("async def") :].splitlines()) == 6


def test_the_other_blocks_run_as_they_stand() -> None:
    """A block that is no program with a `main`, no function for a poller and no file starts and ends by itself."""
    others = [block for block in PYTHON if not (block.is_script or _functions(block) or block in FILES)]
    for block in others:
        assert block.code.splitlines()[-1].startswith("anyio.run(")
        block.load()


def test_every_block_is_run_or_shown() -> None:
    """Blocks are Python, which runs here; two commands; a shell's, which run together; output; the tree of errors."""
    assert {block.language for block in BLOCKS} == {"python", "bash", "sh", "text"}
    shown = [block.code for block in BLOCKS if block.language == "text"]
    assert sorted(shown) == sorted([*OUTPUTS.values(), TREE, EXPLAINED])
    assert {name for _, name in FUNCTIONS} == set(EXPECTED)


def test_the_first_example_is_short_and_near() -> None:
    """It begins on the first screen, and needs nothing but a paste."""
    first = BLOCKS[0]
    assert first.language == "python"
    assert first.is_script
    assert first.line < 20
    assert len([line for line in first.code.splitlines() if line]) <= 12


def test_the_two_commands_are_single_lines() -> None:
    """One line shows the demo and one runs the tests; there is no other command."""
    commands = [block.code for block in BLOCKS if block.language == "bash"]
    assert [command.count("\n") for command in commands] == [1, 1]
    demo, tests = commands
    assert demo.endswith("python -m gespoll demo\n")
    assert tests.endswith("python -m pytest\n")


def test_the_knobs_are_those_of_the_library() -> None:
    """Names and defaults of the table are those of the settings and of the calls."""
    told = {_quoted(name)[0]: _quoted(default)[0] for name, default, _, _ in _table("knob")}
    poller = {field.name: repr(field.default) for field in attrs.fields(Settings)}
    calls = inspect.signature(gespoll.Poller.watch).parameters
    call = {name: repr(calls[name].default) for name in ("timeout", "job_timeout", "max_open", "max_failed_lines")}
    assert {name: default.replace('"', "'") for name, default in told.items()} == {
        **poller,
        "max_reply_bytes": repr(MAX_REPLY_BYTES),
        **call,
    }
    assert list(told)[: len(poller)] == list(poller)


def test_the_variables_are_those_of_the_library() -> None:
    """The table of what is sought names each variable that `connect` reads, and the places in their order."""
    known = [*chain(*_environment._KEYS), _environment._TOKEN, *_environment._USER, _environment._IAM]
    known += [*_environment._PROJECTS, _environment._REGION, f"{_environment._OVERRIDE}<REGION_ID>"]
    assert known == VARIABLES
    assert f"`{_environment._FILE}`, by default `{_environment._DEFAULT_FILE}`" in TEXT


def test_every_knob_has_a_unit() -> None:
    """The third column says what is counted."""
    units = {"seconds", "requests per second", "requests", "bytes", "jobs", "lines", "how"}
    assert {unit for _, _, unit, _ in _table("knob")} == units


def test_the_ways_to_fail_are_those_of_the_library() -> None:
    """The table of `on_failure` names each value once, the default first."""
    values = [_quoted(value)[0].strip('"') for value, _ in _table("`on_failure`")]
    assert sorted(values) == sorted(get_args(OnFailure))
    assert values[0] == inspect.signature(gespoll.Poller.watch).parameters["on_failure"].default


@pytest.mark.parametrize("row", _table("the service says"), ids=lambda row: row[0])
def test_the_states_are_those_of_the_library(row: list[str]) -> None:
    """Each word of the table means what its last column says, where no file says otherwise."""
    words, files, status = row
    if words == "nothing":
        assert status.startswith("none")
        return
    kinds = {"": [], "all loaded, or none told": ["success"], "all `failed`": ["failed", "failed"]}
    partial = [["success", "partFailed"], ["success", "strange"], ["failed", "success"]]
    for word in _quoted(words) or ["strange"]:
        for told in partial if files.startswith("any") else [kinds[files]]:
            entries = [gespoll.ImportFile(kind="edgeset", status=each) for each in told]
            assert effective_status(word, entries).name == _quoted(status)[0]


def _tree() -> dict[str, str]:
    """Give each error of the tree with its parent."""
    parents: dict[str, str] = {}
    path: dict[int, str] = {}
    for line in TREE.splitlines():
        name = re.search(r"\w+", line)
        assert name is not None
        path[name.start()] = name[0]
        parents[name[0]] = path.get(name.start() - 4, "Exception")
    return parents


def test_the_tree_of_errors_is_that_of_the_library() -> None:
    """It names every exported error below its parent, and nothing else."""
    exported = {name: getattr(gespoll, name) for name in gespoll.__all__}
    errors = {name: each for name, each in exported.items() if inspect.isclass(each) and issubclass(each, Exception)}
    assert _tree() == {name: error.__bases__[0].__name__ for name, error in errors.items()}


def test_the_explanation_is_one_that_is_given() -> None:
    """A job that stands so is explained so, here and in the documentation."""
    explanation = gespoll.Explanation(
        ref=gespoll.JobRef("42", "movies"),
        status=gespoll.JobStatus.RUNNING,
        seen_by="query",
        last_look=3.1,
        next_look=1.9,
        reason="its end (success) is to be confirmed by a query",
        next_by="query",
        phase="confirming",
        line=Line.CONFIRMING.number,
        verdict=Line.CONFIRMING.value,
        by_query=_said("open", gespoll.JobStatus.RUNNING, 3.1),
        by_list=_said("end", gespoll.JobStatus.SUCCESS, 1.4),
    )
    assert f"{explanation}\n" == EXPLAINED
    verdicts = (README.parent / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert re.findall(r"^```(\w*)\n(.*?)^```$", verdicts, flags=re.MULTILINE | re.DOTALL) == [("text", EXPLAINED)]


def _said(said: Any, status: gespoll.JobStatus, ago: float) -> gespoll.ChannelReport:
    return gespoll.ChannelReport(
        said=said,
        status=status,
        last_answer=ago,
        ends=int(status.is_terminal),
        denials=0,
        incomplete_scans=0,
        failure=None,
        failing_for=None,
        unusable=None,
    )


def test_the_links_lead_somewhere() -> None:
    """Each linked file is there."""
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    files = [link for link in links if not link.startswith("https://")]
    assert [link for link in files if not (README.parent / link).is_file()] == []


def test_each_promise_names_tests_that_are_there() -> None:
    """What stands in backticks before a file is part of the name of a test in it."""
    rows = _table("promise")
    named = [(name, file) for row in rows for name, file in re.findall(r"\[`(\w+)`\]\(([\w/]+\.py)\)", row[1])]
    assert len(rows) >= 15
    assert all("`](tests/" in row[1] for row in rows)
    for name, file in named:
        defined = re.findall(r"^ *(?:async )?def (test_\w+)", (README.parent / file).read_text(), flags=re.MULTILINE)
        assert [test for test in defined if name in test], f"{file} has no test of {name}"


def test_lines_are_not_too_long() -> None:
    """Text and programs keep to the line length of the code."""
    long = [line for line in TEXT.splitlines() if len(line) > 120 and not line.startswith("|")]
    assert long == []


def test_the_virtual_clock_is_what_it_says() -> None:
    """An hour of waiting takes no time, as the text about testing promises."""

    async def an_hour() -> float:
        await anyio.sleep(3600.0)
        return anyio.current_time()

    assert anyio.run(an_hour, backend_options={"loop_factory": virtual_time}) == pytest.approx(3600.0)
