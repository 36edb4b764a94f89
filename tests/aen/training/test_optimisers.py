"""The optimisers of a child, and their state by the parameters' names."""

import helpers.planar_cases as cases
import pytest
import torch

from aen.children import EquiNASSpec, TrainingSpec, build_child
from aen.errors import SpecError
from aen.training.optimisers import restore_state, state_by_name, weight_optimiser

SMALL = {"side": 8, "width": 1, "kernel_size": 3, "dense": 8}
TRAININGS = [TrainingSpec(), TrainingSpec(optimiser="sgd"), TrainingSpec(optimiser="sgd", momentum=0.9)]
MIXED = {"mixed": ("C1", "D4")}
every_training = pytest.mark.parametrize("training", TRAININGS, ids=["adam", "sgd", "momentum"])


def stepped(child, *optimisers):
    child.train()(cases.images(4, 1, 8, 8, dtype=torch.float32)).square().sum().backward()
    for optimiser in optimisers:
        optimiser.step()


@every_training
@pytest.mark.parametrize("options", [{}, MIXED], ids=str)
def test_weights_are_all_that_does_not_choose(training, options):
    child = build_child(EquiNASSpec(**SMALL, **options))
    optimiser = weight_optimiser(child, training)
    (group,) = optimiser.param_groups
    held = {id(parameter) for parameter in group["params"]}
    names = {name for name, parameter in child.named_parameters() if id(parameter) not in held}
    assert names == {name for name, _ in child.named_parameters() if name.endswith("alpha")}
    assert bool(names) == bool(options)
    assert type(optimiser) is (torch.optim.SGD if training.optimiser == "sgd" else torch.optim.Adam)
    assert (group["lr"], group.get("momentum", 0.0)) == (training.learning_rate, training.momentum)


@every_training
def test_state_goes_to_another_child_of_the_same_names(training):
    spec = EquiNASSpec(**SMALL, **MIXED)
    children = [build_child(spec) for _ in range(2)]
    weights = [weight_optimiser(child, training) for child in children]
    alphas = [torch.optim.Adam(child.alphas()) for child in children]
    stepped(children[0], weights[0], alphas[0])
    kept = state_by_name(children[0], weights[0], alphas[0])
    names = {name for name, _ in children[0].named_parameters()}
    plain = training.optimiser == "sgd" and not training.momentum
    assert kept.keys() == ({name for name in names if name.endswith("alpha")} if plain else names)
    restore_state(children[1], kept, weights[1], alphas[1])
    again = state_by_name(children[1], weights[1], alphas[1])
    assert again.keys() == kept.keys()
    for name, state in kept.items():
        assert again[name].keys() == state.keys()
        assert all(torch.equal(again[name][key], value) for key, value in state.items())
    # And the next step of both is the same.
    children[1].load_state_dict(children[0].state_dict())
    for child, *optimisers in zip(children, weights, alphas, strict=True):
        child.zero_grad()
        stepped(child, *optimisers)
    for one, other in zip(children[0].parameters(), children[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_no_optimiser_holds_gets_no_state():
    child = build_child(EquiNASSpec(**SMALL, **MIXED))
    weights, alphas = weight_optimiser(child, TRAININGS[0]), torch.optim.Adam(child.alphas())
    stepped(child, weights, alphas)
    kept = state_by_name(child, weights, alphas)
    other = build_child(child.spec)
    fresh = weight_optimiser(other, TRAININGS[0])
    restore_state(other, kept, fresh)
    assert state_by_name(other, fresh).keys() == {name for name in kept if not name.endswith("alpha")}
    restore_state(other, {}, fresh)
    assert fresh.state


def test_steps_are_counted_in_float32_whatever_the_parameters_are():
    child = build_child(EquiNASSpec(**SMALL))
    optimiser = weight_optimiser(child, TRAININGS[0])
    stepped(child, optimiser)
    double = build_child(child.spec).double()
    theirs = weight_optimiser(double, TRAININGS[0])
    restore_state(double, state_by_name(child, optimiser), theirs)
    dtypes = {key: {s[key].dtype for s in theirs.state.values()} for key in ("step", "exp_avg", "exp_avg_sq")}
    assert dtypes == {"step": {torch.float32}, "exp_avg": {torch.float64}, "exp_avg_sq": {torch.float64}}


def test_state_that_is_no_tensor_is_refused():
    layer = torch.nn.Linear(2, 1)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=1)

    def loss():
        optimiser.zero_grad()
        value = layer(torch.ones(1, 2)).square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    with pytest.raises(SpecError, match=r"LBFGS keeps 'func_evals', which is no tensor and cannot be kept"):
        state_by_name(layer, optimiser)
