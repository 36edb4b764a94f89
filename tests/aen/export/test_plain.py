"""The plain form of children: it computes the same, from layers of torch.nn alone that JSON can describe."""

import json
import random

import pytest
import torch
from helpers.every_module import close, product
from helpers.exported_children import NAMES, child_of
from torch import nn

from aen.children import Child, DenseSpec, GCNNSpec, build_child
from aen.data import Preprocessing
from aen.errors import ExportError, SpecError
from aen.export import plain_network
from aen.export.modeling_aen import Standardise, build
from aen.export.plain import described
from aen.groups import Alphabet, Decomposition
from aen.groups.grid import shape_of

PIXELS = Preprocessing(mean=0.3, deviation=0.4, scale=255.0)


def pixels_of(child: Child, n: int = 5) -> torch.Tensor:
    shape = (n, child.spec.channels, *shape_of(child.spec.grid))
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(1))


def standardised(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels.double() / 255 - 0.3) / 0.4


@pytest.mark.parametrize("name", NAMES)
def test_the_plain_form_computes_the_same(name):
    child = child_of(name).double()
    plain = plain_network(child, PIXELS)
    pixels = pixels_of(child)
    with torch.no_grad():
        wanted = child(standardised(pixels))
        assert float(wanted.std()) > 0
        close(plain(pixels.double()), wanted, 1e-12)
        single, narrow = child_of(name), plain_network(child_of(name), PIXELS)
        close(narrow(pixels.float()), single(standardised(pixels).float()), 1e-5)
        close(narrow(pixels.to(torch.uint8)), single(standardised(pixels).float()), 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_made_of_layers_of_torch_that_json_describes(name):
    child = child_of(name)
    plain = plain_network(child, PIXELS)
    kinds = {type(layer).__module__.split(".")[0] for layer in list(plain)[1:]}
    assert kinds == {"torch"}
    assert not plain.training
    rebuilt = build(json.loads(json.dumps(described(plain))))
    rebuilt.load_state_dict(plain.state_dict())
    pixels = pixels_of(child)
    with torch.no_grad():
        assert torch.equal(rebuilt.eval()(pixels), plain(pixels))


@pytest.mark.parametrize("seed", range(12))
def test_random_dense_children_have_the_same_plain_form(seed):
    draw = random.Random(seed)  # noqa: S311 - choices of a test
    factors = Alphabet.of("published").factors
    spec = DenseSpec(
        grids=(8, *draw.choices((6, 8), k=draw.randint(1, 2))),
        decomposition=Decomposition(tuple(f for f in factors if draw.random() < 0.2)),
        head=draw.choice(["free", "invariant"]),
        bias=draw.choice(["orbit", "scalar_after_relu"]),
        initialisation="published",
        seed=seed,
    )
    with product(seed % 10):
        child = build_child(spec).double().eval()
    pixels = pixels_of(child)
    with torch.no_grad():
        close(plain_network(child, PIXELS)(pixels.double()), child(standardised(pixels)), 1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_random_gcnn_children_have_the_same_plain_form(seed):
    draw = random.Random(seed)  # noqa: S311 - choices of a test
    spec = GCNNSpec(
        side=draw.choice((8, 9, 12)),
        channels=draw.choice((1, 3)),
        group=draw.choice(["C1", "C2", "D1", "D1d", "D2d", "C4", "D4"]),
        size=draw.choice((0.5, 1.0)),
        stages=draw.choice(((1.0, 1.0), (0.5, 2.0))),
        width=4,
        kernel_size=draw.choice((1, 3)),
        padding="same",
        norm=draw.choice(["none", "batch"]),
        head=draw.choice(["flatten", "invariant"]),
        seed=seed,
    )
    child = build_child(spec).double().eval()
    pixels = pixels_of(child)
    with torch.no_grad():
        close(plain_network(child, PIXELS)(pixels.double()), child(standardised(pixels)), 1e-12)


def test_nothing_is_shared_with_the_child():
    child = child_of("G-CNN, D4, norm")
    plain = plain_network(child, PIXELS)
    pixels = pixels_of(child)
    before = child(standardised(pixels).float())
    with torch.no_grad():
        for value in plain.state_dict().values():
            value.zero_()
    assert torch.equal(child(standardised(pixels).float()), before)


class Unknown(Child):
    """A kind of child without export()."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec

    def prepare(self, images):
        return images

    def forward_prepared(self, rows):
        return rows.flatten(1)[:, :10]

    def check_equivariance(self, *, words=16, seed=0):  # noqa: ARG002 - the base class's
        return {}


class Odd(Unknown):
    """A child whose export has a layer that no format knows."""

    def export(self):
        return nn.Sequential(nn.Flatten(), nn.Tanh())


def test_a_child_without_plain_form_is_named():
    with pytest.raises(SpecError, match=r"a dense child cannot be exported: Unknown has no export\(\)"):
        plain_network(Unknown(DenseSpec()), PIXELS)
    with pytest.raises(ExportError, match=r"a layer Tanh cannot be exported; .* may return AdaptiveAvgPool2d, "):
        plain_network(Odd(DenseSpec()), PIXELS)


def test_standardise_computes_what_training_did():
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    layer = Standardise(PIXELS.mean, PIXELS.deviation, PIXELS.scale)
    assert torch.equal(layer(images), PIXELS.apply(images))
    assert torch.equal(layer(images.float()), PIXELS.apply(images))
