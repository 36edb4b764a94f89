import copy
import itertools
import pickle
from dataclasses import replace
from functools import cache

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import GroupError, SpecError
from aen.evaluators import LocalEvaluator
from aen.groups.planar import PlanarGroup
from aen.training.weights import load_parent
from aen_envs import LayerwiseRelaxationEnv
from aen_envs.relaxation_rendering import RelaxationScene, draw_picture, draw_text

# 10 batches an epoch, 3 a slice: slices that do not end with an epoch.
TRAINING = TrainingSpec(epochs=0.3, batch_size=16, learning_rate=1e-2)
CHILD = EquiNASSpec(
    data=DataSpec("digits", train=160, validation=80, test=80, moves=("rot90", "hflip")),
    side=8,
    width=1,
    kernel_size=3,
    dense=8,
    training=TRAINING,
)
FEW = ("D4", "C4", "D2", "C2", "C1")


@pytest.fixture(scope="session")
def trainings(table):
    """A table with an accuracy for each training, not for each class, and which keeps weights in name."""

    class Trainings(table):
        def __init__(self, diverging=()):
            super().__init__()
            self.diverging = diverging
            self.specs = []

        def submit(self, specs, *, keep_weights=False):
            self.specs += specs
            self.kept = keep_weights
            return super().submit(specs)

        def look_up(self, spec):
            found = replace(super().look_up(spec), parameters=1 + int(spec.class_key, 16) % 977)
            if len(self.asked) in self.diverging:
                return replace(found, status="diverged", validation_accuracy=0.0)
            return found

        @staticmethod
        def accuracy(spec):
            return int(spec.key, 16) % 10_007 / 10_007

    return Trainings


@pytest.fixture
def make_env(trainings):
    return lambda **arguments: LayerwiseRelaxationEnv(**({"child": CHILD, "evaluator": trainings()} | arguments))


@pytest.fixture
def make_real(tmp_path):
    """An environment whose children are trained, and each checked to begin as its parent."""

    def make(**arguments):
        evaluator = LocalEvaluator(weights_folder=tmp_path, debug=True)
        return LayerwiseRelaxationEnv(**({"child": CHILD, "evaluator": evaluator} | arguments))

    return make


@cache
def may_relax(names, own, new, behind):
    """Whether a layer may be relaxed from one group to another, by the definition; the layer behind has a group."""
    own, new, behind = (PlanarGroup.of(name) for name in (own, new, behind))
    return behind <= new < own and not any(new < PlanarGroup.of(name) < own for name in names)


