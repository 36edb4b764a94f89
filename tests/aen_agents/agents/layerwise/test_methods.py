"""Methods that give each layer a group of its own: which children they ask for, and which go on. Nothing is trained."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from helpers.architectures import TEN, architectures, shrinks
from hypothesis import given
from hypothesis import strategies as st

from aen.children import EquiNASSpec, TrainingSpec
from aen.children.equinas import LAYERS
from aen.children.equinas_groups import discretised_groups
from aen.data import DataSpec
from aen.errors import ConfigError
from aen.results import Evaluation
from aen_agents.agents.layerwise.baselines import RandomArchitecture, RandomSteps, ResidualPathwayPrior, Static
from aen_agents.agents.layerwise.equinas_d import Discretised, EquiNASD
from aen_agents.agents.layerwise.equinas_e import EquiNASE
from aen_agents.agents.layerwise.method import Member, Method, best
from aen_agents.agents.layerwise.neighbours import (
    neighbours,
)
from aen_agents.agents.layerwise.registry import BASELINES, methods_of
from aen_agents.config import EquiNASDConfig, EquiNASEConfig

PUBLISHED_MIXED = EquiNASDConfig.published_subgroups
PUBLISHED_RELAXED = EquiNASEConfig.published_subgroups
CHILD = EquiNASSpec(
    data=DataSpec(train=64, validation=64, test=64),
    side=8,
    width=1,
    kernel_size=3,
    dense=8,
    training=TrainingSpec(epochs=3, batch_size=32),
).with_layer_groups(("C1",) * 9)
PUBLISHED = replace(CHILD, published=True, head_group="")
D4, C4, C1 = (CHILD.with_layer_groups((group,) * 9) for group in ("D4", "C4", "C1"))


def member(
    spec: EquiNASSpec = D4,
    accuracy: float = 0.5,
    parameters: int = 100,
    *,
    diverged: bool = False,
    alphas: Sequence[Sequence[float]] | None = None,
    epochs: float = 1.0,
) -> Member:
    """Return a child as if it had been trained."""
    evaluation = Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="diverged" if diverged else "ok",
        train_loss=0.0 if diverged else 1.0,
        train_accuracy=0.0 if diverged else accuracy,
        validation_loss=0.0 if diverged else 1.0,
        validation_accuracy=0.0 if diverged else accuracy,
        parameters=parameters,
        epochs=spec.training.epochs,
        seconds=0.1,
        device="cpu",
        threads=1,
        weights=None if diverged else f"{spec.key}.safetensors",
        record=None if diverged else {"alphas": alphas} if alphas is not None else {"distance_to_base": [0.0]},
    )
    return Member(spec, evaluation, epochs)


# EquiNAS_E

ARCHITECTURES = [(*(first,) * 8, last) for first, last in architectures(2, ("D4", "C4", "C1"))]
ROW = st.tuples(st.sampled_from(ARCHITECTURES), st.sampled_from([0.1, 0.2, 0.3]), st.integers(1, 4), st.booleans())


def candidates_of(rows: Sequence[tuple[tuple[str, ...], float, int, bool]]) -> list[Member]:
    """Return children as after a generation; each has a seed of its own, so that no two have one key."""
    return [
        member(CHILD.with_layer_groups(groups).with_seed(seed), accuracy, parameters, diverged=diverged)
        for seed, (groups, accuracy, parameters, diverged) in enumerate(rows)
    ]


def rank(candidate: Member) -> tuple[float, int, str]:
    return (-candidate.accuracy, candidate.evaluation.parameters, candidate.key)


def is_beaten(one: Member, others: Sequence[Member]) -> bool:
    """Say whether another child is as good in error and in size, and better in one of them, or equal but first."""
    return any(
        other.accuracy >= one.accuracy
        and other.evaluation.parameters <= one.evaluation.parameters
        and rank(other) < rank(one)
        for other in others
    )


@given(rows=st.lists(ROW, max_size=12), population=st.integers(1, 5), unique=st.booleans(), pareto=st.booleans())
def test_the_next_population_is_that_of_the_definition(
    rows: list[tuple[tuple[str, ...], float, int, bool]], population: int, unique: bool, pareto: bool
) -> None:
    candidates = candidates_of(rows)
    method = EquiNASE(
        CHILD,
        subgroups=PUBLISHED_RELAXED,
        population=population,
        unique=unique,
        selection="pareto" if pareto else "accuracy",
    )
    left = [c for c in candidates if c.evaluation.status == "ok"]
    if unique:
        left = [
            c
            for c in left
            if not any(
                o.spec.groups == c.spec.groups and o.spec.head_group == c.spec.head_group and rank(o) < rank(c)
                for o in left
            )
        ]
    first = [c for c in left if not is_beaten(c, left)] if pareto else []
    expected = sorted(first, key=rank) + sorted((c for c in left if c not in first), key=rank)
    kept = max(population, len(first))  # the whole front
    assert method.select(candidates) == expected[:kept]
    assert method.select(candidates[::-1]) == expected[:kept]


def test_selection_by_hand() -> None:
    small = member(D4, 0.5, 10)
    middle, best_middle = member(C4, 0.6, 20), member(C4.with_seed(1), 0.65, 20)
    large, gone = member(C1, 0.7, 30), member(C1.with_seed(1), diverged=True)
    everyone = [small, middle, gone, large, best_middle]
    method = EquiNASE(CHILD, subgroups=PUBLISHED_RELAXED, population=2, unique=True)
    assert method.select(everyone) == [large, best_middle]
    assert replace(method, population=9).select(everyone) == [large, best_middle, small]
    assert replace(method, population=9, unique=False).select(everyone) == [large, best_middle, middle, small]
    worse = member(C1.with_seed(2), 0.55, 40)
    crowd = [*everyone, worse]
    by_front = replace(method, population=4, unique=False, selection="pareto")
    assert by_front.select(crowd) == [large, best_middle, small, middle]  # filled up by accuracy
    assert replace(by_front, population=5).select(crowd)[-1] == worse
    assert replace(by_front, population=1).select(crowd) == [large, best_middle, small]  # the front is not cut
    assert method.select([gone]) == []


def test_the_first_generation_is_the_largest_group_and_the_next_its_relaxations() -> None:
    method = EquiNASE(CHILD, subgroups=PUBLISHED_RELAXED, generations=5, population=2)
    (first,) = method.start(5, None)
    assert (first.layer_groups, first.seed, first.parent) == (("D4",) * 9, 5, None)
    members = [member(first), member(C4.with_seed(5))]
    children = method.offspring(members, 5, 2)
    expected = [(g, m.key) for m in members for g in neighbours(m.spec.layer_groups, PUBLISHED_RELAXED, "published")]
    assert [(child.layer_groups, child.parent) for child in children] == expected
    assert len(expected) == 3 + 3
    assert {child.training.epochs for child in (first, *children)} == {0.5}
    assert {child.seed for child in children} == {5}
    assert len({child.key for child in children}) == len(children)


def test_the_best_of_none_is_none() -> None:
    assert best([]) is None
    assert best([member(diverged=True)]) is None
    good, smaller = member(C4, 0.6, 20), member(D4, 0.6, 10)
    assert best([member(C1, 0.5, 1), good, smaller, member(D4.with_seed(3), diverged=True)]) == smaller


# EquiNAS_D


def test_the_temperature_changes_by_an_equal_factor() -> None:
    method = EquiNASD(CHILD, subgroups=PUBLISHED_MIXED, temperature=(4.0, 1.0))
    assert method.slices == 3
    assert [method.temperature_of(number) for number in (1, 2, 3)] == pytest.approx([4, 2, 1])
    (first,) = method.start(2, None)
    assert (first.mixed, first.groups, first.seed, first.temperature) == (PUBLISHED_MIXED, (), 2, 4.0)
    (second,) = method.offspring([member(first)], 2, 2)
    assert (second.temperature, second.parent) == (pytest.approx(2.0), first.key)
    once = replace(method, child=replace(CHILD, training=replace(CHILD.training, epochs=1)))
    assert [child.temperature for child in once.start(0, None)] == [4.0]
    assert [replace(method, temperature=(1.0, 1.0)).temperature_of(number) for number in (1, 2, 3)] == [1.0] * 3


def test_the_mixed_child_has_the_methods_settings() -> None:
    method = EquiNASD(
        CHILD, subgroups=("D4", "C1"), alpha_learning_rate=0.02, alpha_data="halves", prior=True, skip=True
    )
    (spec,) = method.start(0, None)
    assert (spec.mixed, spec.weighting, spec.alpha_learning_rate) == (("D4", "C1"), "softmax", 0.02)
    assert (spec.alpha_data, spec.prior, spec.skip) == ("halves", True, True)


@given(
    data=st.data(),
    names=st.sets(st.sampled_from(TEN)).map(lambda names: [name for name in TEN if name in {*names, "D4"}]),
    skip=st.integers(0, 1),
)
def test_the_strongest_allowed_groups_are_chosen(data: st.DataObject, names: list[str], skip: int) -> None:
    strength = st.lists(st.integers(-2, 2), min_size=len(names) + skip, max_size=len(names) + skip)
    alphas = data.draw(st.lists(strength, min_size=3, max_size=3))

    def strengths(groups: Sequence[str]) -> list[tuple[int, int]]:
        """Return how strong each layer's group is; the larger group wins among equals, the first layer counts most."""
        places = [names.index(group) for group in groups]
        return [(alpha[place], -place) for alpha, place in zip(alphas, places, strict=True)]

    assert discretised_groups(alphas, names, "D4") == max(architectures(3, names), key=strengths)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("child", [CHILD, PUBLISHED], ids=["equivariant", "published"])
