"""TableDefinition: which children a table has."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Self

from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.errors import SpecError, TableError
from aen.spaces import Space, SpaceClass, space_from_json, space_to_json

Part = Literal["training", "held-out"]


@dataclass(frozen=True)
class TableDefinition:
    """Which children a table has: every class of a space, or some of them, on every seed.

    Attributes:
        name: of the table, such as ``digits-07``.
        part: ``training``: agents may learn on it and be tuned on it; ``held-out``: they are judged on it.
        space: the space; its child says the data set and the training.
        seeds: of the children.
        class_keys: the classes, if the table has not all of them; None: all.
        seconds_per_child: how long training a child takes on one core, about; not part of what a table is.
    """

    name: str
    part: Part
    space: Space
    seeds: tuple[int, ...]
    class_keys: tuple[str, ...] | None = None
    seconds_per_child: float = field(default=0.0, compare=False)

    @property
    def child(self) -> ChildSpec:
        """The baseline's child."""
        return self.space.child_at(self.space.baseline_state)

    @cached_property
    def classes(self) -> tuple[SpaceClass, ...]:
        """The classes, in the space's order."""
        if self.class_keys is None:
            return tuple(self.space.classes)
        wanted = set(self.class_keys)
        return tuple(c for c in self.space.classes if c.key in wanted)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The generators by which the images were moved: the hidden group's."""
        return self.child.data.moves

    @property
    def estimated_seconds(self) -> float:
        """How long building the table takes on one core, about."""
        return len(self.classes) * len(self.seeds) * self.seconds_per_child

    def specs(self) -> list[ChildSpec]:
        """Return every child, the seeds of a class one after the other."""
        children = [self.space.spec(c) for c in self.classes]
        return [child.with_seed(seed) for child in children for seed in self.seeds]

    def to_json(self) -> JsonDict:
        """Return JSON values.

        Raises:
            SpecError: the space is of a class outside `aen.spaces`.
        """
        space = space_to_json(self.space)
        if space is None:
            raise SpecError(f"a table needs a space of aen.spaces, not a {type(self.space).__name__}.")
        keys = None if self.class_keys is None else list(self.class_keys)
        return {"name": self.name, "part": self.part, "space": space, "seeds": list(self.seeds), "classes": keys}

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote.

        Raises:
            TableError: it lacks a field.
        """
        try:
            keys = value["classes"]
            return cls(
                name=value["name"],
                part=value["part"],
                space=space_from_json(value["space"], Space),  # type: ignore[type-abstract]
                seeds=tuple(value["seeds"]),
                class_keys=None if keys is None else tuple(keys),
            )
        except (KeyError, TypeError) as error:
            raise TableError(f"the definition of a table cannot be read: {error}.") from error
