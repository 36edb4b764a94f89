"""The exhaustive agent in small real searches, and against an evaluator that finishes in any order."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.summaries import check_summary

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.groups import ClassTable, enumerate_classes
from aen.results import Evaluation
from aen.spaces import DecompositionSpace
from aen_agents.agents.base import Task
from aen_agents.agents.exhaustive import ExhaustiveExplorer
from aen_agents.agents.selection import exploring_seeds, fresh_seeds
from aen_agents.config import ExhaustiveConfig, SearchConfig
from aen_agents.events import Event, StageStarted, Trained
from aen_agents.problem import alphabet_of, child_of
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]
COUNTS = ("seconds", "children_trained", "children_trained_in_all")


def figures(summary: JsonDict) -> JsonDict:
    return {name: value for name, value in summary.items() if name not in COUNTS}


def test_every_class_is_ranked_with_its_interval(exhausted: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = exhausted
    check_summary(folder.path)
    space = summary["space"]
    rows = space["classes"]
    assert summary["agent"] == "exhaustive"
    assert len(rows) == summary["classes"] == summary["classes_visited"] == 12
    assert sum(row["states"] for row in rows) == summary["states"] == summary["states_visited"] == 16
    assert [row["rank"] for row in rows] == list(range(1, 13))
    means = [row["validation_accuracy_mean"] for row in rows]
    assert means == sorted(means, reverse=True)
    for row in rows:
        low, high = row["validation_accuracy_interval"]
        assert low <= row["validation_accuracy_mean"] <= high
        assert len(row["validation_accuracies"]) == len(space["seeds"]) == 3
        assert row["best_minus_it"]["validation_accuracy_mean"] == pytest.approx(
            means[0] - row["validation_accuracy_mean"]
        )
    assert space["not_separated_from_best"] == sum(not r["best_minus_it"]["better_on_validation"] for r in rows)
    assert summary["stopped_because"] == "every class is known"
    assert summary["steps"] == 36
    json.dumps(summary, allow_nan=False)


def test_the_datas_own_group_has_its_place(exhausted: tuple[RunFolder, JsonDict]) -> None:
    _, summary = exhausted
    own = summary["space"]["hidden_group"]
    assert own["group"] == "D4"
    assert own == summary["space"]["classes"][own["rank"] - 1]
    assert summary["hidden_group"]["rank_in_search"] == own["rank"]


def test_the_selection_takes_the_best_and_the_untied(exhausted: tuple[RunFolder, JsonDict]) -> None:
    _, summary = exhausted
    best = {row["class_key"] for row in summary["space"]["classes"][:2]}
    untied = summary["baseline"]["class_key"]
    chosen = [row for row in summary["selection"] if "rival" not in row]
    assert {row["class_key"] for row in chosen} == best | {untied}
    assert [row["rival"] for row in summary["selection"] if row not in chosen] == ["augmentation"]


def test_the_space_holds_no_test_figure(exhausted: tuple[RunFolder, JsonDict]) -> None:
    assert "test" not in json.dumps(exhausted[1]["space"])


def test_the_table_agrees_with_the_store(exhausted: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = exhausted
    lines = folder.history()
    assert len(lines) == 36
    seeds = summary["space"]["seeds"]
    for row in summary["space"]["classes"]:
        found = {line["seed"]: line["accuracy"] for line in lines if line["class_key"] == row["class_key"]}
        assert [found[seed] for seed in seeds] == row["validation_accuracies"]


@pytest.mark.parametrize("seed", [0, 7, 999_999])
def test_no_two_stages_share_a_seed(exhaustive_config: SearchConfig, seed: int) -> None:
    several = ExhaustiveConfig(seeds=1000)
    config = exhaustive_config.model_copy(update={"seed": seed, "agent": several})
    exploring = exploring_seeds(config)
    assert len(set(exploring)) == 1000
    assert exploring[0] == seed
    for other in (0, 1, seed, 999_999):
        assert not set(exploring[1:]) & {*fresh_seeds(other, 1000), other}
    assert not set(exploring) & set(fresh_seeds(seed, 1000))


def test_one_seed_says_nothing_of_differences(exhaustive_config: SearchConfig, tmp_path: Path) -> None:
    config = exhaustive_config.model_copy(update={"agent": ExhaustiveConfig()})
    task = task_of(config, tmp_path / "one", lambda _: None, Shuffled())
    explorer = ExhaustiveExplorer(task)
    explorer.explore()
    space = explorer.figures().space
    assert space is not None
    assert space.not_separated_from_best is None
    assert all(row.best_minus_it is None for row in space.classes)
    json.dumps(space.to_json(), allow_nan=False)


@pytest.mark.parametrize("at", [pytest.param(5, marks=pytest.mark.slow), 20])
def test_an_interrupt_loses_nothing(
    exhausted: tuple[RunFolder, JsonDict], run_search: Run, exhaustive_config: SearchConfig, tmp_path: Path, at: int
) -> None:
    folder = RunFolder.create(exhaustive_config, tmp_path / "broken")
    told: list[Trained] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Trained):
            told.append(event)
            if len(told) == at:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(exhaustive_config, interrupt).run(folder)
    summary = folder.summary()
    assert summary is not None
    assert summary["status"] == "interrupted"
    assert summary["steps"] == at
    assert "space" not in summary
    assert len(folder.history()) == at
    folder.history_file.write_text(folder.history_file.read_text()[:-7])

    folder, continued = run_search(exhaustive_config, folder.path)
    assert continued["children_trained"] == exhausted[1]["children_trained"] - at
    assert figures(continued) == figures(exhausted[1])
    assert folder.history() == exhausted[0].history()


class Shuffled(Evaluator):
    """Makes accuracies up, and finishes the children that it holds in no fixed order."""

    def __init__(self, capacity: int = 5) -> None:
        self._capacity = capacity
        self.workers = ThreadPoolExecutor(capacity)
        self.submitted: list[str] = []

    @property
    def capacity(self) -> int:
        return self._capacity

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Future[Evaluation]]:
        assert not keep_weights
        self.submitted += [spec.key for spec in specs]
        return [self.workers.submit(self.evaluate, spec, random.uniform(0, 0.03)) for spec in specs]  # noqa: S311

    def evaluate(self, spec: ChildSpec, seconds: float) -> Evaluation:
        time.sleep(seconds)
        accuracy = random.Random(spec.key).random()  # noqa: S311
        return Evaluation(spec.key, spec.class_key, spec.seed, "ok", 0.0, 0.0, 0.0, accuracy, 1, 1, 0.0, "cpu", 1)

    def close(self) -> None:
        self.workers.shutdown()


def task_of(
    config: SearchConfig, path: Path, listener: Callable[[Event], None], evaluator: Shuffled, moves: str = "rot90"
) -> Task:
    child = child_of(config)
    space = DecompositionSpace(child, enumerate_classes(alphabet_of(config), child.grids))
    return Task(
        config=config,
        child=child,
        space=space,
        hidden=space.spec_of_moves([moves]),
        evaluator=evaluator,
        folder=RunFolder.create(config, path),
        listener=listener,
        notice=lambda _: None,
    )


def test_the_order_of_completion_changes_nothing(exhaustive_config: SearchConfig, tmp_path: Path) -> None:
    outcomes, orders = [], []
    for capacity in (1, 5, 12, 40):
        events: list[Event] = []
        evaluator = Shuffled(capacity)
        path = tmp_path / str(len(outcomes))
        explorer = ExhaustiveExplorer(task_of(exhaustive_config, path, events.append, evaluator))
        explorer.explore()
        assert events[0] == StageStarted("explore", 36)
        assert len(events) == 37
        assert len(set(evaluator.submitted)) == 36
        evaluator.close()
        orders.append([(event.class_key, event.seed) for event in events if isinstance(event, Trained)])
        outcomes.append((explorer.figures(), explorer.found(), explorer.task.folder.history_file.read_text()))
    assert any(order != orders[0] for order in orders)
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_moves_that_the_alphabet_lacks_have_no_class(exhaustive_config: SearchConfig, tmp_path: Path) -> None:
    task = task_of(exhaustive_config, tmp_path / "lacks", lambda _: None, Shuffled(), moves="swap_tb_left")
    explorer = ExhaustiveExplorer(task)
    explorer.explore()
    space = explorer.figures().space
    assert space is not None
    assert (space.has_hidden_group, space.hidden_group) == (True, None)


def test_closed_sets_are_the_largest_states_of_their_classes(exhaustive_config: SearchConfig) -> None:
    table: ClassTable = enumerate_classes(alphabet_of(exhaustive_config), (8, 8))
    for number, network_class in enumerate(table.classes):
        closed = table.closed_set(network_class)
        assert table.class_of_state[closed] == number
        states = [state for state in range(16) if table.class_of_state[state] == number]
        assert closed == max(states, key=int.bit_count)


def test_exhaustive_searches_start_without_the_agents_libraries() -> None:
    code = (
        "import sys; import aen_agents.agents.exhaustive, aen_agents.search; "
        "print('stable_baselines3' in sys.modules, 'gymnasium' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
