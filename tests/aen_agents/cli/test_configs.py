"""`aen configs copy` and `aen configs keys`, and the page made from the latter."""

import re
import tomllib
from pathlib import Path

import pytest

import aen
from aen_agents.cli.keys import all_groups, as_page
from aen_agents.cli.main import main
from aen_agents.config import AGENTS, PROJECT_CONFIGS, list_presets, load_config
from aen_agents.config.base import read_agent
from aen_agents.sweep.config import find_search, load_sweep
from aen_agents.sweep.plan import make_trials

ROOT = Path(__file__).resolve().parents[3]
# Names as `aen configs copy` takes them.
NAMES = [
    path.relative_to(PROJECT_CONFIGS).with_suffix("").as_posix() for path in sorted(PROJECT_CONFIGS.rglob("*.yaml"))
]


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_the_same_config_at_another_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    original = PROJECT_CONFIGS / f"{name}.yaml"
    copy = tmp_path / original.name
    assert main(["configs", "copy", name]) == 0
    assert capsys.readouterr().out == f"{copy.name}\n"
    match name.split("/"):
        case ["sweeps", *_]:
            ours, theirs = load_sweep(copy), load_sweep(original)
            assert make_trials(ours, find_search(ours, tmp_path)) == make_trials(
                theirs, find_search(theirs, original.parent)
            )
        case ["agents", stem]:
            assert read_agent(str(copy), tmp_path) == read_agent(stem, PROJECT_CONFIGS)
        case _:
            assert load_config(copy) == load_config(original)
    assert {"".join(line.split()[:1]) for line in copy.read_text().splitlines()} == {
        "".join(line.split()[:1]) for line in original.read_text().splitlines()
    }


def test_a_copy_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.yaml").write_text("mine")
    (tmp_path / "folder").mkdir()
    assert main(["configs", "copy", "digits"]) == 2
    assert "digits.yaml exists already" in capsys.readouterr().err
    assert (tmp_path / "digits.yaml").read_text() == "mine"
    assert main(["configs", "copy", "digits.yaml", "other.yaml"]) == 0
    assert main(["config", "copy", "digits_seeds", "folder"]) == 0
    assert main(["presets", "copy", "dqn_paper", "folder"]) == 0
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {"digits_seeds.yaml", "dqn_paper.yaml"}
    assert load_config("other.yaml") == load_config(list_presets()["digits"])
    capsys.readouterr()
    for words, said in (
        (["digitz"], "there is no preset 'digitz' (did you mean 'digits'?)"),
        (["../digits"], "there is no preset '../digits'"),
        (["digits", "none/x.yaml"], "none/x.yaml cannot be written: No such file or directory"),
    ):
        assert main(["configs", "copy", *words]) == 2
        assert said in capsys.readouterr().err


def keys(capsys: pytest.CaptureFixture[str], *parts: str) -> list[str]:
    assert main(["configs", "keys", *parts]) == 0
    return re.findall(r"(?m)^  (\S+)", capsys.readouterr().out)


def test_keys_are_listed_whole_or_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"seed", "training.epochs", "child.width", "agent.epsilon", "grid"} <= set(keys(capsys))
    assert keys(capsys, "training.epochs", "seed") == ["seed", "training.epochs"]
    assert keys(capsys, "budget") == ["budget.children", "budget.steps", "budget.minutes"]
    assert (
        keys(capsys, "agent.name=exhaustive")
        == keys(capsys, "exhaustive")
        == [
            "agent.name",
            "agent.seeds",
            "agent.states",
        ]
    )
    assert len(keys(capsys, "child")) > len(keys(capsys, "gcnn")) > len(keys(capsys, "dense"))
    assert main(["config", "keys", "budget.children"]) == 0
    out = capsys.readouterr().out
    assert "  budget.children = 60\n      whole number > 0\n      children that are trained; of dqn," in out
    assert main(["configs", "keys", "trainin"]) == 2
    assert "no section, kind or key 'trainin' (did you mean 'training'?)" in capsys.readouterr().err


def test_every_key_is_listed_with_a_description() -> None:
    found = [key for group in all_groups() for key in group.keys]
    assert [key.name for key in found if not key.description] == []
    assert [key.name for key in found if "section" in key.kind] == ["random", "stop"]  # listed as groups of their own
    resolved = load_config("digits", []).model_dump(mode="json")
    flat = {f"{name}.{key}" for name, value in resolved.items() if isinstance(value, dict) for key in value}
    assert flat | {key for key, value in resolved.items() if not isinstance(value, dict)} <= {key.name for key in found}
    tags = {group.tag for group in all_groups()}
    assert {f"agent.name={name}" for name in AGENTS} <= tags


def test_values_and_defaults_are_those_of_the_models() -> None:
    found = {key.name: (key.kind, key.default) for group in all_groups() for key in group.keys}
    assert found["seed"] == ("whole number >= 0 and < 1,000,000", "0")
    assert found["name"] == ("text", "required")
    assert found["training.optimiser"] == ("adam | sgd", "adam")
    assert found["child.hidden"] == (
        (
            "list of (whole number > 0 and <= 1,000 or "
            "[whole number > 0 and <= 262,144, whole number > 0 and <= 262,144])"
            ", not empty or auto"
        ),
        "[16, 16]",
    )
    assert found["evaluator.timeout"] == ("number > 0 or null", "null")
    assert found["debug"] == ("true or false", "false")
    assert found["agent.epsilon"][0] == "list of ([number >= 0, number >= 0 and <= 1]), not empty"


def test_the_page_is_up_to_date() -> None:
    page = as_page(all_groups(plugins=False))
    assert (ROOT / "docs" / "config.md").read_text() == page, "run: python docs/make_config.py"


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert aen.__version__ == project["version"]
    assert "Typing :: Typed" in project["classifiers"]
    for package in ("aen", "envs/aen_envs", "agents/aen_agents"):
        assert (ROOT / package / "py.typed").is_file()
