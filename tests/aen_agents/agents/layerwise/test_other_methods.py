"""The other methods of the publication, and named architectures: which children they ask for, and which go on."""

import random
from dataclasses import replace

import pytest

from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import ConfigError, SpecError
from aen.results import Evaluation
from aen_agents.agents.layerwise.baselines import Architecture
from aen_agents.agents.layerwise.equinas_d import EquiNASD, MixedRetrained, RandomMixture, RandomZ
from aen_agents.agents.layerwise.equinas_e import RandomSelect, RandomStatic, Retrained
from aen_agents.agents.layerwise.method import Member
from aen_agents.agents.layerwise.neighbours import check_reachable, random_architectures
from aen_agents.agents.layerwise.registry import methods_of
from aen_agents.config import EquiNASDConfig, EquiNASEConfig, StaticConfig

SUBGROUPS = EquiNASEConfig.published_subgroups
MIXED = ("D4", "C4", "C1")
CHILD = EquiNASSpec(
    data=DataSpec(train=64, validation=64, test=64),
    side=8,
    width=1,
    kernel_size=3,
    dense=8,
    training=TrainingSpec(epochs=3, batch_size=32),
).with_layer_groups(("C1",) * 9)


def member(
    spec: EquiNASSpec,
    accuracy: float = 0.5,
    *,
    epochs: float = 1.0,
    alphas: list[list[float]] | None = None,
    diverged: bool = False,
) -> Member:
    """Return a child as if it had been trained."""
    evaluation = Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="diverged" if diverged else "ok",
        train_loss=1.0,
        train_accuracy=accuracy,
        validation_loss=1.0,
        validation_accuracy=accuracy,
        parameters=100,
        epochs=spec.training.epochs,
        seconds=0.1,
        device="cpu",
        threads=1,
        record=None if diverged else {"alphas": alphas},
    )
    return Member(spec, evaluation, epochs)


# EquiNAS_E


def test_the_found_architecture_is_trained_again_from_scratch() -> None:
    found = replace(CHILD.with_layer_groups(("D4",) * 5 + ("C2",) * 4), seed=3, parent="ab" * 12)
    method = Retrained(CHILD)
    (spec,) = method.start(3, member(found))
    assert (spec.layer_groups, spec.seed, spec.parent) == (found.layer_groups, 3, None)
    assert (spec.training.epochs, method.slices, method.after) == (1, 3, "equinas_e")
    assert method.start(3, None) == []


def test_random_selection_ignores_accuracy() -> None:
    method = RandomSelect(CHILD, subgroups=SUBGROUPS, population=3, selection="pareto")
    groups = [("D4",) * n + ("C1",) * (9 - n) for n in range(9)]
    chosen = set()
    for seed in range(60):
        candidates = [
            member(CHILD.with_layer_groups(own).with_seed(seed), n / 10, diverged=n == 8)
            for n, own in enumerate(groups)
        ]
        kept = method.select(candidates)
        assert kept == method.select(candidates[::-1])
        assert len({m.key for m in kept}) == 3
        assert [m.accuracy for m in kept] == sorted((m.accuracy for m in kept), reverse=True)
        chosen |= {m.accuracy for m in kept}
    assert chosen == {n / 10 for n in range(8)}  # each at times, but never the one that diverged
    assert [m.accuracy for m in method.select(candidates[:2])] == [0.1, 0.0]
    assert method.select(candidates[8:]) == []


def test_the_best_five_of_random_architectures_are_kept_at_the_end() -> None:
    method = RandomStatic(CHILD, subgroups=SUBGROUPS)
    specs = method.start(4, None)
    assert len({spec.layer_groups for spec in specs}) == len(specs) == 30
    assert [spec.layer_groups for spec in specs] == [spec.layer_groups for spec in method.start(4, None)]
    assert {spec.layer_groups for spec in specs} != {spec.layer_groups for spec in method.start(5, None)}
    assert {(spec.seed, spec.parent, spec.training.epochs) for spec in specs} == {(4, None, 1)}
    for epochs, count in ((1.0, 29), (2.0, 29), (3.0, 5)):
        members = [member(spec, n / 30, epochs=epochs, diverged=n == 29) for n, spec in enumerate(specs)]
        kept = method.select(members)
        assert [m.accuracy for m in kept] == [n / 30 for n in range(28, 28 - count, -1)]
    assert method.select([]) == []


@pytest.mark.parametrize(("groups", "layers", "count"), [(("C1",), 9, 1), (("D4", "C1"), 3, 4), (SUBGROUPS, 2, 13)])
def test_no_more_random_architectures_than_there_are(groups: tuple[str, ...], layers: int, count: int) -> None:
    source = random.Random(0)  # noqa: S311 - not a secret
    assert len(set(random_architectures(1000, layers, groups, source))) == count


# EquiNAS_D


