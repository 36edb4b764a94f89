"""The argument `data` of environments: the data set of the children, such as a path of own data."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from aen._fields import shown
from aen._typing import JsonDict
from aen.children import ChildSpec, DenseSpec, EquiNASSpec
from aen.data import DataSpec, complete_spec
from aen.errors import DataError

# What the argument may be.
DataChoice = str | os.PathLike[str] | DataSpec | JsonDict | None

Spec = TypeVar("Spec", bound=ChildSpec)


def on_data(child: Spec, data: object) -> Spec:
    """Return a child for another data set: with its classes, and for the size and the channels of its images.

    Args:
        child: the child.
        data: the name of a data set, the path of own data, a DataSpec or a dictionary of its fields; None: the child
            stays as it is. Without sizes, own data is divided into 60, 20 and 20 % of its images.

    Raises:
        DataError: there is no such data, or the child cannot take its images.
    """
    if data is None:
        return child
    if isinstance(data, DataSpec):
        given: Mapping[str, Any] = {f.name: getattr(data, f.name) for f in fields(DataSpec)}
    elif isinstance(data, Mapping):
        given = data if data.get("name") else {**data, "name": "digits"}
        unknown = given.keys() - {f.name for f in fields(DataSpec)}
        if unknown:
            DataSpec.from_json(dict(given))  # raises, with a hint
    elif isinstance(data, str | os.PathLike):
        given = {"name": data}
    else:
        raise DataError(f"data is {shown(data)} but must be the name of a data set, a path, or a DataSpec.")
    spec, source = complete_spec(**given)
    if not isinstance(child, DenseSpec):
        changes: dict[str, Any] = {"side": source.side, "channels": source.channels}
        if isinstance(child, EquiNASSpec):
            changes |= {"poolings": None}  # those of the former side
    elif source.channels == 1:
        changes = {"grids": (source.side, *child.grids[1:])}
    else:
        raise DataError(
            f"data set {spec.name!r} has {source.channels} channels; dense children need grey images: give "
            "data={'name': ..., 'channels': 'grey'}, or use aen/GCNNDesign-v0."
        )
    return replace(child, data=spec, classes=source.classes, **changes)
