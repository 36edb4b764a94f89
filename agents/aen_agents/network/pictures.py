"""Pictures of a trained network, each as SVG text."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from aen.training import Epoch, Quality
from aen_agents.report.drawing import ACCENT, GREY, ON_DARK, ON_LIGHT, RC, WARM, as_svg

_MOST_LABELS = 30  # classes that are named
_LONGEST_NAME = 24  # characters


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
        return as_svg(figure, "Losses and validation accuracy of every epoch")


def confusion_picture(quality: Quality) -> str:
    """Draw the confusion matrix: the share of each true class that is predicted as each class."""
    counts = np.array(quality.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_fitting(own.name) for own in quality.classes]
    many = len(names) > _MOST_LABELS
    side = min(2.2 + 0.42 * len(names), 9)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(side, side), layout="constrained")
        axes: Any = figure.subplots()
        axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
        axes.set(xlabel="predicted class", ylabel="true class")
        if not many:
            axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)  # noqa: PLR2004
            axes.set_yticks(range(len(names)), names)
            for row, column in zip(*np.nonzero(counts), strict=True):
                light = shares[row, column] > 0.5  # noqa: PLR2004 - white on dark cells
                axes.text(
                    column,
                    row,
                    str(counts[row, column]),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=ON_DARK if light else ON_LIGHT,
                )
        return as_svg(figure, "Confusion matrix: share of each true class that is predicted as each class")


def _fitting(name: str) -> str:
    """Return the name of a class for an axis: a long one would leave no room for the matrix."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def calibration_picture(quality: Quality) -> str:
    """Draw the reliability diagram: the accuracy of each bin of confidence beside the diagonal."""
    filled = [own for own in quality.bins if own.images]
    width = quality.bins[0].high - quality.bins[0].low
    with mpl.rc_context(RC):
        figure = Figure(figsize=(3.8, 3.8), layout="constrained")
        axes: Any = figure.subplots()
        axes.bar(
            [(own.low + own.high) / 2 for own in filled], [own.accuracy for own in filled], width * 0.92, color=ACCENT
        )
        axes.plot([0, 1], [0, 1], "--", color=GREY)
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        axes.set_title(f"expected calibration error {quality.calibration_error:.3f}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        return as_svg(figure, "Accuracy of each bin of confidence")
