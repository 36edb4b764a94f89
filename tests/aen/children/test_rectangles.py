"""Children for images that are not square, and for signals: from the spec to a trained network."""

import json

import numpy as np
import pytest
import torch

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec, TrainingSpec, build_child
from aen.data import Dataset, DataSpec, Split, lift_sign, move_images
from aen.errors import DataError, GroupError, SpecError
from aen.groups import Decomposition, Generator, enumerate_elements, layer_orbits, shape_of
from aen.nn import SymmetrizedLinear
from aen.nn.mixed import MixedSymmetrizedLinear
from aen.pictures import orbit_picture
from aen.spaces import GCNNSpace
from aen.training import train_child, train_population

SHORT = TrainingSpec(epochs=8, batch_size=16)
IMAGES = DenseSpec(
    grids=((6, 10), (4, 6), 4),
    decomposition=Decomposition.of(["hflip", "swap_tb"]),
    classes=2,
    training=SHORT,
)
SIGNALS = DenseSpec(
    grids=((2, 16), (2, 8), (2, 8)),
    decomposition=Decomposition.of(["reverse", "shift(1/4)", "sign"]),
    classes=2,
    training=SHORT,
)


def dataset(grid, n=48, lifted=False):
    """Two classes that differ by the brightness of their images, or, lifted, by the size of their signals."""
    source = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(2):
        labels = torch.arange(n) % 2
        rows, columns = shape_of(grid)
        images = torch.randn(n, 1, rows // (1 + lifted), columns, generator=source)
        size = 2 * labels[:, None, None, None]
        images = images * (0.1 + size) if lifted else images + size
        parts.append(Split(lift_sign(images) if lifted else images, labels))
    return Dataset(DataSpec(), 2, *parts)


@pytest.mark.parametrize("head", ["free", "invariant"])
@pytest.mark.parametrize(("spec", "lifted"), [(IMAGES, False), (SIGNALS, True)], ids=["images", "signals"])
def test_dense_child_learns_what_its_spec_says(spec, lifted, head):
    spec = DenseSpec.from_json(spec.to_json() | {"head": head})
    data = dataset(spec.grid, lifted=lifted)
    evaluation = train_child(spec, data)
    assert evaluation.status == "ok"
    assert evaluation.validation_accuracy > 0.8
    (together,) = train_population([spec], data)
    assert together.parameters == evaluation.parameters
    assert together.validation_accuracy > 0.8


def test_dense_child_is_equivariant_to_every_element_of_its_group():
    """The elements are enumerated from the generators, as permutations of both grids together."""
    child = build_child(SIGNALS).double()
    source = torch.Generator().manual_seed(1)
    x = torch.randn(3, 32, generator=source, dtype=torch.float64)
    moves = [
        np.concatenate([g.permutation((2, 16)), 32 + g.permutation((2, 8))]) for g in SIGNALS.decomposition.generators
    ]
    elements = enumerate_elements(moves, 48, 100)
    assert len(elements) == 16  # D4 of shifts by a quarter and the reversal, times the sign
    y = child.features(x)
    for element in elements:
        p, q = element[:32], element[32:] - 32
        torch.testing.assert_close(child.features(x[:, np.argsort(p)]), y[:, np.argsort(q)])
        torch.testing.assert_close(child(x[:, np.argsort(p)]), child(x))
    assert not torch.allclose(child(x.roll(1, 1)), child(x))


def test_specs_of_rectangles_have_json_and_keys_of_their_own():
    assert json.loads(json.dumps(IMAGES.to_json()))["grids"] == [[6, 10], [4, 6], 4]
    assert ChildSpec.from_json(json.loads(json.dumps(IMAGES.to_json()))) == IMAGES
    assert DenseSpec(grids=([6, 6], (4, 4))) == DenseSpec(grids=(6, 4))
    assert DenseSpec(grids=((6, 6), 4)).key == DenseSpec(grids=(6, 4)).key
    keys = {DenseSpec(grids=(grid, 4)).key for grid in ((4, 9), (9, 4), 6, (6, 6), (2, 18))}
    assert len(keys) == 4
    assert (IMAGES.grid, DenseSpec(grids=(6, 4)).side) == ((6, 10), 6)
    assert [title for title, _, _ in IMAGES.tied_grids] == ["tied 6x10", "tied 4x6", "tied 4x4"]
    with pytest.raises(SpecError, match="grids start at 6x10, which is no square and has no side"):
        _ = IMAGES.side


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DenseSpec(grids=((6, 0), 4)), SpecError, "grids: grid 6x0 is out of range"),
        (lambda: DenseSpec(grids=((6, 4, 2), 4)), SpecError, r"grids: grid is \(6, 4, 2\).* or \[rows, columns\]"),
        (lambda: DenseSpec(grids=((6, 4),)), SpecError, r"grids \[\[6, 4\]\] make no layer"),
        (
            lambda: DenseSpec(grids=((6, 4), 4), decomposition=Decomposition.of("rot90")),
            GroupError,
            "'rot90' needs a square grid, not 6x4",
        ),
        (lambda: train_child(IMAGES, dataset((10, 6))), SpecError, "grids start at 6x10, but the images are 10x6"),
        (lambda: dataset((10, 6)).side, DataError, "the images are 10x6, which is no square"),
        (lambda: GCNNSpec(side=(20, 28), group="C4"), SpecError, "20x28 cannot be turned by the quarter turns of C4"),
        (lambda: GCNNSpec(side=(20, 28), group="C1", backend="escnn"), SpecError, "'escnn' takes square images"),
        (lambda: GCNNSpec(side=(20, 4)), SpecError, "too small for 4 convolutions"),
        (lambda: GCNNSpec(side=(20, 28, 3)), SpecError, r"side: grid is \(20, 28, 3\)"),
        (lambda: GCNNSpace(GCNNSpec(side=(20, 28))), SpecError, r"quarter turns of C4.*space\.groups"),
        (
            lambda: EquiNASSpec(side=(20, 28)),
            SpecError,
            r"side is \(20, 28\), but the EquiNAS child takes square",
        ),
    ],
)
def test_what_no_rectangle_can_have_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("group", ["C1", "C2", "D1", "D1v", "D2"])
def test_gcnn_child_of_half_turns_and_mirrorings(group):
    spec = GCNNSpec(side=(20, 28), classes=2, group=group, width=4, head="invariant", training=SHORT)
    child = build_child(spec).double().eval()
    images = torch.randn(2, 1, 20, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    elements = {"D2": 4, "C1": 1}.get(group, 2)
    assert len(child.check_equivariance()) == len(child.check_invariance(images)) == elements - 1
    assert max(child.check_equivariance().values(), default=0) < 1e-9
    assert max(child.check_invariance(images).values(), default=0) < 1e-9
    torch.testing.assert_close(child.export()(images), child(images))
    assert GCNNSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert GCNNSpec(side=(20, 20), group=group) == GCNNSpec(side=20, group=group)


def test_gcnn_child_is_trained_on_rectangles():
    spec = GCNNSpec(
        side=(12, 20), classes=2, group="D2", width=4, padding="same", augmentations=("rotation",), training=SHORT
    )
    evaluation = train_child(spec, dataset((12, 20)))
    assert (evaluation.status, evaluation.epochs) == ("ok", 8)
    assert GCNNSpace(GCNNSpec(side=(12, 20), padding="same"), groups=["C1", "D1", "D2"]).remarks() == ()


def test_mixed_layer_between_rectangles_mixes_the_layers_of_its_branches():
    branches = [Decomposition.of(["hflip"]), Decomposition.of(["vflip", "swap_lr"])]
    layer = MixedSymmetrizedLinear((2, 4), (4, 2), branches, generator=torch.Generator().manual_seed(0))
    x = torch.randn(3, 8)
    torch.testing.assert_close(layer.export()(x), layer(x))
    kept = layer.discretise()
    assert isinstance(kept, SymmetrizedLinear)
    assert (kept.in_grid, kept.out_grid) == ((2, 4), (4, 2))
    assert "2x4 -> 4x2" in repr(kept)
    with pytest.raises(SpecError, match="must be 8, the cells of a 2x4 grid"):
        layer(torch.zeros(3, 9))


def test_the_sign_of_a_signal_is_a_swap_of_its_lifted_rows():
    signals = torch.randn(4, 1, 3, 10)
    lifted = lift_sign(signals)
    assert lifted.shape == (4, 1, 6, 10)
    moved = lifted.flatten(2)[..., np.argsort(Generator.parse("sign").permutation((6, 10)))]
    assert torch.equal(moved.view_as(lifted), lift_sign(-signals))


def test_images_that_are_not_square_are_moved():
    images = torch.randn(20, 2, 4, 6)
    moved = move_images(images, ["hflip"], angles="quarter", seed=0)
    flipped = [torch.equal(a, b.flip(2)) for a, b in zip(moved, images, strict=True)]
    assert 0 < sum(flipped) < 20
    assert all(torch.equal(a, b) for a, b, f in zip(moved, images, flipped, strict=True) if not f)
    for angles in ("quarter", "any"):
        with pytest.raises(GroupError, match="'rot90' needs a square grid, not 4x6"):
            move_images(images, ["rot90"], angles=angles, seed=0)


def test_picture_of_the_orbits_has_the_shape_of_the_grid():
    picture = orbit_picture(Decomposition.of(["hflip"]), (3, 8))
    assert picture.shape == (3, 8, 3)
    assert np.array_equal(picture, picture[:, ::-1])
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 12
    assert layer_orbits((), (3, 8), 2).count == 96
