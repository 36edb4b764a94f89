"""Compares all networks of a selection stage at once."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aen.results.class_result import ClassResult, TestedClass
from aen.results.inference import Compared, Inference
from aen.statistics import Family

_FEWEST = 2  # seeds

Right = Callable[[ClassResult], NDArray[np.bool_] | None]


def not_told_from_best(ranking: Sequence[ClassResult], right: Right) -> list[ClassResult]:
    """Return the networks that are not worse than the best on the validation images beyond the interval.

    Args:
        ranking: the networks, best on validation first. Those that failed on a seed are left out, and all but the first
            if there is one seed only.
        right: returns on which validation images a network's children are right.
    """
    whole = [result for result in ranking if not result.failed_seeds]
    if len(whole) < 2 or len(whole[0].evaluations) < _FEWEST:  # noqa: PLR2004
        return list(ranking[:1])
    seeds = range(len(whole[0].evaluations))
    family = _family([result.validation_accuracies for result in whole], [right(result) for result in whole], seeds)
    return [whole[place] for place in family.not_told_from_best()]


def compare(
    ranking: Sequence[ClassResult],
    tested: Mapping[int, TestedClass],
    *,
    baseline: int,
    augmentation: Sequence[int],
    right: Right,
) -> Inference | None:
    """Compare networks on the validation images, and on the test images those that were measured there.

    A network that no worker could train on any seed is left out, and so is a seed on which no worker could train one of
    the others.

    Args:
        ranking: the networks, best on validation first; the first is the winner.
        tested: those measured on the test images, by their place.
        baseline: place of the network without symmetry.
        augmentation: places of the best class with symmetry and of its rival; none: there is no rival.
        right: returns on which validation images a network's children are right.

    Returns:
        None where fewer than two seeds are left, or the network without symmetry is left out.
    """
    kept = [place for place, result in enumerate(ranking) if len(result.failed_seeds) < len(result.evaluations)]
    every = [evaluation.seed for evaluation in ranking[0].evaluations]
    lost = {seed for place in kept for seed in ranking[place].failed_seeds}
    seeds = [place for place, seed in enumerate(every) if seed not in lost]
    if baseline not in kept or len(seeds) < _FEWEST:
        return None
    family = _family([ranking[place].validation_accuracies for place in kept], [right(ranking[p]) for p in kept], seeds)
    best = family.not_told_from_best()
    first, untied = best[0], kept.index(baseline)
    compared = tuple(
        Compared(
            decomposition=ranking[place].spec.name,
            class_key=ranking[place].class_key,
            parameters=ranking[place].parameters,
            rival=ranking[place].rival,
            best_minus_it=family.difference(first, number),
            minus_no_symmetry=family.difference(number, untied),
            not_told_from_best=number in best,
        )
        for number, place in enumerate(kept)
    )
    places = list(tested)
    on_test = _family(
        [tested[place].test_accuracies for place in places], [tested[place].right for place in places], seeds, family
    )
    gain = None if baseline == kept[0] else on_test.difference(places.index(kept[0]), places.index(baseline))
    several = len(augmentation) > 1 and all(place in kept for place in augmentation)
    return Inference(
        compared=compared,
        seeds=tuple(every[place] for place in seeds),
        left_out=(
            *(f"{ranking[p].spec.name}, which failed on every seed" for p in range(len(ranking)) if p not in kept),
            *(f"seed {seed}, on which a network failed" for seed in every if seed in lost),
        ),
        validation_images=family.images,
        test_images=on_test.images,
        factors=(family.factors.seeds, family.factors.images),
        gain=gain,
        built_in_minus_augmentation=on_test.difference(*map(places.index, augmentation)) if several else None,
    )


def _family(
    accuracies: Sequence[Sequence[float]],
    right: Sequence[NDArray[np.bool_] | None],
    seeds: Sequence[int],
    chosen_in: Family | None = None,
) -> Family:
    """Return the family of networks on some seeds; see `Family` for `chosen_in`."""
    known = [some[list(seeds)] for some in right if some is not None]
    correct = np.stack(known) if len(known) == len(right) else None
    return Family(np.array(accuracies, dtype=float)[:, list(seeds)], correct, chosen_in)
