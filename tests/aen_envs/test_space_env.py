"""SpaceEnv over a space that aen does not know, and environments by the type of their space."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from helpers.table_evaluators import EQUINAS, GCNN, LateTable, TableEvaluator, draw_action, plain

import aen_envs
from aen.children import DenseSpec
from aen.errors import SpecError
from aen.groups import Alphabet, Decomposition
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace, RelaxationSpace, Space
from aen_envs import ENVIRONMENT_IDS, ChildVectorEnv, SpaceEnv, make_environment, registry

CHILD = DenseSpec(grids=(4, 4), seed=3)
TOY_ID = "test/Toy-v0"


class ToySpace(Space):
    """One of three rotations, with or without a flip; the untied child is the last rotation without a flip."""

    baseline_name = "bare"
    rotations = ("rot90", "rot180", None)
    sizes = (3, 2)
    states = 6
    baseline_state = (2, 0)

    @property
    def classes(self):
        raise AssertionError("an environment has no use for classes")

    baseline = classes

    def spec_of(self, state):
        rotation, flip = state
        chosen = [self.rotations[rotation]] if self.rotations[rotation] else []
        return CHILD.with_decomposition(Decomposition.of(chosen + ["hflip"] * flip))


class TwoAtMost(ToySpace):
    """A space with combinations of choices that are no states."""

    states = 5


@pytest.fixture
def toy_registered(monkeypatch):
    """The toy space has an environment, until the end of the test."""
    monkeypatch.setattr(registry, "_table", dict(registry._table))
    known = set(gymnasium.registry)
    yield aen_envs.register(ToySpace, TOY_ID, "aen_envs.space_env:SpaceEnv")
    for name in set(gymnasium.registry) - known:
        del gymnasium.registry[name]


def test_it_takes_everything_from_the_space():
    env = SpaceEnv(ToySpace(), evaluator=TableEvaluator(), stop_action=True, horizon=9, render_mode="ansi")
    assert env.observation_space == gymnasium.spaces.MultiDiscrete([3, 2])
    assert env.changes == ((0, 1), (0, -1), (1, 1))
    assert env.action_space == gymnasium.spaces.Discrete(4)
    untied, rot90 = (TableEvaluator.accuracy(CHILD.with_decomposition(Decomposition.of(f))) for f in ([], ["rot90"]))
    observation, info = env.reset()
    assert observation.tolist() == [0, 0]
    assert (info["accuracy"], info["baseline_accuracy"], info["group"]) == (rot90, untied, "C4")
    for action, state, number in ((1, [2, 0], 2), (2, [2, 1], 5), (0, [0, 1], 3), (3, [0, 1], 3)):
        observation, reward, terminated, _, info = env.step(action)
        accuracy = TableEvaluator.accuracy(env.space.spec_of(state))
        assert (observation.tolist(), info["state"], info["accuracy"]) == (state, number, accuracy)
        assert reward == pytest.approx(accuracy - untied)
        assert terminated == (action == 3)
    assert env.render().startswith(" place 0: 0  [place 1: 1]\nstep 4: group D4, ")
    assert f"(bare {untied:.1%}, best" in env.render()


def test_a_space_with_impossible_combinations_is_refused():
    with pytest.raises(SpecError, match="a TwoAtMost with 5 states, but its sizes have 6 combinations; SpaceEnv needs"):
        SpaceEnv(TwoAtMost(), evaluator=TableEvaluator())
    with pytest.raises(SpecError, match="a RelaxationSpace with 1,210 states"):
        SpaceEnv(RelaxationSpace(EQUINAS), evaluator=TableEvaluator())


def test_a_registered_space_has_an_environment(toy_registered):
    evaluator, space = TableEvaluator(), ToySpace()
    env = make_environment(space, evaluator, horizon=3, reward="paper")
    assert (env.spec.id, type(env.unwrapped), env.unwrapped.space) == (toy_registered.id, SpaceEnv, space)
    assert (env.unwrapped.horizon, env.unwrapped.reward) == (3, "paper")
    assert env.unwrapped.evaluator is evaluator
    check_env(env.unwrapped)
    several = gymnasium.make_vec(TOY_ID, num_envs=2, space=space, evaluator=evaluator)
    assert isinstance(several.unwrapped, ChildVectorEnv)
    assert several.reset()[0].tolist() == [[0, 0], [0, 0]]
    assert gymnasium.envs.registration.EnvSpec.from_json(gymnasium.spec(TOY_ID).to_json()) == gymnasium.spec(TOY_ID)


@pytest.mark.usefixtures("toy_registered")
def test_a_space_has_the_environment_of_its_base_unless_it_has_its_own():
    assert registry.find_environment(TwoAtMost()).id == TOY_ID
    aen_envs.register(TwoAtMost, "test/Two-v0", "aen_envs.space_env:SpaceEnv")
    assert registry.find_environment(TwoAtMost()).id == "test/Two-v0"
    assert registry.find_environment(ToySpace()).id == TOY_ID


@pytest.mark.usefixtures("toy_registered")
def test_a_registration_is_never_replaced():
    aen_envs.register(ToySpace, TOY_ID, "aen_envs.space_env:SpaceEnv")  # once more is no harm
    with pytest.raises(SpecError, match=r"cannot register test/Other-v0 for .*ToySpace: test/Toy-v0 is registered for"):
        aen_envs.register(ToySpace, "test/Other-v0", "aen_envs.space_env:SpaceEnv")
    with pytest.raises(SpecError, match=r"cannot register aen/GCNNDesign-v0 for .*: aen/GCNNDesign-v0 is registered"):
        aen_envs.register(TwoAtMost, "aen/GCNNDesign-v0", "aen_envs.space_env:SpaceEnv")


def test_a_space_without_an_environment_is_named():
    with pytest.raises(SpecError, match=r"no environment for a ToySpace; register one with aen_envs\.register, or use"):
        make_environment(ToySpace(), TableEvaluator())


FACTORS = Alphabet.of(["rot90", "hflip"])
SPACES = {
    "aen/GroupDecomposition-v0": DecompositionSpace(CHILD, FACTORS),
    "aen/GCNNDesign-v0": GCNNSpace(GCNN, groups=["C1", "C4"]).with_seed(3),
    "aen/LayerwiseGroup-v0": LayerwiseDecompositionSpace(DenseSpec(grids=(4, 4, 4), seed=3), FACTORS),
    "aen/LayerwiseRelaxation-v0": RelaxationSpace(EQUINAS.with_seed(3), ["D4", "C4", "C1"]),
}


@pytest.mark.parametrize("environment_id", ENVIRONMENT_IDS)
def test_the_environment_of_a_space_has_its_children_and_computes_no_table(environment_id, monkeypatch):
    for module in ("decompositions", "layerwise_decompositions"):
        for name in ("load_classes", "load_layerwise_classes"):
            monkeypatch.setattr(f"aen.spaces.{module}.{name}", None, raising=False)
    space = SPACES[environment_id]
    env = make_environment(space, LateTable(), horizon=7)
    assert env.spec.id == environment_id
    assert env.unwrapped.space.child.seed == 3
    start, _ = env.reset(seed=0)
    random = np.random.default_rng(0)
    for _ in range(3):
        *_, info = env.step(draw_action(env.unwrapped, random))
    assert plain(start) == plain(env.reset()[0])
    assert len(env.unwrapped.evaluator.asked) >= 3
    assert "accuracy" in info


def test_the_settings_of_a_class_are_arguments_of_it():
    given = {"reward": "paper", "stop_action": True, "horizon": 33, "reference": "rot90"}
    given |= {"inherit": False, "slices": 5, "parameter_price": 0.25, "actions": "legal"}
    for space in SPACES.values():
        taken = {name: given[name] for name in registry.environment_class(space).settings}
        env = make_environment(space, LateTable(), **taken).unwrapped
        for name, value in taken.items():
            found = env.reference_name if name == "reference" else getattr(env, name)
            assert found == value


def test_the_slices_of_a_relaxation_space_share_its_training():
    space = SPACES["aen/LayerwiseRelaxation-v0"]
    assert make_environment(space, LateTable(), slices=5, horizon=8).unwrapped.horizon == 8
    env = make_environment(space, LateTable(), slices=5, horizon=3).unwrapped
    assert (env.slices, env.horizon) == (5, 5)
    assert env.space.child.training.epochs == pytest.approx(EQUINAS.training.epochs / 6)
    assert env.space.groups == ("D4", "C4", "C1")
    env.reset()
    for _ in range(5):
        *_, truncated, info = env.step(env.train_action)
    assert truncated
    assert info["epochs"] == pytest.approx(EQUINAS.training.epochs)
