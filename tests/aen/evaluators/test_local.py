import pickle
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from aen.children import DenseSpec, EquiNASSpec, TrainingSpec
from aen.data import DataSpec, load_dataset
from aen.errors import DataError, SpecError, StoreError
from aen.evaluators import Evaluator, LocalEvaluator, evaluate, local, worker
from aen.groups import Decomposition
from aen.results.store import ResultStore
from aen.training import load_child, measure

SPEC = DenseSpec(
    data=DataSpec(train=60, validation=60, test=60),
    grids=(8, 4),
    decomposition=Decomposition.of(["rot90"]),
    training=TrainingSpec(epochs=2),
)
SPECS = [SPEC.with_seed(seed) for seed in range(4)]
MISFIT = replace(SPEC, grids=(4, 4))


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def make(**options):
        stores.append(ResultStore(tmp_path / "results.sqlite", **options))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture(params=["memory", "store"])
def evaluator(request, open_store, tmp_path):
    store = open_store() if request.param == "store" else None
    return LocalEvaluator(store, weights_folder=tmp_path / "weights")


def keys(evaluations):
    return [evaluation.key for evaluation in evaluations]


def test_a_local_evaluator_is_an_evaluator():
    assert isinstance(LocalEvaluator(), Evaluator)
    assert not isinstance(object(), Evaluator)


def test_futures_are_done_and_in_the_order_of_the_specs(evaluator):
    futures = evaluator.submit(SPECS)
    assert all(future.done() for future in futures)
    assert [future.result().key for future in futures] == [spec.key for spec in SPECS]
    assert keys(evaluate(evaluator, SPECS[::-1])) == [spec.key for spec in SPECS[::-1]]
    assert evaluator.submit([]) == []


def test_an_evaluation_says_what_was_trained(evaluator):
    spec = replace(SPEC, seed=7, decomposition=Decomposition.of(["hflip", "vflip"]))
    (evaluation,) = evaluate(evaluator, [spec])
    assert (evaluation.key, evaluation.class_key, evaluation.seed) == (spec.key, spec.class_key, 7)
    assert (evaluation.status, evaluation.epochs, evaluation.device, evaluation.threads) == ("ok", 2, "cpu", 1)
    assert 0 < evaluation.validation_accuracy <= 1
    assert evaluation.weights is None


def test_equal_specs_are_trained_once(evaluator):
    twice = evaluate(evaluator, [SPECS[0], SPECS[1], SPECS[0]])
    assert evaluator.trained == 2
    assert twice[0] == twice[2] != twice[1]


def test_two_decompositions_of_one_class_are_one_training(evaluator):
    same_class = SPEC.with_decomposition(Decomposition.of(["rot90", "rot180"]))
    first, second = evaluate(evaluator, [SPEC, same_class])
    assert evaluator.trained == 1
    assert first == second


def test_looked_up_is_true_from_the_second_time_on(evaluator):
    first, again = evaluate(evaluator, [SPEC]), evaluate(evaluator, [SPEC, SPECS[1]])
    assert [e.looked_up for e in first + again] == [False, True, False]
    assert again[0] == first[0]
    assert evaluator.trained == 2


def test_without_a_store_results_do_not_depend_on_what_was_trained_before():
    (alone,) = evaluate(LocalEvaluator(), [SPECS[3]])
    *_, last = evaluate(LocalEvaluator(), SPECS)
    assert replace(alone, seconds=0) == replace(last, seconds=0)


def test_two_evaluators_on_one_store_train_nothing_twice(open_store):
    first, second = LocalEvaluator(open_store()), LocalEvaluator(open_store())
    ours = evaluate(first, SPECS[:3])
    theirs = evaluate(second, SPECS)
    assert (first.trained, second.trained) == (3, 1)
    assert theirs[:3] == ours
    assert [e.looked_up for e in theirs] == [True, True, True, False]


def test_every_result_is_in_the_store_before_it_is_handed_out(open_store):
    evaluations = evaluate(LocalEvaluator(open_store()), SPECS)
    assert [open_store().get(spec.key) for spec in SPECS] == evaluations


def test_what_another_is_training_is_waited_for_and_not_trained(open_store):
    (theirs,) = evaluate(LocalEvaluator(), [SPEC])
    other, evaluator = open_store(), LocalEvaluator(open_store())
    assert other.claim(SPEC.key).mine
    committed = threading.Timer(0.5, other.commit, [theirs, SPEC])
    committed.start()
    waited, trained = evaluate(evaluator, [SPEC, SPECS[1]])
    committed.join()
    assert waited == theirs
    assert (waited.looked_up, trained.looked_up, evaluator.trained) == (True, False, 1)


