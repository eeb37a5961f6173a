"""What `serve` serves: a scenario, written in TOML or JSON.

Rule: a scenario says what FakeGES can be told and nothing else; a mistake in one is told with its place.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from gespoll.cli._exit import UsageError
from gespoll.testing import (
    Edition,
    FakeFile,
    FakeGES,
    FakeJob,
    FaultKind,
    Faults,
    FileKind,
    ListOrder,
    PagePolicy,
    RequestKind,
)

Share = float
Times = list[tuple[float, str]]


class _Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part of a scenario: what is not set is left to FakeGES."""

    def given(self) -> dict[str, Any]:
        """Give what is set."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in values if value is not UNSET}


class File(_Part, frozen=True):
    """As `FakeFile`."""

    kind: FileKind
    path: str
    status: str | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    log: str | UnsetType = UNSET
    total_lines: int | UnsetType = UNSET
    failed_lines: int | UnsetType = UNSET
    successful_lines: int | UnsetType = UNSET


class Course(_Part, frozen=True):
    """What becomes of a job, as for `FakeJob`."""

    steps: Times | UnsetType = UNSET
    files: list[File] | UnsetType = UNSET
    fail_reason: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    job_type: str | UnsetType = UNSET
    visible_after: float | UnsetType = UNSET
    vanishes_after: float | UnsetType = UNSET
    files_always: bool | UnsetType = UNSET
    detail_after: float | UnsetType = UNSET
    list_detail_after: float | UnsetType = UNSET
    in_list: bool | UnsetType = UNSET
    command: str | UnsetType = UNSET
    age: float | UnsetType = UNSET

    def job(self, job_id: str) -> FakeJob:
        """Make the job.

        Raises:
            ValueError: when it cannot be one.
        """
        given = self.given()
        if self.files is not UNSET:
            given["files"] = [FakeFile(**file.given()) for file in self.files]
        return FakeJob(**{"job_id": job_id, **given})


class ScriptedJob(Course, frozen=True, kw_only=True):
    """A job that is there from the beginning."""

    job_id: str
    graph: str | UnsetType = UNSET
    graph_name: str | UnsetType = UNSET
    engine: bool | UnsetType = UNSET


class Foreign(_Part, frozen=True):
    """Finished jobs of other people."""

    count: int
    graph_name: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    age: float | UnsetType = UNSET


class Fault(_Part, frozen=True):
    """Something that goes wrong with the next requests, from a time on."""

    kind: FaultKind
    times: int = 1
    match: str = ""
    at: float = 0.0


class Drawn(_Part, frozen=True):
    """What goes wrong by chance, as `Faults`."""

    rates: dict[FaultKind, Share] | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    on: list[RequestKind] | UnsetType = UNSET
    match: str | UnsetType = UNSET
    retry_after: float | UnsetType = UNSET
    slow_seconds: float | UnsetType = UNSET
    stall_seconds: float | UnsetType = UNSET


class Accounts(_Part, frozen=True):
    """Who may ask."""

    token: str | UnsetType = UNSET
    domain: str | UnsetType = UNSET
    users: dict[str, str] | UnsetType = UNSET
    access_keys: dict[str, str | tuple[str, str]] | UnsetType = UNSET
    token_lifetime: float | UnsetType = UNSET


class Options(_Part, frozen=True):
    """How the service behaves, as the arguments of `FakeGES`."""

    project_id: str | UnsetType = UNSET
    project_name: str | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    max_page: int | UnsetType = UNSET
    engine_max_page: int | UnsetType = UNSET
    edition: Edition | UnsetType = UNSET
    page_policy: PagePolicy | UnsetType = UNSET
    order: ListOrder | UnsetType = UNSET
    list_lag: float | UnsetType = UNSET
    list_refused: bool | str | UnsetType = UNSET
    list_unsupported: bool | UnsetType = UNSET
    list_count: bool | UnsetType = UNSET
    list_has_files: bool | UnsetType = UNSET
    list_ignores_offset: bool | UnsetType = UNSET
    old_errors: bool | UnsetType = UNSET
    space_in_times: bool | UnsetType = UNSET
    max_rate: float | UnsetType = UNSET
    window: float | UnsetType = UNSET


class Scenario(_Part, frozen=True):
    """The whole of it."""

    options: Options = Options()
    accounts: Accounts = Accounts()
    drawn_faults: Drawn = Drawn()
    jobs: list[ScriptedJob] = []
    imports: list[Course] = []
    """What becomes of the submitted imports, in turn."""
    foreign: list[Foreign] = []
    faults: list[Fault] = []

    def service(self, port: int) -> FakeGES:
        """Make the service, not yet running.

        Raises:
            ValueError: when something in it cannot be.
        """
        more: dict[str, Any] = {}
        if self.imports:
            more["imports"] = self._import
        given = {**self.options.given(), **self.accounts.given()}
        return FakeGES(port=port, faults=Faults(**self.drawn_faults.given()), **given, **more)

    def populate(self, ges: FakeGES) -> None:
        """Add the jobs to a running service.

        Raises:
            ValueError: when two have one id.
        """
        for foreign in self.foreign:
            ges.add_foreign(**foreign.given())
        ges.add_jobs(job.job(job.job_id) for job in self.jobs)

    def _import(self, number: int) -> FakeJob:
        return self.imports[(number - 1) % len(self.imports)].job(f"import-{number}")


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from a file: JSON where its name ends in `.json`, TOML elsewhere.

    Raises:
        UsageError: when it cannot be read, or is none; the text names the place.
    """
    try:
        text = path.read_text(encoding="utf-8")
        decoded = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
        scenario = msgspec.convert(decoded, Scenario)
        for number, job in enumerate(scenario.jobs):
            _check(job, job.job_id, f"jobs[{number}]")
        for number, course in enumerate(scenario.imports):
            _check(course, "any", f"imports[{number}]")
    except OSError as error:
        raise UsageError(f"the scenario {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"the scenario {path} cannot be served: {error}") from None
    return scenario


def _check(course: Course, job_id: str, place: str) -> None:
    try:
        course.job(job_id)
    except ValueError as error:
        raise ValueError(f"{error} - at `$.{place}`") from None
