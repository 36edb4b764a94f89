"""Files of Q-networks of dqn_transfer."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from aen.errors import AenError
from aen_agents.agents.transfer.network import ClassQNetwork, Ensemble
from aen_agents.agents.transfer.policy_file import SHIPPED, load_policy, save_policy, tables_learnt
from aen_agents.config import load_config
from aen_agents.config.strategies import TransferConfig


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_policy(Ensemble([ClassQNetwork(), ClassQNetwork()]), tmp_path / "policy.safetensors", {"seed": 3})
    return tmp_path / "policy.safetensors"


def metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        return dict(opened.metadata())


def test_a_network_comes_back_as_it_was(tmp_path: Path) -> None:
    network = Ensemble([ClassQNetwork(), ClassQNetwork()])
    save_policy(network, tmp_path / "a.safetensors", {"seed": 3})
    found = load_policy(str(tmp_path / "a.safetensors"))
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    assert json.loads(metadata(tmp_path / "a.safetensors")["trained"]) == {"seed": 3}


def test_the_shipped_network_is_small_and_says_what_it_was_trained_on() -> None:
    assert SHIPPED.stat().st_size < 1_000_000
    trained = json.loads(metadata(SHIPPED)["trained"])
    from aen.bench import definition

    assert trained["tables"]
    assert all(definition(name).part == "training" for name in trained["tables"])
    load_policy(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "0"}, "another version of dqn_transfer; train it again with `make train-transfer`"),
        ({"features": "[]"}, "another version"),
        ({"features": "no JSON"}, "another version"),
    ],
)
def test_another_version_is_refused(file: Path, change: dict[str, str], message: str) -> None:
    save_file(load_file(file), file, metadata(file) | change)
    with pytest.raises(AenError, match=message):
        load_policy(str(file))


def test_files_that_are_no_policy_are_refused(file: Path, tmp_path: Path) -> None:
    state = load_file(file)
    name = next(iter(state))
    for number, content in enumerate(({}, state | {name: torch.zeros(3)}, state | {"more": torch.zeros(1)})):
        save_file(content, path := tmp_path / f"{number}.safetensors", metadata(file))
        with pytest.raises(AenError, match="other layers"):
            load_policy(str(path))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(AenError, match=r"damaged\.safetensors cannot be read"):
        load_policy(str(damaged))
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(AenError, match="which is no file; `make train-transfer` writes one"):
            load_policy(str(path))


def test_a_path_is_seen_from_where_the_command_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config("digits", ["agent=dqn_transfer", "agent.policy=mine.safetensors"])
    assert config.agent.policy == str(tmp_path / "mine.safetensors")


def test_a_file_says_which_tables_it_was_trained_on(file: Path) -> None:
    assert "digits-01" in tables_learnt(TransferConfig())
    assert not any("digits-29" <= name <= "digits-40" for name in tables_learnt(TransferConfig()))
    for text in ("", "no JSON", "[]", "{}"):
        save_file(load_file(file), file, metadata(file) | {"trained": text})
        with pytest.raises(AenError, match="does not say which tables it was trained on"):
            tables_learnt(TransferConfig(policy=str(file)))