def test_the_discretised_network_has_the_strongest_groups(child: EquiNASSpec, warm: bool) -> None:
    (mixed,) = EquiNASD(child, subgroups=PUBLISHED_MIXED, skip=True, temperature=(2.0, 2.0)).start(4, None)
    layers = len(child.layer_groups)
    # D4, C4, D2, C2, D1, C1 and the skip; a C4 behind the D1 would grow.
    strongest = [0] * 3 + [4] * 2 + [1] * (layers - 5)
    alphas = [[0.1 * (place == which) - 0.01 * place + (place == 6) for place in range(7)] for which in strongest]
    method = Discretised(child, warm=warm)
    (spec,) = method.start(4, member(mixed, alphas=alphas))
    assert spec.layer_groups == ("D4",) * 3 + ("D1",) * (layers - 3)
    assert (spec.mixed, spec.skip, spec.temperature, spec.seed) == ((), False, 1.0, 4)
    assert spec.parent == (mixed.key if warm else None)
    assert (spec.training.epochs, method.slices, method.after) == (1, 3, "equinas_d")
    assert method.start(4, None) == []
    assert method.start(4, member(mixed, diverged=True)) == []


# Baselines


@pytest.mark.parametrize(
    ("name", "group", "drawn"),
    [
        ("static_c1", "C1", ""),
        ("static_c4", "C4", ""),
        ("static_d4", "D4", ""),
        ("c4_from_d4", "C4", "D4"),
        ("c1_from_d4", "C1", "D4"),
        ("c1_from_c4", "C1", "C4"),
    ],
)
def test_static_networks(name: str, group: str, drawn: str) -> None:
    method = methods_of(EquiNASEConfig(baselines=(name,)), CHILD)[name]  # type: ignore[arg-type]
    assert method == Static(CHILD, group=group, drawn_as=drawn)
    (spec,) = method.start(3, None)
    assert (spec.layer_groups, spec.drawn_as, spec.seed, spec.parent) == ((group,) * 9, drawn, 3, None)
    (after,) = method.offspring([member(spec)], 3, 2)
    assert after == replace(spec, parent=spec.key)
    assert method.select([member(spec)]) == [member(spec)]
    assert method.select([member(spec, diverged=True)]) == []
    assert group in method.title


