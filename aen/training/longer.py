"""Training one network to the end: cosine schedule, early stopping on the validation images, checkpoints."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from aen._typing import JsonDict
from aen.children.augmenter import chained
from aen.children.child import Child, build_child
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset
from aen.data.group_augmentation import PermutationAugmenter
from aen.errors import SpecError
from aen.nn.stored import load_stored_state, stored_state
from aen.training.architecture import weights_alone
from aen.training.autograd import losses, seed_dropout
from aen.training.batches import BatchStream
from aen.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from aen.training.device import exact_convolutions
from aen.training.measuring import check_fit, measure_prepared
from aen.training.optimisers import restore_state, state_by_name, weight_optimiser
from aen.training.recalibration import recalibrate
from aen.training.threads import cpu_threads

# Between the seeds of two epochs' dropout: large and odd, so that those of nearby seeds do not meet.
_EPOCH = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training.

    Attributes:
        number: counted from 1.
        learning_rate: of its last step.
        train_loss: mean over its batches, each before its step.
        validation_loss: mean cross-entropy of the validation images after it.
        validation_accuracy: in [0, 1].
    """

    number: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_accuracy: float

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return asdict(self)

    def better_than(self, other: "Epoch | None") -> bool:
        """Say whether its validation accuracy is higher, or equal with a lower loss."""
        if other is None:
            return True
        return (self.validation_accuracy, -self.validation_loss) > (other.validation_accuracy, -other.validation_loss)


@dataclass(frozen=True, eq=False)
class LongTraining:
    """The result of `train_longer`.

    Attributes:
        child: the network with the weights of the best epoch, in evaluation mode on the CPU.
        curve: every epoch.
        best: the epoch whose weights were kept: the one with the highest validation accuracy.
        stopped: why the training ended: ``epochs`` (all were done), ``patience`` (early stopping) or ``loss`` (it was
            not finite any more).
    """

    child: Child
    curve: tuple[Epoch, ...]
    best: Epoch
    stopped: str


