import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from helpers.summaries import check_summary
from rich.console import Console

import aen
from aen._reading import sealed, unsealed
from aen._typing import JsonDict
from aen.data import Preprocessing, load_dataset, preprocessing_of
from aen.errors import DataError, RunFolderError
from aen.results.search_result import SearchResult
from aen.results.statement import Kind
from aen.training import measure
from aen_agents.agents import selection
from aen_agents.agents.selection import fresh_seeds
from aen_agents.cli.console import print_verdict
from aen_agents.config import BudgetConfig, SearchConfig
from aen_agents.events import Event, Notice, Retrained, StageStarted, Visited
from aen_agents.problem import child_of
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]
TIMES = {"seconds", "finished_at"}


def table(folder: RunFolder) -> list[dict[str, object]]:
    with sqlite3.connect(folder.store_file) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("select * from evaluations order by key").fetchall()
    return [{name: row[name] for name in row.keys() if name not in TIMES} for row in rows]  # noqa: SIM118


def figures(summary: JsonDict) -> JsonDict:
    return {name: value for name, value in summary.items() if name not in ("seconds", "children_trained_in_all")}


def test_a_run_folder_holds_everything(finished: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = finished
    for name in (
        "run.json",
        "config.yaml",
        "results.sqlite",
        "history.jsonl",
        "summary.json",
        "report.html",
        "agent/dqn.zip",
    ):
        assert (folder.path / name).is_file(), name
    assert list((folder.path / "tensorboard").glob("events*"))
    assert json.loads(folder.summary_file.read_text()).items() >= summary.items()
    check_summary(folder.path)
    assert folder.config().model_dump() == SearchConfig.model_validate(folder.config().model_dump()).model_dump()


def test_summary_says_what_was_found(finished: tuple[RunFolder, JsonDict]) -> None:
    _, summary = finished
    assert summary["status"] == "complete"
    assert summary["selection_seeds"] == fresh_seeds(0, 2)
    assert 0 not in summary["selection_seeds"]
    for role in ("winner", "baseline"):
        row = summary[role]
        for what in ("validation", "test"):
            low, high = row[f"{what}_accuracy_interval"]
            assert low <= row[f"{what}_accuracy_mean"] <= high
            assert len(row[f"{what}_accuracies"]) == 2
    assert summary["baseline"]["decomposition"] == "none"
    assert summary["baseline"]["parameters"] == 64 * 64 + 64 + 64 * 10 + 10
    means = [row["validation_accuracy_mean"] for row in summary["selection"]]
    assert means == sorted(means, reverse=True)
    assert summary["winner"]["class_key"] == summary["selection"][0]["class_key"]
    assert summary["classes_visited"] == 6
    hidden = summary["hidden_group"]
    assert hidden["group"] == "D4"
    assert 1 <= hidden["rank"] <= hidden["ranked"]


def test_selection_holds_no_test_figure(finished: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = finished
    assert "test" not in json.dumps([summary["selection"], summary["hidden_group"]])
    assert all("test" not in column for row in table(folder) for column in row)


def test_loading_a_run_gives_the_winner(finished: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = finished
    child = aen.load(folder.path)
    assert not child.training
    stored = unsealed(json.loads((folder.best / "preprocessing.json").read_text()))
    assert Preprocessing.from_json(stored) == preprocessing_of(child.spec.data)
    accuracy = measure(child, load_dataset(child.spec.data).validation).accuracy
    assert accuracy == max(summary["winner"]["validation_accuracies"])
    assert max(child.check_equivariance().values(), default=0) < 1e-5


def test_loading_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no winner"):
        aen.load(tmp_path)
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "spec.json").write_text("{")
    with pytest.raises(RunFolderError, match="damaged"):
        aen.load(tmp_path)


def test_same_seed_same_tables_and_figures(
    finished: tuple[RunFolder, JsonDict], run_search: Run, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder, summary = run_search(tiny_config, tmp_path / "again")
    assert table(folder) == table(finished[0])
    assert figures(summary) == figures(finished[1])
    assert folder.history() == finished[0].history()


def test_another_seed_another_search(
    finished: tuple[RunFolder, JsonDict], run_search: Run, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder, _ = run_search(tiny_config.model_copy(update={"seed": 1}), tmp_path / "other")
    assert [v["state"] for v in folder.history()] != [v["state"] for v in finished[0].history()]


def test_a_warm_store_changes_nothing_and_trains_nothing(
    finished: tuple[RunFolder, JsonDict], run_search: Run, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    path = tmp_path / "warm"
    folder = RunFolder.create(tiny_config, path)
    shutil.copy(finished[0].store_file, folder.store_file)
    shutil.copytree(finished[0].weights, folder.weights, dirs_exist_ok=True)
    folder, summary = run_search(tiny_config, path)
    assert summary["children_trained"] == 0
    assert folder.history() == finished[0].history()
    assert figures(summary) | {"children_trained": 0} == figures(finished[1]) | {"children_trained": 0}


def test_test_images_are_read_for_winner_baseline_and_rival_only(
    run_search: Run, tiny_config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    original = selection.measure_on_test

    def spy(result: selection.ClassResult, *args: object, **kwargs: object) -> object:
        assert (tmp_path / "spied" / "results.sqlite").is_file()
        measured.append(result.class_key)
        return original(result, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("aen_agents.agents.final_stage.measure_on_test", spy)
    _, summary = run_search(tiny_config, tmp_path / "spied")
    # The best class with symmetry and its rival, augmentation by its group, stand beside winner and baseline.
    built_in = next(r for r in summary["selection"] if r["decomposition"] != "none" and "rival" not in r)
    rival = next(r for r in summary["selection"] if "rival" in r)
    keys = {row["class_key"] for row in (summary["winner"], summary["baseline"], built_in, rival)}
    assert sorted(measured) == sorted(keys)
    assert SearchResult.from_json(summary).to_json() == summary
    assert summary["verdict"]["kind"] in get_args(Kind)


def test_an_interrupt_keeps_what_was_found_and_the_run_goes_on(
    finished: tuple[RunFolder, JsonDict], run_search: Run, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "broken")

    def interrupt_at_four(event: Event) -> None:
        if isinstance(event, Visited) and event.visits == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(tiny_config, interrupt_at_four).run(folder)
    summary = folder.summary()
    assert summary is not None
    assert summary["status"] == "interrupted"
    check_summary(folder.path)
    assert summary["classes_visited"] == 4
    assert "winner" not in summary
    build_report(folder)
    assert "interrupted" in folder.report_file.read_text()

    folder, continued = run_search(tiny_config, folder.path)
    assert continued["children_trained"] == finished[1]["children_trained"] - 4
    assert continued["children_trained_in_all"] == finished[1]["children_trained_in_all"]
    assert continued["seconds"]["in_all"] > continued["seconds"]["total"] + summary["seconds"]["total"] - 0.01
    said = io.StringIO()
    print_verdict(Console(file=said, width=200), SearchResult.from_json(continued), folder.report_file)
    assert (
        f"{finished[1]['children_trained']} children trained in {continued['seconds']['in_all']:.0f} s"
        in said.getvalue()
    )
    assert table(folder) == table(finished[0])
    assert figures(continued) | {"children_trained": 0} == figures(finished[1]) | {"children_trained": 0}


def test_two_searches_do_not_share_a_folder(tiny_config: SearchConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "shared")
    with folder.locked(), pytest.raises(RunFolderError, match="another search is running"):
        Search(tiny_config, lambda _: None).run(folder)


def test_the_history_of_a_broken_run_is_the_beginning_of_the_whole(
    finished: tuple[RunFolder, JsonDict], tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "twice")
    for stop in (4, 2):

        def interrupt(event: Event, stop: int = stop) -> None:
            if isinstance(event, Visited) and event.visits == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Search(tiny_config, interrupt).run(folder)
        lines = folder.history()
        assert lines[-1]["visits"] == stop
        assert lines == finished[0].history()[: len(lines)]


def test_an_agent_that_never_learnt_is_noticed(tiny_config: SearchConfig, tmp_path: Path) -> None:
    config = SearchConfig.model_validate(tiny_config.model_dump() | {"agent": {"learn_after": 500}})
    summary = Search(config, lambda _: None).run(RunFolder.create(config, tmp_path / "lazy")).to_json()
    assert any("never learnt" in notice for notice in summary["notices"])


def test_a_search_that_runs_out_of_steps_says_so(tiny_config: SearchConfig, tmp_path: Path) -> None:
    config = tiny_config.model_copy(update={"budget": BudgetConfig(children=6, steps=5)})
    events: list[Event] = []
    folder = RunFolder.create(config, tmp_path / "short")
    summary = Search(config, events.append).run(folder).to_json()
    notice = next(e.text for e in events if isinstance(e, Notice) and "exploring" in e.text)
    assert notice.startswith("exploring ended after 5 steps (budget.steps): ")
    assert f": {summary['classes_visited']} of 6 children;" in notice
    assert notice in summary["notices"]


def test_events_tell_the_story(tiny_config: SearchConfig, tmp_path: Path) -> None:
    events: list[Event] = []
    Search(tiny_config, events.append).run(RunFolder.create(tiny_config, tmp_path / "told"))
    assert [e.name for e in events if isinstance(e, StageStarted)] == ["explore", "select", "rival", "compare"]
    stages = [e.total for e in events if isinstance(e, StageStarted)]
    assert len([e for e in events if isinstance(e, Retrained)]) == sum(stages[1:])
    assert max(e.visits for e in events if isinstance(e, Visited)) == stages[0]


def test_generators_with_different_orders_are_noticed(tiny_config: SearchConfig, tmp_path: Path) -> None:
    config = tiny_config.model_copy(update={"alphabet": ("rot90", "vshift(2)")})
    config = SearchConfig.model_validate(config.model_dump() | {"child": {"hidden": [12]}})
    events: list[Event] = []
    summary = Search(config, events.append).run(RunFolder.create(config, tmp_path / "orders")).to_json()
    notice, look = [e.text for e in events if isinstance(e, Notice)]
    assert look == "The images themselves look the same after quarter turns."
    assert "vshift(2) has order 4 on 8x8, 6 on 12x12" in notice
    assert "such as vshift(1/4), has one order on every grid; alphabet=quarter" in notice
    assert summary["notices"] == [notice]


def test_your_own_generators_can_be_searched(tiny_config: SearchConfig, tmp_path: Path) -> None:
    spin = [(i + 32) % 64 for i in range(64)]
    changes = {"alphabet": ["rot90", "spin"], "generators": {"spin": [spin]}}
    config = SearchConfig.model_validate(tiny_config.model_dump() | changes)
    folder = RunFolder.create(config, tmp_path / "spin")
    summary = Search(config, lambda _: None).run(folder).to_json()
    assert summary["classes"] == 4
    assert summary["stopped_because"] == "every class is known"
    assert folder.config().generators == config.generators
    assert aen.load(folder.path).spec.class_key == summary["winner"]["class_key"]


def test_the_search_child_is_untied(tiny_config: SearchConfig) -> None:
    assert child_of(tiny_config).decomposition.name == "none"


def test_the_training_images_are_tested_once_before_exploring(
    tiny_config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def recorded(images: torch.Tensor, *arguments: object, **options: object) -> object:
        seen.append(len(images))
        return aen.symmetry_test(images, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("aen_agents.search.symmetry_test", recorded)
    folder = RunFolder.create(tiny_config, tmp_path / "look")
    events: list[Event] = []
    result = Search(tiny_config, events.append).run(folder)
    assert seen == [tiny_config.data.train]  # never a validation or test image
    test = result.symmetry_test
    assert test is not None
    assert [row.factor.name for row in test.rows] == list(tiny_config.alphabet)
    assert result.seconds.symmetry_test is not None
    assert folder.symmetry_test() == test
    assert SearchResult.from_json(result.to_json()) == result
    places = [i for i, e in enumerate(events) if isinstance(e, Notice) and e.text == test.sentence()]
    assert places[0] < next(i for i, e in enumerate(events) if isinstance(e, Visited | StageStarted))

    build_report(folder)
    assert test.sentence() in folder.report_file.read_text()
    console = Console(file=io.StringIO(), width=200)
    print_verdict(console, result, folder.report_file)
    assert f"before training: {test.sentence()}" in console.file.getvalue()  # type: ignore[attr-defined]

    folder.summary_file.unlink()
    resumed = Search(tiny_config, lambda _: None).run(folder)
    assert len(seen) == 1
    assert (resumed.symmetry_test, resumed.seconds.symmetry_test) == (test, None)

    others = sealed(test.to_json() | {"run_id": "0" * 16})
    for content, why in (("{}", "is damaged"), (json.dumps(others), "belongs to another run")):
        folder.symmetry_test_file.write_text(content)
        with pytest.raises(RunFolderError, match=rf"symmetry_test.json {why}.*Move it away"):
            Search(tiny_config, lambda _: None).run(folder)


def test_the_test_of_the_images_changes_no_result_of_a_dqn_and_can_be_left_out(
    tiny_config: SearchConfig, finished: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    config = tiny_config.model_copy(update={"symmetry_test": False})
    folder = RunFolder.create(config, tmp_path / "blind")
    summary = Search(config, lambda _: None).run(folder).to_json()
    assert not folder.symmetry_test_file.exists()
    assert figures(finished[1]).keys() - figures(summary).keys() == {"symmetry_test"}
    assert {name: value for name, value in figures(finished[1]).items() if name != "symmetry_test"} == figures(summary)
    assert table(folder) == table(finished[0])
    build_report(folder)
    assert "What the images say" not in folder.report_file.read_text()
    assert "What the images say" in finished[0].report_file.read_text()


def test_images_that_cannot_be_tested_are_searched_all_the_same(
    tiny_config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> object:
        raise DataError("images are constant.")

    monkeypatch.setattr("aen_agents.search.symmetry_test", refused)
    events: list[Event] = []
    result = Search(tiny_config, events.append).run(RunFolder.create(tiny_config, tmp_path / "constant"))
    assert (result.status, result.symmetry_test) == ("complete", None)
    assert Notice("the images were not tested for symmetries: images are constant.") in events
