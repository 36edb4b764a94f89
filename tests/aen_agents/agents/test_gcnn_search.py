"""Small real searches of the G-CNN design space, with both agents."""

import io
import json
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from helpers.summaries import check_summary
from rich.console import Console

import aen
from aen._typing import JsonDict
from aen.children import GCNNSpec
from aen.errors import RunFolderError, SpecError
from aen.results.search_result import SearchResult
from aen.results.store import ResultStore
from aen_agents.cli.console import print_verdict
from aen_agents.config import SearchConfig
from aen_agents.events import Visited
from aen_agents.problem import space_of
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]

TINY: JsonDict = {
    "name": "tiny_gcnn",
    "data": {"train": 40, "validation": 60, "test": 60, "moves": ["rot90", "hflip"]},
    "child": {"kind": "gcnn", "width": 5, "padding": "same"},
    "training": {"epochs": 1, "batch_size": 20},
    "environment": {"horizon": 8, "reference": "rot90"},
    "budget": {"children": 16, "steps": 40},
    "agent": {"name": "dqn", "learn_after": 4, "batch_size": 8, "layers": [16]},
    "selection": {"top": 2, "seeds": 2},
}
WIDE: JsonDict = TINY | {"space": {"groups": ["C1", "C2", "D1d", "D4"], "kernel_sizes": [3, 5], "stage_widths": [1, 2]}}


def config(content: JsonDict, **changes: object) -> SearchConfig:
    return SearchConfig.model_validate(content | changes)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, JsonDict]:
    return run(config(TINY), tmp_path_factory.mktemp("runs") / "gcnn")


def run(wanted: SearchConfig, path: Path) -> tuple[RunFolder, JsonDict]:
    folder = RunFolder.create(wanted, path)
    summary = Search(wanted, lambda _: None).run(folder).to_json()
    build_report(folder)
    return folder, summary


