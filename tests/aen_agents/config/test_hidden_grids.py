"""The key child.hidden: lists of grids, and auto."""

import pytest

from aen.errors import ConfigError, GroupError
from aen.groups import Alphabet
from aen_agents.config import load_config
from aen_agents.problem import check_space, child_of, space_of


def space(*overrides):
    config = load_config("digits", list(overrides))
    check_space(config)
    return space_of(config)


def test_automatic_hidden_grids_keep_the_orders_of_shifts_in_fractions():
    found = space("child.hidden=auto", "alphabet=['vshift(2) x hflip', rot90]")
    assert found.alphabet == Alphabet.of(["vshift(1/4) x hflip", "rot90"])
    assert found.child.grids == (8, 16, 16)
    assert found.remarks() == ()
    assert child_of(load_config("digits", ["child.hidden=auto"])).grids == (8, 16, 16)


def test_a_named_alphabet_keeps_the_factors_that_fit_and_says_which_do_not():
    found = space("child.hidden=[[4, 6], 16]", "child.layerwise=true")
    assert found.child.grids == (8, (4, 6), 16)
    assert "rot90" not in found.alphabet.names
    assert "left out rot90: generator 'rot90' needs a square grid, not 4x6: it exchanges the axes." in found.remarks()
    assert len(space().alphabet) == 12


def test_every_factor_of_a_list_has_to_fit():
    with pytest.raises(GroupError, match=r"alphabet on the grids \[8, \[4, 6\]\]: .*'rot90' needs a square grid"):
        space("child.hidden=[[4, 6]]", "alphabet=[rot90, hflip]")


def test_generators_of_rectangles_are_given_row_by_row():
    rows = [[5, 4, 3], [2, 1, 0]]
    found = space(
        "child.hidden=[[2, 3]]", f"generators.spin=[{[*range(63, -1, -1)]}, {rows}]", "alphabet=[spin, hflip]"
    )
    assert found.alphabet.factors[0].generators[0].permutation((2, 3)).tolist() == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[]", "expected a list such as .16, 16., or auto"),
        ("null", "child.hidden is null: expected a list"),
        ("automatic", "expected a list such as .16, 16., or auto"),
        ("8", "child.hidden is 8: expected a list"),
        ("[0]", "child.hidden is 0: Input should be greater than 0"),
        ("[[4, 0]]", "given by its rows and columns, such as"),
        ("[[4, 6, 8]]", "given by its rows and columns, such as"),
        ("[[4, '6']]", "given by its rows and columns, such as"),
    ],
)
def test_other_values_are_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        load_config("digits", [f"child.hidden={value}"])


def test_the_hidden_grids_of_a_long_signal_can_be_written_down():
    assert load_config("digits", ["child.hidden=[[1, 4000]]"]).child.hidden == ((1, 4000),)
    with pytest.raises(ConfigError, match="hidden"):
        load_config("digits", ["child.hidden=[1001]"])
