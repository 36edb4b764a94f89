"""The checkpoint of a training: one safetensors file, written after every epoch, complete or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from aen._typing import JsonDict
from aen.errors import StoreError
from aen.training.tensor_files import read_tensors, reading, write_tensors

# Prefixes of the names of tensors.
_PARTS = ("state", "best_state", "optimiser")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is needed to continue a training after an epoch.

    Attributes:
        curve: every epoch, as JSON values.
        state: the network's ``state_dict``.
        best_state: its weights after the best epoch, in the layout of files.
        optimiser: what the optimiser keeps, by ``PARAMETER/NAME``.
    """

    curve: list[JsonDict]
    state: Mapping[str, Tensor]
    best_state: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]


def write_checkpoint(path: Path, checkpoint: Checkpoint, identity: JsonDict) -> None:
    """Write a checkpoint in place of the one before.

    Args:
        path: the file; its folder exists.
        checkpoint: the state.
        identity: all on which the training depends, as JSON values.

    Raises:
        OSError: it cannot be written; the one before stays as it was.
    """
    tensors = {f"{part}|{name}": value for part in _PARTS for name, value in getattr(checkpoint, part).items()}
    metadata = {"curve": json.dumps(checkpoint.curve), "identity": json.dumps(identity, sort_keys=True)}
    write_tensors(path, tensors, metadata, durable=True)


def read_checkpoint(path: Path, identity: JsonDict) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: the file.
        identity: of the training that is to be continued.

    Raises:
        StoreError: it cannot be read, is damaged, or belongs to another training.
    """
    with reading(path, "checkpoint"):
        metadata, tensors = read_tensors(path)
        written = json.loads(metadata["identity"])
        differences = _differences(written, json.loads(json.dumps(identity)))
        if differences:
            raise StoreError(
                f"checkpoint {path} belongs to another training: {'; '.join(differences)}. Give the same settings to "
                "resume that one, or start again without it."
            )
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
        for place, value in tensors.items():
            part, _, name = place.partition("|")
            # A copy: tensors of a file may be at any address, and kernels round by alignment.
            parts[part][name] = value.clone()
        return Checkpoint(json.loads(metadata["curve"]), **parts)


def _differences(there: JsonDict, here: JsonDict, prefix: str = "") -> list[str]:
    """Return which values differ, as clauses."""
    found = []
    for key in sorted({*there, *here}):
        one, other = there.get(key), here.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += _differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(f"{prefix}{key} is {json.dumps(one)} there, {json.dumps(other)} here")
    return found