def test_the_residual_pathway_prior() -> None:
    method = ResidualPathwayPrior(CHILD)
    (spec,) = method.start(3, None)
    assert (spec.mixed, spec.weighting, spec.keep_norm, spec.penalty) == (("D4", "C1"), "sum", False, 1e-6)
    assert (spec.seed, spec.groups) == (3, ())


def test_a_random_architecture_for_each_seed() -> None:
    method = RandomArchitecture(CHILD, subgroups=("D4", "C4", "C1"))
    starts = [method.start(seed, None) for seed in range(12)]
    assert starts == [method.start(seed, None) for seed in range(12)]
    assert all(shrinks(spec.layer_groups) and set(spec.layer_groups) <= {"D4", "C4", "C1"} for (spec,) in starts)
    assert len({spec.layer_groups for (spec,) in starts}) > 6
    (spec,) = starts[1]
    assert (spec.seed, spec.parent) == (1, None)


def test_random_steps_are_moves_of_the_evolution() -> None:
    method = RandomSteps(CHILD, subgroups=PUBLISHED_RELAXED, generations=29)
    assert method.slices == 30
    paths = []
    for seed in (0, 0, 1):
        (spec,) = method.start(seed, None)
        path = [spec.layer_groups]
        assert path == [("D4",) * 9]
        for number in range(2, 31):
            (after,) = method.offspring([member(spec)], seed, number)
            assert after.parent == spec.key
            assert after.layer_groups in neighbours(spec.layer_groups, PUBLISHED_RELAXED, "published")
            spec = after
            path.append(spec.layer_groups)
        paths.append(path)
    assert paths[0] == paths[1] != paths[2]
    assert len(set(paths[0])) > 5


