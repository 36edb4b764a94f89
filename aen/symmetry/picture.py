"""The picture of a symmetry test: a bar for each factor."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

_SAME, _DIFFERENT, _INK = "#12806f", "#9aa3af", "#1f2937"
_LINEAR_UP_TO = 3  # the scale is linear up to this many standard deviations, then logarithmic


def draw(rows: Sequence[tuple[str, float, str]]) -> Figure:
    """Draw the effect size of each factor, on a scale that shows both small and large ones.

    Args:
        rows: for each factor its name, its z, and how the images look if invariance is not rejected.
    """
    figure = Figure(figsize=(4.8, 1.1 + 0.28 * len(rows)), layout="constrained")
    axes: Any = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xscale("symlog", linthresh=_LINEAR_UP_TO, linscale=0.8)
    names, sizes, _ = zip(*rows, strict=True)
    for place, (_, z, looks) in enumerate(rows):
        axes.barh(place, z, color=_SAME if looks else _DIFFERENT, height=0.6)
        text = f"  {z:.1f}" + (f": {looks}" if looks else "")
        axes.text(max(z, 0), place, text, va="center", fontsize=8, color=_INK)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set(yticks=range(len(rows)), yticklabels=names)
    axes.set_xlim(min(-1.0, *sizes) * 1.1, max(10.0, *sizes) * 10)
    axes.set_xlabel("difference between images and moved images, in standard deviations")
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.invert_yaxis()
    return figure