class _Expectation:
    """What must hold along an episode, worked out from the groups and the actions alone."""

    def __init__(self, env, names, child, price, inherit, slices, horizon):
        self.env, self.names, self.child, self.price = env, names, child, price
        self.inherit, self.slices, self.horizon = inherit, slices, horizon
        self.actions = list(itertools.product(range(len(child.layer_groups)), names[1:]))
        self.used, self.steps, self.rewards = 0, 0, []

    def start(self, outcome, groups):
        self.groups, self.parent = list(groups), None
        self._trained()
        self.first = self.now
        self._check(*outcome)

    def _trained(self):
        spec = self.child.with_layer_groups(self.groups)
        if self.inherit:
            spec = replace(spec, parent=self.parent)
        else:
            spec = replace(spec, training=replace(TRAINING, epochs=3 * (self.used + 1) / 10))
        self.now = self.env.evaluator.look_up(spec)
        self.spec, self.parent = spec, spec.key

    def legal(self, action):
        if action == len(self.actions) + 1:
            return True
        if self.used == self.slices:
            return False
        return action == len(self.actions) or self._may_relax(*self.actions[action])

    def _may_relax(self, layer, group):
        return may_relax(self.names, self.groups[layer], group, [*self.groups, "C1"][layer + 1])

    def step(self, outcome, action):
        observation, reward, terminated, truncated, info = outcome
        before, legal, stops = self.now, self.legal(action), action == len(self.actions) + 1
        self.steps += 1
        if legal and not stops:
            if action < len(self.actions):
                layer, group = self.actions[action]
                self.groups[layer] = group
            self.used += 1
            self._trained()
        growth = (self.now.parameters - before.parameters) / self.first.parameters
        gain = self.now.validation_accuracy - before.validation_accuracy
        assert reward == pytest.approx(gain - self.price * growth if legal else -0.01, abs=1e-12)
        self.rewards.append(reward if legal else 0.0)
        assert info["illegal"] == (not legal)
        assert terminated == stops
        assert truncated == (not stops and (self.used == self.slices or self.steps >= self.horizon))
        self._check(observation, info)

    def _check(self, observation, info):
        assert observation in self.env.observation_space
        assert observation.dtype == np.float32
        rows = observation[:-2].reshape(len(self.groups), len(self.names))
        assert [[name for name, bit in zip(self.names, row, strict=True) if bit] for row in rows] == [
            [group] for group in self.groups
        ]
        assert set(np.unique(rows)) <= {0, 1}
        assert observation[-2] == np.float32(self.now.validation_accuracy)
        assert observation[-1] == np.float32((self.slices - self.used) / self.slices)
        mask = [self.legal(action) for action in range(len(self.actions) + 2)]
        assert self.env.action_masks().tolist() == mask
        assert info["action_mask"].tolist() == mask
        expected = {
            "accuracy": self.now.validation_accuracy,
            "baseline_accuracy": self.first.validation_accuracy,
            "status": "ok",
            "state": sum(self.names.index(g) * len(self.names) ** place for place, g in enumerate(self.groups)),
            "factors": self.spec.name,
            "class_key": self.spec.class_key,
            "group": self.spec.group,
            "parameters": self.now.parameters,
            "seconds": 0.25,
            "epochs": 0.3 * (self.used + 1),
            "slices_left": self.slices - self.used,
        }
        assert {name: info[name] for name in expected} == expected | {"epochs": pytest.approx(expected["epochs"])}
        assert set(info) == {*expected, "action_mask", "illegal", "looked_up"}


@settings(max_examples=50, deadline=None)
@given(
    data=st.data(),
    names=st.sampled_from([FEW, ("D4", "C1"), None]),
    inherit=st.booleans(),
    price=st.sampled_from([0.0, 0.5]),
    slices=st.integers(1, 12),
    horizon=st.integers(1, 14),
    published=st.booleans(),
)
def test_an_episode_obeys_its_definition(trainings, data, names, inherit, price, slices, horizon, published):
    seed = data.draw(st.integers(0, 9))
    child = replace(CHILD, published=published, head_group="", side=28 if published else 8)
    env = LayerwiseRelaxationEnv(
        child=child,
        groups=names,
        evaluator=trainings(),
        inherit=inherit,
        slices=slices,
        horizon=horizon,
        parameter_price=price,
        child_seed=seed,
    )
    known = names or ("D4", "C4", "D2d", "D2", "C2", "D1a", "D1v", "D1d", "D1", "C1")
    expect = _Expectation(env, known, child.with_seed(seed), price, inherit, slices, horizon)
    assert env.relaxations == tuple(expect.actions)
    assert env.action_space == gymnasium.spaces.Discrete(len(expect.actions) + 2)
    assert (env.train_action, env.stop_action) == (len(expect.actions), len(expect.actions) + 1)
    state = tuple(sorted(data.draw(st.lists(st.integers(0, 9), min_size=9, max_size=9))))[: len(child.layer_groups)]
    if not env.space.has(state):
        state = (0,) * 3 + (1,) * (len(state) - 3)
    options = data.draw(st.sampled_from([None, {"state": state}]))
    expect.start(env.reset(options=options), [known[n] for n in state] if options else ["D4"] * len(state))
    ended = False
    while not ended:
        legal = np.flatnonzero(env.action_masks()).tolist()
        action = data.draw(st.one_of(st.sampled_from(legal), st.integers(0, env.stop_action)))
        outcome = env.step(action)
        expect.step(outcome, action)
        ended = outcome[2] or outcome[3]
    growth = (expect.now.parameters - expect.first.parameters) / expect.first.parameters
    gain = expect.now.validation_accuracy - expect.first.validation_accuracy
    assert sum(expect.rewards) == pytest.approx(gain - price * growth, abs=1e-9)
    assert env.evaluator.kept == inherit


