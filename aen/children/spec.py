"""ChildSpec: everything that the training of a child network depends on; the base class of all kinds of children."""

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from aen._fields import fields_of, read_fields, shown
from aen._typing import JsonDict
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.errors import SpecError, did_you_mean
from aen.groups.grid import Grid
from aen.groups.layer_symmetry import NO_SYMMETRY, LayerSymmetry, planar_in_words

if TYPE_CHECKING:
    from aen.children.augmenter import Augmenter
    from aen.groups.decomposition import Decomposition
    from aen.groups.generators import Generator

# Part of every key. Where the same spec would train differently than before, give its kind a new `key_version`.
KEY_VERSION = "child-4"
KEY_DIGITS = 24
_KEY = re.compile(f"[0-9a-f]{{{KEY_DIGITS}}}")  # a key is part of a file name


@dataclass(frozen=True)
class Kind:
    """Where the classes of a kind of child are found, each as ``module:Class``; a module is imported on first use.

    Attributes:
        spec: the `ChildSpec` subclass.
        child: the `aen.children.Child` subclass, which is constructed from a spec alone.
    """

    spec: str
    child: str

    def load_spec(self) -> Any:  # noqa: ANN401 - a class whose name is only known at run time
        """Import the `ChildSpec` subclass."""
        return _load(self.spec)

    def load_child(self) -> Any:  # noqa: ANN401 - a class whose name is only known at run time
        """Import the `aen.children.Child` subclass."""
        return _load(self.child)


def _load(place: str) -> Any:  # noqa: ANN401 - a class whose name is only known at run time
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


# A new kind is registered here; tests and other packages can add theirs at run time.
KINDS: dict[str, Kind] = {
    "dense": Kind("aen.children.dense:DenseSpec", "aen.children.dense_child:DenseChild"),
    "gcnn": Kind("aen.children.gcnn:GCNNSpec", "aen.children.gcnn_child:GCNNChild"),
    "equinas": Kind("aen.children.equinas:EquiNASSpec", "aen.children.equinas_child:EquiNASChild"),
}


def find_kind(name: str) -> Kind:
    """Return the kind of child of a name.

    Raises:
        SpecError: no kind of this name is registered.
    """
    try:
        return KINDS[name]
    except (KeyError, TypeError) as error:
        raise SpecError(f"unknown kind of child {name!r}{did_you_mean(str(name), KINDS)}.") from error


def spec_class(kind: str) -> "type[ChildSpec]":
    """Return the spec class of a kind.

    Raises:
        SpecError: no kind of this name is registered.
    """
    found: type[ChildSpec] = find_kind(kind).load_spec()
    return found


