"""Classes re-trained on several seeds, from their evaluations: ranked by validation; test figures apart from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aen.children.spec import ChildSpec
from aen.results.accuracy import Comparison, TestAccuracy, TestDifference, ValidationAccuracy, ValidationDifference
from aen.results.evaluation import Evaluation, TestMeasurement
from aen.results.result_rows import ClassRow, TestedRow


@dataclass(frozen=True)
class ClassResult:
    """One class, trained on several seeds.

    Attributes:
        spec: its child (with any of the seeds).
        group: name of the group that its decomposition generates.
        evaluations: one per seed, in the order of the seeds. One that diverged or failed counts with accuracy 0.
        rival: see `aen.results.result_rows.ClassRow`.
    """

    spec: ChildSpec
    group: str
    evaluations: tuple[Evaluation, ...]
    rival: str = ""

    @property
    def validation_accuracies(self) -> tuple[float, ...]:
        """Validation accuracy of each seed."""
        return tuple(evaluation.validation_accuracy for evaluation in self.evaluations)

    @property
    def validation(self) -> ValidationAccuracy:
        """Mean validation accuracy with its interval."""
        return ValidationAccuracy.of(self.validation_accuracies)

    @property
    def class_key(self) -> str:
        """The canonical class."""
        return self.evaluations[0].class_key

    @property
    def parameters(self) -> int:
        """Number of free parameters; it is 0 in the evaluation of a child that failed."""
        return max(evaluation.parameters for evaluation in self.evaluations)

    @property
    def failed_seeds(self) -> tuple[int, ...]:
        """The seeds on which no worker could train it."""
        return tuple(evaluation.seed for evaluation in self.evaluations if evaluation.status == "failed")

    def minus(self, other: "ClassResult") -> ValidationDifference:
        """Return the difference to another class on the validation images, paired by seed."""
        return ValidationDifference.between(self.validation_accuracies, other.validation_accuracies)

    def row(self) -> ClassRow:
        """Return the class's row of a search's result; it holds no test figure."""
        return ClassRow(
            decomposition=self.spec.name,
            group=self.group,
            class_key=self.class_key,
            parameters=self.parameters,
            validation=self.validation,
            failed_seeds=self.failed_seeds,
            rival=self.rival,
        )


@dataclass(frozen=True)
class TestedClass:
    """A class whose trained children were measured on the test images, once.

    Attributes:
        result: the class.
        measurements: one per seed, in the order of the seeds.
        right: whether each seed's child is right on each test image, shape ``[seeds, images]``; None: not known.
    """

    __test__ = False  # pytest: not a test case

    result: ClassResult
    measurements: tuple[TestMeasurement, ...]
    right: NDArray[np.bool_] | None = field(default=None, compare=False)

    @property
    def test_accuracies(self) -> tuple[float, ...]:
        """Test accuracy of each seed."""
        return tuple(measurement.test_accuracy for measurement in self.measurements)

    def minus(self, other: "TestedClass") -> Comparison:
        """Return the differences to another class, paired by seed."""
        return Comparison(
            self.result.minus(other.result), TestDifference.between(self.test_accuracies, other.test_accuracies)
        )

    def row(self, *, with_spec: bool = False) -> TestedRow:
        """Return the class's row of a search's result.

        Args:
            with_spec: include the child's spec, as the winner's row does.
        """
        return TestedRow.extend(
            self.result.row(),
            test=TestAccuracy.of(self.test_accuracies),
            spec=self.result.spec.to_json() if with_spec else None,
        )


def rank(results: Sequence[ClassResult]) -> list[ClassResult]:
    """Sort by mean validation accuracy, best first; at equal means the smaller network stands first."""
    return sorted(results, key=lambda r: (-r.validation.mean, r.parameters, r.class_key))
