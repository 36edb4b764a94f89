"""The order of closed sets by inclusion, and the places of its classes in a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SWEEPS = 12


@dataclass(frozen=True)
class Places:
    """Where classes stand in a drawing, in parts of its width and height.

    Attributes:
        x: of each class, 0 to 1 from the left.
        y: of each class, 0 to 1 from the top.
        rows: number of rows.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    rows: int


def covers(closed_sets: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs (below, above) of places such that one set lies in the other and no third one in between."""
    sets = np.array(closed_sets, dtype=np.int64)
    inside = ((sets[:, None] & sets[None, :]) == sets[:, None]) & (sets[:, None] != sets[None, :])
    paths = inside.astype(np.float32)
    below, above = np.nonzero(inside & (paths @ paths == 0))
    return list(zip(below.tolist(), above.tolist(), strict=True))


def layout(sizes: Sequence[int], edges: Sequence[tuple[int, int]]) -> Places:
    """Return the place of each class: a row for each size, the smallest below.

    In its row each stands near the middle of those to which it is joined.

    Args:
        sizes: number of factors of each closed set.
        edges: what `covers` returns.
    """
    present = sorted(set(sizes))
    rows = [[i for i, size in enumerate(sizes) if size == wanted] for wanted in present]
    joined: list[list[int]] = [[] for _ in sizes]
    for a, b in edges:
        joined[a].append(b)
        joined[b].append(a)
    x = [0.0] * len(sizes)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            if sweep:
                middle = {i: sum(x[j] for j in joined[i]) / max(len(joined[i]), 1) for i in row}
                row.sort(key=lambda i: (middle[i], i))
            for place, i in enumerate(row):
                x[i] = (place + 0.5) / len(row)
    bottom_up = {size: 1 - (place + 0.5) / len(rows) for place, size in enumerate(present)}
    return Places(tuple(x), tuple(bottom_up[size] for size in sizes), len(rows))
