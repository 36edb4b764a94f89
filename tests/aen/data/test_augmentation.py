import itertools
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from scipy.stats import kstest
from torch.utils._python_dispatch import TorchDispatchMode

from aen.data import SOURCES, DataSpec, load_dataset
from aen.data.augmentation import AffineAugmenter
from aen.data.augmentation_names import AUGMENTATIONS, check_augmentations
from aen.errors import SpecError
from aen.training import cpu_threads

SIDE = 41
ALL_PAIRS = [*itertools.combinations(AUGMENTATIONS, 2)]


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def blob_at(x, y, *, n=1, side=SIDE, width=1.5):
    """A blob as seen from the centre: x to the right, y upwards, in pixels."""
    place = torch.arange(float(side)) - (side - 1) / 2
    blob = torch.exp(-((place[None, :] - x) ** 2 + (place[:, None] + y) ** 2) / (2 * width**2))
    return blob.expand(n, 1, side, side)


def centroids(images):
    """x to the right and y upwards, of all that is on each image."""
    place = torch.arange(float(images.shape[-1])) - (images.shape[-1] - 1) / 2
    mass = images[:, 0].sum(dim=(1, 2))
    x, y = (images[:, 0] * place).sum(dim=(1, 2)) / mass, -(images[:, 0] * place[:, None]).sum(dim=(1, 2)) / mass
    return x.numpy(), y.numpy()


def assert_uniform(values, low, high, *, slack):
    """Kolmogorov and Smirnov's test, and no value outside by more than the slack of measuring it."""
    assert values.min() > low - slack
    assert values.max() < high + slack
    assert kstest(values, "uniform", args=(low, high - low)).pvalue > 1e-3


def assert_fair(hits):
    n = len(hits)
    assert abs(np.count_nonzero(hits) - n / 2) < 4 * math.sqrt(n / 4), np.count_nonzero(hits)


def augment(names, images, *, seed=0, number=0, fill=0.0):
    return AffineAugmenter(names, seed, fill=fill).epoch(images, number)


# What each augmentation does, seen on a blob.


def test_rotation_is_uniform_within_30_degrees_about_the_centre():
    x, y = centroids(augment(["rotation"], blob_at(12, 0, n=1000)))
    assert np.all(np.abs(np.hypot(x, y) - 12) < 0.1)
    assert_uniform(np.degrees(np.arctan2(y, x)), -30, 30, slack=0.2)


def test_translation_is_uniform_within_a_fifth_of_the_side_each_axis_by_itself():
    x, y = centroids(augment(["translation"], blob_at(0, 0, n=1000)))
    for moved in (x, y):
        assert_uniform(moved / SIDE, -0.2, 0.2, slack=1e-4)
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / math.sqrt(1000)


def test_scale_is_uniform_within_a_tenth():
    x, y = centroids(augment(["scale"], blob_at(9, 12, n=1000)))
    np.testing.assert_allclose(x / 9, y / 12, atol=0.01)
    assert_uniform(np.hypot(x, y) / 15, 0.9, 1.1, slack=0.003)


def test_shear_is_uniform_within_10_degrees_and_moves_rows_sideways():
    x, y = centroids(augment(["shear"], blob_at(0, 12, n=1000)))
    np.testing.assert_allclose(y, 12, atol=0.02)
    assert_uniform(np.degrees(np.arctan2(x, y)), -10, 10, slack=0.2)


@pytest.mark.parametrize(("name", "dim"), [("hflip", 3), ("vflip", 2)])
def test_a_flip_is_exact_and_takes_half_of_the_images(name, dim):
    images = random_images(1000, 1, 7, 7)
    moved, flipped = augment([name], images), images.flip(dim)
    hits = [torch.equal(image, there) for image, there in zip(moved, flipped, strict=True)]
    for hit, image, original in zip(hits, moved, images, strict=True):
        assert hit or torch.equal(image, original)
    assert_fair(hits)


def test_both_flips_are_exact_and_independent():
    images = random_images(1000, 3, 6, 6)
    moved = augment(["hflip", "vflip"], images)
    kinds = [images, images.flip(3), images.flip(2), images.flip(2, 3)]
    hits = [[torch.equal(image, kind[i]) for kind in kinds] for i, image in enumerate(moved)]
    assert all(sum(hit) == 1 for hit in hits)
    counts = np.sum(hits, axis=0)
    assert np.all(np.abs(counts - 250) < 4 * math.sqrt(1000 * 3 / 16)), counts


