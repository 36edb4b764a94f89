import numpy as np
import pytest

import aen


@pytest.mark.parametrize(("rows", "columns"), [(6, 10), (1, 12), (10, 4)])
def test_generators_that_fit_rectangles_are_tested(rows: int, columns: int) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(600) % 3
    images = draw.integers(0, 256, (3, rows, columns))[labels] + draw.normal(0, 60, (600, rows, columns))
    flipped = draw.random(600) < 0.5
    images[flipped] = images[flipped][:, :, ::-1]
    found = aen.symmetry_test(images, labels)
    assert not found.row("hflip").rejected
    assert found.row("swap_lr").rejected
    assert "rot90" in found.skipped
    assert ("reversal" if rows == 1 else "horizontal flips") in found.sentence()
