"""Training any child by automatic differentiation."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from aen._typing import Float, Int
from aen.children.child import Child
from aen.children.spec import ChildSpec, TrainingSpec
from aen.training.recalibration import recalibrate


def fit(child: Child, spec: ChildSpec, images: Float[Tensor, "n *image"], labels: Int[Tensor, " n"]) -> bool:
    """Train a child in place, on the device where it and its images are, and leave it in evaluation mode.

    The batches are those of every other training loop here: drawn anew for each epoch from the spec's seed, the last
    one smaller if need be. Running statistics of batch norms are taken anew at the end. Dropout draws from the spec's
    seed too; the global random state neither matters nor changes.

    Returns:
        Whether the loss stayed finite.
    """
    training, device = spec.training, images.device
    augmenter = spec.augmenter(str(device))
    optimiser = _optimiser(child, training)
    shuffle = torch.Generator().manual_seed(spec.seed)
    half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=training.precision == "bfloat16")
    child.train()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            _seed(device, spec.seed)
            rows = child.prepare(images) if augmenter is None else images
            for number in range(training.epochs):
                if augmenter is not None:
                    rows = child.prepare(augmenter.epoch(images, number))
                order = torch.randperm(len(labels), generator=shuffle).to(device)
                total = torch.zeros((), device=device)
                for batch in torch.split(order, training.batch_size):
                    with torch.enable_grad(), half:
                        logits = child.forward_prepared(rows.index_select(0, batch))
                        loss = cross_entropy(logits.float(), labels.index_select(0, batch))
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    total += loss.detach()
                # One look per epoch: on CUDA each would wait for the device.
                if not math.isfinite(float(total)):
                    return False
            recalibrate(child, rows, training.batch_size)
    finally:
        child.eval()
    return True


def _optimiser(child: Child, training: TrainingSpec) -> torch.optim.Optimizer:
    # fused: one kernel for all parameters.
    if training.optimiser == "sgd":
        return torch.optim.SGD(child.parameters(), training.learning_rate, momentum=training.momentum, fused=True)
    return torch.optim.Adam(child.parameters(), training.learning_rate, fused=True)


def _seed(device: torch.device, seed: int) -> None:
    """Seed the generators that dropout draws from, and no other: torch.manual_seed would reach every CUDA device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
