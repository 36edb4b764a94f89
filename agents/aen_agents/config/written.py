"""Numbers that remember how they were written, so that messages show ``1e3`` where that was given, not ``1000.0``."""

from typing import Self

from aen._text import shortened


class WrittenInt(int):
    """A whole number; ``repr`` and ``str`` give the text it was read from. Copies and pickles are plain."""

    written: str

    def __new__(cls, written: str) -> Self:
        """Read the number."""
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __repr__(self) -> str:
        return self.written

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


class WrittenFloat(float):
    """A floating-point number; see `WrittenInt`."""

    written: str

    def __new__(cls, written: str) -> Self:
        """Read the number."""
        number = super().__new__(cls, written.lower().replace(".inf", "inf").replace(".nan", "nan"))
        number.written = written
        return number

    def __repr__(self) -> str:
        return self.written

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


def show(value: object) -> str:
    """Return a value of a config for a message: numbers as they were written, ``true``, ``false`` and ``null``; cut."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return shortened(repr(value))
