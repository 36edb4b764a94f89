"""The rows of a search's result, one for each class or method; each has the JSON form of ``summary.json``."""

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from aen._typing import JsonDict
from aen.results.accuracy import Comparison, TestAccuracy, ValidationAccuracy, ValidationDifference

if TYPE_CHECKING:
    from aen.children.spec import ChildSpec


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A class trained on several seeds, without any test figure.

    Attributes:
        decomposition: name of its decomposition, or of whatever else was chosen.
        group: name of its group.
        class_key: the canonical class.
        parameters: number of free parameters.
        validation: accuracy on the validation images.
        failed_seeds: the seeds on which no worker could train it; they count with accuracy 0.
        rival: ``augmentation``: it is no class of the space, but has no symmetry and is trained on images moved by the
            group of the best class. Empty: a class of the space.
    """

    decomposition: str
    group: str
    class_key: str
    parameters: int
    validation: ValidationAccuracy
    failed_seeds: tuple[int, ...] = ()
    rival: str = ""

    @classmethod
    def extend(cls, row: "ClassRow", **more: Any) -> Self:  # noqa: ANN401 - the fields of the subclass
        """Return a row of this kind with the values of a plainer one and further fields."""
        return cls(**{f.name: getattr(row, f.name) for f in fields(row)}, **more)

    def to_json(self) -> JsonDict:
        """Return JSON values, the accuracies under keys that name their part of the data."""
        return self._head() | self._accuracies()

    def _head(self) -> JsonDict:
        return {
            "decomposition": self.decomposition,
            "group": self.group,
            "class_key": self.class_key,
            "parameters": self.parameters,
            **({"rival": self.rival} if self.rival else {}),
        }

    def _accuracies(self) -> JsonDict:
        failed = {"failed_seeds": list(self.failed_seeds)} if self.failed_seeds else {}
        return self.validation.to_json() | failed

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote.

        Raises:
            KeyError: a key is missing.
            TypeError: a value is of another type than it should be.
        """
        return cls(**cls._parse(value))

    @classmethod
    def _parse(cls, value: JsonDict) -> dict[str, Any]:
        """Return the fields; subclasses add theirs."""
        return {
            "decomposition": value["decomposition"],
            "group": value["group"],
            "class_key": value["class_key"],
            "parameters": value["parameters"],
            "validation": ValidationAccuracy.from_json(value),
            "failed_seeds": tuple(value.get("failed_seeds", ())),
            "rival": value.get("rival", ""),
        }


@dataclass(frozen=True, kw_only=True)
class TestedRow(ClassRow):
    """The winner or the baseline: a class whose children were measured on the test images, once.

    Attributes:
        test: accuracy on the test images.
        spec: the winner's child as JSON; None in other rows.
    """

    __test__ = False  # pytest: not a test case

    test: TestAccuracy
    spec: JsonDict | None = None

    def child(self) -> "ChildSpec":
        """Return the winner's child.

        Raises:
            SpecError: its spec is not one that this version knows.
            ValueError: the row is not a winner's and has no spec.
        """
        from aen.children.spec import ChildSpec  # it imports SciPy, which reading a result does not need

        if self.spec is None:
            raise ValueError("this row has no spec; only the winner's has one.")
        return ChildSpec.from_stored(self.spec)

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return super().to_json() | self.test.to_json() | self._spec()

    def _spec(self) -> JsonDict:
        return {} if self.spec is None else {"spec": self.spec}

    @classmethod
    def _parse(cls, value: JsonDict) -> dict[str, Any]:
        return super()._parse(value) | {"test": TestAccuracy.from_json(value), "spec": value.get("spec")}


@dataclass(frozen=True, kw_only=True)
class HiddenGroupRow(ClassRow):
    """The hidden group, by whose generators the images were moved, compared with the winner on validation only.

    Attributes:
        is_winner: whether its class is the winner.
        winner_has_its_group: whether the winner has the same group and differs in other choices.
        rank: its place among the re-trained classes, from 1.
        ranked: how many classes were re-trained, this one included.
        rank_in_search: its place among the classes that the search met; None if it was not met.
        winner_minus_it: the difference on the validation images.
    """

    is_winner: bool
    winner_has_its_group: bool
    rank: int
    ranked: int
    rank_in_search: int | None
    winner_minus_it: ValidationDifference

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return super().to_json() | {
            "is_winner": self.is_winner,
            "winner_has_its_group": self.winner_has_its_group,
            "rank": self.rank,
            "ranked": self.ranked,
            "rank_in_search": self.rank_in_search,
            "winner_minus_it": self.winner_minus_it.to_json(),
        }

    @classmethod
    def _parse(cls, value: JsonDict) -> dict[str, Any]:
        return super()._parse(value) | {
            "is_winner": value["is_winner"],
            "winner_has_its_group": value.get("winner_has_its_group", False),  # not in the oldest summaries
            "rank": value["rank"],
            "ranked": value["ranked"],
            "rank_in_search": value["rank_in_search"],
            "winner_minus_it": ValidationDifference.from_json(value["winner_minus_it"]),
        }


