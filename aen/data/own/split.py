"""Grouped, stratified splits: every part has the classes in their proportions, and no group lies in two parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aen._typing import IntArray
from aen.data.own.found import PART_NAMES, TEST, TRAIN, VALIDATION
from aen.errors import DataError

# Shares of training, validation and test images, where the data is not divided and no sizes are given.
SHARES = (0.6, 0.2, 0.2)
_LEFT_OUT = 3


@dataclass(frozen=True, eq=False)
class Grouping:
    """What a grouped split needs to know of each image.

    Attributes:
        labels: its class, shape ``[n]``.
        groups: its group, shape ``[n]``.
        parts: the part in which it has to lie, if the data is divided itself, shape ``[n]``.
        divided: the parts that the data itself has; the others are taken from the training part.
    """

    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    parts: npt.NDArray[np.uint8]
    divided: tuple[str, ...]


def grouped_split(grouping: Grouping, sizes: Sequence[int], seed: int, name: str) -> list[IntArray]:
    """Return the places of the training, validation and test images.

    Args:
        grouping: of the images.
        sizes: how many images each part gets.
        seed: of all draws.
        name: of the data set, for messages.

    Raises:
        DataError: there are too few images, or too few groups.
    """
    parts = _split(grouping, sizes, seed)
    for part, size, places in zip(PART_NAMES, sizes, parts, strict=True):
        if len(places) < size:
            possible = default_sizes(grouping, seed)
            raise DataError(
                f"data set {name!r} has {len(grouping.labels):,} images in {_groups(grouping)} groups kept together, "
                f"too few for data.{part}={size}; ask for fewer, such as "
                + ", ".join(f"data.{p}={s}" for p, s in zip(PART_NAMES, possible, strict=True))
                + "."
            )
    return parts


def default_sizes(grouping: Grouping, seed: int, given: Mapping[str, int] | None = None) -> tuple[int, int, int]:
    """Return the sizes of the parts where none are given, so that no image is left out without need.

    Args:
        grouping: of the images.
        seed: of the split.
        given: sizes of some parts, which are kept; what is left is shared by the others.

    Raises:
        DataError: there are too few images for three parts.
    """
    given = given or {}
    sizes = _shares(grouping, given)
    while True:
        found = tuple(
            given.get(part, len(places)) for part, places in zip(PART_NAMES, _split(grouping, sizes, seed), strict=True)
        )
        if 0 in found:
            part = PART_NAMES[found.index(0)]
            if _groups(grouping) == "1":
                raise DataError(
                    f"all {len(grouping.labels):,} images stay together, in one part: they are of one group, or "
                    "near-duplicates of one another, as images of one value are. Add images that differ."
                )
            if grouping.divided:
                raise DataError(
                    f"no image is left for data.{part}: images of one group, and near-duplicates, stay in the last of "
                    f"the data's own parts ({', '.join(grouping.divided)}) in which one of them is. Give each group to "
                    "one part (split), or leave the parts out, so that aen divides the images."
                )
            raise DataError(
                f"the {len(grouping.labels):,} images, in {_groups(grouping)} groups that stay together, cannot be "
                f"divided into training, validation and test images: none is left for data.{part}; add images, or ask "
                "for fewer."
            )
        if found == sizes:
            return found
        sizes = (found[0], found[1], found[2])


def unused_places(grouping: Grouping, parts: Sequence[IntArray]) -> IntArray:
    """Return the places of the images that are in none of the three parts and may be training images.

    Left out are images that the data itself puts into another part, and those of a group with a validation or a test
    image.
    """
    _, validation, test = parts
    held = np.unique(grouping.groups[np.concatenate([validation, test])])
    free = (_usable(grouping) == TRAIN) & ~np.isin(grouping.groups, held)
    return np.setdiff1d(np.flatnonzero(free), np.concatenate(parts))


def _groups(grouping: Grouping) -> str:
    return f"{len(np.unique(grouping.groups)):,}"


def _shares(grouping: Grouping, given: Mapping[str, int]) -> tuple[int, int, int]:
    counts = [int(count) for count in np.bincount(_usable(grouping), minlength=_LEFT_OUT + 1)]
    free = counts[TRAIN]
    drawn = [part for part in (TRAIN, VALIDATION, TEST) if part == TRAIN or PART_NAMES[part] not in grouping.divided]
    sizes = [given.get(name, counts[part]) for part, name in enumerate(PART_NAMES)]
    chosen = [part for part in drawn if PART_NAMES[part] not in given]
    left = max(0, free - sum(sizes[part] for part in drawn if part not in chosen))
    total = sum(SHARES[part] for part in chosen)
    for part in chosen:
        sizes[part] = int(left * SHARES[part] / total)
    if chosen:
        sizes[chosen[0]] += left - sum(sizes[part] for part in chosen)
    return sizes[0], sizes[1], sizes[2]


def _usable(grouping: Grouping) -> npt.NDArray[np.int64]:
    """Return the part of each image; images of a group that reaches into a later part stay only there."""
    parts = grouping.parts.astype(np.int64)
    last = np.zeros(int(grouping.groups.max()) + 1, np.int64)
    np.maximum.at(last, grouping.groups, parts)
    return np.where(parts == last[grouping.groups], parts, _LEFT_OUT)


def _split(grouping: Grouping, sizes: Sequence[int], seed: int) -> list[IntArray]:
    usable = _usable(grouping)
    draw = np.random.default_rng([seed, 2])
    drawn = [part for part in (TRAIN, VALIDATION, TEST) if part == TRAIN or PART_NAMES[part] not in grouping.divided]
    parts: list[IntArray] = [np.empty(0, np.int64)] * _LEFT_OUT
    for part in (VALIDATION, TEST):
        if part not in drawn:
            own = np.flatnonzero(usable == part)
            parts[part] = _assign(grouping, own, [sizes[part]], draw)[0]
    free = np.flatnonzero(usable == TRAIN)
    for part, places in zip(drawn, _assign(grouping, free, [sizes[part] for part in drawn], draw), strict=True):
        parts[part] = places
    return parts


def _assign(grouping: Grouping, places: IntArray, sizes: Sequence[int], draw: np.random.Generator) -> list[IntArray]:
    """Divide images into parts of at most these sizes, and a rest that is left out."""
    labels, groups = grouping.labels[places], np.unique(grouping.groups[places], return_inverse=True)[1]
    classes = int(grouping.labels.max()) + 1
    n = len(places)
    rest = max(0, n - sum(sizes))
    need = _quotas(np.bincount(labels, minlength=classes), [*sizes, rest])
    target = np.maximum(need, 1)
    part = np.full(n, -1)
    counts = np.bincount(groups)
    # Groups of several images first, the largest first; those of one image then fill up what is missing.
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    several = np.flatnonzero(counts > 1)
    several = several[np.lexsort((draw.permutation(len(several)), -counts[several]))]
    for group in several:
        members = order[starts[group] : starts[group + 1]]
        held = np.bincount(labels[members], minlength=classes)
        best = int(np.argmax((need / target) @ held))
        part[members] = best
        need[best] -= held
    single = np.flatnonzero(counts[groups] == 1)
    single = single[draw.permutation(len(single))]
    for label in range(classes):
        mine = single[labels[single] == label]
        ends = np.minimum(np.cumsum(np.maximum(need[:, label], 0)), len(mine))
        for number, chosen in enumerate(np.split(mine, ends[:-1])):
            part[chosen] = number
    return _filled(part, groups, places, sizes, draw)


def _quotas(counts: npt.NDArray[np.int64], sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return how many images of each class each part gets: their shares, rounded so that both sums agree."""
    total = max(1, int(counts.sum()))
    cumulated = np.concatenate([[0], np.cumsum(sizes)]) / max(1, sum(sizes))
    # Rounding the running sums keeps the sums of each class; a shift per class spreads what is rounded.
    shift = (np.cumsum(counts) - counts) / total % 1
    ends = np.floor(np.outer(cumulated, counts) + shift * ((cumulated > 0) & (cumulated < 1))[:, None])
    ends[-1] = counts
    return np.diff(ends, axis=0).astype(np.int64)


def _filled(
    part: IntArray, groups: IntArray, places: IntArray, sizes: Sequence[int], draw: np.random.Generator
) -> list[IntArray]:
    """Cut parts that are too large, and fill those that are too small with whole groups of those left out."""
    spare_part = len(sizes)
    found = []
    for number, size in enumerate(sizes):
        members = np.flatnonzero(part == number)
        members = members[draw.permutation(len(members))]
        found.append(members[:size])
        surplus = members[size:]
        # What is cut may serve elsewhere if no image of its group stays.
        part[surplus[~np.isin(groups[surplus], groups[members[:size]])]] = spare_part
        part[surplus[np.isin(groups[surplus], groups[members[:size]])]] = -2
    for number, size in enumerate(sizes):
        missing = size - len(found[number])
        if missing > 0:
            spare = np.flatnonzero(part == spare_part)
            spare = spare[draw.permutation(len(spare))]
            chosen = spare[np.argsort(groups[spare], kind="stable")] if len(spare) > missing else spare
            chosen = chosen[:missing]
            part[np.isin(groups, groups[chosen])] = -2
            found[number] = np.concatenate([found[number], chosen])
    return [places[members] for members in found]
