"""Table: the results of every class of a space on several seeds, after each epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.bench.definition import TableDefinition
from aen.errors import TableError, did_you_mean
from aen.symmetry.result import SymmetryTest

FloatArray = npt.NDArray[np.float64]
Noise = Literal["seed", "mean"]
WITHIN = 0.005  # a class whose mean accuracy is at most so much below the best class's is as good as the best


@dataclass(frozen=True)
class Entry:
    """The results of one child, or their means over the seeds; none of test images.

    Attributes:
        class_key: the canonical class.
        seed: of the child; None: these are means over all seeds.
        epoch: after which they were measured.
        train_loss: mean cross-entropy on the training images.
        train_accuracy: in [0, 1].
        validation_loss: mean cross-entropy on the validation images.
        validation_accuracy: in [0, 1].
        parameters: number of free parameters.
        seconds: the processor's time that training up to this epoch took when the table was built, or the time on a
            GPU.
    """

    class_key: str
    seed: int | None
    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    parameters: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Table:
    """The results of a table; arrays have the shape ``[classes, seeds, epochs]``.

    Attributes:
        definition: which children it has; the order of its classes and seeds is that of the arrays.
        epochs: after which the children were measured, ascending; the last one is the whole training.
        results: `train_loss`, `train_accuracy`, `validation_loss`, `validation_accuracy` and `seconds` by name. The
            accuracies of a child that diverged are 0.
        parameters: number of free parameters of each class, shape ``[classes]``.
        provenance: with what it was built: versions, machine, date.
        symmetry: the symmetry test of the training images for the factors on offer, which needs no training; None: the
            space names no factors.
    """

    definition: TableDefinition
    epochs: tuple[int, ...]
    results: dict[str, FloatArray]
    parameters: npt.NDArray[np.int64]
    provenance: JsonDict
    symmetry: SymmetryTest | None = None

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.definition.name

    @property
    def accuracy(self) -> FloatArray:
        """The validation accuracies after the last epoch, shape ``[classes, seeds]``."""
        return self.results["validation_accuracy"][:, :, -1]

    @cached_property
    def place_of_class(self) -> dict[str, int]:
        """The place of each class in the arrays, by its key."""
        return {c.key: place for place, c in enumerate(self.definition.classes)}

    @cached_property
    def regret(self) -> FloatArray:
        """How far the mean accuracy of each class over the seeds is below the best class's, shape ``[classes]``."""
        means = self.accuracy.mean(axis=1)
        regret: FloatArray = means.max() - means
        return regret

    def place_of(self, state: Sequence[int]) -> int:
        """Return the place of a state's class in the arrays.

        Raises:
            TableError: the state has the wrong length or values, or its class is not in the table.
        """
        sizes = self.definition.space.sizes
        if len(state) != len(sizes) or not all(0 <= v < size for v, size in zip(state, sizes, strict=True)):
            raise TableError(
                f"state is {list(state)}; table {self.name} needs {len(sizes)} values, each below {list(sizes)}."
            )
        key = self.definition.space.child_at(tuple(int(v) for v in state)).class_key
        place = self.place_of_class.get(key)
        if place is None:
            raise TableError(f"table {self.name} has no entry for state {list(state)} (class {key}).")
        return place

    @property
    def hidden(self) -> tuple[str, ...]:
        """The generators by which the images were moved: those of the hidden group."""
        return self.definition.hidden

    def query(
        self, state: Sequence[int], *, seed: int | None = None, epoch: int | None = None, noise: Noise | None = None
    ) -> Entry:
        """Return the results of the child of a state.

        Args:
            state: a choice for each place of the space, such as a bit for each factor.
            seed: of the child; None: the means over all seeds.
            epoch: after which it was measured; None: the last one.
            noise: ``seed``: the result of one child, whose seed must be given; ``mean``: the means over all seeds.
                None: as `seed` says.

        Raises:
            TableError: the state, the seed or the epoch is not in the table, or seed and noise do not go together.
        """
        if noise is not None and noise not in get_args(Noise):
            raise TableError(f"unknown noise {noise!r}{did_you_mean(str(noise), get_args(Noise))}.")
        if noise is not None and (noise == "seed") is (seed is None):
            seeds = ", ".join(map(str, self.definition.seeds))
            raise TableError(
                f"noise is {noise!r} and seed is {seed}; give a seed ({seeds}) for one child, none for the mean."
            )
        return self.entry(self.place_of(state), seed=seed, epoch=epoch)

    def entry(self, place: int, *, seed: int | None = None, epoch: int | None = None) -> Entry:
        """Return the results of the class at a place of the arrays; see `query`."""
        at_seed = slice(None) if seed is None else self._index("seed", seed, self.definition.seeds)
        at_epoch = -1 if epoch is None else self._index("epoch", epoch, self.epochs)
        figures = {name: float(np.mean(values[place, at_seed, at_epoch])) for name, values in self.results.items()}
        return Entry(
            class_key=self.definition.classes[place].key,
            seed=seed,
            epoch=self.epochs[at_epoch],
            parameters=int(self.parameters[place]),
            **figures,
        )

    def _index(self, name: str, value: int, known: tuple[int, ...]) -> int:
        if value not in known:
            raise TableError(f"{name} is {value!r}; table {self.name} has {', '.join(map(str, known))}.")
        return known.index(value)
