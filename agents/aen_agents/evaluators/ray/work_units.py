"""Work units: children that are trained together, and the number of units that one call should have."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from aen.children.spec import ChildSpec

# Target duration of a call in seconds: a call costs one or two milliseconds, which is small against this.
CALL_SECONDS = 0.2
MOST_UNITS = 64
# A worker gets a second call ahead only if calls are shorter than this: idling between long ones costs little.
AHEAD_BELOW_SECONDS = 0.4
_SMOOTHING = 0.1
MOST_MICRO_BATCHES = 8


@dataclass(eq=False)
class WorkUnit:
    """Children that are trained together.

    Attributes:
        specs: by key.
        data: key of their data set.
        size: size of the population, to which fewer children are padded; 1: a child alone.
        keep_weights: whether weights are to be kept.
        micro_batches: number of parts in which a batch of images goes through the network.
        tries: number of failed tries.
        strikes: of these, the number in which its worker died or it raised an error while it was alone, with size 1.
        alone: whether it is sent in a call without others, after a fault.
        shunned: number of the worker on which it failed last; others are preferred.
        texts: specs as JSON, by key.
    """

    specs: dict[str, ChildSpec]
    data: str
    size: int = 1
    keep_weights: bool = False
    micro_batches: int = 1
    tries: int = 0
    strikes: int = 0
    alone: bool = False
    shunned: int | None = None
    texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.texts:
            self.texts = {key: json.dumps(spec.to_json()) for key, spec in self.specs.items()}

    def again(self, **changes: object) -> "WorkUnit":
        """Return the unit for another try."""
        return replace(self, tries=self.tries + 1, alone=True, **changes)  # type: ignore[arg-type]

    def smaller(self) -> "list[WorkUnit]":
        """Return units that need less memory: half the population, then more micro-batches; empty at the limit."""
        if self.size > 1:
            return self.cut(self.size // 2)
        if self.micro_batches < MOST_MICRO_BATCHES:
            return [self.again(micro_batches=2 * self.micro_batches)]
        return []

    def cut(self, size: int) -> "list[WorkUnit]":
        """Return units of another population size with the same children."""
        keys = list(self.specs)
        cuts = [keys[start : start + size] for start in range(0, len(keys), size)]
        return [
            self.again(
                specs={key: self.specs[key] for key in cut}, texts={key: self.texts[key] for key in cut}, size=size
            )
            for cut in cuts
        ]


def cut_units(specs: Sequence[tuple[str, ChildSpec]], *, population: int, keep_weights: bool) -> Iterator[WorkUnit]:
    """Group specs that can be trained side by side into populations, keeping their order.

    Args:
        specs: key and spec.
        population: children side by side, where their kind allows it.
        keep_weights: whether weights are to be kept.
    """
    together: dict[ChildSpec, list[tuple[str, ChildSpec]]] = {}
    for key, spec in specs:
        shared = spec.population_key if population > 1 else None
        together.setdefault(shared or spec, []).append((key, spec))
    for shared, group in together.items():
        size = population if population > 1 and shared.population_key is not None else 1
        data = json.dumps(shared.data.to_json(), sort_keys=True)
        for start in range(0, len(group), size):
            yield WorkUnit(dict(group[start : start + size]), data, size=size, keep_weights=keep_weights)


class ThroughputEstimator:
    """Estimates the duration of a unit by an exponential moving average, and from it the size of calls."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def add(self, seconds: float) -> None:
        """Add the duration of a unit."""
        before = self._seconds
        self._seconds = seconds if before is None else before + _SMOOTHING * (seconds - before)

    @property
    def units(self) -> int:
        """Number of units that a call should have; 1 as long as no duration is known."""
        if self._seconds is None:
            return 1
        return max(1, min(MOST_UNITS, math.ceil(CALL_SECONDS / max(self._seconds, 1e-9))))

    @property
    def calls(self) -> int:
        """Number of calls that a worker should have at a time: 2 if calls are short, else 1."""
        return 2 if self._seconds is not None and self.units * self._seconds < AHEAD_BELOW_SECONDS else 1
