"""Devices by name, checked before anything is built on them."""

import torch

from aen.errors import SpecError


def check_device(device: str) -> None:
    """Check that a device exists.

    Raises:
        SpecError: no such kind, or no such CUDA device here.
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise SpecError(f"unknown device {device!r}; use cpu, cuda or cuda:1.")
    if kind == "cuda":
        count = torch.cuda.device_count()
        if int(number or 0) >= count:
            why = (
                "this torch was built without CUDA" if torch.version.cuda is None else f"{count} CUDA devices are here"
            )
            raise SpecError(f"device {device!r} cannot be used: {why}; use cpu, or see TORCH_INDEX in the Makefile.")