# All of them

EVOLVES = EquiNASEConfig(
    generations=3, population=2, networks=("retrain", "random_select", "random_static"), random_networks=6
)
DIFFERENTIATES = EquiNASDConfig(networks=("discrete", "warm", "retrain", "random_z", "random_mixture"))


@pytest.mark.parametrize("epochs", [0.5, 1, 2.5, 3])
@pytest.mark.parametrize("agent", [EVOLVES, DIFFERENTIATES], ids=lambda agent: agent.name)
@pytest.mark.parametrize("child", [CHILD, PUBLISHED], ids=["equivariant", "published"])
def test_all_slices_together_are_the_childs_epochs(
    child: EquiNASSpec, agent: EquiNASEConfig | EquiNASDConfig, epochs: float
) -> None:
    child = replace(child, training=replace(child.training, epochs=epochs))
    (mixed,) = EquiNASD(child, subgroups=PUBLISHED_MIXED).start(1, None)
    before = member(mixed, alphas=[[1.0] + [0.0] * 5] * len(child.layer_groups))
    for method in methods_of(agent, child).values():
        total, members = 0.0, []
        for number in range(1, method.slices + 1):
            specs = method.offspring(members, 1, number) if members else method.start(1, before)
            assert 0 < specs[0].training.epochs <= 1
            assert {replace(spec.training, epochs=1) for spec in specs} == {replace(child.training, epochs=1)}
            assert {spec.seed for spec in specs} == {1}
            total += specs[0].training.epochs
            members = method.select([member(spec) for spec in specs])
        assert total == pytest.approx(epochs)


