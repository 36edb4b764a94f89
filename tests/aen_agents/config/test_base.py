"""A config with a base is the base with the keys of the config; one level, and every mistake has its message."""

from pathlib import Path

import pytest
import yaml

from aen.errors import ConfigError
from aen_agents.config import DQNConfig, EquiNASConfig, ExhaustiveConfig, GCNNConfig, RayConfig, load_config
from aen_agents.sweep.config import find_search, load_sweep
from aen_agents.sweep.plan import make_trials

BASE = """
name: base
data: {name: digits, moves: [rot90], train: 300}
alphabet: [rot90, hflip]
generators: {spin: [[1, 2, 3, 0]]}
child: {kind: dense, hidden: [8, 8], head: invariant}
training: {epochs: 3, batch_size: 16}
agent: {name: dqn, discount: 0.25, batch_size: 8}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_sections_are_merged_and_lists_replaced(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE)
    own = write(tmp_path, "own.yaml", "base: base.yaml\nname: own\nalphabet: [vflip]\ndata: {train: 200}\n")
    config, base = load_config(own, ["training.epochs=5"]), load_config(tmp_path / "base.yaml")
    assert (config.name, config.alphabet, config.data.train, config.data.moves) == ("own", ("vflip",), 200, ("rot90",))
    assert (config.training.epochs, config.training.batch_size) == (5, 16)
    same = ("child", "agent", "generators")
    assert [getattr(config, key) for key in same] == [getattr(base, key) for key in same]


def test_mappings_in_sections_are_merged_too(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE)
    own = write(tmp_path, "own.yaml", "base: base.yaml\ngenerators: {turn: [[3, 0, 1, 2]]}\n")
    assert set(load_config(own).generators) == {"spin", "turn"}


def test_the_resolved_config_holds_everything(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE)
    config = load_config(write(tmp_path, "own.yaml", "base: base.yaml\nchild: {hidden: [4]}\n"))
    resolved = config.to_yaml()
    assert "base" not in yaml.safe_load(resolved)
    assert load_config(write(tmp_path / "elsewhere", "config.yaml", resolved)) == config


@pytest.mark.parametrize(
    ("own", "section", "expected"),
    [
        ("agent: {batch_size: 4}", "agent", DQNConfig(discount=0.25, batch_size=4)),
        ("agent: {name: dqn, batch_size: 4}", "agent", DQNConfig(discount=0.25, batch_size=4)),
        ("agent: {name: exhaustive}", "agent", ExhaustiveConfig()),
        ("agent: exhaustive", "agent", ExhaustiveConfig()),
        ("alphabet: quarter\ngenerators: null\nchild: {kind: gcnn}", "child", GCNNConfig()),
        ("evaluator: ray", "evaluator", RayConfig()),
        ("evaluator: {kind: ray, workers: 2}", "evaluator", RayConfig(workers=2)),
    ],
)
def test_another_agent_or_kind_replaces_the_section(tmp_path: Path, own: str, section: str, expected: object) -> None:
    base = BASE.replace("generators: {spin: [[1, 2, 3, 0]]}\n", "") + "evaluator: {kind: local, workers: 3}\n"
    write(tmp_path, "base.yaml", base)
    own = own.replace("generators: null\n", "")
    assert getattr(load_config(write(tmp_path, "own.yaml", f"base: base.yaml\n{own}\n")), section) == expected


def test_a_kind_that_is_left_out_is_the_default(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "name: base\nchild: {hidden: [8]}\n")
    own = write(tmp_path, "own.yaml", "base: base.yaml\nchild: {kind: dense, head: invariant}\n")
    assert load_config(own).child.model_dump(include={"hidden", "head"}) == {"hidden": (8,), "head": "invariant"}
    equinas = write(tmp_path, "equinas.yaml", "base: base.yaml\nchild: {kind: equinas, width: 2}\n")
    assert load_config(equinas).child == EquiNASConfig(width=2)


def test_the_agent_of_a_base_is_seen_from_the_folder_of_the_base(tmp_path: Path) -> None:
    write(tmp_path / "there", "base.yaml", "name: base\nagent: mine\n")
    write(tmp_path / "there" / "agents", "mine.yaml", "name: dqn\ndiscount: 0.25\n")
    own = write(tmp_path, "own.yaml", "base: there/base.yaml\nagent: {batch_size: 4}\n")
    assert load_config(own).agent == DQNConfig(discount=0.25, batch_size=4)
    write(tmp_path, "own.yaml", "base: there/base.yaml\n")
    assert load_config(own, ["agent.batch_size=2"]).agent == DQNConfig(discount=0.25, batch_size=2)


def test_a_base_may_be_a_preset(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "own.yaml", "base: gcnn/digits\nname: own\n"))
    assert config.model_copy(update={"name": "gcnn_digits"}) == load_config("gcnn/digits")


def test_an_agents_file_may_have_a_base(tmp_path: Path) -> None:
    write(tmp_path / "agents", "mine.yaml", "base: dqn_paper\ndiscount: 0.75\n")
    config = load_config(write(tmp_path, "own.yaml", "name: own\nagent: mine\n"))
    paper = load_config(tmp_path / "own.yaml", ["agent=dqn_paper"]).agent
    assert config.agent == paper.model_copy(update={"discount": 0.75})


SWEEP = """
name: base
search: tiny.yaml
overrides: [training.epochs=2]
grid: {seed: [0, 1]}
random: {training.learning_rate: {uniform: [0.1, 0.2]}}
samples: 2
stop: {rule: asha, grace: 4, reduction: 2}
"""


def test_a_sweep_may_have_a_base(tmp_path: Path) -> None:
    write(tmp_path / "there", "base.yaml", SWEEP)
    write(tmp_path / "there", "tiny.yaml", "name: tiny\n")
    own = write(
        tmp_path / "here",
        "own.yaml",
        "base: ../there/base.yaml\nname: own\ngrid: {training.batch_size: [8, 16]}\n"
        "random: {training.learning_rate: {choice: [0.5]}}\nstop: {grace: 5}\n",
    )
    sweep = load_sweep(own)
    assert sweep.grid == {"seed": (0, 1), "training.batch_size": (8, 16)}
    assert sweep.random["training.learning_rate"].choice == (0.5,)
    assert sweep.stop is not None
    assert (sweep.stop.grace, sweep.stop.reduction) == (5, 2)
    assert find_search(sweep, own.parent).samefile(tmp_path / "there" / "tiny.yaml")
    assert len(make_trials(sweep, find_search(sweep, own.parent))) == 4


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            "base: bse.yaml\n",
            "own.yaml: base is 'bse.yaml': config {}bse.yaml does not exist (did you mean 'base.yaml'?)",
        ),
        ("base: digitz\n", "own.yaml: base is 'digitz': config {}digitz does not exist (did you mean 'digits'?)"),
        ("base: 3\n", "own.yaml: base is 3; give the path of a YAML file or the name of a preset"),
        ("base: [base.yaml]\n", "own.yaml: base is ['base.yaml']; give the path"),
        ("base: own.yaml\n", "own.yaml: base is the file itself; give another one"),
        (
            "base: deep.yaml\n",
            "own.yaml: its base {}deep.yaml has a base itself (base.yaml); only one level is possible",
        ),
        ("base: circle.yaml\n", "own.yaml: its base {}circle.yaml has a base itself (own.yaml)"),
        ("base: sweep.yaml\n", "own.yaml: its base {}sweep.yaml is the config of a sweep; the base of a search is"),
        ("base: broken.yaml\n", "own.yaml: base is 'broken.yaml': config {}broken.yaml is not YAML: line 1, column 8"),
        ("base: base.yaml\ntraining: {epoch: 1}\n", "own.yaml (with base {}base.yaml): unknown key 'training.epoch'"),
        ("base: wrong.yaml\n", "own.yaml (with base {}wrong.yaml): training.epochs is -1"),
        ("base: lost.yaml\n", "own.yaml: its base {}lost.yaml: unknown agent 'dqm' (did you mean 'dqn'?)"),
    ],
)
def test_a_base_that_cannot_be_one_is_refused(tmp_path: Path, own: str, said: str) -> None:
    write(tmp_path, "base.yaml", BASE)
    write(tmp_path, "deep.yaml", "base: base.yaml\nname: deep\n")
    write(tmp_path, "circle.yaml", "base: own.yaml\n")
    write(tmp_path, "sweep.yaml", SWEEP)
    write(tmp_path, "broken.yaml", "name: [")
    write(tmp_path, "wrong.yaml", "name: wrong\ntraining: {epochs: -1}\n")
    write(tmp_path, "lost.yaml", "name: lost\nagent: dqm\n")
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path, "own.yaml", own))
    message = str(error.value)
    assert said.replace("{}", f"{tmp_path}/") in message
    assert message.startswith(str(tmp_path / "own.yaml"))
    assert "\n" not in message


def test_a_search_is_no_base_of_a_sweep(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE)
    own = write(tmp_path, "own.yaml", "base: base.yaml\nname: own\nsearch: base.yaml\ngrid: {seed: [0]}\n")
    with pytest.raises(
        ConfigError, match=r"base.yaml is not the config of a sweep; the base of a sweep is a sweep itself"
    ):
        load_sweep(own)


def test_a_search_is_no_base_of_an_agent(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE)
    write(tmp_path / "agents", "mine.yaml", "base: ../base.yaml\n")
    with pytest.raises(ConfigError, match=r"unknown key 'agent.data'|agent.name is 'base', an unknown agent"):
        load_config(write(tmp_path, "own.yaml", "name: own\nagent: mine\n"))


@pytest.mark.parametrize("override", ["base=digits", "base.name=digits"])
def test_a_base_is_no_override(config_file: Path, override: str) -> None:
    with pytest.raises(ConfigError, match=r"override 'base.*': base is a key of a file"):
        load_config(config_file, [override])
