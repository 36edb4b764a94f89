"""Architectures with a group for each layer: the neighbours of one, and random ones."""

import random
from collections.abc import Sequence
from typing import Literal

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup

Steps = Literal["published", "all"]


def subgroups_of(base: str, names: Sequence[str] | str, *, published: Sequence[str]) -> tuple[str, ...]:
    """Return the groups that layers may have, the largest first.

    Args:
        base: the largest group.
        names: ``all`` subgroups of `base`, the ``published`` ones, or a list that includes `base`.
        published: the groups that ``published`` stands for.

    Raises:
        SpecError: the list is empty, a group is not a subgroup of `base`, or `base` is missing.
    """
    known = [group.name for group in reversed(PlanarGroup.of(base).subgroups())]
    if names == "all":
        return tuple(known)
    wanted = [PlanarGroup.of(name).name for name in (published if names == "published" else names)]
    if names == "published":
        wanted = [name for name in wanted if name in known]
    if not wanted:
        raise SpecError(f"subgroups is empty; choose from {', '.join(known)}, {base} included.")
    wrong = [name for name in wanted if name not in known]
    if wrong or base not in wanted:
        why = (
            f"{wrong[0]} is not a subgroup of {base}" if wrong else f"{base}, with which every layer starts, is missing"
        )
        raise SpecError(f"subgroups is {list(wanted)}, but {why}; choose from {', '.join(known)}.")
    return tuple(name for name in known if name in wanted)


def neighbours(groups: Sequence[str], subgroups: Sequence[str], steps: Steps) -> list[tuple[str, ...]]:
    """Return the architectures that one generation of EquiNAS_E can reach (Algorithm 1, arXiv 2210.05484).

    They are the given one, those whose last layer is relaxed to a subgroup, and those in which another layer is relaxed
    to the group of the next layer. So groups only shrink along the network.

    Args:
        groups: the groups of the layers.
        subgroups: the groups to which layers may be relaxed.
        steps: relaxations of the last layer: ``published``: those that give up its mirrorings or some of its rotations,
            but not both; ``all``.

    Returns:
        The architectures without duplicates; the first is the given one.
    """
    layers = tuple(groups)
    last = PlanarGroup.of(layers[-1])
    found = [layers]
    found += [(*layers[:-1], name) for name in subgroups if _reachable(PlanarGroup.of(name), last, steps)]
    found += [(*layers[:i], layers[i + 1], *layers[i + 1 :]) for i in range(len(layers) - 1)]
    return list(dict.fromkeys(found))


def check_reachable(base: str, subgroups: Sequence[str], steps: Steps) -> None:
    """Check that the last layer can come to every group, in one step or several.

    Raises:
        SpecError: it cannot.
    """
    reached = new = {base}
    while new:
        new = {neighbour[0] for name in new for neighbour in neighbours((name,), subgroups, steps)} - reached
        reached = reached | new
    missed = [name for name in subgroups if name not in reached]
    if missed:
        raise SpecError(
            f"subgroups is {list(subgroups)}, but {missed[0]} cannot be reached from {base} with steps='published', "
            "which lower mirrorings or rotations, not both; set steps to 'all', or add a group between them."
        )


def _reachable(group: PlanarGroup, last: PlanarGroup, steps: Steps) -> bool:
    """Return whether the last layer, of group `last`, may be relaxed to a group in one step."""
    one = (group.mirrored == last.mirrored) or (group.rotations == last.rotations)
    return group <= last and (steps == "all" or one)


def random_architectures(
    count: int, layers: int, subgroups: Sequence[str], source: random.Random
) -> list[tuple[str, ...]]:
    """Draw different architectures; all of them if there are no more than `count`.

    Args:
        count: how many.
        layers: number of layers.
        subgroups: the groups to choose from.
        source: the random number generator.
    """
    wanted = min(count, sum(_ways(layers, subgroups)[layers - 1].values()))
    found: dict[tuple[str, ...], None] = {}
    while len(found) < wanted:
        found[random_architecture(layers, subgroups, source)] = None
    return list(found)


def random_architecture(layers: int, subgroups: Sequence[str], source: random.Random) -> tuple[str, ...]:
    """Draw an architecture whose groups only shrink along the network, all with the same probability.

    Args:
        layers: number of layers.
        subgroups: the groups to choose from.
        source: the random number generator.
    """
    groups, below, ways = [PlanarGroup.of(name) for name in subgroups], _below(subgroups), _ways(layers, subgroups)
    chosen: list[str] = []
    choices = groups
    for left in range(layers - 1, -1, -1):
        (group,) = source.choices(choices, weights=[ways[left][choice.name] for choice in choices])
        chosen.append(group.name)
        choices = below[group.name]
    return tuple(chosen)


def _below(subgroups: Sequence[str]) -> dict[str, list[PlanarGroup]]:
    """Return for each group those that may follow it."""
    groups = [PlanarGroup.of(name) for name in subgroups]
    return {group.name: [other for other in groups if other <= group] for group in groups}


def _ways(layers: int, subgroups: Sequence[str]) -> list[dict[str, int]]:
    """Return, for n from 0 to `layers`, the number of architectures of n more layers after a layer with each group."""
    below = _below(subgroups)
    ways = [dict.fromkeys(below, 1)]
    for _ in range(layers):
        ways.append({name: sum(ways[-1][other.name] for other in below[name]) for name in below})
    return ways
