"""The report's part on how exactly each layer of the winner keeps its symmetry."""

from pathlib import Path

from torch import nn

from aen import load
from aen.errors import AenError
from aen.nn import EquivariantModule, SymmetrizedLinear
from aen_agents.report.picture import Table


def layer_errors(run: Path) -> Table | None:
    """Return the largest relative error of equivariance of each layer of a run's winner, with its trained weights.

    None if the run has no winner, its weights cannot be read, or it has no symmetry.
    """
    try:
        child = load(run)
    except AenError:
        return None
    rows = []
    for module in child.modules():
        if isinstance(module, (EquivariantModule, SymmetrizedLinear)) and _has_own_parameters(module):
            try:
                errors = module.check_equivariance()
            except AenError:
                continue  # its group does not act exactly on pixels
            if errors:
                worst = max(errors, key=lambda element: errors[element])
                rows.append((f"{len(rows) + 1}", type(module).__name__, _group(module), worst, f"{errors[worst]:.1e}"))
    columns = ("layer", "kind", "tied by", "transformation with the largest error", "relative error")
    return Table.of(columns, rows, texts=4) if rows else None


def _has_own_parameters(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def _group(module: EquivariantModule | SymmetrizedLinear) -> str:
    return module.decomposition.name if isinstance(module, SymmetrizedLinear) else module.group.name
