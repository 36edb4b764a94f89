"""DenseSpec: the dense child of AEN, whose layers are tied by a decomposition."""

import functools
import operator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.errors import SpecError, did_you_mean
from aen.groups.classes import class_key
from aen.groups.decomposition import Decomposition
from aen.nn.linear import Initialisation

Head = Literal["free", "invariant"]
Bias = Literal["orbit", "scalar_after_relu"]


@dataclass(frozen=True)
class DenseSpec(ChildSpec):
    """A dense child network and its training. Two specs with the same `key` are the same training.

    Attributes:
        data: the images.
        classes: number of outputs.
        training: optimiser and budget; the optimiser is Adam.
        seed: of the initial weights and the order of the batches.
        grids: side of the input grid, then of each hidden grid: ``(8, 16, 16)``.
        decomposition: what the hidden layers are equivariant to.
        head: ``free`` (dense, as published) or ``invariant`` (mean over each orbit of the last grid, then dense).
        bias: ``orbit`` (one per orbit of output cells, before the ReLU) or ``scalar_after_relu`` (one per layer, added
            after the ReLU, as published).
        initialisation: ``fan_in`` or ``published``; see `aen.nn.SymmetrizedLinear`.
    """

    kind: ClassVar[str] = "dense"
    class_fields: ClassVar[tuple[str, ...]] = ("decomposition",)
    side_is: ClassVar[str] = "grids start at"

    grids: tuple[int, ...] = (8, 16, 16)
    decomposition: Decomposition = field(default_factory=Decomposition)
    head: Head = "invariant"
    bias: Bias = "orbit"
    initialisation: Initialisation = "fan_in"

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
        super().__post_init__()
        if self.training.optimiser != "adam":
            raise SpecError(
                f"training.optimiser is {self.training.optimiser!r}, which the dense child does not know; use 'adam', "
                "with training.momentum=0."
            )
        self.decomposition.check(dict.fromkeys(self.grids))

    @property
    def class_key(self) -> str:
        """The canonical class of the decomposition on this child's grids."""
        return _class_key(self.decomposition, self.grids)

    @property
    def name(self) -> str:
        """The decomposition's name."""
        return self.decomposition.name

    @property
    def group(self) -> str:
        """Name of the group that the decomposition generates on this child's grids."""
        return self.decomposition.describe(self.grids).name

    @property
    def side(self) -> int:
        """Side of the input grid."""
        return self.grids[0]

    @property
    def channels(self) -> int:
        """One: the dense child takes grey images."""
        return 1

    @property
    def population_key(self) -> "DenseSpec":
        """What children of one population have in common: all but the decomposition and the seed."""
        return replace(self, decomposition=Decomposition(), seed=0)

    def with_decomposition(self, decomposition: Decomposition) -> "DenseSpec":
        """Return the same child with other factors."""
        return replace(self, decomposition=decomposition)

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return super().to_json() | {"grids": list(self.grids), "decomposition": self.decomposition.to_json()}

    @classmethod
    def parse(cls, value: JsonDict) -> dict[str, Any]:
        """Return the fields that JSON has in another form than the spec."""
        return super().parse(value) | {
            "grids": tuple(value["grids"]),
            "decomposition": Decomposition.from_json(value["decomposition"]),
        }


@functools.lru_cache(maxsize=65536)
def _class_key(decomposition: Decomposition, grids: tuple[int, ...]) -> str:
    return class_key(decomposition, grids)
