"""Mixed layers for the tests, and what one of their branches counts as."""

import math

import helpers.planar_cases as cases
import pytest
import torch

from aen.nn.fields import FieldType
from aen.nn.mixed import MixedConv2d

GROUPS = ["D4", "C4", "D2", "C2", "C1"]
LISTS = [["D4"], ["C1", "D4"], ["C4", "D2"], ["D1", "D1v", "C2"], GROUPS]
every_list = pytest.mark.parametrize("groups", LISTS, ids="+".join)


def conv_of(groups, base="D4", kind="regular", *, seed=0, fields=2, kernel_size=3, **options):
    in_type = FieldType.regular(base, 2) if kind == "regular" else FieldType.trivial(base, 3)
    out_type = FieldType.regular(base, fields)
    return MixedConv2d(in_type, out_type, groups, kernel_size, generator=cases.source(seed), **options)


def strengthen(layer, seed=4):
    """Let the branches be of different strengths, and their values no longer have the norm that they started with."""
    draw = cases.source(seed)
    with torch.no_grad():
        if layer.alpha is not None:
            layer.alpha.normal_(generator=draw)
        for values in layer.mixture.values:
            values.mul_(0.5 + torch.rand(values.shape, generator=draw))
    return layer.double()


def softmax(numbers):
    powers = [math.exp(number) for number in numbers]
    return [power / sum(powers) for power in powers]


def kept(layer, place):
    """A branch's values as they count."""
    values = layer.mixture.values[place].detach()
    norm = float(layer.mixture.norms[place]) / math.sqrt(sum(value**2 for value in values.tolist()))
    return values * norm if layer.mixture.keep_norm else values


def step(layer, steps=5, *, padded=False):
    x = cases.images(4, 16, 5, 5, dtype=torch.float32)
    target = x if padded else x[:, :, 1:-1, 1:-1]
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(steps):
        loss = (layer(x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
