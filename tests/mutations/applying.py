"""What a break is, and how it takes the place of what it breaks.

Rule: a break that no longer fits, because its function is gone or has other arguments, is an error. It is never
passed over, and never noticed by mistake.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import attrs

ORIGINAL = "original"
_Override = TypeVar("_Override", bound=Callable[..., Any])
_KINDS = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)


class DoesNotFit(Exception):
    """A break cannot take the place of the function that it names."""


@attrs.frozen
class Break:
    """One break: a function of the library, and what takes its place."""

    rule: int
    """The rule that it breaks."""
    target: str
    """The function: the dotted path of its module, then its qualified name."""
    tests: str
    """The file with the tests that must notice."""
    chosen: str
    """Which of them: what pytest takes with `-k`."""
    override: Callable[..., Any]
    """What takes its place. Where its first argument is named `original`, it is called with the function there."""

    @property
    def name(self) -> str:
        """What it does, in words."""
        return self.override.__name__.replace("_", " ")


class Breaks(list[Break]):
    """Breaks, each declared by a decorator."""

    def __call__(self, rule: int, target: str, *, tests: str, chosen: str) -> Callable[[_Override], _Override]:
        """Declare that the decorated function breaks a rule.

        Args:
            rule: the number of the rule.
            target: the function it takes the place of.
            tests: the file with the tests that must notice.
            chosen: which of them.
        """

        def declare(override: _Override) -> _Override:
            self.append(Break(rule, target, tests, chosen, override))
            return override

        return declare


@contextmanager
def applied(broken: Break) -> Iterator[None]:
    """Let a break take its place, also wherever the library has imported the function by name.

    Raises:
        DoesNotFit: when there is no such function, or its arguments are others.
    """
    holder, name, member = _found(broken.target)
    override = _wrapped(member, _fitting(broken, _function(broken.target, member)))
    with ExitStack() as undo:
        for place, known_as in [(holder, name), *_imports(member)]:
            setattr(place, known_as, override)
            undo.callback(setattr, place, known_as, member)
        yield


def check(broken: Break) -> None:
    """Make sure that a break could take its place.

    Raises:
        DoesNotFit: when there is no such function, or its arguments are others.
    """
    _, _, member = _found(broken.target)
    _fitting(broken, _function(broken.target, member))


def _found(target: str) -> tuple[object, str, object]:
    """Find the module or class that a function stands in, its name there, and what stands there."""
    place, _, name = target.rpartition(".")
    try:
        holder = pkgutil.resolve_name(place)
        return holder, name, vars(holder)[name]
    except (AttributeError, ImportError, KeyError) as error:
        raise DoesNotFit(f"there is no {target}") from error


def _function(target: str, member: object) -> FunctionType:
    function = member.fget if isinstance(member, property) else member
    if not isinstance(function, FunctionType):
        raise DoesNotFit(f"{target} is neither a function nor a property")
    return function


def _fitting(broken: Break, original: FunctionType) -> Callable[..., Any]:
    """Give what takes the place of a function, if it takes the same arguments."""
    override = broken.override
    takes = _shape(override)
    is_given_it = bool(takes) and takes[0][0] == ORIGINAL
    if is_given_it:
        takes = takes[1:]
    if takes != _shape(original):
        raise DoesNotFit(f"{broken.name}: {broken.target} takes {_shape(original)}, and not {takes}")
    if [kind(override) for kind in _KINDS] != [kind(original) for kind in _KINDS]:
        raise DoesNotFit(f"{broken.name}: it and {broken.target} are not both awaited, or both iterated")
    if not is_given_it:
        return override

    @wraps(original)
    def given(*args: Any, **kwargs: Any) -> Any:
        return override(original, *args, **kwargs)

    return given


def _shape(function: Callable[..., Any]) -> list[tuple[str, str, bool]]:
    """Tell of each argument its name, its kind, and whether it must be given."""
    arguments = inspect.signature(function).parameters.values()
    return [(each.name, each.kind.description, each.default is each.empty) for each in arguments]


def _wrapped(member: object, override: Callable[..., Any]) -> object:
    return property(override) if isinstance(member, property) else override


def _imports(member: object) -> list[tuple[ModuleType, str]]:
    """List where modules of the library have a function by `from … import …`, and under which name."""
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "gespoll"]
    return [(module, name) for module in modules for name, value in vars(module).items() if value is member]
