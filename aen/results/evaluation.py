"""Evaluation: the result of one training; TestMeasurement: the result of the final measurement on test images."""

from dataclasses import dataclass, field
from typing import Literal

from aen._typing import JsonDict

Status = Literal["ok", "diverged", "failed"]


@dataclass(frozen=True)
class Evaluation:
    """The result of one training of a child, without test figures.

    Attributes:
        key: the spec's key.
        class_key: the canonical class of its decomposition.
        seed: the spec's seed.
        status: ``ok``, ``diverged``: the loss was not finite, or ``failed``: no worker could train it. Losses and
            accuracies are 0 then.
        train_loss: mean cross-entropy on the training images after the last epoch; after a slice of an epoch on as many
            of them as it had.
        train_accuracy: in [0, 1].
        validation_loss: mean cross-entropy on the validation images after the last epoch.
        validation_accuracy: in [0, 1]; of the last epoch, never the best one.
        parameters: number of free parameters.
        epochs: epochs trained, perhaps a part of one; those of a child's parents are not counted.
        seconds: time taken.
        device: ``cpu`` or the name of the CUDA device.
        threads: number of CPU threads used.
        population: how many children were trained side by side, 1 for a child alone; its last bits depend on it.
        weights: name of the safetensors file beside the store, or None if they were not kept.
        record: what else the kind of child notes, such as strengths of its branches; values of JSON. Of a failed one
            `failure`: a dictionary of `kind` (``timeout``, ``out_of_memory``, ``died`` or ``error``), `tries` and
            `traceback`.
        looked_up: whether this answer came from a store instead of a training; says nothing about the outcome.
    """

    key: str
    class_key: str
    seed: int
    status: Status
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    parameters: int
    epochs: float
    seconds: float
    device: str
    threads: int
    population: int = 1
    weights: str | None = None
    record: JsonDict | None = field(default=None, hash=False)
    looked_up: bool = field(default=False, compare=False)

    def as_looked_up(self) -> "Evaluation":
        """Return the same evaluation with `looked_up` True (`dataclasses.replace` takes ten times as long)."""
        if self.looked_up:
            return self
        marked = object.__new__(type(self))
        marked.__dict__.update(self.__dict__, looked_up=True)
        return marked


@dataclass(frozen=True)
class TestMeasurement:
    """How a trained child does on the test images.

    Attributes:
        test_accuracy: in [0, 1].
        test_loss: mean cross-entropy.
    """

    __test__ = False  # pytest: not a test case

    test_accuracy: float
    test_loss: float
