from pathlib import Path

import pytest
import torch

from aen.children import EquiNASSpec, build_child
from aen.data.benchmarks import VARIANTS
from aen_agents.agents.chosen_states import listed_states
from aen_agents.agents.layerwise.registry import BASELINES, methods_of
from aen_agents.agents.selection import final_child
from aen_agents.config import (
    AGENTS,
    DQNConfig,
    EquiNASDConfig,
    EquiNASEConfig,
    ExhaustiveConfig,
    SearchConfig,
    find_config,
    list_presets,
    load_config,
)
from aen_agents.config.former_presets import FORMER
from aen_agents.problem import alphabet_of, child_of, space_of
from aen_agents.sweep.config import find_search, load_sweep
from aen_agents.sweep.plan import make_trials

SEARCHES = list_presets()
DENSE = [name for name in SEARCHES if load_config(name).child.kind == "dense"]
GCNN = [name for name in SEARCHES if load_config(name).child.kind == "gcnn"]
EQUINAS = [name for name in SEARCHES if "equinas" in name and name != "equinas/digits_dqn"]
FORMER_DENSE = [name for name in FORMER if name.startswith("paper/")]
FORMER_GCNN = [name for name in FORMER if name.startswith("gcnn/")]


def former(name: str, *overrides: str) -> SearchConfig:
    preset, *own = FORMER[name]
    return load_config(preset, [*own, *overrides])


def dqn_of(config: SearchConfig) -> DQNConfig:
    assert isinstance(config.agent, DQNConfig)
    return config.agent


def test_every_preset_of_a_search_is_of_a_known_kind() -> None:
    assert {"digits", "digits_paper", "paper/dense"} <= set(DENSE)
    assert {"gcnn/digits", "paper/gcnn", "paper/gcnn_readme"} <= set(GCNN)
    assert {"equinas/digits_d", "paper/equinas_e"} <= set(EQUINAS)
    assert set(SEARCHES) == {*DENSE, *GCNN, *EQUINAS, "equinas/digits_dqn"}


@pytest.mark.parametrize("name", DENSE)
def test_every_dense_preset_is_valid(name: str) -> None:
    config = load_config(name)
    assert config.name == {"paper/dense": "gmnist_none"}.get(name, name)
    alphabet_of(config).check(child_of(config).grids)


@pytest.mark.parametrize("name", [*DENSE, *GCNN])
def test_every_preset_can_be_searched_exhaustively(name: str) -> None:
    config = load_config(name, ["agent=exhaustive", "agent.seeds=5"])
    assert config.agent == ExhaustiveConfig(seeds=5)
    assert config.model_copy(update={"agent": None}) == load_config(name).model_copy(update={"agent": None})


@pytest.mark.parametrize("name", [*GCNN, *FORMER_GCNN])
def test_every_gcnn_config_has_its_space_and_its_plain_child(name: str) -> None:
    config = former(name) if name in FORMER else load_config(name)
    own = {"paper/gcnn": "gcnn_rotmnist", "paper/gcnn_readme": "gcnn_readme_rotmnist"}
    assert config.name == own.get(name, name.replace("/", "_"))
    space = space_of(config)
    # The published network of all three group bits is another one than that of D4.
    expected = {"gcnn/rotmnist_groups": (3, 3), "gcnn/digits": (1024, 768)}.get(name, (1024, 896))
    assert (space.states, len(space.classes)) == expected
    plain = build_child(space.child)
    images = torch.zeros(2, space.child.channels, space.child.side, space.child.side)
    assert plain(images).shape == (2, space.child.classes)


def test_the_published_gcnn_configs_differ_in_their_data_alone() -> None:
    configs = [former(name) for name in FORMER_GCNN]
    assert len({config.model_copy(update={"name": "", "data": None}).to_yaml() for config in configs}) == 1
    assert {config.data.name for config in configs} == {
        *("mnist", "fashion_mnist", "cifar10", "svhn", "rotmnist", "emnist-balanced", "kmnist", "asl"),
    }
    assert {(config.data.train, config.data.validation) for config in configs} == {(6000, 1000)}
    first = space_of(configs[0]).child
    assert (first.widths, first.head, first.norm, first.dropout, first.padding) == (
        *("published", "flatten", "none"),
        *(0.5, "none"),
    )
    training = first.training
    assert (training.optimiser, training.learning_rate, training.momentum) == ("sgd", 1e-3, 0.9)
    assert (training.epochs, training.batch_size) == (4, 32)
    environment, agent = configs[0].environment, dqn_of(configs[0])
    assert (environment.reward, environment.reference, environment.horizon) == ("paper", "rot90", 51)
    assert (configs[0].budget.children, agent.discount, agent.batch_size) == (600, 0.5, 128)
    epsilons = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01]
    assert list(agent.epsilon) == [(50 * i, epsilon) for i, epsilon in enumerate(epsilons)]


