"""History and store are two records of one run: what one of them has lost is trained again, and that is said."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import aen
from aen._typing import JsonDict
from aen.errors import StoreError
from aen.results.store import ResultStore
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Notice
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.shared_weights import weights_beside
from aen_agents.search import Search

Finished = tuple[RunFolder, JsonDict]


def rows(store: Path) -> dict[str, float]:
    with ResultStore(store, create=False) as opened:
        return {e.key: e.validation_accuracy for e in opened.outcomes()}


def execute(store: Path, statement: str) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute(statement)


def copied(finished: Finished, path: Path) -> RunFolder:
    shutil.copytree(finished[0].path, path)
    return RunFolder(path)


def resumed(folder: RunFolder) -> tuple[JsonDict, list[str]]:
    notices = []

    def listener(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    return Search(folder.config(), listener).run(folder).to_json(), notices


LOSSES: dict[str, Callable[[RunFolder], object]] = {
    "the whole store": lambda folder: folder.store_file.unlink(),
    # As after a power failure or the removal of the write-ahead log: a store that ends earlier.
    "its last rows": lambda folder: execute(
        folder.store_file, "DELETE FROM evaluations WHERE rowid > (SELECT max(rowid) / 3 FROM evaluations)"
    ),
    "its first rows": lambda folder: execute(folder.store_file, "DELETE FROM evaluations WHERE rowid < 4"),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("agent", ["dqn", "exhaustive"])
def test_what_the_store_has_lost_is_trained_again(
    lose: Callable[[RunFolder], object], agent: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    finished: Finished = request.getfixturevalue("finished" if agent == "dqn" else "exhausted")
    folder = copied(finished, tmp_path / "run")
    folder.summary_file.unlink()  # as of a run that was killed
    lose(folder)
    before = rows(folder.store_file) if folder.store_file.exists() else {}
    summary, notices = resumed(folder)
    wanted = rows(finished[0].store_file)
    assert rows(folder.store_file) == wanted
    assert summary["children_trained"] == len(wanted) - len(before)
    assert summary["winner"] == finished[1]["winner"]
    assert any("of the history" in text and "trained again" in text for text in notices)


def test_a_run_that_lost_nothing_says_nothing(finished: Finished, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "run")
    folder.summary_file.unlink()
    summary, notices = resumed(folder)
    assert summary["children_trained"] == 0
    assert not any("again" in text for text in notices)


DAMAGE: dict[str, tuple[Callable[[RunFolder], object], str]] = {
    "store": (lambda folder: folder.store_file.unlink(), "is missing"),
    "a child of the selection": (
        lambda folder: execute(folder.store_file, "DELETE FROM evaluations WHERE seed >= 1000000"),
        "not in its store",
    ),
    "best": (lambda folder: shutil.rmtree(folder.best), "does not exist"),
    "weights of best": (
        lambda folder: (folder.best / "weights.safetensors").write_bytes(b"\0" * 100),
        "weights.safetensors is damaged",
    ),
    "spec of best": (lambda folder: (folder.best / "spec.json").write_text("{"), "spec.json is damaged"),
}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(*case, id=name, marks=pytest.mark.slow if name in ("best", "spec of best") else ())
        for name, case in DAMAGE.items()
    ],
)
def test_a_complete_run_that_lost_something_is_resumed(
    damage: Callable[[RunFolder], object],
    said: str,
    finished: Finished,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = copied(finished, tmp_path / "run")
    damage(folder)
    if said.startswith("weights"):
        with pytest.raises(StoreError, match=f"aen resume {folder.path}"):
            aen.load(folder.path)
    assert main(["resume", str(folder.path)]) == 0
    assert said in "".join(capsys.readouterr().out.splitlines())
    assert aen.load(folder.path).spec == aen.load(finished[0].path).spec
    assert rows(folder.store_file) == rows(finished[0].store_file)
    assert main(["resume", str(folder.path)]) == 0
    assert "nothing was run" in capsys.readouterr().out


@pytest.mark.parametrize("which", ["zeroed", "missing", "flipped"])
def test_damaged_weights_are_trained_again_and_named_once(which: str, finished: Finished, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "run")
    folder.summary_file.unlink()
    file = sorted(folder.weights.iterdir())[1]
    content = file.read_bytes()
    if which == "missing":
        file.unlink()
    else:
        file.write_bytes(bytes(len(content)) if which == "zeroed" else content[:-9] + b"\xff" + content[-8:])
    summary, notices = resumed(folder)
    assert file.read_bytes()[-9:] == content[-9:]
    assert summary["children_trained"] == 1
    assert summary["winner"] == finished[1]["winner"]
    (said,) = (text for text in notices if "again" in text)
    assert str(file) in said


def test_searches_with_one_store_share_its_weights_and_train_nothing_twice(
    tiny_config: SearchConfig, tmp_path: Path
) -> None:
    store = tmp_path / "shared.sqlite"
    config = tiny_config.model_copy(update={"store": f"sqlite:///{store}"})
    trained = []
    for name in ("one", "other"):
        folder = RunFolder.create(config, tmp_path / name)
        trained.append(Search(config, lambda _: None).run(folder).children_trained)
        assert not any(folder.weights.iterdir())
        assert (folder.best / "weights.safetensors").is_file()
    assert trained == [len(rows(store)), 0]
    weights = weights_beside(str(store))
    assert weights is not None
    # What no result names is removed once no search uses the store.
    (weights / "left.safetensors").touch()
    kept = {file.name for file in weights.glob("*.safetensors")} - {"left.safetensors"}
    folder = RunFolder.create(config, tmp_path / "third")
    Search(config, lambda _: None).run(folder)
    assert {file.name for file in weights.glob("*.safetensors")} == kept
    # A run whose store is lost is resumed as one with a store of its own.
    store.unlink()
    assert main(["resume", str(folder.path)]) == 0
    assert len(rows(store)) == trained[0]


def test_weights_of_an_earlier_version_in_the_run_folder_are_taken_over(finished: Finished, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path / "run")
    store = tmp_path / "shared.sqlite"
    shutil.move(folder.store_file, store)
    config = folder.config().model_copy(update={"store": str(store)})
    folder.config_file.write_text(config.to_yaml())
    folder.summary_file.unlink()
    summary, notices = resumed(folder)
    assert summary["children_trained"] == 0
    assert not any("again" in text for text in notices)
