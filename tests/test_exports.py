"""The face of the package, and which way its imports point."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gespoll
from gespoll import _errors, _jobs

ROOT = Path(gespoll.__file__).parent
FLOORS = (
    {"_jobs", "_cancellation", "_slices", "_tasks"},
    {"_errors", "_tolerance"},
    {"_wire", "_pacing", "_source", "_endpoints", "_signing", "_secrecy", "_snapshot", "_observer"},
    {"_scheduler", "_credentials"},
    {"_observing"},
    {"_http", "_loop", "_environment"},
    {"_watch"},
    {"_poller"},
    {""},
    {"testing", "airflow", "otel"},
    {"cli"},
    {"__main__"},
)
FLOOR_OF = {part: number for number, parts in enumerate(FLOORS) for part in parts}
DEFERRED = {("gespoll._jobs", "gespoll._wire.submission")}
"""Imports upwards that a function makes when it is called: `JobRef.from_reply` reads the service's own words."""
PURE = (
    "_jobs",
    "_errors",
    "_tolerance",
    "_observer",
    "_wire",
    "_pacing",
    "_scheduler",
    "_endpoints",
    "_signing",
    "_environment",
)


def name_of(path: Path) -> str:
    """Name a module as it is imported."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NOUNS = (
    "ImportFile",
    "Job",
    "JobRef",
    "JobRequest",
    "ListWindow",
    "RequestMade",
    "StateChange",
    "WaitEnded",
    "WaitStarted",
)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def part_of(module: str) -> str:
    """Name the part of the house that a module belongs to; the face has no name."""
    return module.split(".")[1] if "." in module else ""


def imports(module: str) -> Iterator[str]:
    """Name what a module imports, wherever in its text: also in functions and under TYPE_CHECKING."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield full if full in MODULES or source == "aiohttp" else source


def own_imports(module: str) -> set[str]:
    """Name what a module imports of the package."""
    own = {name for name in imports(module) if name.split(".")[0] == "gespoll"}
    return own - {above for below, above in DEFERRED if below == module}


def importers(distribution: str) -> set[str]:
    """Name the parts of the house that import a distribution."""
    return {
        part_of(module)
        for module in MODULES
        if any(name.split(".")[0] == distribution and name != "aiohttp.web" for name in imports(module))
    }


def undocumented(name: str, thing: Any) -> Iterator[str]:
    """Name what lacks a docstring: the thing itself and its public methods and properties."""
    if not inspect.getdoc(thing):
        yield name
    for key, member in vars(thing).items() if isinstance(thing, type) else ():
        told = isinstance(member, (property, staticmethod, classmethod)) or inspect.isfunction(member)
        if told and not key.startswith("_") and not inspect.getdoc(member):
            yield f"{name}.{key}"


class TestFace:
    """What `import gespoll` gives."""

    def test_names_are_sorted(self) -> None:
        """And each stands there once."""
        assert list(gespoll.__all__) == sorted(set(gespoll.__all__))

    def test_names_are_complete(self) -> None:
        """Every public object of the module is listed."""
        public = {
            name
            for name, value in vars(gespoll).items()
            if not name.startswith("_") and not isinstance(value, ModuleType)
        }
        assert set(gespoll.__all__) == public

    def test_all_errors_and_nouns_are_public(self) -> None:
        """Whatever can be caught or received can be named."""
        found = {
            name
            for module in (_errors, _jobs)
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
        }
        assert found <= set(gespoll.__all__)

    def test_names_are_few(self) -> None:
        """About 40, and no more than 50."""
        assert len(gespoll.__all__) <= 50

    @pytest.mark.parametrize("name", gespoll.__all__)
    def test_name_has_a_docstring(self, name: str) -> None:
        """So have its public methods and properties."""
        assert list(undocumented(name, getattr(gespoll, name))) == []

    @pytest.mark.parametrize("name", NOUNS)
    def test_noun_is_frozen(self, name: str) -> None:
        """What was told once stays as it was told."""
        noun = getattr(gespoll, name)
        blank = noun("x") if name == "JobRef" else noun.__new__(noun)
        with pytest.raises(AttributeError):
            setattr(blank, next(iter(noun.__annotations__)), "y")


class TestImport:
    """What importing the package does to its process."""

    def run(self, code: str) -> str:
        """Run code in a process of its own, with warnings as errors."""
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    def test_no_extra_is_imported(self) -> None:
        """Nor is anything that only tests and tools need."""
        unwanted = ["airflow", "rich", "opentelemetry", "pytest", "hypothesis", "gespoll.testing", "gespoll.cli"]
        code = f"import sys, gespoll; print([name for name in {unwanted} if name in sys.modules])"
        assert self.run(code) == "[]"

    def test_only_a_null_handler_is_added(self) -> None:
        """No level is set, and the root logger is left alone."""
        code = (
            "import logging, gespoll; own = logging.getLogger('gespoll'); root = logging.getLogger(); "
            "print([type(h).__name__ for h in own.handlers], own.level, own.propagate, root.handlers, root.level)"
        )
        assert self.run(code) == "['NullHandler'] 0 True [] 30"


class TestHouse:
    """Data flows up, imports point down."""

    @pytest.mark.parametrize("module", MODULES)
    def test_imports_point_down(self, module: str) -> None:
        """A part imports its own modules and lower floors, also in functions and under TYPE_CHECKING."""
        part = part_of(module)
        assert part in FLOOR_OF, f"gespoll.{part} is a new part of the house: give it a floor"
        others = {part_of(name) for name in own_imports(module)} - {part}
        assert [other for other in sorted(others) if FLOOR_OF[other] >= FLOOR_OF[part]] == []

    def test_no_module_imports_itself_by_way_of_others(self) -> None:
        """There is no cycle, also none hidden in functions or under TYPE_CHECKING."""
        open_ = {module: own_imports(module) & MODULES.keys() - {module} for module in MODULES}
        while free := {module for module, needs in open_.items() if not needs & open_.keys()}:
            open_ = {module: needs for module, needs in open_.items() if module not in free}
        assert open_ == {}

    @pytest.mark.parametrize(("module", "above"), DEFERRED)
    def test_a_deferred_import_is_made_by_a_function(self, module: str, above: str) -> None:
        """And there is one, so that no name stands in the list for nothing."""
        body = ast.parse(MODULES[module].read_text(encoding="utf-8")).body
        at_once = [node.module for node in body if isinstance(node, ast.ImportFrom)]
        assert above in set(imports(module)) - set(at_once)

    @pytest.mark.parametrize(
        ("distribution", "parts"),
        [
            ("aiohttp", {"_http"}),
            ("backoff", {"_pacing"}),
            ("msgspec", {"_jobs", "_scheduler", "_snapshot", "_wire", "testing"}),
            ("json", set()),
            ("opentelemetry", {"otel"}),
            ("time", {"_slices"}),
        ],
    )
    def test_one_part_knows_each_foreign_library(self, distribution: str, parts: set[str]) -> None:
        """Of aiohttp, its server (`aiohttp.web`) does not count; fronts may import what they like."""
        assert importers(distribution) - {"cli", "airflow"} == parts

    @pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) in PURE])
    def test_deciding_parts_do_not_await(self, module: str) -> None:
        """They know no event loop and no clock."""
        awaiting = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
        tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
        assert [node for node in ast.walk(tree) if isinstance(node, awaiting)] == []
        assert {"anyio", "asyncio", "time"}.isdisjoint(name.split(".")[0] for name in imports(module))
