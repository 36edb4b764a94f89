"""Units of work: children that are trained together, and how many units make a call worth its cost."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from aen.children.spec import ChildSpec

# A call costs a millisecond or two here and there; so much training makes that small.
WORTH_A_CALL = 0.2
MOST_UNITS = 64
# Units of which a call takes longer than this are not sent ahead: a worker that waits for the next loses little.
SENT_AHEAD_BELOW = 0.4
_SMOOTHING = 0.1
MOST_PARTS = 8


@dataclass(eq=False)
class Unit:
    """Children that are trained together.

    Attributes:
        specs: by key.
        data: key of their data set.
        size: the population is filled up to it; 1: a child alone.
        keep_weights: whether weights are wanted.
        parts: in how many parts a batch of images goes through the network.
        tries: how often it was tried in vain.
        strikes: of these, how often a worker died of it or it raised an error while it was alone, of size 1.
        alone: whether it goes without others in a call, since one of them was at fault.
        shunned: the worker that failed last; another one is better.
    """

    specs: dict[str, ChildSpec]
    data: str
    size: int = 1
    keep_weights: bool = False
    parts: int = 1
    tries: int = 0
    strikes: int = 0
    alone: bool = False
    shunned: int | None = None
    texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.texts:
            self.texts = {key: json.dumps(spec.to_json()) for key, spec in self.specs.items()}

    def again(self, **changes: object) -> "Unit":
        """Return the unit for another try."""
        return replace(self, tries=self.tries + 1, alone=True, **changes)  # type: ignore[arg-type]

    def smaller(self) -> "list[Unit]":
        """Return what takes less memory: half the population, then a batch in more parts; nothing if that is all."""
        if self.size > 1:
            return self.cut(self.size // 2)
        return [self.again(parts=2 * self.parts)] if self.parts < MOST_PARTS else []

    def cut(self, size: int) -> "list[Unit]":
        """Return populations of another size with the same children."""
        keys = list(self.specs)
        cuts = [keys[start : start + size] for start in range(0, len(keys), size)]
        return [
            self.again(
                specs={key: self.specs[key] for key in cut}, texts={key: self.texts[key] for key in cut}, size=size
            )
            for cut in cuts
        ]


def cut_units(specs: Sequence[tuple[str, ChildSpec]], *, population: int, keep_weights: bool) -> Iterator[Unit]:
    """Cut specs that go together, in their order, into populations.

    Args:
        specs: key and spec.
        population: children side by side, of a kind that can be.
        keep_weights: whether weights are wanted.
    """
    together: dict[ChildSpec, list[tuple[str, ChildSpec]]] = {}
    for key, spec in specs:
        shared = spec.population_key if population > 1 else None
        together.setdefault(shared or spec, []).append((key, spec))
    for shared, group in together.items():
        size = population if population > 1 and shared.population_key is not None else 1
        data = json.dumps(shared.data.to_json(), sort_keys=True)
        for start in range(0, len(group), size):
            yield Unit(dict(group[start : start + size]), data, size=size, keep_weights=keep_weights)


class Pace:
    """How long units take, and so how many go into a call."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def took(self, seconds: float) -> None:
        """Note how long a unit took."""
        before = self._seconds
        self._seconds = seconds if before is None else before + _SMOOTHING * (seconds - before)

    @property
    def units(self) -> int:
        """How many units a call should have; one, as long as nothing is known."""
        if self._seconds is None:
            return 1
        return max(1, min(MOST_UNITS, math.ceil(WORTH_A_CALL / max(self._seconds, 1e-9))))

    @property
    def ahead(self) -> int:
        """How many calls a worker should have at a time: where they are short, the next waits there already."""
        return 2 if self._seconds is not None and self.units * self._seconds < SENT_AHEAD_BELOW else 1
