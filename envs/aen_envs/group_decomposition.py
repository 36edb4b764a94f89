"""The environment `aen/GroupDecomposition-v0`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from aen._typing import JsonDict
from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.evaluators import Evaluator
from aen.groups import Alphabet, Decomposition, Factor
from aen.spaces import DecompositionSpace, Space
from aen_envs.arguments import ObservationKind, Observed, child_with_seed
from aen_envs.own_data import DataChoice, on_data
from aen_envs.rendering import Scene
from aen_envs.rewards import RewardFunction, RewardKind
from aen_envs.space_env import SpaceEnv


def quick_child() -> DenseSpec:
    """Return the default child: small, for digits moved by a hidden group, trained in about a tenth of a second."""
    data = DataSpec("digits", train=400, validation=400, test=400, moves=("rot90", "hflip"))
    return DenseSpec(data=data, grids=(8, 16, 16), head="free", training=TrainingSpec(epochs=6, learning_rate=1e-2))


class GroupDecompositionEnv(SpaceEnv):
    """Choose the symmetries of a network, one toggle at a time.

    ## Description
    A state is the set of factors of an alphabet of small groups (rotations, flips, shifts, products of them) that a
    child network is equivariant to. Every action toggles one factor; the child of the new state is trained, or looked
    up if the same network was trained before, and its validation accuracy makes the reward (AEN, arXiv 2104.04848).

    ## Action Space
    `Discrete(n)`: toggle factor i of n. With ``stop_action=True`` `Discrete(n + 1)`: the last action ends the episode.

    ## Observation Space
    `MultiBinary(n)`: 1 for each chosen factor.

    With ``observe_symmetry_test=True`` a `Dict` with the `state` as above and `symmetry_test`: for each factor a number
    from -10 to 10, near 0 if the training images look the same after it. With ``observation="box"`` these numbers
    follow those of the state.

    ## Rewards
    With a the accuracy of the new state, a0 that of the untied child and b that of the state before, all in [0, 1]:
    - ``paper``: (a - a0) exp(|a - a0|)
    - ``delta``: a - a0
    - ``improvement``: a - b
    - ``accuracy``: a
    - a function: ``reward(a, a0, b)``, which returns a finite number

    The stop action leaves the state as it is and is rewarded by the same formula. A child whose training diverged
    has accuracy 0.

    ## Starting State
    No factor chosen, or ``reset(options={"state": bits})``.

    ## Episode End
    Truncation after `horizon` steps. Termination by the stop action, if there is one.

    ## Arguments
    - `child`: the DenseSpec whose factors are chosen; its own decomposition is not used. By default digits, moved by
      quarter turns and flips, with a budget of about a tenth of a second.
    - `data`: the data set of the children: a name, a path of own data, or a DataSpec; by default the child's.
    - `alphabet`: an Alphabet, the name of one (``published``, ``quarter``), or factors such as
      ``["rot90", "hflip x vflip"]``.
    - `evaluator`: trains children or looks them up; by default it trains in this process and keeps results in memory.
    - `reward`: ``paper``, ``delta``, ``improvement``, ``accuracy``, or a function.
    - `stop_action`: whether there is a stop action.
    - `horizon`: steps until truncation.
    - `child_seed`: the seed of every child. ``reset(seed=)`` never changes it, or each reset would train everything
      again.
    - `observation`: ``default`` or ``box``.
    - `observe_symmetry_test`: whether observations include a test of the training images, see `aen.symmetry_test`.
    - `observe`: ``state``, or ``full``: a `Dict` with the state, what is known of its factors and what the environment
      has met, see docs/environments.md.
    - `render_mode`: ``ansi`` or ``rgb_array``.

    ``info`` holds `accuracy` (validation), `baseline_accuracy`, `status`, `state` (the bits as one number), `factors`,
    `class_key`, `key` (of the child's spec), `group`, `parameters`, `seconds` (of its training) and `looked_up`:
    whether this network was met before, since the environment was made or last reset with a seed. Results that a store
    held before do not count, so that `info` depends on the seed alone; the evaluator's `trained` counts actual
    trainings.

    ## Version History
    - v0: first version.
    """

    space: DecompositionSpace

    def __init__(
        self,
        *,
        child: DenseSpec | JsonDict | None = None,
        data: DataChoice = None,
        alphabet: Alphabet | str | JsonDict | Sequence[str | JsonDict | Factor] = "quarter",
        evaluator: Evaluator | None = None,
        reward: RewardKind | RewardFunction = "delta",
        stop_action: bool = False,
        horizon: int = 100,
        child_seed: int = 0,
        observation: ObservationKind = "default",
        observe_symmetry_test: bool = False,
        observe: Observed = "state",
        render_mode: str | None = None,
    ) -> None:
        alphabet = alphabet if isinstance(alphabet, Alphabet) else Alphabet.of(alphabet)
        super().__init__(
            DecompositionSpace(on_data(child_with_seed(DenseSpec, child, child_seed, quick_child), data), alphabet),
            evaluator=evaluator,
            reward=reward,
            stop_action=stop_action,
            horizon=horizon,
            observation=observation,
            observe_symmetry_test=observe_symmetry_test,
            observe=observe,
            render_mode=render_mode,
        )

    @classmethod
    def arguments_for(cls, space: Space, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - of any setting
        """Return the constructor's arguments for a DecompositionSpace."""
        own = cast("DecompositionSpace", space)
        return {"child": own.child, "alphabet": own.alphabet, "child_seed": own.child.seed} | settings

    @property
    def child(self) -> DenseSpec:
        """The untied child."""
        return self.space.child

    @property
    def alphabet(self) -> Alphabet:
        """The factors on offer."""
        return self.space.alphabet

    @property
    def decomposition(self) -> Decomposition:
        """The chosen factors."""
        return self.alphabet.decomposition(self._state.tolist())

    def scene(self) -> Scene:
        """Return the content of a rendering, with the orbits of the chosen factors on the input grid."""
        return replace(super().scene(), decomposition=self.decomposition, grid=self.child.grid)
