"""Files of trained weights, and of the state that is needed to continue a training, in safetensors format."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from aen._files import cannot_read, write_atomically
from aen._reading import MAX_WEIGHTS, read_bytes
from aen.children.child import Child, build_child
from aen.children.spec import ChildSpec
from aen.errors import AenError, StoreError
from aen.nn.stored import load_stored_state, stored_state

# Prefix of the names of the optimiser's tensors; no module's name has a slash.
_OPTIMISER = "optimiser/"


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


def save_weights(child: Child, path: Path, progress: Progress | None = None) -> str:
    """Write a child's weights; the file appears complete or not at all. Returns the file's name.

    Args:
        child: the trained child.
        path: the file.
        progress: what is needed to continue the training; None: it will not be continued.
    """
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    state = stored_state(child)
    metadata = {"key": child.spec.key}
    if progress is not None:
        metadata |= {
            "spec": json.dumps(child.spec.to_json(), sort_keys=True),
            "batches": str(progress.batches),
            "epochs": repr(progress.epochs),
        }
        for parameter, kept in progress.optimiser.items():
            state |= {f"{_OPTIMISER}{parameter}/{name}": value for name, value in kept.items()}
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(path, save(plain, metadata), durable=False)
    return path.name


def load_child(spec: ChildSpec, path: Path) -> Child:
    """Return the trained network of a spec, in evaluation mode on the CPU.

    Raises:
        StoreError: the file is missing, may not be read, is damaged, or belongs to another spec.
    """
    with reading(path):
        metadata, state = read_tensors(path)
        # Weights of other groups may have the same shapes; only the key identifies the child.
        if metadata.get("key") != spec.key:
            raise StoreError(
                f"weights {path} belong to another child: key {metadata.get('key')}, not {spec.key}. If an earlier aen "
                f"wrote them, whose key version was not {spec.key_version}, read them with it or train the child again."
            )
        child = build_child(spec)
        load_stored_state(child, {name: value for name, value in state.items() if not name.startswith(_OPTIMISER)})
    return child.eval()


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
        child = build_child(spec)
        load_stored_state(child, {name: value for name, value in state.items() if not name.startswith(_OPTIMISER)})
        kept: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith(_OPTIMISER):
                parameter, _, what = name.removeprefix(_OPTIMISER).rpartition("/")
                kept.setdefault(parameter, {})[what] = value
        progress = Progress(int(metadata["batches"]), kept, float(metadata["epochs"]))
    return child.eval(), progress


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata and the tensors of a safetensors file; see `reading` for its errors."""
    from safetensors.torch import load

    # Opened here: safetensors takes only paths in UTF-8, and calls a file missing that may not be read.
    content = read_bytes(path, MAX_WEIGHTS)
    state = load(content)
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return head.get("__metadata__", {}), state


@contextmanager
def reading(path: Path, what: str = "weights") -> Iterator[None]:
    """Translate errors of reading a file of tensors into a StoreError that names it.

    Args:
        path: the file.
        what: its content, in a word.
    """
    from safetensors import SafetensorError

    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{what} {path} are missing; train the child again.") from error
    except OSError as error:
        raise StoreError(f"weights {cannot_read(path, error)}.") from error
    except StoreError:
        raise
    except (SafetensorError, RuntimeError, AenError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{what} {path} are damaged or belong to another child: {error}") from error
