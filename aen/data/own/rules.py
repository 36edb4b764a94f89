"""Rules: how own images become arrays of one size and type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from aen._fields import shown
from aen.errors import DataError, did_you_mean

Size = int | tuple[int, int]
Colours = Literal["grey", "colour"]
# Images are shrunk to at most so many pixels unless a size is given.
MAX_PIXELS = 64 * 64
_MAX_SIDE = 512


# What leaves broken images out, in messages; services replace it, since they have no command line.
SKIP_BROKEN = "skip_broken=true (--skip-broken on the command line, data.skip_broken=true in a config)"


@dataclass(frozen=True)
class Rules:
    """What is asked of the import of own data.

    Attributes:
        size: side of the images, or (rows, columns); None: the size that all have, else the most frequent or the median
            one, of at most `MAX_PIXELS` pixels.
        channels: ``grey`` or ``colour``; None: grey if all images are grey.
        skip_broken: leave out images that cannot be read, and files that lie in two classes, in place of refusing them.
        lift_sign: signals: append the negated signal to each, so that ``sign`` permutes the rows.
    """

    size: Size | None = None
    channels: Colours | None = None
    skip_broken: bool = False
    lift_sign: bool = False


def checked_size(value: object) -> Size | None:
    """Return a size in its one form: an int for a square.

    Raises:
        DataError: it is none.
    """
    if value is None:
        return None
    sides: list[Any] = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value, value]
    whole = all(isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= _MAX_SIDE for side in sides)
    if len(sides) != 2 or not whole:  # noqa: PLR2004 - rows and columns
        raise DataError(
            f"data.size is {shown(value)} but must be the side of the images, or [rows, columns], from 1 to "
            f"{_MAX_SIDE}."
        )
    return sides[0] if sides[0] == sides[1] else (sides[0], sides[1])


def checked_channels(value: object) -> Colours | None:
    """Return ``grey``, ``colour`` or None.

    Raises:
        DataError: it is none of them.
    """
    if value is None or value in get_args(Colours):
        return value  # type: ignore[return-value]
    raise DataError(f"unknown data.channels {value!r}{did_you_mean(str(value), get_args(Colours))}.")
