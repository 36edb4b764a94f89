"""Training any child by automatic differentiation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from aen._typing import Float, Int
from aen.children.child import Child
from aen.children.spec import ChildSpec
from aen.training.architecture import ArchitectureSteps, weights_alone
from aen.training.batches import BatchStream, split_batch
from aen.training.measuring import shown
from aen.training.optimisers import restore_state, state_by_name, weight_optimiser
from aen.training.recalibration import MOST_IMAGES, recalibrate, unchanged_norms
from aen.training.weights import Progress

# Digits to which sums of epochs are rounded: five times 0.2 is 1.
_DIGITS = 9


@dataclass(frozen=True)
class Fitted:
    """The result of training a child.

    Attributes:
        finite: whether the loss stayed finite.
        progress: what is needed to continue the training.
    """

    finite: bool
    progress: Progress = field(default_factory=Progress)


def fit(
    child: Child,
    spec: ChildSpec,
    images: Float[Tensor, "n *image"],
    labels: Int[Tensor, " n"],
    progress: Progress | None = None,
    *,
    micro_batches: int = 1,
    after_epoch: Callable[[], None] | None = None,
) -> Fitted:
    """Train a child in place, on the device where it and its images are, and leave it in evaluation mode.

    The batches are those of all training loops of aen: drawn for each epoch from the spec's seed, the last one smaller
    if necessary. Running statistics of batch norms are computed again at the end. Dropout draws from the spec's seed
    too; the global random state is neither used nor changed.

    Where the child has parameters that choose among branches, a step of theirs follows each step of the weights; see
    `aen.training.architecture`.

    Args:
        child: the child.
        spec: how it is trained.
        images: the training images.
        labels: their labels.
        progress: of the training that is continued; None: this is the first.
        micro_batches: how many micro-batches a batch is split into; see `aen.training.train_child`.
        after_epoch: called after every epoch but the last with the child as it would be if that were the last. The
            training goes on as if it were not called.
    """
    training, device = spec.training, images.device
    progress = progress or Progress()
    augmenter = spec.augmenter(str(device))
    optimiser = weight_optimiser(child, training)
    architecture = child.architecture()
    trains = architecture is not None and architecture.learning_rate > 0
    steps = None
    if architecture is not None and trains:
        steps = ArchitectureSteps(architecture, child, spec, len(labels), device, micro_batches=micro_batches)
    optimisers = (optimiser, *([] if steps is None else [steps.optimiser]))
    restore_state(child, progress.optimiser, *optimisers)
    places = torch.arange(len(labels), device=device) if steps is None else steps.weight_places
    stream = BatchStream(places, training.batch_size, spec.seed)
    epochs = round(progress.epochs + training.epochs, _DIGITS)
    count = stream.count(progress.epochs, epochs)
    size = training.batch_size if micro_batches == 1 else max(training.batch_size // micro_batches, 2)
    most = min(MOST_IMAGES, shown(spec, len(labels)))
    half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=training.precision == "bfloat16")
    child.train()
    try:
        with weights_alone(architecture), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            seed_dropout(device, (spec.seed + progress.batches) % 2**63)
            rows = child.prepare(images) if augmenter is None else images
            done = progress.batches
            for number, batches in stream.epochs(progress.batches, count):
                if augmenter is not None:
                    rows = child.prepare(augmenter.epoch(images, number))
                total = torch.zeros((), device=device)
                for batch in batches:
                    optimiser.zero_grad(set_to_none=True)
                    for piece, share in split_batch(len(batch), micro_batches):
                        with torch.enable_grad(), half:
                            loss, whole = losses(child, rows, labels, batch[piece])
                        whole.backward(torch.full_like(whole, share))  # type: ignore[no-untyped-call]
                        total.add_(loss.detach(), alpha=share)
                    optimiser.step()
                    if steps is not None:
                        steps.step(rows, labels, done, half)
                    done += 1
                # Checked once per epoch: on CUDA every check waits for the device.
                if not math.isfinite(float(total)):
                    return Fitted(finite=False)
                if after_epoch is not None and done < progress.batches + count:
                    with unchanged_norms(child):
                        recalibrate(child, rows, size, most)
                        after_epoch()
                    child.train()
            recalibrate(child, rows, size, most)
    finally:
        child.eval()
    return Fitted(finite=True, progress=Progress(done, state_by_name(child, *optimisers), epochs))


def losses(child: Child, rows: Tensor, labels: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of some images, and it with the child's penalty."""
    logits = child.forward_prepared(rows.index_select(0, batch))
    loss = cross_entropy(logits.float(), labels.index_select(0, batch))
    penalty = child.penalty()
    return loss, loss if penalty is None else loss + penalty


def seed_dropout(device: torch.device, seed: int) -> None:
    """Seed the generators that dropout draws from, and no other: torch.manual_seed would reach every CUDA device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
