"""Choosing and checking devices, and checking numbers of threads, before they are used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from aen._machine import available_cores, machine_memory
from aen.errors import SpecError

_NVIDIA = Path("/proc/driver/nvidia/gpus")  # where NVIDIA's driver lists the cards, whatever torch can use


def check_threads(threads: int, workers: int = 1) -> None:
    """Check a number of CPU threads for each of some workers: more threads than cores slow each other down.

    Raises:
        SpecError: less than one, or all together more than this machine has cores.
    """
    cores = available_cores()
    if workers > 1 and threads * workers > cores:
        raise SpecError(
            f"workers is {workers} with threads {threads} each; this machine has {cores} cores, use no more together."
        )
    if not 1 <= threads <= cores:
        raise SpecError(f"threads is {threads}; this machine has {cores} cores, use 1 to {cores}.")


def choose_device() -> str:
    """Return the device that ``auto`` stands for: ``cuda`` if torch can use a GPU here, otherwise ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def idle_gpus(device: str) -> str:
    """Return a sentence about the GPUs of this machine that a process training on a device leaves idle, or ``""``.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:1``.
    """
    count = torch.cuda.device_count()
    if not count:
        cards = len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0
        if not cards or torch.version.cuda is not None:
            return ""  # no GPU, or one that is hidden on purpose (CUDA_VISIBLE_DEVICES)
        return (
            f"{_gpus(cards)} of this machine cannot be used: this torch was built without CUDA (TORCH_INDEX in the "
            "Makefile names another build)"
        )
    idle = count - (device != "cpu")
    return f"{_gpus(idle)} of this machine {'stays' if idle == 1 else 'stay'} idle" if idle else ""


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


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


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let convolutions on CUDA compute in float32 and the same way every time, and let no autocast of the caller count.

    By default they round to ten bits there (TF32), which no equivariance survives beyond a thousandth.
    """
    with (
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


def device_memory(device: str) -> int:
    """Return the bytes of memory that a device has, or a container may use (not those that happen to be free)."""
    if device != "cpu":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return machine_memory()
