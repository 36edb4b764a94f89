"""Which symmetries a space offers, for a test of the images before a search."""

import pytest

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec
from aen.groups import PLANAR_GROUPS, Alphabet, PlanarGroup
from aen.groups.planar_factors import planar_factors
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace, RelaxationSpace

FACTORS = ("rot90", "hflip x vflip")


@pytest.mark.parametrize(
    ("space", "names"),
    [
        (DecompositionSpace(DenseSpec(grids=(8, 4)), Alphabet.of(FACTORS)), FACTORS),
        (LayerwiseDecompositionSpace(DenseSpec(grids=(8, 4)), Alphabet.of(FACTORS)), FACTORS),
        (GCNNSpace(GCNNSpec(), groups=["C1", "C4", "D4"]), ("rot90", "rot90 x| hflip")),
        (RelaxationSpace(EquiNASSpec(base="C4")), ("rot180", "rot90")),
    ],
    ids=["dense", "layerwise", "gcnn", "equinas"],
)
def test_factors_of_spaces(space, names) -> None:
    assert [factor.name for factor in space.symmetry_factors()] == list(names)


def test_the_published_bits_offer_their_generators() -> None:
    names = {factor.name for factor in GCNNSpace(GCNNSpec()).symmetry_factors()}
    assert {"rot90", "hflip", "vflip", "rot90 x| hflip"} <= names


@pytest.mark.parametrize("name", PLANAR_GROUPS)
def test_a_planar_group_and_its_factor_have_the_same_order(name: str) -> None:
    group = PlanarGroup.of(name)
    for factor in planar_factors([name]):
        assert factor.describe([6]).order == group.order
