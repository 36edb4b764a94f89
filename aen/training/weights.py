"""Files of trained weights, and of the state that is needed to continue a training, in safetensors format."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from aen._files import make_folder, sync_folder
from aen.children.child import Child, build_child
from aen.children.spec import ChildSpec
from aen.errors import DamagedFileError, StoreError
from aen.nn.stored import load_stored_state, stored_state
from aen.training.tensor_files import read_tensors, reading, write_tensors

# No module's name has a slash: these are prefixes of the names of the optimiser's tensors, and of the weights after an
# earlier epoch.
_OPTIMISER = "optimiser/"
_EPOCH = "epoch-{}/"


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Attributes:
        batches: how many batches of the training images were taken since the very beginning.
        optimiser: what the optimisers keep of each parameter, by the parameter's name.
        epochs: what the specs asked for since the very beginning: batches are whole, so that slices are rounded, and
            what one has too many the next has too few.
    """

    batches: int = 0
    optimiser: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    epochs: float = 0.0


def save_weights(
    child: Child,
    path: Path,
    progress: Progress | None = None,
    *,
    parents: bool = True,
    epochs: Sequence[Mapping[str, Tensor]] = (),
) -> str:
    """Write a child's weights; the file appears complete or not at all, and durably. Returns the file's name.

    Args:
        child: the trained child.
        path: the file; its folder is created.
        progress: what is needed to continue the training; None: it will not be continued.
        parents: whether parents of the folder are created, too.
        epochs: the weights after each epoch but the last, in the layout of files; see `children_by_epoch`.
    """
    if parents:
        make_folder(path.parent)
    elif not path.parent.is_dir():
        path.parent.mkdir(exist_ok=True)
        sync_folder(path.parent.parent)
    state = stored_state(child)
    for number, weights in enumerate(epochs, start=1):
        state |= {f"{_EPOCH.format(number)}{name}": value for name, value in weights.items()}
    metadata = {"key": child.spec.key}
    if progress is not None:
        metadata |= {
            "spec": json.dumps(child.spec.to_json(), sort_keys=True),
            "batches": str(progress.batches),
            "epochs": repr(progress.epochs),
        }
        for parameter, kept in progress.optimiser.items():
            state |= {f"{_OPTIMISER}{parameter}/{name}": value for name, value in kept.items()}
    write_tensors(path, state, metadata, durable=True)
    return path.name


def load_child(spec: ChildSpec, path: Path) -> Child:
    """Return the trained network of a spec, in evaluation mode on the CPU.

    Raises:
        StoreError: the file is missing, may not be read, is damaged, or belongs to another spec; `DamagedFileError` if
            it is missing or damaged.
    """
    with reading(path):
        return _child_with(spec, _state_of(spec, path))


def children_by_epoch(spec: ChildSpec, path: Path) -> Iterator[Child]:
    """Return the network of a spec after each epoch of a training with a curve, in evaluation mode on the CPU.

    It is one object, whose weights change: use each before the next is taken.

    Raises:
        StoreError: as by `load_child`; `DamagedFileError` also if weights of an epoch are missing.
    """
    with reading(path):
        state = _state_of(spec, path)
        child = _child_with(spec, state)
        for number in range(1, int(spec.training.epochs)):
            prefix = _EPOCH.format(number)
            load_stored_state(
                child, {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            )
            yield child.train().eval()
        load_stored_state(child, _weights_in(state))
        yield child.train().eval()


def _state_of(spec: ChildSpec, path: Path) -> dict[str, Tensor]:
    """Return all tensors of the file of a child's weights."""
    metadata, state = read_tensors(path)
    # Weights of other groups may have the same shapes; only the key identifies the child.
    if metadata.get("key") != spec.key:
        raise StoreError(
            f"weights {path} belong to another child: key {metadata.get('key')}, not {spec.key}. If an earlier aen "
            f"wrote them, whose key version was not {spec.key_version}, read them with it or train the child again."
        )
    return state


def load_parent(key: str, folder: Path) -> tuple[Child, Progress]:
    """Return a trained child, in evaluation mode on the CPU, and what is needed to continue its training.

    Args:
        key: of its evaluation.
        folder: where weights are kept.

    Raises:
        StoreError: the file is missing, may not be read, is damaged, or has no state to continue from.
    """
    path = folder / f"{key}.safetensors"
    with reading(path):
        metadata, state = read_tensors(path)
        if "spec" not in metadata:
            raise StoreError(f"weights {path} cannot be continued from: they lack the spec; train the child again.")
        spec = ChildSpec.from_stored(json.loads(metadata["spec"]))
        if not spec.key == metadata.get("key") == key:
            raise StoreError(f"weights {path} belong to another child: key {spec.key}, not {key}.")
        child = _child_with(spec, state)
        kept: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith(_OPTIMISER):
                parameter, _, what = name.removeprefix(_OPTIMISER).rpartition("/")
                kept.setdefault(parameter, {})[what] = value
        progress = Progress(int(metadata["batches"]), kept, float(metadata["epochs"]))
    return child, progress


def what_is_wrong_with(key: str, path: Path) -> str | None:
    """Return why a file does not hold the intact weights of a key, or None if it does.

    One that may not be read is not called damaged: whoever reads it says why.

    Args:
        key: of the evaluation.
        path: the file.
    """
    try:
        with reading(path):
            metadata, state = read_tensors(path)
            _weights_in(state)
    except DamagedFileError as error:
        return "missing" if isinstance(error.__cause__, FileNotFoundError) else "damaged"
    except StoreError:
        return None
    return None if metadata.get("key") == key else "of another child"


def _child_with(spec: ChildSpec, state: Mapping[str, Tensor]) -> Child:
    """Return a child in evaluation mode with the weights of a file."""
    child = build_child(spec)
    load_stored_state(child, _weights_in(state))
    return child.eval()


def _weights_in(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the final weights in a file, which may also have the optimiser's state and weights of earlier epochs.

    Raises:
        ValueError: some are NaN. Files of earlier versions have no checksum, by which this would be found.
    """
    weights = {name: value for name, value in state.items() if "/" not in name}
    for name, value in weights.items():
        if value.isnan().any():
            raise ValueError(f"{name} has values that are not numbers (NaN)")
    return weights