def walk(env, source, steps=None):
    """Legal actions at random until the end; each one's outcome."""
    _, info = env.reset()
    found, ended = [], False
    while not ended and len(found) != steps:
        mask = info["action_mask"].copy()
        mask[env.unwrapped.stop_action] = 0
        outcome = env.step(source.choice(np.flatnonzero(mask)))
        info, ended = outcome[4], outcome[2] or outcome[3]
        found.append(outcome)
    return found


@pytest.mark.parametrize("groups", [None, FEW])
def test_children_go_on_from_the_weights_of_the_state_before(make_real, tmp_path, groups):
    env = make_real(groups=groups, slices=6)
    submitted = []
    submit = env.evaluator.submit
    env.evaluator.submit = lambda specs, **options: submitted.extend(specs) or submit(specs, **options)
    walk(env, np.random.default_rng(0))
    assert len(submitted) == env.evaluator.trained == 7
    assert [spec.parent for spec in submitted] == [None, *(spec.key for spec in submitted[:-1])]
    for number, spec in enumerate(submitted, start=1):
        child, progress = load_parent(spec.key, tmp_path)
        assert child.spec == spec
        assert progress.batches == 3 * number
        assert spec.training == TRAINING
    assert len({spec.class_key for spec in submitted}) > 3


def test_without_relaxing_both_ways_of_training_are_one(make_real):
    ours, theirs = make_real(), make_real(inherit=False)
    assert ours.reset()[0].tolist() == theirs.reset()[0].tolist()
    for _ in range(4):
        first, second = ours.step(ours.train_action), theirs.step(theirs.train_action)
        assert first[0].tolist() == second[0].tolist()
        assert first[1] == second[1]
        assert first[4]["epochs"] == second[4]["epochs"]


def test_the_twin_trains_every_state_from_nothing_for_as_many_batches(make_real, tmp_path):
    env = make_real(inherit=False, slices=4)
    outcomes = walk(env, np.random.default_rng(1))
    assert [o[4]["epochs"] for o in outcomes] == pytest.approx([0.6, 0.9, 1.2, 1.5])
    assert not list(tmp_path.iterdir())


def test_it_needs_no_training_to_walk_the_same_way_again(make_real):
    env = make_real(slices=3)
    first = walk(env, np.random.default_rng(2))
    second = walk(env, np.random.default_rng(2))
    assert env.evaluator.trained == 4
    for ours, theirs in zip(first, second, strict=True):
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[1:4] == theirs[1:4]
        assert (ours[4]["looked_up"], theirs[4]["looked_up"]) == (False, True)


def test_looked_up_is_forgotten_at_a_reset_with_a_seed(make_env):
    env = make_env()
    seen = [env.reset(seed=seed)[1]["looked_up"] for seed in (None, None, 1, None)]
    assert seen == [False, True, False, True]


def test_without_inheriting_each_state_has_all_slices_so_far(trainings):
    child = replace(CHILD, training=replace(TRAINING, epochs=0.17))
    env = LayerwiseRelaxationEnv(child=child, evaluator=trainings(), inherit=False)
    env.reset()
    infos = [env.step(env.train_action)[4] for _ in range(4)]
    assert [info["epochs"] for info in infos] == pytest.approx([0.34, 0.51, 0.68, 0.85])
    assert [spec.training.epochs for spec in env.evaluator.specs] == pytest.approx([0.17, 0.34, 0.51, 0.68, 0.85])


