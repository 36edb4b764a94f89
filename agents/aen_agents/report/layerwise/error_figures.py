"""The published figures of errors and sizes of layer-wise methods, each as SVG text."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from aen._typing import JsonDict
from aen.results.result_rows import MethodRow
from aen_agents.report.figures import ACCENT, GREY, INK, RC
from aen_agents.report.layerwise.figures import LINES, MANY, WIDTH, scale, titled
from aen_agents.report.layerwise.history import diverged, of_method

_MARKERS = "osD^vP*Xph<>d8"


def errors_by_method(methods: Sequence[MethodRow]) -> str:
    """Draw a box plot of each method's test errors over its seeds; the test images were read once for each.

    Args:
        methods: rows of the result, at least one.
    """
    errors = [[1 - accuracy for accuracy in row.test.by_seed] for row in methods]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.1 + 0.34 * len(methods)), layout="constrained")
        axes: Any = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        places = list(range(len(methods)))
        line = {"color": ACCENT, "linewidth": 1.3}
        axes.boxplot(
            errors,
            positions=places,
            orientation="horizontal",
            widths=0.55,
            showfliers=False,  # every seed is drawn
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": INK, "linewidth": 1.6},
        )
        for place, own in zip(places, errors, strict=True):
            axes.plot(own, [place] * len(own), "o", color=GREY, markersize=3.5, zorder=3)
        axes.set_yticks(places, [fill(row.title, 36) for row in methods])
        axes.set(xlabel="test error")
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.tick_params(axis="y", labelsize=8, length=0)
        axes.xaxis.set_major_formatter(_percent())
        return titled(figure, "Test errors of each method over its seeds")


def errors_against_parameters(methods: Sequence[MethodRow]) -> str:
    """Draw the final network of each method and seed: parameters against test error.

    Args:
        methods: rows of the result, at least one.
    """
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 3.6 + 0.17 * -(-len(methods) // 2)), layout="constrained")
        axes: Any = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        sizes: list[int] = []
        errors: list[float] = []
        for place, row in enumerate(methods):
            own = [1 - accuracy for accuracy in row.test.by_seed]
            look = {"color": LINES[place % len(LINES)], "marker": _MARKERS[place % len(_MARKERS)]}
            axes.scatter(row.parameters_of_seeds, own, s=26, alpha=0.85, label=row.title, linewidths=0, **look)
            sizes += row.parameters_of_seeds
            errors += own
        scale(axes, "x", [size for size in sizes if size], _thousands())
        scale(axes, "y", errors, _percent())
        axes.set(xlabel="free parameters", ylabel="test error")
        figure.legend(ncols=2, fontsize=8, loc="outside lower center", frameon=False)
        return titled(figure, "Test error against parameters of each method and seed")


def parameters_over_generations(history: Iterable[JsonDict], method: str) -> str:
    """Draw the parameters of every candidate of a search over its generations, coloured by validation error.

    Args:
        history: any entries; those of the method that did not diverge are drawn, at least one.
        method: name of the method.
    """
    entries = [entry for entry in of_method(history, method) if not diverged(entry)]
    # The best are drawn last, on top of the others.
    entries.sort(key=lambda entry: entry["accuracy"])
    errors = [1 - entry["accuracy"] for entry in entries]
    sizes = [entry["parameters"] for entry in entries]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axes: Any = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        low = min(error for error in errors)
        wide = low > 0 and max(errors) / low > 10  # noqa: PLR2004
        norm = mpl.colors.LogNorm(low, max(errors)) if wide else mpl.colors.Normalize(low, max(errors))
        generations = [entry["slice"] for entry in entries]
        points = axes.scatter(
            generations,
            sizes,
            c=errors,
            s=16,
            cmap="viridis_r",
            norm=norm,
            linewidths=0,
            rasterized=len(entries) > MANY,
        )
        scale(axes, "y", sizes, _thousands())
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, min_n_ticks=1))
        axes.set(xlabel="generation", ylabel="free parameters")
        bar = figure.colorbar(points, ax=axes, label="validation error", format=_percent())
        if wide:
            bar.ax.yaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
            bar.ax.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        return titled(figure, f"Parameters of the candidates over generations, {method}")


def _percent() -> mpl.ticker.Formatter:
    return mpl.ticker.FuncFormatter(lambda error, _: f"{100 * error:.4g}%")


def _thousands() -> mpl.ticker.Formatter:
    return mpl.ticker.FuncFormatter(lambda size, _: f"{size / 1000:g}k")
