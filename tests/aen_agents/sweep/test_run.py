"""Room for trials on a cluster."""

from pathlib import Path

import pytest
from tiny_sweeps import SEEDS, plan

from aen._typing import JsonDict
from aen_agents.evaluators.cluster import ClusterError, Room
from aen_agents.sweep.run import share


@pytest.mark.parametrize(
    ("settings", "nodes", "expected"),
    [
        ({}, [(2, 0)], (1, 2)),
        ({"concurrent": 1}, [(2, 0)], (1, 1)),
        ({}, [(2, 0), (4, 0)], (1, 4)),
        ({"concurrent": 4}, [(2, 0)], (0.5, 4)),
        ({"gpus_per_trial": 0.5, "overrides": ["evaluator.device=cuda"]}, [(16, 1)], (1, 2)),
    ],
    ids=str,
)
def test_room_for_trials(
    settings: JsonDict, nodes: list[tuple[float, float]], expected: tuple[float, int], tmp_path: Path
) -> None:
    sweep, trials = plan(tmp_path, SEEDS | {"grid": {"seed": [0, 1, 2, 3]}} | settings)
    assert share(sweep, trials, Room(tuple(nodes))) == expected


def test_no_room_is_said_at_once(tmp_path: Path) -> None:
    sweep, trials = plan(tmp_path, SEEDS | {"overrides": ["evaluator.device=cuda"], "gpus_per_trial": 1})
    with pytest.raises(ClusterError, match=r"a trial needs 1 cores and 1 GPUs .* the cluster has 2 cores and 0 GPUs"):
        share(sweep, trials, Room(((2, 0),)))
