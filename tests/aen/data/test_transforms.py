import numpy as np
import pytest
import torch

from aen.data import SOURCES, move_images
from aen.errors import DataError, GroupError


@pytest.fixture(scope="module")
def digits():
    return SOURCES["digits"].load().images


def elements_hit(moved, originals):
    """For each image the numbers of the candidates that it equals; `originals` is a list of batches."""
    return [
        [k for k, candidate in enumerate(originals) if torch.equal(image, candidate[i])]
        for i, image in enumerate(moved)
    ]


def assert_about_equally_often(hits, kinds):
    assert all(len(hit) == 1 for hit in hits)
    counts = np.bincount([hit[0] for hit in hits], minlength=kinds)
    n = len(hits)
    assert np.all(np.abs(counts - n / kinds) < 5 * np.sqrt(n / kinds * (1 - 1 / kinds))), counts


def test_quarter_turns_turn_each_digit_once_by_one_of_the_four(digits):
    moved = move_images(digits, ["rot90"], angles="quarter", seed=3)
    assert_about_equally_often(elements_hit(moved, [torch.rot90(digits, k, dims=(2, 3)) for k in range(4)]), 4)


@pytest.mark.parametrize(
    ("move", "applied"),
    [
        ("hflip", lambda x: x.flip(3)),
        ("vflip", lambda x: x.flip(2)),
        ("rot180", lambda x: x.flip(2).flip(3)),
        ("hshift(1/4)", lambda x: x.roll(2, 3)),
        ("vshift(3)", lambda x: x.roll(3, 2)),
        ("swap_tb", lambda x: x.roll(4, 2)),
    ],
)
def test_other_moves_are_applied_to_about_half_of_the_images(move, applied):
    images = torch.rand(1000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = move_images(images, [move], angles="quarter", seed=0)
    assert_about_equally_often(elements_hit(moved, [images, applied(images)]), 2)


def test_moves_are_drawn_independently_and_applied_in_the_order_given():
    images = torch.rand(1200, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    moved = move_images(images, ["hflip", "hshift(1)"], angles="quarter", seed=1)
    flipped = images.flip(3)
    # Flip, then shift: the other order would give flipped.roll(-1).
    assert_about_equally_often(elements_hit(moved, [images, flipped, images.roll(1, 3), flipped.roll(1, 3)]), 4)


@pytest.mark.parametrize("angles", ["quarter", "any"])
@pytest.mark.parametrize("moves", [["rot90"], ["hflip", "vflip"], ["rot90", "hflip"]])
def test_same_seed_same_images_and_other_seed_other_images(digits, moves, angles):
    one, same, other = (move_images(digits[:100], moves, angles=angles, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("angles", ["quarter", "any"])
def test_draw_of_an_image_does_not_depend_on_how_many_follow(digits, angles):
    moves = ["rot90", "hflip"]
    all_of_them = move_images(digits[:50], moves, angles=angles, seed=2)
    torch.testing.assert_close(move_images(digits[:7], moves, angles=angles, seed=2), all_of_them[:7])


def test_no_moves_leave_the_images_alone(digits):
    assert torch.equal(move_images(digits, [], angles="quarter", seed=0), digits)


def test_given_images_are_not_written_to(digits):
    before = digits.clone()
    move_images(digits, ["rot90", "hflip"], angles="quarter", seed=0)
    assert torch.equal(digits, before)


def test_any_angle_turns_round_the_centre_by_angles_from_the_whole_circle():
    # A blob at distance 4 from the centre stays at that distance and lands in every direction.
    row, column = torch.meshgrid(torch.arange(17.0) - 8, torch.arange(17.0) - 8, indexing="ij")
    blob = torch.exp(-(row**2 + (column - 4) ** 2) / 2)
    moved = move_images(blob.expand(400, 1, 17, 17), ["rot90"], angles="any", seed=0)
    assert moved.shape == (400, 1, 17, 17)
    assert moved.dtype == torch.float32
    mass = moved.sum(dim=(1, 2, 3))
    y, x = (moved[:, 0] * row).sum(dim=(1, 2)) / mass, (moved[:, 0] * column).sum(dim=(1, 2)) / mass
    assert torch.all((torch.hypot(y, x) - 4).abs() < 0.3)
    directions = np.floor((torch.atan2(y, x).numpy() + np.pi) / (np.pi / 4)).astype(int)
    assert np.all(np.bincount(directions, minlength=8) > 20)


def test_any_angle_fills_up_with_zeros():
    moved = move_images(torch.ones(50, 1, 8, 8), ["rot90"], angles="any", seed=0)
    assert moved[:, 0, 0, 0].min() == 0
    assert moved[:, 0, 3:5, 3:5].min() > 0.99


@pytest.mark.parametrize(
    ("moves", "angles", "error", "message"),
    [
        (["rot90"], "quarters", DataError, "unknown angles 'quarters'.*did you mean 'quarter'"),
        (["rot9"], "quarter", GroupError, "unknown generator 'rot9'.*did you mean 'rot90'"),
        (["hshift(8)"], "quarter", GroupError, "shifts beyond the 8x8 grid"),
        (["hflip x vflip"], "quarter", GroupError, "unknown generator"),
    ],
)
def test_bad_move_is_refused(digits, moves, angles, error, message):
    with pytest.raises(error, match=message):
        move_images(digits, moves, angles=angles, seed=0)


@pytest.mark.parametrize(("moves", "angles"), [(["rot90"], "quarter"), (["rot90"], "any"), (["rot90", "hflip"], "any")])
def test_a_share_of_the_images_is_moved_as_without_it_and_the_rest_stays(moves, angles):
    images = torch.rand(1000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = move_images(images, moves, angles=angles, seed=5)
    part = move_images(images, moves, angles=angles, seed=5, share=0.7)
    stays = (part == images).flatten(1).all(1)
    assert torch.equal(part[~stays], whole[~stays])
    expected = 0.7 * float((whole != images).flatten(1).any(1).float().mean())
    assert abs(float((~stays).float().mean()) - expected) < 0.08
    places = np.array([7, 500, 3])
    some = move_images(images[places], moves, angles=angles, seed=5, share=0.7, places=places)
    whole_part = part[places]
    assert torch.equal(some, whole_part) or torch.allclose(some, whole_part, atol=1e-6)


def test_a_larger_share_moves_the_same_images_and_more():
    images = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = [
        (move_images(images, ["rot180"], angles="quarter", seed=0, share=share) != images).flatten(1).any(1)
        for share in (0.2, 0.6, 1.0)
    ]
    assert bool((moved[0] <= moved[1]).all())
    assert bool((moved[1] <= moved[2]).all())
    assert moved[0].sum() < moved[1].sum() < moved[2].sum()
