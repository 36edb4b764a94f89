"""Every steerable layer for every group: equivariance, shapes, export to plain torch, copies and stored states."""

import copy
import pickle

import pytest
import torch
from torch import nn

from aen.errors import SpecError
from aen.nn.module import EquivarianceWarning
from aen.nn.steerable import (
    STEERABLE_GROUPS,
    Fields,
    SteerableBatchNorm2d,
    SteerableConv2d,
    SteerableMaxPool2d,
    SteerableMean,
    SteerableReLU,
    load_escnn,
)
from aen.nn.steerable.equivariance import equivariance_errors, worst
from aen.nn.steerable.gspaces import group_elements, is_exact

QUICK = ["C4", "D4", "SO2"]
GROUPS = [group if group in QUICK else pytest.param(group, marks=pytest.mark.slow) for group in STEERABLE_GROUPS]
# A map that is turned by 45 degrees is interpolated: measured 1 to 3 %, a maximum over squares (which do not turn) 5 %.
EXACT, NEAR = 1e-5, 0.08
KINDS = ["lifting", "convolution", "norm", "relu", "pool", "mean"]
PLAIN = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Sequential)


def make(kind, group, source):
    image, fields = Fields(group, "trivial", 2), Fields(group, "regular", 3)
    if kind == "lifting":
        layer = SteerableConv2d(image, fields, 3, generator=source)
    elif kind == "convolution":
        layer = SteerableConv2d(fields, Fields(group, "regular", 2), 3, generator=source)
    elif kind == "norm":
        layer = SteerableBatchNorm2d(fields)
        layer(torch.randn(4, fields.channels, 6, 6, generator=source) * 3 + 1)
    else:
        layer = {"relu": SteerableReLU, "pool": SteerableMaxPool2d, "mean": SteerableMean}[kind](fields)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=source) * 0.1)
    return layer.eval()


def inputs(layer, source, side=8):
    return torch.randn(4, layer.in_type.channels, side, side, generator=source)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", GROUPS)
def test_equivariance_for_every_element(group, kind, source):
    layer = make(kind, group, source)
    errors = layer.check_equivariance()
    assert len(errors) == len(group_elements(group)) - 1
    assert worst(errors) < (EXACT if is_exact(group) else NEAR), errors


@pytest.mark.parametrize("group", GROUPS[1:])
def test_an_untied_convolution_is_found_out(group, source):
    layer = make("convolution", group, source)
    plain = layer.export()
    with torch.no_grad():
        plain.weight.copy_(torch.randn(plain.weight.shape, generator=source))
    errors = equivariance_errors(plain, layer.in_type, layer.out_type, side=32, like=plain.weight)
    assert min(errors.values()) > 0.5, errors


