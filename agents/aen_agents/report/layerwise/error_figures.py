"""The published figures of errors and sizes of layer-wise methods, each as SVG text."""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl

from aen._typing import JsonDict
from aen.results.result_rows import MethodRow
from aen_agents.report.drawing import ACCENT, GREY, INK, RC, WIDE, as_svg, named_rows, new_axes, thousands
from aen_agents.report.layerwise.figures import LINES, MANY, scale
from aen_agents.report.layerwise.history import diverged, of_method

_MARKERS = "osD^vP*Xph<>d8"


def errors_by_method(methods: Sequence[MethodRow], width: float = WIDE) -> str:
    """Draw a box plot of each method's test errors over its seeds; the test images were read once for each.

    Args:
        methods: rows of the result, at least one.
        width: of the picture, in inches.
    """
    errors = [[1 - accuracy for accuracy in row.test.by_seed] for row in methods]
    with named_rows(width, [row.title for row in methods], row=0.34) as (figure, axes):
        places = list(range(len(methods)))
        line = {"color": ACCENT, "linewidth": 1.3}
        axes.boxplot(
            errors,
            positions=places,
            manage_ticks=False,
            orientation="horizontal",
            widths=0.4,
            showfliers=False,  # every seed is drawn
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": INK, "linewidth": 1.6},
        )
        for place, own in zip(places, errors, strict=True):
            axes.plot(own, [place] * len(own), "o", color=GREY, markersize=3.5, zorder=3)
        axes.set_xlabel("test error")
        axes.xaxis.set_major_formatter(_percent())
        return as_svg(figure, "Test errors of each method over its seeds")


def errors_against_parameters(methods: Sequence[MethodRow], width: float = WIDE) -> str:
    """Draw the final network of each method and seed: parameters against test error.

    Args:
        methods: rows of the result, at least one.
        width: of the picture, in inches.
    """
    with mpl.rc_context(RC):
        columns = 2 if width == WIDE else 1
        figure, axes = new_axes(width, 3.5 + 0.19 * -(-len(methods) // columns))
        sizes: list[int] = []
        errors: list[float] = []
        for place, row in enumerate(methods):
            own = [1 - accuracy for accuracy in row.test.by_seed]
            look: Any = {"color": LINES[place % len(LINES)], "marker": _MARKERS[place % len(_MARKERS)]}
            axes.scatter(row.parameters_of_seeds, own, s=26, alpha=0.85, label=row.title, linewidths=0, **look)
            sizes += row.parameters_of_seeds
            errors += own
        scale(axes, "x", [size for size in sizes if size], thousands())
        scale(axes, "y", errors, _percent())
        axes.set(xlabel="free parameters", ylabel="test error")
        figure.legend(ncols=columns, loc="outside lower center")
        return as_svg(figure, "Test error against parameters of each method and seed")


def parameters_over_generations(history: Iterable[JsonDict], method: str, width: float = WIDE) -> str:
    """Draw the parameters of every candidate of a search over its generations, coloured by validation error.

    Args:
        history: any entries; those of the method that did not diverge are drawn, at least one.
        method: name of the method.
        width: of the picture, in inches.
    """
    entries = [entry for entry in of_method(history, method) if not diverged(entry)]
    # The best are drawn last, on top of the others.
    entries.sort(key=lambda entry: entry["accuracy"])
    errors = [1 - entry["accuracy"] for entry in entries]
    sizes = [entry["parameters"] for entry in entries]
    with mpl.rc_context(RC):
        figure, axes = new_axes(width, 3.4)
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
        scale(axes, "y", sizes, thousands())
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, min_n_ticks=1))
        axes.set(xlabel="generation", ylabel="free parameters")
        bar = figure.colorbar(
            points,
            ax=axes,
            label="validation error",
            format=_percent(),
            location="right" if width == WIDE else "bottom",
        )
        if wide:
            axis = bar.ax.yaxis if width == WIDE else bar.ax.xaxis
            axis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
            axis.set_minor_formatter(mpl.ticker.NullFormatter())
        return as_svg(figure, f"Parameters of the candidates over generations, {method}")


def _percent() -> mpl.ticker.Formatter:
    return mpl.ticker.FuncFormatter(lambda error, _: f"{100 * error:.4g}%")
