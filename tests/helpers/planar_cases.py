"""Planar groups for the tests, and an arithmetic of their elements that takes nothing from the package.

An element is a permutation of the 16 corners of a regular polygon, corner k at the angle of k sixteenths of a turn: a
mirroring left and right carries corner k to 8 - k, a turn by t carries it to k + 16 t. D16 acts faithfully on them.
"""

from itertools import product

import numpy as np
import torch

from aen.groups.planar import PlanarGroup

CORNERS = 16


def mirror(axis):
    """The mirroring k -> axis - k: 8 left and right, 0 top and bottom, 12 and 4 along the two diagonals."""
    return tuple((axis - k) % CORNERS for k in range(CORNERS))


def turn(sixteenths):
    return tuple((k + sixteenths) % CORNERS for k in range(CORNERS))


LEFT_RIGHT, TOP_BOTTOM, DIAGONAL, ANTIDIAGONAL = (mirror(axis) for axis in (8, 0, 12, 4))
# What generates each group.
GENERATORS = {
    "C1": (),
    "D1": (LEFT_RIGHT,),
    "D1v": (TOP_BOTTOM,),
    "D1d": (DIAGONAL,),
    "D1a": (ANTIDIAGONAL,),
    "C2": (turn(8),),
    "D2": (LEFT_RIGHT, TOP_BOTTOM),
    "D2d": (DIAGONAL, ANTIDIAGONAL),
    "C4": (turn(4),),
    "D4": (turn(4), LEFT_RIGHT),
    "C8": (turn(2),),
    "D8": (turn(2), LEFT_RIGHT),
    "C16": (turn(1),),
    "D16": (turn(1), LEFT_RIGHT),
}
ALL = tuple(GENERATORS)
# The ten that move pixels onto pixels: the subgroups of D4.
EXACT = ALL[:10]
SQUARE = {name: PlanarGroup.of(name) for name in EXACT}
# Every pair H <= G of them.
PAIRS = [(h, g) for g, h in product(EXACT, EXACT) if SQUARE[h] <= SQUARE[g]]
# Fewer of them: below the whole group of the square, and some others.
FEW_PAIRS = [(h, g) for h, g in PAIRS if g == "D4"] + [("C1", "C1"), ("C2", "C4"), ("D1v", "D2"), ("D1a", "D2d")]


def corners(element):
    """An element as a permutation of the corners: it mirrors first, if at all, and then turns."""
    start = LEFT_RIGHT if element.flip else turn(0)
    return tuple(int((k + CORNERS * element.turn) % CORNERS) for k in start)


def after(a, b):
    """The permutation that does b first."""
    return tuple(a[k] for k in b)


def moved(images, element):
    """Images ``[..., side, side]`` after an element, by torch's own moves."""
    images = images.flip(-1) if element.flip else images
    return torch.rot90(images, int(element.turn * 4), (-2, -1))


def images(*shape, seed=1, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def relative(found, expected):
    """The relative error in the Euclidean norm."""
    found, expected = (torch.as_tensor(x).detach().double() for x in (found, expected))
    assert found.shape == expected.shape, (found.shape, expected.shape)
    scale = torch.linalg.vector_norm(expected).clamp_min(1e-30)
    return float(torch.linalg.vector_norm(found - expected) / scale)


def assert_near(found, expected, limit):
    error = relative(found, expected)
    assert error <= limit, f"relative error {error:.2e}, allowed {limit:.0e}"


def assert_equivariant(layer, limit=1e-12, side=12):
    """Every element of the layer's group but the identity was tried, and none fails."""
    errors = layer.check_equivariance(side=side)
    assert set(errors) == {element.name for element in layer.group.elements[1:]}
    assert max(errors.values(), default=0.0) < limit, errors


def randomise(module, seed=0):
    """Let no parameter or statistic keep the special value that it starts from."""
    generator = source(seed)
    with torch.no_grad():
        for name, values in [*module.named_parameters(), *module.named_buffers()]:
            if not values.is_floating_point():
                continue
            drawn = torch.rand(values.shape, generator=generator, dtype=torch.float64) + 0.5
            positive = name.endswith(("running_var", "norms"))
            signs = 1 if positive else torch.randint(2, values.shape, generator=generator) * 2 - 1
            values.copy_(drawn * signs)
    return module


def as_set(members):
    return frozenset(corners(element) for element in members)


def flat(permutation):
    return np.asarray(permutation).tolist()
