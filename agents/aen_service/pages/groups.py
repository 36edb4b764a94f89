"""The page of groups: what chosen generators generate, which cells they join, and which weights they tie."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from aen._typing import JsonDict
from aen.groups.generators import GENERATOR_NAMES
from aen_service.access import AnyToken
from aen_service.pages.asking import ask_patiently
from aen_service.pages.html import page

router = APIRouter(include_in_schema=False)
_MOST_DRAWN = 256  # rows and columns of a picture of weights
Side = Annotated[int, Query(ge=1, le=32)]
# Hues that differ as much as they can from those before: the golden angle.
_ANGLE = 137.508


@router.get("/groups")
async def groups(
    request: Request,
    _token: AnyToken,
    *,
    factor: Annotated[list[str] | None, Query()] = None,
    rows: Side = 6,
    columns: Side = 6,
) -> Response:
    """The group of some generators on a grid."""
    chosen = list(dict.fromkeys(factor or []))
    body = {"factors": chosen, "grid": [rows, columns]}
    answer = await ask_patiently(request, "/groups/describe", method="POST", body=body)
    group = (answer and answer.found) or {}
    orbits = _flat(group.get("orbits"))
    names = [*GENERATOR_NAMES, *(name for name in chosen if name not in GENERATOR_NAMES)]
    values = {
        "generators": names,
        "chosen": chosen,
        "rows": rows,
        "columns": columns,
        "group": group,
        "problem": None if answer is None or answer.ok else answer.detail,
        "pending": answer is None,
        "orbits": len(set(orbits)),
        "cells": [{"orbit": orbit, "colour": colour_of(orbit)} for orbit in orbits],
        "weights": (rows * columns) ** 2,
        "tied": _square(group.get("tied"), rows * columns),
    }
    return page(request, "groups.html", values)


def colour_of(orbit: int) -> str:
    """Return the colour of an orbit."""
    return f"hsl({orbit * _ANGLE % 360:.0f} {55 + 15 * (orbit % 3)}% {58 + 9 * (orbit // 3 % 3)}%)"


def _flat(given: object) -> list[int]:
    """Return the orbit number of each cell, row by row."""
    if not isinstance(given, list):
        return []
    return [int(value) for row in given for value in (row if isinstance(row, list) else [row])]


def _square(given: object, side: int) -> list[list[int]] | None:
    """Return the orbit numbers of the weights as rows, if they are few enough to be drawn."""
    if isinstance(given, dict):
        inner: JsonDict = given
        given = inner.get("orbits")
    flat = _flat(given)
    if side > _MOST_DRAWN or len(flat) != side * side:
        return None
    return [flat[start : start + side] for start in range(0, len(flat), side)]
