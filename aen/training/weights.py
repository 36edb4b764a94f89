"""Trained weights as safetensors files, which can hold numbers and nothing else."""

import os
from pathlib import Path

import torch

from aen.children.mlp import DenseChild, build_child
from aen.children.spec import ChildSpec
from aen.errors import StoreError


def save_weights(child: DenseChild, path: Path) -> str:
    """Write a child's weights; the file appears under its name only when it is whole. Returns the file's name."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file({name: value.detach().cpu().contiguous() for name, value in child.state_dict().items()}, part)
    part.replace(path)
    return path.name


def load_child(spec: ChildSpec, path: Path) -> DenseChild:
    """Return the trained network of a spec, in evaluation mode on the CPU.

    Raises:
        StoreError: the file is missing, damaged, or belongs to another spec.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    child = build_child(spec)
    try:
        state = load_file(path)
        with torch.no_grad():
            child.load_state_dict(state)
    except FileNotFoundError as error:
        raise StoreError(f"weights {path} are missing; train the child again.") from error
    except (SafetensorError, RuntimeError, OSError) as error:
        raise StoreError(f"weights {path} are damaged or belong to another child: {error}") from error
    return child.eval()
