"""A few of the damages of `damaged_files.py` and of the inputs of `fuzz.py`, by the same functions."""

from pathlib import Path

import pytest
from torture.damaged_files import DAMAGES, Case, Truth, cases_of, make_runs, problems_of
from torture.fuzz import Fuzz


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("damaged")
    make_runs(folder)
    return folder, Truth.of(folder)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        *(("status.json", "link to /dev/zero"), ("summary.json", "flip"), ("history.jsonl", "folder")),
        pytest.param("status.json", "other run's", marks=pytest.mark.slow),
        pytest.param("config.yaml", "pipe", marks=pytest.mark.slow),
        pytest.param("best/spec.json", "noise", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_of_a_finished_run(file: str, damage: str, runs: tuple[Path, Truth]) -> None:
    folder, truth = runs
    assert list(problems_of(Case("finished", file, damage, 0), folder, truth, weights=False, slow=False)) == []


def test_every_file_of_both_runs_is_damaged_in_every_way(runs: tuple[Path, Truth]) -> None:
    cases = cases_of(runs[0], 0)
    assert {case.damage for case in cases} == {*DAMAGES}
    assert {case.run for case in cases} == {"finished", "interrupted"}
    assert {"run.json", "config.yaml", "history.jsonl", "results.sqlite"} <= {case.file for case in cases}
    assert len(cases) == len({*cases}) > 300


@pytest.mark.slow
@pytest.mark.parametrize("file", ["run.json", "history.jsonl", "status.json"])
def test_a_damaged_file_of_an_interrupted_run_which_is_resumed(file: str, runs: tuple[Path, Truth]) -> None:
    folder, truth = runs
    case = Case("interrupted" if file != "status.json" else "finished", file, "cut", 0)
    assert list(problems_of(case, folder, truth, weights=False)) == []


@pytest.mark.timeout(200)
@pytest.mark.parametrize("kind", ["yaml", "override", "config", "run file", "run value", "data"])
def test_random_input_gives_one_line(kind: str, runs: tuple[Path, Truth], tmp_path: Path) -> None:
    fuzz = Fuzz(tmp_path, runs[0])
    fuzz.run(kind, 30, 0)
    assert fuzz.tried >= 10
    assert fuzz.failed == []
