"""The groups of a mixed layer."""

from collections.abc import Sequence

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup


def common_group(groups: Sequence[PlanarGroup]) -> PlanarGroup:
    """Return what is in all groups."""
    return PlanarGroup.generated_by(e for e in groups[0].elements if all(e in group for group in groups))


def check_groups(groups: Sequence[PlanarGroup | str], base: PlanarGroup) -> tuple[PlanarGroup, ...]:
    """Return the groups of a mixed layer.

    Raises:
        SpecError: none, or one that is not a subgroup of `base`, in whose order the channels stand.
    """
    found = tuple(PlanarGroup.of(group) for group in groups)
    wrong = [group.name for group in found if not group <= base]
    if wrong or not found:
        raise SpecError(
            f"groups is {[g.name for g in found]}; every one must be a subgroup of {base}, for which the channels are "
            f"laid out{': ' + ', '.join(wrong) + ' is not' if wrong else ''}. Choose from "
            f"{', '.join(group.name for group in base.subgroups())}."
        )
    return found
