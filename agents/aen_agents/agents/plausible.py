"""The order in which an agent trains classes: first those whose symmetry the images themselves have."""

from collections.abc import Sequence

from aen.spaces import Space, SpaceClass
from aen.symmetry import SymmetryTest


def most_plausible_first(space: Space, test: SymmetryTest | None) -> Sequence[SpaceClass]:
    """Return the classes of a space, the most plausible ones first.

    The classes whose symmetries the test of the images does not reject stand first, those that tie the most before
    those that tie less; then those with one rejected symmetry, with two and so on, at equal number the one that the
    images contradict the least first. Without a test the classes with the fewest choices stand first.

    Args:
        space: the classes; the space says with `symmetry_of` what each of them is tied by.
        test: of the training images.
    """
    rows = {} if test is None else {row.factor.name: row for row in test.rows}

    def order(place: int) -> tuple[float, ...]:
        network_class = space.classes[place]
        symmetries = [rows.get(name) for name in space.symmetry_of(network_class)]
        rejected = [row for row in symmetries if row is not None and row.rejected]
        unknown = sum(row is None for row in symmetries)
        changes = sum(a != b for a, b in zip(network_class.representative, space.baseline_state, strict=True))
        size = _weights(space, network_class, changes) if symmetries and not rejected and not unknown else changes
        return (len(rejected) + unknown, sum(row.z for row in rejected), size, place)

    return [space.classes[place] for place in sorted(range(len(space.classes)), key=order)]


def supported_first(space: Space, test: SymmetryTest | None) -> Sequence[SpaceClass]:
    """Return the classes that have a symmetry, all of which the test of the images found, the largest symmetry first.

    Args:
        space: the classes.
        test: of the training images; None: no class is supported.
    """
    found = set() if test is None else {row.factor.name for row in test.rows if not row.rejected}
    return [
        network_class
        for network_class in (most_plausible_first(space, test) if found else ())
        if (names := space.symmetry_of(network_class)) and found.issuperset(names)
    ]


def _weights(space: Space, network_class: SpaceClass, changes: int) -> float:
    """Return the number of different weights of a class where the space knows it, else less for larger groups.

    At equal order of the group the class with fewer changes has less.
    """
    orbits = space.describe_class(network_class).get("orbits")
    return float(sum(orbits)) if orbits else changes / len(space.sizes) - 2 * space.symmetry_order(network_class)
