"""Queries on the history of layer-wise methods: lines of ancestors, the Pareto front, leading candidates."""

from collections.abc import Iterable, Sequence

from aen._typing import JsonDict


def ancestors(history: Iterable[JsonDict], key: str) -> list[JsonDict]:
    """Return the ancestors of an evaluation, the first one first, then itself; empty if it is not in the history."""
    known = {entry["key"]: entry for entry in history}
    line: list[JsonDict] = []
    entry = known.pop(key, None)  # taken out, so that a circle in a damaged history ends
    while entry is not None:
        line.append(entry)
        entry = known.pop(entry["parent"], None)
    return line[::-1]


def front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the Pareto front of points, in order: those that no other beats, where smaller coordinates are better."""
    found: list[tuple[float, float]] = []
    for point in sorted(set(points)):
        if not found or point[1] < found[-1][1]:
            found.append(point)
    return found


def of_method(history: Iterable[JsonDict], method: str) -> list[JsonDict]:
    """Return the entries of a method, of all seeds."""
    return [entry for entry in history if entry["method"] == method]


def is_evolutionary(entries: Iterable[JsonDict]) -> bool:
    """Return whether a method chooses among candidates: a slice has several, or dropped one that did not diverge."""
    alone: dict[tuple[int, int], str] = {}
    return any(
        alone.setdefault((entry["seed"], entry["slice"]), entry["key"]) != entry["key"]
        or not (entry["selected"] or diverged(entry))
        for entry in entries
    )


def last_selected(entries: Sequence[JsonDict]) -> list[JsonDict]:
    """Return the candidates selected in the last generation of each seed that has one."""
    chosen = [entry for entry in entries if entry["selected"]]
    last: dict[int, int] = {}
    for entry in chosen:
        last[entry["seed"]] = max(entry["slice"], last.get(entry["seed"], 0))
    return [entry for entry in chosen if entry["slice"] == last[entry["seed"]]]


def leading(entries: Sequence[JsonDict]) -> JsonDict:
    """Return the leading entry of an unfinished seed: the best selected candidate so far, or the last slice."""
    if not is_evolutionary(entries):
        return entries[-1]
    chosen = [entry for entry in entries if entry["selected"]] or entries
    return max(reversed(chosen), key=lambda entry: entry["accuracy"])  # the latest of equals


def shares_of(entry: JsonDict) -> list[list[float]]:
    """Return the branches' shares in each layer of a mixed child; empty for any other and where it diverged."""
    shares: list[list[float]] = (entry["record"] or {}).get("shares", [])
    return shares


def distances_of(entry: JsonDict) -> list[float]:
    """Return each layer's distance to the largest group; empty where the child diverged."""
    distances: list[float] = (entry["record"] or {}).get("distance_to_base", [])
    return distances


def diverged(entry: JsonDict) -> bool:
    """Return whether the child diverged; its accuracy is meaningless then."""
    return entry["record"] is None