@pytest.mark.parametrize("inherit", [False, True])
@pytest.mark.parametrize("when", [1, 3])
def test_after_a_divergence_one_can_only_stop(trainings, inherit, when):
    env = LayerwiseRelaxationEnv(child=CHILD, evaluator=trainings(diverging={when}), inherit=inherit)
    _, info = env.reset()
    before, reward = info["accuracy"], 0.0
    for _ in range(when - 1):
        before = info["accuracy"]
        _, reward, *_, info = env.step(env.train_action)
    assert (info["status"], info["accuracy"]) == ("diverged", 0.0)
    assert reward == (-before if when > 1 else 0.0)
    assert np.flatnonzero(env.action_masks()).tolist() == [env.stop_action]
    asked, left = len(env.evaluator.asked), info["slices_left"]
    observation, reward, terminated, truncated, info = env.step(env.train_action)
    assert (reward, terminated, truncated, info["illegal"], info["slices_left"]) == (-0.01, False, False, True, left)
    assert observation[-2] == 0
    assert len(env.evaluator.asked) == asked
    assert env.step(env.stop_action)[1:3] == (0.0, True)


def test_a_training_that_diverges_is_met_in_earnest(make_real):
    env = make_real(child=replace(CHILD, training=replace(TRAINING, optimiser="sgd", learning_rate=1e30)))
    _, info = env.reset()
    assert info["status"] == "diverged"
    assert np.flatnonzero(info["action_mask"]).tolist() == [env.stop_action]


def test_an_illegal_action_trains_nothing(make_env):
    env = make_env(horizon=3)
    start, _ = env.reset()
    for number in range(3):
        observation, reward, terminated, truncated, info = env.step(env.action_of(0, "C4"))
        assert observation.tolist() == start.tolist()
        assert (reward, terminated, truncated) == (-0.01, False, number == 2)
        assert (info["illegal"], info["slices_left"], info["looked_up"]) == (True, 20, True)
    assert len(env.evaluator.asked) == 1


def test_steps_are_counted_anew_after_a_reset(make_env):
    env = make_env(horizon=3)
    for _ in range(2):
        env.reset()
        assert [env.step(0)[3] for _ in range(3)] == [False, False, True]


def test_the_budget_is_anew_after_a_reset(make_env):
    env = make_env(slices=2)
    for _ in range(2):
        env.reset()
        assert [env.step(env.train_action)[3] for _ in range(2)] == [False, True]
        assert np.flatnonzero(env.action_masks()).tolist() == [env.stop_action]
        *_, truncated, info = env.step(env.train_action)
        assert truncated
        assert info["illegal"]


def test_masks_are_as_others_want_them(make_env):
    env = gymnasium.make("aen/LayerwiseRelaxation-v0", child=CHILD, evaluator=make_env().evaluator)
    _, info = env.reset()
    masks = env.get_wrapper_attr("action_masks")()
    assert (masks.dtype, masks.shape) == (np.bool_, (9 * 9 + 2,))
    assert info["action_mask"].dtype == np.int8
    env.action_space.seed(0)
    assert all(masks[env.action_space.sample(info["action_mask"])] for _ in range(50))
    masks[:] = False
    info["action_mask"][:] = 0
    assert env.unwrapped.action_masks().sum() == 3 + 2, "C4, D2 and D2d for the last layer, training on, stopping"


def test_actions_are_found_by_layer_and_group(make_env):
    env = make_env(groups=FEW)
    assert [env.action_of(*relaxation) for relaxation in env.relaxations] == list(range(9 * 4))
    for layer, group in ((9, "C4"), (0, "D4"), (-1, "C1")):
        with pytest.raises(SpecError, match=f"layer is {layer} and group '{group}'; layers from 0 to 8 are relaxed"):
            env.action_of(layer, group)


