"""EquiNAS children for the tests: small ones in every mode, images for them, and statistics to measure them with."""

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn

from aen.children import EquiNASSpec
from aen.data.dataset import Dataset, Split
from aen.groups.planar import PlanarGroup
from aen.nn.group_norm import GroupBatchNorm2d

D4 = PlanarGroup.of("D4")
SHRINKING = ("D4",) * 3 + ("D2", "D2", "C2", "C1", "C1")
SIX = ("C1", "C2", "C4", "D1", "D2", "D4")
# Small, so that a child is made and asked in milliseconds.
SMALL = {"side": 14, "width": 1, "kernel_size": 3, "dense": 8}
MODES = {
    "static": {"groups": SHRINKING},
    "mixed": {"mixed": ("C1", "C4", "D4"), "skip": True},
    "summed": {"mixed": ("C1", "D4"), "weighting": "sum", "keep_norm": False},
    "published": {"groups": SHRINKING, "published": True},
    "published, mixed": {"mixed": ("C1", "D4"), "published": True},
}
every_mode = pytest.mark.parametrize("mode", MODES)


def spec_of(*groups, **options):
    return EquiNASSpec(groups=groups, **(SMALL | options))


def used(child, n=8):
    """In evaluation mode, with the statistics of some images: with those of the start, signals would die out."""
    norms = [m for m in child.modules() if isinstance(m, GroupBatchNorm2d | nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        cases.randomise(nn.ParameterList([norm.weight, norm.bias]))
        norm.momentum = 1.0
    with torch.no_grad():
        child.train()(images(child, n, next(child.parameters()).dtype))
    for norm in norms:
        norm.momentum = 0.1
    return child.eval()


def images(child, n=2, dtype=torch.float64):
    """Noise of different contrast: the means of equal noise differ by little, which batch norm would blow up."""
    contrast = torch.linspace(0.5, 2, n, dtype=dtype).view(-1, 1, 1, 1)
    return contrast * cases.images(n, child.spec.channels, child.spec.side, child.spec.side, dtype=dtype)


def data_of(spec, n=24):
    """Random images and labels."""

    def split(seed):
        labels = torch.randint(spec.classes, (n,), generator=cases.source(seed))
        return Split(cases.images(n, spec.channels, spec.side, spec.side, seed=seed, dtype=torch.float32), labels)

    return Dataset(spec.data, spec.classes, split(1), split(2))
