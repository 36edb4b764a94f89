"""Children of every kind on the digits, with weights and statistics as if they were trained."""

import json
from dataclasses import replace
from pathlib import Path

import torch
from helpers.every_module import DENSE, GCNN, SMALL, STATIC, product

from aen.children import Child, DenseSpec, EquiNASSpec, build_child
from aen.data import DataSpec, preprocessing_of
from aen.groups import Decomposition
from aen.groups.grid import shape_of
from aen.training.weights import save_weights

DIGITS = DataSpec("digits", train=60, validation=20, test=10)
_PADDED = replace(GCNN, side=8, padding="same")
SPECS = {
    "dense": replace(DENSE, head="free"),
    "dense, invariant head, scalar bias": replace(DENSE, bias="scalar_after_relu"),
    "dense, published": replace(DENSE, bias="scalar_after_relu", initialisation="published", head="free"),
    "dense, layerwise": replace(
        DENSE, decomposition=Decomposition(), layers=(Decomposition.of(["rot90"]), Decomposition.of(["hflip"]))
    ),
    "dense, one layer, odd": DenseSpec(grids=(8, 5), decomposition=Decomposition.of(["rot90", "vflip"])),
    "dense, shifts": DenseSpec(grids=(8, 4), decomposition=Decomposition.of(["hshift(1/2)", "quadrants"])),
    "dense, rectangle": DenseSpec(grids=((6, 8), (3, 4)), decomposition=Decomposition.of(["hflip", "vflip"])),
    "G-CNN": _PADDED,
    "G-CNN, D4, norm": replace(_PADDED, group="D4", norm="batch", head="invariant", dropout=0.5),
    "G-CNN, no padding": replace(GCNN, group="D1v", kernel_size=3),
    "G-CNN, published": replace(_PADDED, group="D2", widths="published", width=20),
    "G-CNN, doubled": replace(_PADDED, group="D4", widths="published_doubled", width=20),
    "G-CNN, doubled, invariant": replace(
        _PADDED, group="D4", widths="published_doubled", width=20, norm="batch", head="invariant"
    ),
    "escnn": replace(GCNN, backend="escnn"),
    "escnn, norm": replace(GCNN, backend="escnn", group="D4", norm="batch", head="invariant"),
    "escnn, SO2": replace(GCNN, backend="escnn", group="SO2", norm="batch", head="invariant"),
    "EquiNAS": EquiNASSpec(**SMALL, groups=STATIC),
    "EquiNAS, published": EquiNASSpec(**SMALL, groups=STATIC, published=True),
    "EquiNAS, mixed": EquiNASSpec(**SMALL, mixed=("C1", "C4", "D4"), skip=True),
    "EquiNAS, summed": EquiNASSpec(**SMALL, mixed=("C1", "D4"), weighting="sum", keep_norm=False),
    "EquiNAS, poolings": EquiNASSpec(**SMALL, groups=("D4",) * 8, poolings=(2, 5)),
}
DISCRETISED = "EquiNAS, discretised"
NAMES = [*SPECS, DISCRETISED]


def child_of(name: str, data: DataSpec = DIGITS) -> Child:
    """Return a child of float32 in evaluation mode; its norms have seen images."""
    spec = SPECS["EquiNAS, mixed" if name == DISCRETISED else name]
    with product(9):
        child = build_child(replace(spec, data=data, seed=3))
    source = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.add_(0.1 * torch.rand(parameter.shape, generator=source))
    child.train()
    child(torch.randn(8, spec.channels, *shape_of(spec.grid), generator=source))
    return (child.discretise() if name == DISCRETISED else child).eval()


def saved_run(folder: Path, child, *, which: str = "best", preprocessing: bool = True) -> Path:
    """Return a run folder with a trained child, as a search leaves it."""
    save_weights(child, folder / which / "weights.safetensors")
    (folder / which / "spec.json").write_text(json.dumps(child.spec.to_json()))
    if preprocessing:
        (folder / which / "preprocessing.json").write_text(json.dumps(preprocessing_of(child.spec.data).to_json()))
    return folder
