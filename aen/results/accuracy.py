"""Accuracies over seeds and differences between them; validation and test figures have different names and types."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from aen._typing import JsonDict
from aen.statistics import estimate_accuracy, paired_difference


@dataclass(frozen=True)
class _Accuracy:
    """Accuracy over seeds.

    Attributes:
        mean: the mean over the seeds.
        interval: its 95 % confidence interval, cut to [0, 1].
        by_seed: the accuracy on each seed, in the order of the seeds.
    """

    __test__ = False  # pytest: not a test case

    part: ClassVar[str]

    mean: float
    interval: tuple[float, float]
    by_seed: tuple[float, ...]

    @classmethod
    def of(cls, by_seed: Sequence[float]) -> Self:
        """Return the mean and the interval of the accuracies of several seeds."""
        estimate = estimate_accuracy(by_seed)
        return cls(estimate.mean, estimate.interval, tuple(by_seed))

    def to_json(self) -> JsonDict:
        """Return JSON values; each key names the part of the data."""
        return {
            f"{self.part}_accuracy_mean": self.mean,
            f"{self.part}_accuracy_interval": list(self.interval),
            f"{self.part}_accuracies": list(self.by_seed),
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote; other keys may stand beside it."""
        low, high = value[f"{cls.part}_accuracy_interval"]
        return cls(value[f"{cls.part}_accuracy_mean"], (low, high), tuple(value[f"{cls.part}_accuracies"]))


class ValidationAccuracy(_Accuracy):
    """Accuracy on the validation images, which choose."""

    part = "validation"


class TestAccuracy(_Accuracy):
    """Accuracy on the test images, which are read once and choose nothing."""

    part = "test"


@dataclass(frozen=True)
class _Difference:
    """Difference of two accuracies, paired by seed.

    Attributes:
        mean: the mean difference over the seeds.
        interval: its 95 % confidence interval; infinite for a single seed.
    """

    __test__ = False  # pytest: not a test case

    part: ClassVar[str]

    mean: float
    interval: tuple[float, float]

    @property
    def better(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval[0] > 0

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.interval[1] < 0

    @classmethod
    def between(cls, ours: Sequence[float], theirs: Sequence[float], *, clip: bool = False) -> Self:
        """Return ``ours - theirs`` over the same seeds.

        Args:
            ours: accuracy on each seed.
            theirs: accuracy of the other on each seed.
            clip: cut the interval to [-1, 1], in which every difference of accuracies lies.
        """
        found = paired_difference(ours, theirs)
        return cls(found.mean, (max(found.low, -1.0), min(found.high, 1.0)) if clip else found.interval)

    def to_json(self) -> JsonDict:
        """Return JSON values; each key names the part of the data."""
        return {
            f"{self.part}_accuracy_mean": self.mean,
            f"{self.part}_accuracy_interval": list(self.interval),
            f"better_on_{self.part}": self.better,
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote; other keys may stand beside it."""
        low, high = value[f"{cls.part}_accuracy_interval"]
        return cls(value[f"{cls.part}_accuracy_mean"], (low, high))


class ValidationDifference(_Difference):
    """Difference of two validation accuracies."""

    part = "validation"


class TestDifference(_Difference):
    """Difference of two test accuracies."""

    part = "test"


@dataclass(frozen=True)
class Comparison:
    """Two tested networks compared on both parts of the data.

    Attributes:
        validation: the difference on the validation images.
        test: the difference on the test images.
    """

    validation: ValidationDifference
    test: TestDifference

    def to_json(self) -> JsonDict:
        """Return JSON values, those of both parts side by side."""
        return self.validation.to_json() | self.test.to_json()

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        return cls(ValidationDifference.from_json(value), TestDifference.from_json(value))
