from pathlib import Path

import pytest

from aen.errors import AenError
from aen_agents.config import (
    load_config,
)
from aen_agents.problem import child_of, space_of

GCNN = ["child.kind=gcnn", "child.padding=same"]
UNPADDED = "child.padding=none"  # the default


def test_a_gcnn_config_reads_back(config_file: Path, tmp_path: Path) -> None:
    wider = ["space.groups=[C4, C1, D2d]", "space.kernel_sizes=[3, 5]", "space.stage_widths=[0.5, 1, 2]"]
    config = load_config(config_file, [*GCNN, *wider, "environment.reference=rot90"])
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(config.to_yaml())
    assert load_config(resolved) == config
    space = space_of(config)
    assert space.sizes == (3, *(2,) * 7, 2, 3, 3)
    assert child_of(config) == space.spec(space.baseline)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["space.groups=[C4]"], r"groups is \['C4'\], without 'C1'"),
        (["space.groups=[C1, C5]"], "group C5 is on offer but cannot be built: unknown planar group 'C5'"),
        (["space.kernel_sizes=[3, 4]"], "padding is 'same' with kernel_size 4"),
        ([UNPADDED], "side is 8: images of 8x8 are too small .*use padding='same'"),
        (["child.widths=published", "space.groups=[C1, C2]"], "no widths are published for 'C2'"),
        (["child.backend=escnn", UNPADDED, "data.name=mnist"], "Name the groups to choose among in space"),
    ],
)
def test_a_space_that_cannot_be_is_explained(config_file: Path, overrides: list[str], message: str) -> None:
    padding = [] if UNPADDED in overrides else [GCNN[1]]
    with pytest.raises(AenError, match=message):
        space_of(load_config(config_file, [GCNN[0], *padding, *overrides]))
