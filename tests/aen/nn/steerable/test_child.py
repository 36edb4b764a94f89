"""The convolutional part of the G-CNN child: shapes, counts, equivariance as a whole, export, training."""

import pytest
import torch
from torch import nn

from aen.errors import SpecError
from aen.nn.steerable import STEERABLE_GROUPS, SteerableFeatures, parameters_per_pair
from aen.nn.steerable.equivariance import equivariance_errors, worst
from aen.nn.steerable.gspaces import is_exact

FIELDS = [2, 2, 3, 3]
# So few random fields may nearly cancel, which makes any error look large: more where it is not zero.
WIDE = [6, 6, 8, 8]
QUICK = ["C4"]
GROUPS = [group if group in QUICK else pytest.param(group, marks=pytest.mark.slow) for group in STEERABLE_GROUPS]
# Features of 76x76 images turned by 30 or 45 degrees, after two poolings: measured 0.05 to 0.15, untied 0.8 to 1.3.
EXACT, NEAR, FAR = 1e-5, 0.25, 0.5


def build(group, seed=0, fields=FIELDS, **options):
    return SteerableFeatures(group, fields, generator=torch.Generator().manual_seed(seed), **options)


def images(n=4, side=28, channels=1):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(1))


def trained_statistics(features):
    features.train()
    for _ in range(3):
        features(images(8))
    return features.eval()


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("group", GROUPS)
def test_equivariance_as_a_whole(group, norm):
    features = trained_statistics(build(group, norm=norm, fields=FIELDS if is_exact(group) else WIDE))
    limit = EXACT if is_exact(group) else NEAR
    assert worst(features.check_equivariance()) < limit
    assert worst(features.check_equivariance(invariants=True)) < limit


@pytest.mark.parametrize("group", GROUPS[1:])
def test_untied_features_are_found_out(group):
    features = build(group)
    plain = features.export()
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in plain.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=source) * layer.weight.std())
    errors = equivariance_errors(
        plain, features.in_type, features.out_type, side=28 if is_exact(group) else 76, like=torch.zeros(())
    )
    assert max(errors.values()) > FAR, errors


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("group", GROUPS)
def test_shapes_counts_and_export(group, norm):
    features = trained_statistics(build(group, norm=True)) if norm else build(group, in_channels=3).eval()
    x = images(channels=1 if norm else 3)
    y = features(x)
    assert tuple(y.shape) == features.evaluate_output_shape(tuple(x.shape)) == (4, features.out_type.channels, 4, 4)
    means = features.invariants(y)
    assert means.shape == (4, FIELDS[-1])
    lifting, inner = parameters_per_pair(group, 3)
    filters = lifting * x.shape[1] * 2 + inner * (2 * 2 + 2 * 3 + 3 * 3)
    assert features.parameter_count() == filters + sum(FIELDS) * (2 if norm else 1)
    torch.testing.assert_close(features.export()(x), y, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(features.export(invariants=True)(x), means, rtol=1e-5, atol=1e-5)


def test_the_same_seed_gives_the_same_network():
    x = images()
    assert torch.equal(build("C4")(x), build("C4")(x))
    assert not torch.equal(build("C4")(x), build("C4", seed=1)(x))


@pytest.mark.parametrize("group", [*QUICK, pytest.param("SO2", marks=pytest.mark.slow)])
def test_it_learns(group):
    # Which way stripes run cannot be told from what does not change under quarter turns; how many there are can.
    source = torch.Generator().manual_seed(2)
    features = build(group, norm=True)
    head = nn.utils.skip_init(nn.Linear, FIELDS[-1], 2)
    with torch.no_grad():
        head.weight.normal_(generator=source)
        head.bias.zero_()
    rows = torch.arange(28.0)
    labels = torch.arange(32) % 2
    stripes = torch.stack([torch.sin(rows * (0.5 + label) + i) for i, label in enumerate(labels.tolist())])
    x = stripes[:, None, :, None].expand(-1, 1, 28, 28) + 0.3 * torch.randn(32, 1, 28, 28, generator=source)
    optimiser = torch.optim.Adam([*features.parameters(), *head.parameters()], lr=1e-2)
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(head(features.invariants(features(x))), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 < losses[0], losses
    assert all(parameter.grad is not None for parameter in features.parameters())


def test_messages():
    with pytest.raises(SpecError, match="Unknown group 'C5'"):
        SteerableFeatures("C5", FIELDS)
    with pytest.raises(SpecError, match=r"fields=\[\]: name the number of fields"):
        SteerableFeatures("C4", [])
    with pytest.raises(SpecError, match="count=0"):
        SteerableFeatures("C4", [2, 0], generator=torch.Generator())
    with pytest.raises(SpecError, match="larger than an image of side"):
        build("C4").evaluate_output_shape((1, 1, 12, 12))
