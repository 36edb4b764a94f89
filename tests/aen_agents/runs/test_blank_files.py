"""Files without content, as a power cut leaves those that earlier versions wrote without syncing them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.broken_runs import assert_same_run

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.runs.folder import RunFolder

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]
BLANK = {"empty": b"", "zeros": b"\0" * 500}
blanks = pytest.mark.parametrize("blank", BLANK.values(), ids=BLANK)


@pytest.fixture
def copy(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> RunFolder:
    """A run that lacks only its summary."""
    shutil.copytree(finished[0].path, tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    return RunFolder(tmp_path / "run")


ALL = [
    ["config.yaml"],
    ["run.json"],
    ["summary.json"],
    ["symmetry_test.json"],
    ["config.yaml", "summary.json", "status.json", "log.jsonl", "report.html", "best/spec.json"],
    ["run.json", "history.jsonl"],
]
# The fast tests have every file once, and the files that are read in different ways with both.
SLOW = [("zeros", ALL[2]), ("zeros", ALL[3]), ("empty", ALL[4]), ("empty", ALL[5])]


@pytest.mark.parametrize(
    ("blank", "names"),
    [
        pytest.param(
            content, names, id=f"{'+'.join(names)}-{blank}", marks=pytest.mark.slow if (blank, names) in SLOW else ()
        )
        for names in ALL
        for blank, content in BLANK.items()
    ],
)
def test_a_run_with_blank_files_is_resumed(
    copy: RunFolder, finished: tuple[RunFolder, JsonDict], names: list[str], blank: bytes
) -> None:
    for name in names:
        (copy.path / name).write_bytes(blank)
    assert main(["resume", str(copy.path)]) == 0
    assert_same_run(copy, finished[0])
    assert copy.config() == finished[0].config()


@blanks
def test_the_summary_of_a_run_whose_run_json_is_blank_is_read(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path, blank: bytes
) -> None:
    shutil.copytree(finished[0].path, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(blank)
    assert main(["resume", str(tmp_path / "run")]) == 0
    assert RunFolder(tmp_path / "run").summary() == finished[0].summary()


@blanks
def test_a_start_that_was_cut_in_its_first_files_is_started_again(
    tiny_config: SearchConfig, tmp_path: Path, blank: bytes
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", "config.yaml.12-0123abcd.part", "config.yaml", "run.json"):
        (folder / name).write_bytes(blank)
        assert RunFolder.create(tiny_config, folder).config() == tiny_config
        shutil.rmtree(folder)
        folder.mkdir()


@blanks
def test_results_of_a_config_that_is_lost_are_not_mixed_with_others(
    copy: RunFolder, tiny_config: SearchConfig, capsys: pytest.CaptureFixture[str], blank: bytes
) -> None:
    for file in (copy.config_file, copy.version_file):
        file.write_bytes(blank)
    with pytest.raises(RunFolderError, match=r"are blank, so that it is not known .* choose another --out"):
        RunFolder.create(tiny_config, copy.path)
    assert main(["resume", str(copy.path)]) == 2
    assert "resume with the config of the run" in capsys.readouterr().err
    assert copy.config_file.read_bytes() == blank


def test_another_config_is_refused_where_config_yaml_is_blank(copy: RunFolder, tiny_config: SearchConfig) -> None:
    copy.config_file.write_bytes(b"")
    with pytest.raises(RunFolderError, match="belongs to a run with another config"):
        RunFolder.create(tiny_config.model_copy(update={"seed": 7}), copy.path)
    copy.store_file.unlink()  # so that its store is not known
    with pytest.raises(RunFolderError, match=r"config\.yaml is blank"):
        copy.restore_config()
