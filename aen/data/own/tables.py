"""Parquet and Arrow tables with image bytes, in the layout of the Hugging Face Hub: ``image`` and ``label``."""

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from aen.data.own.found import Content, Scan, numbered_groups, part_of
from aen.data.own.table_files import read_tables, table_schema
from aen.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_IMAGE = ("image", "img", "images", "picture")
_LABEL = ("label", "labels", "class", "target", "fine_label")
_GROUP = ("group", "groups")
_SPLIT = ("split", "part")
_SHARD = re.compile(r"-(?P<number>\d{1,9})-of-(?P<count>\d{1,9})(?=\D|$)")
_SHOWN = 4


def scan_tables(root: Path, names: list[str]) -> Scan:
    """Find the parts of a table: its shards, in the order of their names."""
    ordered = sorted(names)
    parts = [_part(name) for name in ordered]
    kind = "Parquet file" if ordered[0].lower().endswith(".parquet") else "Arrow file"
    if len(ordered) > 1:
        unnamed = [name for name, part in zip(ordered, parts, strict=True) if part is None]
        if unnamed and len(unnamed) < len(parts):
            raise DataError(
                f"{root}: the part of {unnamed[0]} is not known; begin its name with train, validation or test."
            )
        kind += "s"
    return Scan(kind, root, tuple(ordered), lambda: _load(root, ordered, parts))


def _part(name: str) -> int | None:
    """Return the part that a file's name, or its folder's, begins with, such as ``train-00000-of-00002.parquet``."""
    path = PurePosixPath(name)
    for word in (path.stem, *reversed(path.parts[:-1])):
        for end in ("-", "_", "."):
            found = part_of(word.partition(end)[0])
            if found is not None:
                return found
    return None


def _load(root: Path, names: list[str], parts: Sequence[int | None]) -> Content:
    schemas = [table_schema(root / name) for name in names]
    first = schemas[0].names
    image, label = (_column(root / names[0], first, known) for known in (_IMAGE, _LABEL))
    group, split = (next((one for one in known if one in first), None) for known in (_GROUP, _SPLIT))
    wanted = [image, label, *([group] if group else []), *([split] if split else [])]
    class_names = _class_names(schemas[0], label)
    for name, schema in zip(names, schemas, strict=True):
        for column in wanted:
            _check_column(root / name, schema, column, names[0])
        _check_labels((root / names[0], schemas[0]), (root / name, schema), label)
    tables = read_tables([root / name for name in names], wanted)
    chunks = [
        chunk
        for name, table in zip(names, tables, strict=True)
        for chunk in _bytes_of(root / name, table.column(image)).chunks
    ]
    starts = np.cumsum([0, *map(len, chunks)])
    labels = [value for table in tables for value in table.column(label).to_pylist()]
    groups = [value for table in tables for value in (table.column(group).to_pylist() if group else ())]
    splits = [value for table in tables for value in (table.column(split).to_pylist() if split else ())]
    files = [f"{name}, row {row}" for name, table in zip(names, tables, strict=True) for row in range(table.num_rows)]
    numbers: list[int | None] = [
        0 if part is None else part for part, table in zip(parts, tables, strict=True) for _ in range(len(table))
    ]
    if not labels:
        raise DataError(f"{root / names[0]} has no rows; give one for each image.")

    def read(number: int) -> bytes:
        place = int(np.searchsorted(starts, number, side="right")) - 1
        content = chunks[place][number - starts[place]].as_py()
        return b"" if content is None else bytes(content)

    unknown = [i for i, value in enumerate(labels) if value is None or (value == -1 and class_names)]
    notices = _missing_shards(names)
    if (image, label) != (_IMAGE[0], _LABEL[0]):
        notices.append(f"images are read from the column {image!r}, labels from {label!r}")
    if unknown:
        if len(unknown) == len(labels):
            raise DataError(f"{root / names[0]}: no row has a label; give a table with labels.")
        notices.append(f"{len(unknown):,} rows without a label are left out")
    keep = np.setdiff1d(np.arange(len(labels)), unknown)
    values = np.array([labels[i] for i in keep])
    divided: list[int | None] | None = [part_of(str(value)) for value in splits] if split else None
    if divided is not None and None in divided:
        wrong = splits[divided.index(None)]
        raise DataError(f"{root / names[0]}: the split {wrong!r} is not train, validation or test.")
    if divided is None and parts[0] is not None:
        divided = numbers
    return Content(
        values,
        [files[i] for i in keep],
        lambda number: read(int(keep[number])),
        parts=None if divided is None else np.array([divided[i] for i in keep], np.uint8),
        groups=numbered_groups([groups[i] for i in keep]) if group else None,
        class_names=class_names,
        notices=tuple(notices),
    )


