"""The report's part on the test of the images before training."""

from dataclasses import dataclass
from functools import partial

from matplotlib.ticker import NullLocator

from aen.symmetry import SymmetryTest
from aen_agents.report.drawing import ACCENT, GREY, WIDE, as_svg, named_rows, note
from aen_agents.report.picture import Picture, Table

_LINEAR_UP_TO = 3  # the scale is linear up to this many standard deviations, then logarithmic


@dataclass(frozen=True)
class SymmetryPart:
    """The page's part on the symmetry test.

    Attributes:
        test: the test.
        picture: the effect sizes, with the table of the test.
    """

    test: SymmetryTest
    picture: Picture


def symmetry_part(test: SymmetryTest | None) -> SymmetryPart | None:
    """Return the part, or None if the images were not tested."""
    if test is None:
        return None
    heading, *rows = test.table()
    draw = partial(effect_sizes, test)
    return SymmetryPart(test, Picture.drawn("What the images say", "", draw, Table.of(heading, rows)))


def effect_sizes(test: SymmetryTest, width: float = WIDE) -> str:
    """Draw the effect size of each factor, on a scale that shows both small and large ones."""
    rows = test.rows
    with named_rows(width, [row.factor.name for row in rows]) as (figure, axes):
        axes.set_xscale("symlog", linthresh=_LINEAR_UP_TO, linscale=0.8)
        for place, row in enumerate(rows):
            axes.barh(place, row.z, color=GREY if row.rejected else ACCENT, height=0.5)
            note(axes, max(row.z, 0), place, f"{row.z:.1f}" + ("" if row.rejected else f": {test.not_rejected}"))
        axes.set_xticks([0, 3, 10, 100, 1000, 10_000], ["0", "3", "10", "100", "1,000", "10,000"])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.axvline(0, color=GREY, linewidth=0.8, zorder=0)
        axes.set_xlim(min(-1.0, *(row.z for row in rows)) * 1.1, max(10.0, *(row.z for row in rows)) * 12)
        axes.set_xlabel("difference of the moved images,\nin standard deviations")
        return as_svg(figure, "Difference between images and moved images for each factor")
