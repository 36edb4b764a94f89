"""The picture of a symmetry test: a bar for each factor."""

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from aen.symmetry.result import SymmetryTest

_SAME, _DIFFERENT, _INK = "#12806f", "#9aa3af", "#1f2937"
_LINEAR_UP_TO = 3  # the scale is linear up to this many standard deviations, then logarithmic


def draw(test: "SymmetryTest") -> Figure:
    """Draw the effect size of each factor, on a scale that shows both small and large ones."""
    rows = test.rows
    figure = Figure(figsize=(4.8, 1.1 + 0.28 * len(rows)), layout="constrained")
    axes: Any = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xscale("symlog", linthresh=_LINEAR_UP_TO, linscale=0.8)
    for place, row in enumerate(rows):
        axes.barh(place, row.z, color=_DIFFERENT if row.rejected else _SAME, height=0.6)
        text = f"  {row.z:.1f}" + ("" if row.rejected else ": the same")
        axes.text(max(row.z, 0), place, text, va="center", fontsize=8, color=_INK)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set(yticks=range(len(rows)), yticklabels=[row.factor.name for row in rows])
    axes.set_xlim(min(-1.0, *(row.z for row in rows)) * 1.1, max(10.0, *(row.z for row in rows)) * 10)
    axes.set_xlabel("difference between images and moved images, in standard deviations")
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.invert_yaxis()
    return figure
