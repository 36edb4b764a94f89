"""SearchResult: what a search found, finished or interrupted; its JSON form is the run's ``summary.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from aen._fields import shown
from aen._typing import JsonDict
from aen.results.factor_effects import FactorAnalysis
from aen.results.field_types import FieldTypeError, check_fields, check_numbers
from aen.results.generator_effects import GeneratorEffect
from aen.results.provenance import Provenance, Seconds
from aen.results.result_rows import HiddenGroupRow, MethodRow, SpaceRow
from aen.results.statement import Statement
from aen.results.verdict import ClassVerdict, MethodVerdict, Verdict
from aen.symmetry.result import SymmetryTest

SUMMARY_VERSION = 3  # raise it when a key goes or changes its meaning; a new key leaves it


@dataclass(frozen=True, kw_only=True)
class WholeSpace:
    """Every class of a space, trained on the same seeds.

    Attributes:
        seeds: on which each class was trained.
        classes: the rows, best first.
        not_separated_from_best: how many classes, the best included, are not worse than the best beyond the interval
            of the difference; None with a single seed.
        has_hidden_group: whether the images were moved by a hidden group that is known.
        hidden_group: the row of its class; None if the space has no such class.
    """

    seeds: tuple[int, ...]
    classes: tuple[SpaceRow, ...]
    not_separated_from_best: int | None = None
    has_hidden_group: bool = False
    hidden_group: SpaceRow | None = None

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        value: JsonDict = {"seeds": list(self.seeds), "classes": [row.to_json() for row in self.classes]}
        if self.not_separated_from_best is not None:
            value["not_separated_from_best"] = self.not_separated_from_best
        if self.has_hidden_group:
            value["hidden_group"] = None if self.hidden_group is None else self.hidden_group.to_json()
        return value

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        hidden = value.get("hidden_group")
        return cls(
            seeds=tuple(value["seeds"]),
            classes=tuple(SpaceRow.from_json(row) for row in value["classes"]),
            not_separated_from_best=value.get("not_separated_from_best"),
            has_hidden_group="hidden_group" in value,
            hidden_group=None if hidden is None else SpaceRow.from_json(hidden),
        )


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """How far exploring came, finished or not.

    Attributes:
        steps: how many steps were made, or how many children or slices were trained.
        states_visited: number of states met.
        classes_visited: number of classes met.
        stopped_because: why exploring ended; None: it was interrupted.
        space: the whole space, where an agent trains all of it and did.
    """

    steps: int
    states_visited: int
    classes_visited: int
    stopped_because: str | None
    space: WholeSpace | None = None

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        value: JsonDict = {
            "steps": self.steps,
            "states_visited": self.states_visited,
            "classes_visited": self.classes_visited,
            "stopped_because": self.stopped_because,
        }
        return value | ({} if self.space is None else {"space": self.space.to_json()})

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote; other keys may stand beside it."""
        space = value.get("space")
        return cls(
            steps=value.get("steps", 0),
            states_visited=value["states_visited"],
            classes_visited=value["classes_visited"],
            stopped_because=value.get("stopped_because"),
            space=None if space is None else WholeSpace.from_json(space),
        )


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found, finished or interrupted.

    Attributes:
        version: of the JSON form; see `SUMMARY_VERSION`.
        name: of the search.
        agent: name of the agent.
        seed: of the search.
        selection_seeds: the fresh seeds of the selection stage.
        states: number of states of the space.
        classes: number of different networks of the space.
        baseline_name: what to call the baseline in a sentence.
        closed_sets: closed set of each class by its key, where the space has an order by inclusion; else empty.
        provenance: with what the search was run.
        factors: how much each factor of the space explains, where that was analysed.
        effects: effect of each generator or choice on the accuracies that exploring saw.
        verdict: winner, baseline and their comparison; None until the search is complete.
        statement: the verdict in plain words; None until then, and in summaries of older versions.
        exploration: how far exploring came.
        children_trained: number of trainings in the last start.
        children_trained_in_all: number of trainings in all starts; None in summaries of older versions.
        seconds: how long the search took.
        notices: what the user should know.
        symmetry_test: which transformations leave the training images as they are; None: it was not tested.
    """

    version: int = SUMMARY_VERSION
    name: str
    agent: str
    seed: int
    selection_seeds: tuple[int, ...]
    states: int
    classes: int
    baseline_name: str = "untied"
    closed_sets: Mapping[str, int] = field(default_factory=dict)
    provenance: Provenance
    factors: FactorAnalysis | None = None
    effects: tuple[GeneratorEffect, ...] = ()
    verdict: Verdict | None = None
    statement: Statement | None = None
    exploration: Exploration | None = None
    children_trained: int = 0
    children_trained_in_all: int | None = None
    seconds: Seconds
    notices: tuple[str, ...] = ()
    symmetry_test: SymmetryTest | None = None

    @property
    def status(self) -> Literal["complete", "interrupted"]:
        """Whether the search reached its verdict."""
        return "interrupted" if self.verdict is None else "complete"

    @property
    def methods(self) -> tuple[MethodRow, ...]:
        """The methods of a complete search that compares methods; else none."""
        return self.verdict.methods if isinstance(self.verdict, MethodVerdict) else ()

    @property
    def hidden_group(self) -> HiddenGroupRow | None:
        """The hidden group compared with the winner, if the search is complete and the images were moved by one."""
        return self.verdict.hidden_group if isinstance(self.verdict, ClassVerdict) else None

    @property
    def space(self) -> WholeSpace | None:
        """The whole space, where an agent trained all of it."""
        return None if self.exploration is None else self.exploration.space

    @property
    def trained_in_run(self) -> int:
        """Number of trainings of the run: of all its starts, or of the last one where no more is known."""
        return self.children_trained if self.children_trained_in_all is None else self.children_trained_in_all

    def to_json(self) -> JsonDict:
        """Return JSON values: the content of ``summary.json``."""
        head: JsonDict = {
            "version": self.version,
            "status": self.status,
            "name": self.name,
            "agent": self.agent,
            "seed": self.seed,
            "selection_seeds": list(self.selection_seeds),
            "states": self.states,
            "classes": self.classes,
            "baseline_name": self.baseline_name,
            **({"closed_sets": dict(self.closed_sets)} if self.closed_sets else {}),
            "provenance": self.provenance.to_json(),
        }
        tested = {} if self.symmetry_test is None else {"symmetry_test": self.symmetry_test.to_json()}
        found: JsonDict = tested | ({} if self.factors is None else {"factors": self.factors.to_json()})
        found |= {"effects": [effect.to_json() for effect in self.effects]} if self.effects else {}
        found |= {} if self.statement is None else {"verdict": self.statement.to_json()}
        for part in (self.verdict, self.exploration):
            found |= {} if part is None else part.to_json()
        in_all = self.children_trained_in_all
        return (
            head
            | found
            | {
                "children_trained": self.children_trained,
                **({} if in_all is None else {"children_trained_in_all": in_all}),
                "seconds": self.seconds.to_json(),
                "notices": list(self.notices),
            }
        )

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote, in this version or an older one, which lacks some keys.

        Raises:
            KeyError: a key is missing that every version has.
            FieldTypeError: a value is of another type than it should be, or a number is not finite.
            TypeError: the form is another one altogether.
        """
        check_numbers(value)
        if value["status"] not in ("complete", "interrupted"):
            raise FieldTypeError(f"status is {shown(value['status'])} but must be 'complete' or 'interrupted'")
        factors, tested = value.get("factors"), value.get("symmetry_test")
        verdict: Verdict | None = None
        if value["status"] == "complete":
            verdict = (MethodVerdict if "methods" in value else ClassVerdict).from_json(value)
        result = cls(
            version=value.get("version", 1),
            name=value["name"],
            agent=value.get("agent", "dqn"),  # before there were agents to choose from
            seed=value["seed"],
            selection_seeds=tuple(value["selection_seeds"]),
            states=value["states"],
            classes=value["classes"],
            baseline_name=value.get("baseline_name", "untied"),  # before there were other children
            closed_sets=value.get("closed_sets", {}),
            provenance=Provenance.from_json(value["provenance"]),
            factors=None if factors is None else FactorAnalysis.from_json(factors),
            effects=tuple(GeneratorEffect.from_json(effect) for effect in value.get("effects", ())),
            verdict=verdict,
            statement=Statement.from_json(value["verdict"]) if "verdict" in value else None,
            exploration=Exploration.from_json(value) if "states_visited" in value else None,
            children_trained=value.get("children_trained", 0),
            children_trained_in_all=value.get("children_trained_in_all"),
            seconds=Seconds.from_json(value["seconds"]),
            notices=tuple(value["notices"]),
            symmetry_test=None if tested is None else SymmetryTest.from_json(tested),
        )
        # Verdict and exploration stand in the JSON form without names of their own; the symmetry test checks itself.
        check_fields(result, unchecked=("verdict", "exploration", "symmetry_test"))
        for part in (result.verdict, result.exploration):
            if part is not None:
                check_fields(part)
        return result