@dataclass(frozen=True, kw_only=True)
class SpaceRow(ClassRow):
    """A class of a space that was trained whole.

    Attributes:
        rank: its place by mean validation accuracy, from 1.
        representative: number of its representative state.
        states: how many states belong to it.
        columns: what else its space says of it; see `aen.spaces.Space.describe_class`.
        best_minus_it: how much better the best class is; None where one seed gives no interval.
    """

    rank: int
    representative: int
    states: int
    columns: JsonDict = field(default_factory=dict)
    best_minus_it: ValidationDifference | None = None

    def to_json(self) -> JsonDict:
        """Return JSON values; the columns of the space stand among the others."""
        place = {"rank": self.rank, "representative": self.representative, "states": self.states}
        best = {} if self.best_minus_it is None else {"best_minus_it": self.best_minus_it.to_json()}
        return super().to_json() | place | self.columns | best

    @classmethod
    def _parse(cls, value: JsonDict) -> dict[str, Any]:
        best = value.get("best_minus_it")
        return super()._parse(value) | {
            "rank": value["rank"],
            "representative": value["representative"],
            "states": value["states"],
            "columns": {name: content for name, content in value.items() if name not in _OF_SPACE_ROWS},
            "best_minus_it": None if best is None else ValidationDifference.from_json(best),
        }


_OF_SPACE_ROWS = {
    *("decomposition", "group", "class_key", "parameters", "failed_seeds", "rival"),
    *("validation_accuracy_mean", "validation_accuracy_interval", "validation_accuracies"),
    *("rank", "representative", "states", "best_minus_it"),
}


@dataclass(frozen=True, kw_only=True)
class MethodRow(TestedRow):
    """A method that trains from the first weights to a network, run on several seeds.

    Group, parameters and decomposition are those of the seed with the highest validation accuracy.

    Attributes:
        method: its name; also its `class_key`.
        title: its name for display.
        seeds: on which it was run.
        keys: key of the final network's evaluation on each seed; None where all networks diverged.
        layer_groups: groups of the layers of each final network; None for a mixed one or where all diverged.
        parameters_of_seeds: number of free parameters on each seed.
        epochs: for how long the final network was trained on each seed, its ancestors included.
        minus_no_symmetry: the differences to the network without symmetry; None with a single seed.
    """

    method: str
    title: str
    seeds: tuple[int, ...]
    keys: tuple[str | None, ...]
    layer_groups: tuple[tuple[str, ...] | None, ...]
    parameters_of_seeds: tuple[int, ...]
    epochs: tuple[float, ...]
    minus_no_symmetry: Comparison | None = None

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        of_seeds = {
            "seeds": list(self.seeds),
            "keys": list(self.keys),
            "layer_groups": [None if groups is None else list(groups) for groups in self.layer_groups],
            "parameters_of_seeds": list(self.parameters_of_seeds),
            "epochs": list(self.epochs),
        }
        difference = {} if self.minus_no_symmetry is None else {"minus_no_symmetry": self.minus_no_symmetry.to_json()}
        names = {"method": self.method, "title": self.title}
        figures = self._accuracies() | self.test.to_json()
        return names | self._head() | of_seeds | figures | difference | self._spec()

    @classmethod
    def _parse(cls, value: JsonDict) -> dict[str, Any]:
        difference = value.get("minus_no_symmetry")
        return super()._parse(value) | {
            "method": value["method"],
            "title": value["title"],
            "seeds": tuple(value["seeds"]),
            "keys": tuple(value["keys"]),
            "layer_groups": tuple(None if groups is None else tuple(groups) for groups in value["layer_groups"]),
            "parameters_of_seeds": tuple(value["parameters_of_seeds"]),
            "epochs": tuple(value["epochs"]),
            "minus_no_symmetry": None if difference is None else Comparison.from_json(difference),
        }
