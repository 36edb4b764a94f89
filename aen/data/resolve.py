"""Complete specs: the content of own data pinned, and the sizes of its parts chosen where they are not given."""

from dataclasses import replace
from typing import Any

from aen.data.own.split import default_sizes
from aen.data.pins import pinned
from aen.data.registry import find_source
from aen.data.source import Source
from aen.data.spec import DataSpec

_PARTS = ("train", "validation", "test")


def complete_spec(name: str = "digits", **fields: Any) -> tuple[DataSpec, Source]:  # noqa: ANN401 - of any field
    """Return the spec of a data set with all that its keys depend on, and its source.

    The name is pinned to the content, where that may differ from one machine to another. Sizes of parts of own data
    that are None or left out are chosen: 60, 20 and 20 % of its images, or those of its own parts.

    Args:
        name: of the data set, or the path of own data.
        fields: further fields of `DataSpec`.

    Raises:
        DataError: there is no such data, it cannot be used, or a wrong field.
    """
    spec, source, given = _pinned_spec(name, fields)
    if len(given) < len(_PARTS) and spec.rules is not None:
        grouping = source.load().grouping
        if grouping is not None:
            train, validation, test = default_sizes(grouping, spec.split_seed, given)
            spec = replace(spec, train=train, validation=validation, test=test)
    return spec, source


def pinned_name(name: str = "digits", **fields: Any) -> str:  # noqa: ANN401 - as above
    """Return the name in the spec of `complete_spec`, also where that spec cannot be completed."""
    return _pinned_spec(name, fields)[0].name


def _pinned_spec(name: str, fields: dict[str, Any]) -> tuple[DataSpec, Source, dict[str, int]]:
    """Return the spec without the sizes that are chosen, its source, and the sizes that are given."""
    given = {part: fields[part] for part in _PARTS if fields.get(part) is not None}
    rest = {field: value for field, value in fields.items() if field not in _PARTS}
    spec = DataSpec(name, **rest, **given)
    source = find_source(spec.name, spec.rules)
    if source.pinned:
        return replace(spec, name=source.pinned), source, given
    spec = replace(spec, name=pinned(spec.name, spec.rules))
    return spec, find_source(spec.name, spec.rules), given


def data_spec(name: str = "digits", **fields: Any) -> DataSpec:  # noqa: ANN401 - of any field
    """Return the spec of `complete_spec`."""
    return complete_spec(name, **fields)[0]
