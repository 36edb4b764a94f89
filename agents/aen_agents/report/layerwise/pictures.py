"""The pictures of layer-wise methods: which ones a run has enough data for so far, with their titles and texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aen._typing import JsonDict
from aen.results.result_rows import MethodRow
from aen_agents.report.layerwise import error_figures, figures, tables
from aen_agents.report.layerwise.history import (
    ancestors,
    distances_of,
    diverged,
    is_evolutionary,
    leading,
    of_method,
    shares_of,
)
from aen_agents.report.picture import Picture, Table

_UNFINISHED_SEARCH = " The search is not finished: this is the line of the best candidate selected so far."
_UNFINISHED = " A method that is not finished is shown up to its last slice."


@dataclass(frozen=True)
class _Followed:
    """A method as its pictures need it.

    Attributes:
        method: its name.
        title: its name for display.
        entries: its history, of all seeds.
        key: key of the network that is drawn, of its first seed.
        finished: whether that is the final network of the seed.
    """

    method: str
    title: str
    entries: list[JsonDict]
    key: str
    finished: bool

    @property
    def line(self) -> list[JsonDict]:
        """The slices of training that led to the network."""
        return ancestors(self.entries, self.key)


def layerwise_pictures(
    history: Sequence[JsonDict], methods: Sequence[MethodRow], branches_of: Callable[[str], Sequence[str]]
) -> list[Picture]:
    """Return title, text and SVG of every picture that can be drawn.

    Args:
        history: all entries, in the order in which they happened.
        methods: rows of the result; none for a run that is not finished.
        branches_of: returns the groups of the branches of a network's mixed layers in their order, without the skip,
            from the key of its evaluation.
    """
    followed = _followed(history, methods)
    final_keys = {f.title: f.key for f in followed}
    unfinished = "" if all(f.finished for f in followed) else _UNFINISHED
    pictures = []

    def add(title: str, text: str, draw: Callable[[float], str], table: Table) -> None:
        pictures.append(Picture.drawn(title, text, draw, table))

    if methods:
        add(
            "Accuracy by method",
            "Mean over the seeds of each method, with its 95 % interval if there are several: open circles on "
            "validation images, filled ones on test images. The validation accuracy of a method that chooses by it is "
            "overestimated.",
            partial(figures.accuracy_by_method, methods),
            tables.accuracy_by_method(methods),
        )
        if any(len(row.seeds) > 1 for row in methods):
            add(
                "Test errors over the seeds",
                "Each method's final networks: the box reaches from the first to the third quartile, the line in it is "
                "the median, dots are seeds. The test images were read once for each network.",
                partial(error_figures.errors_by_method, methods),
                tables.errors_over_seeds(methods),
            )
        add(
            "Test error against parameters",
            "The final network of each method and seed, measured on the test images once.",
            partial(error_figures.errors_against_parameters, methods),
            tables.errors_over_seeds(methods),
        )
    if followed:
        add(
            "Accuracy over training",
            "Validation accuracy of each method's final network, for its first seed, and of the networks from which it "
            "inherited its weights." + unfinished,
            partial(figures.accuracy_over_training, history, final_keys),
            tables.accuracy_over_training(history, final_keys),
        )
    for method in followed:
        line, seed = method.line, method.line[-1]["seed"]
        searched = is_evolutionary(method.entries)
        if searched or len({tuple(entry["groups"]) for entry in line}) > 1:
            add(
                f"Groups of the layers: {method.title}",
                "Each row is a layer and each column a slice of the training that led to the network of seed "
                f"{seed}. A colour is a group." + _so_far(method, searched=searched),
                partial(figures.groups_over_generations, method.entries, method.key),
                tables.groups_over_slices(method.entries, method.key),
            )
        if searched and not all(diverged(entry) for entry in method.entries):
            add(
                f"Candidates of the search: {method.title}",
                "Each dot is a candidate after a slice of training, of any generation and seed; those that diverged "
                "are left out. No candidate is better than those on the line in both error and parameters.",
                partial(figures.pareto_front, method.entries, method.method),
                tables.pareto_front(method.entries, method.method),
            )
            add(
                f"Parameters over generations: {method.title}",
                "Each dot is a candidate of any seed, coloured by its validation error. (The publication colours by "
                "test error; here test images are read for final networks only.)",
                partial(error_figures.parameters_over_generations, method.entries, method.method),
                tables.candidates_of_generations(method.entries, method.method),
            )
        if any(shares_of(entry) for entry in line):
            add(
                f"Shares of the groups: {method.title}",
                f"The weight of each branch in each layer, for seed {seed}: the softmax of alpha after each slice of "
                "training. The height of a colour is a branch's share; those of a layer add up to 100 %.",
                partial(
                    figures.shares_over_epochs,
                    method.entries,
                    method.method,
                    seed,
                    branches_of(method.key),
                ),
                tables.last_shares(method.entries, method.method, seed, branches_of(method.key)),
            )
    if any(distances_of(entry) for method in followed for entry in method.line):
        add(
            "Distance from full symmetry",
            "How far the weights of each layer are from the nearest ones tied by the whole group, relative to their "
            "size, for each method's first seed: 0 is fully symmetric." + unfinished,
            partial(figures.distance_over_training, history, final_keys),
            tables.distances(history, final_keys),
        )
    return pictures


def _so_far(method: _Followed, *, searched: bool) -> str:
    if method.finished:
        return ""
    return _UNFINISHED_SEARCH if searched else _UNFINISHED


def _followed(history: Sequence[JsonDict], methods: Sequence[MethodRow]) -> list[_Followed]:
    """Return the methods of the history, in the order of the result, then those that the result lacks."""
    rows = {row.method: row for row in methods}
    met = dict.fromkeys(entry["method"] for entry in history)
    ordered = [*(name for name in rows if name in met), *(name for name in met if name not in rows)]
    return [_follow(name, of_method(history, name), rows.get(name)) for name in ordered]


def _follow(method: str, entries: list[JsonDict], row: MethodRow | None) -> _Followed:
    """Return a method with its first seed's final network or, where that is not known, the leading one so far."""
    finals = [entry for entry in entries if row is not None and entry["key"] in row.keys[:1]]
    first = [entry for entry in entries if entry["seed"] == entries[0]["seed"]]
    shown = finals[-1] if finals else leading(first)
    return _Followed(method, method if row is None else row.title, entries, shown["key"], bool(finals))
