"""Batch norm of regular fields, against one-field-at-a-time statistics."""

import copy
import pickle

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn

from aen.errors import SpecError
from aen.nn.fields import FieldType
from aen.nn.group_norm import GroupBatchNorm2d

every_pair = pytest.mark.parametrize(("subgroup", "group"), cases.FEW_PAIRS)
# With fields that lie side by side, and with fields that do not, such as those of D2 among the channels of D4.
few_pairs = pytest.mark.parametrize(
    ("subgroup", "group"), [("C1", "D4"), ("C4", "C4"), ("C4", "D4"), ("D2", "D4"), ("D1", "D2"), ("D4", "D4")]
)


def norm_of(subgroup, group, fields=2, **options):
    layer = GroupBatchNorm2d(FieldType.regular(group, fields).regroup(subgroup), **options)
    return cases.randomise(layer).double()


def maps(layer, seed=1):
    """Every channel with a mean and a scale of its own."""
    x = cases.images(4, layer.in_type.channels, 5, 5, seed=seed)
    return x * torch.linspace(0.5, 2, x.shape[1])[:, None, None] + torch.linspace(-1, 2, x.shape[1])[:, None, None]


@every_pair
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_equivariance(subgroup, group, training):
    cases.assert_equivariant(norm_of(subgroup, group).train(training), side=6)


def test_ordinary_batch_norm_fails_the_check():
    layer = norm_of("D4", "D4").eval()
    plain = layer.export()
    with torch.no_grad():
        plain.weight.copy_(torch.linspace(0.5, 2, 16))
    layer.forward = plain.forward
    assert min(layer.check_equivariance().values()) > 0.02


@every_pair
def test_statistics_are_those_of_whole_fields(subgroup, group):
    layer = norm_of(subgroup, group, momentum=0.3, eps=1e-3).train()
    before = copy.deepcopy(layer)
    x = maps(layer)
    y = layer(x)
    assert layer.num_batches_tracked == 1
    for field, channels in enumerate(layer.in_type.field_channels().tolist()):
        values = x[:, channels].flatten().tolist()
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        unbiased = variance * len(values) / (len(values) - 1)
        expected = (x[:, channels] - mean) / (variance + 1e-3) ** 0.5 * before.weight[field] + before.bias[field]
        cases.assert_near(y[:, channels], expected, 1e-12)
        running = 0.7 * before.running_mean[field] + 0.3 * mean, 0.7 * before.running_var[field] + 0.3 * unbiased
        cases.assert_near(torch.stack([layer.running_mean[field], layer.running_var[field]]), running, 1e-12)
        layer.eval()
        expected = (x[:, channels] - running[0]) / (running[1] + 1e-3) ** 0.5
        expected = expected * before.weight[field] + before.bias[field]
        cases.assert_near(layer(x)[:, channels], expected, 1e-12)
    assert layer.num_batches_tracked == 1


def test_fields_side_by_side_are_not_moved_about():
    assert norm_of("C4", "D4").gathered is None
    assert norm_of("D4", "D4").gathered is None
    assert norm_of("D2", "D4").gathered is not None


@few_pairs
def test_gradients(subgroup, group):
    layer = norm_of(subgroup, group, fields=1).train()
    x = maps(layer)[:2, :, :2, :2].clone().requires_grad_()

    def function(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(function, (x, layer.weight, layer.bias))


@few_pairs
def test_export_computes_the_same_in_evaluation(subgroup, group):
    layer = norm_of(subgroup, group, eps=1e-3, momentum=0.3).float().eval()
    layer.num_batches_tracked.fill_(7)
    plain = layer.export()
    assert type(plain) is nn.BatchNorm2d
    assert not plain.training
    assert (plain.eps, plain.momentum, int(plain.num_batches_tracked)) == (1e-3, 0.3, 7)
    x = maps(layer).float()
    cases.assert_near(plain(x), layer(x), 1e-5)
    assert layer.train().export().training


@few_pairs
def test_copies(subgroup, group):
    layer = norm_of(subgroup, group).eval()
    fresh = GroupBatchNorm2d(layer.in_type).double().eval()
    fresh.load_state_dict(layer.state_dict())
    for twin in (fresh, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301
        assert torch.equal(twin(maps(layer)), layer(maps(layer)))
        assert set(twin.state_dict()) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
        twin.running_mean.zero_()
        assert not torch.equal(twin(maps(layer)), layer(maps(layer)))


def test_shapes_and_messages():
    layer = norm_of("D4", "D4")
    assert layer.evaluate_output_shape((2, 16, 5, 5)) == (2, 16, 5, 5)
    assert tuple(layer(maps(layer)).shape) == layer.evaluate_output_shape((4, 16, 5, 5))
    with pytest.raises(SpecError, match=r"its second dimension must be 16"):
        layer(torch.zeros(2, 8, 5, 5))
    with pytest.raises(SpecError, match=r"it must be \(batch, 16, height, width\)"):
        layer.evaluate_output_shape((2, 8, 5, 5))
