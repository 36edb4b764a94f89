"""Renderings of a relaxation episode: text and picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aen.children.equinas import LAYERS
from aen_envs.rendering import CHOSEN, FREE, draw_curve, new_figure, pixels


@dataclass(frozen=True)
class RelaxationScene:
    """The content of a rendering.

    Attributes:
        groups: names of the groups on offer, largest first.
        state: number of the group of each layer: eight convolutions, and the dense layer unless it has none.
        name: the groups of all layers, abbreviated.
        parameters: number of free parameters.
        accuracies: validation accuracy after every slice of the episode so far, beginning with that of the start.
        slices: number of slices of an episode, not counting that of the start.
    """

    groups: Sequence[str]
    state: Sequence[int]
    name: str
    parameters: int
    accuracies: Sequence[float]
    slices: int


def draw_text(scene: RelaxationScene) -> str:
    """Return the scene in a few lines of text: a column per layer, a row per group."""
    width = max(map(len, scene.groups))
    rows = [
        f"{group:<{width}} {' '.join('#' if number == own else '.' for own in scene.state)}"
        for number, group in enumerate(scene.groups)
    ]
    now, start, best = scene.accuracies[-1], scene.accuracies[0], max(scene.accuracies)
    child = f"slice {len(scene.accuracies) - 1} of {scene.slices}: {scene.name}, {scene.parameters:,} parameters"
    accuracy = f"validation accuracy {now:.1%} (start {start:.1%}, best of the episode {best:.1%})"
    return "\n".join([*rows, child, accuracy])


def draw_picture(scene: RelaxationScene) -> npt.NDArray[np.uint8]:
    """Return the scene as an RGB picture, ``[360, 960, 3]``."""
    from matplotlib.patches import Rectangle

    figure = new_figure()
    table, curve = figure.subplots(1, 2, width_ratios=[1, 1.3])
    layers, groups = len(scene.state), len(scene.groups)
    for layer, own in enumerate(scene.state):
        for number in range(groups):
            colour = CHOSEN if number == own else FREE
            table.add_patch(Rectangle((layer - 0.45, number - 0.4), 0.9, 0.8, color=colour))
    labels = [str(layer + 1) if layer < LAYERS else "dense" for layer in range(layers)]
    table.set(
        title=f"{scene.name}\n{scene.parameters:,} parameters",
        xlim=(-0.6, layers - 0.4),
        ylim=(groups - 0.4, -0.6),
        xticks=range(layers),
        xticklabels=labels,
        yticks=range(groups),
        yticklabels=scene.groups,
        xlabel="layer",
    )
    table.title.set_fontsize(9)
    table.tick_params(left=False, bottom=False, labelsize=8)
    table.spines[:].set_visible(False)
    draw_curve(curve, scene.accuracies, scene.accuracies[0], "start", step=f"slice of {scene.slices}")
    curve.set(xlim=(-0.5, scene.slices + 0.5))
    return pixels(figure)
