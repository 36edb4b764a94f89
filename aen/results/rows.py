"""Rows of the table of evaluations: an Evaluation and its spec as values of columns, and back."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from aen.children.spec import ChildSpec
from aen.errors import StoreError
from aen.results.database import EVALUATIONS
from aen.results.database_errors import shown
from aen.results.evaluation import Evaluation

_KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("key", "class_key", "status", "device"), (str,)),
    **dict.fromkeys(("seed", "parameters", "threads", "population"), (int,)),
    **dict.fromkeys(
        ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds", "epochs"), (float,)
    ),
    "weights": (str, type(None)),
    "record": (dict, type(None)),
}
_NAMES = [f.name for f in fields(Evaluation) if f.name in EVALUATIONS.c]
_TYPES = [_KINDS[name] for name in _NAMES]
# What an evaluation is made of, the key first: everything but the spec, which is most of a row.
EVALUATION_COLUMNS = [EVALUATIONS.c[name] for name in _NAMES]
# Databases limit the values in one statement: Oracle to 1,000, older SQLite to 999.
MOST_KEYS = 500


def chunks(keys: Sequence[str]) -> Iterator[list[str]]:
    """Cut keys into lists that fit into one statement each."""
    for start in range(0, len(keys), MOST_KEYS):
        yield list(keys[start : start + MOST_KEYS])


def values_of(evaluation: Evaluation, spec: ChildSpec) -> dict[str, Any]:
    """Return the values of a row."""
    values: dict[str, Any] = {name: getattr(evaluation, name) for name in _NAMES}
    return values | {"spec": json.dumps(spec.to_json(), sort_keys=True), "finished_at": time.time()}


def evaluation_of(row: Sequence[Any], where: str) -> Evaluation:
    """Return the evaluation of a row, marked as looked up.

    Args:
        row: its values in the order of `EVALUATION_COLUMNS`; more may follow.
        where: names the store.

    Raises:
        StoreError: the row is damaged.
    """
    values = row[: len(_NAMES)]
    if not all(map(isinstance, values, _TYPES)):
        wrong = [name for name, value, kind in zip(_NAMES, values, _TYPES, strict=True) if not isinstance(value, kind)]
        raise _damaged(row[0], wrong[0], where)
    evaluation = Evaluation(**dict(zip(_NAMES, values, strict=True)), looked_up=True)
    if evaluation.weights is not None and Path(evaluation.weights).name != evaluation.weights:
        raise _damaged(row[0], "weights", where)
    return evaluation


def spec_of(key: str, text: str, where: str) -> ChildSpec:
    """Return the spec of a row.

    Args:
        key: of the row.
        text: its column.
        where: names the store.

    Raises:
        StoreError: the row is damaged.
    """
    try:
        return ChildSpec.from_stored(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(key, "spec", where) from error


def _damaged(key: str, column: str, where: str) -> StoreError:
    return StoreError(f"result store {shown(where)}: {column!r} of row {key!r} is damaged.")
