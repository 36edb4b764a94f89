"""A picture of the whole space: its classes as a lattice by inclusion, coloured by accuracy.

The SVG is written directly: every class is a circle with its name and accuracy as a tooltip, and hundreds of classes
with their lines stay a small file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from aen_agents.report.figures import GREY, INK, ROLE_COLOURS

MOST_CLASSES = 1000  # more circles than this cannot be told apart
_WIDTH, _ROW, _LEFT, _TOP, _RIGHT = 720, 52, 40, 64, 20
_SWEEPS = 12
_LONGEST = 44  # letters of a name in a label


@dataclass(frozen=True)
class LatticeClass:
    """A class in the picture.

    Attributes:
        closed_set: the factors that keep its orbits, as a bit mask.
        name: its factors.
        accuracy: validation accuracy; None if it was not visited.
        role: ``winner``, ``untied``, ``hidden group`` or empty.
    """

    closed_set: int
    name: str
    accuracy: float | None
    role: str = ""


def covers(closed_sets: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs (below, above) of places such that one set lies in the other and no third one in between."""
    sets = np.array(closed_sets, dtype=np.int64)
    inside = ((sets[:, None] & sets[None, :]) == sets[:, None]) & (sets[:, None] != sets[None, :])
    paths = inside.astype(np.float32)
    below, above = np.nonzero(inside & (paths @ paths == 0))
    return list(zip(below.tolist(), above.tolist(), strict=True))


def lattice(classes: Sequence[LatticeClass]) -> str:
    """Draw the classes: the untied one below, above each class those that are tied further.

    A class stands in the row of its closed set's size.

    Args:
        classes: all classes of an alphabet, at least one of them visited.
    """
    edges = covers([c.closed_set for c in classes])
    x, y, height = _layout([c.closed_set.bit_count() for c in classes], edges)
    met = [c.accuracy for c in classes if c.accuracy is not None]
    low, high = min(met), max(met)
    rows = sorted({(c.closed_set.bit_count(), int(y[i])) for i, c in enumerate(classes)})
    lines = "".join(f"M{x[a]:.0f} {y[a]:.0f}L{x[b]:.0f} {y[b]:.0f}" for a, b in edges)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" '
        f'font-size="11" fill="{INK}">'
    )
    parts = [
        head,
        _colour_bar(low, high, any(c.accuracy is None for c in classes)),
        *(f'<text x="20" y="{place + 4}" text-anchor="end" fill="{GREY}">{size}</text>' for size, place in rows),
        f'<path d="{lines}" stroke="{GREY}" stroke-opacity=".35" stroke-width=".7" fill="none"/>',
    ]
    # Those with a role come last, so that no other circle covers them.
    order = sorted(range(len(classes)), key=lambda i: (bool(classes[i].role), i))
    parts += [_circle(classes[i], x[i], y[i], low, high) for i in order]
    parts += [_label(c, x[i], y[i]) for i, c in enumerate(classes) if c.role]
    return "".join(parts) + "</svg>"


def _layout(sizes: Sequence[int], edges: Sequence[tuple[int, int]]) -> tuple[Sequence[float], Sequence[float], int]:
    """Return every class's place, and the height. In a row each stands near the middle of those it is joined to."""
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
            step = (_WIDTH - _LEFT - _RIGHT) / len(row)
            for place, i in enumerate(row):
                x[i] = _LEFT + step * (place + 0.5)
    height = _TOP + _ROW * len(rows)
    bottom_up = {size: height - _ROW * (place + 0.5) for place, size in enumerate(present)}
    return x, [bottom_up[size] for size in sizes], height


def _colour(share: float) -> str:
    return to_hex(mpl.colormaps["viridis"](share))


def _circle(c: LatticeClass, x: float, y: float, low: float, high: float) -> str:
    radius, outline, width = (7.5, ROLE_COLOURS[c.role], 3.0) if c.role else (5.0, GREY, 0.6)
    if c.accuracy is None:
        fill, said = "#fff", "not visited"
    else:
        fill, said = _colour((c.accuracy - low) / (high - low) if high > low else 0.5), f"{c.accuracy:.1%}"
    return (
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:g}" fill="{fill}" stroke="{outline}" stroke-width="{width:g}">'
        f"<title>{escape(c.name)}: {said}</title></circle>"
    )


def _label(c: LatticeClass, x: float, y: float) -> str:
    text = f"{c.role}: {c.name if len(c.name) <= _LONGEST else c.name[:_LONGEST] + '...'}"
    anchor = "start" if x < _WIDTH / 3 else "end" if x > 2 * _WIDTH / 3 else "middle"
    # The winner's label stands above its circle, the others' below, since they are often neighbours in one row. White
    # letters lie beneath, for the lines behind.
    place = f'x="{x:.0f}" y="{y - 13 if c.role == "winner" else y + 20:.0f}" text-anchor="{anchor}" font-weight="600"'
    under = f'<text {place} fill="#fff" stroke="#fff" stroke-width="3.5">{escape(text)}</text>'
    return f'{under}<text {place} fill="{ROLE_COLOURS[c.role]}">{escape(text)}</text>'


def _colour_bar(low: float, high: float, some_missing: bool) -> str:
    stops = "".join(f'<stop offset="{share:g}" stop-color="{_colour(share)}"/>' for share in np.linspace(0, 1, 9))
    missing = f'<circle cx="360" cy="17" r="5" fill="#fff" stroke="{GREY}"/><text x="370" y="21">not visited</text>'
    return (
        f'<defs><linearGradient id="accuracy">{stops}</linearGradient></defs>'
        f'<text x="{_LEFT}" y="21">{low:.1%}</text><rect x="90" y="11" width="160" height="12" fill="url(#accuracy)"/>'
        f'<text x="256" y="21">{high:.1%}</text>{missing if some_missing else ""}'
        f'<text x="4" y="44" fill="{GREY}">factors that the network respects</text>'
    )
