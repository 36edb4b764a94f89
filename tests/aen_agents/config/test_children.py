from pathlib import Path

import pytest
import torch

from aen.children import EquiNASSpec, GCNNSpec, build_child
from aen.errors import AenError, SpecError
from aen_agents.config import (
    DenseConfig,
    GCNNConfig,
    load_config,
)
from aen_agents.problem import child_of

EQUINAS = ["child.kind=equinas", "agent=equinas_e"]
GCNN = ["child.kind=gcnn", "child.padding=same"]


def test_a_child_is_dense_unless_its_kind_is_named(config_file: Path) -> None:
    assert load_config(config_file).child == DenseConfig()
    assert load_config(config_file, ["child.head=invariant"]).child == DenseConfig(head="invariant")
    assert isinstance(load_config(config_file, ["child.kind=gcnn"]).child, GCNNConfig)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.epochs=0.5"], "training.epochs is 0.5; the dense child is trained for whole epochs"),
        ([*EQUINAS, "child.base=C8"], "base is C8, which does not act exactly on pixels"),
        ([*EQUINAS, "child.base=X"], "unknown planar group 'X'"),
        ([*EQUINAS, "child.kernel_size=4"], "kernel_size is 4; padding keeps the side of odd kernels only"),
        ([*EQUINAS, "child.poolings=[9]"], r"poolings is \[9\]; name convolutions from 1 to 8, each once"),
        ([*EQUINAS, "child.poolings=[3, 3]"], r"poolings is \[3, 3\]; name convolutions from 1 to 8, each once"),
        (
            [*EQUINAS, "child.poolings=[3, 5]", "child.published=true"],
            "after which maps of 8x8 are 2x2; that is too small for the published last pooling, 4x4",
        ),
    ],
)
def test_children_that_cannot_be_are_explained(config_file: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(AenError, match=message):
        child_of(load_config(config_file, overrides))


def test_maps_may_be_pooled_down_to_one_cell(config_file: Path) -> None:
    child = child_of(load_config(config_file, [*EQUINAS, "child.poolings=[1, 2, 8]", "child.width=1"]))
    assert isinstance(child, EquiNASSpec)
    assert child.sides[-1] == 1
    assert build_child(child)(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    with pytest.raises(SpecError, match=r"maps of 3x3 are 3x3; that is too small for the published last pooling"):
        EquiNASSpec(side=3, published=True)


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ([], "published"),
        (["child.norm=batch"], "fan_in"),
        (["child.backend=escnn", "space.groups=[C1, C4]"], "fan_in"),
        (["child.initialisation=fan_in"], "fan_in"),
        (["child.norm=batch", "child.initialisation=published"], "published"),
    ],
)
def test_initial_weights_of_gcnns_depend_on_the_norm(config_file: Path, overrides: list[str], found: str) -> None:
    side = "child.kernel_size=1" if "child.backend=escnn" in overrides else "child.padding=same"  # escnn has no padding
    child = child_of(load_config(config_file, ["child.kind=gcnn", side, *overrides]))
    assert isinstance(child, GCNNSpec)
    assert child.initialisation == found


def test_epochs_may_be_a_part_of_one_but_for_dense_children(config_file: Path) -> None:
    assert child_of(load_config(config_file, [*EQUINAS, "training.epochs=0.5"])).training.epochs == 0.5
    assert child_of(load_config(config_file, [*GCNN, "training.epochs=0.5"])).training.epochs == 0.5
    assert child_of(load_config(config_file, ["training.epochs=2.0"])).training.epochs == 2
