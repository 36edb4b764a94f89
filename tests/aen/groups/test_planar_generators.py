"""Generators of planar groups on squares and rectangles."""

import pytest

from aen.groups import Grid
from aen.groups.planar import PlanarGroup
from aen.groups.planar_generators import planar_generators


@pytest.mark.parametrize("grid", [4, (4, 6), (6, 3)], ids=str)
@pytest.mark.parametrize(
    ("group", "names"),
    [("C1", ()), ("C2", ("rot180",)), ("D1", ("hflip",)), ("D1v", ("vflip",)), ("D2", ("rot180", "hflip"))],
)
def test_groups_without_quarter_turns_have_generators_on_rectangles(
    group: str, names: tuple[str, ...], grid: Grid
) -> None:
    found = planar_generators(PlanarGroup.of(group).elements, grid)
    assert tuple(generator.name for generator in found) == names
