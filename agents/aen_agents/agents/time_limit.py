"""TimeLimit: the wall-clock budget of a search (`budget.minutes`), shared between exploring and the selection stage."""

from collections.abc import Callable
from typing import Self

from aen_agents.config import SearchConfig, SelectionConfig

OUT_OF_TIME = "the time is used up"
# An untied child takes about so many times as long as the mean child of exploring, whose weights are mostly tied.
_UNTIED = 2.0
# Such children of each seed: no symmetry, and its rival, no symmetry with augmentation.
_COMPARED = 2
# Estimates are multiplied by this: children do not all take as long.
_SAFETY = 1.2
# The selection stage may take at most this part of the time left when exploring begins. Its intervals decide the
# verdict, and with two or three seeds they are wide; exploring finds the best classes early.
_LARGEST_SELECTION = 0.65
# This part of all time is left for comparisons and the report.
_FINISHING = 0.03
# The smallest selection stage: the interval of a difference needs two seeds.
_FEWEST_SEEDS = 2


class TimeLimit:
    """Says when exploring has to end so that the selection stage still fits, and how large that stage can be.

    Without `budget.minutes` exploring is never ended and the selection stage is as the config says.

    Args:
        minutes: `budget.minutes`; None: no limit.
        selection: the selection stage as the config says it.
        seconds: returns the seconds of the run so far, over all its starts.
        trained: returns the number of children that this start has trained.
        scale: how many times as long a child of the selection stage is trained as one of exploring.

    Attributes:
        selection: the selection stage as it fits.
    """

    def __init__(
        self,
        minutes: float | None,
        selection: SelectionConfig,
        *,
        seconds: Callable[[], float],
        trained: Callable[[], int],
        scale: float = 1.0,
    ) -> None:
        self.selection = selection
        self._total = None if minutes is None else 60.0 * minutes
        self._seconds, self._trained, self._scale = seconds, trained, scale
        self._begun: tuple[float, int] | None = None

    @classmethod
    def of(cls, config: SearchConfig, *, seconds: Callable[[], float], trained: Callable[[], int]) -> Self:
        """Return the limit of a search."""
        selection, epochs, train = config.selection, config.training.epochs, config.data.train
        scale = (selection.epochs or epochs) / epochs
        if selection.train is not None and train:
            scale *= selection.train / train
        return cls(config.budget.minutes, selection, seconds=seconds, trained=trained, scale=scale)

    @classmethod
    def none(cls) -> Self:
        """Return no limit."""
        return cls(None, SelectionConfig(), seconds=lambda: 0.0, trained=lambda: 0)

    def begin(self) -> None:
        """Note that exploring begins: the speed is measured from now on."""
        self._begun = self._seconds(), self._trained()

    @property
    def seconds_per_child(self) -> float | None:
        """Seconds of exploring for each child that was trained; None: none was yet."""
        if self._begun is None or self._trained() <= self._begun[1]:
            return None
        return (self._seconds() - self._begun[0]) / (self._trained() - self._begun[1])

    def reached(self, share: float = 1.0) -> bool:
        """Return whether exploring has to end.

        Args:
            share: of the time of exploring; True is returned after this part of it.
        """
        if self._total is None:
            return False
        begun = 0.0 if self._begun is None else self._begun[0]
        return self._seconds() >= begun + share * max(self._end_of_exploring() - begun, 0.0)

    def children_left(self) -> int | None:
        """Return about how many children can still be explored; None: no limit, or the speed is not known yet."""
        each = self.seconds_per_child
        if self._total is None or each is None:
            return None
        return max(int((self._end_of_exploring() - self._seconds()) / each), 0)

    def fit_selection(self) -> str | None:
        """Make the selection stage as large as the time left allows, fewer classes before fewer seeds.

        Returns:
            What was changed, for the user; None: nothing.
        """
        wanted, each = self.selection, self.seconds_per_child
        if self._total is None or each is None:
            return None
        left = (1 - _FINISHING) * self._total - self._seconds()
        sizes = [(top, wanted.seeds) for top in range(wanted.top, min(wanted.top, 2) - 1, -1)]
        sizes += [(sizes[-1][0], seeds) for seeds in range(wanted.seeds - 1, _FEWEST_SEEDS - 1, -1)]
        sizes += [(1, min(wanted.seeds, _FEWEST_SEEDS))]
        top, seeds = next((size for size in sizes if self._selection_seconds(*size, each) <= left), sizes[-1])
        if (top, seeds) == (wanted.top, wanted.seeds):
            return None
        self.selection = wanted.model_copy(update={"top": top, "seeds": seeds})
        return (
            f"the selection stage trains the best {top} of exploring on {seeds} seeds each, not {wanted.top} on "
            f"{wanted.seeds} (selection.top, selection.seeds): no more fits into budget.minutes={self._total / 60:g}"
        )

    def _end_of_exploring(self) -> float:
        """Return at which second exploring ends."""
        begun = 0.0 if self._begun is None else self._begun[0]
        end = (1 - _FINISHING) * (self._total or 0.0)
        each, size = self.seconds_per_child, self.selection
        most = _LARGEST_SELECTION * max(end - begun, 0.0)
        return end - (most if each is None else min(self._selection_seconds(size.top, size.seeds, each), most))

    def _selection_seconds(self, top: int, seeds: int, each: float) -> float:
        return _SAFETY * self._scale * each * seeds * (top + _UNTIED * _COMPARED)