def test_observations_and_states_are_not_reused_buffers(make_env):
    env = make_env()
    first, _ = env.reset()
    kept = first.copy()
    second, *_ = env.step(env.action_of(8, "C4"))
    assert first.tolist() == kept.tolist()
    second[:] = 0
    assert env.step(env.stop_action)[0].sum() > 9


def test_every_child_has_the_childs_seed_whatever_the_reset_says(make_env):
    env = make_env(child_seed=5, child=CHILD.with_seed(2))
    for seed in (0, 1, None):
        env.reset(seed=seed)
        env.step(env.train_action)
    assert {spec.seed for spec in env.evaluator.specs} == {5}
    assert len(set(env.evaluator.asked)) == 2


@pytest.mark.parametrize("fails", ["start", "step"])
def test_a_failing_evaluator_leaves_the_state_as_it_was(make_env, monkeypatch, fails):
    env, twin = make_env(), make_env()
    for each in (env, twin):
        each.reset(seed=1)
        each.step(each.action_of(8, "C4"))

    def fail(*_, **__):
        raise RuntimeError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(env.evaluator, "submit", fail)
        with pytest.raises(RuntimeError, match="no space left"):
            env.reset() if fails == "start" else env.step(env.action_of(8, "C2"))
    ours, theirs = env.step(env.action_of(7, "C4")), twin.step(twin.action_of(7, "C4"))
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1:4] == theirs[1:4]
    assert {k: str(v) for k, v in ours[4].items()} == {k: str(v) for k, v in theirs[4].items()}


@pytest.mark.parametrize("duplicate", [lambda env: pickle.loads(pickle.dumps(env)), copy.deepcopy])  # noqa: S301 - ours
def test_a_copy_has_weights_of_its_own(duplicate):
    env = LayerwiseRelaxationEnv(child=CHILD, slices=5)
    env.reset()
    env.step(env.action_of(8, "C4"))
    other = duplicate(env)
    folder, its = env.evaluator.weights_folder, other.evaluator.weights_folder
    assert folder != its
    assert len(list(folder.iterdir())) == 2
    assert len(list(its.iterdir())) == 1
    first = env.step(env.action_of(8, "C2"))
    env.close()
    assert not folder.exists()
    second = other.step(other.action_of(8, "C2"))
    assert first[0].tolist() == second[0].tolist()
    assert other.reset()[1]["accuracy"] == first[4]["baseline_accuracy"]
    assert not other.step(other.train_action)[4]["illegal"], "the start's weights are there again"
    other.close()
    assert not its.exists()


def test_a_forgotten_environment_leaves_no_weights():
    env = LayerwiseRelaxationEnv(child=CHILD)
    folder = env.evaluator.weights_folder
    assert folder.is_dir()
    del env
    assert not folder.exists()


def test_an_environment_that_was_never_reset_can_be_copied():
    env = copy.deepcopy(LayerwiseRelaxationEnv(child=CHILD))
    env.reset()
    env.step(env.train_action)
    env.close()


def test_the_twin_has_no_folder():
    env = LayerwiseRelaxationEnv(child=CHILD, inherit=False)
    assert env.evaluator.weights_folder is None
    assert copy.deepcopy(env).evaluator.weights_folder is None
    env.close()


def test_an_evaluator_that_was_handed_in_stays_open_with_its_weights(make_env, make_real, tmp_path):
    env = make_env()
    env.close()
    assert not env.evaluator.closed
    real = make_real()
    real.reset()
    real.close()
    assert len(list(tmp_path.iterdir())) == 1


SCENE = RelaxationScene(
    groups=("D4", "C2", "C1"),
    state=(0, 0, 0, 0, 0, 0, 1, 1, 2),
    name="D4 x6, C2 x2, head C1",
    parameters=12345,
    accuracies=(0.25, 0.5, 0.375),
    slices=4,
)


