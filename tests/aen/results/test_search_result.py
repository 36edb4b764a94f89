"""A search's result and its JSON form, which is the content of summary.json."""

import copy
import json
import math

import pytest

from aen.results.accuracy import TestAccuracy, TestDifference, ValidationAccuracy, ValidationDifference
from aen.results.search_result import SearchResult
from aen.results.verdict import ClassVerdict, MethodVerdict

VALIDATION = {
    "validation_accuracy_mean": 0.75,
    "validation_accuracy_interval": [0.7, 0.8],
    "validation_accuracies": [0.7, 0.8],
}
TEST = {"test_accuracy_mean": 0.65, "test_accuracy_interval": [0.6, 0.7], "test_accuracies": [0.6, 0.7]}
LOST = {"validation_accuracy_mean": -0.1, "validation_accuracy_interval": [-0.2, -0.05], "better_on_validation": False}
GAIN = {"validation_accuracy_mean": 0.1, "validation_accuracy_interval": [0.05, 0.2], "better_on_validation": True}
GAINS = GAIN | {"test_accuracy_mean": 0.1, "test_accuracy_interval": [-0.05, 0.2], "better_on_test": False}
HEAD = {
    "version": 2,
    "status": "complete",
    "name": "digits",
    "agent": "dqn",
    "seed": 0,
    "selection_seeds": [1_000_000, 1_000_001],
    "states": 4,
    "classes": 3,
    "baseline_name": "untied",
    "closed_sets": {"a": 0, "b": 3},
    "provenance": {
        "aen": "0.1.0",
        "torch": "2.13.0",
        "python": "3.11",
        "machine": "Linux",
        "processor": "x86",
        "cores": 2,
        "device": "cpu",
        "threads": 1,
        "workers": 1,
        "population": 1,
    },
}
EXPLORED = {"steps": 9, "states_visited": 4, "classes_visited": 3, "stopped_because": "every class is known"}
END = {
    "children_trained": 3,
    "children_trained_in_all": 7,
    "seconds": {"explore": 1.5, "total": 2.5, "in_all": 9.5},
    "notices": ["a notice"],
}


def row(key, **more):
    return {"decomposition": f"d {key}", "group": "C4", "class_key": key, "parameters": 12} | VALIDATION | more


def of_space(key, rank, **more):
    return row(key, rank=rank, representative=3, states=2, orbits=[4, 5], **more)


def of_method(name, **more):
    seeds = {
        "seeds": [0, 1],
        "keys": ["k", None],
        "layer_groups": [["D4", "C1"], None],
        "parameters_of_seeds": [12, 0],
        "epochs": [2.0, 0.0],
    }
    head = {"method": name, "title": name.upper(), "decomposition": name, "group": "D4", "class_key": name}
    return head | {"parameters": 12} | seeds | VALIDATION | TEST | {"minus_no_symmetry": GAINS} | more


FACTORS = {
    "children": 4,
    "degrees_of_freedom": 0,
    "explained": 0.9,
    "residual": None,
    "reference": {"group": "C1", "size": "x1"},
    "effects": [
        {"factor": "group", "level": "D4", "children": 2, "effect": 0.1, "interval": [None, None], "entangled": []},
        {"factor": "size", "level": "x2", "children": 1, "effect": None, "interval": None, "entangled": ["group D4"]},
    ],
    "shares": [{"factor": "group", "share": 0.4, "interval": [0.1, 0.5], "left_out": 0.2}],
}
HIDDEN = row("b", is_winner=False, winner_has_its_group=True, rank=2, ranked=3, rank_in_search=None)
VERDICT = {
    "hidden_group": HIDDEN | {"winner_minus_it": LOST},
    "winner": row("a", **TEST, spec={"kind": "dense"}),
    "baseline": row("c", failed_seeds=[1_000_001]) | TEST,
    "winner_minus_baseline": GAINS,
    "selection": [row("a"), row("c", failed_seeds=[1_000_001])],
}
SPACE = {
    "seeds": [0, 1],
    "classes": [of_space("a", 1, best_minus_it=LOST), of_space("b", 2, best_minus_it=GAIN)],
    "not_separated_from_best": 1,
    "hidden_group": of_space("b", 2, best_minus_it=GAIN),
}
ONE_SEED = {"seeds": [0], "classes": [of_space("a", 1)], "hidden_group": None}
METHODS = {
    "methods": [of_method("e"), of_method("static_c1", minus_no_symmetry=GAINS)],
    "winner": of_method("e", spec={"kind": "equinas"}),
    "baseline": of_method("static_c1"),
    "winner_minus_baseline": GAINS,
    "selection": [of_method("e"), of_method("static_c1", minus_no_symmetry=GAINS)],
}
INTERRUPTED = HEAD | {"status": "interrupted"}
SUMMARIES = {
    "classes": HEAD | {"factors": FACTORS} | VERDICT | EXPLORED | END,
    "no hidden group": HEAD | {name: part for name, part in VERDICT.items() if name != "hidden_group"} | EXPLORED | END,
    "whole space": HEAD | {"agent": "exhaustive"} | VERDICT | EXPLORED | {"space": SPACE} | END,
    "one seed": HEAD | VERDICT | EXPLORED | {"space": ONE_SEED} | END,
    "methods": HEAD | METHODS | EXPLORED | END,
    "interrupted": INTERRUPTED | EXPLORED | {"stopped_because": None} | END,
    "interrupted at once": INTERRUPTED | END | {"seconds": {"total": 0.5}},
}


