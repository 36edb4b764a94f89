"""EquiNAS children whose weights are kept in files, and children that inherit them."""

from dataclasses import replace

import helpers.planar_cases as cases
import pytest
import torch
from hypothesis import strategies as st

from aen.children import EquiNASSpec, TrainingSpec, build_child
from aen.training import save_weights
from aen.training.autograd import fit
from aen.training.inheritance import inherit
from aen.training.recalibration import norms

ADAM = TrainingSpec(epochs=1, batch_size=4, learning_rate=1e-2)
MOMENTUM = replace(ADAM, optimiser="sgd", momentum=0.9)
SMALL = {"side": 8, "width": 1, "kernel_size": 3, "dense": 8, "classes": 3}
SPEC = EquiNASSpec(**SMALL, training=ADAM)
STATIC = {"groups": ("D4",) * 3 + ("D2", "D2", "C2", "C1", "C1")}
MIXED = {"mixed": ("C1", "C4", "D4"), "skip": True, "alpha_learning_rate": 0.05}
MODES = {
    "static": STATIC,
    "published": STATIC | {"published": True},
    "mixed": MIXED,
    "halves": MIXED | {"alpha_data": "halves", "temperature": 0.5},
    "penalty": {"mixed": ("C1", "D4"), "weighting": "sum", "keep_norm": False, "penalty": 1e-2},
}
every_mode = pytest.mark.parametrize("mode", MODES)


def in_file(spec, folder, training=None):
    """Keep a child that no seed has drawn, after two steps of its training."""
    spec = replace(spec, training=training or spec.training)
    child = build_child(spec)
    x = cases.images(8, 1, 8, 8, seed=5, dtype=torch.float32)
    fitted = fit(child, spec, x, torch.arange(8) % 3)
    with torch.no_grad():  # let no norm keep its start, or signals of the untrained layers die out
        for number, norm in enumerate(norms(child)):
            norm.weight.copy_(cases.images(*norm.weight.shape, seed=number).abs() + 0.5)
    save_weights(child, folder / f"{spec.key}.safetensors", fitted.progress)
    return child, fitted.progress


def inherited(spec, parent, folder, images=None):
    with torch.no_grad():
        return inherit(replace(spec, parent=parent.spec.key), folder, images, "cpu")


def same_state(one, other):
    assert one.keys() == other.keys()
    for name, state in one.items():
        assert state.keys() == other[name].keys()
        assert all(torch.equal(value, other[name][key]) for key, value in state.items()), name


def subgroups(name):
    return [h for h, g in cases.PAIRS if g == name]


@st.composite
def shrinking(draw, first=None):
    """Groups of eight convolutions and the dense layer, each one within the one before and within those of `first`."""
    found, before = [], "D4"
    for place in range(9):
        above = subgroups(first[place]) if first else cases.EXACT
        before = draw(st.sampled_from([name for name in subgroups(before) if name in above]))
        found.append(before)
    return tuple(found)


def child_of(key=SPEC.key, **changes):
    return replace(SPEC, parent=key, **changes)
