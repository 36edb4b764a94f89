"""The symmetry of a child in plain words."""

from collections.abc import Sequence
from itertools import groupby

from aen.children import ChildSpec
from aen.groups.layer_symmetry import NO_SYMMETRY


def symmetry_in_words(spec: ChildSpec) -> str:
    """Return what the layers of a child are equivariant to: ``quarter turns and horizontal flips (D4)``.

    Layers that differ are named one by one: ``quarter turns (C4) in layers 1 to 6, no symmetry in layers 7 to 9``.
    """
    return _by_layer([str(layer) for layer in spec.tied_layers])


def outputs_move(spec: ChildSpec) -> str:
    """Return a sentence on what happens to the logits when an image is moved so; none without a symmetry."""
    if {layer.words for layer in spec.tied_layers} == {NO_SYMMETRY}:
        return ""
    if spec.moved_logits == "others":
        return (
            "The feature maps move with the image; the last layers read every cell differently, so the logits of a "
            "moved image can be others."
        )
    exact = spec.moved_logits == "equal"
    how = "up to rounding" if exact else "approximately, since the group does not map pixels onto pixels"
    return f"What every layer is equivariant to leaves the logits as they are, {how}."


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
