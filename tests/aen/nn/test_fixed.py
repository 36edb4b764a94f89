"""Tensors that follow from a module's arguments: they move with it and nothing else happens to them."""

import copy

import pytest
import torch
from helpers import tied_layers
from helpers.every_module import MODULES, close, inputs, make

from aen.nn import FieldType, GroupConv2d, OrbitTable
from aen.nn.filter_bank import _filter_table
from aen.nn.fixed import FixedTensors


class Table(FixedTensors):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.fix("places", torch.tensor([1, 0]))
        self.fix("share", torch.tensor([0.25, 0.75], dtype=torch.float64))
        self.fix("nothing", None)


@pytest.mark.parametrize(
    ("move", "dtype"),
    [
        (lambda m: m.half(), torch.float16),
        (lambda m: m.to(torch.bfloat16), torch.bfloat16),
        (lambda m: m.type(torch.float32), torch.float32),  # would make numbers of a buffer's indices
        (lambda m: m.to_empty(device="cpu"), torch.float64),  # would lose a buffer's values
        (lambda m: m.share_memory(), torch.float64),
        (lambda m: m.requires_grad_(requires_grad=False), torch.float64),
        (copy.deepcopy, torch.float64),
    ],
)
def test_values_stay_and_only_floating_point_changes_its_type(move, dtype):
    table = move(Table())
    assert (table.places.dtype, table.places.tolist()) == (torch.int64, [1, 0])
    assert (table.share.dtype, table.share.tolist()) == (dtype, [0.25, 0.75])
    assert table.nothing is None
    assert list(table.state_dict()) == ["weight"]
    assert not list(table.buffers())


def test_a_skeleton_on_the_meta_device_keeps_them():
    table = Table().to("meta")
    assert table.weight.is_meta
    assert table.places.tolist() == [1, 0]


@pytest.mark.parametrize("name", ["linear, turned", "convolution", "mixed convolution", "relaxed norm", "dense child"])
def test_a_module_is_emptied_and_filled_again(name):
    module, x = make(name), inputs(name)
    expected, state = module(x), copy.deepcopy(module.state_dict())
    module.to("meta").to_empty(device="cpu").load_state_dict(state)
    close(module(x), expected)


@pytest.mark.parametrize(
    "name", ["linear, spectral", "linear, split", "linear, merged", "linear, odd", "invariant head", "convolution"]
)
def test_a_module_made_without_values_is_filled_later(name):
    module, x = make(name), inputs(name)
    with torch.device("meta"):
        deferred = MODULES[name].make(0)
    deferred.to_empty(device="cpu").double().eval().load_state_dict(module.state_dict())
    close(deferred(x), module(x))


def test_tables_made_in_inference_mode_train_afterwards():
    _filter_table.cache_clear()
    maps = FieldType.regular("D4", 1)
    with torch.inference_mode():
        GroupConv2d(maps, maps, 3)  # fills the cache
        table = OrbitTable(tied_layers.orbits_of("turns"))
    layer = GroupConv2d(maps, maps, 3).double()
    x = torch.randn(1, 8, 4, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x).square().sum(), layer.weight, create_graph=True)
    gradient.square().sum().backward()
    assert layer.weight.grad.any()
    assert not table.labels.is_inference()
