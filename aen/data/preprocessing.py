"""Preprocessing: how stored pixels become the values that a network takes."""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from aen._fields import fields_of, read_fields, shown
from aen._typing import Float, JsonDict, Num
from aen.errors import DataError

_LEVELS = 256
_LARGE, _THREADS = 2**22, 2  # from so many values on, so many threads share the work
_CHUNK = 2**14  # values at a time: they stay in the processor's cache, and no threads wait for each other
_LEAST = 1e-6  # of the deviation: images of one colour are not divided by 0


@dataclass(frozen=True)
class Preprocessing:
    """One mean and deviation of all training pixels; per-pixel ones would break symmetries.

    A stored pixel ``p`` becomes ``(p / scale - mean) / deviation``, in float32.

    Attributes:
        mean: of the pixels of the training images, divided by `scale`.
        deviation: their standard deviation, divided by `scale`.
        scale: 255 for images of uint8, 1 for images of float32.
    """

    mean: float
    deviation: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        for field in fields_of(type(self)):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"preprocessing.{field.name} is {shown(value)} but must be a finite number.")
            if field.name != "mean" and value <= 0:
                raise DataError(f"preprocessing.{field.name} is {value}; it must be above 0.")
            object.__setattr__(self, field.name, float(value))

    @classmethod
    def of(cls, images: Num[Tensor, "n *image"]) -> "Preprocessing":
        """Return the preprocessing whose mean and deviation are those of some images, uint8 or float32."""
        if images.dtype != torch.uint8:
            return cls(float(images.mean()), float(images.std().clamp_min(_LEAST)))
        # From counts of the 256 grey levels: exact, whatever the number of threads.
        counts = torch.bincount(images.reshape(-1), minlength=_LEVELS).double()
        levels = torch.arange(_LEVELS, dtype=torch.float64)
        average = (counts * levels).sum() / counts.sum()
        variance = (counts * (levels - average) ** 2).sum() / (counts.sum() - 1).clamp_min(1)
        spread = (variance.sqrt() / 255).clamp_min(_LEAST)
        return cls(float(average / 255), float(spread), 255.0)

    def apply(self, images: Num[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return the values that a network takes, as a new tensor of float32."""
        found = torch.empty(images.shape, dtype=torch.float32, device=images.device)
        values, stored, n = found.view(-1), images.reshape(-1), images.numel()
        on_cpu = images.device.type == "cpu"
        size = _CHUNK if on_cpu else max(1, n)

        def scale(first: int, last: int) -> None:
            for start in range(first, last, size):
                end = min(start + size, last)
                part = values[start:end].copy_(stored[start:end])
                part.div_(self.scale).sub_(self.mean).div_(self.deviation)

        if not on_cpu or n < _LARGE:
            scale(0, n)
        else:  # each value is computed alone, so that the result does not depend on the number of threads
            with ThreadPoolExecutor(_THREADS) as pool:
                borders = [n * number // _THREADS for number in range(_THREADS + 1)]
                deque(pool.map(scale, borders, borders[1:]), maxlen=0)
        return found

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonDict) -> "Preprocessing":
        """Read what `to_json` wrote.

        Raises:
            DataError: not a dictionary, an unknown or a missing field, or a wrong value.
        """
        found = read_fields("preprocessing", value, (field.name for field in fields_of(cls)), DataError)
        missing = {"mean", "deviation"} - set(found)
        if missing:
            raise DataError(f"preprocessing lacks the field {min(missing)!r}.")
        return cls(**found)