def test_the_gcnn_config_of_the_readme() -> None:
    plain, readme = load_config("paper/gcnn"), load_config("paper/gcnn_readme")
    assert (dqn_of(readme).batch_size, readme.budget.children) == (256, 600)
    assert readme.budget.steps == 200 * readme.environment.horizon
    for section in ("data", "child", "space", "training", "environment", "selection"):
        assert getattr(readme, section) == getattr(plain, section)
    assert dqn_of(readme).model_copy(update={"batch_size": 128}) == plain.agent


def test_the_papers_configs_differ_in_their_data_alone() -> None:
    configs = [former(name) for name in FORMER_DENSE]
    assert len(configs) == 12
    assert len({config.model_copy(update={"name": "", "data": None}).to_yaml() for config in configs}) == 1
    assert len({config.data.name for config in configs}) == 12
    assert [config.name for config in configs] == [name.removeprefix("paper/") for name in FORMER_DENSE]
    first = child_of(configs[0])
    assert (first.grids, first.head, first.bias) == ((28, 20, 20), "free", "scalar_after_relu")
    assert first.initialisation == "fan_in"
    assert (configs[0].environment.horizon, configs[0].budget.steps, configs[0].budget.children) == (101, 6060, 1000)


def test_the_papers_configs_rotate_by_any_angle() -> None:
    assert child_of(load_config("paper/dense", ["data.name=gmnist-rot90"])).data.angles == "any"
    assert child_of(load_config("digits")).data.angles == "quarter"


@pytest.mark.parametrize(
    ("name", "benchmark", "searches"),
    [
        ("aen_table_1", "gmnist", 13),
        ("aen_table_1_fashion", "gfashion_mnist", 13),
        ("aen_multiple", "gmnist", 18),
        ("aen_multiple_fashion", "gfashion_mnist", 18),
    ],
)
def test_the_sweeps_over_the_variants_of_a_benchmark(name: str, benchmark: str, searches: int) -> None:
    path = find_config(f"paper/{name}", "sweep")
    sweep = load_sweep(path)
    trials = make_trials(sweep, find_search(sweep, path.parent))
    variants = {f"{benchmark}-{v}" for v in VARIANTS if v.startswith("multi") == ("multiple" in name)}
    assert {trial.config.data.name for trial in trials} == variants
    assert len(trials) == searches
    final = {final_child(trial.config, child_of(trial.config)) for trial in trials}
    assert {(spec.data.train, spec.data.validation, spec.training.epochs) for spec in final} == {(10_000, 1000, 10)}
    exploring = {(trial.config.data.train, trial.config.training.epochs) for trial in trials}
    assert exploring == {(4000, 4) if "multiple" in name else (10_000, 10)}


def test_table_1_has_13_networks() -> None:
    config = load_config("paper/dense", ["agent=exhaustive", "agent.states=singles"])
    assert isinstance(config.agent, ExhaustiveConfig)
    assert len(list(listed_states(config.agent, space_of(config)))) == 12


@pytest.mark.parametrize("name", [n for n in list_presets("sweep") if n.startswith("paper/")])
def test_every_sweep_of_the_papers_is_valid(name: str) -> None:
    path = find_config(name, "sweep")
    sweep = load_sweep(path)
    for trial in make_trials(sweep, find_search(sweep, path.parent)):
        child_of(trial.config)


@pytest.mark.parametrize(
    ("variant", "moves"),
    [("multi-1", "hflip, vflip, swap_lr, swap_lr_bottom"), ("multi-3", "rot90, hshift(4), swap_tb, swap_lr_top")],
)
def test_the_papers_configs_move_images_as_published(variant: str, moves: str) -> None:
    for data in ("gmnist", "gfashion"):
        assert ", ".join(child_of(former(f"paper/{data}_{variant}")).data.moves) == moves


@pytest.mark.parametrize("name", list_presets("agent"))
def test_every_agent_of_the_project_is_valid(name: str, config_file: Path) -> None:
    overrides = ["child.kind=equinas"] if name.startswith(("equinas", "static")) else []
    assert load_config(config_file, [f"agent={name}", *overrides]).agent.name in AGENTS


def test_every_agent_has_a_preset_of_its_name_with_its_default_settings(config_file: Path) -> None:
    assert set(AGENTS.built_in) <= set(list_presets("agent"))
    as_published = {"equinas_d", "equinas_e", "static"}  # on five seeds, as their first lines say
    for name in set(AGENTS.built_in) - as_published:
        assert load_config(config_file, [f"agent={name}"]).agent == AGENTS[name](), name


@pytest.mark.parametrize("name", [*EQUINAS, *(name for name in FORMER if name.startswith("equinas/"))])
def test_every_equinas_config_has_its_methods(name: str) -> None:
    config = former(name) if name in FORMER else load_config(name)
    evolves = name.endswith("_e") or "equinas_e" in name
    if not name.startswith("paper/"):
        assert config.name == f"equinas_{name[-1]}_{name.partition('/')[2][:-2]}"
    assert isinstance(config.agent, EquiNASEConfig if evolves else EquiNASDConfig)
    child = child_of(config)
    assert isinstance(child, EquiNASSpec)
    methods = methods_of(config.agent, child)
    assert next(iter(methods)) == config.agent.name
    assert set(BASELINES) <= set(methods)


