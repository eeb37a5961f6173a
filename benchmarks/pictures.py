"""The pictures that the README shows.

Rule: drawn from the figures of the table and from nothing else; SVG without dates, so that the same figures
make the same file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import Runs

FOLDER = Path(__file__).parent / "pictures"
OURS, THEIRS, BOUND = "#c7254e", "#3b6ea5", "#888888"


def latency_against_requests(runs: Mapping[str, Runs], title: str, path: Path) -> None:
    """Draw mean and p99 latency of each contestant against its requests, both logarithmic.

    Args:
        runs: by name; the name of a bound begins with "bound".
        title: what was measured.
        path: where the picture goes.
    """
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(
        xscale="log", yscale="log", xlabel="requests", ylabel="seconds until an end is known: mean (dot), p99 (bar)"
    )
    for names in alike(runs):
        draw(axes, " / ".join(names), runs[names[0]])
    axes.set_title(title.replace("`", ""), fontsize=8, wrap=True)
    axes.margins(x=0.3, y=0.15)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.grid(visible=True, which="major", alpha=0.3)
    save(figure, path)


def alike(runs: Mapping[str, Runs]) -> list[list[str]]:
    """Group the names of those whose points lie upon each other."""
    groups: list[list[str]] = []
    for name in runs:
        for group in groups:
            if is_about(runs[name], runs[group[0]]):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def is_about(one: Runs, other: Runs) -> bool:
    """Tell whether two points could not be told apart in a picture."""
    pairs = ((one.requests, other.requests), (one.mean, other.mean), (one.p99, other.p99))
    return all(math.isclose(here.median, there.median, rel_tol=0.1) for here, there in pairs)


def draw(axes: Axes, name: str, of: Runs) -> None:
    """Draw one contestant, or several who are alike."""
    colour = OURS if name == "gespoll" else BOUND if name.startswith("bound") else THEIRS
    at, mean, p99 = of.requests.median, of.mean.median, of.p99.median
    axes.plot([at, at], [mean, p99], color=colour, linewidth=1.5)
    axes.plot(at, mean, "o", color=colour)
    axes.plot(at, p99, "_", color=colour, markersize=12, markeredgewidth=2)
    # Ours goes below its point, where no other name is.
    place, above = (mean, -16) if name == "gespoll" else (p99, 6)
    axes.annotate(
        name, (at, place), xytext=(0, above), textcoords="offset points", color=colour, fontsize=8, ha="center"
    )


def grid(cells: Mapping[str, Mapping[str, float]], most: float, path: Path) -> None:
    """Draw what gespoll needs in each cell as a part of what the best peer there needs.

    Args:
        cells: ratios by name, by the name of the cell.
        most: the ratio that none is to pass.
        path: where the picture goes.
    """
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(cells))
    for marker, colour, what in (("o", OURS, "mean"), ("_", OURS, "p99"), ("x", THEIRS, "requests")):
        values = [ratios[what] for ratios in cells.values()]
        axes.scatter(values, list(places), marker=marker, color=colour, label=what, s=45)
    axes.axvline(most, color=BOUND, linestyle="--", linewidth=1, label=f"{most:g}x")
    axes.set_yticks(list(places), list(cells), fontsize=8)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="gespoll: how many times what the best peer of the cell needs (left is better)")
    for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        ticks("{x:g}x")
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.grid(visible=True, axis="both", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "gespoll", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
