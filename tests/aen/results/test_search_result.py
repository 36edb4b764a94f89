"""A search's result and its JSON form, which is the content of summary.json."""

import copy
import json
import math

import pytest
from helpers.summaries import SUMMARIES, VALIDATION, of_method

from aen.results.accuracy import TestAccuracy, TestDifference, ValidationAccuracy, ValidationDifference
from aen.results.search_result import SearchResult
from aen.results.verdict import ClassVerdict, MethodVerdict


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
    newer = ("version", "agent", "baseline_name", "closed_sets", "factors", "children_trained_in_all", "symmetry_test")
    for name in (*newer, "effects", "verdict", "inference"):
        del summary[name]
    del summary["seconds"]["in_all"], summary["hidden_group"]["winner_has_its_group"]
    del summary["provenance"]["population"], summary["provenance"]["workers"]
    result = SearchResult.from_json(summary)
    assert (result.version, result.agent, result.baseline_name) == (1, "dqn", "untied")
    assert (result.trained_in_run, result.seconds.of_run) == (3, 2.5)
    assert (result.provenance.workers, result.statement) == (None, None)
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
