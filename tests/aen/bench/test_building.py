"""Building tables: what the files have is what the trainings gave."""

import json
import shutil

import numpy as np
import pytest
from helpers.built_tables import NAME, build, evaluator_in, small

from aen.bench import TableEvaluator, check_tables, load, test_results
from aen.bench.building import build_table
from aen.bench.figures import TestFigures
from aen.data import load_dataset, load_test_split
from aen.errors import TableError
from aen.evaluators import evaluate
from aen.symmetry import symmetry_test
from aen.training import load_child, measure_test, train_child


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    build(folder)
    return folder


def test_every_entry_is_a_training_of_so_many_epochs(built):
    table, data = load(NAME, built), load_dataset(small().child.data)
    assert table.epochs == (1, 2)
    for place, found in enumerate(table.definition.classes):
        for seed in (0, 1):
            for epoch in (1, 2):
                trained = train_child(small(epochs=epoch).space.spec(found).with_seed(seed), data)
                entry = table.query(found.representative, seed=seed, epoch=epoch)
                assert entry.validation_accuracy == trained.validation_accuracy
                assert entry.train_accuracy == trained.train_accuracy
                assert entry.validation_loss == pytest.approx(trained.validation_loss, abs=5.1e-5)
                assert entry.train_loss == pytest.approx(trained.train_loss, abs=5.1e-5)
                assert entry.parameters == trained.parameters == table.parameters[place]


def test_test_columns_are_the_measurements_of_the_weights(built, tmp_path):
    table, data = small(), load_dataset(small().child.data)
    images, columns = load_test_split(table.child.data), test_results(NAME, built)
    for epoch in (1, 2):
        spec = small(epochs=epoch).specs()[3]
        trained = train_child(spec, data, weights_folder=tmp_path)
        measured = measure_test(load_child(spec, tmp_path / trained.weights), images)
        assert columns["test_accuracy"][1, 1, epoch - 1] == measured.test_accuracy
        assert columns["test_loss"][1, 1, epoch - 1] == pytest.approx(measured.test_loss, abs=5.1e-5)


def test_no_test_figure_is_reached_through_a_table(built):
    table = load(NAME, built)
    assert not any("test" in name for name in table.results)
    assert not any("test" in name for name in vars(table.entry(0)))
    (found,) = evaluate(TableEvaluator(table), [table.definition.specs()[0]])
    figures = {round(float(value), 9) for values in test_results(NAME, built).values() for value in values.ravel()}
    ours = [value for value in vars(found).values() if isinstance(value, float)]
    ours += [value for value in vars(table.entry(0, seed=0)).values() if isinstance(value, float)]
    assert not {round(value, 9) for value in ours if value != round(value)} & figures


def test_the_result_store_has_no_test_figure(built):
    from sqlite3 import connect

    with connect(built / "results.sqlite") as database:
        text = "\n".join(database.iterdump())
    assert "test_accuracy" not in text
    assert "test_loss" not in text


def test_the_symmetry_test_is_that_of_the_training_images(built):
    table = load(NAME, built)
    images = load_dataset(small().child.data).train
    found = symmetry_test(images.images, images.labels, table.definition.space.symmetry_factors(), seed=0)
    assert table.symmetry.to_json() == found.to_json()
    assert table.hidden == ("rot90",)


def test_weights_are_deleted_and_can_be_archived(built, tmp_path):
    assert list((built / "weights").iterdir()) == []
    table = build(tmp_path / "tables", archive=tmp_path / "archive")
    specs, images = small().specs(), load_test_split(small().child.data)
    assert {path.name for path in (tmp_path / "archive").iterdir()} == {f"{spec.key}.safetensors" for spec in specs}
    child = load_child(specs[2], tmp_path / "archive" / f"{specs[2].key}.safetensors")
    columns = test_results(NAME, tmp_path / "tables")
    assert measure_test(child, images).test_accuracy == columns["test_accuracy"][1, 0, -1]
    assert np.array_equal(table.accuracy, load(NAME, built).accuracy)


