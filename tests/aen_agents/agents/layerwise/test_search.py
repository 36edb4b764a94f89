"""Small real searches that give each layer a group of its own, through the command line."""

import contextlib
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.overrides import changed
from helpers.summaries import check_summary

import aen
from aen._typing import JsonDict
from aen.children import EquiNASChild, EquiNASSpec
from aen.data import load_dataset
from aen.training import measure
from aen_agents.cli.main import main
from aen_agents.config import load_config
from aen_agents.events import Event, SliceTrained, StageStarted
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

CONFIG = "configs/equinas/digits_e.yaml"
TINY = [
    *("data.train=64", "data.validation=64", "data.test=64", "child.width=1", "child.dense=8", "training.epochs=2"),
    *("evaluator.workers=1", "debug=true"),
]
EVOLVES = [
    *TINY,
    *("agent.generations=1", "agent.population=2", "agent.seeds=1", "agent.subgroups=[D4, C4, C1]"),
    "agent.baselines=[static_d4, random_steps]",
]
DIFFERENTIATES = [
    *TINY,
    "agent={name: equinas_d, seeds: 2, subgroups: [D4, C1], baselines: [rpp]}",
]
METHODS = {
    "equinas_e": ["equinas_e", "static_d4", "random_steps", "static_c1"],
    "equinas_d": ["equinas_d", "equinas_d_discrete", "equinas_d_warm", "rpp", "static_c1"],
}
NO_SEED_BUT_ITS_OWN = 2_000_000_000


def search(words: list[str], out: Path) -> tuple[int, str]:
    """Run the command; return its status and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(["search", CONFIG, *words, "--out", str(out)])
    return status, said.getvalue()


@pytest.fixture(scope="module")
def evolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "e"
    assert search(EVOLVES, out)[0] == 0
    return out


@pytest.fixture(scope="module")
def differentiated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "d"
    assert search(DIFFERENTIATES, out)[0] == 0
    return out


@pytest.fixture(params=["equinas_e", "equinas_d"])
def finished(request: pytest.FixtureRequest) -> tuple[Path, JsonDict]:
    """Return a finished run and its summary."""
    out: Path = request.getfixturevalue({"equinas_e": "evolved", "equinas_d": "differentiated"}[request.param])
    summary = RunFolder.open(out).summary()
    assert summary is not None
    return out, summary


COUNTS = ("seconds", "children_trained", "children_trained_in_all")


def figures(summary: JsonDict) -> JsonDict:
    return {name: value for name, value in summary.items() if name not in COUNTS}


def keys_of(value: object) -> Iterator[str]:
    """Return all keys of nested dictionaries and lists."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_the_summary_says_what_each_method_came_to(finished: tuple[Path, JsonDict]) -> None:
    out, summary = finished
    check_summary(out)
    assert summary["status"] == "complete"
    assert summary["stopped_because"] == "every method is done"
    rows = summary["methods"]
    assert [row["method"] for row in rows] == METHODS[summary["agent"]]
    means = [row["validation_accuracy_mean"] for row in summary["selection"]]
    assert means == sorted(means, reverse=True)
    assert summary["winner"]["validation_accuracy_mean"] == means[0]
    assert summary["baseline"]["method"] == "static_c1"
    seeds = [0] if summary["agent"] == "equinas_e" else [0, NO_SEED_BUT_ITS_OWN]
    for row in rows:
        assert row["seeds"] == seeds
        for name in ("keys", "layer_groups", "parameters_of_seeds", "epochs", "validation_accuracies"):
            assert len(row[name]) == len(seeds), name
        assert len(row["test_accuracies"]) == len(seeds)
        for what in ("validation", "test"):
            low, high = row[f"{what}_accuracy_interval"]
            assert 0 <= low <= row[f"{what}_accuracy_mean"] <= high <= 1
        assert row["epochs"] == [4.0 if row["method"] == "equinas_d_warm" else 2.0] * len(seeds)
        mixed = row["method"] in ("equinas_d", "rpp")
        assert [groups is None for groups in row["layer_groups"]] == [mixed] * len(seeds)
        assert ("minus_no_symmetry" in row) == (len(seeds) > 1)
    gain = summary["winner_minus_baseline"]
    for what in ("validation", "test"):
        theirs = summary["baseline"][f"{what}_accuracy_mean"]
        assert gain[f"{what}_accuracy_mean"] == pytest.approx(summary["winner"][f"{what}_accuracy_mean"] - theirs)
    json.dumps(summary, allow_nan=False)


