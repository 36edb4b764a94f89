"""The architectures that a generation can reach, random ones, and the groups that layers may have."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import get_args

import pytest
from helpers.architectures import TEN, architectures, shrinks, within
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from aen.errors import GroupError, SpecError
from aen_agents.agents.layerwise.neighbours import Steps, neighbours, random_architecture, subgroups_of
from aen_agents.config import EquiNASDConfig, EquiNASEConfig

PUBLISHED_MIXED = EquiNASDConfig.published_subgroups
PUBLISHED_RELAXED = EquiNASEConfig.published_subgroups


def source_of(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - not a secret


COORDINATES = {"C1": (0, 1), "C2": (0, 2), "C4": (0, 4), "D4": (1, 4)}
COORDINATES |= dict.fromkeys(("D1", "D1v", "D1d", "D1a"), (1, 1)) | dict.fromkeys(("D2", "D2d"), (1, 2))


def is_neighbour(ours: Sequence[str], theirs: Sequence[str], steps: Steps) -> bool:
    """Say by its definition whether a generation may take an architecture to another."""
    changed = [place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    if not changed:
        return True
    if len(changed) > 1:
        return False
    (place,) = changed
    if place == len(ours) - 1:
        lowered = sum(a != b for a, b in zip(COORDINATES[ours[place]], COORDINATES[theirs[place]], strict=True))
        return within(theirs[place], ours[place]) and (steps == "all" or lowered == 1)
    return theirs[place] == ours[place + 1]


@pytest.mark.parametrize("groups", [PUBLISHED_RELAXED, PUBLISHED_MIXED, ("D4", "D1d")], ids=len)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("steps", get_args(Steps))
def test_neighbours_are_those_of_the_definition(groups: tuple[str, ...], layers: int, steps: Steps) -> None:
    everything = list(product(groups, repeat=layers))
    for ours in architectures(layers, groups):
        found = neighbours(ours, groups, steps)
        assert found[0] == ours
        assert len(set(found)) == len(found)
        assert set(found) == {theirs for theirs in everything if is_neighbour(ours, theirs, steps)}


@pytest.mark.parametrize("steps", get_args(Steps))
def test_neighbours_of_a_known_architecture(steps: Steps) -> None:
    assert neighbours(("D4", "D4", "C4"), ("D4", "C4", "C2", "D1", "C1"), steps) == [
        ("D4", "D4", "C4"),
        ("D4", "D4", "C2"),
        ("D4", "D4", "C1"),
        ("D4", "C4", "C4"),
    ]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("D4", {"published": ["D4", "C4", "D1"], "all": ["D4", "C4", "C2", "D1", "C1"]}),
        ("C4", {"published": ["C4", "C2", "C1"], "all": ["C4", "C2", "C1"]}),
        ("D1", {"published": ["D1", "C1"], "all": ["D1", "C1"]}),
        ("C1", {"published": ["C1"], "all": ["C1"]}),
    ],
)
def test_the_last_layer_gives_up_mirrorings_or_rotations_as_published(
    last: str, expected: dict[Steps, list[str]]
) -> None:
    for steps, groups in expected.items():
        found = neighbours(("D4",) * 7 + (last,), PUBLISHED_RELAXED, steps)
        assert [architecture[-1] for architecture in found if architecture[:-1] == ("D4",) * 7] == groups


@given(seed=st.integers(0, 10**6), layers=st.integers(1, 9), names=st.sets(st.sampled_from(TEN), min_size=1))
def test_groups_only_shrink_however_far_the_moves_go(seed: int, layers: int, names: set[str]) -> None:
    source = source_of(seed)
    groups = [name for name in TEN if name in names]
    now = random_architecture(layers, groups, source)
    for _ in range(6):
        assert shrinks(now)
        found = neighbours(now, groups, source.choice(get_args(Steps)))
        assert all(within(b, a) for theirs in found for a, b in zip(now, theirs, strict=True))
        now = source.choice(found)


@pytest.mark.parametrize("steps", get_args(Steps))
def test_every_architecture_can_be_reached(steps: Steps) -> None:
    groups = ("D4", "C4", "C2", "C1")
    start = ("D4",) * 4
    reached, new = {start}, {start}
    while new:
        new = {theirs for ours in new for theirs in neighbours(ours, groups, steps)} - reached
        reached |= new
    assert reached == set(architectures(4, groups))


@pytest.mark.parametrize("groups", [PUBLISHED_MIXED, ("D4", "C4", "C1"), ("D2", "D1", "D1v", "C1")], ids=len)
def test_architectures_are_drawn_evenly(groups: tuple[str, ...]) -> None:
    source = source_of(7)
    everything = architectures(3, groups)
    drawn = Counter(random_architecture(3, groups, source) for _ in range(60 * len(everything)))
    assert set(drawn) == set(everything)
    assert chisquare([drawn[found] for found in everything]).pvalue > 1e-3


def test_the_draw_follows_from_the_seed_alone() -> None:
    draws = [random_architecture(9, PUBLISHED_MIXED, source_of(seed)) for seed in range(30)]
    assert draws == [random_architecture(9, PUBLISHED_MIXED, source_of(seed)) for seed in range(30)]
    assert len(set(draws)) > 20
    assert all(shrinks(groups) for groups in draws)


# Which groups


def test_subgroups_by_name() -> None:
    assert subgroups_of("D4", "all", published=()) == TEN
    assert subgroups_of("D4", "published", published=PUBLISHED_RELAXED) == PUBLISHED_RELAXED
    assert set(subgroups_of("D4", "published", published=PUBLISHED_MIXED)) == set(PUBLISHED_MIXED)
    assert subgroups_of("D2", "published", published=PUBLISHED_MIXED) == ("D2", "C2", "D1", "C1")
    assert subgroups_of("C4", "all", published=()) == ("C4", "C2", "C1")
    assert subgroups_of("C1", "published", published=PUBLISHED_RELAXED) == ("C1",)
    assert subgroups_of("D4", ["C1", "D4", "C4", "C4"], published=()) == ("D4", "C4", "C1")


@pytest.mark.parametrize(
    ("base", "names", "message"),
    [
        ("D4", [], "subgroups is empty; choose from D4, C4, .*C1, D4 included"),
        ("D4", ["C4", "C1"], r"subgroups is \['C4', 'C1'\], but D4, with which every layer starts, is missing"),
        ("C4", ["C4", "D1"], r"D1 is not a subgroup of C4; choose from C4, C2, C1"),
        ("D4", ["D4", "D8"], "D8 is not a subgroup of D4"),
    ],
)
def test_subgroups_that_cannot_be_are_explained(base: str, names: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        subgroups_of(base, names, published=())


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(GroupError, match="unknown planar group 'D5'"):
        subgroups_of("D4", ["D4", "D5"], published=())
