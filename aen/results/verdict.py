"""The verdict of a search: the winner of the selection, compared with the baseline on validation and test images."""

from dataclasses import dataclass
from typing import Self

from aen._typing import JsonDict
from aen.results.accuracy import Comparison
from aen.results.inference import Inference
from aen.results.result_rows import ClassRow, HiddenGroupRow, MethodRow, TestedRow


@dataclass(frozen=True, kw_only=True)
class ClassVerdict:
    """The verdict of a search over classes.

    Attributes:
        winner: the class with the highest mean validation accuracy on fresh seeds; or one that cannot be told from it
            and whose symmetry the images have (``selection.ties``).
        baseline: the class without symmetry.
        winner_minus_baseline: their differences.
        selection: all classes re-trained on the fresh seeds, the winner first, then the best.
        hidden_group: the hidden group compared with the winner, if the images were moved by one that is known.
        inference: all re-trained networks compared with each other, corrected for all comparisons; None: fewer than two
            seeds could be trained, or the summary is of an older version.
    """

    winner: TestedRow
    baseline: TestedRow
    winner_minus_baseline: Comparison
    selection: tuple[ClassRow, ...]
    hidden_group: HiddenGroupRow | None = None
    inference: Inference | None = None

    @property
    def baseline_wins(self) -> bool:
        """Whether the network without symmetry is the winner."""
        return self.winner.class_key == self.baseline.class_key and not self.winner.rival

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        hidden = {} if self.hidden_group is None else {"hidden_group": self.hidden_group.to_json()}
        return hidden | {
            "winner": self.winner.to_json(),
            "baseline": self.baseline.to_json(),
            "winner_minus_baseline": self.winner_minus_baseline.to_json(),
            "selection": [row.to_json() for row in self.selection],
            **({} if self.inference is None else {"inference": self.inference.to_json()}),
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote; other keys may stand beside it."""
        return cls(
            winner=TestedRow.from_json(value["winner"]),
            baseline=TestedRow.from_json(value["baseline"]),
            winner_minus_baseline=Comparison.from_json(value["winner_minus_baseline"]),
            selection=tuple(ClassRow.from_json(row) for row in value["selection"]),
            hidden_group=HiddenGroupRow.from_json(value["hidden_group"]) if "hidden_group" in value else None,
            inference=Inference.from_json(value["inference"]) if "inference" in value else None,
        )


@dataclass(frozen=True, kw_only=True)
class MethodVerdict:
    """The verdict of a search that compares methods.

    Attributes:
        methods: the methods in the order of the config.
        winner: the method with the highest mean validation accuracy.
        baseline: the network without symmetry.
        winner_minus_baseline: their differences.
    """

    methods: tuple[MethodRow, ...]
    winner: MethodRow
    baseline: MethodRow
    winner_minus_baseline: Comparison

    @property
    def baseline_wins(self) -> bool:
        """Whether the network without symmetry is the winner."""
        return self.winner.class_key == self.baseline.class_key

    @property
    def selection(self) -> tuple[MethodRow, ...]:
        """The methods, best on validation first."""
        return tuple(sorted(self.methods, key=lambda row: -row.validation.mean))

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return {
            "methods": [row.to_json() for row in self.methods],
            "winner": self.winner.to_json(),
            "baseline": self.baseline.to_json(),
            "winner_minus_baseline": self.winner_minus_baseline.to_json(),
            "selection": [row.to_json() for row in self.selection],
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote; other keys may stand beside it."""
        return cls(
            methods=tuple(MethodRow.from_json(row) for row in value["methods"]),
            winner=MethodRow.from_json(value["winner"]),
            baseline=MethodRow.from_json(value["baseline"]),
            winner_minus_baseline=Comparison.from_json(value["winner_minus_baseline"]),
        )


Verdict = ClassVerdict | MethodVerdict
