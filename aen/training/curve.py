"""Curve: the measurements of a child after every epoch of its training."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from aen._typing import JsonDict
from aen.children.child import Child
from aen.nn.stored import stored_state
from aen.training.measuring import Measured

_NOTHING = Measured(0.0, 0.0)


class Curve:
    """Measures a child after every epoch but the last, after which its training measures it anyway.

    Args:
        child: the child that is being trained.
        measure: returns how it does on the training and on the validation images.
        clock: in seconds; its training begins now.
        keep: whether to keep its weights after each of these epochs.

    Attributes:
        entries: one for each epoch so far, JSON values: `epoch`, `train_loss`, `train_accuracy`, `validation_loss`,
            `validation_accuracy`, and the `seconds` that a training of so many epochs takes, by the clock.
        weights: the weights after each epoch but the last, in the layout of files.
    """

    def __init__(
        self,
        child: Child,
        measure: Callable[[], tuple[Measured, Measured]],
        *,
        clock: Callable[[], float],
        keep: bool,
    ) -> None:
        self.entries: list[JsonDict] = []
        self.weights: list[dict[str, Tensor]] = []
        self._child, self._measure, self._clock, self._keep = child, measure, clock, keep
        self._started = clock()
        self._spent = 0.0  # on measuring after earlier epochs

    @torch.no_grad()
    def after_epoch(self) -> None:
        """Measure the child, which is in evaluation mode."""
        began = self._clock()
        self.add(*self._measure())
        if self._keep:
            self.weights.append({name: value.detach().clone() for name, value in stored_state(self._child).items()})
        self._spent += self._clock() - began

    def add(self, train: Measured, validation: Measured) -> None:
        """Add the measurements after an epoch; all are 0 if a loss is not finite, as in an evaluation."""
        if not (math.isfinite(train.loss) and math.isfinite(validation.loss)):
            train = validation = _NOTHING
        self.entries.append(
            {
                "epoch": len(self.entries) + 1,
                "train_loss": train.loss,
                "train_accuracy": train.accuracy,
                "validation_loss": validation.loss,
                "validation_accuracy": validation.accuracy,
                "seconds": self._clock() - self._started - self._spent,
            }
        )
