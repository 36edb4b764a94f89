"""The report's figures, each as SVG text."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.data import Split
from aen.groups import Decomposition
from aen.groups.grid import grid_text
from aen.pictures import orbit_picture

ACCENT, GREY, INK, WARM = "#12806f", "#9aa3af", "#1f2937", "#d97706"
_COLOURS = 3  # channels of a colour image
# The same figures give the same bytes: element ids come from this salt, and no date is written.
RC: Any = {"svg.hashsalt": "aen", "font.size": 10, "axes.edgecolor": GREY, "text.color": INK, "axes.labelcolor": INK}


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


ROLE_COLOURS = {"winner": ACCENT, "untied": INK, "plain": INK, "hidden group": WARM, "": GREY}


def as_svg(figure: Figure) -> str:
    """Return a figure as SVG text."""
    buffer = io.StringIO()
    with mpl.rc_context(RC):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def learning_curve(history: Sequence[JsonDict]) -> str:
    """Draw accuracy over first visits: each one as a point, the best so far as a line."""
    firsts = [visit for visit in history if visit["first"]]
    with mpl.rc_context(RC):
        figure, axes = _axes(4.8, 3.4)
        x = [visit["visits"] for visit in firsts]
        axes.axhline(history[0]["accuracy"], color=INK, linestyle="--", linewidth=1, label="start of the search")
        axes.scatter(x, [visit["accuracy"] for visit in firsts], s=14, color=GREY, label="visited for the first time")
        axes.step(x, [visit["best"] for visit in firsts], where="post", color=ACCENT, linewidth=2, label="best so far")
        axes.set(xlabel="children visited", ylabel="validation accuracy")
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
        axes.legend(fontsize=8, frameon=False, loc="lower right")
        return as_svg(figure)


def accuracy_by_class(classes: Sequence[VisitedClass], label: str, most: int = 24) -> str:
    """Draw the best classes of the search as bars; those with a role are always among them. `label` says what it is."""
    ordered = sorted(classes, key=lambda c: -c.accuracy)
    shown = [c for i, c in enumerate(ordered) if i < most or c.role]
    with mpl.rc_context(RC):
        figure, axes = _axes(4.8, 0.9 + 0.24 * len(shown))
        places = np.arange(len(shown))
        axes.barh(places, [c.accuracy for c in shown], color=[ROLE_COLOURS[c.role] for c in shown], height=0.75)
        for place, c in zip(places, shown, strict=True):
            note = f"{c.accuracy:.1%}" + (f"  {c.role}" if c.role else "")
            axes.text(c.accuracy, float(place), f" {note}", va="center", fontsize=8)
        labels = [c.name if len(c.name) <= 44 else c.name[:41] + "..." for c in shown]  # noqa: PLR2004
        axes.set(yticks=places, yticklabels=labels, xlabel=label)
        lowest = min(c.accuracy for c in shown)
        low = max(0.0, lowest - 0.05)
        high = max(ordered[0].accuracy, low + 0.01)  # if no class got anything right
        axes.set_xlim(low, high + 0.45 * (high - low))  # room for the figures beside the bars
        axes.tick_params(axis="y", labelsize=8, length=0)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
        return as_svg(figure)


def accuracy_against_parameters(classes: Sequence[VisitedClass], label: str) -> str:
    """Draw every visited class: free parameters against accuracy, which `label` says more about."""
    with mpl.rc_context(RC):
        figure, axes = _axes(4.8, 3.6)
        for role, colour in ROLE_COLOURS.items():
            of_role = [c for c in classes if c.role == role]
            if of_role:
                size = 60 if role else 16
                x, y = [c.parameters for c in of_role], [c.accuracy for c in of_role]
                axes.scatter(x, y, s=size, color=colour, label=role or "other classes", zorder=3 if role else 2)
        axes.set_xscale("log")
        thousands = mpl.ticker.FuncFormatter(lambda x, _: f"{x / 1000:g}k")
        axes.xaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(thousands)
        axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axes.set(xlabel="free parameters", ylabel=label)
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
        axes.legend(fontsize=8, frameon=False, loc="lower right")
        return as_svg(figure)


def selection_intervals(rows: Sequence[tuple[str, float, Sequence[float], str]]) -> str:
    """Draw (name, mean, interval, role) of the re-trained classes, best first."""
    with mpl.rc_context(RC):
        figure, axes = _axes(4.8, 0.9 + 0.32 * len(rows))
        for place, (_, mean, (low, high), role) in enumerate(rows):
            axes.plot([low, high], [place, place], color=ROLE_COLOURS[role], linewidth=2)
            axes.plot([mean], [place], "o", color=ROLE_COLOURS[role])
            axes.text(high, place, f"  {mean:.1%}" + (f" {role}" if role else ""), va="center", fontsize=8)
        axes.set(yticks=range(len(rows)), yticklabels=[row[0] for row in rows], xlabel="validation accuracy")
        axes.margins(x=0.16)
        axes.tick_params(axis="y", labelsize=8, length=0)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
        return as_svg(figure)


def orbit_pictures(spec: ChildSpec) -> str:
    """Draw which cells are tied on each of a child's `tied_grids`, beside an untied grid."""
    panels = [(f"untied {grid_text(spec.grid)}", Decomposition(), spec.grid), *spec.tied_grids]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(1.6 * len(panels), 1.9), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for place, (title, decomposition, grid) in zip(axes, panels, strict=True):
            place.imshow(orbit_picture(decomposition, grid))
            place.set_title(title, fontsize=9)
            place.set(xticks=[], yticks=[])
        return as_svg(figure)


def some_images(split: Split, count: int = 16) -> str:
    """Draw the first images of a split with their labels."""
    columns = 8
    rows = -(-count // columns)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(4.8, 0.98 * rows), layout="constrained")
        places: Any = figure.subplots(rows, columns, squeeze=False)
        for place, image, label in zip(places.flat, split.images[:count], split.labels[:count], strict=False):
            if len(image) == _COLOURS:
                lowest, highest = image.amin(), image.amax()  # pixels are standardised: back to what can be shown
                place.imshow(((image - lowest) / (highest - lowest).clamp(min=1e-6)).permute(1, 2, 0).numpy())
            else:
                place.imshow(image[0].numpy(), cmap="gray_r")
            place.set_title(str(int(label)), fontsize=8, pad=2)
        for place in places.flat:
            place.set(xticks=[], yticks=[])
        return as_svg(figure)
