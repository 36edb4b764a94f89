"""The symmetry of a child in plain words."""

from collections.abc import Sequence
from itertools import groupby

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec
from aen.groups.plain_words import in_words, joined

_PLANAR = {
    "C1": "no symmetry",
    "C2": "half turns",
    "C4": "quarter turns",
    "C8": "eighths of a turn",
    "C16": "sixteenths of a turn",
    "D1": "horizontal flips",
    "D1v": "vertical flips",
    "D1d": "flips along the diagonal",
    "D1a": "flips along the other diagonal",
    "D2": "horizontal and vertical flips",
    "D2d": "flips along both diagonals",
    "D4": "quarter turns and flips",
    "D8": "eighths of a turn and flips",
    "SO2": "turns by any angle",
}


def symmetry_in_words(spec: ChildSpec) -> str:
    """Return what the layers of a child are equivariant to: ``quarter turns and horizontal flips (D4)``.

    Layers that differ are named one by one: ``quarter turns (C4) in layers 1 to 6, no symmetry in layers 7 to 9``.
    """
    if isinstance(spec, EquiNASSpec) and spec.mixed:
        return f"a mixture of {joined([_planar(name) for name in spec.mixed])} in every layer"
    if isinstance(spec, EquiNASSpec):
        return _by_layer([_planar(name) for name in spec.layer_groups])
    if isinstance(spec, DenseSpec) and spec.layers:
        return _by_layer([in_words(layer, spec.grid) for layer in spec.layers])
    if isinstance(spec, DenseSpec):
        words = in_words(spec.decomposition, spec.grid)
        return f"{words} ({spec.group})" if spec.decomposition.factors else words
    return _planar(spec.group) if isinstance(spec, GCNNSpec) else f"{spec.name} ({spec.group})"


def outputs_move(spec: ChildSpec) -> str:
    """Return a sentence on what happens to the logits when an image is moved so; none without a symmetry."""
    if symmetry_in_words(spec) == _PLANAR["C1"]:
        return ""
    free = {
        "dense": getattr(spec, "head", "") == "free",
        "gcnn": getattr(spec, "head", "") == "flatten",
        "equinas": getattr(spec, "published", False),
    }
    if free.get(spec.kind, True):
        return (
            "The feature maps move with the image; the last layers read every cell differently, so the logits of a "
            "moved image can be others."
        )
    exact = not isinstance(spec, GCNNSpec) or spec.backend == "native"
    how = "up to rounding" if exact else "approximately, since the group does not map pixels onto pixels"
    return f"What every layer is equivariant to leaves the logits as they are, {how}."


def _planar(name: str) -> str:
    words = _PLANAR.get(name)
    if words is None:
        return f"the group {name}"
    return words if name == "C1" else f"{words} ({name})"


def _by_layer(names: Sequence[str]) -> str:
    runs = [(name, len(list(same))) for name, same in groupby(names)]
    if len(runs) == 1:
        return runs[0][0]
    parts, first = [], 1
    for name, count in runs:
        last = first + count - 1
        where = f"layer {first}" if count == 1 else f"layers {first} to {last}"
        parts.append(f"{name} in {where}")
        first = last + 1
    return ", ".join(parts)
