"""What is known of specs: by whom it is handed out, and what is asked of the store."""

import pytest

from aen.children import DenseSpec, build_child
from aen.errors import SpecError
from aen.evaluators.cache import EvaluationCache
from aen.results import Evaluation
from aen.results.store import ResultStore
from aen.training import save_weights

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


def kept(tmp_path):
    """Weights of the child in the cache's folder, and the name of their file."""
    return save_weights(build_child(SPEC), tmp_path / f"{SPEC.key}.safetensors")


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_a_result_without_the_weights_that_are_wanted_is_trained_again(tmp_path):
    cache = EvaluationCache(None, tmp_path)
    take_in(cache, result(weights=f"{SPEC.key}.safetensors"))
    assert cache.known([SPEC.key], keep_weights=True) == {}
    assert cache.claim([SPEC.key], keep_weights=True) == {}
    kept(tmp_path)
    assert SPEC.key in cache.known([SPEC.key], keep_weights=True)


DAMAGE = {
    "zeroed": lambda content: bytes(len(content)),
    "empty": lambda _: b"",
    "cut": lambda content: content[:-1],
    "a bit of the tensors": lambda content: flipped(content, -5),
    "a bit of the header": lambda content: flipped(content, content.index(b"F32")),
    "a bit of the checksum": lambda content: flipped(content, content.index(b'"sha256":"') + 12),
    "longer": lambda content: content + b"x",
    "a link to nothing": None,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_weights_count_as_none_and_that_is_said_once(damage, tmp_path):
    store, said = ResultStore(tmp_path / "results.sqlite"), []
    cache = EvaluationCache(store, tmp_path, said.append)
    path = tmp_path / kept(tmp_path)
    take_in(cache, result(weights=path.name))
    assert SPEC.key in cache.known([SPEC.key], keep_weights=True)
    content = path.read_bytes()
    path.unlink()
    if damage is None:
        path.symlink_to(tmp_path / "nothing")
    else:
        path.write_bytes(damage(content))
    for _ in range(2):
        assert cache.known([SPEC.key], keep_weights=True) == {}
    assert SPEC.key in cache.known([SPEC.key], keep_weights=False)
    assert len(said) == 1
    assert str(path) in said[0]
    assert "again" in said[0]
    cache.close([])


def test_two_processes_do_not_both_train_again_what_lacks_weights(tmp_path):
    one, other = (EvaluationCache(ResultStore(tmp_path / "results.sqlite"), tmp_path, print) for _ in range(2))
    take_in(one, result())
    for cache in (one, other):
        assert cache.known([SPEC.key], keep_weights=True) == {}
    assert one.claim([SPEC.key], keep_weights=True)[SPEC.key].mine
    assert not other.claim([SPEC.key], keep_weights=True)[SPEC.key].mine
    take_in(one, result(weights=kept(tmp_path)))
    assert SPEC.key in other.known([SPEC.key], keep_weights=True)
    # Asked just before the first had stored them: its lease is given back.
    assert not other.claim([SPEC.key], keep_weights=True)[SPEC.key].mine
    assert one.claim(["another"])["another"].mine
    for cache in (one, other):
        cache.close(["another"])


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
