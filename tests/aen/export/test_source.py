"""What is exported: a child in memory, a run folder, or one of the networks in it."""

import json

import numpy as np
import pytest
import torch
from helpers.every_module import close
from helpers.exported_children import DIGITS, child_of, saved_run

from aen.children import DenseSpec
from aen.data import DataSpec, load_dataset, preprocessing_of
from aen.errors import DataError, ExportError, RunFolderError
from aen.export.facts import metadata
from aen.export.source import run_folder, source_of


def test_the_networks_of_a_run(tmp_path):
    run = saved_run(tmp_path / "run", child_of("dense"))
    with pytest.raises(
        RunFolderError, match=r"run has no folder trained; train the winner first .* or use --from best"
    ):
        source_of(run, "trained")
    assert source_of(run).which == "best"
    saved_run(run, child_of("dense, shifts"), which="trained")
    trained, best = child_of("dense, shifts").spec, child_of("dense").spec
    for network, which, spec in (
        (run, None, trained),
        (run, "best", best),
        (run, "trained", trained),
        (str(run / "best"), None, best),
        (run / "trained", None, trained),
    ):
        source = source_of(network, which)
        assert (source.spec, source.run, run_folder(network)) == (spec, run, run)
    with pytest.raises(ExportError, match=r"from is 'bests' \(did you mean 'best'\?\)"):
        source_of(run, "bests")
    with pytest.raises(ExportError, match=r"from is 'best', but .*trained is the folder of one network"):
        source_of(run / "trained", "best")
    with pytest.raises(ExportError, match=r"from is 'best', which is for run folders"):
        source_of(child_of("dense"), "best")


def test_the_pixels_are_those_that_the_data_set_stores():
    source = source_of(child_of("dense"))
    assert source.pixels_are == "validation images"
    images = load_dataset(DIGITS).validation.images[:10]
    close(source.preprocessing.apply(source.pixels), images, 1e-5)
    sixteenths = source.pixels * 16  # the digits' grey levels
    close(sixteenths, sixteenths.round(), 1e-5)


def test_the_child_is_copied_as_float32_in_evaluation_mode():
    child = child_of("G-CNN, D4, norm").double().train()
    before = {name: value.clone() for name, value in child.state_dict().items()}
    source = source_of(child)
    assert (source.child.training, next(source.child.parameters()).dtype) == (False, torch.float32)
    source.child(source.preprocessing.apply(source.pixels))
    assert child.training
    assert all(torch.equal(value, before[name]) for name, value in child.state_dict().items())


def test_runs_of_earlier_versions_compute_the_preprocessing_again(tmp_path):
    run = saved_run(tmp_path / "run", child_of("dense"), preprocessing=False)
    assert source_of(run).preprocessing == preprocessing_of(DIGITS)


def test_the_stored_preprocessing_counts(tmp_path):
    run = saved_run(tmp_path / "run", child_of("dense"))
    (run / "best/preprocessing.json").write_text('{"mean": 1, "deviation": 2, "scale": 3}')
    assert source_of(run).preprocessing.to_json() == {"mean": 1, "deviation": 2, "scale": 3}


def test_lost_data(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(60) % 10)
    # What one test has loaded is cached: the second run asks for another split.
    first = DataSpec(str(tmp_path / "own.npz"), train=30, validation=20, test=10)
    second = DataSpec(str(tmp_path / "own.npz"), train=31, validation=19, test=10)
    new = saved_run(tmp_path / "new", child_of("dense", first))
    assert str(tmp_path) not in json.dumps(metadata(source_of(new)))  # exports are passed on
    assert torch.equal(source_of(new).pixels, source_of(new).pixels.round())
    (tmp_path / "own.npz").rename(tmp_path / "elsewhere.npz")
    third = DataSpec(str(tmp_path / "own.npz"), train=32, validation=18, test=10)
    kept = saved_run(tmp_path / "kept", child_of("dense", third), preprocessing=False)
    (kept / "best/preprocessing.json").write_text('{"mean": 0.5, "deviation": 0.3, "scale": 255}')
    source = source_of(kept)
    assert (source.pixels_are, source.pixels.shape) == ("random images", (10, 1, 8, 8))
    old = saved_run(tmp_path / "old", child_of("dense", second), preprocessing=False)
    with pytest.raises(DataError, match=r"pixels are standardised is not known, .*own.npz.* Put the data where it was"):
        source_of(old)


@pytest.mark.parametrize("content", ['{"mean": 1}', "[]", "{", '{"mean": 0, "deviation": 0}'])
def test_a_damaged_preprocessing_is_named(tmp_path, content):
    run = saved_run(tmp_path / "run", child_of("dense"))
    (run / "best/preprocessing.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"preprocessing.json is damaged: .* Remove it"):
        source_of(run)


def test_a_damaged_summary_is_named(tmp_path):
    run = saved_run(tmp_path / "run", child_of("dense"))
    (run / "summary.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"summary.json is damaged: .* Move it away"):
        source_of(run)


def test_the_names_of_classes_are_those_of_the_data_or_of_the_training(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    names = [f"kind {i}" for i in range(10)]
    np.savez(tmp_path / "named.npz", images=images, labels=np.array(names)[np.arange(60) % 10])
    data = DataSpec(str(tmp_path / "named.npz"), train=30, validation=20, test=10)
    run = saved_run(tmp_path / "run", child_of("dense", data))
    assert source_of(run).class_names == tuple(names)
    saved_run(run, child_of("dense"), which="trained")
    (run / "trained/training.json").write_text(json.dumps({"class_names": names[::-1]}))
    assert source_of(run).class_names == tuple(names[::-1])


def test_metadata_says_what_a_file_is():
    facts = metadata(source_of(child_of("dense")))
    spec: DenseSpec = child_of("dense").spec
    assert (facts["group"], facts["key"], facts["symmetry"]) == (spec.group, spec.key, spec.name)
    assert "[batch, 1, 8, 8]" in facts["input"]
    assert json.loads(facts["classes"]) == [str(i) for i in range(10)]
