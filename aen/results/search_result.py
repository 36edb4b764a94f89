"""What a search came to: classes re-trained on fresh seeds, ranked by validation; test figures apart from them."""

from collections.abc import Sequence
from dataclasses import dataclass

from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.results.evaluation import Evaluation, TestMeasurement
from aen.stats import Estimate, estimate_accuracy, paired_difference


@dataclass(frozen=True)
class ClassResult:
    """One class, trained on several seeds.

    Attributes:
        spec: its child (with any of the seeds).
        group: name of the group that its decomposition generates.
        evaluations: one per seed, in the order of the seeds. One that diverged or failed counts with accuracy 0.
    """

    spec: ChildSpec
    group: str
    evaluations: tuple[Evaluation, ...]

    @property
    def validation_accuracies(self) -> tuple[float, ...]:
        """Validation accuracy of each seed."""
        return tuple(evaluation.validation_accuracy for evaluation in self.evaluations)

    @property
    def validation(self) -> Estimate:
        """Mean validation accuracy with its interval."""
        return estimate_accuracy(self.validation_accuracies)

    @property
    def class_key(self) -> str:
        """The canonical class."""
        return self.evaluations[0].class_key

    @property
    def parameters(self) -> int:
        """Number of free parameters; a child that failed may not say."""
        return max(evaluation.parameters for evaluation in self.evaluations)

    @property
    def failed_seeds(self) -> tuple[int, ...]:
        """The seeds on which no worker could train it."""
        return tuple(evaluation.seed for evaluation in self.evaluations if evaluation.status == "failed")

    def to_json(self) -> JsonDict:
        """Return the figures that choose; no test figure is among them."""
        failed = {"failed_seeds": list(self.failed_seeds)} if self.failed_seeds else {}
        return {
            "decomposition": self.spec.name,
            "group": self.group,
            "class_key": self.class_key,
            "parameters": self.parameters,
            "validation_accuracy_mean": self.validation.mean,
            "validation_accuracy_interval": list(self.validation.interval),
            "validation_accuracies": list(self.validation_accuracies),
            **failed,
        }


@dataclass(frozen=True)
class TestedClass:
    """A class whose trained children were measured on the test images, once.

    Attributes:
        result: the class.
        measurements: one per seed, in the order of the seeds.
    """

    __test__ = False  # pytest: not a test case

    result: ClassResult
    measurements: tuple[TestMeasurement, ...]

    @property
    def test_accuracies(self) -> tuple[float, ...]:
        """Test accuracy of each seed."""
        return tuple(measurement.test_accuracy for measurement in self.measurements)

    def to_json(self) -> JsonDict:
        """Return validation and test figures, under names of their own."""
        test = estimate_accuracy(self.test_accuracies)
        return self.result.to_json() | {
            "test_accuracy_mean": test.mean,
            "test_accuracy_interval": list(test.interval),
            "test_accuracies": list(self.test_accuracies),
        }


def rank(results: Sequence[ClassResult]) -> list[ClassResult]:
    """Sort by mean validation accuracy, best first; at equal means the smaller network stands first."""
    return sorted(results, key=lambda r: (-r.validation.mean, r.parameters, r.class_key))


def compare(ours: Sequence[float], theirs: Sequence[float], what: str) -> JsonDict:
    """Return the difference of two classes over the same seeds, and whether its interval lies above zero."""
    difference = paired_difference(ours, theirs)
    return {
        f"{what}_accuracy_mean": difference.mean,
        f"{what}_accuracy_interval": list(difference.interval),
        f"better_on_{what}": difference.low > 0,
    }
