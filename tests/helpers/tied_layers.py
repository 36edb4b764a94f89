"""Tied layers for the tests: a table of them, random ones, and every product that computes each."""

from hypothesis import strategies as st

from aen.errors import GroupError
from aen.groups import Decomposition, layer_orbits
from aen.nn.choice import Choice, choice_of, products_for

# Name: (factors, input grid, output grid). Together they have products of every kind.
CASES = {
    "untied": ((), 4, 6),
    "turns": (("rot90",), 8, 8),
    "odd turns": (("rot90",), 3, 5),
    "dihedral": (("rot90", "hflip"), 4, 6),
    "flips": (("hflip", "vflip"), 8, 4),
    "odd flip": (("hflip",), 5, 3),
    "half shifts": (("hshift(1/2)", "vshift(1/2)"), 4, 6),
    "coprime shifts": (("hshift(1)",), 3, 5),
    "partial swap": (("swap_tb_left",), 8, 8),
    "swaps": (("swap_tb_left", "quadrants"), 4, 6),
    "one cell": (("rot90",), 1, 3),
    "rectangles": (("hflip", "vflip"), (4, 6), (2, 8)),
    "rectangle to square": (("swap_lr", "vflip"), (3, 8), 4),
    "signals": (("reverse", "shift(1/4)", "sign"), (2, 12), (2, 8)),
    "one row": (("hflip",), (1, 9), (1, 4)),
    "nearly all": (("swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom", "hshift(1)", "rot90"), 4, 4),
}
_FACTORS = (
    *("rot90", "hflip", "vflip", "hshift(1/4)", "vshift(1/4)", "quadrants", "swap_lr", "swap_tb"),
    *("swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
    *("transpose", "rot180", "hshift(1/2)", "vshift(1/2)", "hshift(1/3)", "hshift(1)", "vshift(2)"),
)
_GRIDS = st.sampled_from([2, 3, 4, 5, 6, 8, (1, 8), (2, 6), (4, 6), (3, 5), (6, 2)])


def _fits(factor, sides):
    try:
        Decomposition.of(factor).check(sides)
    except GroupError:
        return False
    return True


@st.composite
def tied_layers(draw, max_factors=3):
    """A decomposition and two grids that it fits."""
    sides = draw(_GRIDS), draw(_GRIDS)
    fitting = [factor for factor in _FACTORS if _fits(factor, sides)]
    chosen = draw(st.lists(st.sampled_from(fitting), max_size=max_factors, unique=True))
    return Decomposition.of(chosen), *sides


def orbits_of(case):
    factors, in_side, out_side = CASES[case]
    return layer_orbits(Decomposition.of(factors).generators, in_side, out_side)


def choices_for(orbits, in_side, out_side) -> list[Choice]:
    """Every product that is offered for a layer, laid out."""
    return [choice_of(product, orbits, in_side, out_side) for product in products_for(orbits, in_side, out_side)]


def nth_choice(n):
    """In place of `choose_product`: the n-th product that is offered, or the last where they are fewer."""

    def choose(orbits, in_side, out_side):
        products = products_for(orbits, in_side, out_side)
        return choice_of(products[min(n, len(products) - 1)], orbits, in_side, out_side)

    return choose


# One entry per case and product, for parametrize.
CASE_PRODUCTS = [
    (case, n) for case, (_, *sides) in CASES.items() for n in range(len(products_for(orbits_of(case), *sides)))
]
