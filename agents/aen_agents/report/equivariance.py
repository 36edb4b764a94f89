"""The report's part on how exactly each layer of the winner keeps its symmetry."""

from pathlib import Path

from torch import nn

from aen import load
from aen.errors import AenError
from aen.nn import EquivariantModule, GroupBatchNorm2d, SymmetrizedLinear
from aen_agents.report.picture import Table


def layer_errors(run: Path) -> Table | None:
    """Return the largest relative error of equivariance of each layer of a run's winner, with its trained weights.

    None if the run has no winner, its weights cannot be read, or it has no symmetry.
    """
    try:
        child = load(run)
    except AenError:
        return None
    rows: list[tuple[str, ...]] = []
    for module in child.modules():
        if isinstance(module, (EquivariantModule, SymmetrizedLinear)) and _is_layer(module):
            try:
                errors = module.check_equivariance()
            except AenError:
                continue  # its group does not act exactly on pixels
            if errors:
                worst = max(errors, key=lambda element: errors[element])
                name = f"{len(rows) + 1}: {type(module).__name__}"
                rows.append((name, _group(module), worst, f"{errors[worst]:.1e}"))
    return Table.of(("layer", "tied by", "worst for", "error"), rows, texts=3) if rows else None


def _is_layer(module: nn.Module) -> bool:
    """Return whether a module has weights of its own; batch norm scales each channel and is exact by its tying."""
    return next(module.parameters(recurse=False), None) is not None and not isinstance(module, GroupBatchNorm2d)


def _group(module: EquivariantModule | SymmetrizedLinear) -> str:
    return module.decomposition.name if isinstance(module, SymmetrizedLinear) else module.group.name