@dataclass(frozen=True)
class ChildSpec(ABC):
    """A child network and its training. Two specs with the same `key` are the same training.

    What every kind of child has. A kind is a subclass that is also a frozen dataclass, has only defaulted fields, and
    is registered in `KINDS`.

    Attributes:
        data: the images; a dictionary of its fields will do.
        classes: number of outputs.
        training: optimiser and budget; a dictionary of its fields will do.
        seed: of the initial weights and the order of the batches.
        parent: the key of the evaluation from whose weights the training continues, with the optimiser's state and the
            place in the order of the batches, or None: from nothing. How the weights are carried over follows from the
            two specs; see the kind's `heritable`.
    """

    kind: ClassVar[str]
    # Whether children of this kind can continue from another's weights.
    heritable: ClassVar[bool] = False
    # The fields that `class_key` stands for in the key: states of one class are one training.
    class_fields: ClassVar[tuple[str, ...]] = ()
    # Fields that are newer than stored results: JSON, and so the key, leaves them out while they have their default.
    newer_fields: ClassVar[tuple[str, ...]] = ()
    # How a message begins that says for images of which side the child is made.
    side_is: ClassVar[str] = "side is"
    # What a search over these children chooses, in a word: ``symmetry``; or ``choice``, if it chooses other things too.
    chooses: ClassVar[str] = "symmetry"
    # Whether children with one group name have the same group. For other kinds C2 may be a flip or a half turn.
    group_name_is_unique: ClassVar[bool] = False

    data: DataSpec = field(default_factory=DataSpec)
    classes: int = 10
    training: TrainingSpec = field(default_factory=TrainingSpec)
    seed: int = 0
    parent: str | None = None

    def __post_init__(self) -> None:
        for name, kind in (("data", DataSpec), ("training", TrainingSpec)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                object.__setattr__(self, name, kind.from_json(value))
        if self.parent is not None and not self.heritable:
            raise SpecError(f"parent is {self.parent!r}, but a {self.kind} child is always trained from nothing.")
        if self.parent is not None and not (isinstance(self.parent, str) and _KEY.fullmatch(self.parent)):
            raise SpecError(
                f"parent is {self.parent!r}; give the key of an evaluation, {KEY_DIGITS} hexadecimal digits."
            )
        if self.parent is not None and self.training.curve:
            raise SpecError("training.curve is true, but a child with a parent has no curve; set it to false.")
        for name in ("classes", "seed"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):  # 10 and 10.0 must not give two keys
                raise SpecError(f"{name} is {value!r}; it must be a whole number.")
        if self.classes < 1:
            raise SpecError(f"classes is {self.classes}; a child needs at least 1 output.")
        if not 0 <= self.seed < 2**63:
            raise SpecError(f"seed is {self.seed}; it must be 0 or more, and below 2^63.")

    @property
    @abstractmethod
    def class_key(self) -> str:
        """The canonical class: children that are the same network but for their initial weights share it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What was chosen, for display; never part of a key."""

    @property
    @abstractmethod
    def group(self) -> str:
        """Name of the group to which the child is equivariant."""

    @property
    @abstractmethod
    def side(self) -> int:
        """Side of the images that the child takes, which are square."""

    @property
    def grid(self) -> Grid:
        """Rows and columns of the images that the child takes; the side of square ones."""
        return self.side

    @property
    @abstractmethod
    def channels(self) -> int:
        """Channels of the images that the child takes."""

    @property
    def population_key(self) -> "ChildSpec | None":
        """What children that can be trained side by side have in common; None: this kind is always trained alone."""
        return None

    @property
    def tied_grids(self) -> "Sequence[tuple[str, Decomposition, Grid]]":
        """Title, decomposition and shape of each grid whose orbits a report draws; none: it draws no orbits."""
        return ()

    @property
    def layer_groups(self) -> tuple[str, ...]:
        """Names of the groups of the layers, where these may differ."""
        return (self.group,)

    @property
    def tied_layers(self) -> tuple[LayerSymmetry, ...]:
        """The group of each tied layer in plain words, the first layer's first; one if it is the same in all."""
        return tuple(LayerSymmetry(planar_in_words(name), name) for name in self.layer_groups)

    @property
    def augmented_in_words(self) -> str:
        """The group by whose elements the training images are moved, in plain words; empty: none."""
        group = getattr(self, "augment", "")
        return planar_in_words(group) if group else ""

    @property
    def other_choices(self) -> tuple[str, ...]:
        """What was chosen besides the symmetry, for display."""
        return ()

    @property
    def moved_logits(self) -> Literal["equal", "nearly equal", "others"]:
        """How the logits of an image and of a moved one compare, if every layer is equivariant to the move."""
        return "others"

    @property
    def is_augmented_instead(self) -> bool:
        """Whether the training images are moved and no layer is tied."""
        return bool(self.augmented_in_words) and {layer.words for layer in self.tied_layers} == {NO_SYMMETRY}

    @property
    def symmetries(self) -> "tuple[Generator, ...]":
        """Generators of the symmetry of the whole child: the features of its last tied layer are equivariant to it."""
        return ()

    def augmenter(self, device: str) -> "Augmenter | None":
        """Return what changes the training images before every epoch, or None if they stay as they are."""
        del device
        return None

    def augmented_instead(self) -> "Self | None":
        """Return the child without symmetry that is augmented by this child's group instead; None: there is none."""
        return None

    def continues(self, parent: "ChildSpec") -> bool:
        """Say whether a child of this spec computes what its parent does until it is trained."""
        del parent
        return self.heritable

    @property
    def key_version(self) -> str:
        """Part of the key; a kind has its own where its children train differently than those stored before."""
        return KEY_VERSION

    @cached_property
    def key(self) -> str:
        """A name for this training, 24 hexadecimal digits: a hash of every field, with the class for the choice."""
        return self.keys_on_seeds([self.seed])[0]

    def keys_on_seeds(self, seeds: Sequence[int]) -> list[str]:
        """Return the key of `with_seed(seed)` for each seed, without making those children."""
        content = self.to_json() | dict.fromkeys(self.class_fields, self.class_key) | {"version": self.key_version}
        texts = (json.dumps(content | {"seed": seed}, sort_keys=True) for seed in seeds)
        return [hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS] for text in texts]

    def noting(self, **known: str) -> Self:
        """Return this spec after noting known values of `class_key`, `group` or `key`, which are then not computed."""
        self.__dict__.update(known)
        return self

    def noted(self, name: str) -> str | None:
        """Return a value that was noted or computed before; None if it was not."""
        known: str | None = self.__dict__.get(name)
        return known

    def with_checked(self, **changes: Any) -> Self:  # noqa: ANN401 - of any field
        """Return a spec with other values of some fields, as they are after the checks of `replace`, which it skips."""
        varied = object.__new__(type(self))
        varied.__dict__.update(self.__getstate__() | changes)
        return varied

    def __getstate__(self) -> dict[str, Any]:
        """Pickle and copy the fields alone, without the values that were computed from them."""
        return {f.name: getattr(self, f.name) for f in fields_of(type(self))}

    def with_seed(self, seed: int) -> Self:
        """Return the same child with another seed."""
        return replace(self, seed=seed)

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values. Subclasses replace those of their fields that are none."""
        newer = ("parent", *self.newer_fields)
        plain = {
            f.name: getattr(self, f.name)
            for f in fields_of(type(self))
            if f.name not in newer or getattr(self, f.name) != f.default
        }
        return plain | {"kind": self.kind, "data": self.data.to_json(), "training": self.training.to_json()}

    @classmethod
    def from_json(cls, value: "JsonDict | ChildSpec") -> Self:
        """Read what `to_json` wrote, as the kind of child that it names; fields that are left out have their defaults.

        Raises:
            SpecError: no such kind, another than the class that was asked, an unknown field or a wrong value.
        """
        if isinstance(value, ChildSpec):
            if isinstance(value, cls):
                return value
            raise SpecError(
                f"child is a {type(value).__name__}, but a {cls.__name__} is expected; give one, or a dict of its "
                "fields."
            )
        kind = read_fields("child", value, value).get("kind", getattr(cls, "kind", "dense"))
        found = spec_class(kind)  # ChildSpec itself has no kind: before there were kinds, every child was dense
        if not issubclass(found, cls):
            raise SpecError(
                f"kind is {kind!r}, but a {cls.__name__} is expected; use ChildSpec.from_json for any kind."
            )
        rest = {name: content for name, content in value.items() if name != "kind"}
        try:
            given = read_fields(f"child of kind {kind!r}", rest, (f.name for f in fields_of(found)))
            return found(**(given | found.parse(given)))
        except (TypeError, AttributeError, KeyError) as error:
            raise SpecError(f"child is {shown(value)} which cannot be read: {error}.") from error

    @classmethod
    def from_stored(cls, value: JsonDict) -> Self:
        """Read a spec that was stored; unlike those that users write, it has data and training.

        Raises:
            SpecError: as `from_json`, or one of them is missing, so that it is damaged.
        """
        missing = {"data", "training"} - set(read_fields("child", value, value))
        if missing:
            raise SpecError(f"child lacks the field {min(missing)!r}, which every stored spec has.")
        return cls.from_json(value)

    @classmethod
    def parse(cls, value: JsonDict) -> dict[str, Any]:
        """Return the fields that JSON has in another form than the spec, besides tuples; subclasses add theirs."""
        del value  # data and training are read when the spec is made
        return {}