# All of them together.

# Interpolating once or several times shifts a blob by less; another order, by whole pixels.
SLACK = 0.1


def test_all_together_are_one_after_the_other():
    """In the order of `AUGMENTATIONS`, and the draws of each are the same as when it is chosen alone."""
    for x, y in ((3, 0), (0, 3), (-2, 5)):  # three points fix an affine map
        blob = blob_at(x, y, n=100, side=81, width=2.5)
        steps = blob
        for name in AUGMENTATIONS:
            steps = augment([name], steps, seed=4)
        together = augment(AUGMENTATIONS, blob, seed=4)
        np.testing.assert_allclose(centroids(together), centroids(steps), atol=SLACK)


@pytest.mark.parametrize("pair", ALL_PAIRS, ids="-".join)
def test_a_pair_is_one_after_the_other_however_it_is_written(pair):
    blob = blob_at(4, 6, n=50, side=81, width=2.5)
    steps = augment([pair[1]], augment([pair[0]], blob, seed=9), seed=9)
    for names in (pair, pair[::-1]):
        np.testing.assert_allclose(centroids(augment(names, blob, seed=9)), centroids(steps), atol=SLACK)


def matrix(draws, side):
    """The map from old to new (x, y, 1) in pixels from the centre, y downwards, as one would write it down."""
    rotation, hflip, vflip, right, down, scale, shear = draws
    a, z, k = math.radians(30) * rotation, 1 + scale / 10, math.tan(math.radians(10) * shear)
    return np.linalg.multi_dot(
        [
            np.array([[1, k, 0], [0, 1, 0], [0, 0, 1]]),
            np.diag([z, z, 1]),
            np.array([[1, 0, right * side / 5], [0, 1, down * side / 5], [0, 0, 1]]),
            np.diag([-1 if hflip < 0 else 1, -1 if vflip < 0 else 1, 1]),
            np.array([[math.cos(a), math.sin(a), 0], [-math.sin(a), math.cos(a), 0], [0, 0, 1]]),
        ]
    )


@pytest.mark.parametrize("side", [28, 33])
@pytest.mark.parametrize("names", [AUGMENTATIONS, ("rotation",), ("hflip", "translation"), ("scale", "shear")])
def test_pixels_are_those_of_scipy(names, side):
    fill = -0.4
    images, augmenter = random_images(40, 3, side, side), AffineAugmenter(names, 3, fill=fill)
    moved = augmenter.epoch(images, 2)
    to_pixels = np.array([[0, 1, (side - 1) / 2], [1, 0, (side - 1) / 2], [0, 0, 1]])  # (row, column, 1)
    for image, draws, ours in zip(images.numpy(), augmenter._draw(40, 2).numpy(), moved.numpy(), strict=True):
        back = to_pixels @ np.linalg.inv(matrix(draws, side)) @ np.linalg.inv(to_pixels)
        # scipy is given the fill around the image; by itself it leaves a hard edge where grid_sample has a soft one.
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), constant_values=fill).astype(float)
        for channel, theirs in zip(padded, ours, strict=True):
            expected = affine_transform(
                channel, back[:2, :2], back[:2, 2] + 2, output_shape=(side, side), order=1, cval=fill
            )
            np.testing.assert_allclose(theirs, expected, atol=1e-4)


class Drawn(AffineAugmenter):
    """An augmenter whose draws are given."""

    def __init__(self, *draws, fill=0.0):
        super().__init__(AUGMENTATIONS, 0, fill=fill)
        self.draws = torch.tensor(draws, dtype=torch.float64)

    def _draw(self, n, epoch_number):
        del epoch_number
        return self.draws.expand(n, -1)


def test_neutral_draws_leave_the_images_alone():
    images = random_images(20, 3, 28, 28)
    torch.testing.assert_close(Drawn(0, 0, 0, 0, 0, 0, 0).epoch(images, 0), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (-3, 2), (4, -4)])
