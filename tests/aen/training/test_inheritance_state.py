"""The optimiser's state of a child that goes on from its parent's weights."""

from dataclasses import replace

import helpers.planar_cases as cases
import pytest
import torch
from helpers.inheritance_cases import (
    ADAM,
    MIXED,
    MOMENTUM,
    SMALL,
    SPEC,
    STATIC,
    in_file,
    inherited,
    same_state,
    shrinking,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aen.children import EquiNASSpec
from aen.nn.module import TiedModule
from aen.training.autograd import fit
from aen.training.optimisers import state_by_name, weight_optimiser


@pytest.fixture(scope="module")
def data(data_of):
    return data_of(SPEC)


@given(groups=shrinking(), kind=st.sampled_from([ADAM, MOMENTUM]))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_state_of_the_full_weights_stays(groups, kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    parent, progress = in_file(SPEC, folder, kind)
    child, carried = inherited(replace(SPEC.with_layer_groups(groups), training=kind), parent, folder)
    assert carried.optimiser.keys() == progress.optimiser.keys() == {name for name, _ in child.named_parameters()}
    compared = 0
    for number, (ours, theirs) in enumerate(zip(child.layers, parent.layers, strict=True)):
        for name, _ in ours.named_parameters() if isinstance(ours, TiedModule) else ():
            if name not in ours.tables():
                continue  # the dense layer's bias
            before, after = (p.optimiser[f"layers.layers.{number}.{name}"] for p in (progress, carried))
            assert after.keys() == before.keys()
            for key, value in after.items():
                if key == "step":
                    assert torch.equal(value, before[key])
                    continue
                # Of one position of the full weights: a free value's gradient is the sum over those that it fills.
                power = 2 if key == "exp_avg_sq" else 1
                table, other = ours.tables()[name], theirs.tables()[name]
                full = other.expand(before[key].reshape(-1) / other.sizes() ** power)
                cases.assert_near(table.expand(value.reshape(-1) / table.sizes() ** power), full, 1e-6)
                compared += 1
    assert compared == (2 if kind is ADAM else 1) * 25  # eight convolutions with norms of two each, and the dense layer
    for name, state in carried.optimiser.items():
        if name.startswith("head."):
            same_state({name: state}, {name: progress.optimiser[name]})


def test_the_state_is_that_of_relaxing_layer_by_layer(tmp_path):
    parent, progress = in_file(SPEC, tmp_path)
    groups = ("D4", "D4", "C4", "C4", "C2", "C2", "C2", "C1", "C1")
    child, carried = inherited(SPEC.with_layer_groups(groups), parent, tmp_path)
    optimiser = weight_optimiser(parent, ADAM)
    for name, parameter in parent.named_parameters():
        optimiser.state[parameter] = dict(progress.optimiser[name])
    step = parent
    for layer in reversed(range(9)):
        step = step.relaxed(layer, groups[layer], optimiser)
    same_state(carried.optimiser, state_by_name(step, optimiser))
    assert all(torch.equal(one, other) for one, other in zip(child.parameters(), step.parameters(), strict=True))


@pytest.mark.parametrize("options", [STATIC, MIXED], ids=["static", "mixed"])
def test_another_kind_of_optimiser_starts_fresh(options, data, tmp_path):
    spec = EquiNASSpec(**SMALL, **options, training=ADAM)
    parent, _ = in_file(spec, tmp_path)
    child, progress = inherited(replace(spec, training=MOMENTUM), parent, tmp_path)
    assert (progress.batches, progress.optimiser) == (2, {})
    fitted = fit(child, child.spec, data.train.images, data.train.labels, progress)
    assert fitted.progress.batches == 2 + 6
    weights = {name: state.keys() for name, state in fitted.progress.optimiser.items() if not name.endswith("alpha")}
    assert set(map(frozenset, weights.values())) == {frozenset({"momentum_buffer"})}


def test_a_momentum_that_is_new_starts_fresh_too(tmp_path):
    parent, progress = in_file(SPEC, tmp_path, replace(MOMENTUM, momentum=0.0))
    assert progress.optimiser == {}
    child, carried = inherited(replace(SPEC, training=MOMENTUM), parent, tmp_path)
    assert (carried.batches, carried.optimiser) == (2, {})
    assert fit(child, child.spec, torch.zeros(4, 1, 8, 8), torch.zeros(4).long(), carried).progress.optimiser