def test_the_found_mixture_is_trained_again_with_its_alpha_fixed() -> None:
    (mixed,) = EquiNASD(CHILD, subgroups=MIXED, prior=True, temperature=(2.0, 1.0)).start(2, None)
    last = replace(mixed, temperature=1.0, parent="ab" * 12)
    alphas = [[0.1 * layer, 0.2, -0.3] for layer in range(9)]
    (spec,) = MixedRetrained(CHILD).start(2, member(last, alphas=alphas))
    assert [list(own) for own in spec.alpha] == alphas
    assert (spec.alpha_learning_rate, spec.prior, spec.parent, spec.temperature) == (0.0, False, None, 1.0)
    assert (spec.mixed, spec.seed, spec.training.epochs) == (MIXED, 2, 1)
    assert MixedRetrained(CHILD).start(2, None) == []
    assert MixedRetrained(CHILD).start(2, member(last, diverged=True)) == []


def test_alpha_without_direction() -> None:
    settings = {"subgroups": MIXED, "alpha_learning_rate": 0.02, "temperature": (2.0, 1.0)}
    (plain,) = EquiNASD(CHILD, **settings).start(1, None)  # type: ignore[arg-type]
    method = RandomZ(CHILD, **settings)  # type: ignore[arg-type]
    (spec,) = method.start(1, None)
    assert spec == replace(plain, alpha_gradient="permuted")
    (after,) = method.offspring([member(spec)], 1, 2)
    assert (after.alpha_gradient, after.parent) == ("permuted", spec.key)
    assert after.temperature < spec.temperature


@pytest.mark.parametrize(
    "child", [CHILD, replace(CHILD, published=True, head_group="", poolings=(7,))], ids=["ours", "published"]
)
def test_a_random_mixture_keeps_its_alpha(child: EquiNASSpec) -> None:
    method = RandomMixture(child, subgroups=MIXED, skip=True, prior=True)
    (spec,), (again,), (other,) = (method.start(seed, None) for seed in (0, 0, 1))
    assert spec == again
    assert spec.alpha != other.alpha
    assert [len(own) for own in spec.alpha] == [3, 4, 4, 4, 3, 4, 4, 4, 3][: len(child.layer_groups)]
    assert (spec.alpha_learning_rate, spec.prior) == (0.0, False)
    (after,) = method.offspring([member(spec)], 0, 2)
    assert after.alpha == spec.alpha


# Which methods there are


def test_a_config_names_the_other_methods() -> None:
    evolves = EquiNASEConfig(baselines=(), networks=("random_static", "retrain", "random_select"), random_networks=7)
    methods = methods_of(evolves, CHILD)
    assert list(methods) == ["equinas_e", "random_static", "equinas_e_retrain", "random_select", "static_c1"]
    assert methods["random_static"] == RandomStatic(CHILD, subgroups=SUBGROUPS, networks=7)
    mixes = EquiNASDConfig(baselines=(), networks=("random_z", "retrain", "random_mixture"))
    assert list(methods_of(mixes, CHILD)) == [
        *("equinas_d", "random_z", "equinas_d_retrain", "random_mixture", "static_c1"),
    ]
    titles = [m.title for m in (*methods_of(evolves, CHILD).values(), *methods_of(mixes, CHILD).values())]
    assert len(set(titles)) == len(titles) - 1  # static_c1 is in both


@pytest.mark.parametrize("agent", [EquiNASEConfig(), EquiNASDConfig(), StaticConfig()], ids=lambda agent: agent.name)
def test_a_named_architecture_is_trained_besides(agent: EquiNASEConfig | EquiNASDConfig | StaticConfig) -> None:
    groups = ("D4",) * 4 + ("C4",) * 4 + ("C2",)
    methods = methods_of(agent, CHILD.with_layer_groups(groups))
    assert methods["architecture"] == Architecture(CHILD.with_layer_groups(groups), groups=groups)
    (spec,) = methods["architecture"].start(7, None)
    assert (spec.layer_groups, spec.seed, spec.parent, spec.training.epochs) == (groups, 7, None, 1)
    assert "architecture" not in methods_of(agent, CHILD)
    assert methods["static_c1"].start(7, None)[0].layer_groups == ("C1",) * 9


def test_the_static_agent_searches_nothing() -> None:
    assert list(methods_of(StaticConfig(), CHILD)) == ["static_c1", "static_c4", "static_d4"]
    assert list(methods_of(StaticConfig(baselines=("random_steps",)), CHILD)) == ["random_steps", "static_c1"]
    assert methods_of(StaticConfig(baselines=("random_steps",)), CHILD)["random_steps"].slices == 3


# Groups that a step cannot reach


def test_every_group_must_be_reachable() -> None:
    check_reachable("D4", SUBGROUPS, "published")
    check_reachable("D4", ("D4", "C1"), "all")
    with pytest.raises(SpecError, match=r"C1 cannot be reached from D4 with steps='published'.*set steps to 'all'"):
        check_reachable("D4", ("D4", "C1"), "published")
    for agent in (EquiNASEConfig(subgroups=("D4", "C1")), EquiNASDConfig(subgroups=("D4", "C1"))):
        with pytest.raises(ConfigError, match=r"agent: subgroups is .* cannot be reached"):
            methods_of(agent, CHILD)
    assert methods_of(EquiNASDConfig(subgroups=("D4", "C1"), baselines=()), CHILD)
