from pathlib import Path

import pytest
import yaml

from aen.errors import ConfigError
from aen_agents.config import AGENTS, PROJECT_CONFIGS, DQNConfig, ExhaustiveConfig, SearchConfig, load_config
from aen_agents.search import alphabet_of, child_of


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ndata: {moves: [rot90]}\n")
    return file


CONFIGS = sorted([*PROJECT_CONFIGS.glob("*.yaml"), *(PROJECT_CONFIGS / "paper").glob("*.yaml")])


def dqn_of(config: SearchConfig) -> DQNConfig:
    assert isinstance(config.agent, DQNConfig)
    return config.agent


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_of_the_project_is_valid(file: Path) -> None:
    config = load_config(file)
    assert config.name == file.stem
    alphabet_of(config).check(child_of(config).grids)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_of_the_project_can_be_searched_exhaustively(file: Path) -> None:
    config = load_config(file, ["agent=exhaustive", "agent.seeds=5"])
    assert config.agent == ExhaustiveConfig(seeds=5)
    assert config.model_copy(update={"agent": None}) == load_config(file).model_copy(update={"agent": None})


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
    assert load_config(config_file, [f"agent={file.stem}"]).agent.name in AGENTS


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
        (["agent=5"], "agent is 5; it is the name of an agent .dqn, exhaustive. or a section"),
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
