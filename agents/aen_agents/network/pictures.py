"""Pictures of a trained network, each as SVG text."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from aen.training import Epoch
from aen_agents.report.figures import ACCENT, GREY, INK, RC, WARM, as_svg


def training_curve(curve: Sequence[Epoch], best: Epoch) -> str:
    """Draw the losses and the validation accuracy of every epoch; the best one is marked."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        axes: Any = figure.subplots(1, 2)
        numbers = [epoch.number for epoch in curve]
        axes[0].plot(numbers, [epoch.train_loss for epoch in curve], color=GREY, label="training")
        axes[0].plot(numbers, [epoch.validation_loss for epoch in curve], color=ACCENT, label="validation")
        axes[0].set(xlabel="epoch", ylabel="cross-entropy")
        axes[0].set_ylim(bottom=0)
        axes[0].legend(frameon=False)
        axes[1].plot(numbers, [100 * epoch.validation_accuracy for epoch in curve], color=ACCENT)
        axes[1].plot(best.number, 100 * best.validation_accuracy, "o", color=WARM, label=f"kept: epoch {best.number}")
        axes[1].set(xlabel="epoch", ylabel="validation accuracy in %")
        axes[1].legend(frameon=False)
        for own in axes:
            own.spines[["top", "right"]].set_visible(False)
            own.tick_params(colors=INK)
        return as_svg(figure)
