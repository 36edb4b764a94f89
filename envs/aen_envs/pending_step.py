"""PendingStep: a step or reset between its two halves."""

from dataclasses import dataclass

from aen.children import ChildSpec


@dataclass(frozen=True)
class PendingStep:
    """A step or a reset that waits for the evaluations of its children.

    Attributes:
        specs: the children that it needs; empty if it trains nothing.
        keep_weights: whether their weights must be kept, because later children inherit them.
        state: the state after it.
        action: the action of a step; None for a reset.
        step: the number of steps of the episode so far, when this one began.
        seed: the seed of a reset.
        forget: whether a reset forgets what the environment has met; one with a seed always does.
    """

    specs: tuple[ChildSpec, ...]
    keep_weights: bool
    state: tuple[int, ...]
    action: int | None = None
    step: int = 0
    seed: int | None = None
    forget: bool = False

    @property
    def forgets(self) -> bool:
        """Whether what the environment has met is forgotten."""
        return self.forget or self.seed is not None


Plan = PendingStep  # the former name; will be removed
