"""Computes the differences of winners, for which SciPy is imported; the function runs in a helper."""

from collections.abc import Sequence

from aen._typing import JsonDict
from aen_service.reading.compare import Winner, differences


def question_of(winners: Sequence[Winner]) -> JsonDict:
    """Return the arguments of `compare`."""
    kept = [{"search": each.search, "by_seed": list(each.by_seed.items()), "data": each.data} for each in winners]
    return {"winners": kept}


def compare(winners: list[JsonDict]) -> JsonDict:
    """Return the differences of all pairs of winners; see `aen_service.reading.compare.differences`."""
    known = [Winner(each["search"], {}, dict(each["by_seed"]), each["data"], "", "") for each in winners]
    items = [
        {
            "a": each.a,
            "b": each.b,
            "interval": each.estimate and [each.estimate.mean, each.estimate.low, each.estimate.high],
            "seeds": each.seeds,
            "note": each.note,
        }
        for each in differences(known)
    ]
    return {"items": items}
