from pathlib import Path

import pytest
import torch
import yaml

from aen.children import EquiNASSpec, build_child
from aen.errors import AenError, ConfigError, SpecError
from aen_agents.config import (
    AGENTS,
    PROJECT_CONFIGS,
    DenseConfig,
    DQNConfig,
    EquiNASDConfig,
    EquiNASEConfig,
    ExhaustiveConfig,
    GCNNConfig,
    SearchConfig,
    load_config,
)
from aen_agents.methods.registry import BASELINES, methods_of
from aen_agents.spaces import alphabet_of, child_of, gcnn_space_of, space_of


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ndata: {moves: [rot90]}\n")
    return file


CONFIGS = sorted([*PROJECT_CONFIGS.glob("*.yaml"), *(PROJECT_CONFIGS / "paper").glob("*.yaml")])
GCNN_CONFIGS = sorted((PROJECT_CONFIGS / "gcnn").glob("*.yaml"))


def dqn_of(config: SearchConfig) -> DQNConfig:
    assert isinstance(config.agent, DQNConfig)
    return config.agent


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_of_the_project_is_valid(file: Path) -> None:
    config = load_config(file)
    assert config.name == file.stem
    alphabet_of(config).check(child_of(config).grids)


@pytest.mark.parametrize("file", [*CONFIGS, *GCNN_CONFIGS], ids=lambda file: file.stem)
def test_every_config_of_the_project_can_be_searched_exhaustively(file: Path) -> None:
    config = load_config(file, ["agent=exhaustive", "agent.seeds=5"])
    assert config.agent == ExhaustiveConfig(seeds=5)
    assert config.model_copy(update={"agent": None}) == load_config(file).model_copy(update={"agent": None})


@pytest.mark.parametrize("file", GCNN_CONFIGS, ids=lambda file: file.stem)
def test_every_gcnn_config_has_its_space_and_its_plain_child(file: Path) -> None:
    config = load_config(file)
    assert config.name == f"gcnn_{file.stem}"
    space = gcnn_space_of(config)
    expected = (3, 3) if file.stem == "rotmnist_groups" else (1024, 768)
    assert (space.states, len(space.classes)) == expected
    plain = build_child(space.child)
    images = torch.zeros(2, space.child.channels, space.child.side, space.child.side)
    assert plain(images).shape == (2, space.child.classes)


def test_the_published_gcnn_configs_differ_in_their_data_alone() -> None:
    configs = [load_config(file) for file in GCNN_CONFIGS if file.stem not in ("digits", "rotmnist_groups")]
    assert len({config.model_copy(update={"name": "", "data": None}).to_yaml() for config in configs}) == 1
    assert {config.data.name for config in configs} == {
        *("mnist", "fashion_mnist", "cifar10", "svhn", "rotmnist", "emnist-balanced", "kmnist", "asl"),
    }
    assert {(config.data.train, config.data.validation) for config in configs} == {(6000, 1000)}
    first = gcnn_space_of(configs[0]).child
    assert (first.widths, first.head, first.norm, first.dropout, first.padding) == (
        *("published", "flatten", "none"),
        *(0.5, "none"),
    )
    training = first.training
    assert (training.optimiser, training.learning_rate, training.momentum) == ("sgd", 1e-3, 0.9)
    assert (training.epochs, training.batch_size) == (4, 32)
    environment, agent = configs[0].environment, dqn_of(configs[0])
    assert (environment.reward, environment.reference, environment.horizon) == ("paper", "rot90", 50)
    assert (configs[0].budget.children, agent.discount, agent.batch_size) == (600, 0.5, 128)
    assert [epsilon for _, epsilon in agent.epsilon] == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert [start for start, _ in agent.epsilon] == [50 * i for i in range(10)]


def test_the_papers_configs_differ_in_their_data_alone() -> None:
    configs = [load_config(file) for file in CONFIGS if file.parent.name == "paper"]
    assert len(configs) == 12
    assert len({config.model_copy(update={"name": "", "data": None}).to_yaml() for config in configs}) == 1
    assert len({config.data.name for config in configs}) == 12
    first = child_of(configs[0])
    assert (first.grids, first.head, first.bias) == ((28, 20, 20), "free", "scalar_after_relu")
    assert first.initialisation == "fan_in"


