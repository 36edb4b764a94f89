"""Initial values of tied filters: their ranges, and how large they make the full filters of each group."""

import math

import pytest
import torch

from aen.errors import SpecError
from aen.nn import FieldType, GroupConv2d, LiftingConv2d, MixedConv2d, relax
from aen.nn.initialisation import initial_biases, initial_filters

GROUPS = ("D4", "C4", "D2", "C2", "D1", "C1")
MAPS = FieldType.regular("D4", 16)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def strength(values: torch.Tensor) -> float:
    """Return the root mean square."""
    return float(values.detach().double().square().mean().sqrt())


def full_strengths(initialisation: str) -> list[float]:
    """Return how large the full filters of each branch of a mixed convolution are."""
    layer = MixedConv2d(MAPS, MAPS, GROUPS, 5, bias=False, initialisation=initialisation, generator=source())  # type: ignore[arg-type]
    return [strength(table(layer.mixture.branch(place))) for place, table in enumerate(layer.mixture.tables)]


def test_published_branches_are_as_large_as_the_order_of_their_group() -> None:
    found = full_strengths("normal_by_fields")
    assert [own / found[-1] for own in found] == pytest.approx([8, 4, 4, 2, 2, 1], rel=0.03)
    assert found[-1] == pytest.approx(1 / 128, rel=0.03)
    energy = [own**2 for own in found]
    assert energy[0] / sum(energy) == pytest.approx(0.61, abs=0.02)


def test_branches_are_equally_large_by_fan_in() -> None:
    assert full_strengths("fan_in") == pytest.approx([1 / math.sqrt(3 * 128 * 25)] * 6, rel=0.03)


def test_published_filters_of_the_backbone_are_six_times_larger() -> None:
    published, ours = (
        GroupConv2d(MAPS, MAPS, 5, bias=False, initialisation=name, generator=source())
        for name in ("normal_by_fields", "fan_in")
    )
    assert strength(published.expanded_weight()) / strength(ours.expanded_weight()) == pytest.approx(6.1, rel=0.03)


@pytest.mark.parametrize("group", ["D4", "C4", "C1"])
def test_the_range_by_fields(group: str) -> None:
    before = FieldType.of_channels(group, 32)
    layer = GroupConv2d(before, FieldType.regular(group, 40), 3, initialisation="uniform_by_fields", generator=source())
    bound = 1 / math.sqrt(before.fields * 9)
    assert layer.bias is not None
    for values in (layer.weight, layer.bias):
        assert 0.9 * bound < float(values.detach().abs().max()) <= bound
    assert strength(layer.weight) == pytest.approx(bound / math.sqrt(3), rel=0.03)


@pytest.mark.parametrize("name", ["uniform_by_fields", "normal_by_fields"])
def test_the_fields_of_an_image_are_its_channels(name: str) -> None:
    image, maps = FieldType.trivial("D4", 3), FieldType.regular("D4", 200)
    layer = LiftingConv2d(image, maps, 3, bias=False, initialisation=name, generator=source())  # type: ignore[arg-type]
    expected = 1 / math.sqrt(3 * 3 * 9) if name == "uniform_by_fields" else 1 / math.sqrt(200 * 3)
    assert strength(layer.weight) == pytest.approx(expected, rel=0.05)


def test_layers_draw_these_values() -> None:
    given = ("normal_by_fields", MAPS, MAPS, 3)
    generator = source(3)
    weight, bias = initial_filters(*given, generator), initial_biases(*given, generator)
    layer = GroupConv2d(MAPS, MAPS, 3, initialisation="normal_by_fields", generator=source(3))
    assert torch.equal(layer.weight, weight)
    assert layer.bias is not None
    assert torch.equal(layer.bias, bias)
    layer.reset_parameters(source(4))
    assert strength(layer.weight) == pytest.approx(1 / 16, rel=0.05)  # the same initialisation, other values
    assert not torch.equal(layer.weight, weight)


def test_a_relaxed_layer_keeps_its_initialisation() -> None:
    layer = relax(GroupConv2d(MAPS, MAPS, 3, initialisation="uniform_by_fields"), "C2")
    assert isinstance(layer, GroupConv2d)
    assert layer.initialisation == "uniform_by_fields"


@pytest.mark.parametrize("kind", [GroupConv2d, MixedConv2d])
def test_an_unknown_initialisation_is_refused(kind: type) -> None:
    groups = [GROUPS] if kind is MixedConv2d else []
    with pytest.raises(SpecError, match=r"unknown initialisation 'fan-in'.*did you mean 'fan_in'"):
        kind(MAPS, MAPS, *groups, 3, initialisation="fan-in")
