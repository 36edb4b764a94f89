"""The equivariance error of each layer of a child."""

from aen.children import DenseSpec, build_child
from aen.data import DataSpec
from aen.groups import Decomposition, Generator
from aen.training.moved_quality import layer_errors


def test_errors_of_dense_layers_are_rounding_for_what_is_tied_and_large_for_the_rest() -> None:
    child = build_child(DenseSpec(data=DataSpec("digits"), grids=(8, 8), decomposition=Decomposition.of(["hflip"])))
    found = layer_errors(child, [Generator.parse("hflip"), Generator.parse("rot90")])
    assert found
    for errors in found.values():
        assert errors["hflip"] < 1e-4
        assert errors["rot90"] > 0.1
