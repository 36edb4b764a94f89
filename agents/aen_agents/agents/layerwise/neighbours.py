"""The moves of EquiNAS through groups per layer, and architectures drawn at random."""

import random
from collections.abc import Sequence

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup


def subgroups_of(base: str, names: Sequence[str] | str, *, published: Sequence[str]) -> tuple[str, ...]:
    """Return the groups that layers may have, the largest first.

    Args:
        base: the largest.
        names: ``all`` subgroups of it, the ``published`` ones, or a list that names it, too.
        published: those that are meant by that.

    Raises:
        SpecError: none are named, one is no subgroup of `base`, or `base` is missing.
    """
    known = [group.name for group in reversed(PlanarGroup.of(base).subgroups())]
    if names == "all":
        return tuple(known)
    wanted = [PlanarGroup.of(name).name for name in (published if names == "published" else names)]
    if names == "published":
        wanted = [name for name in wanted if name in known]
    if not wanted:
        raise SpecError(f"subgroups is empty; name some of {', '.join(known)}, {base} among them.")
    wrong = [name for name in wanted if name not in known]
    if wrong or base not in wanted:
        why = f"{wrong[0]} is no subgroup of {base}" if wrong else f"{base}, with which every layer starts, is missing"
        raise SpecError(f"subgroups is {list(wanted)}, but {why}; choose from {', '.join(known)}.")
    return tuple(name for name in known if name in wanted)


def neighbours(groups: Sequence[str], subgroups: Sequence[str]) -> list[tuple[str, ...]]:
    """Return to what an architecture may change in one generation of EquiNAS_E (Algorithm 1, arXiv 2210.05484).

    It stays; or its last layer is relaxed by one or more steps; or another layer is relaxed to the group of the layer
    behind it. So groups only shrink along the network.

    Args:
        groups: of the layers.
        subgroups: to which layers may be relaxed.

    Returns:
        Different architectures; the first is the one given.
    """
    layers = tuple(groups)
    last = PlanarGroup.of(layers[-1])
    found = [layers]
    found += [(*layers[:-1], name) for name in subgroups if PlanarGroup.of(name) <= last]
    found += [(*layers[:i], layers[i + 1], *layers[i + 1 :]) for i in range(len(layers) - 1)]
    return list(dict.fromkeys(found))


def random_architecture(layers: int, subgroups: Sequence[str], source: random.Random) -> tuple[str, ...]:
    """Draw groups that only shrink along the network, every such architecture with the same probability.

    Args:
        layers: how many.
        subgroups: to choose from.
        source: of the draws.
    """
    groups = [PlanarGroup.of(name) for name in subgroups]
    below = {group.name: [other for other in groups if other <= group] for group in groups}
    # ways[n][group]: how many architectures of n more layers there are behind a layer with this group.
    ways = [dict.fromkeys(below, 1)]
    for _ in range(layers):
        ways.append({name: sum(ways[-1][other.name] for other in below[name]) for name in below})
    chosen: list[str] = []
    choices = groups
    for left in range(layers - 1, -1, -1):
        (group,) = source.choices(choices, weights=[ways[left][choice.name] for choice in choices])
        chosen.append(group.name)
        choices = below[group.name]
    return tuple(chosen)
