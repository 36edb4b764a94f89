"""A picture of the whole space: its classes as a lattice by inclusion, coloured by accuracy.

The SVG is written directly: every class is a circle with its name and accuracy as a tooltip, and hundreds of classes
with their lines stay a small file.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from aen.groups.inclusion import covers, layout
from aen_agents.report.drawing import GREY, INK, PAGE, ROLE_COLOURS, WIDE, shortened

MOST_CLASSES = 1000  # more circles than this cannot be told apart
_PIXELS = 96  # of an inch
_ROW, _LEFT, _TOP, _RIGHT = 52, 34, 82, 12
_LETTER = 7.0  # pixels that a letter takes on average


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


def lattice(classes: Sequence[LatticeClass], width: float = WIDE) -> str:
    """Draw the classes: the untied one below, above each class those that are tied further.

    A class stands in the row of its closed set's size.

    Args:
        classes: all classes of an alphabet, at least one of them visited.
        width: of the picture, in inches.
    """
    pixels = round(width * _PIXELS)
    edges = covers([c.closed_set for c in classes])
    places = layout([c.closed_set.bit_count() for c in classes], edges)
    height = _TOP + _ROW * places.rows
    x = [_LEFT + (pixels - _LEFT - _RIGHT) * place for place in places.x]
    y = [_TOP + _ROW * places.rows * place for place in places.y]
    met = [c.accuracy for c in classes if c.accuracy is not None]
    low, high = min(met), max(met)
    rows = sorted({(c.closed_set.bit_count(), int(y[i])) for i, c in enumerate(classes)})
    lines = "".join(f"M{x[a]:.0f} {y[a]:.0f}L{x[b]:.0f} {y[b]:.0f}" for a, b in edges)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{pixels}" height="{height}" viewBox="0 0 {pixels} {height}" '
        f'font-family="system-ui, sans-serif" font-size="12" style="fill: {INK}" role="img">'
        "<title>The networks of the space by inclusion, coloured by accuracy</title>"
    )
    sizes = Counter(c.closed_set.bit_count() for c in classes)
    radius = min(5.0, 0.46 * (pixels - _LEFT - _RIGHT) / max(sizes.values()))  # those of the fullest row do not touch
    parts = [
        head,
        _colour_bar(low, high, any(c.accuracy is None for c in classes)),
        *(f'<text x="20" y="{place + 4}" text-anchor="end">{size}</text>' for size, place in rows),
        f'<path d="{lines}" style="stroke: {GREY}; stroke-opacity: .4; stroke-width: .7; fill: none"/>',
    ]
    # Those with a role come last, so that no other circle covers them.
    order = sorted(range(len(classes)), key=lambda i: (bool(classes[i].role), i))
    parts += [_circle(classes[i], x[i], y[i], radius, (low, high)) for i in order]
    parts += [_label(c, x[i], y[i], pixels) for i, c in enumerate(classes) if c.role]
    return "".join(parts) + "</svg>"


def _colour(share: float) -> str:
    return to_hex(mpl.colormaps["viridis"](share))


def _circle(c: LatticeClass, x: float, y: float, radius: float, colours: tuple[float, float]) -> str:
    low, high = colours
    outline, line = (ROLE_COLOURS[c.role], 3.0) if c.role else (GREY, 0.6)
    if c.accuracy is None:
        fill, said = PAGE, "not visited"
    else:
        fill, said = _colour((c.accuracy - low) / (high - low) if high > low else 0.5), f"{c.accuracy:.1%}"
    return (
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{1.5 * radius if c.role else radius:.3g}" '
        f'style="fill: {fill}; stroke: {outline}; stroke-width: {line:g}">'
        f"<title>{escape(c.name)}: {said}</title></circle>"
    )


def _label(c: LatticeClass, x: float, y: float, pixels: int) -> str:
    anchor = "start" if x < pixels / 3 else "end" if x > 2 * pixels / 3 else "middle"
    room = {"start": pixels - x, "end": x, "middle": 2 * min(x, pixels - x)}[anchor]
    text = shortened(f"{c.role}: {c.name}", int(room / _LETTER))
    # The winner's label stands above its circle, the others' below, since they are often neighbours in one row. The
    # lines behind a label are hidden by its edge, which has the page's colour and is drawn first.
    return (
        f'<text x="{x:.0f}" y="{y - 13 if c.role == "winner" else y + 20:.0f}" text-anchor="{anchor}" '
        f'font-weight="600" style="fill: {ROLE_COLOURS[c.role]}; stroke: {PAGE}; '
        f'stroke-width: 3.5; paint-order: stroke">{escape(text)}</text>'
    )


def _colour_bar(low: float, high: float, some_missing: bool) -> str:
    stops = "".join(f'<stop offset="{share:g}" stop-color="{_colour(share)}"/>' for share in np.linspace(0, 1, 9))
    missing = (
        f'<circle cx="{_LEFT + 6}" cy="37" r="5" style="fill: {PAGE}; stroke: {GREY}"/>'
        f'<text x="{_LEFT + 18}" y="41">not visited</text>'
    )
    return (
        f'<defs><linearGradient id="accuracy">{stops}</linearGradient></defs>'
        f'<text x="{_LEFT}" y="21">{low:.1%}</text><rect x="84" y="11" width="160" height="12" fill="url(#accuracy)"/>'
        f'<text x="250" y="21">{high:.1%}</text>{missing if some_missing else ""}'
        '<text x="4" y="63">number of factors that the network respects</text>'
    )
