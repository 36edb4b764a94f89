"""The elements of a permutation group, enumerated from its generators."""

from collections.abc import Sequence

import numpy as np

from aen._typing import IntArray


def enumerate_elements(generators: Sequence[IntArray], degree: int, limit: int) -> IntArray | None:
    """Return every element of the generated group as a row ``[order, degree]``, the identity first.

    Breadth-first over the Cayley graph: in a finite group the products of generators, without inverses, reach all.

    Args:
        generators: permutations of ``range(degree)``.
        degree: number of points.
        limit: give up beyond this many elements.

    Returns:
        The elements, or None when there are more than `limit`.
    """
    identity = np.arange(degree)
    seen = {identity.tobytes()}
    elements = [identity]
    position = 0
    while position < len(elements):
        element = elements[position]
        position += 1
        for generator in generators:
            product = generator[element]
            key = product.tobytes()
            if key not in seen:
                if len(elements) >= limit:
                    return None
                seen.add(key)
                elements.append(product)
    return np.array(elements)
