"""docs/make_leaderboard.py: the page of a comparison."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from helpers.small_tables import write_tables

from aen_agents.cli.main import main

SCRIPT = Path(__file__).parents[3] / "docs" / "make_leaderboard.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_leaderboard", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("leaderboard")
    tables = write_tables(place / "tables", "digits-01", "digits-02")
    words = ["--tables", "digits-01", "digits-02", "--folder", str(tables), "--seeds", "4", "--children", "8"]
    assert main(["compare", "random", "exhaustive", *words, "--workers", "1", "--out", str(place / "out")]) == 0
    return place / "out"


def test_the_page_has_the_figures_of_the_comparison(script, compared, tmp_path):
    page = tmp_path / "leaderboard.md"
    script.main([str(compared)], page)
    text, summary = page.read_text(), json.loads((compared / "summary.json").read_text())
    best = summary["agents"][0]
    assert f"| {best['agent']} | " in text
    assert f"{100 * best['area_children'][0]:.2f} (" in text
    assert f"{summary['pairs'][0]['probability']:.2f}" in text
    assert ".venv/bin/aen compare random exhaustive --tables digits-01 digits-02 --seeds 4" in text
    assert "--out FOLDER" in text
    assert (tmp_path / "images" / "leaderboard.svg").read_text().startswith("<svg ")


def test_what_was_written_by_hand_stays(script, compared, tmp_path):
    page = tmp_path / "leaderboard.md"
    script.main([str(compared)], page)
    text = page.read_text().replace("<!-- note -->\n", "<!-- note -->\nRead this first.\n")
    page.write_text(text)
    script.main([str(compared)], page)
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "has no summary.json"), ("{", "is damaged"), ('{"version": 99}', "has version 99, not 1")],
)
def test_another_folder_is_refused(script, tmp_path, content, message):
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(SystemExit, match=message):
        script.main([str(tmp_path)], tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists()
