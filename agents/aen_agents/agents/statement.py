"""Puts the verdict of a search into plain words; docs/verdict.md says how."""

import math
from collections.abc import Sequence

from aen._text import joined
from aen.children import ChildSpec
from aen.groups import Alphabet, Grid
from aen.groups.grid import is_signal
from aen.groups.layer_symmetry import NO_SYMMETRY, planar_in_words
from aen.groups.plain_words import in_words
from aen.results.generator_effects import GeneratorEffect
from aen.results.inference import Compared, Inference
from aen.results.search_result import SearchResult
from aen.results.statement import Statement
from aen.results.verdict import ClassVerdict, MethodVerdict
from aen.statistics import Estimate

NEGLIGIBLE = 0.01  # a gain that is below this, one point, is none
_FAMILIES = {"shifts": ("hshift", "vshift"), "half swaps": ("swap_",), "flips": ("hflip", "vflip")}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def state(result: SearchResult) -> Statement | None:
    """Return the verdict of a complete search in plain words; None: it is not complete."""
    match result.verdict:
        case ClassVerdict() as verdict:
            return _of_classes(verdict, result.effects)
        case MethodVerdict() as verdict:
            return _of_methods(verdict)
        case None:
            return None


def _of_classes(verdict: ClassVerdict, effects: Sequence[GeneratorEffect]) -> Statement:
    found = verdict.inference
    if found is None:
        return Statement(kind="undecided", sentences=(_UNDECIDED_SEEDS,))
    behind = (*_behind(found), *(f"Left out: {what}." for what in found.left_out))
    hurting = _hurting(effects, verdict.winner.child().grid if effects else None)
    if verdict.baseline_wins or found.gain is None:
        return Statement(
            kind="no_symmetry", sentences=(f"No symmetry helps{_but(hurting)}.", *_closest(found), *behind)
        )
    spec = verdict.winner.child()
    words, gain = words_of(spec), found.gain.estimate
    undecided = _without_gain(words, gain)
    if undecided is not None:
        return Statement(kind=undecided.kind, sentences=(*undecided.sentences, *behind))
    over = f"{interval_text(gain)} over no symmetry"
    if verdict.winner.rival:
        return Statement(kind="augment", sentences=(_augment(spec, found), f"{_capital(words)}: {over}.", *behind))
    layers = layers_in_words(spec)
    first = f"{_capital(words)}: {over}{'' if layers else _but(hurting)}."
    rival = _rival_of(spec, found)
    kept = (f"Approximate: {layers}.", first) if layers else (first, *_against_augmentation(found, rival))
    no_symmetry = _augmentation_hurts(rival)
    if no_symmetry:
        return Statement(kind="weight_tying", sentences=(*kept[: 1 + bool(layers)], *no_symmetry, *behind))
    return Statement(kind="approximate" if layers else "symmetry", sentences=(*kept, *behind))


_UNDECIDED_SEEDS = (
    "Undecided: fewer than two seeds of the selection stage could be compared, so there is no interval; use more seeds."
)


def _of_methods(verdict: MethodVerdict) -> Statement:
    """Return the verdict on methods that are compared by Student's t intervals over their seeds."""
    if len(verdict.winner.seeds) < 2:  # noqa: PLR2004
        return Statement(
            kind="undecided",
            sentences=(
                f"Undecided: one seed gives no interval; the best on validation is {verdict.winner.title}.",
                "Set agent.exploring_seeds to 2 or more.",
            ),
        )
    if verdict.baseline_wins:
        return Statement(kind="no_symmetry", sentences=("No symmetry helps.",))
    test = verdict.winner_minus_baseline.test
    gain, title = Estimate(test.mean, *test.interval), verdict.winner.title
    undecided = _without_gain(title, gain)
    if undecided is not None:
        return undecided
    over = f"{title}: {interval_text(gain)} over no symmetry."
    layers = layers_in_words(verdict.winner.child())
    return (
        Statement(kind="approximate", sentences=(f"Approximate: {layers}.", over))
        if layers
        else Statement(kind="symmetry", sentences=(over,))
    )


def _without_gain(words: str, gain: Estimate) -> Statement | None:
    """Return the verdict where no gain is shown; None: one is."""
    if gain.low > 0:
        return None
    if gain.high < NEGLIGIBLE:
        return Statement(
            kind="no_symmetry",
            sentences=("No symmetry helps.", f"The best on validation, {words}: {interval_text(gain)} on test."),
        )
    return Statement(
        kind="undecided",
        sentences=(
            (
                f"Undecided: no gain is shown. The winner on validation is {words}, "
                f"{interval_text(gain)} over no symmetry."
            ),
            "More images or more seeds (selection.seeds) would narrow the interval.",
        ),
    )


def _augment(spec: ChildSpec, found: Inference) -> str:
    group = group_in_words(spec)
    other = found.built_in_minus_augmentation
    if other is not None and other.estimate.high < 0:
        return f"Augmenting with {group} does better than building them in: augment."
    return f"Augmenting with {group} does as well as building them in, at no loss: augment."


def _rival_of(spec: ChildSpec, found: Inference) -> Compared | None:
    """Return the rival, if it is the winner's: where the winner has none, that of another class was trained."""
    own = spec.augmented_instead()
    rivals = [network for network in found.compared if network.rival]
    return next((rival for rival in rivals if own is not None and rival.class_key == own.class_key), None)