def _column(path: Path, names: list[str], known: Sequence[str]) -> str:
    found = [name for name in known if name in names]
    if not found:
        raise DataError(f"{path} has the columns {', '.join(names)[:120]}; it needs one named {known[0]}.")
    return found[0]


def _check_column(path: Path, schema: "pa.Schema", column: str, first: str) -> None:
    import pyarrow as pa  # as above

    found = schema.get_all_field_indices(column)
    if not found:
        raise DataError(f"{path} has no column {column!r}, which {first} has; give all one layout.")
    if len(found) > 1:
        raise DataError(f"{path} has the column {column!r} twice; keep one.")
    kind = schema.field(found[0]).type
    if column not in _IMAGE and pa.types.is_nested(kind):
        raise DataError(
            f"{path}: its column {column!r} is of type {str(kind)[:60]}; give one whole number or text for each image."
        )


def _check_labels(first: "tuple[Path, pa.Schema]", other: "tuple[Path, pa.Schema]", label: str) -> None:
    """Check that a label means the same in two files.

    Raises:
        DataError: it does not, so that classes would be mixed.
    """
    names, others = (_class_names(schema, label) for _, schema in (first, other))
    if names != others:
        raise DataError(
            f"{other[0]} has the class names {_listed(others)}, and {first[0].name} has {_listed(names)}; write both "
            "with the same ClassLabel, or with labels as text."
        )
    kind, other_kind = (_kind(schema.field(label).type) for _, schema in (first, other))
    if kind != other_kind and "nothing" not in (kind, other_kind):
        raise DataError(
            f"the column {label!r} has {other_kind} in {other[0]}, and {kind} in {first[0].name}; give all files one "
            "kind."
        )


def _listed(names: Sequence[str]) -> str:
    return (", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")) or "none"


def _kind(column: "pa.DataType") -> str:
    import pyarrow as pa  # as above

    if pa.types.is_dictionary(column):
        column = column.value_type
    if pa.types.is_null(column):
        return "nothing"
    return "numbers" if pa.types.is_primitive(column) else "text"


def _missing_shards(names: Sequence[str]) -> list[str]:
    """Say which files are not there although the names of others, such as ``train-00000-of-00002``, announce them."""
    shards: dict[tuple[str, str], set[int]] = {}
    for name in names:
        match = _SHARD.search(name)
        if match is not None:
            shards.setdefault((name[: match.start()], match["count"]), set()).add(int(match["number"]))
    return [
        f"{int(count) - len(there):,} of {int(count):,} files {start}-...-of-{count} are not there"
        for (start, count), there in shards.items()
        if len(there) < int(count)
    ]


def _bytes_of(path: Path, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa  # as above
    import pyarrow.compute

    kind = column.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column = pyarrow.compute.struct_field(column, "bytes")
        kind = column.type
        if len(column) and column.null_count == len(column):
            raise DataError(
                f"{path} holds the paths of images, not their content; save the table with the images in it "
                "(datasets: Dataset.to_parquet)."
            )
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)):
        raise DataError(f"{path}: its images are of type {kind}; give the bytes of image files.")
    return column


def _class_names(schema: "pa.Schema", label: str) -> tuple[str, ...]:
    """Return the names of the classes that the Hub's library has written into the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
        return tuple(names) if all(isinstance(name, str) for name in names) else ()
    except (KeyError, ValueError, TypeError):
        return ()
