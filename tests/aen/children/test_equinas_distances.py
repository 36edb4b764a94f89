"""How far the layers of an EquiNAS child are from the largest group, against means by hand."""

import json

import helpers.planar_cases as cases
import pytest
import torch
from helpers.equinas_cases import D4, MODES, SMALL, every_mode, spec_of

from aen.children import EquiNASSpec, build_child


def projected(full, out_type, in_type):
    """The mean of full weights ``[out, in, k, k]`` over the group of the square, moved by hand by each element."""
    total = torch.zeros_like(full)
    for element in D4.elements:
        moved = cases.moved(full, element)
        there = torch.empty_like(full)
        rows, columns = (torch.from_numpy(kind.permutation(element)) for kind in (out_type, in_type))
        there[rows[:, None], columns] = moved
        total += there
    return total / len(D4.elements)


def distances_by_hand(child):
    found = []
    for place in child.places:
        layer = child.layers[place]
        full = layer.expanded_weight().detach().double()
        full = full if full.dim() == 4 else full[..., None, None]
        nearest = projected(full, layer.out_type, layer.in_type)
        found.append(float((full - nearest).norm() / full.norm()))
    return found


@every_mode
def test_distances_agree_with_a_mean_by_hand(mode):
    child = cases.randomise(build_child(EquiNASSpec(**(SMALL | MODES[mode] | {"channels": 2}))))
    record = child.record()
    assert json.loads(json.dumps(record)) == record
    assert len(record["distance_to_base"]) == (8 if child.spec.published else 9)
    for found, expected in zip(record["distance_to_base"], distances_by_hand(child), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
    assert ("alphas" in record) == (mode in {"mixed", "published, mixed"})
    if not child.spec.mixed:
        far = [group != "D4" for group in child.spec.layer_groups]
        assert [distance > 0.1 for distance in record["distance_to_base"]] == far


def test_the_mean_by_hand_is_a_projection():
    child = build_child(spec_of()).double()
    for place in child.places:
        layer = child.layers[place]
        full = layer.expanded_weight().detach()
        full = full if full.dim() == 4 else full[..., None, None]
        types = layer.out_type, layer.in_type
        cases.assert_near(projected(full, *types), full, 1e-12)
        once = projected(cases.images(*full.shape), *types)
        cases.assert_near(projected(once, *types), once, 1e-12)
        assert cases.relative(once, cases.images(*full.shape)) > 0.5


def test_distance_to_a_base_that_is_smaller():
    child = build_child(spec_of(*("C4",) * 4, *("C1",) * 4, base="C4"))
    assert [distance > 0.1 for distance in child.distances()] == [False] * 4 + [True] * 5