def _against_augmentation(found: Inference, rival: Compared | None) -> tuple[str, ...]:
    other = found.built_in_minus_augmentation
    if other is None or rival is None:
        return ()
    if other.estimate.low > 0:
        return (f"Building them in beats augmenting with them: {interval_text(other.estimate)}.",)
    return (f"Augmenting with them instead cannot be told from it: {interval_text(other.estimate)} for building in.",)


def _augmentation_hurts(rival: Compared | None) -> tuple[str, ...]:
    """Say that images moved by the group are other images than those of the data set; empty where that is not shown.

    If the images of each class were distributed as the moved ones, the rival would be trained on images of the same
    distribution as the network without symmetry, and could not be worse.
    """
    if rival is None or rival.minus_no_symmetry.estimate.high >= 0:
        return ()
    over = interval_text(rival.minus_no_symmetry.estimate)
    said = "The gain comes from tying weights, not from a symmetry of the images: augmenting with them instead,"
    return (f"{said} {over} over no symmetry on validation.",)


def _closest(found: Inference) -> tuple[str, ...]:
    others = found.compared[1:]
    if not others:
        return ()
    closest = others[0]
    return (
        f"The closest on validation, {closest.decomposition}: {interval_text(closest.minus_no_symmetry.estimate)}.",
    )


def _behind(found: Inference) -> tuple[str, ...]:
    """Return what else is part of the answer: what cannot be told from the best, and the smallest of it."""
    equal = [c for c in found.compared if c.not_told_from_best]
    if len(equal) < 2:  # noqa: PLR2004
        return ()
    best, smallest = found.compared[0], found.smallest_equal
    count = "All" if len(equal) == len(found.compared) else f"{_number(len(equal)).capitalize()} of"
    text = f"{count} {len(found.compared)} networks compared cannot be told from the best"
    if smallest.parameters < best.parameters:
        return (f"{text}; the smallest of them is {smallest.decomposition}, with {smallest.parameters:,} parameters.",)
    return (f"{text}; the best is the smallest of them.",)


def words_of(spec: ChildSpec) -> str:
    """Return what was chosen, in plain words."""
    group = group_in_words(spec)
    if spec.is_augmented_instead:
        return f"augmentation with {group}"
    parts = [*([] if group == NO_SYMMETRY and spec.other_choices else [group]), *spec.other_choices]
    return " with ".join([parts[0], ", ".join(parts[1:])][: len(parts)])


def group_in_words(spec: ChildSpec) -> str:
    """Return the group that a child's first layer is tied by, or that it is augmented by instead, in plain words."""
    return spec.augmented_in_words if spec.is_augmented_instead else spec.tied_layers[0].words


def layers_in_words(spec: ChildSpec) -> str:
    """Return from which layer on a child has less symmetry; empty where all layers have the same."""
    layers = [layer.words for layer in spec.tied_layers]
    if len(set(layers)) < 2:  # noqa: PLR2004
        return ""
    runs: list[list[int]] = []
    for place, layer in enumerate(layers):
        if runs and layers[runs[-1][0]] == layer:
            runs[-1].append(place)
        else:
            runs.append([place])
    parts = []
    for run in runs:
        what = "none" if layers[run[0]] == NO_SYMMETRY else layers[run[0]]
        parts.append(f"{'full' if run[0] == 0 and what != 'none' else what} in {_where(run, len(layers))}")
    full = "" if layers[0] == NO_SYMMETRY else f" (full: {layers[0]})"
    return f"{', '.join(parts)}{full}"


def _where(run: Sequence[int], layers: int) -> str:
    count = len(run)
    if run[0] == 0:
        return "the first layer" if count == 1 else f"the first {_number(count)} layers"
    if run[-1] == layers - 1:
        return "the last" if count == 1 else f"the last {_number(count)}"
    return f"the {'next' if count == 1 else f'next {_number(count)}'}"


def _hurting(effects: Sequence[GeneratorEffect], grid: Grid | None) -> str:
    """Return the generators whose effects are negative beyond their simultaneous intervals, in words."""
    hurting = {effect.name for effect in effects if effect.hurts}
    parts = []
    for family, starts in _FAMILIES.items():
        offered = {effect.name for effect in effects if effect.name.startswith(starts)}
        fits = family == "shifts" or grid is None or not is_signal(grid)
        if fits and len(offered) > 1 and offered <= hurting:
            parts.append(family)
            hurting -= offered
    parts += [_choice_in_words(effect.name, grid) for effect in effects if effect.name in hurting]
    return joined(parts) if parts else ""


def _choice_in_words(name: str, grid: Grid | None) -> str:
    kind, _, value = name.partition(" ")
    if kind == "group":
        return planar_in_words(value)
    if kind in ("augment", "size", "kernel", "stage"):
        return name
    try:
        return in_words(Alphabet.of([name]).factors[0], grid)
    except ValueError:
        return name


def interval_text(estimate: Estimate) -> str:
    """Return a difference in points with its interval."""
    if not math.isfinite(estimate.low):
        return f"{100 * estimate.mean:+.1f} points"
    return f"{100 * estimate.mean:+.1f} points (95 % interval {100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def _but(hurting: str) -> str:
    return f"; {hurting} hurt" if hurting else ""


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
