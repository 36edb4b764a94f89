"""The page of results is what its runs say, and keeps what was written by hand."""

import importlib.util
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from aen._typing import JsonDict
from aen.results.verdict import MethodVerdict
from aen_agents.config import load_config
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "make_results.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_results", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_run_says(
    script: ModuleType, exhausted: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    folder, summary = exhausted
    page = tmp_path / "results.md"
    script.main([str(folder.path)], page)
    text = page.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) >= 10
    for row, line in zip(summary["space"]["classes"], rows[:10], strict=False):
        assert f"| {row['rank']} | {row['decomposition']}" in line
        assert f"{row['parameters']:,} | {row['validation_accuracy_mean']:.1%}" in line
    assert text.count("**hidden group") == 1
    assert text.count("untied**") == 1
    assert f"Of 12 classes, {summary['space']['not_separated_from_best']}" in text
    assert f"{summary['winner']['test_accuracy_mean']:.1%}, untied" in text


def test_what_was_written_by_hand_stays(
    script: ModuleType, exhausted: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    page = tmp_path / "results.md"
    script.main([str(exhausted[0].path)], page)
    text = page.read_text().replace("<!-- note tiny -->\n", "<!-- note tiny -->\nA larger group wins here.\n")
    page.write_text(text)
    script.main([str(exhausted[0].path)], page)
    assert page.read_text() == text


def test_the_command_gives_the_same_config(script: ModuleType, exhausted: tuple[RunFolder, JsonDict]) -> None:
    config = exhausted[0].config()
    _, _, file, *overrides = shlex.split(script.command_of(config))
    assert load_config(Path(file), overrides) == config


def test_the_nearest_config_is_named(script: ModuleType) -> None:
    overrides = ["agent=exhaustive", "agent.seeds=5", "name=gmnist_rot90", "data.moves=[rot90]"]
    config = load_config("paper/dense", overrides)
    words = shlex.split(script.command_of(config))
    assert words[:3] == [".venv/bin/aen", "search", "paper/dense"]
    assert sorted(words[3:]) == sorted(overrides)


def test_other_runs_are_refused(
    script: ModuleType, finished: tuple[RunFolder, JsonDict], exhausted: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="is no finished run"):
        script.main([str(finished[0].path)], tmp_path / "results.md")
    with pytest.raises(SystemExit, match="is not a run folder"):
        script.main([str(tmp_path / "nowhere")], tmp_path / "results.md")
    with pytest.raises(SystemExit, match="usage"):
        script.main([], tmp_path / "results.md")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(exhausted[0].path, unfinished)
    (unfinished / "summary.json").unlink()
    with pytest.raises(SystemExit, match="is no finished run"):
        script.main([str(unfinished)], tmp_path / "results.md")
    assert not (tmp_path / "results.md").exists()


def test_methods_are_a_table_by_validation(script: ModuleType, tmp_path: Path) -> None:
    overrides = ["data.train=64", "data.validation=64", "data.test=64", "child.width=1", "child.dense=8"]
    overrides += ["training.epochs=1", "agent.generations=1", "agent.seeds=2", "agent.baselines=[static_d4]"]
    config = load_config(Path("configs/equinas/digits_e.yaml"), [*overrides, "evaluator.workers=1"])
    folder = RunFolder.create(config, tmp_path / "run")
    result = Search(config, lambda _: None).run(folder)
    assert isinstance(result.verdict, MethodVerdict)
    page = tmp_path / "results.md"
    script.main([str(folder.path)], page)
    text = page.read_text()
    assert "## equinas_e_digits" in text
    command = next(line for line in text.splitlines() if "aen search" in line)
    _, _, file, *given = shlex.split(command)
    assert load_config(Path(file), given) == folder.config()
    places = [text.index(f"| {row.title} |") for row in result.verdict.selection]
    assert places == sorted(places)
    assert len(places) == 3
    for row in result.verdict.selection:
        assert f"{row.test.mean:.1%}" in text
    assert "Groups that the search found: seed 0: " in text