def test_what_another_gave_up_is_trained(open_store):
    other, evaluator = open_store(), LocalEvaluator(open_store())
    other.claim(SPEC.key)
    released = threading.Timer(0.3, other.release, [SPEC.key])
    started = time.monotonic()
    released.start()
    (evaluation,) = evaluate(evaluator, [SPEC])
    released.join()
    assert time.monotonic() - started >= 0.3
    assert (evaluation.looked_up, evaluator.trained) == (False, 1)


def test_weights_need_a_folder():
    with pytest.raises(SpecError, match="keep_weights needs an evaluator with a weights_folder"):
        LocalEvaluator().submit([SPEC], keep_weights=True)


def test_weights_are_kept_only_when_asked_for(evaluator):
    evaluate(evaluator, [SPEC])
    assert not evaluator.weights_folder.exists()


def test_kept_weights_are_those_that_were_measured(evaluator):
    (evaluation,) = evaluate(evaluator, [SPEC], keep_weights=True)
    child = load_child(SPEC, evaluator.weights_folder / evaluation.weights)
    measured = measure(child, load_dataset(SPEC.data).validation)
    assert measured.accuracy == evaluation.validation_accuracy
    assert measured.loss == pytest.approx(evaluation.validation_loss, rel=1e-5)


def test_kept_weights_are_not_trained_again(evaluator):
    evaluate(evaluator, [SPEC], keep_weights=True)
    (again,) = evaluate(evaluator, [SPEC], keep_weights=True)
    assert again.looked_up
    assert evaluator.trained == 1


def test_deleted_weights_are_made_again_and_are_the_same(evaluator):
    (first,) = evaluate(evaluator, [SPEC], keep_weights=True)
    file = evaluator.weights_folder / first.weights
    before = file.read_bytes()
    file.unlink()
    (again,) = evaluate(evaluator, [SPEC], keep_weights=True)
    assert evaluator.trained == 2
    assert file.read_bytes() == before
    assert again.weights == first.weights
    assert again.validation_loss == first.validation_loss


def test_weights_wanted_later_are_attached_to_the_stored_result(open_store, tmp_path):
    evaluator = LocalEvaluator(open_store(), weights_folder=tmp_path / "weights")
    (without,) = evaluate(evaluator, [SPEC])
    (having,) = evaluate(evaluator, [SPEC], keep_weights=True)
    assert having.weights is not None
    assert open_store().get(SPEC.key) == replace(without, weights=having.weights)


def test_a_training_that_diverges_is_a_result_without_weights(evaluator):
    spec = replace(SPEC, training=TrainingSpec(epochs=3, learning_rate=1e38))
    first, again = (evaluate(evaluator, [spec], keep_weights=True)[0] for _ in range(2))
    assert (first.status, first.validation_accuracy, first.weights) == ("diverged", 0.0, None)
    assert again == first
    assert evaluator.trained == 1


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (MISFIT, SpecError, "grids start at 4, but the images are 8x8"),
        (replace(SPEC, classes=9), SpecError, "classes is 9, but the data set has 10"),
        (replace(SPEC, data=DataSpec("digit")), DataError, "did you mean 'digits'"),
    ],
)
def test_a_training_that_fails_gives_its_lease_back(open_store, spec, error, message):
    evaluator = LocalEvaluator(open_store())
    with pytest.raises(error, match=message):
        evaluator.submit([SPEC, spec])
    assert evaluator.trained == 1
    assert open_store().claim(spec.key).mine


