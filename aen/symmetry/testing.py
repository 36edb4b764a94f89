"""The symmetry test: compares the images of each class with the same images moved by a group."""

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from aen._typing import IntArray
from aen.errors import DataError, GroupError
from aen.groups.decomposition import Decomposition
from aen.symmetry.arguments import (
    Factors,
    checked_images,
    checked_labels,
    checked_number,
    default_factors,
    factors_of,
)
from aen.symmetry.embedding import Axes, Compared, bandwidth, compare, fourier_features, principal_axes
from aen.symmetry.moved_images import element_set, move, moving_elements
from aen.symmetry.result import SymmetryRow, SymmetryTest, holm
from aen.training.threads import cpu_threads

LEVEL = 0.05
_PERMUTATIONS = 999
_PCA_IMAGES = 1_000
_MOST_NUMBERS = 40_000_000  # of images at work at the same time; bounds the memory


def symmetry_test(
    images: object,
    labels: object,
    factors: Factors | None = None,
    *,
    seed: int = 0,
    permutations: int | None = None,
    features: int = 256,
    max_images: int = 5000,
) -> SymmetryTest:
    r"""Test for each factor whether the images of each class are distributed as the images moved by its group.

    With x an image, y its class, g a random element other than the identity of the group G of a factor, and k a
    Gaussian kernel, the statistic estimates

    .. math:: \sum_y n_y \lVert E[k(x, \cdot) \mid y] - E[k(g x, \cdot) \mid y] \rVert^2

    which is 0 if and only if the distribution of x given y is invariant under G. Its p-value is exact: under
    invariance x and g x can be exchanged. See docs/symmetry_test.md.

    Args:
        images: uint8 or float, an array or a tensor, ``[n, rows, columns]`` or ``[n, channels, rows, columns]``. Only
            training images should be looked at.
        labels: whole numbers, ``[n]``. The images of different classes are never mixed.
        factors: texts such as ``"hflip x vflip"``, `Factor`, `Decomposition` (all its factors together are one group),
            or an `Alphabet` or its name. None: the published alphabet and some small groups, or on signals those that
            leave the channels in place; as far as they fit, and each group of moves once.
        seed: of all draws. The row of a factor does not depend on which others are tested, but for the correction.
        permutations: number of random sign changes; the smallest possible p-value is ``1 / (permutations + 1)``. None:
            999, or more if there are over 25 factors.
        features: number of random Fourier features.
        max_images: a random choice of this many images is compared if there are more.

    Raises:
        DataError: images and labels do not fit together, are not finite or constant, or no class has two images.
        GroupError: a factor does not exist, does not fit the images, or moves nothing on them.
    """
    seed = checked_number("seed", seed, 0)
    features = checked_number("features", features, 2)
    max_images = checked_number("max_images", max_images, 2)
    tensor = checked_images(images)
    answers = checked_labels(labels, len(tensor))
    grid = (tensor.shape[2], tensor.shape[3])
    elements, skipped = _elements(factors, tensor, seed)
    permutations = _permutations(permutations, len(elements))
    chosen = np.sort(np.random.default_rng([seed, 0]).permutation(len(tensor))[:max_images])
    answers = answers[chosen]
    labels_met, compared = _compared(answers)
    kept = torch.isin(answers, torch.tensor(compared))
    rows = _Rows(
        tensor.flatten(2),
        chosen[kept.numpy()],
        answers[kept],
        seed=seed,
        permutations=permutations,
        features=features,
    )
    # With one thread the last bits, too, do not depend on the machine's number of cores.
    with cpu_threads(1), torch.inference_mode():
        found = [rows.compare(factor, own) for factor, own in elements.items()]
    corrected = holm([each.p for each in found])
    return SymmetryTest(
        rows=tuple(
            SymmetryRow(factor, each.statistic, each.z, each.p, p, rejected=p <= LEVEL)
            for factor, each, p in zip(elements, found, corrected, strict=True)
        ),
        grid=grid,
        images=int(kept.sum()),
        classes=len(compared),
        left_out=tuple(label for label in labels_met if label not in compared),
        skipped=skipped,
        level=LEVEL,
        permutations=permutations,
        seed=seed,
    )


def check_testable(images: object, labels: object, factors: Factors | None = None) -> None:
    """Check that images can be tested, which takes much less time than the test.

    Args:
        images: as of `symmetry_test`.
        labels: likewise.
        factors: likewise.

    Raises:
        DataError: as by `symmetry_test`.
        GroupError: likewise.
    """
    tensor = checked_images(images)
    _compared(checked_labels(labels, len(tensor)))
    _elements(factors, tensor, 0)


