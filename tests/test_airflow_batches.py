"""`gespoll.airflow` without Airflow: which jobs are meant, batches, and what importing it does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gespoll import JobRef
from gespoll.airflow import batched_jobs
from gespoll.airflow._batches import grouped, refs_of

BOTH = [JobRef("1", "movies"), JobRef("2", "people")]


@pytest.mark.parametrize(
    "jobs",
    [
        BOTH,
        tuple(BOTH),
        [JobRef("1"), JobRef("2", "people")],
        ["1", {"job_id": "2", "graph": "people"}],
        [{"job_id": "1", "graph": None}, {"job_id": "2", "graph": "people"}],
        {"movies": ["1"], "people": ["2"]},
        {"": ["1"], "people": ("2",)},
        '["1", {"job_id": "2", "graph": "people"}]',
        ' {"": ["1"], "people": ["2"]}',
    ],
    ids=repr,
)
def test_jobs_are_taken_in_every_form(jobs: Any) -> None:
    """Ids, refs, dicts, job ids by graph, and JSON of them mean the same jobs."""
    assert list(refs_of(jobs, "movies")) == BOTH


@pytest.mark.parametrize("job", ["1", JobRef("1"), {"job_id": "1"}, '{"job_id": "1"}'], ids=repr)
def test_one_job_needs_no_list(job: Any) -> None:
    """A text is one job id, and is never taken for its characters; a blank graph is none."""
    assert list(refs_of(job)) == list(refs_of(job, "")) == [JobRef("1")]


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        (None, "jobs must be a job id, a JobRef, .*, not NoneType: None"),
        (b"1", "jobs must be .*, not bytes: b'1'"),
        (7, "jobs must be .*, not int: 7"),
        (["1", None], r"jobs\[1\] is no job: job_id must be a str, not NoneType"),
        (["1", " "], r"jobs\[1\] is no job: job_id ' ' is not an id"),
        ([["1"]], r"jobs\[0\] is no job: job_id must be a str, not list"),
        ({"movies": "1"}, r"jobs\['movies'\] must be a list of job ids, not str: '1'"),
        ({"movies": ["1", 2]}, r"jobs\['movies'\]\[1\] is no job"),
        ({"job": "1"}, r"jobs\['job'\] must be a list of job ids"),
        ([{"job_id": "1", "grpah": "movies"}], r"jobs\[0\] has 'grpah' beside job_id and graph"),
        ("['1', '2']", r"jobs is the text \"\['1', '2'\]\", which is no JSON: end the template with `| tojson`"),
        ("[" + "1" * 100, "jobs is the text '" + r"\[1{78}…, which is no JSON"),
    ],
    ids=repr,
)
def test_what_is_no_job_is_refused_with_its_place(jobs: Any, told: str) -> None:
    """The error says what is wrong, where, and what may stand there."""
    with pytest.raises(ValueError, match=told):
        list(refs_of(jobs))


def test_jobs_are_read_as_they_are_pulled() -> None:
    """Ten thousand of them are not read at one stroke."""
    refs = refs_of(["1", None])
    assert next(iter(refs)) == JobRef("1")


def test_grouped_names_each_job_once() -> None:
    """By graph, those without one under the empty text, in the order in which they came."""
    assert grouped(["2", JobRef("1", "movies"), "1", "2"]) == {"": ["2", "1"], "movies": ["1"]}


@given(
    jobs=st.lists(st.builds(JobRef, st.sampled_from("123456789"), st.sampled_from(["a", "b", None]))),
    size=st.integers(1, 12),
)
def test_every_job_is_in_one_batch(jobs: list[JobRef], size: int) -> None:
    """No batch is larger than asked for, all but the last are full, and they survive JSON."""
    batches = json.loads(json.dumps(batched_jobs(jobs, size)))
    found = [list(refs_of(batch)) for batch in batches]
    assert sorted(map(str, (ref for batch in found for ref in batch))) == sorted(set(map(str, jobs)))
    assert [len(batch) for batch in found[:-1]] == [size] * (len(found) - 1)


def test_a_hundred_thousand_jobs_are_forty_batches() -> None:
    """With the default size, and the graph of those that name none."""
    batches = batched_jobs([str(number) for number in range(100_000)], graph="movies")
    assert [list(batch) for batch in batches] == [["movies"]] * 40
    assert {len(batch["movies"]) for batch in batches} == {2500}


@pytest.mark.parametrize("size", [0, -1, 10_001, 2.5, True, "9"])
def test_a_batch_has_a_size(size: Any) -> None:
    """From 1 to 10,000."""
    with pytest.raises(ValueError, match="must be a whole number from 1 to 10,000"):
        batched_jobs(["1"], size)


class TestImport:
    """What importing the package does to its process."""

    def run(self, code: str) -> str:
        """Run code in a process of its own, where Airflow is not to be found."""
        code = f"import sys; sys.modules['airflow'] = None\n{code}"
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    def test_the_provider_is_described_without_airflow(self) -> None:
        """Airflow asks for it wherever gespoll is installed, also one that is too old for the rest."""
        code = "from gespoll.airflow import get_provider_info; print(get_provider_info()['package-name'])"
        assert self.run(code) == "gespoll"

    @pytest.mark.parametrize("name", ["GesHook", "GesJobsOperator", "GesJobsSensor", "GesJobsTrigger"])
    def test_what_needs_airflow_says_so(self, name: str) -> None:
        """And says what to install."""
        code = f"try:\n from gespoll.airflow import {name}\nexcept ImportError as error:\n print(error)"
        told = f'gespoll.airflow.{name} needs Airflow 3.3.2 or later: install "gespoll[airflow]" (missing: airflow'
        assert self.run(code).startswith(told)

    def test_other_names_are_not_there(self) -> None:
        """As in any module."""
        code = "import gespoll.airflow\nprint(hasattr(gespoll.airflow, 'GesOperator'))"
        assert self.run(code) == "False"
