"""The environment `aen/GCNNDesign-v0`."""

from typing import Any, ClassVar, Literal, cast, get_args

from aen._typing import JsonDict
from aen.children import GCNNSpec, TrainingSpec
from aen.data import DataSpec
from aen.evaluators import Evaluator
from aen.spaces import GCNNSpace, Space
from aen_envs.arguments import ObservationKind, Observed, checked_child_seed, one_of, space_of
from aen_envs.own_data import DataChoice, on_data
from aen_envs.rewards import RewardFunction, RewardKind
from aen_envs.space_env import SpaceEnv

Reference = Literal["untied", "rot90"]


def quick_space() -> GCNNSpace:
    """Return the default space: small children for digits moved by a hidden group, trained in half a second each."""
    data = DataSpec("digits", train=400, validation=400, test=400, moves=("rot90", "hflip"))
    training = TrainingSpec(epochs=3, batch_size=32, learning_rate=3e-3)
    child = GCNNSpec(
        data=data, side=8, width=6, padding="same", norm="batch", head="invariant", dropout=0.0, training=training
    )
    return GCNNSpace(child)


class GCNNDesignEnv(SpaceEnv):
    """Choose group, augmentations and size of a convolutional network, one change at a time.

    ## Description
    A state is the planar group (rotations and reflections) that ties a G-CNN child, the augmentations of its training
    images, and its width. Every action changes one of these; the child of the new state is trained, or looked up if the
    same network was trained before, and its validation accuracy makes the reward (AEN, arXiv 2104.04848).

    ## Action Space
    `Discrete(10)`: toggle place i. The places are, in this order: the group's generators rot90, vflip, hflip; the
    augmentations rotation, hflip, vflip, translation, scale, shear; the size x1.5. With ``stop_action=True``
    `Discrete(11)`: the last action ends the episode.

    A wider space (see `aen.spaces.GCNNSpace`) may have places with more than two choices: one place that names the
    group instead of the three generators, then the six augmentations, the size, and the kernel size and the widths of
    two stages, if several are offered. Such a place has two actions, one after the other: to the next and to the
    previous choice, cyclically. Places with two choices have one. `changes` lists (place, step) of every action.

    ## Observation Space
    `MultiBinary(10)`: 0 for the baseline's choice at a place, 1 for the other. If a place of the space has more than
    two choices: `MultiDiscrete(sizes)`, the number of the choice at each place.

    ## Rewards
    With a the accuracy of the new state, a0 that of the reference child and b that of the state before, all in [0, 1]:
    - ``paper``: (a - a0) exp(|a - a0|)
    - ``delta``: a - a0
    - ``improvement``: a - b
    - ``accuracy``: a
    - a function: ``reward(a, a0, b)``, which returns a finite number

    The stop action leaves the state as it is and is rewarded by the same formula. A child whose training diverged
    has accuracy 0.

    ## Starting State
    Group C1, no augmentation, size x1: choice 0 everywhere; or ``reset(options={"state": choices})``.

    ## Episode End
    Truncation after `horizon` steps. Termination by the stop action, if there is one.

    ## Arguments
    - `space`: the GCNNSpace. By default the published one over small children for digits, moved by quarter turns and
      flips.
    - `data`: the data set of the children: a name, a path of own data, or a DataSpec; by default the child's.
    - `evaluator`: trains children or looks them up; by default it trains in this process and keeps results in memory.
    - `reward`: ``paper``, ``delta``, ``improvement``, ``accuracy``, or a function.
    - `reference`: the child whose accuracy is a0: ``untied``, the child of choice 0 everywhere, or ``rot90``, as
      published: the child of C4 without augmentation, of size x1.
    - `stop_action`: whether there is a stop action.
    - `horizon`: steps until truncation; 50 is the published one.
    - `child_seed`: the seed of every child. ``reset(seed=)`` never changes it, or each reset would train everything
      again.
    - `observation`: ``default`` or ``box``.
    - `observe`: ``state``, or ``full``: a `Dict` with the state, what is known of its factors and what the environment
      has met, see docs/environments.md.
    - `render_mode`: ``ansi`` or ``rgb_array``.

    ``info`` holds `accuracy` (validation), `baseline_accuracy` (of the reference), `status`, `state` (the choices as
    one number; the first place is the least significant), `factors`, `class_key`, `key` (of the child's spec), `group`,
    `parameters`, `seconds` (of its training) and `looked_up`: whether this network was met before, since the
    environment was made or last reset with a seed. Results that a store held before do not count, so that `info`
    depends on the seed alone; the evaluator's `trained` counts actual trainings.

    ## Version History
    - v0: first version.
    """

    settings: ClassVar[tuple[str, ...]] = (*SpaceEnv.settings, "reference")
    space: GCNNSpace

    def __init__(
        self,
        *,
        space: GCNNSpace | JsonDict | None = None,
        data: DataChoice = None,
        evaluator: Evaluator | None = None,
        reward: RewardKind | RewardFunction = "delta",
        reference: Reference = "untied",
        stop_action: bool = False,
        horizon: int = 50,
        child_seed: int = 0,
        observation: ObservationKind = "default",
        observe: Observed = "state",
        render_mode: str | None = None,
    ) -> None:
        one_of("reference", reference, get_args(Reference))
        found = quick_space() if space is None else space_of(GCNNSpace, space)
        super().__init__(
            (found if data is None else found.with_child(on_data(found.child, data))).with_seed(
                checked_child_seed(child_seed)
            ),
            evaluator=evaluator,
            reward=reward,
            stop_action=stop_action,
            horizon=horizon,
            observation=observation,
            observe=observe,
            render_mode=render_mode,
        )
        self.reference_name = reference

    @classmethod
    def arguments_for(cls, space: Space, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - of any setting
        """Return the constructor's arguments for a GCNNSpace."""
        return {"space": space, "child_seed": cast("GCNNSpace", space).child.seed} | settings

    def reference(self) -> GCNNSpec:
        """Return the child whose accuracy is a0."""
        return self.space.child if self.reference_name == "untied" else self.space.child.with_choice(group="C4")
