"""The figures of a search over classes, each as SVG text; `width` is `WIDE` or `NARROW`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.groups import Decomposition
from aen.groups.grid import grid_text
from aen.pictures import orbit_picture
from aen_agents.report.drawing import (
    ACCENT,
    GREY,
    INK,
    RC,
    ROLE_COLOURS,
    SMALL,
    WIDE,
    as_svg,
    named_rows,
    new_axes,
    note,
    percent_axis,
    thousands,
)

MOST_BARS = 24
_WIDE_RANGE = 3  # sizes that differ by more are drawn on a log scale
_PANEL = 1.16  # inches, of an orbit picture


@dataclass(frozen=True)
class VisitedClass:
    """A class that the search visited.

    Attributes:
        name: its factors.
        accuracy: validation accuracy, the mean over the search's seeds.
        parameters: number of free parameters.
        role: ``winner``, ``untied`` or ``plain``, ``hidden group`` or empty.
    """

    name: str
    accuracy: float
    parameters: int
    role: str


def learning_curve(history: Sequence[JsonDict], width: float = WIDE) -> str:
    """Draw accuracy over first visits: each one as a point, the best so far as a line."""
    firsts = [visit for visit in history if visit["first"]]
    with mpl.rc_context(RC):
        figure, axes = new_axes(width, 3.3)
        x = [visit["visits"] for visit in firsts]
        axes.axhline(history[0]["accuracy"], color=INK, linestyle="--", linewidth=1, label="start of the search")
        axes.scatter(x, [visit["accuracy"] for visit in firsts], s=14, color=GREY, label="visited for the first time")
        axes.step(x, [visit["best"] for visit in firsts], where="post", color=ACCENT, linewidth=2, label="best so far")
        axes.set(xlabel="children visited", ylabel="validation accuracy")
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        percent_axis(axes.yaxis)
        _legend_below(figure, width)
        return as_svg(figure, "Validation accuracy over the children visited")


def accuracy_by_class(classes: Sequence[VisitedClass], label: str, width: float = WIDE) -> str:
    """Draw the best classes of the search as bars; those with a role are always among them. `label` says what it is."""
    ordered = sorted(classes, key=lambda c: -c.accuracy)
    shown = [c for i, c in enumerate(ordered) if i < MOST_BARS or c.role]
    with named_rows(width, [c.name for c in shown], row=0.22) as (figure, axes):
        colours = [ROLE_COLOURS[c.role] for c in shown]
        axes.barh(range(len(shown)), [c.accuracy for c in shown], color=colours, height=0.7 if width == WIDE else 0.4)
        for place, c in enumerate(shown):
            note(axes, c.accuracy, place, f"{c.accuracy:.1%}" + (f" {c.role}" if c.role else ""))
        low = max(0.0, shown[-1].accuracy - 0.05)
        high = max(ordered[0].accuracy, low + 0.01)  # if no class got anything right
        axes.set_xlim(low, high + 0.55 * (high - low))  # room for the figures beside the bars
        axes.set_xlabel(label)
        percent_axis(axes.xaxis)
        return as_svg(figure, "Accuracy of the best networks")


def accuracy_against_parameters(classes: Sequence[VisitedClass], label: str, width: float = WIDE) -> str:
    """Draw every visited class: free parameters against accuracy, which `label` says more about."""
    with mpl.rc_context(RC):
        figure, axes = new_axes(width, 3.6)
        for role, colour in ROLE_COLOURS.items():
            of_role = [c for c in classes if c.role == role]
            if of_role:
                size = 60 if role else 16
                x, y = [c.parameters for c in of_role], [c.accuracy for c in of_role]
                axes.scatter(x, y, s=size, color=colour, label=role or "other classes", zorder=3 if role else 2)
        sizes = [c.parameters for c in classes]
        if max(sizes) >= _WIDE_RANGE * min(sizes):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
        else:
            axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
        axes.xaxis.set_major_formatter(thousands())
        axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axes.set(xlabel="free parameters", ylabel=label.replace(", ", ",\n"))
        percent_axis(axes.yaxis)
        _legend_below(figure, width)
        return as_svg(figure, "Accuracy against free parameters")


def selection_intervals(rows: Sequence[tuple[str, float, Sequence[float], str]], width: float = WIDE) -> str:
    """Draw (name, mean, interval, role) of the re-trained classes, best first."""
    with named_rows(width, [row[0] for row in rows]) as (figure, axes):
        for place, (_, mean, (low, high), role) in enumerate(rows):
            axes.plot([low, high], [place, place], color=ROLE_COLOURS[role], linewidth=2)
            axes.plot([mean], [place], "o", color=ROLE_COLOURS[role])
            note(axes, high, place, f"{mean:.1%}" + (f" {role}" if role else ""))
        low, high = min(row[2][0] for row in rows), max(row[2][1] for row in rows)
        axes.set_xlim(low - 0.05 * (high - low), high + (0.35 if width == WIDE else 0.5) * (high - low) + 1e-6)
        axes.set_xlabel("validation accuracy")
        percent_axis(axes.xaxis)
        return as_svg(figure, "Mean accuracy and 95 % interval of the networks trained on fresh seeds")


def orbit_pictures(spec: ChildSpec, width: float = WIDE) -> str:
    """Draw which cells are tied on each of a child's `tied_grids`, beside an untied grid."""
    panels = [(f"untied {grid_text(spec.grid)}", Decomposition(), spec.grid), *spec.tied_grids]
    columns = min(int(width // _PANEL), len(panels))
    rows = -(-len(panels) // columns)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(_PANEL * columns, (_PANEL + 0.25) * rows), layout="constrained")
        places: Any = figure.subplots(rows, columns, squeeze=False)
        for place in places.flat:
            place.set_axis_off()
        for place, (title, decomposition, grid) in zip(places.flat, panels, strict=False):
            place.imshow(orbit_picture(decomposition, grid))
            place.set_title(title, fontsize=SMALL)
        return as_svg(figure, "Orbits of the cells of each grid")


def _legend_below(figure: Figure, width: float) -> None:
    figure.legend(loc="outside lower center", ncols=4 if width == WIDE else 2, columnspacing=1.2)
