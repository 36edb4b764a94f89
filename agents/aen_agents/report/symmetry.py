"""The report's part on the test of the images before training."""

from dataclasses import dataclass

from markupsafe import Markup

from aen.symmetry import SymmetryTest
from aen_agents.report.figures import as_svg


@dataclass(frozen=True)
class SymmetryPart:
    """The page's part on the symmetry test.

    Attributes:
        test: the test.
        svg: the picture of the effect sizes.
    """

    test: SymmetryTest
    svg: Markup


def symmetry_part(test: SymmetryTest | None) -> SymmetryPart | None:
    """Return the part, or None if the images were not tested."""
    if test is None:
        return None
    return SymmetryPart(test, Markup(as_svg(test.picture())))  # noqa: S704 - made by matplotlib just now