def test_one_seed_shows_no_gain(evolved: Path) -> None:
    summary = RunFolder.open(evolved).summary()
    assert summary is not None
    gain = summary["winner_minus_baseline"]
    assert gain["test_accuracy_interval"] == gain["validation_accuracy_interval"] == [-1, 1]
    assert (gain["better_on_test"], gain["better_on_validation"]) == (False, False)
    said = "one seed gives no interval" in (evolved / "report.html").read_text()
    assert said == (summary["winner"]["method"] != "static_c1")


def test_test_figures_are_in_the_verdict_alone(finished: tuple[Path, JsonDict]) -> None:
    out, summary = finished
    with_test = {name for name, value in summary.items() if any(key.startswith("test_") for key in keys_of(value))}
    assert with_test == {"methods", "winner", "baseline", "winner_minus_baseline", "selection"}
    for line in RunFolder.open(out).history():
        assert not any("test" in key for key in keys_of(line))
    for file in (out / "agent" / "lanes").iterdir():
        assert {key for key in keys_of(json.loads(file.read_text())) if "test" in key} == {"test"}  # the data's size
    with contextlib.closing(sqlite3.connect(out / "results.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("select * from evaluations").fetchall()
    assert not any("test" in column for column in rows[0].keys())  # noqa: SIM118


def test_the_history_is_sorted_and_complete(finished: tuple[Path, JsonDict]) -> None:
    out, summary = finished
    history = RunFolder.open(out).history()
    assert len(history) == summary["steps"] == len((out / "history.jsonl").read_text().splitlines())
    seeds = summary["methods"][0]["seeds"]
    order = [(METHODS[summary["agent"]].index(e["method"]), seeds.index(e["seed"]), e["slice"]) for e in history]
    assert order == sorted(order)
    assert {(method, seed, number) for method, seed, number in order} == {
        (method, seed, number)
        for method in range(len(METHODS[summary["agent"]]))
        for seed in range(len(seeds))
        for number in (1, 2)
    }
    finals = {
        (row["method"], seed): key for row in summary["methods"] for seed, key in zip(seeds, row["keys"], strict=True)
    }
    for (method, seed), key in finals.items():
        (entry,) = [e for e in history if (e["method"], e["seed"], e["key"]) == (method, seed, key)]
        assert (entry["slice"], entry["selected"]) == (2, True)


@pytest.mark.usefixtures("pictures")
def test_the_report_has_its_pictures(finished: tuple[Path, JsonDict]) -> None:
    out, summary = finished
    build_report(RunFolder.open(out))
    html = (out / "report.html").read_text()
    titles = [
        "Accuracy by method",
        "Accuracy over training",
        "Distance from full symmetry",
        "Some of the training images",
    ]
    titles += {
        "equinas_e": ["Groups of the layers: EquiNAS_E", "Candidates of the search: EquiNAS_E"],
        "equinas_d": ["Shares of the groups: EquiNAS_D, mixed"],
    }[summary["agent"]]
    for title in titles:
        assert f"<h3>{title}</h3>" in html, title
    assert html.count("<svg") >= len(titles)
    assert all(row["title"] in html for row in summary["methods"])
    assert "interrupted" not in html


def test_loading_a_run_gives_the_winners_best_network(finished: tuple[Path, JsonDict]) -> None:
    out, summary = finished
    child = aen.load(out)
    assert isinstance(child, EquiNASChild)
    assert isinstance(child.spec, EquiNASSpec)
    assert not child.training
    accuracy = measure(child, load_dataset(child.spec.data).validation).accuracy
    assert accuracy == max(summary["winner"]["validation_accuracies"])
    assert child.spec.to_json() == summary["winner"]["spec"]
    assert child.spec.key in summary["winner"]["keys"]
    assert max(child.check_equivariance().values(), default=0) < 1e-4


def test_a_finished_search_is_not_repeated(finished: tuple[Path, JsonDict], tmp_path: Path) -> None:
    out, summary = finished
    words = EVOLVES if summary["agent"] == "equinas_e" else DIFFERENTIATES
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    status, said = search(words, copy)
    assert status == 0
    assert "nothing was run" in said
    assert f"the best on validation: {summary['winner']['title']}" in said
    assert f"{summary['children_trained_in_all']} slices trained in" in said
    # Without its summary it is concluded again, from what is there.
    (copy / "summary.json").unlink()
    assert search(words, copy)[0] == 0
    again = RunFolder.open(copy).summary()
    assert again is not None
    assert again["children_trained"] == 0
    assert figures(again) == figures(summary)
    assert (copy / "history.jsonl").read_bytes() == (out / "history.jsonl").read_bytes()


@pytest.mark.slow
def test_an_interrupted_search_has_a_report_and_goes_on(evolved: Path, tmp_path: Path) -> None:
    config = load_config(Path(CONFIG), EVOLVES)
    folder = RunFolder.create(config, tmp_path / "broken")
    seen = []

    def interrupt(event: Event) -> None:
        if isinstance(event, SliceTrained):
            seen.append(event)
            if len(seen) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(config, interrupt).run(folder)
    summary = folder.summary()
    assert summary is not None
    assert (summary["status"], summary["stopped_because"]) == ("interrupted", None)
    assert "methods" not in summary
    assert summary["steps"] == len(folder.history())
    build_report(folder)
    html = folder.report_file.read_text()
    assert "interrupted" in html
    assert "<h3>Accuracy over training</h3>" in html
    assert "<h3>Accuracy by method</h3>" not in html

    assert search(EVOLVES, folder.path)[0] == 0
    ours, theirs = folder.summary(), RunFolder.open(evolved).summary()
    assert ours is not None
    assert theirs is not None
    assert figures(ours) == figures(theirs)
    assert summary["children_trained"] + ours["children_trained"] == theirs["children_trained"]
    assert folder.history_file.read_bytes() == (evolved / "history.jsonl").read_bytes()


def test_a_method_whose_history_lacks_slices_starts_from_the_beginning(evolved: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(evolved, copy)
    (copy / "summary.json").unlink()
    lines = (copy / "history.jsonl").read_text().splitlines(keepends=True)
    (copy / "history.jsonl").write_text("".join([*lines[:-1], lines[-1][:40]]))
    status, said = search(EVOLVES, copy)
    assert status == 0
    assert "lacks slice 2 of static_c1, seed 0, which starts from the beginning" in said
    assert (copy / "history.jsonl").read_text().splitlines(keepends=True) == lines


def test_events_tell_the_story(tmp_path: Path) -> None:
    config = load_config(Path(CONFIG), changed(EVOLVES, "agent.baselines=[]", "debug=false"))
    events: list[Event] = []
    Search(config, events.append).run(RunFolder.create(config, tmp_path / "told"))
    stages = [(e.name, e.total, e.unit) for e in events if isinstance(e, StageStarted)]
    assert stages == [("explore", 4, "slices"), ("test", 2, "networks")]
    told = [(e.method, e.slice) for e in events if isinstance(e, SliceTrained)]
    assert sorted(told) == [(name, number) for name in ("equinas_e", "static_c1") for number in (1, 2)]


def test_a_search_in_which_everything_diverges_says_so(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = changed(EVOLVES, "training.learning_rate=1.0e+30", "agent.baselines=[]", "debug=false")
    for _ in range(2):
        status, said = search(words, out)
        assert status == 2
        assert "every method diverged on every seed; use a lower training.learning_rate" in said
        assert "EquiNAS_E, seed 0: all children of slice 1 diverged" in said
    assert main(["report", str(out)]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["agent.subgroups=[]"], "agent: subgroups is empty; choose from D4"),
        (["agent.subgroups=[C4]"], "but D4, with which every layer starts, is missing"),
        (
            ["child.base=C4", "agent.subgroups=published"],
            "static_d4 cannot be used with child.base=C4; leave them out",
        ),
        (["child.poolings=[9]"], "poolings is [9]; name convolutions from 1 to 8"),
        (["child.poolings=[1, 3, 5]", "child.published=true"], "too small for the published last pooling"),
        (["child.base=C8"], "base is C8, which does not act exactly on pixels"),
        (["child.kernel_size=4"], "kernel_size is 4; padding keeps the side of odd kernels only"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(words: list[str], message: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, said = search(changed(EVOLVES, *words), out)
    assert status == 2
    assert message in said
    assert not (out / "history.jsonl").exists()