def test_an_interrupted_training_gives_its_lease_back(open_store, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "train_child", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LocalEvaluator(open_store()).submit([SPEC])
    assert open_store().claim(SPEC.key).mine


def test_an_interrupt_in_the_middle_of_a_claim_leaves_no_lease(open_store, monkeypatch):
    store = open_store()
    claim = store.claim_many

    def interrupted(keys, **options):
        claim(keys, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "claim_many", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LocalEvaluator(store).submit(SPECS)
    assert all(open_store().claim(spec.key).mine for spec in SPECS)


def test_many_children_cost_few_transactions(open_store):
    store, begun = open_store(), []
    sa.event.listen(store._engine, "begin", begun.append)
    evaluator = LocalEvaluator(store, population=4)
    specs = [SPEC.with_seed(seed) for seed in range(8)]
    evaluate(evaluator, specs)
    assert len(begun) == 4, "a look, a claim, and a commit of each population"
    evaluate(evaluator, specs)
    assert len(begun) == 4
    other = open_store()
    sa.event.listen(other._engine, "begin", begun.append)
    evaluate(LocalEvaluator(other), specs)
    assert len(begun) == 5


def test_what_failed_is_looked_up_like_any_result_until_it_is_forgotten(open_store):
    store = open_store()
    failed = replace(
        evaluate(LocalEvaluator(), [SPEC])[0],
        status="failed",
        validation_accuracy=0.0,
        record={"failure": {"kind": "died", "tries": 3, "traceback": ""}},
    )
    store.commit(failed, SPEC)
    evaluator = LocalEvaluator(store, weights_folder=Path("nowhere"))
    for keep_weights in (False, True):
        (found,) = evaluate(evaluator, [SPEC], keep_weights=keep_weights)
        assert found == failed
        assert found.looked_up
    assert evaluator.trained == 0
    assert open_store().forget_failed() == 1
    (found,) = evaluate(evaluator, [SPEC])
    assert (found.status, evaluator.trained) == ("ok", 1)
    assert store.get(SPEC.key) == found


def test_a_pickled_evaluator_knows_its_results_and_carries_no_images(evaluator):
    first = evaluate(evaluator, SPECS)
    data = pickle.dumps(evaluator)
    copy = pickle.loads(data)  # noqa: S301 - our own bytes
    images = load_dataset(SPEC.data).train.images
    assert len(data) < images.numel() * images.element_size()
    assert evaluate(copy, SPECS) == first
    assert copy.trained == len(SPECS)
    (new,) = evaluate(copy, [SPEC.with_seed(99)])
    assert not new.looked_up
    copy.close()


def test_closing_without_a_store_is_no_error():
    LocalEvaluator().close()


def test_a_closed_evaluator_no_longer_holds_its_leases_alive(open_store):
    store = open_store(lease_seconds=0.3)
    store.claim(SPEC.key)
    LocalEvaluator(store).close()
    other = open_store(lease_seconds=0.3)
    assert not other.claim(SPEC.key).mine
    time.sleep(0.6)
    assert other.claim(SPEC.key).mine


@pytest.fixture
def cuts(monkeypatch):
    """What is trained together: the seeds of each population, and the size to which it is filled up."""
    made = []

    def recorded(specs, dataset, *, size, **options):
        made.append(([spec.seed for spec in specs], size))
        return trained(specs, dataset, size=size, **options)

    trained = local.train
    monkeypatch.setattr(local, "train", recorded)
    return made


def test_populations_are_cut_in_the_order_in_which_children_come(cuts):
    specs = [SPEC.with_seed(seed) for seed in range(7)]
    evaluate(LocalEvaluator(population=3), specs)
    assert cuts == [([0, 1, 2], 3), ([3, 4, 5], 3), ([6], 3)]


def test_only_children_that_go_together_share_a_population(cuts):
    other = replace(SPEC, head="free")
    specs = [(other if seed % 2 else SPEC).with_seed(seed) for seed in range(7)]
    found = evaluate(LocalEvaluator(population=3), specs)
    assert cuts == [([0, 2, 4], 3), ([6], 3), ([1, 3, 5], 3)]
    assert [e.key for e in found] == [spec.key for spec in specs]


def test_companions_change_no_result():
    specs = [SPEC.with_seed(seed) for seed in range(5)]
    expected = evaluate(LocalEvaluator(population=4), specs)
    for some in (specs[:1], specs[1:4], specs[::-1]):
        found = evaluate(LocalEvaluator(population=4), some)
        assert [replace(e, seconds=0) for e in found] == [replace(expected[s.seed], seconds=0) for s in some]


@pytest.mark.parametrize(("memory", "size"), [(1.0, 8), (0.9, 4), (0.5, 4), (1e-3, 1)])
def test_populations_are_halved_until_they_fit_into_half_of_the_memory(cuts, monkeypatch, memory, size):
    monkeypatch.setattr(local, "population_bytes", lambda _, size: 1000 * size)
    monkeypatch.setattr(local, "device_memory", lambda _: int(memory * 2 * 8000))
    evaluate(LocalEvaluator(population=8), [SPEC.with_seed(seed) for seed in range(8)])
    assert {filled for _, filled in cuts} == {size}
    assert [len(seeds) for seeds, _ in cuts] == [size] * (8 // size)


def test_workers_share_the_memory(monkeypatch):
    monkeypatch.setattr("aen.training.device.available_cores", lambda: 4)
    monkeypatch.setattr(local, "population_bytes", lambda _, size: 1000 * size)
    monkeypatch.setattr(local, "device_memory", lambda _: 2 * 8000)
    evaluator = LocalEvaluator(population=8, workers=4)
    assert [size for _, size in evaluator._populations([SPEC])] == [2]


def test_a_population_without_memory_is_a_child_alone(monkeypatch):
    monkeypatch.setattr(local, "device_memory", lambda _: 0)
    (found,) = evaluate(LocalEvaluator(population=8), [SPEC])
    (alone,) = evaluate(LocalEvaluator(), [SPEC])
    assert replace(found, seconds=0) == replace(alone, seconds=0)


# Children that go on from the weights of others

PART = TrainingSpec(epochs=0.5, batch_size=10)
FIRST = EquiNASSpec(data=SPEC.data, side=8, width=1, kernel_size=3, dense=8, training=PART)
MIXED = replace(FIRST, mixed=("C1", "D4"))


@pytest.mark.parametrize("first", [FIRST, MIXED], ids=["static", "mixed"])
def test_slices_through_the_evaluator_are_one_training(open_store, tmp_path, first):
    evaluator = LocalEvaluator(open_store(), weights_folder=tmp_path / "weights", debug=True)
    (one,) = evaluate(evaluator, [first], keep_weights=True)
    (two,) = evaluate(evaluator, [replace(first, parent=one.key)], keep_weights=True)
    (whole,) = evaluate(evaluator, [replace(first, training=replace(PART, epochs=1))])
    assert (one.epochs, two.epochs, whole.epochs) == (0.5, 0.5, 1)
    for name in ("train_loss", "validation_loss", "validation_accuracy", "record", "parameters"):
        assert getattr(two, name) == getattr(whole, name), name
    assert two.validation_loss != one.validation_loss
    assert two.key != one.key
    assert ("shares" in two.record) == (first is MIXED)
    # And it is looked up like any other, with its record.
    with open_store(create=False) as store:
        assert [store.get(e.key) for e in (one, two, whole)] == [one, two, whole]
        assert dict(store.evaluations())[two].parent == one.key


def test_a_parent_that_was_not_kept_is_trained_again(open_store, tmp_path):
    evaluator = LocalEvaluator(open_store(), weights_folder=tmp_path / "weights")
    (one,) = evaluate(evaluator, [FIRST])
    (child,) = evaluate(evaluator, [replace(FIRST, parent=one.key)])
    assert child.status == "ok"
    assert evaluator.trained == 3
    assert (tmp_path / "weights" / f"{one.key}.safetensors").is_file()


def test_children_of_an_unknown_parent_are_an_error_and_leave_no_lease(open_store, tmp_path):
    evaluator = LocalEvaluator(open_store(), weights_folder=tmp_path / "weights")
    spec = replace(FIRST, parent="0123456789abcdef01234567")
    with pytest.raises(StoreError, match=r"0123456789abcdef01234567\.safetensors are missing; train the child again"):
        evaluator.submit([spec])
    assert open_store().claim(spec.key).mine
    with pytest.raises(SpecError, match="inheriting needs the key of a parent and a folder of weights"):
        LocalEvaluator().submit([spec])


@pytest.mark.slow
def test_several_children_of_one_parent_in_workers_are_as_in_this_process(tmp_path, monkeypatch):
    monkeypatch.setattr("aen.training.device.available_cores", lambda: 2)
    alone = LocalEvaluator(weights_folder=tmp_path / "weights", debug=True)
    (parent,) = evaluate(alone, [FIRST], keep_weights=True)
    relaxed = [FIRST.relaxed(layer, group) for layer, group in ((7, "C4"), (7, "D2"), (8, "C1"))]
    specs = [replace(spec, parent=parent.key) for spec in relaxed]
    expected = evaluate(alone, specs)
    several = LocalEvaluator(weights_folder=tmp_path / "weights", workers=2, debug=True)
    found = evaluate(several, specs)
    several.close()
    assert [replace(e, seconds=0) for e in found] == [replace(e, seconds=0) for e in expected]
    assert len({e.validation_loss for e in found}) == 3
