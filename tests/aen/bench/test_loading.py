"""Loading tables: every wrong file and every wrong question is refused with a remedy."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.built_tables import NAME, build, small
from helpers.tables import drawn_table

from aen.bench import TableEvaluator, check_tables, load, test_results
from aen.bench.files import VERSION, read_table, write_table
from aen.errors import TableError


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    build(folder, small(classes=3, epochs=1))
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "tables")


def test_an_unknown_table_is_refused():
    with pytest.raises(TableError, match=r"unknown table 'gmnist-multi-9' \(did you mean 'gmnist-multi-\d'\?\)"):
        load("gmnist-multi-9")


def test_a_table_that_was_not_built_is_refused(folder):
    with pytest.raises(TableError, match=r"table digits-04 is not in .*; build it with: aen bench build digits-04"):
        load("digits-04", folder)


@pytest.mark.parametrize("file", [f"{NAME}.parquet", f"{NAME}.test.parquet"])
@pytest.mark.parametrize("cut", [False, True], ids=["a changed byte", "a cut file"])
def test_a_checksum_mismatch_is_refused(folder, file, cut):
    content = bytearray((folder / file).read_bytes())
    content[100] ^= 1
    (folder / file).write_bytes(content[:-50] if cut else content)
    read = test_results if "test" in file else load
    with pytest.raises(TableError, match="checksum mismatch, its SHA-256 is"):
        read(NAME, folder)
    with pytest.raises(TableError, match="checksum mismatch"):
        check_tables(folder)


def test_a_damaged_file_without_a_manifest_is_refused(folder):
    (folder / "manifest.json").unlink()
    load(NAME, folder)
    (folder / f"{NAME}.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match=r"cannot be read .*; build it again"):
        load(NAME, folder)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 1, "tables": {}}', "{}"])
def test_a_damaged_manifest_is_refused(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(TableError, match=r"manifest.json .*build the tables again"):
        load(NAME, folder)


def test_another_version_is_refused(folder):
    path = folder / f"{NAME}.parquet"
    stored = pq.read_table(path)
    described = json.loads(stored.schema.metadata[b"aen.bench"]) | {"version": VERSION + 1}
    pq.write_table(stored.replace_schema_metadata({b"aen.bench": json.dumps(described)}), path)
    (folder / "manifest.json").unlink()
    with pytest.raises(TableError, match=f"has version {VERSION + 1}, not {VERSION}; build it again"):
        load(NAME, folder)


def test_a_table_under_another_name_is_refused(folder):
    (folder / f"{NAME}.parquet").rename(folder / "digits-05.parquet")
    with pytest.raises(TableError, match="is digits-03, not digits-05"):
        load("digits-05", folder)


def test_a_table_of_another_space_is_refused(folder):
    evaluator = TableEvaluator(load(NAME, folder))
    other = small("digits-05", classes=3, epochs=1).specs()[0]
    with pytest.raises(TableError, match="is of other data or another training"):
        evaluator.look_up(other)
    absent = small(classes=6, epochs=1).specs()[-1]
    with pytest.raises(TableError, match=r"has no class .*; is it of another space"):
        evaluator.look_up(absent)


def test_children_without_a_curve_are_looked_up_too(folder):
    table = load(NAME, folder)
    spec = table.definition.specs()[0]
    plain = replace(spec, training=replace(spec.training, curve=False))
    found = TableEvaluator(table).look_up(plain)
    assert found.validation_accuracy == table.entry(0, seed=0).validation_accuracy
    assert found.key == plain.key != spec.key


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"state": [0] * 11}, r"state is .*; table digits-03 needs 12 values"),
        ({"state": [2] + [0] * 11}, r"needs 12 values, each below"),
        ({"state": [1] * 12}, r"has no entry for state"),
        ({"seed": 7}, r"seed is 7; table digits-03 has 0, 1"),
        ({"epoch": 2}, r"epoch is 2; table digits-03 has 1"),
        ({"noise": "sead", "seed": 0}, r"unknown noise 'sead' \(did you mean 'seed'\?\)"),
        ({"noise": "seed"}, r"noise is 'seed' and seed is None; give a seed \(0, 1\)"),
        ({"noise": "mean", "seed": 1}, r"noise is 'mean' and seed is 1"),
    ],
)
def test_a_question_that_the_table_cannot_answer_is_refused(folder, question, message):
    with pytest.raises(TableError, match=message):
        load(NAME, folder).query(**({"state": [0] * 12} | question))


def test_noise_says_which_result(folder):
    table = load(NAME, folder)
    each = [table.query([0] * 12, seed=seed, noise="seed").validation_accuracy for seed in (0, 1)]
    assert table.query([0] * 12, noise="mean").validation_accuracy == pytest.approx(np.mean(each))
    assert table.query([0] * 12).validation_accuracy == pytest.approx(np.mean(each))


@pytest.mark.parametrize("epoch", [None, 1, 2])
@pytest.mark.parametrize("noise", ["seed", "mean"])
def test_an_evaluation_has_the_figures_of_the_arrays(noise, epoch):
    table = drawn_table(number=3)
    evaluator = TableEvaluator(table, noise=noise, epoch=epoch)
    at_epoch = 1 if epoch is None else table.epochs.index(epoch)
    columns = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")
    for spec, found in zip(table.definition.specs(), map(evaluator.look_up, table.definition.specs()), strict=True):
        place, seed = table.place_of_class[spec.class_key], table.definition.seeds.index(spec.seed)
        for column in columns:
            seeds = table.results[column][place, :, at_epoch]
            expected = seeds.mean() if noise == "mean" else seeds[seed]
            assert getattr(found, column) == pytest.approx(expected), column
        assert (found.key, found.class_key, found.seed) == (spec.key, spec.class_key, spec.seed)
        assert (found.status, found.epochs, found.parameters) == ("ok", epoch or 2, table.parameters[place])


def test_a_child_that_diverged_is_one_in_an_evaluation():
    table = drawn_table()
    for column in ("train_accuracy", "validation_accuracy"):
        table.results[column][2, 1] = 0.0
    table.results["validation_accuracy"][3, 0] = 0.0  # it learnt something
    status = {(e.class_key, e.seed): e.status for e in map(TableEvaluator(table).look_up, table.definition.specs())}
    bad = (table.definition.classes[2].key, table.definition.seeds[1])
    assert {key for key, value in status.items() if value != "ok"} == {bad}
    assert status[bad] == "diverged"


def test_what_is_written_is_read(folder, tmp_path):
    table = load(NAME, folder)
    write_table(table, tmp_path / "copy.parquet")
    again = read_table(tmp_path / "copy.parquet")
    assert again.definition.to_json() == table.definition.to_json()
    assert all(np.array_equal(again.results[name], table.results[name]) for name in table.results)
    assert again.symmetry == table.symmetry
    assert (tmp_path / "copy.parquet").read_bytes() == (folder / f"{NAME}.parquet").read_bytes()


def test_accuracies_are_exact_and_losses_rounded(folder):
    table = load(NAME, folder)
    counts = table.results["validation_accuracy"] * table.definition.child.data.validation
    assert np.allclose(counts, np.rint(counts), rtol=0, atol=1e-9)
    assert np.array_equal(table.results["train_loss"], np.round(table.results["train_loss"], 4))
