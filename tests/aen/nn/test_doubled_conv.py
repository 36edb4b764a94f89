"""Convolutions in which every element of the group stands twice, against those of the group itself."""

import math

import pytest
import torch

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.doubled_conv import DoubledConv2d, doubled_type
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d

IMAGE = FieldType.trivial("D4", 3)


def convolution(fields_in: int = 3, fields_out: int = 2, **options: object) -> DoubledConv2d:
    generator = torch.Generator().manual_seed(0)
    types = doubled_type("D4", fields_in), doubled_type("D4", fields_out)
    return DoubledConv2d(*types, 3, generator=generator, **options).double()


def test_blocks_of_the_filter_bank_are_those_of_two_group_convolutions() -> None:
    layer = convolution()
    bank = layer.expanded_weight().view(2, 2, 8, 3, 2, 8, 3, 3)
    free = layer.weight.view(2, 3, 2, 8, 3, 3)
    plain = GroupConv2d(FieldType.regular("D4", 3), FieldType.regular("D4", 2), 3).double()
    for out_copy in range(2):
        for in_copy in range(2):
            with torch.no_grad():
                plain.weight.copy_(free[:, :, (out_copy + in_copy) % 2].flatten(1, 2))
            expected = plain.expanded_weight().view(2, 8, 3, 8, 3, 3)
            torch.testing.assert_close(bank[:, out_copy, :, :, in_copy], expected)


def test_both_copies_of_a_lifted_image_are_those_of_a_lifting_convolution() -> None:
    layer = DoubledConv2d(IMAGE, doubled_type("D4", 2), 3).double()
    plain = LiftingConv2d(IMAGE, FieldType.regular("D4", 2), 3).double()
    plain.load_state_dict(layer.state_dict())
    images = torch.randn(2, 3, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    maps = layer(images).view(2, 2, 2, 8, 5, 5)
    expected = plain(images).view(2, 2, 8, 5, 5)
    for copy in range(2):
        torch.testing.assert_close(maps[:, :, copy], expected)


def test_every_free_value_is_used_once_for_each_of_16_elements() -> None:
    layer = convolution()
    assert layer.weight.numel() == 2 * 3 * 16 * 9
    assert layer.bias is not None
    assert layer.bias.shape == (2,)
    layer.expanded_weight().sum().backward()
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, torch.full_like(layer.weight, 16))
    bias = layer.expanded_bias()
    assert bias is not None
    torch.testing.assert_close(bias, layer.bias.repeat_interleave(16))


def test_it_is_equivariant() -> None:
    for layer in (convolution(), DoubledConv2d(IMAGE, doubled_type("D4", 2), 3).double()):
        errors = layer.check_equivariance(side=7)
        assert len(errors) == 7
        assert max(errors.values()) < 1e-9


@pytest.mark.parametrize(
    ("initialisation", "inputs"), [("fan_in", 16 * 30), ("uniform_by_fields", 30)], ids=["fan_in", "by_fields"]
)
def test_initial_values_fill_their_range(initialisation: str, inputs: int) -> None:
    layer = convolution(fields_in=30, initialisation=initialisation)
    bound = 1 / math.sqrt(inputs * 9)
    assert 0.95 * bound < float(layer.weight.detach().abs().max()) <= bound


def test_it_cannot_be_regrouped() -> None:
    with pytest.raises(SpecError, match="cannot be regrouped to C4"):
        convolution().regrouped(PlanarGroup.of("C4"))
