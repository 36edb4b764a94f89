"""The symmetry test of a space's training images as a part of observations."""

import functools

import numpy as np
import numpy.typing as npt

from aen.data import DataSpec, load_dataset
from aen.errors import SpecError
from aen.groups import Decomposition
from aen.spaces import Space
from aen.symmetry import symmetry_test

# Effect sizes are cut off at this many standard deviations: beyond it an invariance is certainly broken.
LARGEST_Z = 10.0


def symmetry_scores(space: Space) -> npt.NDArray[np.float32]:
    """Return the effect size of each symmetry on offer, in standard deviations, cut off at +-10; near 0: invariant.

    Only training images are looked at. Environments of one process that have the same images and symmetries share the
    result.

    Raises:
        SpecError: the space offers no symmetry that can be tested.
        DataError: the images cannot be loaded or tested.
    """
    factors = tuple(space.symmetry_factors())
    if not factors:
        raise SpecError(
            f"observe_symmetry_test is True, but a {type(space).__name__} has no symmetries to test; leave it out."
        )
    return np.array(_scores(space.child_at(space.baseline_state).data, factors), dtype=np.float32)


@functools.lru_cache(maxsize=64)
def _scores(data: DataSpec, factors: tuple[Decomposition, ...]) -> tuple[float, ...]:
    train = load_dataset(data).train
    test = symmetry_test(train.images, train.labels, factors)
    return tuple(min(max(row.z, -LARGEST_Z), LARGEST_Z) for row in test.rows)
