"""Labels of own data: text and numbers with gaps are mapped to 0, 1, 2, ...; the mapping is kept as class names."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aen._text import printable, shortened
from aen.errors import DataError

_LONGEST_NUMBER = 40  # characters; Python refuses to read numbers of thousands of digits
_WHOLE = re.compile(rf"[+-]?\d{{1,{_LONGEST_NUMBER}}}")
_MAX_CLASSES = 10_000
_LONGEST_LABEL = 500  # characters of a class name, which is shown in tables and pictures


def decoded(values: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """Return an array of bytes as text; any other as it is.

    Args:
        values: of any kind.
        where: what they are, for messages.

    Raises:
        DataError: the bytes are not UTF-8.
    """
    if values.dtype.kind != "S":
        return values
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is text as bytes that are not UTF-8 ({error.object[:20]!r}); decode them with their encoding "
            "first, such as np.char.decode(labels, 'latin-1')."
        ) from error


def map_labels(
    labels: npt.NDArray[Any], class_names: Sequence[str], where: str
) -> tuple[npt.NDArray[np.int64], tuple[str, ...], list[str]]:
    """Return labels from 0 without gaps, the name of each class, and notices.

    Args:
        labels: whole numbers, truth values or text, shape ``[n]``.
        class_names: the names of the numbers 0, 1, ..., or none.
        where: where they were read, for messages.

    Raises:
        DataError: labels of another kind, or too many different ones.
    """
    if labels.ndim != 1:
        raise DataError(
            f"{where}: labels have the shape {list(labels.shape)}; give one label for each image"
            f"{', such as labels.argmax(axis=1)' if labels.ndim == 2 else ''}."  # noqa: PLR2004 - one-hot
        )
    if labels.dtype.kind == "f":
        whole = bool(np.isfinite(labels).all() and (labels == np.round(labels)).all())
        remedy = "convert them with labels.astype(int)" if whole else "give classes, as whole numbers or text"
        raise DataError(
            f"{where}: labels are floating-point numbers (such as {labels[0]:g}), which are quantities to predict, not "
            f"classes; {remedy}."
        )
    if labels.dtype.kind not in "uibUSO":
        raise DataError(f"{where}: labels are of {labels.dtype}; give whole numbers or text.")
    if labels.dtype.kind == "O" and not all(isinstance(label, str) for label in labels):
        raise DataError(f"{where}: labels are of several kinds; give whole numbers or text.")
    if labels.dtype.kind in "SOU":
        return _map_text(decoded(labels, f"{where}: labels").astype(str), where)
    values, mapped = np.unique(labels, return_inverse=True)
    _check_number(len(values), where)
    notices = []
    if labels.dtype.kind != "b" and values.tolist() != list(range(len(values))):
        notices.append(
            f"labels {_shown(values)} are not 0 to {len(values) - 1}; they are mapped to that range in this order"
        )
    if class_names:
        if values[0] < 0 or values[-1] >= len(class_names):
            wrong = values[0] if values[0] < 0 else values[-1]
            raise DataError(
                f"{where}: class_names has {len(class_names)} names, for the labels 0 to {len(class_names) - 1}, but "
                f"there is the label {wrong}; name every class, or leave class_names out."
            )
        named = tuple(class_names[value] for value in values.tolist())
    else:
        named = tuple(str(value) for value in values.tolist())
    return mapped.astype(np.int64), _printed(named, where), notices


def _map_text(labels: npt.NDArray[np.str_], where: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...], list[str]]:
    values, mapped = np.unique(labels, return_inverse=True)
    names = values.tolist()
    if "" in names:
        raise DataError(f"{where}: image {int(np.argmax(labels == ''))} has an empty label; label or remove it.")
    if all(map(_is_number, names)) and not all(map(_WHOLE.fullmatch, names)):
        example = next(name for name in names if not _WHOLE.fullmatch(name))
        raise DataError(
            f"{where}: labels are floating-point numbers (such as {example}), which are quantities to predict, not "
            "classes; give classes, as whole numbers or text."
        )
    _check_number(len(names), where)
    if all(map(_WHOLE.fullmatch, names)):
        order = np.array(sorted(range(len(names)), key=lambda i: (int(names[i]), names[i])))
        mapped = np.argsort(order)[mapped]
        names = [names[i] for i in order]
    return mapped.astype(np.int64), _printed(names, where), []


def _printed(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return names as they are shown and stored, by which classes are told apart."""
    seen: dict[str, str] = {}
    for number, name in enumerate(names):
        if len(name) > _LONGEST_LABEL:
            raise DataError(
                f"{where}: a class has a name of {len(name):,} characters ({shortened(printable(name))}); give names "
                f"of at most {_LONGEST_LABEL}."
            )
        other = seen.setdefault(printable(name), name)
        if len(seen) <= number:
            raise DataError(
                f"{where}: two classes, {other!r} and {name!r}, would both be shown as {printable(name)}; rename one."
            )
    return tuple(map(printable, names))


def _check_number(found: int, where: str) -> None:
    if found > _MAX_CLASSES:
        raise DataError(f"{where}: there are {found:,} different labels, more than {_MAX_CLASSES:,}; give classes.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) <= _LONGEST_NUMBER


def _shown(values: npt.NDArray[Any]) -> str:
    texts = [str(value) for value in values.tolist()]
    longest = 6
    return ", ".join(texts if len(texts) <= longest else [*texts[:3], "...", texts[-1]])
