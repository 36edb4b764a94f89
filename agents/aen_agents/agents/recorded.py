"""Compares the two records of a run, its history and its store: children of the history that the store lacks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.results.search_result import SearchResult
from aen.results.store import ResultStore
from aen.results.verdict import ClassVerdict
from aen.spaces import Space
from aen_agents.agents.selection import final_child
from aen_agents.config import SearchConfig
from aen_agents.text import counted


@dataclass(frozen=True)
class LostChildren:
    """Children that a run has recorded and whose results are not in its store.

    Attributes:
        specs: those that are known from the record.
        keys: the keys of all; some records have the keys alone.
    """

    specs: tuple[ChildSpec, ...]
    keys: tuple[str, ...]

    def __str__(self) -> str:
        verb = "is" if len(self.keys) == 1 else "are"
        return f"{counted(len(self.keys), 'child', 'children')} of the history {verb}"


def lost_children(
    config: SearchConfig,
    space: Space,
    store: ResultStore,
    history: Sequence[JsonDict],
    result: SearchResult | None = None,
) -> LostChildren:
    """Return the children that the history and the selection stage of a run have, and its store has not.

    Args:
        config: the search.
        space: of its children.
        store: of its results.
        history: the lines of its history.
        result: of the run, if it is complete.
    """
    selected = () if result is None else _selected(config, space, result)
    specs = {spec.key: spec for spec in (*_of_history(space, history), *selected)}
    # The specs of layer-wise methods inherit weights from each other; only their keys are recorded.
    keys = [*specs, *{line["key"] for line in history if "method" in line}]
    stored = store.get_many(keys)
    lost = tuple(key for key in keys if key not in stored)
    return LostChildren(tuple(specs[key] for key in lost if key in specs), lost)


def _of_history(space: Space, history: Sequence[JsonDict]) -> Iterator[ChildSpec]:
    visited = {(line["class_key"], line.get("seed")) for line in history if "method" not in line}
    by_key = {c.key: c for c in space.classes} if visited else {}
    for key, seed in sorted(visited, key=str):
        if key in by_key:
            spec = space.spec(by_key[key])
            yield spec if seed is None else spec.with_seed(seed)


def _selected(config: SearchConfig, space: Space, result: SearchResult) -> Iterator[ChildSpec]:
    if not isinstance(result.verdict, ClassVerdict):
        return
    by_key = {c.key: c for c in space.classes}
    for row in result.verdict.selection:
        if not row.rival and row.class_key in by_key:
            child = final_child(config, space.spec(by_key[row.class_key]))
            yield from (child.with_seed(seed) for seed in result.selection_seeds)