def _compared(answers: Tensor) -> tuple[list[int], list[int]]:
    """Return all labels, and those of at least two images, which alone can be compared."""
    met, counts = (value.tolist() for value in torch.unique(answers, return_counts=True))
    compared = [label for label, count in zip(met, counts, strict=True) if count > 1]
    if not compared:
        raise DataError(f"labels has {len(met)} classes with a single image each; a class needs at least 2 images.")
    return met, compared


def _permutations(given: int | None, tests: int) -> int:
    """Return the number of sign changes, with which the smallest p-value is below the level also when corrected."""
    least = round(tests / LEVEL) - 1
    if given is None:
        return max(_PERMUTATIONS, 2 * least + 1)
    given = checked_number("permutations", given, 1)
    if given < least:
        raise DataError(
            f"permutations is {given}, too few to reject any of {tests} tests at level {LEVEL:g}; use at least {least}."
        )
    return given


def _elements(
    factors: Factors | None, images: Tensor, seed: int
) -> tuple[Mapping[Decomposition, IntArray], Mapping[str, str]]:
    """Return the moving elements of each factor, and why factors of the default list are not tested."""
    grid = (images.shape[2], images.shape[3])
    found: dict[Decomposition, IntArray] = {}
    if factors is not None:
        return {factor: moving_elements(factor, grid, _draw(factor, seed, 1)) for factor in factors_of(factors)}, {}
    skipped: dict[str, str] = {}
    first: dict[frozenset[bytes], Decomposition] = {}
    for factor in factors_of(default_factors(images)):
        try:
            elements = moving_elements(factor, grid, _draw(factor, seed, 1))
        except GroupError as error:
            skipped[factor.name] = str(error)
            continue
        same = first.setdefault(element_set(elements), factor)
        if same is factor:
            found[factor] = elements
        else:
            skipped[factor.name] = f"{factor.name} moves images of {grid[0]}x{grid[1]} as {same.name} does."
    if not found:
        raise GroupError(f"no factor of the default list fits images of {grid[0]}x{grid[1]}; name factors that do.")
    return found, skipped


def _draw(factor: Decomposition, seed: int, purpose: int) -> np.random.Generator:
    """Return the random draws of a factor, which depend on its name, not on its place among others."""
    return np.random.default_rng([seed, purpose, zlib.crc32(factor.name.encode())])


class _Rows:
    """The images that are compared, and the draws that all factors share."""

    def __init__(
        self, images: Tensor, places: IntArray, labels: Tensor, *, seed: int, permutations: int, features: int
    ) -> None:
        # In a random order, so that the first images are a sample of all.
        order = np.random.default_rng([seed, 2]).permutation(len(places))
        self.images, self.places, self.seed = images, torch.from_numpy(places[order]), seed
        labels = labels[torch.from_numpy(order)]
        self.classes = [(labels == label).nonzero()[:, 0] for label in sorted(set(labels.tolist()))]
        draw = torch.Generator().manual_seed(seed)
        self.signs = [
            torch.randint(0, 2, (permutations, len(own)), generator=draw, dtype=torch.int8) * 2 - 1
            for own in self.classes
        ]
        self.features = features
        self.chunk = max(2, _MOST_NUMBERS // (2 * images[0].numel()))

    def compare(self, factor: Decomposition, elements: IntArray) -> Compared:
        """Compare the images with the images moved by random elements."""
        n = len(self.places)
        chosen = _draw(factor, self.seed, 3).integers(len(elements), size=n)
        draw = torch.Generator().manual_seed(self.seed)
        axes = principal_axes(torch.cat(self._pair(elements, chosen, slice(0, min(self.chunk, _PCA_IMAGES)))), draw)
        here, there = self._projected(axes, elements, chosen)
        frequencies = torch.randn(axes.axes.shape[1], self.features // 2, generator=draw) / bandwidth(here, there)
        differences = fourier_features(here, frequencies) - fourier_features(there, frequencies)
        return compare(differences, self.classes, self.signs)

    def _pair(self, elements: IntArray, chosen: IntArray, part: slice) -> tuple[Tensor, Tensor]:
        """Return some images and the same images moved, each as rows ``[n, channels * cells]``."""
        images = self.images[self.places[part]]
        return images.flatten(1).float(), move(images, elements, chosen[part]).flatten(1).float()

    def _projected(self, axes: Axes, elements: IntArray, chosen: IntArray) -> tuple[Tensor, Tensor]:
        parts = [
            [axes.project(rows) for rows in self._pair(elements, chosen, slice(start, start + self.chunk))]
            for start in range(0, len(self.places), self.chunk)
        ]
        return torch.cat([here for here, _ in parts]), torch.cat([there for _, there in parts])