def test_the_summary_says_what_was_found(searched: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = searched
    check_summary(folder.path)
    assert summary["status"] == "complete"
    assert (summary["states"], summary["classes"], summary["baseline_name"]) == (1024, 768, "plain")
    assert "closed_sets" not in summary
    assert summary["baseline"]["decomposition"] == "C1, no augmentation, x1"
    assert summary["winner"]["spec"]["kind"] == "gcnn"
    hidden = summary["hidden_group"]
    assert (hidden["group"], hidden["decomposition"]) == ("D4", "D4, no augmentation, x1")
    assert hidden["winner_has_its_group"] == (summary["winner"]["group"] == "D4")
    json.dumps(summary, allow_nan=False)


def test_the_agent_was_rewarded_by_the_reference(searched: tuple[RunFolder, JsonDict]) -> None:
    folder, _ = searched
    space = space_of(folder.config())
    rot90 = space.spec_of_moves(("rot90",))
    with ResultStore(folder.store_file) as store:
        assert rot90 is not None
        a0 = store.get(rot90.key)
    assert a0 is not None
    for visit in folder.history():
        if visit["step"]:
            assert visit["reward"] == pytest.approx(visit["accuracy"] - a0.validation_accuracy)


def test_factors_are_those_of_the_classes_met(searched: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = searched
    factors = summary["factors"]
    met = {visit["class_key"]: visit for visit in folder.history()}
    assert factors["children"] == len(met) == summary["classes_visited"]
    assert list(factors["reference"]) == [share["factor"] for share in factors["shares"]]
    assert factors["reference"]["group"] == "C1"
    groups = [visit["group"] for visit in met.values()]
    assert {e["level"]: e["children"] for e in factors["effects"] if e["factor"] == "group"} == {
        group: groups.count(group) for group in set(groups) - {"C1"}
    }
    assert sum(share["share"] for share in factors["shares"]) == pytest.approx(factors["explained"], abs=1e-6)


def test_the_report_shows_factors_and_no_orbits(searched: tuple[RunFolder, JsonDict]) -> None:
    text = searched[0].report_file.read_text()
    assert "<h2>Effect of each choice</h2>" in text
    assert "What the winner ties together" not in text
    assert "The whole space" not in text
    assert "the plain network" in text.lower()
    assert "augment rotation" in text
    assert "untied" not in text.partition("<pre>")[0]


def test_the_verdict_is_printed(searched: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = searched
    text = io.StringIO()
    print_verdict(Console(file=text, width=200), SearchResult.from_json(summary), folder.report_file)
    assert "plain" in text.getvalue()
    assert "untied" not in text.getvalue()
    assert "the hidden group, D4 (D4, no augmentation, x1)," in text.getvalue()


def test_the_winner_can_be_loaded(searched: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = searched
    child = aen.load(folder.path)
    assert isinstance(child.spec, GCNNSpec)
    assert child.spec.class_key == summary["winner"]["class_key"]
    assert max(child.check_equivariance().values(), default=0) < 1e-4


@pytest.mark.slow  # test_search.py repeats one of dense children
def test_same_seed_same_search(searched: tuple[RunFolder, JsonDict], run_search: Run, tmp_path: Path) -> None:
    folder, summary = run_search(config(TINY), tmp_path / "again")
    assert folder.history() == searched[0].history()
    assert summary | {"seconds": None} == searched[1] | {"seconds": None}


@pytest.mark.slow
def test_dqn_walks_through_a_wide_space(tmp_path: Path) -> None:
    events = []
    wanted = config(WIDE, budget={"children": 8, "steps": 40})
    folder = RunFolder.create(wanted, tmp_path / "wide")
    summary = Search(wanted, events.append).run(folder).to_json()
    assert summary["states"] == 4 * 2**6 * 2 * 2 * 2 * 2
    space = space_of(wanted)
    children = [space.spec_of(state) for state in product(*map(range, space.sizes))]
    different = {(c.group, c.augmentations, c.fields, c.kernel_size) for c in children}
    assert summary["classes"] == len(different)
    assert len({e.state for e in events if isinstance(e, Visited)}) == summary["states_visited"]
    assert {"kernel", "stage 1", "stage 2"} < set(summary["factors"]["reference"])
    build_report(folder)
    again = Search(wanted, lambda _: None).run(RunFolder.create(wanted, tmp_path / "again")).to_json()
    assert again["winner"]["class_key"] == summary["winner"]["class_key"]


@pytest.mark.slow
def test_every_network_of_a_small_space(run_search: Run, tmp_path: Path) -> None:
    # One group alone: 64 choices of augmentations of two sizes.
    smallest = {"train": 10, "validation": 20, "test": 20, "moves": ["rot90"]}
    child = {"kind": "gcnn", "width": 2, "padding": "same"}
    agent, evaluator = {"name": "exhaustive"}, {"workers": 1}
    folder, summary = run_search(
        config(TINY, data=smallest, child=child, space={"groups": ["C1"]}, agent=agent, evaluator=evaluator),
        tmp_path / "all",
    )
    assert len(summary["space"]["classes"]) == 128
    assert summary["space"]["hidden_group"] is None
    assert any(
        "the space has no class with the hidden group of the images, C4" in notice for notice in summary["notices"]
    )
    assert summary["factors"]["children"] == 128
    assert {e["children"] for e in summary["factors"]["effects"]} == {64}
    assert "The best of all 128 networks" in folder.report_file.read_text()


def test_colour_images_can_be_searched(run_search: Run, tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    file = tmp_path / "colours.npz"
    images, labels = source.integers(0, 256, size=(90, 8, 8, 3), dtype=np.uint8), np.arange(90) % 3
    np.savez(file, images=images, labels=labels)
    data = {"name": str(file), "train": 30, "validation": 30, "test": 30}
    folder, summary = run_search(config(TINY, data=data, budget={"children": 3, "steps": 20}), tmp_path / "run")
    assert summary["winner"]["spec"]["channels"] == 3
    assert "hidden_group" not in summary
    assert "Some of the training images" in folder.report_file.read_text()


@pytest.mark.slow
def test_turns_by_any_angle_are_noticed(run_search: Run, tmp_path: Path) -> None:
    data = TINY["data"] | {"moves": ["rot90"], "angles": "any"}
    _, summary = run_search(config(TINY, data=data, budget={"children": 3, "steps": 20}), tmp_path / "angles")
    assert summary["hidden_group"]["group"] == "C4"
    assert any("turns by any angle are more than the group of rot90" in notice for notice in summary["notices"])


def test_a_group_of_moves_that_no_child_has_is_noticed() -> None:
    child = {"kind": "gcnn", "width": 2, "padding": "same", "widths": "published"}
    search = Search(config(TINY, child=child, data=TINY["data"] | {"moves": ["transpose"]}), lambda _: None)
    assert search._hidden() is None
    assert "no child of this search has the hidden group: no widths are published for 'D1d'" in (search.notices[0])


@pytest.mark.slow  # test_search.py interrupts one of dense children
def test_an_interrupted_search_has_no_factors_and_a_report(tmp_path: Path) -> None:
    wanted = config(TINY)
    folder = RunFolder.create(wanted, tmp_path / "broken")

    def interrupt(event: object) -> None:
        if isinstance(event, Visited) and event.visits == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(wanted, interrupt).run(folder)
    build_report(folder)
    assert "Effect of each choice" not in folder.report_file.read_text()
    assert "interrupted" in folder.report_file.read_text()


def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from aen.nn.steerable import loading

    loading._load.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "escnn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "escnn", None)
    data = {"name": "mnist", "train": 40, "validation": 40, "test": 40}
    child = {"kind": "gcnn", "backend": "escnn"}
    wanted = config(TINY, data=data, child=child, space={"groups": ["C1", "C8"]})
    with pytest.raises(SpecError, match="escnn"):
        Search(wanted, lambda _: None)
    loading._load.cache_clear()


def test_the_initial_weights_that_were_chosen_are_recorded(searched: tuple[RunFolder, JsonDict]) -> None:
    folder, _ = searched
    assert folder.config().child.model_dump()["initialisation"] == "published"
    RunFolder(folder.path).check(config(TINY))
    with pytest.raises(RunFolderError, match=r"child.initialisation is fan_in here, published there"):
        RunFolder(folder.path).check(config(TINY, child=TINY["child"] | {"initialisation": "fan_in"}))


@pytest.mark.parametrize("complete", [True, False])
def test_a_run_with_fan_in_goes_on_with_it_where_nothing_is_named(tmp_path: Path, complete: bool) -> None:
    content = {key: TINY[key] for key in ("name", "data", "training", "selection")} | {
        "agent": {"name": "exhaustive", "seeds": 1},
        "space": {"groups": ["C1", "D4"], "augmentations": []},
    }
    now = config(content, child=TINY["child"])
    folder, first = run(config(content, child=TINY["child"] | {"initialisation": "fan_in"}), tmp_path / "run")
    if not complete:
        (folder.path / "summary.json").unlink()
    search = Search(now, lambda _: None)
    again = RunFolder.create(now, folder.path)
    if complete:
        result = again.result()
        assert result is not None
        assert search.what_is_lost(again, result) is None
    else:
        assert search.run(again).to_json()["children_trained"] == 0
    assert again.config().child.model_dump()["initialisation"] == "fan_in"
    with ResultStore(folder.store_file) as store:
        specs = [spec for _, spec in store.evaluations()]
    assert {spec.initialisation for spec in specs if isinstance(spec, GCNNSpec)} == {"fan_in"}
    assert len(specs) == first["children_trained"]
