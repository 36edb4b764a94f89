"""Fast copies of children, for searches that copy one for every offspring."""

import copy
from typing import Any, TypeVar

import torch
from torch import nn

from aen.errors import SpecError

Copied = TypeVar("Copied", bound=nn.Module)


def deep_copied(module: Copied, memo: dict[int, Any]) -> Copied:
    """Return a copy of a module that shares field types, spec and index tables, which are larger than the weights.

    A search makes one for every offspring; copying all of it would take longer than the relaxation.
    """
    if id(module) not in memo:
        memo[id(module)] = twin = type(module).__new__(type(module))
        inside = vars(twin)
        inside.update(
            {name: value.copy() if isinstance(value, dict) else value for name, value in vars(module).items()}
        )
        for kind in ("_parameters", "_buffers"):
            inside[kind] = {name: copy.deepcopy(value, memo) for name, value in inside[kind].items()}
        inside["_modules"] = {
            name: None if part is None else deep_copied(part, memo) for name, part in inside["_modules"].items()
        }
    found: Copied = memo[id(module)]
    return found


def hand_over(optimiser: torch.optim.Optimizer, old: nn.Module, new: nn.Module) -> None:
    """Replace the parameters that an optimiser holds by those of a copy of the network; their state stays."""
    copies = {id(before): after for before, after in zip(old.parameters(), new.parameters(), strict=True)}
    held = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
    if not copies.keys() <= held:
        raise SpecError("optimiser does not hold the child's parameters; make it from the child's parameters().")
    for group in optimiser.param_groups:
        group["params"] = [copies.get(id(parameter), parameter) for parameter in group["params"]]
    for parameter in old.parameters():
        state = optimiser.state.pop(parameter, None)
        if state is not None:
            optimiser.state[copies[id(parameter)]] = state
