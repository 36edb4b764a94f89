"""The figures of layer-wise methods, each as SVG text, from the entries of their history."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from textwrap import fill
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from aen._typing import JsonDict
from aen.children.equinas import LAYERS
from aen.results.accuracy import TestAccuracy, ValidationAccuracy
from aen.results.result_rows import MethodRow
from aen_agents.report.drawing import (
    ACCENT,
    GREY,
    INK,
    ON_DARK,
    ON_LIGHT,
    PAGE,
    RC,
    SMALL,
    WARM,
    WIDE,
    as_svg,
    named_rows,
    new_axes,
    note,
    percent_axis,
    thousands,
)
from aen_agents.report.layerwise.history import (
    ancestors,
    distances_of,
    diverged,
    front,
    last_selected,
    of_method,
    shares_of,
)

# From the smallest group to the largest: rotations are green, mirrorings along the axes blue, those along the diagonals
# orange; the largest has the colour of the page's letters.
GROUP_COLOURS = {
    "C1": "#e5e7eb",
    "C2": "#7dd3c0",
    "D1": "#93c5fd",
    "D1v": "#c4b5fd",
    "D1d": "#fdba74",
    "D1a": "#f9a8d4",
    "C4": ACCENT,
    "D2": "#4f5fd0",
    "D2d": "#b9430f",
    "D4": INK,
}
_OTHERS = {"skip": "#facc15", "mixed": PAGE}
# Colours of letters on the colours of groups, where these are not light.
_LETTERS = {"C4": PAGE, "D4": PAGE, "mixed": INK, "D2": ON_DARK, "D2d": ON_DARK}
LINES = (ACCENT, WARM, "#5f6fe0", "#d6337c", INK, "#0e8fc7", "#6f8f0f", "#8b5cf6", "#b45309", GREY)
_STYLES = ("-", "--", ":")
_PANELS, _NARROW_PANELS = 3, 2  # beside each other
_LETTER = 0.075  # width in inches of a letter in a run of slices
_WIDE = 10  # a range over more than this factor is drawn on a log scale
_BELOW: Any = {"loc": "outside lower center", "columnspacing": 1.2}  # where legends stand
MANY = 1000  # more dots than this become an image, since as shapes they would swell the page


def groups_over_generations(history: Iterable[JsonDict], key: str, width: float = WIDE) -> str:
    """Draw the group of each layer in each slice of the line that leads to a network.

    Args:
        history: entries of one method.
        key: of the network's evaluation; it is in the history.
        width: of the picture, in inches.
    """
    line = ancestors(history, key)
    layers = max(max(len(entry["groups"]), len(distances_of(entry))) for entry in line)
    slices = [entry["slice"] for entry in line]
    inch = (width - 0.8) / (slices[-1] - slices[0] + 1)
    met: set[str] = set()
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width, 1.2 + 0.28 * layers), layout="constrained")
        axes: Any = figure.subplots()
        axes.spines[["top", "right", "left"]].set_visible(False)
        for layer in range(layers):
            names = [entry["groups"][layer] if layer < len(entry["groups"]) else "mixed" for entry in line]
            for name, run in groupby(zip(names, slices, strict=True), key=lambda cell: cell[0]):
                cells = [place for _, place in run]
                left, width = cells[0] - 0.5, cells[-1] - cells[0] + 1
                axes.barh(layer, width, left=left, height=0.92, color=_colour(name), edgecolor=GREY, linewidth=0.3)
                if width * inch >= _LETTER * (len(name) + 1):
                    ink = _LETTERS.get(name, ON_LIGHT)
                    place = left + width / 2
                    axes.text(place, layer, name, ha="center", va="center", fontsize=SMALL, color=ink)
                met.add(name)
        axes.set(yticks=range(layers), yticklabels=_layer_names(layers), xlabel="slice", ylabel="layer")
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(slices[0] - 0.5, slices[-1] + 0.5)
        axes.set_ylim(layers - 0.5, -0.5)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, min_n_ticks=1))
        _group_legend(figure, met, width)
        return as_svg(figure, "Group of each layer in each slice of training")


def shares_over_epochs(
    history: Iterable[JsonDict], method: str, seed: int, names: Sequence[str], width: float = WIDE
) -> str:
    """Draw the share of each branch of a mixed method over epochs, a panel for each layer.

    Args:
        history: any entries; those of the method and the seed that have shares are drawn, at least one.
        method: name of the method.
        seed: of its run.
        names: of the branches in their order; a layer with one more has the skip last.
        width: of the picture, in inches.
    """
    found = {
        entry["epochs"]: shares_of(entry)
        for entry in of_method(history, method)
        if entry["seed"] == seed and shares_of(entry)
    }
    edges = [0.0, *sorted(found)]
    layers = len(found[edges[-1]])
    labels = [*names, "skip"]
    met: set[str] = set()
    with mpl.rc_context(RC):
        figure, panels = _panels(width, layers, "share")
        for layer, (axes, name) in enumerate(zip(panels, _layer_names(layers), strict=True)):
            branches = len(found[edges[-1]][layer])
            for count in range(branches, 0, -1):  # each is drawn over the one before, of which a strip stays visible
                tops = [sum(found[epochs][layer][:count]) for epochs in edges[1:]]
                axes.stairs(tops, edges, fill=True, color=_colour(labels[count - 1]))
            met.update(labels[:branches])
            axes.set_title(name if name == "dense" else f"layer {name}", fontsize=SMALL)
            axes.set_xlim(0, edges[-1])
            axes.set_ylim(0, 1)
            percent_axis(axes.yaxis)
        _group_legend(figure, met, width)
        return as_svg(figure, f"Share of each branch over epochs, {method}, seed {seed}")


def pareto_front(history: Iterable[JsonDict], method: str, width: float = WIDE) -> str:
    """Draw validation error against parameters of all candidates of an evolutionary search, and their Pareto front.

    Args:
        history: any entries; those of the method that did not diverge are drawn, at least one.
        method: name of the method.
        width: of the picture, in inches.
    """
    entries = [entry for entry in of_method(history, method) if not diverged(entry)]
    points = list(dict.fromkeys(_size_and_error(entry) for entry in entries))
    best = front(points)
    survivors = list(dict.fromkeys(_size_and_error(entry) for entry in last_selected(entries)))
    with mpl.rc_context(RC):
        figure, axes = new_axes(width, 3.8)
        figure.set_dpi(200)
        axes.plot(
            *zip(*points, strict=True), ".", color=GREY, markersize=4, rasterized=len(points) > MANY, label="candidate"
        )
        axes.step(*zip(*best, strict=True), where="post", color=WARM, linewidth=1.5, label="Pareto front")
        axes.plot(*zip(*best, strict=True), ".", color=WARM, markersize=5)
        if survivors:
            ring: Any = {"markersize": 8, "markerfacecolor": "none", "markeredgewidth": 1.2}
            label = "selected in the last generation"
            axes.plot(*zip(*survivors, strict=True), "o", color=ACCENT, label=label, **ring)
        scale(axes, "x", [size for size, _ in points], thousands())
        scale(axes, "y", [error for _, error in points], mpl.ticker.FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
        axes.set(xlabel="free parameters", ylabel="validation error")
        figure.legend(ncols=3 if width == WIDE else 1, **_BELOW)
        return as_svg(figure, f"Validation error against parameters, {method}")


def distance_over_training(history: Iterable[JsonDict], final_keys: Mapping[str, str], width: float = WIDE) -> str:
    """Draw how far each layer is from being tied by the largest group, over epochs, a panel for each method.

    Args:
        history: entries of all methods.
        final_keys: for each title the key of the network whose line is drawn.
        width: of the picture, in inches.
    """
    entries = list(history)
    lines = {title: ancestors(entries, key) for title, key in final_keys.items()}
    layers = max((len(distances_of(entry)) for line in lines.values() for entry in line), default=0)
    shades = mpl.colormaps["viridis"]
    handles = {}
    with mpl.rc_context(RC):
        figure, panels = _panels(width, len(lines), "distance", height=1.9)
        for axes, (title, line) in zip(panels, lines.items(), strict=True):
            measured = [entry for entry in line if distances_of(entry)]
            count = max((len(distances_of(entry)) for entry in measured), default=0)
            for layer, name in enumerate(_layer_names(count)):
                here = [entry for entry in measured if layer < len(distances_of(entry))]
                (handles[name],) = axes.plot(
                    [entry["epochs"] for entry in here],
                    [distances_of(entry)[layer] for entry in here],
                    color=shades(0.25 + 0.55 * layer / max(layers - 1, 1)),
                    linewidth=1.3,
                    marker=_marker(here),
                )
            axes.set_title(fill(title, 34 if width == WIDE else 22), fontsize=SMALL)
        panels[0].set_ylim(bottom=0)
        panels[0].set_xlim(left=0)
        figure.legend(
            handles.values(),
            handles.keys(),
            title="layer",
            ncols=9 if width == WIDE else 5,
            title_fontsize=SMALL,
            **_BELOW,
        )
        return as_svg(figure, "Distance of each layer to the largest group over epochs")


def accuracy_by_method(methods: Sequence[MethodRow], width: float = WIDE) -> str:
    """Draw each method's mean accuracy and 95 % interval on validation images and on test images.

    Args:
        methods: rows of the result, at least one; a row of one seed is drawn without an interval.
        width: of the picture, in inches.
    """
    with named_rows(width, [row.title for row in methods], row=0.46, more=0.95) as (figure, axes):
        for place, row in enumerate(methods):
            for accuracy, shift, fill_colour in ((row.validation, -0.13, PAGE), (row.test, 0.23, ACCENT)):
                mean, (low, high) = accuracy.mean, _interval(row, accuracy)
                axes.plot([low, high], [place + shift] * 2, color=ACCENT, linewidth=1.5, zorder=1)
                axes.plot(
                    [mean], [place + shift], "o", color=ACCENT, markerfacecolor=fill_colour, markersize=5.5, zorder=2
                )
                note(axes, high, place + shift, f"{mean:.1%}")
        axes.set_xlabel("accuracy")
        axes.margins(x=0.1 if width == WIDE else 0.22)
        percent_axis(axes.xaxis)
        shown = [("validation", PAGE), ("test", ACCENT)]
        handles = [
            mpl.lines.Line2D([], [], marker="o", color=ACCENT, markerfacecolor=colour, label=label)
            for label, colour in shown
        ]
        figure.legend(handles=handles, ncols=2, **_BELOW)
        return as_svg(figure, "Mean accuracy and 95 % interval of each method")


def accuracy_over_training(history: Iterable[JsonDict], final_keys: Mapping[str, str], width: float = WIDE) -> str:
    """Draw validation accuracy over epochs, along one line of ancestors for each method.

    Args:
        history: entries of all methods.
        final_keys: for each title the key of the network whose line is drawn.
        width: of the picture, in inches.
    """
    entries = list(history)
    errors = []
    with mpl.rc_context(RC):
        lines = -(-len(final_keys) // 2) if width == WIDE else len(final_keys)
        figure, axes = new_axes(width, 3.5 + 0.19 * lines)
        for place, (title, key) in enumerate(final_keys.items()):
            line = ancestors(entries, key)
            found = [1 - entry["accuracy"] for entry in line]
            axes.plot(
                [entry["epochs"] for entry in line],
                found,
                label=title,
                color=LINES[place % len(LINES)],
                linestyle=_STYLES[place % len(_STYLES)],
                linewidth=1.5,
                marker=_marker(line),
            )
            errors += found
        scale(axes, "y", errors, mpl.ticker.FuncFormatter(lambda error, _: f"{100 * (1 - error):.4g}%"))
        axes.invert_yaxis()  # what is drawn are errors, so that a log scale spreads high accuracies
        axes.set(xlabel="epochs trained", ylabel="validation accuracy")
        axes.set_xlim(left=0)
        figure.legend(ncols=2 if width == WIDE else 1, handlelength=3, **_BELOW)
        return as_svg(figure, "Validation accuracy over epochs")


def _panels(width: float, count: int, label: str, height: float = 1.6) -> tuple[Figure, list[Any]]:
    """Return panels over epochs with common axes; the last of each column has numbers below."""
    columns = min(_PANELS if width == WIDE else _NARROW_PANELS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, 0.9 + height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    for place, axes in enumerate(panels[:count]):
        axes.spines[["top", "right"]].set_visible(False)
        lowest = place + columns >= count
        axes.tick_params(labelbottom=lowest)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.set_xlabel("epochs trained" if lowest else "")
        axes.set_ylabel("" if place % columns else label)
    return figure, panels[:count]


def _layer_names(count: int) -> list[str]:
    """Return names of layers: numbers of the convolutions, then the dense layer."""
    return [str(number) if number <= LAYERS else "dense" for number in range(1, count + 1)]


def _colour(name: str) -> str:
    return (GROUP_COLOURS | _OTHERS).get(name, GREY)


def _group_legend(figure: Figure, names: Iterable[str], width: float) -> None:
    """Add a legend of colours below, the smallest group first and other names than subgroups of D4 last."""
    order = [*GROUP_COLOURS, *_OTHERS]
    listed = sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))
    handles = [Patch(facecolor=_colour(name), edgecolor=GREY, linewidth=0.5, label=name) for name in listed]
    figure.legend(handles=handles, ncols=10 if width == WIDE else 4, handlelength=1.2, **_BELOW)


def scale(axes: Any, which: Literal["x", "y"], values: Sequence[float], formatter: Any) -> None:  # noqa: ANN401
    """Format an axis, and make it logarithmic if the range of the values is wide."""
    wide = bool(values) and min(values) > 0 and max(values) >= _WIDE * min(values)
    axes.set(**{f"{which}scale": "log" if wide else "linear"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    if wide:
        axis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
        axis.set_minor_formatter(mpl.ticker.NullFormatter())
    axis.set_major_formatter(formatter)


def _size_and_error(entry: JsonDict) -> tuple[float, float]:
    return entry["parameters"], 1 - entry["accuracy"]


def _interval(row: MethodRow, accuracy: ValidationAccuracy | TestAccuracy) -> tuple[float, float]:
    """Return the interval of a mean, or the mean twice where there is only one seed."""
    return accuracy.interval if len(row.seeds) > 1 else (accuracy.mean, accuracy.mean)


def _marker(line: Sequence[JsonDict]) -> str | None:
    """Return a marker for a line of a single point, which would be invisible."""
    return "o" if len(line) == 1 else None
