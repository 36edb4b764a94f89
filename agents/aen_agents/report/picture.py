"""Pictures of a page, each with a table of its numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from markupsafe import Markup

from aen_agents.report.drawing import NARROW, WIDE, for_page

MOST_ROWS = 400  # of a table beside a picture


@dataclass(frozen=True)
class Table:
    """A table; the columns after the first `texts` hold numbers.

    Attributes:
        columns: the headings.
        rows: the cells of each row.
        texts: how many columns hold text.
        left_out: how many more rows there are.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    left_out: int = 0

    @classmethod
    def of(cls, columns: Sequence[str], rows: Sequence[Sequence[object]], texts: int = 1) -> Self:
        """Return a table of at most `MOST_ROWS` rows; numbers are written as they are, None as nothing."""
        cells = tuple(tuple("" if cell is None else _text(cell) for cell in row) for row in rows[:MOST_ROWS])
        return cls(tuple(columns), cells, texts, max(0, len(rows) - MOST_ROWS))


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        title: its heading.
        text: what it shows.
        wide: the picture for wide screens.
        narrow: the same for narrow ones.
        table: its numbers.
    """

    title: str
    text: str
    wide: Markup
    narrow: Markup
    table: Table

    @classmethod
    def drawn(cls, title: str, text: str, draw: Callable[[float], str], table: Table) -> Self:
        """Return a picture in both widths.

        Args:
            title: its heading.
            text: what it shows.
            draw: returns the picture as SVG text from its width in inches.
            table: its numbers.
        """
        key = "".join(letter if letter.isalnum() else "-" for letter in title.lower())
        wide, narrow = (for_page(draw(width), f"{key}-{form}-") for form, width in (("wide", WIDE), ("narrow", NARROW)))
        return cls(title, text, Markup(wide), Markup(narrow), table)  # noqa: S704 - made by `draw` just now


def percent(value: float) -> str:
    """Return an accuracy in percent."""
    return f"{100 * value:.1f} %"


def interval(ends: Sequence[float]) -> str:
    """Return the ends of an interval of accuracies in percent."""
    return f"{percent(ends[0])} to {percent(ends[1])}"


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