def test_the_text_shows_groups_and_accuracies():
    assert draw_text(SCENE).splitlines() == [
        "D4 # # # # # # . . .",
        "C2 . . . . . . # # .",
        "C1 . . . . . . . . #",
        "slice 2 of 4: D4 x6, C2 x2, head C1, 12,345 parameters",
        "validation accuracy 37.5% (start 25.0%, best of the episode 50.0%)",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"groups": ("D4", "C4", "C1")},
        {"state": (0, 0, 0, 0, 0, 0, 0, 1, 2)},
        {"state": (0, 0, 0, 0, 0, 0, 1, 1)},
        {"name": "D4"},
        {"parameters": 12346},
        {"accuracies": (0.25, 0.75, 0.375)},
        {"slices": 5},
    ],
    ids=str,
)
def test_everything_in_the_scene_is_in_the_picture(change):
    picture = draw_picture(SCENE)
    assert (picture.shape, picture.dtype) == ((360, 960, 3), np.uint8)
    assert np.array_equal(picture, draw_picture(replace(SCENE)))
    assert not np.array_equal(picture, draw_picture(replace(SCENE, **change)))


def test_it_draws_its_state(make_env):
    env = make_env(render_mode="ansi", groups=FEW)
    assert env.render() is None
    env.reset()
    *_, info = env.step(env.action_of(8, "C4"))
    text = env.render()
    assert text.startswith("D4 # # # # # # # # .\nC4 . . . . . . . . #\n")
    assert f"slice 1 of 20: D4, head C4, {info['parameters']} parameters" in text
    assert f"validation accuracy {info['accuracy']:.1%} (start {info['baseline_accuracy']:.1%}, " in text
    pictured = make_env(render_mode="rgb_array", groups=FEW)
    pictured.reset()
    before = pictured.render()
    pictured.step(pictured.train_action)
    assert before.shape == pictured.render().shape == (360, 960, 3)
    assert not np.array_equal(before, pictured.render())


@pytest.mark.parametrize(
    "state", [[0] * 8, [0] * 10, [0] * 8 + [10], [-1] * 9, [0] * 8 + [0.5], [1] + [0] * 8, None, "ab", 0, [[0]] * 9]
)
def test_a_wrong_start_state_is_named(make_env, state):
    with pytest.raises(SpecError, match=r"options\['state'\] is .*; give 9 numbers from 0 \(D4\) to 9 \(C1\), whose"):
        make_env().reset(options={"state": state})


@pytest.mark.parametrize("action", [-1, 83, 2.0, np.int64(99), "0", None])
def test_a_wrong_action_is_named(make_env, action):
    env = make_env()
    env.reset()
    with pytest.raises(SpecError, match=r"action is .*; choose 0 to 82\."):
        env.step(action)


@pytest.mark.parametrize(
    ("what", "use"),
    [
        ("step", lambda env: env.step(0)),
        ("action_masks", lambda env: env.action_masks()),
        ("scene", lambda env: env.scene()),
    ],
)
def test_an_episode_begins_with_a_reset(make_env, what, use):
    with pytest.raises(SpecError, match=f"{what} was called before reset; call reset first"):
        use(make_env())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"slices": 0}, SpecError, "slices is 0; an episode needs at least 1 after the start's"),
        ({"horizon": 0}, SpecError, "horizon is 0; an episode needs at least 1 step"),
        ({"parameter_price": -1}, SpecError, "parameter_price is -1; it must be a finite number from 0 up"),
        ({"parameter_price": float("nan")}, SpecError, "parameter_price is nan"),
        ({"render_mode": "rgb"}, SpecError, "unknown render_mode 'rgb'"),
        ({"groups": ["D4", "C4"]}, SpecError, "without C1, which the baseline has everywhere; add it"),
        ({"groups": ["D4", "C3"]}, GroupError, "unknown planar group 'C3'"),
        ({"evaluator": LocalEvaluator()}, SpecError, "evaluator has no weights_folder, .*; give it one, or set inher"),
    ],
)
def test_a_wrong_argument_is_named(make_env, arguments, error, message):
    with pytest.raises(error, match=message):
        make_env(**arguments)
