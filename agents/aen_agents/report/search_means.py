"""The published curves of a search by DQN: means over the latest children, and over those of each epsilon."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

import matplotlib as mpl
from matplotlib.figure import Figure

from aen._typing import JsonDict
from aen.statistics import estimate_accuracy
from aen_agents.report.drawing import ACCENT, GREY, INK, RC, WIDE, as_svg, percent_axis

WINDOW = 60  # children, as published (AEN, arXiv 2104.04848)


def rolling_means(values: Sequence[float], window: int = WINDOW) -> list[float]:
    """Return the mean of each run of `window` values, from the first whole one on."""
    sums = [0.0, *accumulate(values)]
    return [(after - before) / window for before, after in zip(sums, sums[window:], strict=False)]


def means_by_epsilon(firsts: Sequence[JsonDict]) -> list[tuple[float, float, tuple[float, float], int]]:
    """Return epsilon, mean accuracy, its 95 % interval over the children and their number, in the order of the search.

    The interval is the mean twice where there is one child.

    Args:
        firsts: the first visits of the history, with ``epsilon``.
    """
    found: dict[float, list[float]] = defaultdict(list)
    for visit in firsts:
        found[visit["epsilon"]].append(visit["accuracy"])
    rows = []
    for epsilon, accuracies in found.items():
        estimate = estimate_accuracy(accuracies)
        interval = estimate.interval if len(accuracies) > 1 else (estimate.mean, estimate.mean)
        rows.append((epsilon, estimate.mean, interval, len(accuracies)))
    return rows


def can_draw(firsts: Sequence[JsonDict]) -> bool:
    """Return whether there are enough children, each with its epsilon."""
    return len(firsts) > WINDOW and all(visit.get("epsilon") is not None for visit in firsts)


def search_means(firsts: Sequence[JsonDict], width: float = WIDE) -> str:
    """Draw both means of the first visits of a history, as SVG text; in a narrow picture one below the other."""
    narrow = width < WIDE
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width, 5.8 if narrow else 3.2), layout="constrained")
        left, right = figure.subplots(*((2, 1) if narrow else (1, 2)))
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            percent_axis(axes.yaxis)
        means = rolling_means([visit["accuracy"] for visit in firsts])
        left.plot(range(WINDOW, WINDOW + len(means)), means, color=ACCENT, linewidth=1.5)
        left.axhline(firsts[0]["accuracy"], color=INK, linestyle="--", linewidth=1)
        left.set(xlabel="children visited", ylabel=f"mean accuracy of the last {WINDOW}")
        left.set_xlim(left=0)
        rows = means_by_epsilon(firsts)
        for place, (_, mean, (low, high), _) in enumerate(rows):
            right.plot([place, place], [low, high], color=GREY, linewidth=2)
            right.plot([place], [mean], "o", color=ACCENT, markersize=5)
        right.set_xticks(range(len(rows)), [f"{epsilon:g} ({count})" for epsilon, _, _, count in rows], rotation=90)
        right.set(xlabel="epsilon (number of children)", ylabel="mean accuracy")
        return as_svg(figure, "Mean validation accuracy over the search and for each epsilon")
