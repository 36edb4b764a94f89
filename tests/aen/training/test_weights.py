import os
from dataclasses import replace

import pytest
import torch
from helpers.every_module import product
from helpers.permissions import without_permission
from safetensors.torch import load_file

from aen.children import DenseSpec, build_child
from aen.errors import StoreError
from aen.groups import Decomposition
from aen.training import load_child, save_weights
from aen.training.weights import load_parent

SPEC = DenseSpec(grids=(4, 4), decomposition=Decomposition.of(["hflip"]))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "weights.safetensors"


@pytest.fixture
def child():
    # Weights that no seed draws, so that a fresh child would not do.
    child = build_child(SPEC)
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.add_(1)
    return child


@pytest.mark.parametrize("bias", ["orbit", "scalar_after_relu"])
@pytest.mark.parametrize("head", ["free", "invariant"])
def test_loaded_child_is_the_saved_one(path, head, bias):
    spec = replace(SPEC, head=head, bias=bias)
    trained = build_child(spec.with_seed(5))
    assert save_weights(trained, path) == path.name
    # The seed says how the weights began, not what they became.
    loaded = load_child(spec.with_seed(5), path)
    assert not loaded.training
    assert loaded.spec == spec.with_seed(5)
    for name, value in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_nothing_but_the_file_is_left_in_the_folder(path, child):
    save_weights(child, path)
    save_weights(child, path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_saved_weights_are_not_those_of_a_fresh_child(path, child):
    save_weights(child, path)
    x = torch.ones(1, 16)
    assert torch.equal(load_child(SPEC, path)(x), child.eval()(x))
    assert not torch.equal(build_child(SPEC)(x), child(x))


def test_missing_weights_are_reported(path):
    with pytest.raises(StoreError, match=r"weights .* are missing; train the child again"):
        load_child(SPEC, path)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda _: b"", lambda b: b"\xff" * len(b)])
def test_damaged_weights_are_reported(path, child, damage):
    save_weights(child, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError, match="are damaged or belong to another child"):
        load_child(SPEC, path)


def test_folder_in_place_of_weights_is_reported(path):
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="is a folder; a file is expected"):
        load_child(SPEC, path)


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_weights_without_permission_are_not_called_missing(path, child, closed):
    save_weights(child, path)
    with without_permission(path if closed == "file" else path.parent):
        said = r"weights .* may not be read by this user \(Permission denied\); ask for permission"
        with pytest.raises(StoreError, match=said):
            load_child(SPEC, path)
        with pytest.raises(StoreError, match=said):
            load_parent(path.stem, path.parent)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"100% #1?", b"-x"])
def test_any_file_name_will_do(path, child, name):
    path = path.parent / os.fsdecode(name) / os.fsdecode(name)
    save_weights(child, path)
    x = torch.ones(1, 16)
    assert torch.equal(load_child(SPEC, path)(x), child.eval()(x))


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_permissions_of_weights_follow_the_umask(path, child, mask):
    before = os.umask(mask)
    try:
        save_weights(child, path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, decomposition=Decomposition.of(["rot90"])),
        replace(SPEC, grids=(4, 4, 4)),
        replace(SPEC, head="free"),
        replace(SPEC, bias="scalar_after_relu"),
        # As many orbits, but others: the same shapes.
        replace(SPEC, decomposition=Decomposition.of(["vflip"])),
    ],
    ids=["rot90", "grids", "head", "bias", "vflip"],
)
def test_weights_of_another_child_are_refused(path, child, other):
    save_weights(child, path)
    with pytest.raises(StoreError, match="belong to another child"):
        load_child(other, path)


@pytest.mark.parametrize("factors", [["rot90"], ["rot90", "hflip"], ["transpose"]])
def test_a_file_has_the_order_of_the_orbits_whatever_the_product_reads(factors, tmp_path):
    with product(9):
        child = build_child(DenseSpec(grids=(8, 4, 4), decomposition=Decomposition.of(factors)))
    assert any(not torch.equal(o, torch.arange(len(o))) for layer in child.tied_layers for o in layer.orders.values())
    save_weights(child, tmp_path / "child.safetensors")
    found = load_file(tmp_path / "child.safetensors")
    for place, layer in enumerate(child.tied_layers):
        for name in ("weight", "bias"):
            assert torch.equal(found[f"layers.{place}.{name}"], layer.orbit_values(name))
    for n in (0, 9):
        with product(n):
            loaded = load_child(child.spec, tmp_path / "child.safetensors")
        for ours, theirs in zip(loaded.tied_layers, child.tied_layers, strict=True):
            assert torch.equal(ours.expanded_weight(), theirs.expanded_weight())
