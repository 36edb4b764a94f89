"""DenseSpec: the dense child of AEN, whose layers are tied by a decomposition."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from aen._typing import Initialisation, JsonDict
from aen.children.spec import ChildSpec
from aen.errors import GroupError, SpecError, did_you_mean
from aen.groups.classes import class_key, layerwise_class_key
from aen.groups.decomposition import Decomposition
from aen.groups.generators import Generator
from aen.groups.grid import Grid, as_grid, grid_text, grids_as_json, shape_of
from aen.groups.layer_symmetry import LayerSymmetry
from aen.groups.orbits import layer_orbits, pair_permutation
from aen.groups.plain_words import in_words

if TYPE_CHECKING:
    from aen.data.group_augmentation import PermutationAugmenter

Head = Literal["free", "invariant"]
Bias = Literal["orbit", "scalar_after_relu"]


_NOTHING = Decomposition()

_MOST_POSITIONS = 2**30
_POSITION_BYTES = 24  # its orbit, its value, its gradient and Adam's two moments


@dataclass(frozen=True)
class DenseSpec(ChildSpec):
    """A dense child network and its training. Two specs with the same `key` are the same training.

    Attributes:
        data: the images.
        classes: number of outputs.
        training: optimiser and budget; the optimiser is Adam.
        seed: of the initial weights and the order of the batches.
        grids: the input grid, then each hidden grid: ``(8, 16, 16)``. A number is the side of a square; other grids are
            given by rows and columns: ``((20, 30), (8, 12))``.
        decomposition: what the hidden layers are equivariant to, all of them.
        layers: what each of them is equivariant to, the first one first, in place of `decomposition`. Where all are the
            same they become `decomposition`, so that equal children are equal.
        head: ``free`` (dense, as published) or ``invariant`` (mean over each orbit of the last grid, then dense).
        bias: ``orbit`` (one per orbit of output cells, before the ReLU) or ``scalar_after_relu`` (one per layer, added
            after the ReLU, as published).
        initialisation: ``fan_in`` or ``published``; see `aen.nn.SymmetrizedLinear`. The scalar biases start at 0, and
            with ``published`` within ±1/sqrt(number of weight orbits of their layer).
        augment: before every epoch each training image is moved by a random element of the group that these factors
            generate on the input grid. Empty: the images stay as they are.
    """

    kind: ClassVar[str] = "dense"
    class_fields: ClassVar[tuple[str, ...]] = ("decomposition",)
    newer_fields: ClassVar[tuple[str, ...]] = ("augment",)
    side_is: ClassVar[str] = "grids start at"

    grids: tuple[Grid, ...] = (8, 16, 16)
    decomposition: Decomposition = field(default_factory=Decomposition)
    layers: tuple[Decomposition, ...] = ()
    head: Head = "invariant"
    bias: Bias = "orbit"
    initialisation: Initialisation = "fan_in"
    augment: Decomposition = _NOTHING

    def __post_init__(self) -> None:
        kinds = {"head": Head, "bias": Bias, "initialisation": Initialisation}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if value not in get_args(kind):
                raise SpecError(f"unknown {name} {value!r}{did_you_mean(str(value), get_args(kind))}.")
        object.__setattr__(self, "grids", _checked(self.grids))
        _check_memory(self.grids)
        super().__post_init__()
        if self.training.optimiser != "adam":
            raise SpecError(
                f"training.optimiser is {self.training.optimiser!r}, which the dense child does not support; use "
                "'adam', with training.momentum=0."
            )
        if not isinstance(self.training.epochs, int):
            raise SpecError(f"training.epochs is {self.training.epochs}; the dense child is trained for whole epochs.")
        object.__setattr__(self, "layers", tuple(self.layers))
        if self.layers:
            self._check_layers()
        self.decomposition.check(dict.fromkeys(self.grids))
        self.augment.check([self.grids[0]])

    def _check_layers(self) -> None:
        """Check what each layer has, and bring layers that all have the same into the form for that."""
        shapes = self.layer_shapes
        for layer in self.layers:
            if not isinstance(layer, Decomposition):
                raise SpecError(f"layers has {layer!r}; write Decomposition.of(['rot90', 'hflip']) for each layer.")
        if len(self.layers) != len(shapes):
            raise SpecError(
                f"layers has {len(self.layers)} decompositions, but grids {grids_as_json(self.grids)} make "
                f"{len(shapes)} layers; give one for each."
            )
        if self.decomposition.factors:
            raise SpecError(
                f"decomposition is {self.decomposition.name!r} and layers is {self.name!r}; give one of them, or use "
                "with_decomposition or with_layers, which change both."
            )
        for layer, shape in zip(self.layers, shapes, strict=True):
            layer.check(dict.fromkeys(shape))
        if len(set(self.layers)) == 1:
            object.__setattr__(self, "decomposition", self.layers[0])
            object.__setattr__(self, "layers", ())

    @property
    def layer_shapes(self) -> tuple[tuple[Grid, Grid], ...]:
        """The grid that each hidden layer takes, and the one that it gives."""
        return tuple(pairwise(self.grids))

    @property
    def layer_decompositions(self) -> tuple[Decomposition, ...]:
        """What each hidden layer is equivariant to, whether or not all are the same."""
        return self.layers or (self.decomposition,) * (len(self.grids) - 1)

    @property
    def shared_generators(self) -> tuple[Generator, ...]:
        """The generators, of any layer, that keep the orbits of every layer: the child is equivariant to them."""
        if not self.layers:
            return self.decomposition.generators
        offered = dict.fromkeys(generator for layer in self.layers for generator in layer.generators)
        return tuple(generator for generator in offered if self._keeps_every_layer(generator))

    @property
    def symmetries(self) -> tuple[Generator, ...]:
        """The generators that keep the orbits of every layer."""
        return self.shared_generators

    def _keeps_every_layer(self, generator: Generator) -> bool:
        for layer, (before, after) in zip(self.layers, self.layer_shapes, strict=True):
            try:
                action = pair_permutation(generator.permutation(before), generator.permutation(after))
            except GroupError:  # it does not act on this layer's grids
                return False
            if not layer_orbits(layer.generators, before, after).is_kept_by(action):
                return False
        return True

    @property
    def key_version(self) -> str:
        """``child-5`` with published scalar biases: they started at 0 before."""
        published = self.initialisation == "published" and self.bias == "scalar_after_relu"
        return "child-5" if published else super().key_version

    @functools.cached_property
    def class_key(self) -> str:
        """The canonical class of the layers' decompositions on this child's grids, with the augmentation if any."""
        plain = (
            _layerwise_class_key(self.layers, self.grids) if self.layers else _class_key(self.decomposition, self.grids)
        )
        return self.class_key_of(plain)

    def class_key_of(self, plain: str) -> str:
        """Return the class key of a child like this one, from the key that a table has of its layers' class."""
        if not self.augment.factors:
            return plain
        content = json.dumps([plain, self.augment.to_json()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[: len(plain)]

    @functools.cached_property
    def name(self) -> str:
        """The decomposition's name; those of the layers, where they differ: ``rot90 + hflip | rot90``.

        With an augmentation: ``none, augmented by rot90``.
        """
        plain = " | ".join(layer.name for layer in self.layers) or self.decomposition.name
        return f"{plain}, augmented by {self.augment.name}" if self.augment.factors else plain

    @functools.cached_property
    def group(self) -> str:
        """Name of the group that the decomposition generates on this child's grids.

        Where the layers differ it is that of each, on its own grids: ``D4 | C4``. The child as a whole is equivariant
        to what they have in common.
        """
        if not self.layers:
            return self.decomposition.group_name(self.grids)
        layers = zip(self.layers, self.layer_shapes, strict=True)
        return " | ".join(layer.group_name(shape) for layer, shape in layers)

    @property
    def side(self) -> int:
        """Side of the input grid.

        Raises:
            SpecError: the input is no square; see `grid`.
        """
        side = self.grids[0]
        if isinstance(side, int):
            return side
        raise SpecError(f"grids start at {grid_text(side)}, which is no square and has no side; use spec.grid.")

    @property
    def grid(self) -> Grid:
        """The input grid."""
        return self.grids[0]

    @property
    def channels(self) -> int:
        """One: the dense child takes grey images."""
        return 1

    @property
    def population_key(self) -> "DenseSpec":
        """What children of one population have in common: all but the decompositions and the seed."""
        return replace(self.with_decomposition(Decomposition()), seed=0)

    @property
    def tied_grids(self) -> list[tuple[str, Decomposition, Grid]]:
        """Every different grid, or those of each layer where the layers differ; none of an untied child."""
        if self.layers:
            layers = enumerate(zip(self.layers, self.layer_shapes, strict=True), start=1)
            return [
                (f"layer {number}, {grid_text(grid)}", layer, grid)
                for number, (layer, shape) in layers
                for grid in dict.fromkeys(shape)
            ]
        if not self.decomposition.factors:
            return []
        return [(f"tied {grid_text(grid)}", self.decomposition, grid) for grid in dict.fromkeys(self.grids)]

    @property
    def tied_layers(self) -> tuple[LayerSymmetry, ...]:
        """The group of the decomposition in plain words; those of the layers, where they differ."""
        if self.layers:
            return tuple(LayerSymmetry(in_words(layer, self.grid)) for layer in self.layers)
        return (LayerSymmetry(in_words(self.decomposition, self.grid), self.group),)

    @property
    def augmented_in_words(self) -> str:
        """The group by whose elements the training images are moved, in plain words; empty: none."""
        return in_words(self.augment, self.grid) if self.augment.factors else ""

    @property
    def moved_logits(self) -> Literal["equal", "nearly equal", "others"]:
        """Others with a free head."""
        return "others" if self.head == "free" else "equal"

    def augmenter(self, device: str) -> "PermutationAugmenter | None":
        """Return what moves the training images before every epoch, or None."""
        del device
        if not self.augment.factors:
            return None
        from aen.data.group_augmentation import PermutationAugmenter  # it imports torch, which takes seconds

        side = self.grids[0]
        moves = [generator.permutation(side) for generator in self.augment.generators]
        return PermutationAugmenter(moves, len(moves[0]), self.seed)

    def augmented_instead(self) -> "DenseSpec | None":
        """Return the untied child, trained on images moved by the group that this child's first layer is tied by."""
        found = self.layer_decompositions[0]
        if not found.factors or self.augment.factors:
            return None
        return replace(self.with_decomposition(Decomposition()), augment=found)

    def with_decomposition(self, decomposition: Decomposition) -> "DenseSpec":
        """Return the same child with other factors, the same in all layers."""
        return replace(self, decomposition=decomposition, layers=())

    def with_layers(self, layers: Sequence[Decomposition]) -> "DenseSpec":
        """Return the same child with other factors, one decomposition for each hidden layer."""
        return replace(self, decomposition=Decomposition(), layers=tuple(layers))

    def with_checked_layers(self, layers: Sequence[Decomposition]) -> "DenseSpec":
        """Return what `with_layers` does, or one `with_decomposition`, of factors that were checked on all grids."""
        if all(layer == layers[0] for layer in layers[1:]):
            return self.with_checked(decomposition=layers[0], layers=())
        return self.with_checked(decomposition=Decomposition(), layers=tuple(layers))

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values: `decomposition` is a list of factors, or holds a list for each layer."""
        plain = super().to_json()
        del plain["layers"]
        own = {"layers": [layer.to_json() for layer in self.layers]} if self.layers else self.decomposition.to_json()
        augment = {"augment": self.augment.to_json()} if "augment" in plain else {}
        return plain | {"grids": grids_as_json(self.grids), "decomposition": own} | augment

    @classmethod
    def parse(cls, value: JsonDict) -> dict[str, Any]:
        """Return the fields that JSON has in another form than the spec."""
        fields = super().parse(value)
        own: Any = value.get("decomposition", ())
        layers: Any = value.get("layers", ())
        if isinstance(own, Mapping) and "layers" in own:
            own, layers = (), own["layers"]
        return fields | {
            "decomposition": Decomposition.from_json(own),
            "augment": Decomposition.from_json(value.get("augment", ())),
            "layers": tuple(Decomposition.from_json(layer) for layer in layers),
        }


def _checked(grids: Sequence[Grid]) -> tuple[Grid, ...]:
    try:
        checked = tuple(as_grid(grid) for grid in grids)
    except GroupError as error:
        raise SpecError(f"grids: {error}") from error
    if len(checked) < 2:  # noqa: PLR2004
        raise SpecError(f"grids {grids_as_json(checked)} make no layer; give the input's grid and a hidden grid.")
    return checked


@functools.lru_cache(maxsize=65536)
def _class_key(decomposition: Decomposition, grids: tuple[Grid, ...]) -> str:
    return class_key(decomposition, grids)


@functools.lru_cache(maxsize=65536)
def _layerwise_class_key(layers: tuple[Decomposition, ...], grids: tuple[Grid, ...]) -> str:
    return layerwise_class_key(layers, grids)


def _check_memory(grids: Sequence[Grid]) -> None:
    """Refuse layers whose tables of weight positions no machine holds, before they are made."""
    for before, after in pairwise(grids):
        positions = prod(shape_of(before)) * prod(shape_of(after))
        if positions > _MOST_POSITIONS:
            said = " -> ".join(str(grid) for grid in grids_as_json((before, after)))
            raise SpecError(
                f"the layer {said} has {positions:,} weight positions, which need about "
                f"{positions * _POSITION_BYTES / 2**30:,.0f} GiB to train; use smaller hidden grids, at most "
                f"{_MOST_POSITIONS:,} positions."
            )
