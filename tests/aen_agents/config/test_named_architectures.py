"""Architectures that a config names: `child.groups` and `child.head_group`."""

from pathlib import Path

import pytest
from helpers.overrides import changed

from aen.children import EquiNASSpec
from aen.errors import AenError
from aen_agents.config import load_config
from aen_agents.problem import child_of

STATIC = ("child.kind=equinas", "agent=static")


@pytest.mark.parametrize(
    ("overrides", "groups"),
    [
        (["child.groups=[D4, D4, D4, C4, C4, C2, C2, C2]"], ("D4",) * 3 + ("C4",) * 2 + ("C2",) * 4),
        (["child.groups=[D4, D4, D4, C4, C4, C2, C2, C2, C1]"], ("D4",) * 3 + ("C4",) * 2 + ("C2",) * 3 + ("C1",)),
        (["child.groups=[D4, D4, D4, D4, D4, D4, D4, D4]", "child.head_group=D1"], ("D4",) * 8 + ("D1",)),
        ([], ("C1",) * 9),
    ],
)
def test_a_config_names_an_architecture(config_file: Path, overrides: list[str], groups: tuple[str, ...]) -> None:
    child = child_of(load_config(config_file, [*STATIC, *overrides]))
    assert isinstance(child, EquiNASSpec)
    assert child.layer_groups == groups


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["child.groups=[D4, C4]"], r"child.groups is \[D4, C4\]; give 8 names, one for each convolution, or 9 with"),
        (["child.groups=[C4, D4, C1, C1, C1, C1, C1, C1]"], "child.groups: groups.1. is D4, which is no subgroup of"),
        (["child.groups=[D4, C1, C1, C1, C1, C1, C1, C1]", "child.base=C4"], "child.groups: groups.0. is D4.*base, C4"),
        (["child.groups=[D5, C1, C1, C1, C1, C1, C1, C1]"], "child.groups: unknown planar group 'D5'"),
        (["child.groups=[C1, C1, C1, C1, C1, C1, C1, C1]", "child.head_group=C4"], "child.groups: head_group is C4"),
        (
            ["child.groups=[C4, C4, C4, C4, C4, C4, C4, C4, C4]", "child.head_group=C4"],
            "or 9 with the dense layer's and without child.head_group",
        ),
        (["child.groups=[C4, C4, C4, C4, C4, C4, C4, C4, C4]", "child.published=true"], "give 8 names, one for each"),
        (
            ["child.groups=[C4, C4, C4, C4, C4, C4, C4, C4]", "child.published=true", "child.head_group=C4"],
            "child.groups: head_group is 'C4', but the published dense layer is not tied",
        ),
        (["child.head_group=C4"], "child.head_group is 'C4', but child.groups is empty"),
        (["child.groups=[C4, C4, C4, C4, C4, C4, C4, C4]", "agent=dqn"], "child.groups names an architecture, which"),
        (["child.groups=D4"], "child.groups is 'D4'; give a list in brackets"),
        (["child.poolings=[9]"], "poolings is .9.; name convolutions from 1 to 8"),
    ],
)
def test_architectures_that_cannot_be_are_explained(config_file: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(AenError, match=message):
        child_of(load_config(config_file, changed(STATIC, *overrides)))