def train_longer(
    spec: ChildSpec,
    dataset: Dataset,
    *,
    patience: int = 0,
    augment: bool = False,
    start: Child | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> LongTraining:
    """Train a network of any kind and return it with the weights of its best epoch.

    The learning rate falls from that of the spec to 0 along half a cosine over the epochs of the spec. After every
    epoch the network is measured on the validation images. Architecture parameters, those that choose among branches,
    keep their values.

    With a checkpoint a training that was interrupted, or killed, continues after its last whole epoch. On a CPU, with
    the same number of threads, the final weights are those of an uninterrupted training bit for bit.

    Args:
        spec: the network; its `parent` is not used.
        dataset: the images; `aen.data.DataSpec.all_training` takes all that can be had.
        patience: stop after so many epochs without a better one; 0: never.
        augment: whether every training image is moved at random, in every epoch, by the network's own symmetries; see
            `aen.children.ChildSpec.symmetries`. The spec's own augmentation comes first.
        start: a network of the same shape whose weights are the initial ones; None: those of the spec's seed.
        checkpoint: the file for the state after every epoch; an existing one is continued.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: number of CPU threads.
        on_epoch: called with every epoch, and first with those of the checkpoint.

    Raises:
        SpecError: the network does not fit the data set, the epochs are not whole, it has no symmetry to augment by,
            or the loss was not finite in the first epoch.
        StoreError: the checkpoint is damaged, or belongs to another training.
        OSError: the checkpoint cannot be written.
    """
    _check(spec, dataset, patience, augment=augment)
    said = on_epoch or (lambda _: None)
    identity = {
        "spec": spec.to_json(),
        "patience": patience,
        "augment": augment,
        "start": None if start is None else start.spec.to_json(),
        "images": len(dataset.train.labels),
        "device": device.partition(":")[0],
        "threads": threads,
        "torch": torch.__version__,
    }
    with cpu_threads(threads), exact_convolutions(), torch.no_grad():
        child = build_child(spec)
        if start is not None:
            load_stored_state(child, stored_state(start))
        training = _Training(child.to(device), spec, dataset.to(device), augment=augment)
        if checkpoint is not None and checkpoint.is_file():
            training.restore(read_checkpoint(checkpoint, identity))
            for epoch in training.curve:
                said(epoch)
        while (stopped := training.stopped(patience)) is None:
            done = training.epoch()
            if done is None:
                break
            if checkpoint is not None:
                write_checkpoint(checkpoint, training.checkpoint(), identity)
            said(done)
        return training.result(stopped or "loss")


def _check(spec: ChildSpec, dataset: Dataset, patience: int, *, augment: bool) -> None:
    check_fit(spec, dataset)
    if patience < 0:
        raise SpecError(f"patience is {patience}; give a number of epochs, or 0 for no early stopping.")
    if spec.training.epochs != int(spec.training.epochs):
        raise SpecError(f"epochs is {spec.training.epochs}; give a whole number.")
    if augment and not spec.symmetries:
        raise SpecError(
            f"augment is true, but the network ({spec.name}) has no symmetry as a whole to augment by; leave it out."
        )


class _Training:
    """A training between two epochs."""

    def __init__(self, child: Child, spec: ChildSpec, data: Dataset, *, augment: bool) -> None:
        self.child, self.spec, self.data = child, spec, data
        self.curve: list[Epoch] = []
        self.best: Epoch | None = None
        self._best_state: dict[str, Tensor] = {}
        device = data.train.images.device
        own, moves = spec.augmenter(str(device)), [g.permutation(spec.grid) for g in spec.symmetries]
        by_symmetry = PermutationAugmenter(moves, len(moves[0]), spec.seed) if augment else None
        self._augmenter = chained([part for part in (own, by_symmetry) if part is not None])
        self._optimiser = weight_optimiser(child, spec.training)
        places = torch.arange(len(data.train.labels), device=device)
        self._stream = BatchStream(places, spec.training.batch_size, spec.seed)
        # Without augmentation the part of the network that has no parameters is applied once.
        self._rows = child.prepare(data.train.images)
        self._validation = child.prepare(data.validation.images)

    def stopped(self, patience: int) -> str | None:
        """Return why the training is over, or None."""
        if len(self.curve) >= self.spec.training.epochs:
            return "epochs"
        if self.best is not None and 0 < patience <= len(self.curve) - self.best.number:
            return "patience"
        return None

    def epoch(self) -> Epoch | None:
        """Train for one epoch and measure the network; None: the loss is not finite."""
        number, child, spec = len(self.curve), self.child, self.spec
        rows = self._rows_of(number)
        device = rows.device
        half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=spec.training.precision == "bfloat16")
        per_epoch = self._stream.per_epoch
        total = torch.zeros((), device=device)
        child.train()
        with weights_alone(child.architecture()), _dropout_seeded(device, spec.seed + _EPOCH * (number + 1)):
            ((_, batches),) = self._stream.epochs(number * per_epoch, per_epoch)
            for place, batch in enumerate(batches):
                rate = self._rate((number * per_epoch + place) / (per_epoch * spec.training.epochs))
                self._optimiser.zero_grad(set_to_none=True)
                with torch.enable_grad(), half:
                    loss, whole = losses(child, rows, self.data.train.labels, batch)
                whole.backward()  # type: ignore[no-untyped-call]
                self._optimiser.step()
                total.add_(loss.detach(), alpha=len(batch) / len(rows))
        if not math.isfinite(float(total)):
            return None
        recalibrate(child, rows, spec.training.batch_size)
        measured = measure_prepared(child, self._validation, self.data.validation.labels)
        if not math.isfinite(measured.loss):
            return None
        epoch = Epoch(number + 1, rate, float(total), measured.loss, measured.accuracy)
        self.curve.append(epoch)
        if epoch.better_than(self.best):
            self.best, self._best_state = epoch, _copy(stored_state(child))
        return epoch

    def _rows_of(self, number: int) -> Tensor:
        if self._augmenter is None:
            return self._rows
        return self.child.prepare(self._augmenter.epoch(self.data.train.images, number))

    def _rate(self, done: float) -> float:
        """Set the learning rate after a part of the training, and return it."""
        rate = self.spec.training.learning_rate * (1 + math.cos(math.pi * done)) / 2
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        return rate

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to continue after the last epoch."""
        self.child.train()  # in evaluation mode some layers have buffers that follow from their weights
        optimiser = state_by_name(self.child, self._optimiser)
        return Checkpoint(
            curve=[epoch.to_json() for epoch in self.curve],
            state=dict(self.child.state_dict()),
            best_state=self._best_state,
            optimiser={f"{name}/{key}": v for name, kept in optimiser.items() for key, v in kept.items()},
        )

    def restore(self, found: Checkpoint) -> None:
        """Continue from a checkpoint."""
        self.child.train()
        self.child.load_state_dict(found.state)
        kept: dict[str, dict[str, Tensor]] = {}
        for path, value in found.optimiser.items():
            name, _, key = path.rpartition("/")
            kept.setdefault(name, {})[key] = value
        restore_state(self.child, kept, self._optimiser)
        self.curve = [Epoch(**epoch) for epoch in found.curve]
        self._best_state = dict(found.best_state)
        for epoch in self.curve:
            self.best = epoch if epoch.better_than(self.best) else self.best

    def result(self, stopped: str) -> LongTraining:
        """Return the network of the best epoch."""
        if self.best is None:
            rate = self.spec.training.learning_rate
            raise SpecError(f"learning_rate is {rate:g}: the loss is not finite in the first epoch; use a smaller one.")
        child = build_child(self.spec)
        load_stored_state(child, {name: value.cpu() for name, value in self._best_state.items()})
        return LongTraining(child.eval(), tuple(self.curve), self.best, stopped)


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


@contextmanager
def _dropout_seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed dropout's random numbers inside the block; the global random state is as before afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_dropout(device, seed % 2**63)
        yield
