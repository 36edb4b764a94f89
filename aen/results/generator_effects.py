"""Effect of each generator on the accuracies that exploring saw, with simultaneous intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from aen._typing import JsonDict
from aen.results.factor_effects import FactorAnalysis, analyse_factors
from aen.statistics import CONFIDENCE, Estimate


@dataclass(frozen=True)
class GeneratorEffect:
    """What a generator, or another choice, adds to the accuracy of the networks that have it, all else equal.

    Attributes:
        name: of the generator or choice, such as ``hflip`` or ``group D4``.
        networks: how many networks had it.
        effect: with an interval that holds for all effects at once (Sidak).
    """

    name: str
    networks: int
    effect: Estimate

    @property
    def helps(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.effect.low > 0

    @property
    def hurts(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.effect.high < 0

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return {
            "name": self.name,
            "networks": self.networks,
            "effect": self.effect.mean,
            "interval": list(self.effect.interval),
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        return cls(value["name"], value["networks"], Estimate(value["effect"], *value["interval"]))


def effects_of_sets(
    names: Sequence[str], sets: Mapping[str, int], accuracies: Mapping[str, float]
) -> tuple[GeneratorEffect, ...]:
    """Return the effects of generators, by an additive model of the accuracies.

    Args:
        names: of the generators.
        sets: of each class, the generators that keep its orbits, as a bit mask.
        accuracies: of each class met.
    """
    levels = [
        {name: "yes" if sets[key] >> place & 1 else "no" for place, name in enumerate(names)} for key in accuracies
    ]
    analysis = analyse_factors(levels, list(accuracies.values()), dict.fromkeys(names, "no"), seed=0, shares=False)
    return effects_of_analysis(analysis)


def effects_of_analysis(analysis: FactorAnalysis) -> tuple[GeneratorEffect, ...]:
    """Return the effects that an analysis can tell apart, with simultaneous intervals; none without a residual."""
    from scipy.stats import t  # scipy.stats takes half a second to import

    known = [(e, e.effect) for e in analysis.effects if e.effect is not None]
    free = analysis.degrees_of_freedom
    if not known or not free:
        return ()
    alone = float(t.ppf((1 + CONFIDENCE) / 2, free))
    together = float(t.ppf((1 + CONFIDENCE ** (1 / len(known))) / 2, free))
    found = []
    for effect, estimate in known:
        half = (estimate.high - estimate.mean) * together / alone
        name = effect.factor if effect.level == "yes" else f"{effect.factor} {effect.level}"
        found.append(
            GeneratorEffect(name, effect.children, Estimate(estimate.mean, estimate.mean - half, estimate.mean + half))
        )
    return tuple(found)