@pytest.mark.parametrize("summary", SUMMARIES.values(), ids=SUMMARIES)
def test_reading_and_writing_gives_the_same_text(summary):
    summary = copy.deepcopy(summary)
    assert json.dumps(SearchResult.from_json(summary).to_json()) == json.dumps(summary)


def test_values_are_where_their_names_say():
    result = SearchResult.from_json(SUMMARIES["whole space"])
    assert isinstance(result.verdict, ClassVerdict)
    assert result.status == "complete"
    assert result.verdict.winner.test == TestAccuracy(0.65, (0.6, 0.7), (0.6, 0.7))
    assert result.verdict.winner.validation.by_seed == (0.7, 0.8)
    assert result.verdict.baseline.failed_seeds == (1_000_001,)
    assert result.verdict.winner_minus_baseline.validation.better
    assert not result.verdict.winner_minus_baseline.test.better
    assert result.hidden_group is not None
    assert result.hidden_group.winner_minus_it.worse
    assert result.space is not None
    assert result.space.classes[1].columns == {"orbits": [4, 5]}
    assert result.methods == ()
    assert result.provenance.packages == {"aen": "0.1.0", "torch": "2.13.0"}
    assert (result.trained_in_run, result.seconds.of_run) == (7, 9.5)


def test_methods_are_ranked_by_validation_and_equal_ones_keep_their_order():
    summary = copy.deepcopy(SUMMARIES["methods"])
    best = of_method("f", validation_accuracy_mean=0.8)
    summary["methods"] = [of_method("e"), of_method("static_c1"), best]
    result = SearchResult.from_json(summary)
    assert isinstance(result.verdict, MethodVerdict)
    assert [row.method for row in result.verdict.selection] == ["f", "e", "static_c1"]
    assert result.methods == result.verdict.methods
    assert result.hidden_group is None
    assert result.methods[0].layer_groups == (("D4", "C1"), None)


def test_a_summary_of_an_older_version_is_read():
    summary = copy.deepcopy(SUMMARIES["classes"])
    for newer in ("version", "agent", "baseline_name", "closed_sets", "factors", "children_trained_in_all"):
        del summary[newer]
    del summary["seconds"]["in_all"], summary["hidden_group"]["winner_has_its_group"]
    del summary["provenance"]["population"], summary["provenance"]["workers"]
    result = SearchResult.from_json(summary)
    assert (result.version, result.agent, result.baseline_name) == (1, "dqn", "untied")
    assert (result.trained_in_run, result.seconds.of_run) == (3, 2.5)
    assert result.provenance.workers is None
    assert result.hidden_group is not None
    assert not result.hidden_group.winner_has_its_group


@pytest.mark.parametrize(
    "path", [("winner", "group"), ("baseline", "test_accuracy_mean"), ("seconds", "total")], ids=str
)
def test_a_missing_key_is_named(path):
    summary = copy.deepcopy(SUMMARIES["classes"])
    del summary[path[0]][path[1]]
    with pytest.raises(KeyError, match=path[1]):
        SearchResult.from_json(summary)


def test_rows_that_choose_hold_no_test_figure():
    result = SearchResult.from_json(SUMMARIES["whole space"])
    assert isinstance(result.verdict, ClassVerdict)
    chosen = [*result.verdict.selection, *result.space.classes, result.hidden_group]
    assert not any("test" in json.dumps(row.to_json()) for row in chosen)
    assert not any(hasattr(row, "test") for row in chosen)


def test_validation_and_test_figures_are_never_equal():
    figures = (0.5, (0.4, 0.6), (0.4, 0.6))
    assert ValidationAccuracy(*figures) != TestAccuracy(*figures)
    assert ValidationDifference(0.5, (0.4, 0.6)) != TestDifference(0.5, (0.4, 0.6))
    with pytest.raises(KeyError):
        TestAccuracy.from_json(VALIDATION)


def test_differences_of_one_seed_have_no_end_unless_they_are_clipped():
    assert TestDifference.between([0.5], [0.25]) == TestDifference(0.25, (-math.inf, math.inf))
    assert TestDifference.between([0.5], [0.25], clip=True) == TestDifference(0.25, (-1.0, 1.0))
    clear = ValidationDifference.between([0.5, 0.6, 0.7], [0.1, 0.2, 0.31])
    assert clear.better
    assert not clear.worse
    assert ValidationDifference.between([0.1, 0.2, 0.31], [0.5, 0.6, 0.7]).worse


def test_only_the_winner_has_a_child():
    result = SearchResult.from_json(SUMMARIES["classes"])
    with pytest.raises(ValueError, match="no spec"):
        result.verdict.baseline.child()
