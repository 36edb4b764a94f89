"""The environment `aen/GCNNDesign-v0`."""

from collections.abc import Sequence
from typing import Literal, get_args

from aen.children import GCNNSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError, did_you_mean
from aen.evaluators import Evaluator
from aen.spaces import GCNNSpace
from aen_envs.rendering import Scene
from aen_envs.rewards import RewardKind
from aen_envs.space_env import SpaceEnv

Reference = Literal["untied", "rot90"]


def quick_space() -> GCNNSpace:
    """Return the space of an environment made bare: moved digits, children that train for about half a second."""
    data = DataSpec("digits", train=400, validation=400, test=400, moves=("rot90", "hflip"))
    training = TrainingSpec(epochs=3, batch_size=32, learning_rate=3e-3)
    child = GCNNSpec(
        data=data, side=8, width=6, padding="same", norm="batch", head="invariant", dropout=0.0, training=training
    )
    return GCNNSpace(child)


class GCNNDesignEnv(SpaceEnv):
    """Choose group, augmentations and size of a convolutional network, one change at a time.

    ## Description
    A state says by which planar group (rotations and mirrorings) a G-CNN child is tied, how its training images are
    augmented and how wide it is. Every action changes one of these; the child of the new state is trained, or looked up
    if the same network was trained before, and its validation accuracy makes the reward (AEN, arXiv 2104.04848).

    ## Action Space
    `Discrete(10)`: toggle place i. The places are, in this order: the group's generators rot90, vflip, hflip; the
    augmentations rotation, hflip, vflip, translation, scale, shear; the size x1.5. With ``stop_action=True``
    `Discrete(11)`: the last action ends the episode.

    A wider space (see `aen.spaces.GCNNSpace`) may have places of more than two choices: one place that names the group
    instead of the three generators, then the six augmentations, the size, and the kernel size and the widths of two
    stages, if several are offered. Such a place has two actions, one after the other: on to the next choice and back to
    the previous one, round in a circle. Places of two choices keep one. `changes` lists (place, step) of every action.

    ## Observation Space
    `MultiBinary(10)`: 1 where the choice is not the baseline's. A space that has a place of more than two choices:
    `MultiDiscrete(sizes)`, the number of each place's choice.

    ## Rewards
    With a the accuracy of the new state, a0 that of the reference and b that of the state before, all in [0, 1]:
    - ``paper``: (a - a0) exp(|a - a0|)
    - ``delta``: a - a0
    - ``improvement``: a - b

    The stop action leaves the state as it is and is rewarded by the same formula. A child whose training diverged
    counts with accuracy 0.

    ## Starting State
    Group C1, no augmentation, size x1: choice 0 everywhere; or ``reset(options={"state": choices})``.

    ## Episode End
    Truncation after `horizon` steps. Termination by the stop action, where there is one.

    ## Arguments
    - `space`: the GCNNSpace. By default the published one over small children for digits, moved by quarter turns and
      flips.
    - `evaluator`: trains children or looks them up; by default in this process, results kept in memory.
    - `reward`: ``paper``, ``delta`` or ``improvement``.
    - `reference`: whose accuracy is a0: ``untied``, the child of choice 0 everywhere, or ``rot90``, as published: the
      child of C4, not augmented, of size x1.
    - `stop_action`: whether there is one.
    - `horizon`: steps until truncation; 50 is the published one.
    - `child_seed`: the seed of every child. ``reset(seed=)`` never changes it, or each reset would train everything
      again.
    - `render_mode`: ``ansi`` or ``rgb_array``.

    ``info`` holds `accuracy` (validation), `baseline_accuracy` (of the reference), `status`, `state` (the choices as
    one number, the first place counting least), `factors`, `class_key`, `group`, `parameters`, `seconds` (of its
    training) and `looked_up`: whether this network was met before, since the environment was made or last reset with a
    seed, so that it was looked up, not trained. What a store already held does not count, or `info` would not depend on
    the seed alone; the evaluator's `trained` knows.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        *,
        space: GCNNSpace | None = None,
        evaluator: Evaluator | None = None,
        reward: RewardKind = "delta",
        reference: Reference = "untied",
        stop_action: bool = False,
        horizon: int = 50,
        child_seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        if reference not in get_args(Reference):
            raise SpecError(f"unknown reference {reference!r}{did_you_mean(str(reference), get_args(Reference))}.")
        self.space = (space or quick_space()).with_seed(child_seed)
        self.reference_name = reference
        super().__init__(
            self.space.sizes,
            evaluator=evaluator,
            reward=reward,
            stop_action=stop_action,
            horizon=horizon,
            render_mode=render_mode,
        )

    def spec_of(self, state: Sequence[int]) -> GCNNSpec:
        """Return the child of a state."""
        return self.space.spec_of(state)

    def reference(self) -> GCNNSpec:
        """Return the child whose accuracy is a0."""
        return self.space.child if self.reference_name == "untied" else self.space.child.with_choice(group="C4")

    def scene(self) -> Scene:
        """Return what there is to draw."""
        state = self._state.tolist()
        return Scene(
            names=self.space.labels(state),
            bits=[int(choice > 0) for choice in state],
            group=self.spec_of(state).group,
            accuracies=self._accuracies,
            baseline=self._baseline,
            reference=self.reference_name,
        )
