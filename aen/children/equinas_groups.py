"""Groups along EquiNAS's backbone: each is a subgroup of the one before, also after one is relaxed or discretised."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup


def groups_along(groups: Sequence[str]) -> str:
    """Return the groups along a network as a text, such as ``D4 x4, C4 x2, C1 x2``, or ``D4`` if it is one."""
    runs = [(group, len(list(same))) for group, same in groupby(groups)]
    return runs[0][0] if len(runs) == 1 else ", ".join(f"{group} x{count}" for group, count in runs)


def subgroup(name: str, value: str, of: PlanarGroup, whose: str) -> PlanarGroup:
    """Return a layer's group.

    Args:
        name: of the argument, for the message.
        value: the group's name.
        of: the group before it.
        whose: whose group that is, for the message.

    Raises:
        SpecError: `value` is no subgroup of `of`.
        GroupError: there is no such group.
    """
    group = PlanarGroup.of(value)
    if not group <= of:
        raise SpecError(
            f"{name} is {group}, which is no subgroup of {whose}, {of}: along the network groups only shrink. Use "
            f"one of {', '.join(known.name for known in of.subgroups())} there, or a larger group for {whose}."
        )
    return group


def shrinking(names: Sequence[str], base: PlanarGroup) -> tuple[PlanarGroup, ...]:
    """Return the groups of the convolutions.

    Raises:
        SpecError: one that is no subgroup of the one before, or the first no subgroup of `base`.
    """
    found = [base]
    for place, name in enumerate(names):
        found.append(subgroup(f"groups[{place}]", name, found[-1], f"groups[{place - 1}]" if place else "base"))
    return tuple(found[1:])


def relaxed_groups(
    groups: Sequence[str], head_group: str, layer: int, group: str, *, head_is_tied: bool
) -> tuple[tuple[str, ...], str]:
    """Return the groups of the convolutions and of the dense layer after one layer was relaxed.

    Args:
        groups: of the convolutions.
        head_group: of the dense layer. It becomes what it and the last convolution's group have in common.
        layer: place in `groups`, or one more for the dense layer.
        group: a subgroup of the layer's group.
        head_is_tied: whether the dense layer can be relaxed.

    Raises:
        SpecError: there is no such layer, `group` is no subgroup of the layer's group, or the layer behind has a group
            that is no subgroup of `group`.
    """
    whole = (*groups, head_group) if head_is_tied else tuple(groups)
    if layer not in range(len(whole)):
        raise SpecError(f"layer is {layer}; the layers with a group are 0 to {len(whole) - 1}.")
    own, wanted = PlanarGroup.of(whole[layer]), PlanarGroup.of(group)
    if not wanted <= own:
        raise SpecError(
            f"group is {wanted}, which is no subgroup of {own}, the group of layer {layer}; use one of "
            f"{', '.join(known.name for known in own.subgroups())}."
        )
    found = tuple(wanted.name if place == layer else name for place, name in enumerate(groups))
    head = PlanarGroup.of(head_group)
    last = len(groups) - 1
    common = PlanarGroup.generated_by(e for e in head.elements if layer < last or e in wanted)
    for place, (before, behind) in enumerate(pairwise(found), start=1):
        if not PlanarGroup.of(behind) <= PlanarGroup.of(before):
            raise SpecError(
                f"layer {place} has the group {behind}, which is no subgroup of {before}; along the network groups "
                f"only shrink. Relax layer {place} to a subgroup of {before} first."
            )
    return found, common.name


def discretised_groups(alphas: Sequence[Sequence[float]], names: Sequence[str], base: str) -> tuple[str, ...]:
    """Return the strongest group of each layer of a mixed child, so that along the network groups only shrink.

    Where a layer's strongest group is no subgroup of the choice before it, the strongest of those that are is taken.
    The larger of equally strong groups wins. A skip does not count.

    Args:
        alphas: of each layer, one number per group, and perhaps a skip's.
        names: of the groups, the largest first.
        base: the largest group that the first layer may have.
    """
    before, chosen = PlanarGroup.of(base), []
    for alpha in alphas:
        free = [place for place, name in enumerate(names) if PlanarGroup.of(name) <= before]
        strongest = names[max(free, key=alpha.__getitem__)]  # the first of equals, so the largest
        chosen.append(strongest)
        before = PlanarGroup.of(strongest)
    return tuple(chosen)
