"""Configs are found by path and by the name of a preset, and the documentation names only those that exist."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from aen.errors import ConfigError
from aen_agents.cli.main import main
from aen_agents.config import PROJECT_CONFIGS, find_config, list_presets, load_config
from aen_agents.config.former_presets import FORMER
from aen_agents.config.presets import headline
from aen_agents.sweep.config import find_search, load_sweep
from aen_agents.sweep.plan import make_trials

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILES = {path.relative_to(PROJECT_CONFIGS).as_posix() for path in PROJECT_CONFIGS.rglob("*.yaml")}


@pytest.mark.parametrize("name", ["digits", "digits.yaml", "gcnn/digits", "gcnn/digits.yaml"])
def test_a_preset_is_found_by_its_name(name: str) -> None:
    assert find_config(name) == PROJECT_CONFIGS / f"{name.removesuffix('.yaml')}.yaml"
    assert load_config(name) == load_config(find_config(name))


def test_presets_are_kept_apart_by_what_they_are() -> None:
    assert find_config("sweeps/digits_seeds", "sweep") == find_config("digits_seeds", "sweep")
    assert set(list_presets("agent")) == {path.stem for path in (PROJECT_CONFIGS / "agents").iterdir()}
    assert not any(name.startswith(("agents/", "sweeps/")) for name in list_presets())
    assert len({*list_presets().values(), *list_presets("agent").values(), *list_presets("sweep").values()}) == len(
        FILES
    )


def test_an_existing_path_comes_before_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits").write_text("name: own\n")
    assert load_config("digits").name == "own"
    Path("digits").unlink()
    Path("digits").mkdir()  # a folder is no config: the preset is used
    assert load_config("digits").name == "digits"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("digitz", "config digitz does not exist (did you mean 'digits'?). Give a YAML file or a preset"),
        ("gcnn/digit", "did you mean 'gcnn/digits'?"),
        ("elsewhere/configs/gcnn/digit.yaml", "did you mean 'gcnn/digits'?"),
        ("mne.yaml", "did you mean 'mine.yaml'?"),
        (
            "no such thing at all",
            "no such thing at all does not exist. Give a YAML file or a preset; aen configs lists",
        ),
        ("folder", "config folder is a folder; give a YAML file or a preset"),
        (
            "digits_seeds",
            "there is no search 'digits_seeds', but there is a sweep of that name: aen sweep digits_seeds",
        ),
        ("sweeps/digits_seeds", "but there is a sweep of that name: aen sweep digits_seeds"),
        ("../configs/digits", "does not exist"),  # names lead to no other folder
    ],
)
def test_what_is_not_found_has_a_remedy(given: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aen_agents.config.presets.command", lambda: "aen")
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("name: mine\n")
    Path("folder").mkdir()
    with pytest.raises(ConfigError) as error:
        load_config(given)
    assert said in str(error.value)


def test_a_sweep_is_found_by_its_name_and_finds_its_search_by_name(tmp_path: Path) -> None:
    assert load_sweep("digits_seeds").name == "digits-seeds"
    with pytest.raises(ConfigError, match=r"there is no sweep 'digits', but there is a search of that name"):
        load_sweep("digits")
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nsearch: gcnn/digits\ngrid: {seed: [0, 1]}\n")
    sweep = load_sweep(file)
    assert [trial.config.child.kind for trial in make_trials(sweep, find_search(sweep, tmp_path))] == ["gcnn"] * 2


@pytest.mark.parametrize("name", FORMER)
def test_a_former_preset_names_its_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aen_agents.config.presets.command", lambda: "aen")
    assert name not in list_presets()
    message = f"aen search {' '.join(FORMER[name])}"
    for given in (name, f"configs/{name}.yaml"):
        with pytest.raises(ConfigError) as error:
            load_config(given)
        assert str(error.value).endswith(message)
    assert f"\n{message}\n" in (ROOT / "docs" / "presets.md").read_text()


@pytest.mark.parametrize("words", [["configs"], ["configs", "list"], ["presets"]])
def test_presets_are_listed_with_their_first_comment_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    presets = list_presets() | list_presets("sweep") | list_presets("agent")
    width = max(map(len, presets))
    for name, path in presets.items():
        said = headline(path)
        assert said.endswith("."), path
        assert f"  {name:{width}}  {said}" in lines
        assert len(said) <= 100


@pytest.mark.parametrize("words", [["search"], ["sweep"]])
def test_a_command_without_a_config_says_how_to_list_them(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "no config is given" in (said := capsys.readouterr().err)
    assert "configs lists the presets" in said


def test_the_wheel_holds_the_presets() -> None:
    builder = WheelBuilder(str(ROOT))
    forced = builder.config.force_include
    assert {Path(source).resolve(): target for source, target in forced.items()} == {
        PROJECT_CONFIGS: "aen_agents/presets"
    }


@pytest.mark.slow
def test_an_installed_wheel_searches_by_the_name_of_a_preset(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheels, target, empty = (tmp_path / name for name in ("wheels", "target", "empty"))
    for path in (wheels, target, empty):
        path.mkdir()
    build = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(wheels), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in held if name.endswith("/METADATA"))
    assert {name.removeprefix("aen_agents/presets/") for name in held if "/presets/" in name} == FILES
    assert {"aen/py.typed", "aen_envs/py.typed", "aen_agents/py.typed"} <= held
    assert {"Classifier: Typing :: Typed", "Provides-Extra: escnn"} <= set(metadata.splitlines())
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)], check=True)

    environment = os.environ | {"PYTHONPATH": str(target), "COLUMNS": "200"}
    code = "import sys, aen_agents; print(aen_agents.__file__); from aen_agents.cli.main import main; sys.exit(main())"
    small = ["data.train=100", "data.validation=100", "data.test=100", "training.epochs=1", "child.hidden=[8]"]
    small += ["alphabet=[rot90, hflip]", "budget.children=4", "selection.seeds=2", "selection.top=2"]
    command = [sys.executable, "-c", code, "search", "digits", *small, "--out", "run"]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(target))
    assert "name: digits\n" in (empty / "run" / "config.yaml").read_text()
    assert (empty / "run" / "summary.json").is_file()
    for words in (["search", "digits.yaml", *small, "--out", "again"], ["configs", "copy", "sweeps/digits_seeds"]):
        subprocess.run([*command[:3], *words], cwd=empty, env=environment, capture_output=True, check=True)
    assert (empty / "digits_seeds.yaml").is_file()
