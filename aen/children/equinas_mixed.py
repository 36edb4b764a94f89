"""What only mixed children of EquiNAS have: the defaults of the others, and checks of given strengths alpha."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from aen._text import joined
from aen.errors import SpecError
from aen.groups.layer_symmetry import LayerSymmetry, planar_in_words

AlphaData = Literal["same", "halves"]
AlphaGradient = Literal["own", "permuted"]

# What only mixed children have, and what the others have instead.
OF_MIXED: Mapping[str, Any] = {
    "skip": False,
    "weighting": "softmax",
    "keep_norm": True,
    "alpha_learning_rate": 1e-3,
    "alpha_data": "same",
    "prior": False,
    "temperature": 1.0,
    "penalty": 0.0,
    "alpha": (),
    "alpha_gradient": "own",
}


def mixture(groups: Sequence[str]) -> LayerSymmetry:
    """Return what the layers of a child mixed over some groups are tied by, in plain words."""
    words = joined([str(LayerSymmetry(planar_in_words(name), name)) for name in groups])
    return LayerSymmetry(f"a mixture of {words} in every layer")


def branch_counts(groups: int, layer_fields: Sequence[int], *, skip: bool, head: bool) -> tuple[int, ...]:
    """Return the number of branches of each mixed layer; none if no groups are mixed.

    Args:
        groups: how many groups are mixed.
        layer_fields: number of fields of each convolution.
        skip: whether convolutions that keep the number of fields have one more branch, the identity.
        head: whether the dense layer is mixed too.
    """
    if not groups:
        return ()
    widths = (0, *layer_fields)
    skips = [skip and before == own for before, own in pairwise(widths)] + [False] * head
    return tuple(groups + more for more in skips)


def check_alpha(
    alpha: Sequence[Sequence[float]], counts: Sequence[int], *, prior: bool, weighting: str
) -> tuple[tuple[float, ...], ...]:
    """Return given initial values of alpha, as numbers.

    Args:
        alpha: one list for each mixed layer; none: alpha is not given.
        counts: number of branches of each mixed layer, a skip among them.
        prior: whether the values are those of the prior.
        weighting: of the layers; only ``softmax`` has alpha.

    Raises:
        SpecError: another number of layers or branches, a value that is no finite number, or values from elsewhere.
    """
    if isinstance(alpha, str) or not all(isinstance(own, Sequence) and not isinstance(own, str) for own in alpha):
        raise SpecError(f"alpha is {alpha!r}; give a list of numbers for each mixed layer.")
    if not alpha:
        return ()
    if prior or weighting != "softmax":
        other = "prior is true, which sets alpha" if prior else f"weighting is {weighting!r}, which has no alpha"
        raise SpecError(f"alpha is given, but {other}; leave one of them out.")
    given = [len(own) for own in alpha]
    if given != list(counts):
        raise SpecError(
            f"alpha has {given} numbers in its {len(given)} lists; the {len(counts)} mixed layers have {list(counts)} "
            "branches: give one number for each."
        )
    wrong = [
        value
        for own in alpha
        for value in own
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    ]
    if wrong:
        raise SpecError(f"alpha has {wrong[0]!r}; give finite numbers.")
    return tuple(tuple(float(value) for value in own) for own in alpha)
