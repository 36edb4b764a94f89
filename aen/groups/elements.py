"""The elements of a permutation group, enumerated from its generators."""

from collections.abc import Sequence

import numpy as np

from aen._typing import IntArray


def enumerate_elements(generators: Sequence[IntArray], degree: int, limit: int) -> IntArray | None:
    """Return every element of the generated group as a row ``[order, degree]``, the identity first.

    Dimino's algorithm: each generator that is not yet an element adds whole cosets of the group so far, so that only
    one element of each coset is multiplied by the generators.

    Args:
        generators: permutations of ``range(degree)``.
        degree: number of points.
        limit: give up beyond this many elements.

    Returns:
        The elements, or None when there are more than `limit`.
    """
    elements = np.arange(degree)[None]
    seen = {elements[0].tobytes()}
    for number, generator in enumerate(generators):
        if generator.tobytes() in seen:
            continue
        subgroup, representatives = elements, [generator]
        cosets = [subgroup]
        # Multiplied from the left, a coset x H becomes the coset of the product; in the end every one is there.
        for representative in representatives:
            if representative.tobytes() in seen:
                continue
            if (len(cosets) + 1) * len(subgroup) > limit:
                return None
            cosets.append(representative[subgroup])
            seen.update(element.tobytes() for element in cosets[-1])
            representatives += [other[representative] for other in generators[: number + 1]]
        elements = np.concatenate(cosets)
    return elements
