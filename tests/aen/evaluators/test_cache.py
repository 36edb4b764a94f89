"""What is known of specs: by whom it is handed out, and what is asked of the store."""

import pytest

from aen.children import DenseSpec
from aen.errors import SpecError
from aen.evaluators.cache import EvaluationCache
from aen.results import Evaluation
from aen.results.store import ResultStore

SPEC = DenseSpec()


def result(status="ok", accuracy=0.5, weights=None):
    return Evaluation(
        key=SPEC.key,
        class_key=SPEC.class_key,
        seed=0,
        status=status,
        train_loss=0.0,
        train_accuracy=0.0,
        validation_loss=0.0,
        validation_accuracy=accuracy,
        parameters=1,
        epochs=1.0,
        seconds=0.0,
        device="cpu",
        threads=1,
        weights=weights,
    )


@pytest.fixture(params=["memory", "store"])
def cache(request, tmp_path):
    store = ResultStore(tmp_path / "results.sqlite") if request.param == "store" else None
    cache = EvaluationCache(store, tmp_path)
    yield cache
    cache.close([])


def take_in(cache, evaluation):
    cache.commit([(evaluation, SPEC)])
    return cache.note(evaluation)


def test_what_was_taken_in_is_known_and_marked_as_looked_up(cache):
    assert cache.known([SPEC.key], keep_weights=False) == {}
    assert not take_in(cache, result()).looked_up
    assert cache.known([SPEC.key], keep_weights=False)[SPEC.key].looked_up


def test_the_first_result_stays_and_only_weights_are_added(cache):
    take_in(cache, result(accuracy=0.5))
    second = take_in(cache, result(accuracy=0.7, weights="x.safetensors"))
    assert (second.validation_accuracy, second.weights) == (0.5, "x.safetensors")


def test_a_failure_gives_way_to_a_result_and_never_the_other_way(cache):
    take_in(cache, result("failed", 0.0))
    assert cache.known([SPEC.key], keep_weights=False)[SPEC.key].status == "failed"
    assert take_in(cache, result()).status == "ok"
    assert cache.known([SPEC.key], keep_weights=False)[SPEC.key].status == "ok"
    assert take_in(cache, result("failed", 0.0)).status == "failed"  # whoever asked for it is told
    assert cache.known([SPEC.key], keep_weights=False)[SPEC.key].status == "ok"


def test_a_failure_that_was_forgotten_may_be_tried_again(tmp_path):
    store = ResultStore(tmp_path / "results.sqlite")
    cache = EvaluationCache(store, None)
    take_in(cache, result("failed", 0.0))
    assert SPEC.key in cache.known([SPEC.key], keep_weights=False)
    store.forget_failed()
    assert cache.known([SPEC.key], keep_weights=False) == {}
    assert cache.claim([SPEC.key])[SPEC.key].mine
    cache.close([SPEC.key])


def test_a_result_without_the_weights_that_are_wanted_is_trained_again_without_a_lease(cache, tmp_path):
    take_in(cache, result(weights="x.safetensors"))
    assert cache.known([SPEC.key], keep_weights=True) == {}
    assert cache.claim([SPEC.key]) == {}
    (tmp_path / "x.safetensors").write_bytes(b"")
    assert SPEC.key in cache.known([SPEC.key], keep_weights=True)


def test_what_is_unfinished_is_given_back(tmp_path):
    one, other = (EvaluationCache(ResultStore(tmp_path / "results.sqlite"), None) for _ in range(2))
    assert one.claim([SPEC.key])[SPEC.key].mine
    assert not other.claim([SPEC.key])[SPEC.key].mine
    one.close([SPEC.key])
    assert other.claim([SPEC.key])[SPEC.key].mine
    other.close([SPEC.key])


def test_weights_need_a_folder():
    with pytest.raises(SpecError, match="weights_folder"):
        EvaluationCache(None, None).check_weights(keep_weights=True)
    EvaluationCache(None, None).check_weights(keep_weights=False)
