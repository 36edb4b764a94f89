"""PermutationAugmenter: uniform over small groups, words of large ones, the same draws for the same place."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from aen.children import ChildSpec, DenseSpec, TrainingSpec
from aen.data import DataSpec, load_dataset
from aen.data.group_augmentation import PermutationAugmenter
from aen.groups import Decomposition
from aen.training import train_child, train_population

SIDE = 4


def augmenter(*names, seed=0):
    moves = [generator.permutation(SIDE) for generator in Decomposition.of(names).generators]
    return PermutationAugmenter(moves, SIDE**2, seed)


def numbered(count):
    return torch.arange(SIDE**2, dtype=torch.float32).view(1, 1, SIDE, SIDE).repeat(count, 1, 1, 1)


def test_every_element_is_drawn_equally_often():
    moved = augmenter("rot90", "hflip").epoch(numbered(4000), 0).flatten(1)
    found, counts = np.unique(moved.numpy(), axis=0, return_counts=True)
    assert len(found) == 8
    assert chisquare(counts).pvalue > 0.001


def test_large_groups_are_drawn_by_words():
    large = augmenter("rot90", "hshift(1/4)", "swap_lr_top", "swap_tb_left")
    moved = large.epoch(numbered(200), 0).flatten(1)
    assert torch.equal(moved.sort(dim=1).values, numbered(200).flatten(1))
    assert len(np.unique(moved.numpy(), axis=0)) > 50


@pytest.mark.parametrize("names", [("rot90", "hflip"), ("rot90", "hshift(1/4)", "swap_lr_top", "swap_tb_left")])
def test_draws_depend_on_seed_epoch_and_place_only(names):
    few, many = augmenter(*names).epoch(numbered(10), 3), augmenter(*names).epoch(numbered(30), 3)
    assert torch.equal(few, many[:10])
    assert not torch.equal(few, augmenter(*names).epoch(numbered(10), 4))
    assert not torch.equal(few, augmenter(*names, seed=1).epoch(numbered(10), 3))


def child(**more):
    data = DataSpec(name="digits", train=200, validation=100, test=100)
    return DenseSpec(data=data, grids=(8, 8), training=TrainingSpec(epochs=2), **more)


def test_a_child_augmented_by_its_group():
    tied = child(decomposition=Decomposition.of(["rot90", "hflip"]))
    rival = tied.augmented_instead()
    assert rival.name == "none, augmented by rot90 + hflip"
    assert rival.class_key != child().class_key
    assert ChildSpec.from_json(rival.to_json()) == rival
    assert child().augmented_instead() is None
    assert rival.augmented_instead() is None
    assert "augment" not in child().to_json()


def test_augmented_children_train_alike_whatever_stands_beside_them():
    rival = child(decomposition=Decomposition.of(["rot90"])).augmented_instead()
    data = load_dataset(rival.data)
    first = train_population([rival, rival.with_seed(5)], data)[0]
    second = train_population([rival.with_seed(7), rival], data)[1]
    assert (first.validation_loss, first.train_loss) == (second.validation_loss, second.train_loss)
    alone = train_child(rival, data)
    assert alone.train_loss == pytest.approx(first.train_loss, rel=1e-3)
    assert alone.train_loss != pytest.approx(train_child(child(), data).train_loss, rel=1e-3)
