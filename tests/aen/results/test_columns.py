"""A store as arrays: what is new is read, failures give way to results, and removed rows go."""

import pytest

from aen.children import DenseSpec
from aen.errors import StoreError
from aen.results import Evaluation
from aen.results.columns import StoreColumns
from aen.results.store import ResultStore


@pytest.fixture
def store(tmp_path):
    with ResultStore(tmp_path / "results.sqlite") as store:
        yield store


@pytest.fixture
def columns(tmp_path):
    return StoreColumns(tmp_path / "results.sqlite")


def add(store, seed, accuracy=0.5, status="ok"):
    spec = DenseSpec(grids=(8, 4), seed=seed)
    evaluation = Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=seed,
        status=status,
        train_loss=1.0,
        train_accuracy=0.4,
        validation_loss=float(seed),
        validation_accuracy=accuracy,
        parameters=10,
        epochs=1.0,
        seconds=0.1,
        device="cpu",
        threads=1,
        population=1,
    )
    store.commit(evaluation, spec)
    return spec


def test_a_missing_store_is_empty(columns):
    assert columns.snapshot().size == 0


def test_what_is_new_is_read(store, columns):
    first = add(store, 1, 0.25)
    before = columns.snapshot()
    second = add(store, 2, 0.75)
    after = columns.snapshot()
    assert (before.size, after.size) == (1, 2)
    assert after.keys == [first.key, second.key]
    assert after.numbers["validation_accuracy"].tolist() == [0.25, 0.75]
    assert after.numbers["seed"].tolist() == [1, 2]
    assert [after.words["status"][code] for code in after.texts["status"]] == ["ok", "ok"]
    assert after.version != before.version
    assert columns.snapshot().version == after.version


def test_arrays_of_an_earlier_snapshot_do_not_grow(store, columns):
    add(store, 0)
    before = columns.snapshot()
    for seed in range(1, 40):
        add(store, seed)
    assert columns.snapshot().size == 40
    assert before.size == 1
    assert before.places([DenseSpec(grids=(8, 4), seed=3).key]).size == 0


def test_a_result_takes_the_place_of_a_failure(store, columns):
    failed = add(store, 1, 0.0, "failed")
    other = add(store, 2)
    assert columns.snapshot().places([failed.key, "none", other.key]).tolist() == [0, 1]
    add(store, 1, 0.9)
    after = columns.snapshot()
    assert after.numbers["validation_accuracy"].tolist() == [0.9, 0.5]
    assert after.words["status"][after.texts["status"][0]] == "ok"


def test_rows_that_take_the_numbers_of_removed_ones_are_read(store, columns):
    add(store, 1)
    add(store, 2, 0.0, "failed")
    assert columns.snapshot().size == 2
    assert store.forget_failed() == 1
    add(store, 3, 0.3)  # SQLite gives it the number of the row that was removed
    assert columns.snapshot().numbers["seed"].tolist() == [1, 3]


def test_other_columns_are_fetched_by_key(store, columns):
    spec = add(store, 1)
    assert '"grids"' in columns.fetch("spec", [spec.key, "none"])[spec.key]
    with pytest.raises(ValueError, match="choose record or spec"):
        columns.fetch("weights", [spec.key])


def test_a_file_that_is_no_store_is_an_error(tmp_path, columns):
    (tmp_path / "results.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"results\.sqlite cannot be read"):
        columns.snapshot()
