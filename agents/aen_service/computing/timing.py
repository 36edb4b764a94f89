"""How long the training of a child takes, from a few steps that are timed here."""

import time
from math import ceil

import torch

from aen.children import ChildSpec, build_child
from aen.groups.grid import shape_of

_STEPS = 3  # that are timed
_SLOW_STEP = 2.0  # seconds after which no further step is timed
OVERHEAD = 0.005  # seconds of a child besides its steps
_EVALUATION = 1 / 3  # of the time of an image in training: one pass of three


def child_seconds(child: ChildSpec, step: float, batch: int, epochs: float) -> float:
    """Return the seconds of a training.

    Args:
        child: the child.
        step: seconds of a step.
        batch: images of a step.
        epochs: how long it is trained.
    """
    data = child.data
    steps = epochs * ceil(data.train / batch)
    return OVERHEAD + step * steps + step / batch * _EVALUATION * (data.train + data.validation)


def timed_step(child: ChildSpec) -> tuple[float, int]:
    """Return the seconds of one step on a batch of noise, and the images of a batch."""
    batch = min(child.training.batch_size, max(child.data.train, 1))
    network = build_child(child).train()
    rows, columns = shape_of(child.grid)
    images = torch.randn(2, child.channels, rows, columns)
    first = _step(network, images)  # warm, and a bound on what a whole batch takes
    one = _step(network, images)
    if one * batch / 2 > _SLOW_STEP:
        return one * batch / 2, batch
    images = torch.randn(batch, child.channels, rows, columns)
    return min(first * batch, *(_step(network, images) for _ in range(_STEPS))), batch


def _step(network: torch.nn.Module, images: torch.Tensor) -> float:
    started = time.perf_counter()
    logits = network.forward_prepared(network.prepare(images))  # type: ignore[operator]
    torch.nn.functional.cross_entropy(logits, torch.zeros(len(images), dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - started
