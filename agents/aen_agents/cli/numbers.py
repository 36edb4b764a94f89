"""Numbers on the command line."""

import argparse
import re


def whole_number(text: str) -> int:
    """Return the whole number that an argument holds, in decimal digits, as in a config.

    Raises:
        argparse.ArgumentTypeError: it holds something else, such as ``010`` or ``1_000``.
    """
    if not re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,17})", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number in decimal digits, such as 10")
    return int(text)


def positive_number(text: str) -> float:
    """Return the positive number that an argument holds.

    Raises:
        argparse.ArgumentTypeError: it holds something else, such as ``0`` or ``inf``.
    """
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?|\.[0-9]{1,9}", text) and float(text) > 0:
        return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive number, such as 10 or 0.5")


def grid(text: str) -> "int | tuple[int, int]":
    """Return the grid that an argument holds: the side of a square, such as ``28``, or rows and columns, ``20x30``.

    Raises:
        argparse.ArgumentTypeError: it holds something else.
    """
    rows, times, columns = text.partition("x")
    try:
        sides = (whole_number(rows), whole_number(columns if times else rows))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number in decimal digits, such as 28, nor rows and columns, such as 20x30"
        ) from error
    if times and 0 in sides:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number in decimal digits, such as 28, nor rows and columns of 1 or more"
        )
    return sides[0] if sides[0] == sides[1] else sides
