"""Compares searches: their verdicts, and the paired differences between their winners on the same seeds."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from aen._reading import MALFORMED, MAX_SMALL, read_text
from aen._typing import JsonDict
from aen.errors import AenError
from aen.statistics import Estimate, Family, paired_difference
from aen_agents.config.yaml_file import parse_yaml
from aen_service.reading.run import RunReader, stamp_of

_FEWEST = 2  # seeds


@dataclass(frozen=True)
class Winner:
    """The winner of a complete search.

    Attributes:
        search: identifier of the search.
        row: its row of the summary, without its spec.
        by_seed: validation accuracy on each fresh seed.
        data: the data of the search, as its config has it.
        kind: of the verdict.
        text: the verdict in words.
    """

    search: str
    row: JsonDict
    by_seed: dict[int, float]
    data: object
    kind: str
    text: str


@dataclass(frozen=True)
class Compared:
    """The difference of two winners, ``a`` minus ``b``, on the validation images.

    Attributes:
        a: identifier of a search.
        b: identifier of another one.
        estimate: mean and 95 % interval; None: they cannot be compared.
        seeds: how many seeds both have.
        note: why they cannot be compared; or what the interval is.
    """

    a: str
    b: str
    estimate: Estimate | None
    seeds: int
    note: str


def winner_of(search: str, reader: RunReader) -> Winner | None:
    """Return the winner of a search; None: there is none yet, or its summary is damaged."""
    stamp = stamp_of(reader.folder / "summary.json")
    if reader.memo.get("winner", (None,))[0] != stamp or stamp is None:
        reader.memo["winner"] = stamp, _read_winner(search, reader)
    found: Winner | None = reader.memo["winner"][1]
    return found


def _read_winner(search: str, reader: RunReader) -> Winner | None:
    with suppress(AenError, *MALFORMED):
        summary = reader.summary()
        if summary is None or summary["status"] != "complete":
            return None
        row = {name: value for name, value in summary["winner"].items() if name != "spec"}
        seeds = row.get("seeds") or summary["selection_seeds"]
        by_seed = dict(zip(map(int, seeds), map(float, row["validation_accuracies"]), strict=True))
        verdict = summary.get("verdict") or {}
        data = parse_yaml(read_text(reader.folder / "config.yaml", MAX_SMALL))["data"]
        return Winner(search, row, by_seed, data, str(verdict.get("kind", "")), str(verdict.get("text", "")))
    return None


def differences(winners: Sequence[Winner]) -> list[Compared]:
    """Compare all pairs of winners.

    Those of the same data and seeds are one family, whose intervals are simultaneous over all pairs. Others are
    compared by Student's t intervals on the seeds that they have in common.
    """
    families: dict[tuple[str, tuple[int, ...]], list[Winner]] = {}
    for winner in winners:
        families.setdefault((repr(winner.data), tuple(winner.by_seed)), []).append(winner)
    found: dict[tuple[str, str], Compared] = {}
    for (_, seeds), members in families.items():
        if len(members) > 1 and len(seeds) >= _FEWEST:
            family = _family(tuple(tuple(member.by_seed[seed] for seed in seeds) for member in members))
            for (i, a), (j, b) in combinations(enumerate(members), 2):
                note = "simultaneous over all pairs of these searches" if len(members) > 2 else ""  # noqa: PLR2004
                estimate = family.difference(i, j).estimate
                found[a.search, b.search] = Compared(a.search, b.search, estimate, len(seeds), note)
    return [found.get((a.search, b.search)) or _paired(a, b) for a, b in combinations(winners, 2)]


@lru_cache(maxsize=64)
def _family(accuracies: tuple[tuple[float, ...], ...]) -> Family:
    return Family(np.array(accuracies), None, None)


def _paired(a: Winner, b: Winner) -> Compared:
    common = [seed for seed in a.by_seed if seed in b.by_seed]
    if a.data != b.data:
        return Compared(a.search, b.search, None, 0, "other data, so that accuracies cannot be compared")
    if len(common) < _FEWEST:
        why = f"{len(common)} common seeds; two are needed (the same seed and selection.seeds)"
        return Compared(a.search, b.search, None, len(common), why)
    estimate = paired_difference([a.by_seed[s] for s in common], [b.by_seed[s] for s in common])
    estimate = Estimate(estimate.mean, max(estimate.low, -1.0), min(estimate.high, 1.0))
    if not math.isfinite(estimate.mean):
        return Compared(a.search, b.search, None, len(common), "accuracies are not known")
    return Compared(a.search, b.search, estimate, len(common), "")