def test_an_interrupted_build_goes_on_where_it_was(built, tmp_path):
    def stop_after_three(_name, done, _total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, progress=stop_after_three)
    assert not (tmp_path / f"{NAME}.parquet").exists()
    with TestFigures(tmp_path) as known:
        assert len(known.keys()) == 3
    evaluator = evaluator_in(tmp_path)
    build_table(small(), evaluator, tmp_path)
    assert evaluator.trained == len(small().specs()) - 3
    evaluator.close()
    again, whole = load(NAME, tmp_path).results, load(NAME, built).results
    assert all(np.array_equal(again[name], whole[name]) for name in whole if name != "seconds")
    ours, theirs = test_results(NAME, tmp_path), test_results(NAME, built)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def contents(folder):
    return {path.name: path.read_bytes() for path in [folder / "manifest.json", *folder.glob(f"{NAME}*")]}


def test_a_table_that_is_built_stays_as_it_is(built, tmp_path):
    shutil.copytree(built, tmp_path / "again")
    (tmp_path / "again" / "results.sqlite").unlink()
    evaluator = evaluator_in(tmp_path / "again")
    build_table(small(), evaluator, tmp_path / "again")
    assert evaluator.trained == 0
    evaluator.close()
    assert contents(tmp_path / "again") == contents(built)


@pytest.mark.parametrize("file", [f"{NAME}.parquet", f"{NAME}.test.parquet", "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_table_that_is_not_whole_is_written_again_from_the_store(built, tmp_path, file, damage):
    shutil.copytree(built, tmp_path / "again")
    path = tmp_path / "again" / file
    if damage == "missing":
        path.unlink()
    elif file == "manifest.json":
        path.write_text('{"version": 1}')
    else:
        path.write_bytes(path.read_bytes()[:-40])
    evaluator = evaluator_in(tmp_path / "again")
    if (file, damage) == ("manifest.json", "damaged"):
        with pytest.raises(TableError, match=r"manifest.json cannot be read"):
            build_table(small(), evaluator, tmp_path / "again")
        path.unlink()
    build_table(small(), evaluator, tmp_path / "again")
    assert evaluator.trained == 0
    evaluator.close()
    assert check_tables(tmp_path / "again") == [NAME]
    ours, theirs = contents(tmp_path / "again"), contents(built)
    assert ours[f"{NAME}.test.parquet"] == theirs[f"{NAME}.test.parquet"]


def test_a_table_of_another_definition_is_built_anew(built, tmp_path):
    shutil.copytree(built, tmp_path / "again")
    assert build(tmp_path / "again", small(epochs=1)).epochs == (1,)
    assert load(NAME, tmp_path / "again").epochs == (1,)


def test_without_weights_there_are_no_test_columns(tmp_path):
    from aen.evaluators import LocalEvaluator

    build_table(small(classes=1, seeds=(0,), epochs=1), LocalEvaluator(), tmp_path)
    assert load(NAME, tmp_path).accuracy.shape == (1, 1)
    with pytest.raises(TableError, match="is not in"):
        test_results(NAME, tmp_path)


def test_children_that_fail_are_named_and_no_table_is_written(tmp_path):
    from concurrent.futures import Future
    from dataclasses import replace

    inner = evaluator_in(tmp_path / "store")

    class Failing(type(inner)):
        def submit(self, specs, *, keep_weights=False):
            futures = super().submit(specs, keep_weights=keep_weights)
            if not futures:
                return []
            failed = Future()
            failed.set_result(
                replace(futures[0].result(), status="failed", weights=None, record={"failure": {"kind": "timeout"}})
            )
            return [failed, *futures[1:]]

    inner.__class__ = Failing
    with pytest.raises(TableError, match=r"digits-03 was not written: .*, seed 0 \(timeout\).*could not be trained"):
        build_table(small(classes=1), inner, tmp_path)
    inner.close()
    assert not (tmp_path / f"{NAME}.parquet").exists()


def test_the_manifest_has_the_checksums_and_what_it_was_built_with(built):
    about = json.loads((built / "manifest.json").read_text())["tables"][NAME]
    assert about["part"] == "training"
    assert about["seeds"] == [0, 1]
    assert set(about["files"]) == {f"{NAME}.parquet", f"{NAME}.test.parquet"}
    assert about["torch"]
    assert about["processor"]
    assert about["seconds"] > 0
    assert check_tables(built) == [NAME]
