"""Why a path is no run folder, and which one was meant."""

from pathlib import Path

import pytest

from aen_agents.runs.folder_hints import did_you_mean_folder, why_not_a_run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine", "digits-20260101-120000-ab", "digits-20260102-120000-aa", "two words", ".hidden"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "minx").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("runs/min", "runs/mine"),
        ("rums/mine", "runs/mine"),
        ("rums/other", "runs"),
        ("mine", "runs/mine"),
        ("runs/digits", "runs/digits-20260102-120000-aa"),
        ("runs/two-words", "'runs/two words'"),
    ],
)
def test_the_folder_that_was_meant_is_named(path: str, meant: str) -> None:
    assert did_you_mean_folder(Path(path)) == f" (did you mean {meant}?)"
    assert why_not_a_run(Path(path)).endswith(f"there is no such folder (did you mean {meant}?).")


@pytest.mark.parametrize("path", ["elsewhere", "runs/xyz", "runs/hidden", "/nowhere/at/all"])
def test_nothing_is_guessed_where_nothing_is_like_it(path: str) -> None:
    assert did_you_mean_folder(Path(path)) == ""


def test_a_folder_of_runs_and_a_file_are_told() -> None:
    assert "it has no config.yaml; `" in why_not_a_run(Path("runs"))
    assert "list runs` lists the runs in it" in why_not_a_run(Path("runs"))
    assert "it is a file; give the folder" in why_not_a_run(Path("runs/minx"))
