"""Every kind of layer and of child network, each with inputs, for tests of what torch users do with any module."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from unittest.mock import patch

import pytest
import torch
from helpers.tied_layers import nth_choice
from torch import Tensor, nn

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec, build_child
from aen.groups import Decomposition
from aen.nn import (
    EquivariantSequential,
    FieldType,
    FreeHead,
    GroupBatchNorm2d,
    GroupConv2d,
    GroupPool,
    InvariantHead,
    InvariantLinear,
    LiftingConv2d,
    MixedConv2d,
    MixedInvariantLinear,
    MixedSymmetrizedLinear,
    Pointwise,
    SpatialPool2d,
    SymmetrizedLinear,
)
from aen.nn.steerable import (
    Fields,
    SteerableBatchNorm2d,
    SteerableConv2d,
    SteerableMaxPool2d,
    SteerableMean,
    SteerableReLU,
)


class Case(NamedTuple):
    """How a module is made from a seed, and the shape of one of its inputs."""

    make: Callable[[int], nn.Module]
    shape: tuple[int, ...]


def _source(seed):
    return torch.Generator().manual_seed(seed)


def _of(*factors):
    return Decomposition.of(list(factors))


def product(n):
    """Let layers inside the block be computed by the n-th product: small ones would all take the whole matrix."""
    return patch("aen.nn.linear.choose_product", nth_choice(n))


def _tied(factors, in_grid, out_grid, n=9, **options):
    def make(seed):
        with product(n):
            return SymmetrizedLinear(in_grid, out_grid, _of(*factors), generator=_source(seed), **options)

    return Case(make, (in_grid**2,))


def _planar(make, shape):
    def drawn(seed):
        module = make(_source(seed))
        with torch.no_grad():  # those of norms do not depend on a seed
            for parameter in module.parameters():
                if parameter.dim() == 1:
                    parameter.uniform_(0.5, 1.5, generator=_source(seed))
        return module

    return Case(drawn, shape)


def _child(spec, **options):
    shape = (getattr(spec, "channels", 1), spec.side, spec.side)

    def make(seed):
        with product(9):
            return build_child(replace(spec, seed=seed, **options))

    return Case(make, shape)


D4, RELAXED = FieldType.regular("D4", 2), FieldType.regular("D4", 2).regroup("C2")
GREY = FieldType.trivial("D4", 1)
GROUPS = ["D4", "C4", "C1"]
DENSE = DenseSpec(grids=(8, 4, 4), decomposition=_of("rot90", "hflip"))
GCNN = GCNNSpec(group="C4", side=16, width=4, dropout=0.0)
SMALL = {"side": 8, "width": 1, "kernel_size": 3, "dense": 8, "classes": 3}
STATIC = ("D4",) * 3 + ("D2", "D2", "C2", "C1", "C1")


def _equinas(**options):
    return _child(EquiNASSpec(**SMALL, **options))


LAYERS: dict[str, Case] = {
    "linear, untied": _tied((), 4, 6),
    "linear, spectral": _tied(("hflip", "vflip"), 8, 8),
    "linear, turned": _tied(("rot90",), 8, 8),
    "linear, split": _tied(("transpose",), 8, 8),
    "linear, merged": _tied(("hshift(1)",), 3, 5, 1),
    "linear, dihedral": _tied(("rot90", "hflip"), 8, 4),
    "linear, odd": _tied(("rot90",), 3, 5),
    "linear, no bias": _tied(("hflip", "vflip"), 8, 4, bias=False),
    "mixed linear": Case(
        lambda seed: MixedSymmetrizedLinear(4, 4, [_of("rot90"), _of("hflip"), _of()], generator=_source(seed)), (16,)
    ),
    "free head": Case(lambda seed: FreeHead(4, 3, generator=_source(seed)), (16,)),
    "invariant head": Case(lambda seed: InvariantHead(4, 3, _of("rot90"), generator=_source(seed)), (16,)),
    "lifting": _planar(lambda source: LiftingConv2d(GREY, D4, 3, generator=source), (1, 8, 8)),
    "convolution": _planar(lambda source: GroupConv2d(D4, D4, 3, padding="same", generator=source), (16, 8, 8)),
    "relaxed convolution": _planar(lambda source: GroupConv2d(D4, RELAXED, 3, generator=source), (16, 8, 8)),
    "mixed convolution": _planar(
        lambda source: MixedConv2d(D4, D4, GROUPS, 3, padding="same", skip=True, generator=source), (16, 8, 8)
    ),
    "summed convolution": _planar(
        lambda source: MixedConv2d(D4, D4, GROUPS, 3, weighting="sum", keep_norm=False, generator=source), (16, 8, 8)
    ),
    "invariant linear": _planar(lambda source: InvariantLinear(D4, 3, generator=source), (16, 8, 8)),
    "mixed invariant": _planar(lambda source: MixedInvariantLinear(D4, 3, GROUPS, generator=source), (16, 8, 8)),
    "norm": _planar(lambda _: GroupBatchNorm2d(D4), (16, 8, 8)),
    "relaxed norm": _planar(lambda _: GroupBatchNorm2d(RELAXED), (16, 8, 8)),
    "group mean": _planar(lambda _: GroupPool(D4, "mean"), (16, 8, 8)),
    "group maximum": _planar(lambda _: GroupPool(RELAXED, "max"), (16, 8, 8)),
    "mean pooling": _planar(lambda _: SpatialPool2d(D4, 2, kind="mean"), (16, 8, 8)),
    "max pooling": _planar(lambda _: SpatialPool2d(D4, 2, kind="max"), (16, 8, 8)),
    "pointwise": _planar(lambda _: Pointwise(D4, nn.PReLU()), (16, 8, 8)),
    "sequence": _planar(
        lambda source: EquivariantSequential(
            LiftingConv2d(GREY, D4, 3, generator=source),
            GroupBatchNorm2d(D4),
            Pointwise(D4, nn.ReLU()),
            GroupConv2d(D4, RELAXED, 3, generator=source),
            InvariantLinear(RELAXED, 3, generator=source),
        ),
        (1, 8, 8),
    ),
}
STEERABLE: dict[str, Case] = {}
for _group in ("C4", "SO2"):
    _fields = Fields(_group, "regular", 2)
    _shape = (_fields.channels, 8, 8)
    STEERABLE |= {
        f"steerable lifting, {_group}": _planar(
            lambda source, g=_group, f=_fields: SteerableConv2d(Fields(g, "trivial", 1), f, 3, generator=source),
            (1, 8, 8),
        ),
        f"steerable convolution, {_group}": _planar(
            lambda source, f=_fields: SteerableConv2d(f, f, 3, generator=source), _shape
        ),
        f"steerable norm, {_group}": _planar(lambda _, f=_fields: SteerableBatchNorm2d(f), _shape),
        f"steerable ReLU, {_group}": _planar(lambda _, f=_fields: SteerableReLU(f), _shape),
        f"steerable pooling, {_group}": _planar(lambda _, f=_fields: SteerableMaxPool2d(f), _shape),
        f"steerable mean, {_group}": _planar(lambda _, f=_fields: SteerableMean(f), _shape),
    }
CHILDREN: dict[str, Case] = {
    "dense child": _child(DENSE),
    "dense child, invariant": _child(DENSE, head="invariant"),
    "dense child, scalar bias": _child(DENSE, bias="scalar_after_relu"),
    "dense child, layerwise": _child(DENSE, decomposition=_of(), layers=(_of("rot90"), _of("hflip"))),
    "G-CNN child": _child(GCNN),
    "G-CNN child, norm": _child(GCNN, norm="batch", head="invariant"),
    "G-CNN child, escnn": _child(GCNN, backend="escnn"),
    "EquiNAS child": _equinas(groups=STATIC),
    "EquiNAS child, published": _equinas(groups=STATIC, published=True),
    "EquiNAS child, mixed": _equinas(mixed=("C1", "C4", "D4"), skip=True),
    "EquiNAS child, summed": _equinas(mixed=("C1", "D4"), weighting="sum", keep_norm=False, penalty=0.1),
}
MODULES = LAYERS | STEERABLE | CHILDREN
every_module = pytest.mark.parametrize("name", MODULES)
every_trained = pytest.mark.parametrize(
    "name", [name for name, case in MODULES.items() if list(case.make(0).parameters())]
)


def make(name: str, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Return the module in evaluation mode."""
    return MODULES[name].make(seed).to(dtype).eval()


def inputs(name: str, n: int = 4, dtype: torch.dtype = torch.float64, seed: int = 7) -> Tensor:
    """Return inputs of a module."""
    return torch.randn(n, *MODULES[name].shape, generator=_source(seed), dtype=torch.float64).to(dtype)


def close(found: Tensor, expected: Tensor, limit: float = 1e-10) -> None:
    """Check that two results are the same up to rounding."""
    found, expected = found.detach(), expected.detach()
    assert found.shape == expected.shape
    scale = max(float(expected.abs().max()), 1e-6)
    assert float((found - expected).abs().max()) <= limit * scale


def differ(found: Tensor, expected: Tensor) -> None:
    """Check that two results are not the same."""
    assert float((found - expected).abs().max()) > 1e-4 * float(expected.abs().max())
