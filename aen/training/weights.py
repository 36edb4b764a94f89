"""Trained weights as safetensors files, which can hold numbers and nothing else."""

import os
from pathlib import Path

from aen.children.child import Child
from aen.children.kinds import build_child
from aen.children.spec import ChildSpec
from aen.errors import StoreError


def save_weights(child: Child, path: Path) -> str:
    """Write a child's weights; the file appears under its name only when it is whole. Returns the file's name."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    state = {name: value.detach().cpu().contiguous() for name, value in child.state_dict().items()}
    save_file(state, part, metadata={"key": child.spec.key})
    part.replace(path)
    return path.name


def load_child(spec: ChildSpec, path: Path) -> Child:
    """Return the trained network of a spec, in evaluation mode on the CPU.

    Raises:
        StoreError: the file is missing, damaged, or belongs to another spec.
    """
    from safetensors import SafetensorError, safe_open

    child = build_child(spec)
    try:
        with safe_open(path, framework="pt") as file:
            # Children of other groups may have the same shapes; only the key tells whose weights these are.
            key = (file.metadata() or {}).get("key")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if key != spec.key:
            raise StoreError(f"weights {path} belong to another child: key {key}, not {spec.key}.")
        child.load_state_dict(state)
    except FileNotFoundError as error:
        raise StoreError(f"weights {path} are missing; train the child again.") from error
    except (SafetensorError, RuntimeError, OSError) as error:
        raise StoreError(f"weights {path} are damaged or belong to another child: {error}") from error
    return child.eval()
