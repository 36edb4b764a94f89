"""Tensors that follow from a module's arguments: index tables, bases, means."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class FixedTensors(nn.Module):
    """A module with tensors that move with it but are neither parameters nor buffers.

    They are computed from the module's arguments and never change. As buffers they would be part of what is averaged
    (`torch.optim.swa_utils.AveragedModel` with ``use_buffers=True`` rounds whole numbers down) or stacked
    (`torch.func.stack_module_state`). Copies of a module may share them.
    """

    _fixed: tuple[str, ...] = ()

    def fix(self, name: str, tensor: Tensor | None) -> None:
        """Add a tensor as the attribute `name`."""
        if tensor is not None and tensor.is_inference():
            # Tables are cached, so that one made in inference mode would later be used in training.
            with torch.inference_mode(mode=False):
                tensor = tensor.clone()
        self._fixed = (*self._fixed, name)
        setattr(self, name, tensor)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FixedTensors":
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name in self._fixed:
            tensor: Tensor | None = getattr(self, name)
            if tensor is None:
                continue
            # Only the device and type are asked of `fn`: `to_empty` would lose the values.
            moved = fn(tensor.new_empty(0))
            if moved.is_meta:  # a module on this device is called with other parameters, by `torch.func`
                continue
            # A table of indices stays one, whatever type the parameters get.
            dtype = moved.dtype if tensor.is_floating_point() else tensor.dtype
            setattr(self, name, tensor.to(moved.device, dtype))
        return self
