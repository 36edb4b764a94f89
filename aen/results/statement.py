"""Statement: the verdict of a search in plain words."""

from dataclasses import dataclass
from typing import Literal, Self

from aen._typing import JsonDict

Kind = Literal["symmetry", "weight_tying", "augment", "approximate", "no_symmetry", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The verdict of a search in plain words.

    Attributes:
        kind: ``symmetry`` (build it in), ``weight_tying`` (build it in, but the images do not have it), ``augment``
            (train on moved images instead), ``approximate`` (build it into some layers), ``no_symmetry`` (none helps)
            or ``undecided`` (no gain is shown, and none is excluded).
        sentences: the verdict, then what stands behind it.
    """

    kind: Kind
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join(self.sentences)

    def to_json(self) -> JsonDict:
        """Return JSON values."""
        return {"kind": self.kind, "text": self.text, "sentences": list(self.sentences)}

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        return cls(kind=value["kind"], sentences=tuple(value["sentences"]))

    def __str__(self) -> str:
        return self.text
