"""The exhaustive agent on listed states, and a selection stage with its own budget."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
from helpers.tiny_search import TINY

from aen._typing import JsonDict
from aen.errors import AenError, SpecError
from aen.results.store import ResultStore
from aen_agents.agents.chosen_states import chosen_classes, listed_states
from aen_agents.config import ExhaustiveConfig, SearchConfig
from aen_agents.problem import space_of
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]
ONE_WORKER = {"evaluator": {"workers": 1}}
GCNN: JsonDict = {
    "name": "g",
    "child": {"kind": "gcnn", "width": 2, "padding": "same"},
    "space": {"augmentations": ["shear"], "size_factors": [1, 2]},
}
EQUINAS: JsonDict = {"name": "e", "child": {"kind": "equinas", "width": 1, "kernel_size": 3}}


def config(content: JsonDict, states: Any = "singles", **sections: Any) -> SearchConfig:
    agent = {"agent": {"name": "exhaustive", "states": states, "seeds": 2}}
    own = {name: value for name, value in content.items() if name not in {"agent", "environment", "budget"}}
    return SearchConfig.model_validate(own | agent | ONE_WORKER | sections)


def states_of(content: JsonDict, states: Any) -> list[tuple[int, ...]]:
    found = config(content, states)
    assert isinstance(found.agent, ExhaustiveConfig)
    return list(listed_states(found.agent, space_of(found)))


def test_single_factors_and_the_baseline_are_trained(run_search: Run, tmp_path: Path) -> None:
    folder, summary = run_search(config(TINY), tmp_path / "run")
    names = {row["decomposition"] for row in summary["space"]["classes"]}
    assert names == {"none", "rot90", "hflip", "vflip", "swap_lr"}
    assert {line["factors"] for line in folder.history()} == names
    assert len(folder.history()) == 10
    assert summary["classes_visited"] == 5 < summary["classes"]
    assert summary["stopped_because"] == "every class of agent.states is known"
    assert summary["space"]["hidden_group"] is None
    assert summary["baseline"]["decomposition"] == "none"
    page = folder.report_file.read_text()
    assert "The best of the 5 networks" in page
    assert "best of all" not in page


def test_listed_states_name_their_factors() -> None:
    assert states_of(TINY, [["hflip"], ["hflip", "rot90"], []]) == [(0, 1, 0, 0), (1, 1, 0, 0), (0, 0, 0, 0)]
    layerwise = TINY | {"child": {"hidden": [8, 8], "layerwise": True}}
    assert states_of(layerwise, [["1: rot90", "2: hflip"]]) == [(1, 0, 0, 0, 0, 1, 0, 0)]
    assert states_of(GCNN, [["rot90", "augment shear", "size x2"]]) == [(1, 0, 0, 1, 1)]
    assert len(states_of(GCNN, "singles")) == 5


def test_states_of_one_class_are_trained_once() -> None:
    found = config(TINY, [["rot90", "hflip"], ["rot90", "vflip"], []])
    assert isinstance(found.agent, ExhaustiveConfig)
    assert len(chosen_classes(found.agent, space_of(found))) == 2


@pytest.mark.parametrize(
    ("content", "states", "message"),
    [
        (TINY, [["rot9"]], "agent.states has 'rot9', which is no choice.*did you mean 'rot90'"),
        (TINY, [["hflip", "hflip"]], "'hflip' changes a choice for the 2nd time"),
        (EQUINAS, "singles", "agent.states is singles"),
        (GCNN | {"space": {"groups": ["C1", "C4", "D4"]}}, [["group C4", "group D4"]], "changes a choice"),
    ],
    ids=["unknown", "twice", "no names", "one place"],
)
def test_states_that_the_space_lacks_are_refused_before_training(
    content: JsonDict, states: list[list[str]], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Search(config(content, states), lambda _: None)


@pytest.mark.parametrize("states", ["single", 3, ["rot90"], [["rot90", 1]]])
def test_other_values_are_refused(states: object) -> None:
    with pytest.raises(pydantic.ValidationError, match="states"):
        config(TINY, states)


def test_the_selection_stage_has_its_own_budget(run_search: Run, tmp_path: Path) -> None:
    selection = {"top": 1, "seeds": 2, "train": 150, "epochs": 3}
    folder, summary = run_search(config(TINY, [["rot90"]], selection=selection), tmp_path / "run")
    with ResultStore(folder.store_file, create=False) as store:
        specs = store.specs([evaluation.key for evaluation in store.outcomes()])
    budgets = {
        (spec.seed in summary["selection_seeds"], spec.data.train, spec.training.epochs) for spec in specs.values()
    }
    assert budgets == {(False, 120, 2), (True, 150, 3)}
    spec = summary["winner"]["spec"]
    assert (spec["data"]["train"], spec["training"]["epochs"]) == (150, 3)
    assert "trained on 150 images for 3 epochs" in folder.report_file.read_text()


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"train": 100}, "selection.train is 100, below data.train=120"),
        ({"train": 5000}, "selection.train is 5000: .*too few for 5000 train"),
        ({"epochs": 2.5}, "selection.epochs is 2.5.*whole epochs"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_before_training(selection: JsonDict, message: str) -> None:
    with pytest.raises((AenError, pydantic.ValidationError), match=message):
        Search(config(TINY, selection=selection), lambda _: None)