def test_translation_by_whole_pixels_moves_whole_pixels(right, down):
    side, fill = 20, -1.5
    images = random_images(10, 2, side, side)
    moved = Drawn(0, 0, 0, right / (0.2 * side), down / (0.2 * side), 0, 0, fill=fill).epoch(images, 0)
    expected = torch.nn.functional.pad(images, (4, 4, 4, 4), value=fill).roll((down, right), (2, 3))[..., 4:-4, 4:-4]
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_one_flip_in_the_map_is_the_exact_flip():
    images = random_images(10, 3, 15, 15)
    for draws, dims in (((0, -1, 0), [3]), ((0, 0, -1), [2]), ((0, -1, -1), [2, 3])):
        torch.testing.assert_close(Drawn(*draws, 0, 0, 0, 0).epoch(images, 0), images.flip(dims), atol=1e-5, rtol=0)


# The fill.


def test_what_comes_in_from_outside_is_the_fill():
    moved = augment(["translation"], torch.ones(100, 3, 10, 10), fill=-0.42)
    assert moved.min() == pytest.approx(-0.42)
    border = torch.cat([moved[:, :, [0, -1]].flatten(), moved[..., [0, -1]].flatten()])
    assert torch.isclose(border, torch.tensor(-0.42)).float().mean() > 0.2
    # Only between: a pixel that is part inside and part outside.
    assert moved.max() <= 1 + 1e-6


def test_fill_is_by_default_the_least_value():
    images = random_images(50, 1, 12, 12) * 2 - 0.8
    given = augment(["rotation", "translation"], images, fill=float(images.min()))
    assert torch.equal(augment(["rotation", "translation"], images, fill=None), given)
    assert not torch.equal(augment(["rotation", "translation"], images), given)


@pytest.mark.parametrize("fill", [None, -0.4242])
def test_a_background_of_the_fill_stays_that_to_the_bit(fill):
    """As standardised digits are: black has one value, and augmentation makes no second one."""
    black = torch.tensor(-0.4242)
    images = torch.full((50, 1, 28, 28), float(black))
    images[:, :, 10:18, 10:18] += random_images(50, 1, 8, 8)
    moved = augment(["rotation", "scale", "shear"], images, fill=fill)
    assert torch.all(moved[:, :, :5] == black)


def test_fill_is_by_default_black_as_the_data_set_standardises_it():
    images = load_dataset(DataSpec("digits", train=100, validation=10, test=10)).train.images
    levels, raw = images.unique(), SOURCES["digits"].load().images.unique()
    _, black = np.polyfit(raw.numpy(), levels.numpy(), 1)
    moved, expected = (augment(AUGMENTATIONS, images, fill=fill) for fill in (None, float(black)))
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)


# Draws.


def test_same_seed_and_epoch_same_images():
    images = random_images(30, 1, 12, 12)
    assert torch.equal(*(augment(AUGMENTATIONS, images, seed=2, number=7, fill=None) for _ in range(2)))
    augmenter = AffineAugmenter(AUGMENTATIONS, 2)
    first = augmenter.epoch(images, 7)
    augmenter.epoch(images, 8)
    assert torch.equal(augmenter.epoch(images, 7), first)


