"""The picture of a comparison: the simple regret of every agent over the number of children."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from aen._typing import JsonDict
from aen_agents.report.drawing import RC, WIDE, as_svg

# Okabe and Ito's colours, which people who cannot tell red from green can tell apart.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8c6d00", "#5b6472")
_STYLES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
_TICKS = (1, 2, 3, 5, 10, 20, 40, 60, 100, 150, 200, 500, 1000)
TITLE = "Simple regret of each agent over the number of children"


def regret_picture(summary: JsonDict, width: float = WIDE) -> str:
    """Draw the curves as SVG; a panel for all tables and one for each suite."""
    with mpl.rc_context(RC):
        return as_svg(_figure(summary, width), TITLE)


def regret_png(summary: JsonDict) -> bytes:
    """Draw the curves as PNG on white."""
    with mpl.rc_context(RC):
        figure = _figure(summary, WIDE)
        figure.set_facecolor("white")
        content = io.BytesIO()
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(content)
        return content.getvalue()


def _figure(summary: JsonDict, width: float) -> Figure:
    names = list(summary["curves"])
    columns = 1 if len(names) == 1 or width < WIDE else 2
    rows = -(-len(names) // columns)
    agents = [agent["agent"] for agent in summary["agents"]]
    legend = -(-len(agents) // (4 if width >= WIDE else 2))
    dpi = mpl.rcParamsDefault["figure.dpi"]
    figure = Figure(
        figsize=(width, (3.4 if columns == 1 else 2.7) * rows + 0.24 * legend), layout="constrained", dpi=dpi
    )
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        _panel(axes, summary["points"], summary["curves"][name], agents)
        if len(names) > 1:
            axes.set_title("all tables" if name == "all" else name, fontsize=9, loc="left")
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4 if width >= WIDE else 2)
    return figure


def _panel(axes: Axes, points: Sequence[int], curves: JsonDict, agents: Sequence[str]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    drawn = [label for label in agents if curves.get(label, {}).get("middle")]
    for place, label in enumerate(agents):
        if label not in drawn:
            continue
        colour, style = _COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)]
        curve = curves[label]
        percent = {name: [100 * value for value in curve[name]] for name in ("middle", "low", "high")}
        axes.fill_between(points, percent["low"], percent["high"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(points, percent["middle"], color=colour, linestyle=style, linewidth=1.5, label=label)
        best = [
            at
            for at in range(len(points))
            if curve["middle"][at] <= min(curves[other]["middle"][at] for other in drawn)
        ]
        axes.plot([points[at] for at in best], [percent["middle"][at] for at in best], "o", color=colour, markersize=4)
    axes.set_xscale("log")
    axes.set_xlim(points[0], points[-1] * 1.03)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if tick <= points[-1]]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("children trained")
    axes.set_ylabel("simple regret, accuracy points")
