"""A steerable layer and a native group convolution with its filter compute the same."""

import pytest
import torch

from aen.errors import SpecError
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.steerable import Fields, SteerableConv2d, native_channels, native_filters, native_weight

GROUPS = ["C1", "C2", "C4", "D1", "D2", "D4"]


def layers(group, kind, source, **options):
    in_type, out_type = Fields(group, kind, 3), Fields(group, "regular", 2)
    steerable = SteerableConv2d(in_type, out_type, 3, generator=source, **options)
    with torch.no_grad():
        steerable.bias.normal_(generator=source)
    if kind == "trivial":
        native = LiftingConv2d(FieldType.trivial(group, 3), FieldType.regular(group, 2), 3)
    else:
        native = GroupConv2d(FieldType.regular(group, 3), FieldType.regular(group, 2), 3)
    return steerable, native


@pytest.fixture(autouse=True)
def _nobody_draws_from_a_global_source():
    """Native layers draw from torch's own source here."""


@pytest.mark.parametrize("band_limited", [True, False])
@pytest.mark.parametrize("kind", ["trivial", "regular"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_native_layer_with_the_steerable_filter_computes_the_same(group, kind, band_limited, source):
    steerable, native = layers(group, kind, source, band_limited=band_limited)
    with torch.no_grad():
        native.weight.copy_(native_weight(steerable))
        native.bias.copy_(steerable.bias * steerable.bias_direction[0])
    x = torch.randn(2, steerable.in_type.channels, 7, 7, generator=source)
    expected = steerable(x)[:, native_channels(steerable.out_type)]
    found = native(x[:, native_channels(steerable.in_type)])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(native.expanded_weight(), native_filters(steerable), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["trivial", "regular"])
@pytest.mark.parametrize("group", GROUPS)
def test_every_native_filter_is_a_steerable_one_without_band_limit(group, kind, source):
    # The other direction: least squares over the coefficients leaves nothing over.
    steerable, native = layers(group, kind, source, band_limited=False)
    order = native_channels(steerable.in_type), native_channels(steerable.out_type)
    wanted = torch.empty_like(native.expanded_weight())
    wanted[order[1][:, None], order[0]] = native.expanded_weight()
    k, per_out, per_in = 3, steerable.out_type.per_field, steerable.in_type.per_field
    blocks = wanted.reshape(2, per_out, 3, per_in, k, k).movedim(2, 1).reshape(6, -1).double()
    basis = steerable.basis.flatten(1).double()
    weights = torch.linalg.lstsq(basis.T, blocks.T).solution
    torch.testing.assert_close(weights.T @ basis, blocks, rtol=1e-5, atol=1e-5)


def test_the_order_of_channels_matters():
    # Both lists of C4 start with the identity, but ours has the half turn second.
    assert native_channels(Fields("C4", "regular", 2)).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert native_channels(Fields("C4", "trivial", 2)).tolist() == [0, 1]


def test_messages(source):
    with pytest.raises(SpecError, match="Filters of C8 are no copies of each other"):
        native_filters(SteerableConv2d(Fields("C8", "trivial", 1), Fields("C8", "regular", 1), 3, generator=source))
    with pytest.raises(SpecError, match="Fields of SO2 have no counterpart"):
        native_channels(Fields("SO2", "regular", 1))
