"""No parameter of a child is without effect, as a bias in front of a norm would be: the norm subtracts it again."""

from itertools import product

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn

from aen.children import KINDS, DenseSpec, EquiNASSpec, GCNNSpec, build_child
from aen.groups import Decomposition
from aen.nn import GroupBatchNorm2d

DENSE = {"grids": (8, 4, 4), "decomposition": Decomposition.of(["rot90", "hflip"])}
GCNN = {"side": 20, "width": 8, "group": "C4", "dropout": 0.0}
EQUINAS = {"side": 8, "width": 2, "kernel_size": 3, "dense": 8}
GROUPS = ("D4",) * 3 + ("D2", "D2", "C2", "C1", "C1")
EQUINAS_OPTIONS = {
    "static": {"groups": GROUPS},
    "drawn as D4": {"groups": GROUPS, "drawn_as": "D4"},
    "mixed": {"mixed": ("C1", "C4", "D4"), "skip": True},
    "summed": {"mixed": ("C1", "D4"), "weighting": "sum", "keep_norm": False},
    "published": {"groups": GROUPS, "published": True},
    "mixed, published": {"mixed": ("C1", "D4"), "published": True},
}
# Every kind of child, with every value of the options that choose its layers.
SPECS = {
    f"dense, {head} head, {bias}": DenseSpec(**DENSE, head=head, bias=bias)
    for head, bias in product(("free", "invariant"), ("orbit", "scalar_after_relu"))
}
SPECS |= {
    f"gcnn, {backend}, norm {norm}, {head}": GCNNSpec(**GCNN, norm=norm, head=head, backend=backend)
    for backend, norm, head in product(("native", "escnn"), ("none", "batch"), ("flatten", "invariant"))
}
SPECS["gcnn, SO2"] = GCNNSpec(**GCNN | {"group": "SO2"}, norm="batch", backend="escnn")
SPECS |= {f"equinas, {name}": EquiNASSpec(**EQUINAS, **options) for name, options in EQUINAS_OPTIONS.items()}
NORMS = (GroupBatchNorm2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# So many channels of each parameter are tried.
CHANNELS = 3


def test_every_kind_is_tried():
    assert {spec.kind for spec in SPECS.values()} == set(KINDS)


@torch.no_grad()
@pytest.mark.parametrize("name", SPECS)
def test_a_constant_added_to_any_channel_changes_the_output(name):
    spec = SPECS[name]
    child = build_child(spec).double().train()
    for number, norm in enumerate(child.modules()):
        if isinstance(norm, NORMS):  # from the start it shifts nothing, and the next norm would undo its scale
            norm.bias.copy_(cases.images(*norm.bias.shape, seed=number).tanh() / 2)
    x = cases.images(8, spec.channels, spec.side, spec.side)
    expected = child(x)

    def effect(parameter, channel, constant):
        kept = parameter[channel].clone()
        parameter[channel] += constant
        found = cases.relative(child(x), expected)
        parameter[channel] = kept
        return found

    # In double precision rounding is below 1e-12. The larger constant is for units whose ReLU gives 0 for all images.
    dead = [
        f"{parameter_name}[{channel}]"
        for parameter_name, parameter in child.named_parameters()
        for channel in range(0, len(parameter), -(-len(parameter) // CHANNELS))
        if not any(effect(parameter, channel, constant) > 1e-5 for constant in (1, 10))
    ]
    assert not dead
