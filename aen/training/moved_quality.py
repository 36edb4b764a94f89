"""A network on moved images: accuracy under each transformation, and how equivariant its layers are to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from aen._typing import Float, Int
from aen.children.child import Child
from aen.errors import GroupError
from aen.groups.generators import Generator
from aen.groups.grid import Grid
from aen.nn.equivariance import equivariance_errors, move
from aen.nn.linear import SymmetrizedLinear
from aen.statistics import wilson_interval
from aen.training.quality import logits_of

# Largest change of the logits, relative to the largest logit, that counts as none: float32 rounding stays far below.
KEPT = 1e-4


@dataclass(frozen=True)
class MovedQuality:
    """How a network classifies images that were moved by one generator.

    Attributes:
        name: of the generator.
        accuracy: share of the moved images that is classified correctly.
        interval: its 95 % confidence interval over the draw of the images (Wilson's).
        same: share of the images whose predicted class does not change.
        change: largest change of a logit, relative to the largest logit.
        kept: whether the logits do not change but for rounding, which an invariant network guarantees for every image.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    same: float
    change: float
    kept: bool


def moved_quality(
    child: Child, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"], generators: Iterable[Generator]
) -> tuple[MovedQuality, ...]:
    """Return how a network classifies images that are moved by each generator that acts on them.

    Args:
        child: the network.
        images: at least one.
        labels: their classes, which stay the same.
        generators: each moves all images once.
    """
    logits = logits_of(child, images)
    predicted, scale = logits.argmax(dim=1), logits.abs().max().clamp_min(1e-30)
    found = []
    for generator in generators:
        try:
            permutation = generator.permutation(child.spec.grid)
        except GroupError:
            continue
        theirs = logits_of(child, move(images.flatten(2), permutation).view(images.shape))
        change = float((theirs - logits).abs().max() / scale)
        classes = theirs.argmax(dim=1)
        hits = int((classes == labels).sum())
        found.append(
            MovedQuality(
                generator.name,
                hits / len(labels),
                wilson_interval(hits, len(labels)),
                float((classes == predicted).double().mean()),
                change,
                change <= KEPT,
            )
        )
    return tuple(found)


def layer_errors(child: Child, generators: Sequence[Generator]) -> dict[str, dict[str, float]]:
    """Return the relative equivariance error ``|f(g x) - g f(x)| / |f(x)|`` of each layer, on random input.

    Dense layers are measured for every generator that acts on their grids, tied by it or not; other layers for the
    elements of their own group.

    Args:
        child: the network.
        generators: those to try on dense layers.

    Returns:
        For each layer by name, the error for each transformation; layers without any are left out.
    """
    child.eval()
    found = {}
    for name, layer in child.named_modules():
        errors = _errors_of(layer, generators)
        if errors:
            found[name] = errors
    return found


def _errors_of(layer: nn.Module, generators: Sequence[Generator]) -> dict[str, float]:
    if isinstance(layer, SymmetrizedLinear):
        fitting = [g for g in generators if _fits(g, layer.in_grid) and _fits(g, layer.out_grid)]
        return dict(
            equivariance_errors(
                layer, fitting, in_grid=layer.in_grid, out_grid=layer.out_grid, words=0, seed=0, like=layer.weight
            )
        )
    check = getattr(layer, "check_equivariance", None)
    inner = any(hasattr(own, "check_equivariance") for own in layer.children())
    if check is None or inner or isinstance(layer, Child) or next(layer.parameters(), None) is None:
        return {}
    try:
        return dict(check())
    except GroupError:  # its group does not act exactly on pixels
        return {}


def _fits(generator: Generator, grid: Grid) -> bool:
    try:
        generator.permutation(grid)
    except GroupError:
        return False
    return True
