"""Building a child from its parent's weights, to continue the training."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from aen.children.child import Child
from aen.children.spec import ChildSpec
from aen.errors import SpecError
from aen.training.optimisers import restore_state, state_by_name, weight_optimiser
from aen.training.weights import Progress, load_parent

# Largest difference between an untrained child and its parent, relative to the largest logit: rounding only.
TOLERANCE = 1e-4
_IMAGES = 64


def inherit(
    spec: ChildSpec, folder: Path | None, images: Tensor | None, device: str | torch.device
) -> tuple[Child, Progress]:
    """Return the untrained child of a spec with its parent's weights, and how far its training has come.

    The optimisers' state goes along, unless the child has an optimiser of another kind.

    Args:
        spec: has a parent.
        folder: where the weights of the parent are.
        images: on which to check that the child computes what its parent does, where it should; None: no check.
        device: where the child is to be.

    Raises:
        SpecError: weights cannot be carried from this parent to this child, there is no folder, or the check failed.
        StoreError: the parent's weights are missing or damaged.
    """
    if folder is None or spec.parent is None:
        raise SpecError(f"parent is {spec.parent!r}; inheriting needs the key of a parent and a folder of weights.")
    parent, progress = load_parent(spec.parent, folder)
    parent = parent.to(device)
    before, theirs = parent.spec, None if images is None else parent(images[:_IMAGES])
    optimiser = weight_optimiser(parent, before.training)
    restore_state(parent, progress.optimiser, optimiser)
    child = parent.heir(spec, optimiser)
    if theirs is not None and spec.continues(before):
        check_same(child(images[:_IMAGES]), theirs, f"{spec.name}, child of {before.name}")  # type: ignore[index]
    if before.training.optimiser != spec.training.optimiser:
        return child, replace(progress, optimiser={})
    architecture = child.architecture()
    choosing = {id(parameter) for parameter in architecture.parameters} if architecture else set()
    kept = {
        name: progress.optimiser[name]
        for name, parameter in child.named_parameters()
        if id(parameter) in choosing and name in progress.optimiser
    }
    return child, replace(progress, optimiser={**kept, **state_by_name(child, optimiser)})


def check_same(ours: Tensor, theirs: Tensor, what: str) -> None:
    """Check that two networks give the same logits up to rounding.

    Raises:
        SpecError: they do not.
    """
    error = float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(torch.finfo(theirs.dtype).tiny))
    if not error <= TOLERANCE:
        raise SpecError(
            f"debug: {what}: before training the logits differ by {error:.2g} of their size, more than {TOLERANCE}. "
            "This is a fault in aen."
        )
