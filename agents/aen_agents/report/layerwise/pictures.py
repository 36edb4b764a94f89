"""The report's pictures of layer-wise methods: those that a run has enough for so far, and what to say of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from aen._typing import JsonDict
from aen_agents.report.layerwise import figures
from aen_agents.report.layerwise.history import (
    ancestors,
    distances_of,
    diverged,
    is_evolutionary,
    leading,
    of_method,
    shares_of,
)

_UNFINISHED_SEARCH = " The search is not finished: this is the line of the best candidate selected so far."
_UNFINISHED = " A method that is not finished is shown as far as it came."


@dataclass(frozen=True)
class _Followed:
    """A method as its pictures need it.

    Attributes:
        method: its name.
        title: its name for display.
        entries: its history, of all seeds.
        key: of the network that stands for it, of its first seed.
        finished: whether that is the seed's final network.
    """

    method: str
    title: str
    entries: list[JsonDict]
    key: str
    finished: bool

    @property
    def line(self) -> list[JsonDict]:
        """What the network was trained for, slice by slice."""
        return ancestors(self.entries, self.key)


def layerwise_pictures(
    history: Sequence[JsonDict], methods: Sequence[JsonDict], branch_names: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Return title, text and SVG of every picture that can be drawn.

    Args:
        history: all entries, in the order in which they happened.
        methods: the summary's rows; those of a run that is not finished may be missing.
        branch_names: of the branches of mixed layers in their order, without the skip.
    """
    followed = _followed(history, methods)
    final_keys = {f.title: f.key for f in followed}
    unfinished = "" if all(f.finished for f in followed) else _UNFINISHED
    pictures = []

    def add(title: str, text: str, svg: str) -> None:
        pictures.append((title, text, svg))

    if methods:
        add(
            "Accuracy by method",
            "Mean over the seeds of each method, with its 95 % interval if there are several: open circles on "
            "validation images, filled ones on test images. Validation figures flatter whatever was chosen by them.",
            figures.accuracy_by_method(methods),
        )
    if followed:
        add(
            "Accuracy over training",
            "Validation accuracy of each method's final network, for its first seed, and before it of the networks "
            "whose weights it went on from." + unfinished,
            figures.accuracy_over_training(history, final_keys),
        )
    for method in followed:
        line, seed = method.line, method.line[-1]["seed"]
        searched = is_evolutionary(method.entries)
        if searched or len({tuple(entry["groups"]) for entry in line}) > 1:
            add(
                f"Groups of the layers: {method.title}",
                "Each row is a layer and each column a slice of the training that led to the network of seed "
                f"{seed}. A colour is a group, the darker the larger." + _so_far(method, searched=searched),
                figures.groups_over_generations(method.entries, method.key),
            )
        if searched and not all(diverged(entry) for entry in method.entries):
            add(
                f"Candidates of the search: {method.title}",
                "Each dot is a candidate after a slice of training, of any generation and seed; those that diverged "
                "are left out. No candidate beats the ones on the line in both error and parameters.",
                figures.pareto_front(method.entries, method.method),
            )
        if any(shares_of(entry) for entry in line):
            add(
                f"Shares of the groups: {method.title}",
                f"How much each branch counts in each layer, for seed {seed}: the softmax of alpha after each slice of "
                "training. The height of a colour is a branch's share; those of a layer add up to 100 %.",
                figures.shares_over_epochs(method.entries, method.method, seed, branch_names),
            )
    if any(distances_of(entry) for method in followed for entry in method.line):
        add(
            "Distance from full symmetry",
            "How far the weights of each layer are from the nearest ones tied by the whole group, relative to their "
            "size, for each method's first seed: 0 is fully symmetric. The darker a line, the nearer its layer is to "
            "the image; where lines coincide, the lightest shows." + unfinished,
            figures.distance_over_training(history, final_keys),
        )
    return pictures


def _so_far(method: _Followed, *, searched: bool) -> str:
    if method.finished:
        return ""
    return _UNFINISHED_SEARCH if searched else _UNFINISHED


def _followed(history: Sequence[JsonDict], methods: Sequence[JsonDict]) -> list[_Followed]:
    """Return the methods that the history knows, in the summary's order, then those that the summary lacks."""
    rows = {row["method"]: row for row in methods}
    met = dict.fromkeys(entry["method"] for entry in history)
    ordered = [*(name for name in rows if name in met), *(name for name in met if name not in rows)]
    return [_follow(name, of_method(history, name), rows.get(name, {})) for name in ordered]


def _follow(method: str, entries: list[JsonDict], row: JsonDict) -> _Followed:
    """Return a method with its first seed's final network or, where that is not known, what stands for it so far."""
    finals = [entry for entry in entries if entry["key"] in row.get("keys", [])[:1]]
    first = [entry for entry in entries if entry["seed"] == entries[0]["seed"]]
    shown = finals[-1] if finals else leading(first)
    return _Followed(method, row.get("title", method), entries, shown["key"], bool(finals))