def test_global_generator_is_neither_read_nor_written():
    images = random_images(30, 1, 12, 12)
    torch.manual_seed(1)
    first, state = augment(AUGMENTATIONS, images), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(augment(AUGMENTATIONS, images), first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_other_epochs_and_seeds_move_images_otherwise(name):
    images = random_images(30, 1, 12, 12)
    batches = [augment([name], images, seed=s, number=e) for s, e in ((0, 0), (0, 1), (1, 0), (1, 1), (2**62, 1))]
    for one, other in itertools.combinations(batches, 2):
        assert not torch.equal(one, other)


def test_draws_of_epochs_and_augmentations_are_independent():
    draws = np.concatenate(
        [AffineAugmenter(AUGMENTATIONS, 0)._draw(2000, number).numpy() for number in range(4)], axis=1
    )
    correlations = np.corrcoef(draws, rowvar=False)
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 5 / math.sqrt(2000)


@pytest.mark.parametrize("names", [AUGMENTATIONS, ("hflip", "vflip")])
def test_an_image_is_moved_alike_however_many_follow(names):
    images = random_images(700, 1, 28, 28)  # more than one chunk
    moved = augment(names, images)
    for n in (1, 16, 17, 334, 335, 699):
        assert torch.equal(augment(names, images[:n]), moved[:n])


def test_threads_do_not_change_a_bit():
    images = random_images(400, 3, 32, 32)
    moved = []
    for threads in (1, 2):
        with cpu_threads(threads):
            moved.append(augment(AUGMENTATIONS, images))
    assert torch.equal(*moved)


# The interface.


@pytest.mark.parametrize("names", [AUGMENTATIONS, ("vflip",), ("rotation", "hflip")])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_of_an_image_move_together(names, channels):
    one = random_images(20, 1, 16, 16)
    images = torch.cat([one + k for k in range(channels)], dim=1)
    moved = augment(names, images, fill=10.0)
    assert moved.shape == images.shape
    for k in range(channels):
        alone = augment(names, images[:, k : k + 1], fill=10.0)
        torch.testing.assert_close(moved[:, k : k + 1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("names", [AUGMENTATIONS, ("vflip",)])
def test_given_images_are_not_written_to_and_no_graph_is_kept(names):
    images = random_images(20, 1, 16, 16).requires_grad_()
    before = images.detach().clone()
    moved = augment(names, images)
    assert torch.equal(images, before)
    assert not moved.requires_grad


def test_no_augmentation_returns_the_images_themselves():
    images = random_images(4, 1, 8, 8)
    assert AffineAugmenter([], 0).epoch(images, 0) is images


def test_double_precision_stays():
    images = random_images(5, 1, 8, 8).double()
    moved = augment(AUGMENTATIONS, images)
    assert moved.dtype == torch.float64
    torch.testing.assert_close(moved.float(), augment(AUGMENTATIONS, images.float()), atol=1e-5, rtol=0)


def test_names_come_back_in_order_and_once():
    assert AUGMENTATIONS == ("rotation", "hflip", "vflip", "translation", "scale", "shear")
    assert check_augmentations(["shear", "hflip", "shear", "rotation"]) == ("rotation", "hflip", "shear")
    assert check_augmentations(reversed(AUGMENTATIONS)) == AUGMENTATIONS
    assert check_augmentations([]) == ()
    assert AffineAugmenter(["vflip", "rotation", "vflip"], 0).names == ("rotation", "vflip")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rotate", r"unknown augmentation 'rotate' \(did you mean 'rotation'\?\)"),
        ("blur", r"unknown augmentation 'blur' \(choose from: hflip, rotation, scale, shear, translation, vflip\)"),
    ],
)
def test_an_unknown_name_is_refused(name, message):
    for refuse in (check_augmentations, lambda names: AffineAugmenter(names, 0)):
        with pytest.raises(SpecError, match=message):
            refuse(["hflip", name])


class Sizes(TorchDispatchMode):
    """Notes the bytes of every tensor that comes about."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.made.append(made.nbytes)
        return made


@pytest.mark.parametrize("names", [AUGMENTATIONS, ("hflip", "vflip")])
@pytest.mark.parametrize("shape", [(6000, 1, 28, 28), (6000, 3, 32, 32), (3, 1, 600, 600)])
def test_nothing_but_the_result_grows_with_the_images(names, shape):
    images = random_images(*shape)
    with Sizes() as sizes:
        augment(names, images)
    *others, largest = sorted(sizes.made)
    assert largest == images.nbytes
    assert others[-1] <= 2**22


@pytest.mark.parametrize("names", [["rotation"], ["shear", "scale"], ["rotation", "hflip", "shear"]])
def test_rectangles_are_augmented_as_the_square_around_them(names):
    source = torch.Generator().manual_seed(0)
    images = torch.rand(6, 1, 8, 14, generator=source, dtype=torch.float64)
    square = torch.nn.functional.pad(images, (0, 0, 3, 3))
    augmenter = AffineAugmenter(names, seed=3, fill=0.0)
    moved = augmenter.epoch(square, 0)[:, :, 3:-3]
    torch.testing.assert_close(augmenter.epoch(images, 0), moved)
    assert not torch.allclose(moved, images, atol=1e-2)
