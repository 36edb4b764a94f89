"""Renderings of an environment over a space: text and picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from aen.groups import Decomposition, Grid
from aen.pictures import orbit_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

# Colours of chosen and of other bars.
CHOSEN, FREE = "#2a9d8f", "#e5e7eb"


@dataclass(frozen=True)
class Scene:
    """The content of a rendering.

    Attributes:
        names: a label for each place: a factor on offer, or the choice made there.
        bits: for each place whether it is chosen: 0 for choice 0.
        group: name of the child's group.
        accuracies: validation accuracy of every state of the episode so far, beginning with the start.
        baseline: validation accuracy of the reference child.
        decomposition: the chosen factors, whose orbits are drawn; None: no orbits are drawn.
        grid: the input grid: the side of a square, or rows and columns.
        reference: what to call the reference child.
    """

    names: Sequence[str]
    bits: Sequence[int]
    group: str
    accuracies: Sequence[float]
    baseline: float
    decomposition: Decomposition | None = None
    grid: Grid = 1
    reference: str = "untied"


def draw_text(scene: Scene) -> str:
    """Return the scene in a few lines of text."""
    chosen = " ".join(f"[{name}]" if bit else f" {name} " for name, bit in zip(scene.names, scene.bits, strict=True))
    return (
        f"{chosen}\n"
        f"step {len(scene.accuracies) - 1}: group {scene.group}, validation accuracy {scene.accuracies[-1]:.1%} "
        f"({scene.reference} {scene.baseline:.1%}, best of the episode {max(scene.accuracies):.1%})"
    )


def draw_picture(scene: Scene) -> npt.NDArray[np.uint8]:
    """Return the scene as an RGB picture, ``[360, 960, 3]``."""
    figure = new_figure()
    drawn = scene.decomposition is not None
    axes = figure.subplots(1, 3 if drawn else 2, width_ratios=[1.1, 1, 1.5] if drawn else [1, 1.6])
    chosen, curve = axes[0], axes[-1]

    places = np.arange(len(scene.names))
    colours = [CHOSEN if bit else FREE for bit in scene.bits]
    chosen.barh(places, 1, color=colours, height=0.8)
    title = "chosen factors" if drawn else f"chosen, group {scene.group}"
    chosen.set(title=title, xticks=[], xlim=(0, 1), yticks=places, yticklabels=scene.names)
    chosen.invert_yaxis()
    chosen.tick_params(left=False, labelsize=min(8, 150 / len(places)))

    if scene.decomposition is not None:
        axes[1].imshow(orbit_picture(scene.decomposition, scene.grid))
        axes[1].set(title=f"orbits of {scene.group}", xticks=[], yticks=[])

    draw_curve(curve, scene.accuracies, scene.baseline, scene.reference)
    chosen.spines[["top", "right"]].set_visible(False)
    return pixels(figure)


def new_figure() -> "Figure":
    """Return a figure of the size of all pictures, independent of the user's pyplot state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_curve(
    axes: "Axes", accuracies: Sequence[float], baseline: float, reference: str, *, step: str = "step"
) -> None:
    """Draw the accuracies of an episode, and that of the reference child as a dashed line.

    Args:
        axes: the axes to draw on.
        accuracies: validation accuracies of all children so far.
        baseline: validation accuracy of the reference child.
        reference: what to call the reference child.
        step: label of the horizontal axis.
    """
    from matplotlib.ticker import MaxNLocator

    axes.axhline(baseline, color="#6b7280", linestyle="--", linewidth=1, label=reference)
    axes.plot(accuracies, color=CHOSEN, marker="o", markersize=3, label="visited")
    axes.set(title=f"validation accuracy {accuracies[-1]:.1%}", xlabel=step)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def pixels(figure: "Figure") -> npt.NDArray[np.uint8]:
    """Return a figure as an RGB picture, ``[360, 960, 3]``."""
    canvas = cast("FigureCanvasAgg", figure.canvas)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
