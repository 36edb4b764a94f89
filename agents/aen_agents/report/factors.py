"""The report's part on factors: a table of effects and a picture of shares."""

import math
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from aen.results.factor_effects import FactorAnalysis, FactorEffect
from aen_agents.report.figures import ACCENT, GREY, INK, RC, as_svg

_MOST_NAMED = 4  # levels that are named where an effect cannot be told apart from others


@dataclass(frozen=True)
class EffectRow:
    """A row of the table.

    Attributes:
        name: factor and level.
        children: how many children had the level.
        effect: in points of accuracy, or why there is none.
        interval: in points, or empty.
    """

    name: str
    children: int
    effect: str
    interval: str


@dataclass(frozen=True)
class FactorPart:
    """The page's part on factors.

    Attributes:
        analysis: the additive model of the accuracies.
        rows: the table of effects.
        svg: the picture of shares, or empty.
    """

    analysis: FactorAnalysis
    rows: list[EffectRow]
    svg: Markup


def effect_rows(analysis: FactorAnalysis) -> list[EffectRow]:
    """Return the table of effects, the factor that explains most first."""
    shares = {share.factor: share.share.mean for share in analysis.shares}
    ordered = sorted(analysis.effects, key=lambda e: -shares.get(e.factor, 0.0))
    return [_row(effect, analysis.reference[effect.factor]) for effect in ordered]


def _row(effect: FactorEffect, reference: str) -> EffectRow:
    plain = (reference, effect.level) == ("no", "yes")
    name = effect.factor if plain else f"{effect.factor} {effect.level} instead of {reference}"
    if effect.effect is None:
        others = effect.entangled
        listed = ", ".join(others[:_MOST_NAMED]) + (
            f" and {len(others) - _MOST_NAMED} more" * (len(others) > _MOST_NAMED)
        )
        return EffectRow(name, effect.children, f"cannot be told apart from {listed}", "")
    low, high = effect.effect.interval
    interval = f"{100 * low:+.1f} to {100 * high:+.1f}" if math.isfinite(low) else ""
    return EffectRow(name, effect.children, f"{100 * effect.effect.mean:+.1f}", interval)


def share_picture(analysis: FactorAnalysis) -> str:
    """Draw each factor's share of the variance with its interval, the largest first; circles: its loss if left out."""
    shares = sorted(analysis.shares, key=lambda share: -share.share.mean)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(4.8, 0.9 + 0.32 * len(shares)), layout="constrained")
        axes: Any = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        for place, share in enumerate(shares):
            mean, (low, high) = share.share.mean, share.share.interval
            axes.barh(place, mean, color=ACCENT, height=0.6)
            axes.plot([low, high], [place, place], color=GREY, linewidth=2)
            axes.plot([share.left_out], [place], "o", color=INK, markersize=4, markerfacecolor="white")
            axes.text(max(high, mean, share.left_out), place, f"  {mean:.0%}", va="center", fontsize=8)
        axes.set(yticks=range(len(shares)), yticklabels=[share.factor for share in shares])
        axes.set(xlabel="share of the variance of validation accuracy")
        axes.margins(x=0.12)
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", labelsize=8, length=0)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
        return as_svg(figure)
