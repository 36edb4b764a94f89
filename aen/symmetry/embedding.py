"""The statistic of the symmetry test: distances of kernel mean embeddings, and their distribution by sign changes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

COMPONENTS = 50
_OVERSAMPLED = 10
_ROUNDS = 3  # of the subspace iteration for the principal components
_BANDWIDTH_IMAGES = 200


@dataclass(frozen=True, eq=False)
class Axes:
    """Mean and leading principal axes of a set of rows.

    Attributes:
        mean: shape ``[d]``.
        axes: orthonormal columns, shape ``[d, components]``.
    """

    mean: Tensor
    axes: Tensor

    def project(self, rows: Tensor) -> Tensor:
        """Return the coordinates of rows ``[n, d]`` along the axes."""
        return rows @ self.axes - self.mean @ self.axes


def principal_axes(rows: Tensor, draw: torch.Generator) -> Axes:
    """Return the principal axes of rows ``[n, d]``, by subspace iteration from a random start.

    They depend on the rows as a set only, not on their order.
    """
    mean = rows.mean(dim=0)
    centred = rows - mean
    count = min(COMPONENTS + _OVERSAMPLED, *rows.shape)
    axes = torch.randn(rows.shape[1], count, generator=draw)
    for _ in range(_ROUNDS):
        axes = torch.linalg.qr(centred.T @ (centred @ axes)).Q
    values, vectors = torch.linalg.eigh((centred @ axes).T @ (centred @ axes))
    return Axes(mean, axes @ vectors[:, values.argsort(descending=True)[:COMPONENTS]])


def bandwidth(images: Tensor, moved: Tensor) -> float:
    """Return the median distance of images and moved images ``[n, components]``, taken as one set."""
    points = torch.cat([images[:_BANDWIDTH_IMAGES], moved[:_BANDWIDTH_IMAGES]]).double()
    distances = torch.pdist(points)
    positive = distances[distances > 0]
    return float(positive.median()) if len(positive) else 1.0


def fourier_features(rows: Tensor, frequencies: Tensor) -> Tensor:
    """Return random Fourier features of the Gaussian kernel, ``[n, 2 * frequencies]``; each row has norm 1."""
    phases = rows @ frequencies
    return torch.cat([phases.cos(), phases.sin()], dim=1) / math.sqrt(frequencies.shape[1])


@dataclass(frozen=True)
class Compared:
    """The statistic of one factor and its distribution under invariance.

    Attributes:
        statistic: sum over the classes of n_c (mean difference)^2 without its diagonal, whose mean is 0.
        z: the statistic divided by its standard deviation under random sign changes, which is known exactly.
        p: share of sign changes with a statistic at least as large, this one counted.
    """

    statistic: float
    z: float
    p: float


def compare(differences: Tensor, classes: Sequence[Tensor], signs: Sequence[Tensor]) -> Compared:
    """Compare images and moved images by their features' differences.

    If the images of each class are invariant, an image and its moved image can be exchanged, which changes the sign of
    their difference. So the statistic is compared with its values under random sign changes.

    Args:
        differences: features of the images minus those of the moved images, ``[n, features]``.
        classes: for each class the places of its images.
        signs: for each class random signs ``[permutations, images]``, int8.
    """
    observed, variance = 0.0, 0.0
    drawn = torch.zeros(len(signs[0]), dtype=torch.float64)
    for places, sign in zip(classes, signs, strict=True):
        rows = differences[places] / math.sqrt(len(places))
        norms = rows.double().square().sum(dim=1)
        observed += float(rows.double().sum(dim=0).square().sum() - norms.sum())
        variance += 2 * float((rows.T @ rows).double().square().sum() - norms.square().sum())
        drawn += (sign.float() @ rows).double().square().sum(dim=1) - norms.sum()
    deviation = math.sqrt(max(variance, 0.0))
    if deviation <= torch.finfo(torch.float32).eps * len(classes):
        return Compared(observed, 0.0, 1.0)  # moved images equal the images
    # Equal values may differ by rounding; then they count as equal.
    at_least = int((drawn >= observed - 1e-5 * deviation).sum())
    return Compared(observed, observed / deviation, (1 + at_least) / (1 + len(drawn)))
