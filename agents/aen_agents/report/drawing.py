"""What all pictures of reports have in common: their colours, their two widths, and how they become SVG text.

Every picture is drawn twice, `WIDE` and `NARROW`; the page's style sheet shows the one that fits the screen, at its own
size, so that letters keep theirs. In a page, colours are variables of the style sheet, for light and dark mode.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from aen_agents.text import printable

WIDE, NARROW = 7.0, 3.5  # inches; an inch is 96 pixels of the page
SMALL = 8.5  # points, 11 pixels: the smallest letters
ACCENT, GREY, INK, WARM, PAGE = "#12806f", "#838d99", "#1f2937", "#d97706", "#ffffff"
# Their names in style.html.
_VARIABLES = {ACCENT: "accent", GREY: "grey", INK: "ink", WARM: "warm", PAGE: "page"}
# Letters on a colour that is the same in light and dark mode; not the page's own colours, which change.
ON_LIGHT, ON_DARK = "#111827", "#fefefe"
ROLE_COLOURS = {"winner": ACCENT, "untied": INK, "plain": INK, "hidden group": WARM, "": GREY}
RC: Any = {
    "svg.hashsalt": "aen",  # the same figures give the same bytes
    "svg.fonttype": "none",
    "text.parse_math": False,  # names may hold dollar signs
    "font.size": 9,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), GREY),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), SMALL),
    "legend.frameon": False,
}
_FONTS = re.compile(r"font(-family)?:( [^;\"]*?)?'DejaVu Sans'[^;\"]*")
_GROUP_ID = re.compile(r'(<g) id="[^"]*"')
_ID = re.compile(r'(\bid="|href="#|url\(#)')
_LETTER = 0.068  # inches that a small letter takes on average


def in_page(value: object) -> object:
    """Return a value as a page shows it: control characters and those that change its direction are escaped."""
    return printable(value, keep="\n\t") if type(value) is str else value


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of a size in inches with a single panel, without a frame above and on the right."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_svg(figure: Figure, title: str) -> str:
    """Return a figure as SVG text: an image with a title for screen readers."""
    buffer = io.StringIO()
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set(facecolor="none", edgecolor="none")
    with mpl.rc_context(RC):
        # `Figure.savefig` would place everything twice and draw twice.
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(buffer, metadata=dict.fromkeys(("Date", "Creator", "Type", "Format")))
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _GROUP_ID.sub(r"\1", _FONTS.sub(_page_font, text))
    head, rest = text.split(">", 1)
    return f'{head} role="img"><title>{escape(title)}</title>{rest}'


def _page_font(found: re.Match[str]) -> str:
    return f"font{found[1] or ''}:{found[2] or ' '}system-ui, sans-serif"


def for_page(svg: str, prefix: str) -> str:
    """Return an SVG that a page may hold beside others: ids have a prefix, colours are the style sheet's variables."""
    svg = _ID.sub(rf"\g<1>{prefix}", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var(--{name})")
    return svg


def percent_axis(axis: Any) -> None:  # noqa: ANN401 - matplotlib has no type for it
    """Label an axis in percent; values that no share can have get no label."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%" if 0 <= round(share, 9) <= 1 else ""))


def note(axes: Any, x: float, y: float, text: str) -> None:  # noqa: ANN401 - as above
    """Write small letters on the right of a point."""
    axes.annotate(text, (x, y), (6, 0), textcoords="offset points", va="center", fontsize=SMALL)


def thousands() -> FuncFormatter:
    """Return a formatter of numbers of parameters."""
    return FuncFormatter(lambda size, _: f"{size / 1000:g}k" if size >= 1000 else f"{size:g}")  # noqa: PLR2004


@contextmanager
def named_rows(
    width: float, names: Sequence[str], *, row: float = 0.27, more: float = 0.7
) -> Iterator[tuple[Figure, Any]]:
    """Draw one row for each name from the top; its name stands beside it or, in a narrow picture, above it.

    Yields:
        The figure, and its panel: row i is at height i.

    Args:
        width: of the picture, in inches.
        names: of the rows.
        row: height of a row, in inches.
        more: height of what stands below, in inches.
    """
    narrow = width < WIDE
    with mpl.rc_context(RC):
        figure, axes = new_axes(width, more + (row + 0.2 * narrow) * len(names))
        axes.set_ylim(len(names) - 0.45, -0.55 - 0.25 * narrow)
        axes.tick_params(axis="y", length=0)
        longest = int(width * (0.9 if narrow else 0.42) / _LETTER)
        shown = [shortened(name, longest) for name in names]
        axes.set_yticks(range(len(names)), [""] * len(names) if narrow else shown)
        if narrow:
            axes.spines["left"].set_visible(False)
            for place, name in enumerate(shown):
                axes.annotate(name, (0, place - 0.36), xycoords=("axes fraction", "data"), va="bottom", fontsize=SMALL)
        yield figure, axes


def shortened(name: str, longest: int) -> str:
    """Return a name, or its beginning if it is longer than `longest`."""
    return name if len(name) <= longest else f"{name[: longest - 3]}..."
