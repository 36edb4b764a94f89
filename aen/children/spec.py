"""ChildSpec: everything that the training of one child network depends on."""

import functools
import hashlib
import json
import math
import operator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Literal, get_args

from aen._typing import JsonDict
from aen.data.spec import DataSpec
from aen.errors import SpecError, did_you_mean
from aen.groups.classes import class_key
from aen.groups.decomposition import Decomposition
from aen.nn.linear import Initialisation

Head = Literal["free", "invariant"]
Bias = Literal["orbit", "scalar_after_relu"]
Precision = Literal["float32", "bfloat16"]

# Part of every key: raise it when the same spec would train differently than before.
KEY_VERSION = "child-2"
_KINDS: dict[type, str] = {int: "a whole number", float: "finite"}


@dataclass(frozen=True)
class TrainingSpec:
    """How a child is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step; the last batch of an epoch may be smaller.
        learning_rate: of Adam.
        precision: of the hidden layers' products; ``bfloat16`` is faster on CUDA and rounds to three digits.
            Parameters, gradients and Adam are float32 always.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-2
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            near = did_you_mean(str(self.precision), get_args(Precision))
            raise SpecError(f"unknown training.precision {self.precision!r}{near}.")
        for name, kind in (("epochs", int), ("batch_size", int), ("learning_rate", float)):
            value = getattr(self, name)
            # Written so that NaN fails too; 1 and 1.0 must give one key.
            if not 0 < value < math.inf or kind(value) != value:
                raise SpecError(f"training.{name} is {value}; it must be above 0, and {_KINDS[kind]}.")
            object.__setattr__(self, name, kind(value))


@dataclass(frozen=True)
class ChildSpec:
    """A dense child network and its training. Two specs with the same `key` are the same training.

    Attributes:
        data: the images.
        grids: side of the input grid, then of each hidden grid: ``(8, 16, 16)``.
        classes: number of outputs.
        decomposition: what the hidden layers are equivariant to.
        head: ``free`` (dense, as published) or ``invariant`` (mean over each orbit of the last grid, then dense).
        bias: ``orbit`` (one per orbit of output cells, before the ReLU) or ``scalar_after_relu`` (one per layer, added
            after the ReLU, as published).
        initialisation: ``fan_in`` or ``published``; see `aen.nn.SymmetrizedLinear`.
        training: optimiser and budget.
        seed: of the initial weights and the order of the batches.
    """

    data: DataSpec = field(default_factory=DataSpec)
    grids: tuple[int, ...] = (8, 16, 16)
    classes: int = 10
    decomposition: Decomposition = field(default_factory=Decomposition)
    head: Head = "invariant"
    bias: Bias = "orbit"
    initialisation: Initialisation = "fan_in"
    training: TrainingSpec = field(default_factory=TrainingSpec)
    seed: int = 0

    def __post_init__(self) -> None:
        kinds = {"head": Head, "bias": Bias, "initialisation": Initialisation}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if value not in get_args(kind):
                raise SpecError(f"unknown {name} {value!r}{did_you_mean(str(value), get_args(kind))}.")
        object.__setattr__(self, "grids", tuple(operator.index(side) for side in self.grids))
        if len(self.grids) < 2 or min(self.grids) < 1:  # noqa: PLR2004
            raise SpecError(
                f"grids {list(self.grids)} make no layer; give the input's side and a hidden side, from 1 up."
            )
        if self.classes < 1:
            raise SpecError(f"classes is {self.classes}; a child needs at least 1 output.")
        if not 0 <= self.seed < 2**63:
            raise SpecError(f"seed is {self.seed}; it must be 0 or more, and below 2^63.")
        self.decomposition.check(dict.fromkeys(self.grids))

    @property
    def class_key(self) -> str:
        """The canonical class of the decomposition on this child's grids."""
        return _class_key(self.decomposition, self.grids)

    @property
    def key(self) -> str:
        """A name for this training, 24 hexadecimal digits: a hash of every field, with the class for the factors."""
        content = self.to_json() | {"decomposition": self.class_key, "version": KEY_VERSION}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]

    def with_decomposition(self, decomposition: Decomposition) -> "ChildSpec":
        """Return the same child with other factors."""
        return replace(self, decomposition=decomposition)

    def with_seed(self, seed: int) -> "ChildSpec":
        """Return the same child with another seed."""
        return replace(self, seed=seed)

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "data": self.data.to_json(),
            "grids": list(self.grids),
            "decomposition": self.decomposition.to_json(),
            "training": asdict(self.training),
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> "ChildSpec":
        """Read what `to_json` wrote."""
        parts = {
            "data": DataSpec.from_json(value["data"]),
            "grids": tuple(value["grids"]),
            "decomposition": Decomposition.from_json(value["decomposition"]),
            "training": TrainingSpec(**value["training"]),
        }
        return cls(**(value | parts))


@functools.lru_cache(maxsize=65536)
def _class_key(decomposition: Decomposition, grids: tuple[int, ...]) -> str:
    return class_key(decomposition, grids)
