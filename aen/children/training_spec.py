"""TrainingSpec: how a child is trained."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

from aen._fields import fields_of, read_fields, shown
from aen._typing import JsonDict
from aen.errors import SpecError, did_you_mean

Precision = Literal["float32", "bfloat16"]
Optimiser = Literal["adam", "sgd"]
_NUMBERS: dict[type, str] = {int: "a whole number", float: "finite"}


@dataclass(frozen=True)
class TrainingSpec:
    """How a child is trained.

    Attributes:
        epochs: passes over the training images; any part of one, such as 0.2, save for the dense child.
        batch_size: images per step; the last batch of an epoch may be smaller.
        learning_rate: of the optimiser.
        precision: of the hidden layers' products; ``bfloat16`` is faster on CUDA and rounds to three digits.
            Parameters, gradients and the optimiser are float32 always.
        optimiser: ``adam`` or ``sgd``; the dense child knows ``adam`` only.
        momentum: of ``sgd``, from 0 up to but not 1.
        curve: whether the child is also measured after every earlier epoch, see `aen.training.train_child`; part of the
            key, since the evaluation has more in it.
    """

    epochs: float = 30
    batch_size: int = 64
    learning_rate: float = 1e-2
    precision: Precision = "float32"
    optimiser: Optimiser = "adam"
    momentum: float = 0.0
    curve: bool = False

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        # asdict copies values: ten times slower
        plain = {f.name: getattr(self, f.name) for f in fields_of(type(self))}
        if not self.curve:
            del plain["curve"]  # newer than stored results, whose keys must stay
        return plain

    @classmethod
    def from_json(cls, value: JsonDict) -> "TrainingSpec":
        """Read what `to_json` wrote; fields that are left out have their defaults.

        Raises:
            SpecError: not a dictionary, an unknown field, or a wrong value.
        """
        found = read_fields("training", value, (f.name for f in fields_of(cls)))
        try:
            return cls(**found)
        except (TypeError, AttributeError) as error:
            raise SpecError(f"training is {shown(value)} which cannot be read: {error}.") from error

    def __post_init__(self) -> None:
        for name, known in (("precision", get_args(Precision)), ("optimiser", get_args(Optimiser))):
            value = getattr(self, name)
            if value not in known:
                raise SpecError(f"unknown training.{name} {value!r}{did_you_mean(str(value), known)}.")
        for name in ("epochs", "batch_size", "learning_rate", "momentum"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise SpecError(f"training.{name} is {shown(value)} but must be a number.")
        for name, kind in (("epochs", float), ("batch_size", int), ("learning_rate", float)):
            value = getattr(self, name)
            # Written so that NaN fails too; 1 and 1.0 must give one key.
            if not 0 < value < math.inf or kind(value) != value:
                raise SpecError(f"training.{name} is {value}; it must be above 0, and {_NUMBERS[kind]}.")
            object.__setattr__(self, name, kind(value))
        if self.epochs == int(self.epochs):
            object.__setattr__(self, "epochs", int(self.epochs))
        if not 0 <= self.momentum < 1:
            raise SpecError(f"training.momentum is {self.momentum}; it must be 0 or more, and below 1.")
        if self.momentum and self.optimiser != "sgd":
            raise SpecError(
                f"training.momentum is {self.momentum}, which {self.optimiser} does not take; set it to 0, or "
                "training.optimiser to sgd."
            )
        self._check_curve()
        object.__setattr__(self, "momentum", float(self.momentum) + 0.0)  # 0, 0.0 and -0.0 must give one key

    def _check_curve(self) -> None:
        if not isinstance(self.curve, bool):
            raise SpecError(f"training.curve is {shown(self.curve)} but must be true or false.")
        if self.curve and not isinstance(self.epochs, int):
            raise SpecError(f"training.epochs is {self.epochs}; a curve needs a whole number of epochs.")
