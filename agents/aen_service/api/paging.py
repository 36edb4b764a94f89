"""What the lists of the interface have in common: pages, and numbers that are not known."""

import math
from typing import Annotated

from fastapi import Query

Page = Annotated[int, Query(ge=1, le=1_000_000)]
Size = Annotated[int, Query(ge=1, le=200)]


def finite(value: float) -> float | None:
    """Return a number for JSON, which has neither NaN nor infinity: those are None."""
    return value if math.isfinite(value) else None


def whole(value: float) -> int | None:
    """Return a whole number, or None for NaN."""
    return int(value) if math.isfinite(value) else None