@pytest.mark.parametrize("group", ["C4", "D4"])
def test_exact_on_noise_of_single_cells(group, source):
    # Smooth images would hide what happens between neighbours: here by torch's own turns, independent of the checker.
    layer = nn.Sequential(*(make(kind, group, source) for kind in ("lifting", "relu", "pool", "mean"))).double()
    x = torch.randn(2, 2, 10, 10, generator=source, dtype=torch.float64)
    y = layer(x)
    for turns in range(4):
        torch.testing.assert_close(layer(x.rot90(turns, (-2, -1))), y)
        if group == "D4":
            torch.testing.assert_close(layer(x.flip(-1).rot90(turns, (-2, -1))), y)
    assert not torch.allclose(layer(x.roll(1, -1)), y, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", GROUPS)
def test_shape_and_export(group, kind, source):
    layer = make(kind, group, source)
    x = inputs(layer, source)
    y = layer(x)
    assert tuple(y.shape) == layer.evaluate_output_shape(tuple(x.shape))
    plain = layer.export()
    assert all(type(module) in PLAIN for module in plain.modules())
    torch.testing.assert_close(plain(x), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", QUICK)
def test_copies_and_states(group, kind, source):
    layer = make(kind, group, source)
    x = inputs(layer, source)
    y = layer(x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301
        assert torch.equal(other(x), y)
    assert set(layer.train().state_dict()) == set(layer.eval().state_dict())
    fresh = make(kind, group, torch.Generator().manual_seed(9))
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh(x), y)
    # Nothing is shared with other layers: neither values nor memory, which safetensors would refuse.
    own = {tensor.data_ptr() for tensor in [*layer.parameters(), *layer.buffers()]}
    assert own.isdisjoint(tensor.data_ptr() for tensor in [*fresh.parameters(), *fresh.buffers()])
    layer.double()
    assert fresh(x).dtype == torch.float32


def test_weights_of_another_basis_are_refused(source):
    layer = make("convolution", "C4", source)
    state = layer.state_dict()
    state["fingerprint"] = state["fingerprint"].roll(1)
    with pytest.raises(SpecError, match=r"The weights of this layer belong to another basis.*export\(\)"):
        layer.load_state_dict(state)
    with pytest.raises(SpecError, match=r"The weights of 0 belong"):
        nn.Sequential(layer).load_state_dict({f"0.{name}": value for name, value in state.items()})


@pytest.mark.parametrize("group", [*QUICK, pytest.param("D8", marks=pytest.mark.slow)])
def test_convolution_is_escnns(group, source):
    enn = load_escnn().nn
    layer = make("convolution", group, source)
    theirs = enn.R2Conv(layer.in_type.escnn_type(), layer.out_type.escnn_type(), 3, initialize=False, recompute=True)
    with torch.no_grad():
        theirs.weights.copy_(layer.weights.reshape(-1))
        theirs.bias.copy_(layer.bias)
    x = inputs(layer, source)
    torch.testing.assert_close(layer(x), theirs(theirs.in_type(x)).tensor, rtol=1e-5, atol=1e-5)


def test_initial_weights_are_escnns(source):
    enn = load_escnn().nn
    image, fields = Fields("C4", "trivial", 1), Fields("C4", "regular", 40)
    for in_type in (image, fields):
        layer = SteerableConv2d(in_type, fields, 3, generator=source)
        again = SteerableConv2d(in_type, fields, 3, generator=torch.Generator().manual_seed(0))
        if in_type is image:
            assert torch.equal(layer.weights, again.weights)
        theirs = enn.R2Conv(in_type.escnn_type(), fields.escnn_type(), 3, initialize=False, recompute=True)
        deviations = enn.init._generalized_he_init_variances(theirs.basisexpansion).reshape(layer.weights.shape)
        torch.testing.assert_close((layer.weights / deviations).std().item(), 1.0, rtol=0.1, atol=0)
        assert not layer.bias.any()


def test_norm_is_escnns(source):
    enn = load_escnn().nn
    layer = SteerableBatchNorm2d(Fields("C4", "regular", 3))
    theirs = enn.InnerBatchNorm(layer.in_type.escnn_type())
    for training in (True, True, False):
        x = inputs(layer, source)
        torch.testing.assert_close(layer.train(training)(x), theirs.train(training)(theirs.in_type(x)).tensor)


def test_so2_functions_are_escnns(source):
    enn = load_escnn().nn
    fields = Fields("SO2", "regular", 3)
    so2 = fields.escnn_type().fibergroup
    theirs = enn.FourierPointwise(fields.escnn_type().gspace, 3, so2.bl_irreps(2), type="regular", N=16, inplace=False)
    x = torch.randn(4, fields.channels, 5, 5, generator=source)
    expected = theirs(enn.GeometricTensor(x, theirs.in_type)).tensor
    torch.testing.assert_close(SteerableReLU(fields)(x), expected)


def test_batch_norm_of_so2_normalises_the_function(source):
    # Mean and variance of the function on all angles: by Parseval those of the coefficients.
    fields = Fields("SO2", "regular", 3)
    layer = SteerableBatchNorm2d(fields)
    y = layer(torch.randn(64, fields.channels, 5, 5, generator=source) * 7 + 2).reshape(64, 3, 5, 25)
    values = torch.einsum("sc,nfcp->nfsp", layer.sampling, y)
    torch.testing.assert_close(values.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(values.var((0, 2, 3)), torch.ones(3), rtol=1e-3, atol=1e-3)


def test_pooling_that_leaves_cells_over_warns(source):
    layer = make("pool", "C4", source)
    with pytest.warns(EquivarianceWarning, match="leaves a rest of 1"):
        layer(inputs(layer, source, side=9))
    alone = SteerableMaxPool2d(Fields("C1", "regular", 1))
    assert alone(torch.zeros(1, 1, 9, 9)).shape == (1, 1, 4, 4)


def test_messages(source):
    image, fields = Fields("C4", "trivial", 1), Fields("C4", "regular", 1)
    with pytest.raises(SpecError, match="from fields of C4 to fields of C8: choose one group"):
        SteerableConv2d(image, Fields("C8", "regular", 1), 3)
    for kernel_size in (0, 2, -1, 3.0, True):
        with pytest.raises(SpecError, match=r"kernel_size=.*choose 3, 5 or 7"):
            SteerableConv2d(image, fields, kernel_size)
    with pytest.raises(SpecError, match="band_limited=False with C8"):
        SteerableConv2d(Fields("C8", "trivial", 1), Fields("C8", "regular", 1), 3, band_limited=False)
    with pytest.raises(SpecError, match="band_limited=False with kernel_size=5"):
        SteerableConv2d(image, fields, 5, band_limited=False)
    with pytest.raises(SpecError, match="larger than an image of side 2"):
        SteerableConv2d(image, fields, 3, generator=source)(torch.zeros(1, 1, 2, 2))
    with pytest.raises(SpecError, match="An output of 4x4 is too small to be turned by r30; choose a larger side"):
        make("relu", "SO2", source).check_equivariance(side=4)
