"""The Q-network of dqn_transfer: any order and number of classes and symmetries."""

import hypothesis.strategies as st
import numpy as np
import torch
from helpers.strategy_runs import dense_space, gcnn_space, images_test, layerwise_space
from helpers.tables import drawn_table
from hypothesis import given, settings

from aen.groups import Decomposition
from aen_agents.agents.strategies.features import features_of
from aen_agents.agents.transfer.features import (
    EVIDENCE,
    STATIC,
    SYMMETRY,
    SYMMETRY_EVIDENCE,
    Evidence,
    KnownClasses,
)
from aen_agents.agents.transfer.geometry import geometry_of
from aen_agents.agents.transfer.network import ClassQNetwork, Ensemble


def drawn(classes: int, symmetries: int, seed: int) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, classes, len(STATIC) + len(EVIDENCE), generator=source),
        torch.randn(2, symmetries, len(SYMMETRY) + len(SYMMETRY_EVIDENCE), generator=source),
        (torch.rand(2, classes, symmetries, generator=source) < 0.5).float(),
        torch.rand(2, classes, generator=source) < 0.8,
    ]


@given(classes=st.integers(1, 12), symmetries=st.integers(0, 6), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_values_follow_the_classes_and_ignore_the_order_of_symmetries(classes: int, symmetries: int, seed: int) -> None:
    torch.manual_seed(seed)
    network = ClassQNetwork().double()
    features, properties, members, present = drawn(classes, symmetries, seed)
    features, properties, members = features.double(), properties.double(), members.double()
    values = network(features, properties, members, present)
    rows, columns = torch.randperm(classes), torch.randperm(symmetries)
    moved = network(features[:, rows], properties[:, columns], members[:, rows][:, :, columns], present[:, rows])
    torch.testing.assert_close(moved, values[:, rows])


def test_an_ensemble_has_the_mean_of_the_values() -> None:
    networks = [ClassQNetwork(width) for width in (8, 16, 8)]
    features = drawn(5, 3, 1)
    values = torch.stack([network(*features) for network in networks])
    torch.testing.assert_close(Ensemble(networks)(*features), values.mean(dim=0))


def test_classes_that_are_not_there_change_nothing() -> None:
    network = ClassQNetwork()
    features, properties, members, _ = drawn(5, 3, 0)
    present = torch.ones(2, 5, dtype=torch.bool)
    values = network(features, properties, members, present)
    filled = torch.cat([features, torch.full((2, 4, features.shape[2]), 7.0)], dim=1)
    more = torch.cat([members, torch.ones(2, 4, 3)], dim=1)
    there = torch.cat([present, torch.zeros(2, 4, dtype=torch.bool)], dim=1)
    found = network(filled, properties, more, there)
    torch.testing.assert_close(found[:, :5], values)
    assert (found[:, 5:] < values.min()).all()


def test_features_are_finite_in_every_space_with_and_without_a_test() -> None:
    for space in (dense_space(), gcnn_space(), layerwise_space()):
        for test in (None, images_test(space, hflip=1e9)):
            known = KnownClasses.of(features_of(space), test, images=100)
            evidence = Evidence(known, children=3)
            for place in (None, 0, 1, 1, len(known.static) - 1):
                if place is not None:
                    evidence.add(place, 0.1 * place / len(known.static))
                    evidence.asked += 1
                assert evidence.of_classes.shape == (len(known.static), len(EVIDENCE))
                assert evidence.of_symmetries.shape == (len(known.symmetry), len(SYMMETRY_EVIDENCE))
                for values in (known.static, known.symmetry, evidence.of_classes, evidence.of_symmetries):
                    assert values.dtype == np.float32
                    assert np.isfinite(values).all()
                    assert np.abs(values).max(initial=0) < 20


def test_evidence_tells_what_was_trained() -> None:
    table = drawn_table()
    known = KnownClasses.of(features_of(table.definition.space), None, images=100)
    evidence = Evidence(known, children=10)
    evidence.add(2, 0.6)
    evidence.add(2, 0.8)
    evidence.add(4, 0.5)
    trained, value, best = (EVIDENCE.index(name) for name in ("trained", "value", "best"))
    found = evidence.of_classes
    assert np.flatnonzero(found[:, trained]).tolist() == [2, 4]
    np.testing.assert_allclose(found[[2, 4], value], [2.0, -2.0], rtol=1e-5)  # twenty times 0.7 - 0.6
    np.testing.assert_allclose(found[:, best], 2.0, rtol=1e-5)


def test_a_class_is_not_similar_to_itself() -> None:
    similar = KnownClasses.of(features_of(dense_space()), None, images=100).similar
    assert (np.diag(similar) == 0).all()
    np.testing.assert_array_equal(similar, similar.T)
    assert (similar[~np.eye(len(similar), dtype=bool)] > 0).all()


def test_how_generators_move_the_cells() -> None:
    def found(name: str, grid: int = 8) -> tuple[float, ...]:
        return geometry_of(Decomposition.of([name]), grid)

    assert found("hflip") == (1, 0.5, 0, 1)  # mean of |7 - 2c| / 8
    assert found("rot90")[2] == 0  # an isometry tears nothing
    assert found("swap_lr") == (1, 0.5, 8 / 112, 1)  # the pairs across the middle, of 2 * 8 * 7
    assert found("swap_lr_top") == (0.5, 0.25, (4 + 8) / 112, 1)  # across the middle of the upper half, and below it
    assert found("quadrants", 7) == (0, 0, 0, 0)  # does not fit