@pytest.mark.parametrize(
    ("data", "sizes", "epochs", "rate"),
    [
        ("rotmnist", (10800, 1200, 50000), 100, 0.01),
        ("galaxy10-64", (14366, 1596, 1774), 50, 0.01),
        ("isic-64", (20518, 2280, 2533), 50, 0.001),
    ],
)
def test_the_published_runs_of_equinas(data: str, sizes: tuple[int, ...], epochs: int, rate: float) -> None:
    end = "" if data == "rotmnist" else f"_{data.removesuffix('-64')}"
    evolves, differentiates = (load_config(f"paper/equinas_{method}{end}") for method in "ed")
    assert [c.name for c in (evolves, differentiates)] == [f"equinas_{m}{end or '_rotmnist'}" for m in "ed"]
    for config in (evolves, differentiates):
        child = child_of(config)
        assert isinstance(child, EquiNASSpec)
        assert (config.data.name, config.data.train, config.data.validation, config.data.test) == (data, *sizes)
        assert (child.kernel_size, child.width, child.dense, child.side) == (5, 16, 64, 28 if not end else 64)
        assert child.poolings == ((3, 5, 7) if not end else (3, 5, 6, 7))
        assert (child.published, child.initialisation) == (True, "published")
    agent, training = evolves.agent, evolves.training
    assert isinstance(agent, EquiNASEConfig)
    assert (training.optimiser, training.learning_rate, training.momentum) == ("sgd", 0.1, 0)
    search = methods_of(agent, child)["equinas_e"]
    assert (search.slices, training.epochs / search.slices) == (51, 0.5)
    assert (agent.unique, agent.steps, agent.population, agent.seeds) == (False, "published", 5, 5)
    assert {"equinas_e_retrain", "random_select", "random_static"} < set(methods_of(agent, child))
    other, training = differentiates.agent, differentiates.training
    assert isinstance(other, EquiNASDConfig)
    assert (training.optimiser, training.learning_rate, training.epochs) == ("adam", rate, epochs)
    assert (other.alpha_learning_rate, other.alpha_data) == (0.01, "same")
    assert {"equinas_d_retrain", "random_z", "random_mixture"} < set(methods_of(other, child))


@pytest.mark.parametrize(("data", "kernel", "dense"), [("rotmnist", 5, 64), ("galaxy10", 5, 128), ("isic", 7, 128)])
def test_the_defaults_of_the_published_code_of_equinas(data: str, kernel: int, dense: int) -> None:
    end = "" if data == "rotmnist" else f"_{data}"
    evolves, differentiates = (load_config(f"paper/equinas_{method}{end}_code") for method in "ed")
    for config in (evolves, differentiates):
        child = child_of(config)
        assert isinstance(child, EquiNASSpec)
        assert (config.data.name, child.kernel_size, child.dense) == (data, kernel, dense)
        assert len(child.poolings or ()) == (6 if end else 3)
    search = methods_of(evolves.agent, child)["equinas_e"]  # type: ignore[arg-type]
    assert (search.slices, evolves.training.epochs / search.slices) == (51, pytest.approx(0.2))
    assert (evolves.training.optimiser, evolves.training.learning_rate) == ("sgd", 0.05)
    assert (differentiates.training.learning_rate, differentiates.training.epochs) == (0.001, 50)
    assert isinstance(differentiates.agent, EquiNASDConfig)
    assert differentiates.agent.alpha_learning_rate == 0.001


def test_the_small_presets_of_equinas_keep_their_results() -> None:
    for name, slices in (("digits", 8), ("rotmnist_small", 10)):
        config = load_config(f"equinas/{name}_e")
        child, agent = child_of(config), config.agent
        assert isinstance(child, EquiNASSpec)
        assert isinstance(agent, EquiNASEConfig)
        assert (methods_of(agent, child)["equinas_e"].slices, agent.unique, agent.steps) == (slices, True, "all")
        assert child.initialisation == "fan_in"


def test_the_default_agent_is_the_one_in_the_file(config_file: Path) -> None:
    assert load_config(config_file, ["agent=dqn"]).agent == load_config(config_file).agent


def test_the_published_settings(config_file: Path) -> None:
    agent = dqn_of(load_config(config_file, ["agent=dqn_paper"]))
    assert (agent.layers, agent.input_scale, agent.learning_rate) == ((400, 400, 400), 0.1, 1e-3)
    assert (agent.discount, agent.batch_size, agent.replay_size) == (0.5, 128, 10_000)
    assert (agent.learn_after, agent.gradient_steps, agent.max_gradient_norm) == (128, 1, None)
    assert (agent.target_update, agent.first_visits, agent.epsilon_unit) == ("even_children", "states", "visits")
    steps = {200: 0.9, 300: 0.8, 400: 0.7, 500: 0.6, 600: 0.5, 700: 0.4, 800: 0.3, 900: 0.2, 950: 0.1}
    steps |= {1000: 0.05, 1200: 0.01}
    assert dict(agent.epsilon) == {0: 1.0} | steps
