"""The shares of the groups that EquiNAS_D learnt in each combination of a sweep: means over layers and seeds."""

from collections.abc import Sequence
from statistics import fmean
from typing import cast

from aen._typing import JsonDict
from aen.children import EquiNASSpec
from aen.statistics import estimate_accuracy
from aen_agents.agents.layerwise.registry import layer_groups
from aen_agents.config.agents import LayerwiseConfig
from aen_agents.problem import child_of
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial

_SKIP = "skip"


def find_shares(folder: SweepFolder, groups: Sequence[tuple[str, Sequence[Trial]]]) -> JsonDict | None:
    """Return the final shares of each combination's mixed networks; None if no search has any.

    Args:
        folder: of the sweep.
        groups: label and trials of each combination, in the order of the rows.
    """
    rows = []
    names: dict[str, None] = {}
    for label, trials in groups:
        found = [shares for trial in trials for shares in _final_shares(folder, trial)]
        if not found:
            continue
        names |= dict.fromkeys(name for layers in found for layer in layers for name in layer)
        rows.append((label, found))
    if not rows:
        return None
    order = sorted(names, key=lambda name: name == _SKIP)  # groups come in the order of the branches
    return {"groups": order, "rows": [_row(label, found, order) for label, found in rows]}


def _final_shares(folder: SweepFolder, trial: Trial) -> list[list[dict[str, float]]]:
    """Return, for each seed of the agent's own mixed method, the share of each group in each layer."""
    files, agent = folder.files(trial), trial.config.agent
    result = files.result()
    if result is None or not agent.trains_architectures:
        return []
    groups = layer_groups(cast("LayerwiseConfig", agent), cast("EquiNASSpec", child_of(trial.config)))
    branches = (*groups, _SKIP)
    keys = {key for row in result.methods if row.method == agent.name for key in row.keys}
    entries = [line for line in files.run.history() if line["key"] in keys]
    shares = [(line["record"] or {}).get("shares", []) for line in entries]
    return [[dict(zip(branches, layer, strict=False)) for layer in layers] for layers in shares if layers]


def _row(label: str, found: Sequence[list[dict[str, float]]], groups: Sequence[str]) -> JsonDict:
    by_seed = {name: [fmean(layer.get(name, 0.0) for layer in layers) for layers in found] for name in groups}
    estimates = [estimate_accuracy(by_seed[name]) for name in groups]
    layers = [
        [fmean(seed[number].get(name, 0.0) for seed in found) for name in groups] for number in range(len(found[0]))
    ]
    return {
        "label": label,
        "seeds": len(found),
        "means": [estimate.mean for estimate in estimates],
        "intervals": [list(estimate.interval) for estimate in estimates] if len(found) > 1 else None,
        "layers": layers,
    }
