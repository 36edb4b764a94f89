"""What is known of specs: by whom it is handed out, and what is asked of the store."""

import pytest

from aen.children import DenseSpec
from aen.errors import SpecError
from aen.evaluators.cache import Ledger
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
def ledger(request, tmp_path):
    store = ResultStore(tmp_path / "results.sqlite") if request.param == "store" else None
    ledger = Ledger(store, tmp_path)
    yield ledger
    ledger.close([])


def take_in(ledger, evaluation):
    ledger.commit([(evaluation, SPEC)])
    return ledger.note(evaluation)


def test_what_was_taken_in_is_known_and_marked_as_looked_up(ledger):
    assert ledger.known([SPEC.key], keep_weights=False) == {}
    assert not take_in(ledger, result()).looked_up
    assert ledger.known([SPEC.key], keep_weights=False)[SPEC.key].looked_up


def test_the_first_result_stays_and_only_weights_are_added(ledger):
    take_in(ledger, result(accuracy=0.5))
    second = take_in(ledger, result(accuracy=0.7, weights="x.safetensors"))
    assert (second.validation_accuracy, second.weights) == (0.5, "x.safetensors")


def test_a_failure_gives_way_to_a_result_and_never_the_other_way(ledger):
    take_in(ledger, result("failed", 0.0))
    assert ledger.known([SPEC.key], keep_weights=False)[SPEC.key].status == "failed"
    assert take_in(ledger, result()).status == "ok"
    assert ledger.known([SPEC.key], keep_weights=False)[SPEC.key].status == "ok"
    assert take_in(ledger, result("failed", 0.0)).status == "failed"  # whoever asked for it is told
    assert ledger.known([SPEC.key], keep_weights=False)[SPEC.key].status == "ok"


def test_a_failure_that_was_forgotten_may_be_tried_again(tmp_path):
    store = ResultStore(tmp_path / "results.sqlite")
    ledger = Ledger(store, None)
    take_in(ledger, result("failed", 0.0))
    assert SPEC.key in ledger.known([SPEC.key], keep_weights=False)
    store.forget_failed()
    assert ledger.known([SPEC.key], keep_weights=False) == {}
    assert ledger.claim([SPEC.key])[SPEC.key].mine
    ledger.close([SPEC.key])


def test_a_result_without_the_weights_that_are_wanted_is_trained_again_without_a_lease(ledger, tmp_path):
    take_in(ledger, result(weights="x.safetensors"))
    assert ledger.known([SPEC.key], keep_weights=True) == {}
    assert ledger.claim([SPEC.key]) == {}
    (tmp_path / "x.safetensors").write_bytes(b"")
    assert SPEC.key in ledger.known([SPEC.key], keep_weights=True)


def test_what_is_unfinished_is_given_back(tmp_path):
    one, other = (Ledger(ResultStore(tmp_path / "results.sqlite"), None) for _ in range(2))
    assert one.claim([SPEC.key])[SPEC.key].mine
    assert not other.claim([SPEC.key])[SPEC.key].mine
    one.close([SPEC.key])
    assert other.claim([SPEC.key])[SPEC.key].mine
    other.close([SPEC.key])


def test_weights_need_a_folder():
    with pytest.raises(SpecError, match="weights_folder"):
        Ledger(None, None).check_weights(keep_weights=True)
    Ledger(None, None).check_weights(keep_weights=False)