@pytest.mark.parametrize(
    ("name", "moves"),
    [("multi-1", "hflip, vflip, swap_lr, swap_lr_bottom"), ("multi-3", "rot90, hshift(4), swap_tb, swap_lr_top")],
)
def test_the_papers_configs_move_images_as_published(name: str, moves: str) -> None:
    for data in ("gmnist", "gfashion"):
        file = PROJECT_CONFIGS / "paper" / f"{data}_{name}.yaml"
        assert ", ".join(child_of(load_config(file)).data.moves) == moves
        assert f"# moves {moves}.\n" in file.read_text()


@pytest.mark.parametrize("file", sorted((PROJECT_CONFIGS / "agents").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_agent_of_the_project_is_valid(file: Path, config_file: Path) -> None:
    overrides = ["child.kind=equinas"] if file.stem.startswith("equinas") else []
    assert load_config(config_file, [f"agent={file.stem}", *overrides]).agent.name in AGENTS


EQUINAS = ["child.kind=equinas", "agent=equinas_e"]
EQUINAS_CONFIGS = sorted((PROJECT_CONFIGS / "equinas").glob("*_[de].yaml"))


@pytest.mark.parametrize("file", EQUINAS_CONFIGS, ids=lambda file: file.stem)
def test_every_equinas_config_has_its_methods(file: Path) -> None:
    config = load_config(file)
    evolves = file.stem.endswith("_e")
    assert isinstance(config.agent, EquiNASEConfig if evolves else EquiNASDConfig)
    child = child_of(config)
    assert isinstance(child, EquiNASSpec)
    methods = methods_of(config.agent, child)
    assert next(iter(methods)) == config.agent.name
    assert set(BASELINES) <= set(methods)


@pytest.mark.parametrize("agent", ["equinas_e", "equinas_d"])
def test_an_equinas_config_reads_back(config_file: Path, tmp_path: Path, agent: str) -> None:
    overrides = [*EQUINAS, f"agent={agent}", "agent.subgroups=[D4, C4]", "agent.baselines=[]", "child.poolings=[]"]
    config = load_config(config_file, overrides)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(config.to_yaml())
    assert load_config(resolved) == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["agent=equinas_e"], "agent equinas_e is for child.kind=equinas, but child.kind is dense"),
        (["agent=equinas_d", "child.kind=gcnn"], "agent equinas_d is for child.kind=equinas, but child.kind is gcnn"),
        (["agent=equinas"], r"unknown agent 'equinas' \(did you mean 'equinas_[de]'\?\)"),
        (
            [*EQUINAS, "agent.baselines=[static_c5]"],
            r"agent.baselines is 'static_c5' \(did you mean 'static_c[14]'\?\)",
        ),
        ([*EQUINAS, "agent.baselines=[rp]"], r"agent.baselines is 'rp' \(did you mean 'rpp'\?\): .*'static_c1', "),
        ([*EQUINAS, "agent.baselines=[zz]"], r"agent.baselines is 'zz': Input should be 'static_c1', "),
        ([*EQUINAS, "agent.baselines=rpp"], r"agent.baselines is 'rpp'; give a list in brackets, such as \[rpp\]"),
        ([*EQUINAS, "agent.subgroups=D4"], "agent.subgroups is 'D4': .*'all' or 'published'"),
        ([*EQUINAS, "agent.generations=0"], "agent.generations is 0: .*greater than 0"),
        ([*EQUINAS, "agent.population=0"], "agent.population is 0: .*greater than 0"),
        ([*EQUINAS, "agent.seeds=0"], "agent.seeds is 0: .*greater than 0"),
        ([*EQUINAS, "agent.generation=3"], r"unknown key 'agent.generation' \(did you mean 'generations'\?\)"),
        ([*EQUINAS, "agent.temperature=[1, 1]"], "unknown key 'agent.temperature'"),
        ([*EQUINAS, "agent=equinas_d", "agent.temperature=[0, 1]"], "agent.temperature.*: .*greater than or equal"),
        ([*EQUINAS, "agent=equinas_d", "agent.temperature=1"], "agent.temperature is 1; give a list in brackets"),
        ([*EQUINAS, "agent=equinas_d", "agent.networks=[cold]"], "agent.networks is 'cold'"),
        ([*EQUINAS, "budget.children=3"], "budget is for agents that walk, but the agent is equinas_e; leave it out"),
        ([*EQUINAS, "selection.seeds=3"], "selection is for agents that walk, but the agent is equinas_e"),
        ([*EQUINAS, "environment.horizon=3"], "environment is for agents that walk, but the agent is equinas_e"),
        ([*EQUINAS, "alphabet=published"], "alphabet is for child.kind=dense, but child.kind is equinas"),
        ([*EQUINAS, "training.epochs=0"], "training.epochs is 0: .*greater than 0"),
        ([*EQUINAS, "child.width=0"], "child.width is 0: .*greater than 0"),
        (
            ["child.kind=dense", "child.width=2"],
            r"mine.yaml: unknown key 'child.width' \(choose from: bias, head, hidden",
        ),
        (["child={kind: dense, dense: 3}"], r"mine.yaml: unknown key 'child.dense' \(choose from: bias, head"),
    ],
)
def test_settings_of_layerwise_agents_that_do_not_fit_are_named(
    config_file: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config_file, overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.epochs=0.5"], "training.epochs is 0.5; the dense child is trained for whole epochs"),
        ([*EQUINAS, "child.base=C8"], "base is C8, which does not act exactly on pixels"),
        ([*EQUINAS, "child.base=X"], "unknown planar group 'X'"),
        ([*EQUINAS, "child.kernel_size=4"], "kernel_size is 4; padding keeps the side of odd kernels only"),
        ([*EQUINAS, "child.poolings=[9]"], r"poolings is \[9\]; name convolutions from 1 to 8, each once"),
        ([*EQUINAS, "child.poolings=[3, 3]"], r"poolings is \[3, 3\]; name convolutions from 1 to 8, each once"),
        (
            [*EQUINAS, "child.poolings=[3, 5]", "child.published=true"],
            "after which maps of 8x8 are 2x2; that is too small for the published last pooling, 4x4",
        ),
    ],
)
def test_children_that_cannot_be_are_explained(config_file: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(AenError, match=message):
        child_of(load_config(config_file, overrides))


def test_maps_may_be_pooled_down_to_one_cell(config_file: Path) -> None:
    child = child_of(load_config(config_file, [*EQUINAS, "child.poolings=[1, 2, 8]", "child.width=1"]))
    assert isinstance(child, EquiNASSpec)
    assert child.sides[-1] == 1
    assert build_child(child)(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    with pytest.raises(SpecError, match=r"maps of 3x3 are 3x3; that is too small for the published last pooling"):
        EquiNASSpec(side=3, published=True)


def test_epochs_may_be_a_part_of_one_but_for_dense_children(config_file: Path) -> None:
    assert child_of(load_config(config_file, [*EQUINAS, "training.epochs=0.5"])).training.epochs == 0.5
    assert child_of(load_config(config_file, [*GCNN, "training.epochs=0.5"])).training.epochs == 0.5
    assert child_of(load_config(config_file, ["training.epochs=2.0"])).training.epochs == 2


def test_the_default_agent_is_the_one_in_the_file(config_file: Path) -> None:
    assert load_config(config_file, ["agent=dqn"]).agent == load_config(config_file).agent


def test_the_published_settings(config_file: Path) -> None:
    agent = dqn_of(load_config(config_file, ["agent=dqn_paper"]))
    assert (agent.layers, agent.input_scale, agent.learning_rate) == ((400, 400, 400), 0.1, 1e-3)
    assert (agent.discount, agent.batch_size, agent.replay_size) == (0.5, 128, 10_000)
    assert (agent.learn_after, agent.gradient_steps, agent.max_gradient_norm) == (128, 1, None)
    assert (agent.target_update, agent.first_visits, agent.epsilon_unit) == ("even_children", "states", "visits")
    steps = {200: 0.9, 300: 0.8, 400: 0.7, 500: 0.6, 600: 0.5, 700: 0.4, 800: 0.3, 900: 0.2, 950: 0.1, 1000: 0.05}
    assert dict(agent.epsilon) == {0: 1.0} | steps


def test_overrides_reach_any_depth(config_file: Path) -> None:
    overrides = ["seed=3", "training.epochs=2", "child.hidden=[8, 8]", "agent=dqn", "agent.discount=0.9"]
    config = load_config(config_file, overrides)
    assert (config.seed, config.training.epochs, config.child.hidden) == (3, 2, (8, 8))
    assert dqn_of(config).discount == 0.9
    assert config.data.moves == ("rot90",)


def test_an_agent_may_be_a_file_beside_the_config(config_file: Path) -> None:
    (config_file.parent / "agents").mkdir()
    (config_file.parent / "agents" / "own.yaml").write_text("name: dqn\ndiscount: 0.25\n")
    assert dqn_of(load_config(config_file, ["agent=own"])).discount == 0.25


GCNN = ["child.kind=gcnn", "child.padding=same"]


def test_a_gcnn_config_reads_back(config_file: Path, tmp_path: Path) -> None:
    wider = ["space.groups=[C4, C1, D2d]", "space.kernel_sizes=[3, 5]", "space.stage_widths=[0.5, 1, 2]"]
    config = load_config(config_file, [*GCNN, *wider, "environment.reference=rot90"])
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(config.to_yaml())
    assert load_config(resolved) == config
    space = space_of(config)
    assert space.sizes == (3, *(2,) * 7, 2, 3, 3)
    assert child_of(config) == space.spec(space.baseline)


def test_a_child_is_dense_unless_its_kind_is_named(config_file: Path) -> None:
    assert load_config(config_file).child == DenseConfig()
    assert load_config(config_file, ["child.head=invariant"]).child == DenseConfig(head="invariant")
    assert isinstance(load_config(config_file, ["child.kind=gcnn"]).child, GCNNConfig)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["space.groups=[C4]"], r"groups is \['C4'\], without 'C1'"),
        (["space.groups=[C1, C5]"], "group C5 is on offer but cannot be built: unknown planar group 'C5'"),
        (["space.kernel_sizes=[3, 4]"], "padding is 'same' with kernel_size 4"),
        (["child.padding=none"], "side is 8: images of 8x8 are too small .*use padding='same'"),
        (["child.widths=published", "space.groups=[C1, C2]"], "no widths are published for 'C2'"),
        (["child.backend=escnn", "child.padding=none", "data.name=mnist"], "Name the groups to choose among in space"),
    ],
)
def test_a_space_that_cannot_be_is_explained(config_file: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(AenError, match=message):
        space_of(load_config(config_file, [*GCNN, *overrides]))


@pytest.mark.parametrize("agent", ["dqn_paper", "exhaustive"])
def test_the_resolved_config_reads_back(config_file: Path, tmp_path: Path, agent: str) -> None:
    config = load_config(config_file, ["generators={spin: [[1, 2, 3, 0]]}", f"agent={agent}"])
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(config.to_yaml())
    assert load_config(resolved) == config
    assert set(yaml.safe_load(resolved.read_text())) == set(type(config).model_fields)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainning.epochs=3"], r"unknown key 'trainning' \(did you mean 'training'\?\)"),
        (["budget.childen=3"], r"unknown key 'budget.childen' \(did you mean 'children'\?\)"),
        (["budget.children=0"], "budget.children is 0: .*greater than 0"),
        (["seed=abc"], "seed is 'abc'"),
        (["selection.seeds=1"], "selection.seeds is 1"),
        (["agent=dqnn"], r"unknown agent 'dqnn' \(did you mean 'dqn'\?\)"),
        (["agent=exhaustiv"], r"unknown agent 'exhaustiv' \(did you mean 'exhaustive'\?\)"),
        (["agent=exhaustive", "agent.seed=3"], r"unknown key 'agent.seed' \(did you mean 'seeds'\?\)"),
        (["agent=exhaustive", "agent.discount=1"], r"unknown key 'agent.discount' \(choose from: name, seeds\)"),
        (["agent=exhaustive", "agent.seeds=0"], "agent.seeds is 0: .*greater than 0"),
        (["agent.discoun=0.5"], r"unknown key 'agent.discoun' \(did you mean 'discount'\?\)"),
        (["agent={name: exhaust}"], r"agent.name is 'exhaust', an unknown agent \(did you mean 'exhaustive'\?\)"),
        (["agent={name: [dqn]}"], r"agent.name is \['dqn'\], an unknown agent"),
        (["agent=5"], "agent is 5; it is the name of an agent .dqn, exhaustive, equinas_e, equinas_d. or a"),
        (["agent=[1]"], r"agent is \[1\]; it is the name of an agent"),
        (["agent.layers=[0]"], "agent.layers.*: .*greater than 0"),
        (["agent.epsilon=[[0.5, 1]]"], "schedule must begin at 0"),
        (["agent.epsilon=[[0, 1], [3, 0.5], [2, 0.1]]"], "ascend"),
        (["evaluator.device=tpu"], "evaluator.device is 'tpu'; use cpu, cuda or cuda:1"),
        (["data.moves=rot90"], r"data.moves is 'rot90'; give a list in brackets, such as \[rot90\]"),
        (["data=digits"], "data is 'digits'; it is a section with the keys name, train"),
        (["alphabet=5"], "alphabet is 5: .*published, quarter, or a list of factors"),
        (["agent.target_update=odd"], "agent.target_update is 'odd'"),
        (["agent.learning_rate=.inf"], "agent.learning_rate is inf"),
        (["child.kind=gcn"], r"child.kind is 'gcn', an unknown kind of child \(did you mean 'gcnn'\?\)"),
        (["child=5"], "child is 5; it is a section whose key kind is one of dense, gcnn"),
        (["child.hiden=[8]"], r"unknown key 'child.hiden' \(did you mean 'hidden'\?\)"),
        (["child.kind=gcnn", "child.hidden=[8]"], r"unknown key 'child.hidden' \(choose from: backend, "),
        (["child.kind=gcnn", "child.widths=even"], "child.widths is 'even'"),
        (["child.kind=gcnn", "child.dropout=1"], "child.dropout is 1: .*less than 1"),
        (["child.kind=gcnn", "alphabet=published"], "alphabet is for child.kind=dense, but child.kind is gcnn"),
        (["child.kind=gcnn", "generators={s: [[0]]}"], "generators is for child.kind=dense"),
        (
            ["child.kind=gcnn", "space.groups=bit"],
            r"space.groups is 'bit' \(did you mean 'bits'\?\): .*bits: rot90, vflip and hflip",
        ),
        (["child.kind=gcnn", "space.group=[C1]"], r"unknown key 'space.group' \(did you mean 'groups'\?\)"),
        (["child.kind=gcnn", "space.kernel_sizes=3"], "space.kernel_sizes is 3; give a list in brackets"),
        (["space.groups=[C1]"], "space is for child.kind=gcnn or equinas, but child.kind is dense; leave it out"),
        (["environment.reference=rot90"], "environment.reference is 'rot90', which is for child.kind=gcnn"),
        (["nonsense"], "not of the form key=value"),
        (["name=../escape"], "name is '../escape'"),
        (["name.x=1"], "'name' is a value, not a section"),
        (["seed=[1"], "not YAML"),
    ],
)
def test_bad_overrides_are_named(config_file: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config_file, overrides)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "is not YAML"),
        ("- a\n- b\n", "not a mapping"),
        ("seed: 1\n", "name is missing"),
        ("name: !!python/object/apply:os.system ['true']\n", "is not YAML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_a_missing_file_suggests_its_neighbour(config_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist \(did you mean 'mine.yaml'\?\)"):
        load_config(config_file.with_name("mne.yaml"))
