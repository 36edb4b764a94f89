"""Spaces as JSON values, for configurations and for the specs of environments."""

from collections.abc import Mapping
from typing import Any, TypeVar

from aen._fields import read_fields, shown
from aen._typing import JsonDict
from aen.children.dense import DenseSpec
from aen.children.equinas import EquiNASSpec
from aen.children.gcnn import GCNNSpec
from aen.children.spec import ChildSpec
from aen.errors import SpecError, did_you_mean
from aen.groups.alphabet import Alphabet
from aen.spaces.base import Space
from aen.spaces.decompositions import DecompositionSpace
from aen.spaces.gcnn import GCNNSpace
from aen.spaces.layerwise_decompositions import LayerwiseDecompositionSpace
from aen.spaces.relaxations import RelaxationSpace

SomeSpace = TypeVar("SomeSpace", bound=Space)

# Of each kind of space the class of its child, and its further arguments.
_ARGUMENTS: Mapping[type[Space], tuple[type[ChildSpec], tuple[str, ...]]] = {
    DecompositionSpace: (DenseSpec, ("alphabet",)),
    LayerwiseDecompositionSpace: (DenseSpec, ("alphabet",)),
    GCNNSpace: (GCNNSpec, ("groups", "augmentations", "size_factors", "kernel_sizes", "stage_widths")),
    RelaxationSpace: (EquiNASSpec, ("groups",)),
}
_KINDS: Mapping[str, type[Space]] = {kind.__name__: kind for kind in _ARGUMENTS}


def space_to_json(space: Space) -> JsonDict | None:
    """Return a space of `aen.spaces` as JSON values; None for spaces of other classes, subclasses included.

    They are the arguments of its class, and ``kind``, the name of the class.
    """
    if type(space) not in _ARGUMENTS:
        return None
    known: Any = space
    found: JsonDict = {"kind": type(space).__name__, "child": known.child.to_json()}
    for name in _ARGUMENTS[type(space)][1]:
        value = (
            known.group_names or "bits" if name == "groups" and isinstance(space, GCNNSpace) else getattr(known, name)
        )
        found[name] = value.to_json() if isinstance(value, Alphabet) else value
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def space_from_json(value: Mapping[str, Any], expected: type[SomeSpace]) -> SomeSpace:
    """Return the space of JSON values; arguments that are left out have their defaults.

    Args:
        value: what `space_to_json` returned; ``kind`` may be left out if `expected` is a class that has one.
        expected: the class that the space must have: `Space` for any.

    Raises:
        SpecError: an unknown kind, another kind than `expected`, an unknown argument, or a wrong value.
        GroupError: a factor or group that does not exist.
    """
    name = read_fields("space", value, value).get("kind", expected.__name__)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise SpecError(f"space has the unknown kind {name!r}{did_you_mean(str(name), _KINDS)}.")
    if not issubclass(kind, expected):
        raise SpecError(f"space has the kind {name!r}, but a {expected.__name__} is expected.")
    child, names = _ARGUMENTS[kind]
    arguments = read_fields("space", value, ("kind", "child", *names))
    arguments.pop("kind", None)
    if "child" not in arguments:
        raise SpecError("space has no child; give it a dict of the child's fields.")
    arguments["child"] = child.from_json(arguments["child"])
    if "alphabet" in arguments:
        arguments["alphabet"] = Alphabet.of(arguments["alphabet"])
    try:
        found: Any = kind(**arguments)
    except (TypeError, AttributeError) as error:
        raise SpecError(f"space is {shown(value)} which cannot be read: {error}.") from error
    space: SomeSpace = found
    return space
