"""The optimisers of a child: one for its weights, and one for its architecture parameters if it has any."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from aen.children.child import Child
from aen.children.training_spec import TrainingSpec
from aen.errors import SpecError


def weight_optimiser(child: Child, training: TrainingSpec) -> torch.optim.Optimizer:
    """Return the optimiser of all parameters except the architecture parameters."""
    architecture = child.architecture()
    chosen = {id(parameter) for parameter in architecture.parameters} if architecture else set()
    weights = [parameter for parameter in child.parameters() if id(parameter) not in chosen]
    # fused: one kernel for all parameters.
    if training.optimiser == "sgd":
        return torch.optim.SGD(weights, training.learning_rate, momentum=training.momentum, fused=True)
    return torch.optim.Adam(weights, training.learning_rate, fused=True)


def state_by_name(child: nn.Module, *optimisers: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Return the state that optimisers keep for each parameter, by the parameter's name."""
    found = {}
    for name, parameter in child.named_parameters():
        for optimiser in optimisers:
            kept = {key: value for key, value in optimiser.state.get(parameter, {}).items() if value is not None}
            wrong = [key for key, value in kept.items() if not isinstance(value, Tensor)]
            if wrong:
                raise SpecError(
                    f"{type(optimiser).__name__} keeps {wrong[0]!r}, which is no tensor and cannot be kept."
                )
            if kept:
                found[name] = kept
    return found


def restore_state(
    child: nn.Module, kept: Mapping[str, Mapping[str, Tensor]], *optimisers: torch.optim.Optimizer
) -> None:
    """Give optimisers copies of what `state_by_name` returned, for the parameters that they hold."""
    for name, parameter in child.named_parameters():
        for optimiser in _holding(parameter, optimisers) if name in kept else ():
            optimiser.state[parameter] = {
                # Adam counts its steps in float32, whatever its parameters are.
                key: value.to(parameter.device, copy=True) if key == "step" else value.to(parameter, copy=True)
                for key, value in kept[name].items()
            }


def _holding(parameter: nn.Parameter, optimisers: tuple[torch.optim.Optimizer, ...]) -> Iterator[torch.optim.Optimizer]:
    for optimiser in optimisers:
        if any(parameter is own for group in optimiser.param_groups for own in group["params"]):
            yield optimiser
