"""The report's part on factors: a table of effects and a picture of shares."""

import math
from dataclasses import dataclass
from functools import partial

from aen.results.factor_effects import FactorAnalysis, FactorEffect
from aen_agents.report.drawing import ACCENT, GREY, INK, PAGE, WIDE, as_svg, named_rows, note, percent_axis
from aen_agents.report.picture import Picture, Table, interval, percent

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
        shares: the picture of shares, if there are any.
    """

    analysis: FactorAnalysis
    rows: list[EffectRow]
    shares: Picture | None


def factor_part(analysis: FactorAnalysis) -> FactorPart:
    """Return the page's part on the factors of a search."""
    shares = None
    if analysis.shares:
        table = Table.of(
            ("choice", "share", "95 % interval", "loss if left out"),
            [
                (s.factor, percent(s.share.mean), interval(s.share.interval), percent(s.left_out))
                for s in analysis.shares
            ],
        )
        text = (
            "A share is what a choice adds to the explained variance, averaged over all orders of adding the choices; "
            f"the shares add up to {percent(analysis.explained)}. Lines are 95 % bootstrap intervals over the "
            "networks; circles are the loss if this choice alone is left out, which differs from the share where two "
            "choices occur together. A choice without effect still gets a share by chance, up to about "
            f"{percent(1 / (analysis.children - 1))} for each row of the table above."
        )
        shares = Picture.drawn("How much each choice explains", text, partial(share_picture, analysis), table)
    return FactorPart(analysis, effect_rows(analysis), shares)


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


def share_picture(analysis: FactorAnalysis, width: float = WIDE) -> str:
    """Draw each factor's share of the variance with its interval, the largest first; circles: its loss if left out."""
    shares = sorted(analysis.shares, key=lambda share: -share.share.mean)
    with named_rows(width, [share.factor for share in shares], row=0.3) as (figure, axes):
        for place, share in enumerate(shares):
            mean, (low, high) = share.share.mean, share.share.interval
            axes.barh(place, mean, color=ACCENT, height=0.5)
            axes.plot([low, high], [place, place], color=GREY, linewidth=2)
            axes.plot([share.left_out], [place], "o", color=INK, markersize=4, markerfacecolor=PAGE)
            note(axes, max(high, mean, share.left_out), place, f"{mean:.0%}")
        axes.set_xlabel("share of the variance of validation accuracy")
        axes.margins(x=0.15)
        axes.set_xlim(left=0)
        percent_axis(axes.xaxis)
        return as_svg(figure, "Share of the variance that each choice explains")
