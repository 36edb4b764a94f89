"""What a selection stage was tested for: simultaneous comparisons of all networks that it trained."""

import math
from dataclasses import dataclass
from typing import Self

from aen._typing import JsonDict
from aen.statistics import CONFIDENCE, Difference, Estimate


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A network of the selection stage, compared with the best one and with the one without symmetry.

    Intervals are simultaneous over all pairs of networks; see `aen.statistics.simultaneous`.

    Attributes:
        decomposition: its name.
        class_key: the canonical class.
        parameters: number of free parameters.
        rival: ``augmentation``, or empty for a class of the space.
        best_minus_it: how much better the best network is, on the validation images.
        minus_no_symmetry: how much better it is than the network without symmetry, on the validation images.
        not_told_from_best: whether it is in the confidence set of the best network.
    """

    decomposition: str
    class_key: str
    parameters: int
    rival: str = ""
    best_minus_it: Difference
    minus_no_symmetry: Difference
    not_told_from_best: bool

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return {
            "decomposition": self.decomposition,
            "class_key": self.class_key,
            "parameters": self.parameters,
            **({"rival": self.rival} if self.rival else {}),
            "best_minus_it": difference_to_json(self.best_minus_it),
            "minus_no_symmetry": difference_to_json(self.minus_no_symmetry),
            "not_told_from_best": self.not_told_from_best,
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            decomposition=value["decomposition"],
            class_key=value["class_key"],
            parameters=value["parameters"],
            rival=value.get("rival", ""),
            best_minus_it=difference_from_json(value["best_minus_it"]),
            minus_no_symmetry=difference_from_json(value["minus_no_symmetry"]),
            not_told_from_best=value["not_told_from_best"],
        )


@dataclass(frozen=True, kw_only=True)
class Inference:
    """The comparisons of a selection stage, corrected for all that were made.

    Attributes:
        compared: the networks, best on validation first.
        seeds: on which they are compared.
        left_out: what could not be compared, in words.
        validation_images: number of images; 0: which images were right is not known, so the intervals cover another
            draw of the seeds only.
        test_images: number of test images.
        factors: by what the errors of the seeds and of the images are multiplied.
        gain: the winner minus the network without symmetry on the test images, which chose nothing. None: no symmetry
            is the winner.
        built_in_minus_augmentation: the best class with symmetry minus its rival, augmentation by its group, on the
            test images; None: there was no rival.
    """

    compared: tuple[Compared, ...]
    seeds: tuple[int, ...]
    left_out: tuple[str, ...] = ()
    validation_images: int
    test_images: int
    factors: tuple[float, float]
    gain: Difference | None = None
    built_in_minus_augmentation: Difference | None = None

    @property
    def smallest_equal(self) -> Compared:
        """The smallest network that cannot be told from the best."""
        return min((c for c in self.compared if c.not_told_from_best), key=lambda c: c.parameters)

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        of_test = {"gain": self.gain, "built_in_minus_augmentation": self.built_in_minus_augmentation}
        return {
            "confidence": CONFIDENCE,
            "networks": [c.to_json() for c in self.compared],
            "pairs": len(self.compared) * (len(self.compared) - 1) // 2,
            "seeds": list(self.seeds),
            "left_out": list(self.left_out),
            "validation_images": self.validation_images,
            "test_images": self.test_images,
            "factors": dict(zip(("seeds", "images"), map(_finite, self.factors), strict=True)),
            "smallest_equal": self.smallest_equal.class_key,
            **{key: difference_to_json(found) for key, found in of_test.items() if found is not None},
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        gain, other = value.get("gain"), value.get("built_in_minus_augmentation")
        of_seeds, of_images = value["factors"]["seeds"], value["factors"]["images"]
        return cls(
            compared=tuple(Compared.from_json(c) for c in value["networks"]),
            seeds=tuple(value["seeds"]),
            left_out=tuple(value["left_out"]),
            validation_images=value["validation_images"],
            test_images=value["test_images"],
            factors=(math.inf if of_seeds is None else of_seeds, math.inf if of_images is None else of_images),
            gain=None if gain is None else difference_from_json(gain),
            built_in_minus_augmentation=None if other is None else difference_from_json(other),
        )


def difference_to_json(difference: Difference) -> JsonDict:
    """Return JSON values."""
    return {
        "mean": difference.estimate.mean,
        "interval": [_finite(end) for end in difference.estimate.interval],
        "share_of_images": difference.share_of_images,
    }


def difference_from_json(value: JsonDict) -> Difference:
    """Read what `difference_to_json` wrote."""
    low, high = value["interval"]
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    return Difference(Estimate(value["mean"], *ends), value["share_of_images"])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
