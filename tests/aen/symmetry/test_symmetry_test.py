"""The symmetry test: its level, its power, what it returns, and its answers to bad input."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

import aen
from aen.errors import AenError, DataError, GroupError
from aen.groups import Alphabet, Decomposition, Factor
from aen.symmetry import SymmetryRow, SymmetryTest
from aen.symmetry.result import holm


def random_images(n: int, seed: int, *, side: int = 6, channels: int = 1) -> torch.Tensor:
    """Images without any symmetry: noise on a template that has none."""
    draw = torch.Generator().manual_seed(seed)
    template = torch.linspace(0, 3, channels * side * side).reshape(channels, side, side) ** 2
    return template + torch.randn(n, channels, side, side, generator=draw)


def turned(images: torch.Tensor, seed: int) -> torch.Tensor:
    """Each image after a random number of quarter turns."""
    turns = np.random.default_rng(seed).integers(4, size=len(images))
    return torch.stack([torch.rot90(image, int(k), (1, 2)) for image, k in zip(images, turns, strict=True)])


def labels_of(n: int, classes: int = 2) -> torch.Tensor:
    return torch.arange(n) % classes


def rejections_fit(p_values: list[float]) -> bool:
    """Whether as many p-values are small as chance makes them, at several levels; by chance False once in 10^5."""
    levels = (0.05, 0.25, 0.5, 0.75)
    return all(binomtest(sum(p <= x for p in p_values), len(p_values), x).pvalue > 1e-6 for x in levels)


def p_values_of_invariant_images(factor: str, *, sets: int, classes: int) -> list[float]:
    """P-values of small sets whose images are turned and flipped at random."""
    found = []
    for seed in range(sets):
        images = turned(random_images(24, seed), seed)
        flipped = torch.from_numpy(np.random.default_rng([seed, 1]).integers(2, size=24) == 1)[:, None, None, None]
        images = torch.where(flipped, images.flip(3), images)
        test = aen.symmetry_test(images, labels_of(24, classes), factor, permutations=99, features=32, seed=seed)
        found.append(test.rows[0].p)
    return found


def test_invariant_images_are_rejected_as_often_as_the_level_says() -> None:
    """Also for small sets: the p-values are exact."""
    assert rejections_fit(p_values_of_invariant_images("rot90", sets=80, classes=2))


@pytest.mark.slow
@pytest.mark.parametrize("factor", ["rot90", "hflip", "hflip x vflip", "rot90 x| hflip"])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_level_holds_for_many_sets(factor: str, classes: int) -> None:
    assert rejections_fit(p_values_of_invariant_images(factor, sets=600, classes=classes))


@pytest.mark.parametrize(
    ("moves", "same", "different"),
    [
        (["hflip"], ["hflip"], ["vflip", "rot180", "rot90", "swap_tb", "hflip x vflip"]),
        (["hflip", "vflip"], ["hflip", "vflip", "rot180", "hflip x vflip"], ["rot90", "transpose", "swap_tb"]),
        (["swap_tb"], ["swap_tb", "vshift(3)"], ["vflip", "swap_tb_left", "vshift(1)"]),
        ([], [], ["hflip", "rot180", "hshift(1)", "quadrants"]),
    ],
)
def test_hidden_generators_are_told_from_others(moves: list[str], same: list[str], different: list[str]) -> None:
    images, draw = random_images(400, 3), np.random.default_rng(4)
    for move in moves:
        cells = torch.from_numpy(Decomposition.of([move]).generators[0].permutation(6).copy())
        chosen = torch.from_numpy(draw.integers(2, size=len(images)))[:, None, None, None] == 1
        images = torch.where(chosen, images.flatten(2)[..., cells].reshape(images.shape), images)
    test = aen.symmetry_test(images, labels_of(400), [*same, *different])
    assert [factor.name for factor in test.plausible()] == same
    assert all(abs(test.row(name).z) < 4 for name in same)
    assert all(test.row(name).z > 5 for name in different)


def test_classes_are_not_mixed() -> None:
    """All images together are invariant, those of a class are not."""
    images = random_images(300, 5)
    images = torch.cat([images, images.flip(3)])
    one_class, two = torch.zeros(600, dtype=torch.int64), torch.arange(600) // 300
    assert not aen.symmetry_test(images, one_class, "hflip").rows[0].rejected
    assert aen.symmetry_test(images, two, "hflip").rows[0].rejected


def test_a_group_too_large_to_be_listed_is_sampled() -> None:
    group = Decomposition.of(["swap_tb_left", "hshift(1)", "vshift(1)"])
    p_values = []
    for seed in range(60):  # any permutation of the cells leaves the distribution of these images as it is
        images = torch.rand(24, 8, 8, generator=torch.Generator().manual_seed(seed))
        test = aen.symmetry_test(images, labels_of(24), [group], permutations=99, features=32, seed=seed)
        p_values.append(test.rows[0].p)
    assert rejections_fit(p_values)
    biased = images + torch.linspace(0, 1, 64).reshape(8, 8)
    assert aen.symmetry_test(biased, labels_of(24), [group]).rows[0].rejected


def test_equal_results_for_a_seed_whatever_the_threads() -> None:
    images, labels = random_images(120, 0), labels_of(120)
    before, threads, state = aen.symmetry_test(images, labels), torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(2)
    try:
        assert aen.symmetry_test(images, labels) == before
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert aen.symmetry_test(images, labels, seed=1).rows != before.rows


def test_a_row_does_not_depend_on_the_other_factors_but_for_the_correction() -> None:
    images, labels = random_images(60, 0), labels_of(60)
    alone = aen.symmetry_test(images, labels, ["vflip"]).rows[0]
    among = aen.symmetry_test(images, labels, ["rot90", "hflip", "vflip"]).row("vflip")
    assert (alone.statistic, alone.z, alone.p) == (among.statistic, among.z, among.p)
    assert among.p_corrected > alone.p_corrected == alone.p


@pytest.mark.parametrize("kind", ["uint8", "float64 array", "nested lists", "colour", "big-endian"])
def test_kinds_of_images(kind: str) -> None:
    grey = (random_images(40, 1)[:, 0] * 20).clamp(0, 255)
    images: object = {
        "uint8": grey.to(torch.uint8),
        "float64 array": grey.double().numpy(),
        "nested lists": grey.tolist(),
        "colour": random_images(40, 1, channels=3),
        "big-endian": grey.numpy().astype(">f4"),
    }[kind]
    test = aen.symmetry_test(images, labels_of(40).tolist(), ["hflip"])
    assert test.rows[0].rejected
    assert (test.grid, test.images, test.classes) == ((6, 6), 40, 2)


def test_factors_are_given_in_any_form() -> None:
    images, labels = random_images(20, 1), labels_of(20)
    factors = ["rot90", Factor.parse("hflip x vflip"), Decomposition.of(["hflip", "rot180"])]
    names = [row.factor.name for row in aen.symmetry_test(images, labels, factors).rows]
    assert names == ["rot90", "hflip x vflip", "hflip + rot180"]
    for alphabet in ("published", Alphabet.of("published")):
        assert len(aen.symmetry_test(images, labels, alphabet).rows) == 12


def test_the_default_list_leaves_out_what_does_not_fit_and_says_so() -> None:
    test = aen.symmetry_test(random_images(20, 1, side=5), labels_of(20))
    assert "quadrants" in test.skipped
    assert "quadrants" not in [row.factor.name for row in test.rows]
    assert "Not tested: generator 'quadrants' needs an even grid, not 5x5" in str(test)


def test_classes_with_one_image_are_left_out_and_named() -> None:
    images, labels = random_images(21, 1), torch.tensor([7] + [0, 1] * 10)
    test = aen.symmetry_test(images, labels, "hflip")
    assert (test.left_out, test.classes, test.images) == ((7,), 2, 20)
    assert "Left out, with a single image each: classes 7." in str(test)


def test_a_random_choice_of_many_images_is_compared() -> None:
    test = aen.symmetry_test(random_images(90, 1), labels_of(90), "hflip", max_images=50)
    assert test.images == 50


def test_equal_images_and_images_that_do_not_change() -> None:
    image = random_images(1, 0)
    test = aen.symmetry_test(image.repeat(30, 1, 1, 1), labels_of(30), "hflip")
    assert test.rows[0].rejected
    symmetric = (image + image.flip(3)).repeat(30, 1, 1, 1)
    row = aen.symmetry_test(symmetric, labels_of(30), "hflip").rows[0]
    assert (row.z, row.p, row.rejected) == (0.0, 1.0, False)


GOOD = random_images(10, 0)
TEXT_LABELS = r"^labels are text, such as 'a', but must be .* give np\.unique\(labels, return_inverse=True\)\[1\]\.$"
WITH_NAN = GOOD.clone()
WITH_NAN[3, 0, 2, 2] = float("nan")


@pytest.mark.parametrize(
    ("images", "labels", "options", "error", "message"),
    [
        (GOOD, labels_of(9), {}, DataError, r"labels has shape \[9\] but there are 10 images"),
        (GOOD, labels_of(10).float(), {}, DataError, "labels are float32 but must be whole numbers"),
        (GOOD, [None] * 10, {}, DataError, "labels is no array of numbers"),
        (GOOD, ["a"] * 10, {}, DataError, TEXT_LABELS),
        (GOOD, np.array(["a"] * 10, object), {}, DataError, TEXT_LABELS),
        (GOOD, np.array([b"a"] * 10), {}, DataError, TEXT_LABELS),
        (GOOD, torch.arange(10), {}, DataError, "labels has 10 classes with a single image each"),
        (GOOD[0, 0], [0], {}, DataError, r"images has shape \[6, 6\]; give \[n, rows, columns\]"),
        (GOOD[:0], [], {}, DataError, "with at least one image"),
        (WITH_NAN, labels_of(10), {}, DataError, "not finite .* first in image 3"),
        (torch.ones(10, 6, 6), labels_of(10), {}, DataError, "images are constant"),
        (GOOD, labels_of(10), {"factors": ["quadrants", "rot91"]}, GroupError, "unknown generator 'rot91'"),
        (GOOD, labels_of(10), {"factors": ["hshift(9)"]}, GroupError, r"'hshift\(9\)' shifts beyond the 6x6 grid"),
        (GOOD, labels_of(10), {"factors": []}, GroupError, "factors is empty"),
        (GOOD, labels_of(10), {"factors": ["hflip", "hflip"]}, GroupError, "'hflip' more than once"),
        (GOOD, labels_of(10), {"factors": 3}, GroupError, "factors is 3"),
        (GOOD, labels_of(10), {"factors": [Decomposition()]}, GroupError, "without factors"),
        (GOOD, labels_of(10), {"factors": ["hflip"], "permutations": 5}, DataError, "permutations is 5.* at least 19"),
        (GOOD, labels_of(10), {"seed": -1}, DataError, "seed is -1; it must be at least 0"),
        (GOOD, labels_of(10), {"features": 2.5}, DataError, "features is 2.5"),
        (GOOD, labels_of(10), {"max_images": 1}, DataError, "max_images is 1; it must be at least 2"),
        (GOOD[:, :, :1, :1], labels_of(10), {}, AenError, "images are constant"),
    ],
)
def test_bad_input_is_named(images, labels, options, error, message) -> None:
    with pytest.raises(error, match=message):
        aen.symmetry_test(images, labels, **options)


def a_test(*rows: tuple[str, bool]) -> SymmetryTest:
    made = tuple(SymmetryRow(Decomposition.of([f]), 1.5, 2.0, 0.25, 0.5, rejected) for f, rejected in rows)
    return SymmetryTest(made, (28, 28), 100, 2, (), {}, 0.05, 999, 0)


@pytest.mark.parametrize(
    ("same", "sentence"),
    [
        (["hflip"], "The images themselves look the same after horizontal flips."),
        (["rot90", "rot180", "hflip", "vflip", "rot90 x| hflip"], "same after quarter turns and horizontal flips."),
        (["hflip x vflip", "swap_lr"], "swaps of the left and the right half, horizontal flips and vertical flips."),
        ([], "No transformation that was tested leaves the images as they are."),
    ],
)
def test_the_sentence_names_what_generates_the_rest(same: list[str], sentence: str) -> None:
    test = a_test(("transpose", True), *((factor, False) for factor in same))
    assert test.sentence().endswith(sentence)
    assert str(test).startswith(test.sentence())


@pytest.mark.parametrize("images", [8, 10])
def test_images_too_few_to_reject_anything_are_said_to_be(images: int) -> None:
    """Of 8 images in 2 classes no p-value is below 1/64 on average, of 10 none below 1/256."""
    found = aen.symmetry_test(random_images(images, 0), labels_of(images), ["hflip", "vflip", "rot90", "transpose"])
    assert found.conclusive == (images == 10)
    said = str(found)
    assert ("too few to say" in said, "unknown" in said) == (images == 8, images == 8)
    assert "the same after" not in said or images == 10


def test_a_test_survives_json() -> None:
    test = aen.symmetry_test(random_images(21, 1, side=5), torch.tensor([7] + [0, 1] * 10))
    assert SymmetryTest.from_json(json.loads(json.dumps(test.to_json()))) == test


@pytest.mark.parametrize("damage", [{"rows": 3}, {"grid": [1]}, {"images": "many"}, {"rows": [{"factors": ["rot91"]}]}])
def test_damaged_json_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(DataError, match="symmetry test cannot be read"):
        SymmetryTest.from_json(a_test(("hflip", True)).to_json() | damage)


def test_a_factor_that_was_not_tested_has_no_row() -> None:
    with pytest.raises(GroupError, match="'rot90' was not tested; the test has hflip"):
        a_test(("hflip", True)).row("rot90")


def test_the_picture_has_a_bar_for_each_factor(tmp_path) -> None:
    test = a_test(("hflip", True), ("rot90", False))
    axes = test.picture().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hflip", "rot90"]
    assert [bar.get_width() for bar in axes.patches] == [2.0, 2.0]
    test.save_picture(tmp_path / "test.svg")
    assert "<svg" in (tmp_path / "test.svg").read_text()
    with pytest.raises(DataError, match="cannot be written"):
        test.save_picture(tmp_path / "missing" / "test.svg")


def test_holm() -> None:
    """The example of Holm's article has no ties; corrected values never decrease and are at most 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
