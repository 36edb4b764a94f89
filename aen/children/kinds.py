"""The kinds of children: where each one's spec and module are found, imported only when one is wanted."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aen.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from aen.children.child import Child
    from aen.children.spec import ChildSpec


@dataclass(frozen=True)
class Kind:
    """Where a kind of child is found, each as ``module:Class``.

    Attributes:
        spec: the ChildSpec subclass.
        child: the Child subclass, made from a spec alone.
    """

    spec: str
    child: str


# To add a kind, name it here; tests and plug-ins may add theirs at run time.
KINDS: dict[str, Kind] = {
    "dense": Kind("aen.children.dense:DenseSpec", "aen.children.dense_child:DenseChild"),
    "gcnn": Kind("aen.children.gcnn:GCNNSpec", "aen.children.gcnn_child:GCNNChild"),
    "equinas": Kind("aen.children.equinas:EquiNASSpec", "aen.children.equinas_child:EquiNASChild"),
}


def spec_class(kind: str) -> "type[ChildSpec]":
    """Return the spec's class of a kind.

    Raises:
        SpecError: no such kind.
    """
    found: type[ChildSpec] = _load(_kind(kind).spec)
    return found


def build_child(spec: "ChildSpec") -> "Child":
    """Return the untrained network of a spec, with the initial weights of its seed.

    Raises:
        SpecError: its kind is not registered.
    """
    child: Child = _load(_kind(spec.kind).child)(spec)
    return child


def _kind(name: str) -> Kind:
    try:
        return KINDS[name]
    except (KeyError, TypeError) as error:
        raise SpecError(f"unknown kind of child {name!r}{did_you_mean(str(name), KINDS)}.") from error


def _load(place: str) -> Any:  # noqa: ANN401 - a class whose name is only known at run time
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
