"""The evaluator that answers from a table."""

from concurrent.futures import Future, as_completed, wait

import pytest

from aen.children import DenseSpec
from aen.errors import SpecError
from aen.evaluators import Activity, Evaluator, TabularEvaluator, evaluate, stream
from aen.results import Evaluation

SPECS = [DenseSpec(grids=(4, 4), seed=seed) for seed in range(3)]


def outcome(spec):
    return Evaluation(spec.key, spec.class_key, spec.seed, "ok", 0.1, 0.9, 0.2, spec.seed / 10, 7, 1, 0.5, "cpu", 1)


TABLE = {spec.key: outcome(spec) for spec in SPECS[:2]}


@pytest.mark.parametrize("table", [TABLE, lambda spec: TABLE.get(spec.key)], ids=["mapping", "function"])
def test_what_is_in_the_table_is_looked_up(table):
    evaluator = TabularEvaluator(table)
    found = evaluate(evaluator, [SPECS[1], SPECS[0], SPECS[1]])
    assert [e.validation_accuracy for e in found] == [0.1, 0.0, 0.1]
    assert all(e.looked_up for e in found)
    assert dict(stream(evaluator, SPECS[:2])) == {0: found[1], 1: found[0]}
    assert evaluator.trained == 0


@pytest.mark.parametrize("table", [TABLE, lambda spec: TABLE.get(spec.key)], ids=["mapping", "function"])
def test_what_is_not_there_is_named(table):
    with pytest.raises(SpecError, match=rf"no evaluation of none, seed 2 \(key {SPECS[2].key}\)"):
        TabularEvaluator(table).submit(SPECS)


def test_a_table_has_no_weights():
    with pytest.raises(SpecError, match="keep_weights needs an evaluator that trains"):
        TabularEvaluator(TABLE).submit(SPECS[:1], keep_weights=True)


def test_it_has_all_that_an_evaluator_needs():
    evaluator = TabularEvaluator(TABLE)
    assert isinstance(evaluator, Evaluator)
    evaluator.start()
    assert (evaluator.parallelism, evaluator.capacity, evaluator.weights_folder) == (1, 1, None)
    assert evaluator.activity() == Activity(1, running=0, waiting=0, trained=0, failed=0)
    evaluator.close()


def test_its_futures_do_all_that_futures_do():
    called = []
    first, second = TabularEvaluator(TABLE).submit(SPECS[:2])
    assert isinstance(first, Future)
    assert (first.done(), first.running(), first.cancelled(), first.cancel(), first.exception()) == (
        True,
        *[False] * 3,
        None,
    )
    second.add_done_callback(called.append)
    assert called == [second]
    assert set(as_completed([first, second], timeout=1)) == wait([second, first], timeout=1).done == {first, second}
    assert (first.result(timeout=0), second.result().seed) == (TABLE[SPECS[0].key], 1)
    assert "finished" in repr(first)
    with pytest.raises(AttributeError, match="unknown"):
        _ = first.unknown
