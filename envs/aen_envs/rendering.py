"""What an environment looks like: as text and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aen.groups import Decomposition
from aen.pictures import orbit_picture


@dataclass(frozen=True)
class Scene:
    """What there is to draw.

    Attributes:
        names: the factors on offer, or what is chosen at each place.
        bits: which are chosen: 0 stands for the baseline's choice.
        group: name of the group they generate.
        accuracies: validation accuracy of every state of the episode so far, the first is the start.
        baseline: validation accuracy of the child by which the others are measured.
        decomposition: the chosen factors, whose orbits are drawn; None: no orbits.
        side: side of the input grid.
        reference: what to call the child by which the others are measured.
    """

    names: Sequence[str]
    bits: Sequence[int]
    group: str
    accuracies: Sequence[float]
    baseline: float
    decomposition: Decomposition | None = None
    side: int = 1
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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.6), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    drawn = scene.decomposition is not None
    axes = figure.subplots(1, 3 if drawn else 2, width_ratios=[1.1, 1, 1.5] if drawn else [1, 1.6])
    chosen, curve = axes[0], axes[-1]

    places = np.arange(len(scene.names))
    colours = ["#2a9d8f" if bit else "#e5e7eb" for bit in scene.bits]
    chosen.barh(places, 1, color=colours, height=0.8)
    title = "chosen factors" if drawn else f"chosen, group {scene.group}"
    chosen.set(title=title, xticks=[], xlim=(0, 1), yticks=places, yticklabels=scene.names)
    chosen.invert_yaxis()
    chosen.tick_params(left=False, labelsize=8)

    if scene.decomposition is not None:
        axes[1].imshow(orbit_picture(scene.decomposition, scene.side))
        axes[1].set(title=f"orbits of {scene.group}", xticks=[], yticks=[])

    curve.axhline(scene.baseline, color="#6b7280", linestyle="--", linewidth=1, label=scene.reference)
    curve.plot(scene.accuracies, color="#2a9d8f", marker="o", markersize=3, label="visited")
    curve.set(title=f"validation accuracy {scene.accuracies[-1]:.1%}", xlabel="step")
    curve.legend(loc="lower right", fontsize=8)
    for place in (chosen, curve):
        place.spines[["top", "right"]].set_visible(False)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
