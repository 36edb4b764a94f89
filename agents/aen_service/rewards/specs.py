"""Reads the specs that clients send, and refuses what this service does not train."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from itertools import pairwise
from typing import Any

from aen._fields import shown
from aen._typing import JsonDict
from aen.children.gcnn import GCNNSpec
from aen.children.gcnn_widths import has_noted_escnn, note_escnn
from aen.children.spec import KINDS, ChildSpec, spec_class
from aen.data import find_source
from aen.data.own.paths import is_own, split_pin
from aen.data.spec import DataSpec
from aen.errors import AenError, SpecError
from aen.groups.grid import cells_of, grid_text
from aen_service.computing.helpers import Helpers
from aen_service.errors import InvalidRequestError
from aen_service.settings import Limits

_MOST_SIDE, _MOST_NUMBER, _MOST_ITEMS = 256, 1024, 64
_KEY = re.compile(r"[0-9a-f]{24}")
_MOST_KERNEL, _ESCNN_SECONDS = 31, 30.0  # of layers of escnn
_MOST_WEIGHTS = 2**24  # of a layer, tied or not


def versions() -> JsonDict:
    """Return the versions on which the keys of specs depend, for a message about keys that differ."""
    keys = {}
    for kind in KINDS:
        try:
            keys[kind] = str(spec_class(kind)().key_version)
        except (AenError, ImportError):
            continue
    return {"aen": version("aen"), "keys": keys}


def prepare_escnn(contents: Iterable[Mapping[str, Any]], helpers: Helpers) -> None:
    """Have a helper compute what the keys of specs depend on whose layers are those of escnn, which imports torch.

    Args:
        contents: the JSON of specs, not yet checked.
        helpers: of the service.

    Raises:
        ServiceError: escnn is not installed, or does not know the group.
    """
    for content in contents:
        group, size = content.get("group", GCNNSpec.group), content.get("kernel_size", GCNNSpec.kernel_size)
        if content.get("backend") != "escnn" or not isinstance(group, str) or type(size) is not int:
            continue  # of another kind, or refused when it is read
        if not 1 <= size <= _MOST_KERNEL:
            raise InvalidRequestError(f"kernel_size is {size}, outside of 1 to {_MOST_KERNEL}.", argument="kernel_size")
        for name in (GCNNSpec.group, group):
            if not has_noted_escnn(name, size):
                question = {"group": name, "kernel_size": size}
                found = helpers.ask("aen_service.computing.checking:of_escnn", question, seconds=_ESCNN_SECONDS)
                note_escnn(name, size, tuple(found["values"]))


def read_spec(
    place: int,
    key: str,
    content: Mapping[str, Any],
    theirs: JsonDict,
    limits: Limits,
    *,
    dataset: str | None = None,
) -> ChildSpec:
    """Return a spec that a client sent; that of an uploaded data set with the path that this has here.

    Args:
        place: in the request, for messages.
        key: as the client computed it.
        content: its JSON.
        theirs: the client's `versions`.
        limits: of the service.
        dataset: `data.path` here of the uploaded data set of its images.

    Raises:
        InvalidRequestError: it is no spec, too large, of data that is not served, or has another key here.
    """
    argument = f"items.{place}.spec"
    try:
        _check_values(content)
        spec = ChildSpec.from_stored(dict(content))
        _check_data(spec.data, dataset)
        _check_size(spec, limits)
        found = spec.key
    except AenError as error:
        raise InvalidRequestError(f"{argument}: {error}", argument=argument) from error
    except (ArithmeticError, ValueError, TypeError, LookupError, MemoryError) as error:  # values of another type
        raise InvalidRequestError(
            f"{argument} is {shown(dict(content))} which cannot be read: {error}.", argument=argument
        ) from error
    if found != key:
        raise InvalidRequestError(f"items.{place}.key is {key}, {_other_key(spec, found, theirs)}", argument="key")
    return spec if dataset is None else replace(spec, data=replace(spec.data, name=dataset))


def _check_data(data: DataSpec, dataset: str | None) -> None:
    if dataset is not None:
        theirs, ours = split_pin(data.name)[1], split_pin(dataset)[1]
        if theirs != ours:
            raise SpecError(
                f"data.name has the checksum {theirs or 'none'}, but the uploaded data set has {ours}; upload the same "
                "content, as the same kind of file."
            )
    elif is_own(data.name):
        raise SpecError(
            f"data.name is {split_pin(data.name)[0]!r}, a path, of which this service reads none; upload the data and "
            "give datasets={path: identifier} to RemoteEvaluator."
        )
    else:
        _check_known(data.name)


@lru_cache(maxsize=256)
def _check_known(name: str) -> None:
    find_source(name)


def _check_values(content: Mapping[str, Any]) -> None:
    """Refuse sizes of JSON before a spec is made of it, which computes with them."""
    for name, value in content.items():
        if name not in {"seed", "data", "training", "decomposition", "layers", "augment"}:
            side = _MOST_SIDE if name in {"side", "grids"} else _MOST_NUMBER
            for number in _numbers(value):
                if not abs(number) <= side:
                    raise SpecError(f"{name} is {shown(value)}, above the {side:,} of this service.")
    for name in ("grids", "layers", "decomposition"):
        value = content.get(name)
        if isinstance(value, list) and len(value) > _MOST_ITEMS:
            raise SpecError(f"{name} has {len(value):,} items, above the {_MOST_ITEMS} of this service.")


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)


def _check_size(spec: ChildSpec, limits: Limits) -> None:
    if spec.parent is not None and not _KEY.fullmatch(spec.parent):
        raise SpecError(f"parent is {shown(spec.parent)}, but keys are 24 hexadecimal digits.")
    if spec.training.epochs > limits.epochs:
        raise SpecError(f"training.epochs is {spec.training.epochs}, above the {limits.epochs:,} of this service.")
    images = spec.data.train + spec.data.validation
    if images > limits.images:
        raise SpecError(f"data has {images:,} images, above the {limits.images:,} of this service.")
    for before, after in pairwise(getattr(spec, "grids", ())):
        weights = cells_of(before) * cells_of(after)
        if weights > _MOST_WEIGHTS:
            raise SpecError(
                f"grids: a layer from {grid_text(before)} to {grid_text(after)} has {weights:,} weights, above the "
                f"{_MOST_WEIGHTS:,} of this service."
            )


def _other_key(spec: ChildSpec, found: str, theirs: JsonDict) -> str:
    ours = versions()
    said = theirs.get("keys")
    kinds = said if isinstance(said, dict) else {}
    version_there, version_here = kinds.get(spec.kind), ours["keys"].get(spec.kind)
    if version_there != version_here:
        why = f"{spec.kind} children have the key version {version_there} there and {version_here} here"
    elif theirs.get("aen") != ours["aen"]:
        why = f"aen is {theirs.get('aen')} there and {ours['aen']} here"
    else:
        why = "although the versions agree: the spec was changed on the way, or a plug-in differs"
    return f"but this service computes {found}: {why}. Install the same version of aen on both sides."
