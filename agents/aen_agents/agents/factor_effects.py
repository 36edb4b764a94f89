"""How much each factor of a space explains of what exploring saw: the summary's ``factors``."""

from collections.abc import Mapping

from aen._typing import JsonDict
from aen.results.factor_effects import analyse_factors
from aen.spaces import Space

_FEWEST = 3  # children of whose differences anything can be said


def factors_of(space: Space, accuracies: Mapping[str, float], *, seed: int) -> JsonDict:
    """Return the summary's part on factors; nothing for a space whose factors have no names, or of too few children.

    Args:
        space: that was explored.
        accuracies: of the classes met, by key.
        seed: of the bootstrap.
    """
    reference = space.factors(space.spec(space.baseline))
    if not reference or len(accuracies) < _FEWEST:
        return {}
    by_key = {c.key: c for c in space.classes}
    levels = [space.factors(space.spec(by_key[key])) for key in accuracies]
    return {"factors": analyse_factors(levels, list(accuracies.values()), reference, seed=seed).to_json()}
