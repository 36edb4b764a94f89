"""The actions of `aen/LayerwiseRelaxation-v0`: one for each layer and group, or the legal ones of each state."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from aen.children.equinas import LAYERS
from aen.errors import SpecError, did_you_mean
from aen.spaces import RelaxationSpace

ActionKind = Literal["all", "legal"]
# A layer, counted from 0, and the number of its new group; or what else an action does.
Relaxation = tuple[int, int]
Move = Relaxation | Literal["train", "stop"]

_MOST_STATES: Final = 2**14


class RelaxationActions:
    """What each action does in each state, and which are legal.

    Args:
        space: the space.
        kind: ``all`` or ``legal``; see `LayerwiseRelaxationEnv`.

    Attributes:
        pairs: every (layer, name of a group) that a layer can be relaxed to, in the order of the actions ``all``.
        train: the action that trains without relaxing.
        stop: the action that ends the episode.
        n: the number of actions.

    Raises:
        SpecError: an unknown kind.
    """

    def __init__(self, space: RelaxationSpace, kind: ActionKind) -> None:
        if kind not in get_args(ActionKind):
            raise SpecError(f"unknown actions {kind!r}{did_you_mean(str(kind), get_args(ActionKind))}.")
        self.space = space
        self.kind = kind
        self.pairs = tuple((layer, name) for layer in range(space.layers) for name in space.groups[1:])
        self.train = len(self.pairs) if kind == "all" else max(map(len, map(space.relaxations, space.all_states)))
        self.stop = self.train + 1
        self.n = self.train + 2
        remember = lru_cache(maxsize=_MOST_STATES)
        self.legal = remember(self._legal)
        self._remembered_mask = remember(self._mask)

    @property
    def names(self) -> list[str]:
        """A name for each action: ``relax layer 1 to C4`` or ``legal relaxation 1``, then ``train`` and ``stop``."""
        if self.kind == "legal":
            relaxing = [f"legal relaxation {number}" for number in range(1, self.train + 1)]
        else:
            layers = [f"layer {layer + 1}" if layer < LAYERS else "dense layer" for layer, _ in self.pairs]
            relaxing = [f"relax {layer} to {group}" for layer, (_, group) in zip(layers, self.pairs, strict=True)]
        return [*relaxing, "train", "stop"]

    def __reduce__(self) -> tuple[type["RelaxationActions"], tuple[RelaxationSpace, ActionKind]]:
        return RelaxationActions, (self.space, self.kind)

    def _legal(self, state: tuple[int, ...]) -> tuple[Relaxation, ...]:
        """Return the legal relaxations of a state; with actions ``legal`` the last layer's come first."""
        return tuple(sorted(self.space.relaxations(state), key=lambda move: (-move[0], move[1])))

    def mask(self, state: tuple[int, ...], *, trains: bool) -> npt.NDArray[np.bool_]:
        """Return which actions are legal.

        Args:
            state: the number of the group of each layer.
            trains: whether a child can be trained; if not, only stopping is legal.
        """
        return self._remembered_mask(state, trains).copy()

    def _mask(self, state: tuple[int, ...], trains: bool) -> npt.NDArray[np.bool_]:
        mask = np.zeros(self.n, dtype=np.bool_)
        mask[self.stop] = True
        if trains:
            mask[self.train] = True
            legal = self.legal(state)
            mask[range(len(legal)) if self.kind == "legal" else [self._place(*move) for move in legal]] = True
        return mask

    def move(self, action: int, state: tuple[int, ...], *, trains: bool) -> Move | None:
        """Return what an action does; None: it is illegal. The arguments are those of `mask`."""
        if action == self.stop:
            return "stop"
        if not trains:
            return "stop" if self.kind == "legal" else None
        if action == self.train:
            return "train"
        legal = self.legal(state)
        if self.kind == "legal":
            return legal[action % len(legal)] if legal else "train"
        layer, number = divmod(action, len(self.space.groups) - 1)
        return (layer, number + 1) if (layer, number + 1) in legal else None

    def action_of(self, layer: int, group: str, state: Sequence[int] | None) -> int:
        """Return the action that relaxes a layer to a group.

        Args:
            layer: counted from 0.
            group: its name.
            state: the current state; None if there is none, which actions ``all`` do not need.

        Raises:
            SpecError: there is no such action.
        """
        if (layer, group) not in self.pairs:
            raise SpecError(
                f"layer is {layer} and group {group!r}; layers from 0 to {self.space.layers - 1} are relaxed to "
                f"{', '.join(self.space.groups[1:]) or 'nothing'}."
            )
        number = self.space.groups.index(group)
        if self.kind == "all":
            return self._place(layer, number)
        if state is None:
            raise SpecError("action_of was called before reset; call reset first: actions='legal' depend on the state.")
        legal = self.legal(tuple(state))
        if (layer, number) not in legal:
            named = ", ".join(f"{place} to {self.space.groups[other]}" for place, other in legal) or "none"
            raise SpecError(f"layer {layer} cannot be relaxed to {group} in this state; legal are {named}.")
        return legal.index((layer, number))

    def _place(self, layer: int, number: int) -> int:
        return layer * (len(self.space.groups) - 1) + number - 1
