"""The elements by which images are moved."""

import numpy as np
import pytest

from aen.groups import Decomposition
from aen.symmetry.moved_images import moving_elements


@pytest.mark.parametrize(
    ("factors", "count"),
    [
        (["rot90"], 3),
        (["hflip x vflip"], 3),
        (["rot90", "hflip"], 7),
        (["swap_tb_left", "hshift(1)", "vshift(1)"], 512),
    ],
)
def test_elements_come_with_their_inverses_and_without_the_identity(factors: list[str], count: int) -> None:
    elements = moving_elements(Decomposition.of(factors), (8, 8), np.random.default_rng(0))
    members = sorted(element.tobytes() for element in elements)
    assert sorted(np.argsort(element).tobytes() for element in elements) == members
    assert np.arange(64).tobytes() not in members
    assert all(sorted(element) == list(range(64)) for element in elements.tolist())
    assert 0.95 * count <= len(elements) <= count
