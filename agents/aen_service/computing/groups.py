"""Answers about groups on grids; the functions run in a helper."""

from collections.abc import Sequence
from typing import Any

from aen._typing import JsonDict
from aen.errors import GroupError
from aen.groups import (
    Alphabet,
    Decomposition,
    Grid,
    as_grid,
    cells_of,
    enumerate_elements,
    grid_orbits,
    hidden_grids,
    layer_orbits,
    load_classes,
)
from aen.groups.describe import joint_action
from aen.groups.grid import shape_of
from aen.groups.order import count_elements

MOST_FACTORS, MOST_SIDE, MOST_GRIDS = 32, 64, 6
_MOST_TIED = 10_000  # weights whose orbits are returned
_COUNT_SECONDS = 5.0
_MOST_ELEMENTS = 4096  # that are enumerated
_MOST_STATES = 12  # factors of an alphabet whose classes are listed with all their states


def describe(factors: Sequence[str], grid: Sequence[int]) -> JsonDict:
    """Describe the group that factors generate on a grid, its orbits of cells, and of the weights from it to itself."""
    decomposition = Decomposition.of(factors)
    shape = _grid(grid)
    decomposition.check([shape])
    found = decomposition.describe([shape])
    order, name = found.order, found.name
    if order is None:
        moves = [move for factor in decomposition.factors for move in joint_action(factor, (shape,))]
        elements = enumerate_elements(moves, cells_of(shape), _MOST_ELEMENTS)
        order = count_elements(moves, _COUNT_SECONDS) if elements is None else len(elements)
        name = name if order is None else f"order {order}"
    cells, generators = grid_orbits(decomposition.generators, shape), decomposition.generators
    tied = None
    if cells_of(shape) ** 2 <= _MOST_TIED:
        weights = layer_orbits(generators, shape, shape)
        tied = {"orbits": weights.labels.tolist(), "count": weights.count}
    text = (
        str(found)
        if found.order is not None or order is None
        else f"order {order:,}, {_kind(found.abelian)}: {found.structure}"
    )
    return {
        "name": name,
        "order": order,
        "at_least": order or found.at_least,
        "abelian": found.abelian,
        "structure": found.structure,
        "redundant": list(found.redundant),
        "text": text,
        "grid": list(shape_of(shape)),
        "generators": [
            {"name": str(g), "order": g.order(shape), "moves": g.permutation(shape).tolist()} for g in generators
        ],
        "orbits": cells.labels.tolist(),
        "count": cells.count,
        "tied": tied,
    }


def _kind(abelian: bool) -> str:
    return "abelian" if abelian else "not abelian"


def classes(alphabet: str | Sequence[str], grid: Sequence[int], hidden: Sequence[Sequence[int]] | None) -> JsonDict:
    """Return the classes of the states of an alphabet on a child with these grids; None: hidden grids are chosen."""
    shape = _grid(grid)
    offered = Alphabet.of(alphabet)
    if isinstance(alphabet, str):
        offered = offered.fitting([shape])
    if hidden is None:
        grids = (shape, *hidden_grids(shape, offered.in_fractions(shape)))
        offered = offered.in_fractions(shape)
    else:
        grids = (shape, *map(_grid, hidden))
        if isinstance(alphabet, str):
            offered = offered.fitting(grids)
    if len(offered) > _MOST_STATES:
        raise GroupError(f"alphabet has {len(offered)} factors; the classes of at most {_MOST_STATES} are listed here.")
    table = load_classes(offered, grids)
    names = table.group_names
    items: list[dict[str, Any]] = [
        {
            "class_key": one.key,
            "factors": table.decomposition(one).name,
            "group": names[one.representative] if names else None,
            "states": one.states,
            "orbits": list(one.orbits),
        }
        for one in table.classes
    ]
    return {
        "states": len(table.class_of_state),
        "classes": len(table.classes),
        "alphabet": list(offered.names),
        "grids": [list(shape_of(one)) for one in grids],
        "notices": [*offered.left_out, *_mismatches(offered, grids)],
        "items": items,
    }


def _grid(sides: Sequence[int]) -> Grid:
    return as_grid(sides[0] if len(sides) == 1 else tuple(sides))


def _mismatches(alphabet: Alphabet, grids: Sequence[Any]) -> list[str]:
    said = alphabet.order_mismatches(grids)
    return [f"{one}; the joint action ties more weights than either grid alone" for one in said]