def test_a_config_says_which_methods_there_are() -> None:
    names = list(methods_of(EquiNASEConfig(), CHILD))
    assert names == ["equinas_e", *BASELINES]
    names = list(methods_of(EquiNASDConfig(networks=("warm",), baselines=()), CHILD))
    assert names == ["equinas_d", "equinas_d_warm", "static_c1"]
    methods = methods_of(EquiNASEConfig(generations=6, baselines=("random_steps", "static_c1", "rpp")), CHILD)
    assert list(methods) == ["equinas_e", "random_steps", "static_c1", "rpp"]
    assert [method.slices for method in methods.values()] == [7, 7, 3, 3]
    assert len({method.title for method in methods_of(EquiNASDConfig(), CHILD).values()}) == 12


@pytest.mark.parametrize(
    ("base", "agent", "message"),
    [
        ("D4", EquiNASEConfig(subgroups=()), "agent: subgroups is empty"),
        ("D4", EquiNASDConfig(subgroups=("C4", "C1")), "agent: subgroups is .*D4, with which .* is missing"),
        ("C4", EquiNASEConfig(), "static_d4, c4_from_d4, c1_from_d4 cannot be used with child.base=C4; leave them out"),
        (
            "C2",
            EquiNASEConfig(baselines=("static_c4",)),
            "static_c4 cannot be used with child.base=C2; .*C4, which is no subgroup of base, C2",
        ),
        ("C1", EquiNASDConfig(baselines=("rpp",)), "rpp cannot be used with child.base=C1; .*name each group once"),
    ],
)
def test_methods_that_cannot_be_are_refused_before_anything_is_trained(
    base: str, agent: EquiNASEConfig | EquiNASDConfig, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        methods_of(agent, replace(CHILD, base=base))


@pytest.mark.parametrize(
    "spec", [D4, replace(D4, drawn_as="D4"), EquiNASD(CHILD, subgroups=("D4", "C1")).start(0, None)[0]]
)
def test_a_member_reads_back(spec: EquiNASSpec) -> None:
    for ours in (member(spec, alphas=[[0.5, 1.0]]), member(spec, diverged=True)):
        theirs = Member.from_json(ours.to_json())
        assert theirs == ours
        assert (theirs.key, theirs.alive) == (ours.key, ours.alive)


def test_a_member_tells_what_happened() -> None:
    event = member(replace(D4, parent="ab" * 12), 0.7).event("equinas_e", 3, selected=False)
    assert (event.method, event.slice, event.seed, event.parent) == ("equinas_e", 3, 0, "ab" * 12)
    assert (event.groups, event.factors, event.accuracy, event.selected) == (("D4",) * 9, "D4", 0.7, False)
    assert member(diverged=True).event("rpp", 1, selected=False).record is None


def test_the_backbone_here_is_the_small_one() -> None:
    assert isinstance(EquiNASE(CHILD, subgroups=PUBLISHED_RELAXED), Method)
    assert (len(CHILD.groups), len(CHILD.layer_groups), len(PUBLISHED.layer_groups)) == (LAYERS, 9, 8)


def test_no_method_trains_more_children_than_it_says() -> None:
    """The methods are run without training, with accuracies drawn at random."""
    agent = EquiNASEConfig(
        generations=3,
        population=2,
        subgroups=["D4", "C4", "C1"],
        networks=["random_select", "random_static"],
        random_networks=3,
    )
    source = random.Random(5)  # noqa: S311 - not a secret
    for method in methods_of(agent, CHILD).values():
        most = method.most_children()
        assert len(most) == method.slices
        specs = method.start(0, member())
        for number in range(1, method.slices + 1):
            assert len(specs) <= most[number - 1], method.name
            found = method.select([member(spec, source.random()) for spec in specs])
            specs = method.offspring(found, 0, number + 1)


def test_the_children_of_each_slice_are_counted() -> None:
    method = EquiNASE(CHILD, subgroups=("D4", "C4", "C1"), generations=2, population=2, steps="all")
    assert method.most_children() == [1, 3, 6]  # two members, each itself and two in which a layer was relaxed
    assert Static(CHILD).most_children() == [1, 1, 1]
