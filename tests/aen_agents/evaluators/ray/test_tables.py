"""A benchmark table that Ray's workers train is the one that this process trains."""

import numpy as np
from helpers.built_tables import NAME, build, small

from aen.bench import test_results
from aen.bench.building import build_table


def test_a_table_built_on_ray_is_that_of_this_process(make, open_store, tmp_path):
    ours = build(tmp_path / "here")
    evaluator = make(store=open_store(), workers=2, weights_folder=tmp_path / "weights")
    theirs = build_table(small(), evaluator, tmp_path / "ray")
    assert evaluator.trained == len(small().specs())
    assert all(np.array_equal(theirs.results[name], ours.results[name]) for name in ours.results if name != "seconds")
    assert np.array_equal(theirs.parameters, ours.parameters)
    here, there = (test_results(NAME, tmp_path / each) for each in ("here", "ray"))
    assert all(np.array_equal(there[name], here[name]) for name in here)
    assert list((tmp_path / "weights").iterdir()) == []
