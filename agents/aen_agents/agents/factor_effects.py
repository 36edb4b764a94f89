"""How much each factor of a space explains of the accuracies that exploring saw."""

from collections.abc import Mapping

from aen.results.factor_effects import FactorAnalysis, analyse_factors
from aen.results.generator_effects import GeneratorEffect, effects_of_analysis, effects_of_sets
from aen.spaces import Space

_FEWEST = 3  # fewer children have too few differences to analyse


def factors_of(space: Space, accuracies: Mapping[str, float], *, seed: int) -> FactorAnalysis | None:
    """Return the analysis of a search's factors; None for a space without named factors, or of too few children.

    Args:
        space: the space that was explored.
        accuracies: validation accuracy of each class met, by key.
        seed: of the bootstrap.
    """
    reference = space.factors(space.spec(space.baseline))
    if not reference or len(accuracies) < _FEWEST:
        return None
    by_key = {c.key: c for c in space.classes}
    levels = [space.factors(space.spec(by_key[key])) for key in accuracies]
    return analyse_factors(levels, list(accuracies.values()), reference, seed=seed)


def generator_effects_of(
    space: Space, accuracies: Mapping[str, float], factors: FactorAnalysis | None
) -> tuple[GeneratorEffect, ...]:
    """Return the effect of each generator or choice, with simultaneous intervals; none where they are not known.

    Args:
        space: the space that was explored.
        accuracies: validation accuracy of each class met, by key.
        factors: the analysis of the space's factors, if it has any.
    """
    if factors is not None:
        return effects_of_analysis(factors)
    sets = space.closed_sets()
    if not sets or len(accuracies) < _FEWEST:
        return ()
    return effects_of_sets(space.labels(space.baseline.representative), sets, accuracies)
