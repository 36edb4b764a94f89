"""With which config a run goes on, and which starts leave no run."""

import json
from pathlib import Path

import pytest
import yaml
from helpers.broken_runs import rows

from aen._typing import JsonDict
from aen.errors import RunFolderError, StoreError
from aen.results.store import ResultStore
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Visited
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search


def interrupt(event: Event) -> None:
    if isinstance(event, Visited) and event.visits == 2:
        raise KeyboardInterrupt


def begin(config: SearchConfig, path: Path) -> RunFolder:
    folder = RunFolder.create(config, path)
    with pytest.raises(KeyboardInterrupt):
        Search(config, interrupt).run(folder)
    return folder


def edit(folder: RunFolder, *values: tuple[str, str, object]) -> None:
    content = yaml.safe_load(folder.config_file.read_text())
    for section, key, value in values:
        (content[section] if section else content)[key] = value
    folder.config_file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=7"], "seed is 7 here, 0 there. A resumed run may change only evaluator.workers"),
        (["evaluator=ray"], "evaluator.kind is ray here, local there."),
        (
            ["store=elsewhere.sqlite"],
            "store has different values here and there. If the database was moved, change store in",
        ),
        (["sed=7"], "unknown key 'sed' (did you mean 'seed'?)"),
    ],
)
def test_what_changes_results_is_refused_at_once(
    words: list[str], message: str, tiny_config: SearchConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    before = sorted(folder.path.rglob("*"))
    assert main(["resume", str(folder.path), *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""  # nothing was loaded for it
    assert sorted(folder.path.rglob("*")) == before


def test_an_edited_config_is_noticed_by_any_agent(
    exhaustive_config: SearchConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(exhaustive_config, tmp_path / "run")
    edit(folder, ("", "seed", 3), ("training", "learning_rate", 0.25))
    assert main(["resume", str(folder.path)]) == 2
    said = capsys.readouterr().err
    assert (
        "config.yaml was edited: seed is 3 now, 0 when the run was started; training.learning_rate is 0.25 now" in said
    )


def test_what_says_where_may_be_edited(tiny_config: SearchConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    edit(folder, ("evaluator", "workers", 1), ("", "store", str(tmp_path / "moved.sqlite")))
    assert RunFolder.create(folder.config(), folder.path).config().store == str(tmp_path / "moved.sqlite")


def test_a_run_without_the_config_of_its_start_goes_on_and_keeps_it_from_then_on(
    tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    folder.version_file.write_text('{"version": 1, "aen": "0.0.9"}')
    RunFolder.create(tiny_config, folder.path)
    assert json.loads(folder.version_file.read_text())["aen"] == "0.0.9"
    edit(folder, ("", "seed", 3))
    with pytest.raises(RunFolderError, match=r"config\.yaml was edited: seed is 3 now, 0 when"):
        RunFolder.create(folder.config(), folder.path)
    head = json.loads(folder.version_file.read_text())
    del head["config"]["debug"]  # as if that key had come later
    folder.version_file.write_text(json.dumps(head))
    edit(folder, ("", "seed", 0))
    RunFolder.create(tiny_config, folder.path)


def test_a_run_goes_on_elsewhere_without_its_damaged_store_and_comes_to_the_same(
    finished: tuple[RunFolder, JsonDict],
    tiny_config: SearchConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = begin(tiny_config, tmp_path / "run")
    folder.store_file.write_bytes(b"\0" * 5000)
    before = set(folder.path.rglob("*"))
    assert main(["resume", str(folder.path)]) == 2
    assert "put a copy of it back, or move it away: what it held is trained again" in capsys.readouterr().err
    assert before <= set(folder.path.rglob("*"))
    folder.store_file.unlink()
    written = folder.config_file.read_bytes()
    assert main(["resume", str(folder.path), "evaluator.workers=1"]) == 0
    told = "resuming with evaluator.workers=1; the run was started with null"
    assert told in " ".join(capsys.readouterr().out.split())
    assert told in (folder.path / "log.jsonl").read_text()
    assert folder.config_file.read_bytes() == written
    summary = folder.summary()
    assert summary is not None
    assert (summary["winner"], summary["notices"]) == (finished[1]["winner"], finished[1]["notices"])
    assert folder.history_file.read_bytes() == finished[0].history_file.read_bytes()
    assert rows(folder) == rows(finished[0])


NOWHERE = ["evaluator=ray", "cluster.address=127.0.0.1:1", "cluster.connect_timeout=1"]


@pytest.mark.parametrize(
    ("there", "left"), [((), []), (("out",), ["out"])], ids=["nothing was there", "an empty folder was there"]
)
@pytest.mark.parametrize("refused", [["store=foo://x"], NOWHERE], ids=["store", "cluster"])
def test_a_refused_start_leaves_what_was_there(
    refused: list[str],
    there: tuple[str, ...],
    left: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(Path("configs/digits.yaml").resolve())
    monkeypatch.chdir(tmp_path)
    for folder in there:
        Path(folder).mkdir()
    out = ["--out", "out"] if there else ["--out", "runs/deep/one"]
    assert main(["search", config, *refused, *out]) == 2
    assert "aen: error: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == left


def test_a_start_that_is_refused_in_a_run_leaves_the_run(tiny_config: SearchConfig, tmp_path: Path) -> None:
    folder = begin(tiny_config, tmp_path / "run")
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    RunFolder.create(tiny_config, folder.path).discard()
    folder.discard()  # the process that made it, too: something was trained
    RunFolder.create(tiny_config, tmp_path / "new")  # by another process, perhaps
    again = RunFolder.create(tiny_config, tmp_path / "new")
    again.discard()
    assert again.config_file.is_file()
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}.keys() == before.keys()


@pytest.mark.parametrize("what", ["weights/a.safetensors", "notes.txt", "results"])
def test_what_is_in_a_folder_is_never_discarded(what: str, tiny_config: SearchConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    if what == "results":
        folder.store_file.write_bytes(b"damaged: nobody knows what was in it")
        with pytest.raises(StoreError):
            ResultStore(folder.store_file)
    else:
        (folder.path / what).write_text("mine")
    folder.discard()
    assert folder.config_file.is_file()
