"""What is active around a layer: transforms of `torch.func`, forward derivatives, autocast.

Functions with a written-out gradient are for the ordinary backward pass; layers ask here whether they are called in it.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.autograd import forward_ad


def is_transformed() -> bool:
    """Return whether a transform of `torch.func`, or forward-mode differentiation, is active."""
    transforms: bool = torch._C._are_functorch_transforms_active()  # noqa: SLF001 - as torch.autograd.Function asks it
    return transforms or forward_ad._current_level >= 0  # noqa: SLF001 - torch has no public function for it


def is_autocast(device: torch.device) -> bool:
    """Return whether autocast is on for a device."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def autocast_off(device: torch.device) -> AbstractContextManager[object]:
    """Return a context without autocast: a backward pass may be run inside it, though the forward pass was not."""
    return torch.autocast(device.type, enabled=False) if is_autocast(device) else nullcontext()
