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
