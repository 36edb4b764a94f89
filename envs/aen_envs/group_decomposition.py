"""The environment `aen/GroupDecomposition-v0`."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError, did_you_mean
from aen.evaluators import Evaluator, LocalEvaluator, evaluate
from aen.groups import Alphabet, Decomposition, Factor
from aen.results import Evaluation
from aen_envs.rendering import Scene, draw_picture, draw_text
from aen_envs.rewards import REWARDS, RewardKind

Bits = npt.NDArray[np.int8]


def quick_child() -> DenseSpec:
    """Return the child of an environment made bare: moved digits, trained in about a tenth of a second."""
    data = DataSpec("digits", train=400, validation=400, test=400, moves=("rot90", "hflip"))
    return DenseSpec(data=data, grids=(8, 16, 16), head="free", training=TrainingSpec(epochs=6, learning_rate=1e-2))


class GroupDecompositionEnv(gym.Env[Bits, np.int64]):
    """Choose the symmetries of a network, one toggle at a time.

    ## Description
    A state says which factors of an alphabet of small groups (rotations, flips, shifts, products of them) a child
    network is equivariant to. Every action changes one of them; the child of the new state is trained, or looked up if
    the same network was trained before, and its validation accuracy makes the reward (AEN, arXiv 2104.04848).

    ## Action Space
    `Discrete(n)`: toggle factor i of n. With ``stop_action=True`` `Discrete(n + 1)`: the last action ends the episode.

    ## Observation Space
    `MultiBinary(n)`: 1 for each chosen factor.

    ## Rewards
    With a the accuracy of the new state, a0 that of the untied child and b that of the state before, all in [0, 1]:
    - ``paper``: (a - a0) exp(|a - a0|)
    - ``delta``: a - a0
    - ``improvement``: a - b

    The stop action leaves the state as it is and is rewarded by the same formula. A child whose training diverged
    counts with accuracy 0.

    ## Starting State
    No factor chosen, or ``reset(options={"state": bits})``.

    ## Episode End
    Truncation after `horizon` steps. Termination by the stop action, where there is one.

    ## Arguments
    - `child`: the DenseSpec whose factors are chosen; its own decomposition is not used. By default digits, moved by
      quarter turns and flips, with a budget of about a tenth of a second.
    - `alphabet`: an Alphabet, the name of one (``published``, ``quarter``), or factors such as
      ``["rot90", "hflip x vflip"]``.
    - `evaluator`: trains children or looks them up; by default in this process, results kept in memory.
    - `reward`: ``paper``, ``delta`` or ``improvement``.
    - `stop_action`: whether there is one.
    - `horizon`: steps until truncation.
    - `child_seed`: the seed of every child. ``reset(seed=)`` never changes it, or each reset would train everything
      again.
    - `render_mode`: ``ansi`` or ``rgb_array``.

    ``info`` holds `accuracy` (validation), `baseline_accuracy`, `status`, `state` (the bits as one number), `factors`,
    `class_key`, `group`, `parameters`, `seconds` (of its training) and `looked_up`: whether this network was met
    before, since the environment was made or last reset with a seed, so that it was looked up, not trained. What a
    store already held does not count, or `info` would not depend on the seed alone; the evaluator's `trained` knows.

    ## Version History
    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        *,
        child: DenseSpec | None = None,
        alphabet: Alphabet | str | Sequence[str | Factor] = "quarter",
        evaluator: Evaluator | None = None,
        reward: RewardKind = "delta",
        stop_action: bool = False,
        horizon: int = 100,
        child_seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        super().__init__()
        if reward not in REWARDS:
            raise SpecError(f"unknown reward {reward!r}{did_you_mean(str(reward), REWARDS)}.")
        if horizon < 1:
            raise SpecError(f"horizon is {horizon}; an episode needs at least 1 step.")
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            modes = self.metadata["render_modes"]
            raise SpecError(f"unknown render_mode {render_mode!r}{did_you_mean(render_mode, modes)}.")
        self.child = (child or quick_child()).with_seed(child_seed)
        self.alphabet = alphabet if isinstance(alphabet, Alphabet) else Alphabet.of(alphabet)
        self.alphabet.check(self.child.grids)
        self._owns_evaluator = evaluator is None
        self.evaluator: Evaluator = evaluator or LocalEvaluator()
        self.reward = reward
        self.stop_action = stop_action
        self.horizon = horizon
        self.render_mode = render_mode
        n = len(self.alphabet)
        self.observation_space = gym.spaces.MultiBinary(n)
        self.action_space = gym.spaces.Discrete(n + 1 if stop_action else n)
        self._bits: Bits = np.zeros(n, dtype=np.int8)
        self._accuracies: list[float] = []
        self._baseline = 0.0
        self._met: set[str] = set()

    @property
    def decomposition(self) -> Decomposition:
        """The factors chosen now."""
        return self._decomposition_of(self._bits)

    def _decomposition_of(self, bits: Bits) -> Decomposition:
        return self.alphabet.decomposition(bits.tolist())

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Bits, dict[str, Any]]:
        """Start an episode; ``options={"state": bits}`` starts it elsewhere than at no factor."""
        super().reset(seed=seed)
        n = len(self.alphabet)
        start = (options or {}).get("state", [0] * n)
        if np.shape(start) != (n,) or any(bit not in (0, 1) for bit in start):
            raise SpecError(f"options['state'] is {start!r}; give {n} values of 0 or 1.")
        bits: Bits = np.array(start, dtype=np.int8)
        untied, here = self._evaluate(Decomposition(), self._decomposition_of(bits))
        self._bits = bits
        self._baseline = untied.validation_accuracy
        if seed is not None:
            self._met.clear()
        self._accuracies = [here.validation_accuracy]
        info = self._info(here)
        self._met.add(untied.class_key)
        return self._bits.copy(), info

    def step(self, action: np.int64 | int) -> tuple[Bits, float, bool, bool, dict[str, Any]]:
        """Toggle a factor, or stop."""
        if not self._accuracies:
            raise SpecError("step was called before reset; call reset first.")
        if action not in self.action_space:
            raise SpecError(f"action is {action!r}; choose 0 to {int(self.action_space.n) - 1}.")  # type: ignore[attr-defined]
        stopped = int(action) == len(self.alphabet)
        bits = self._bits.copy()
        if not stopped:
            bits[int(action)] ^= 1
        # The state changes only when its child is there: an evaluator that fails leaves everything as it was.
        (evaluation,) = self._evaluate(self._decomposition_of(bits))
        self._bits = bits
        accuracy = evaluation.validation_accuracy
        reward = REWARDS[self.reward](accuracy, self._baseline, self._accuracies[-1])
        self._accuracies.append(accuracy)
        truncated = not stopped and len(self._accuracies) > self.horizon
        return self._bits.copy(), reward, stopped, truncated, self._info(evaluation)

    def render(self) -> Any:  # noqa: ANN401 - gymnasium: RenderFrame, which is Any
        """Return the scene as text or as an RGB picture, by the render mode."""
        if self.render_mode is None or not self._accuracies:
            return None
        scene = Scene(
            names=self.alphabet.names,
            bits=self._bits.tolist(),
            decomposition=self.decomposition,
            group=self.decomposition.describe(self.child.grids).name,
            side=self.child.grids[0],
            accuracies=self._accuracies,
            baseline=self._baseline,
        )
        return draw_text(scene) if self.render_mode == "ansi" else draw_picture(scene)

    def close(self) -> None:
        """Close the evaluator, unless it was handed in: others may use it."""
        if self._owns_evaluator:
            self.evaluator.close()

    def _evaluate(self, *decompositions: Decomposition) -> list[Evaluation]:
        return evaluate(self.evaluator, [self.child.with_decomposition(d) for d in decompositions])

    def _info(self, evaluation: Evaluation) -> dict[str, Any]:
        decomposition = self.decomposition
        met = evaluation.class_key in self._met
        self._met.add(evaluation.class_key)
        return {
            "accuracy": evaluation.validation_accuracy,
            "baseline_accuracy": self._baseline,
            "status": evaluation.status,
            "state": sum(int(bit) << i for i, bit in enumerate(self._bits)),
            "factors": decomposition.name,
            "class_key": evaluation.class_key,
            "group": decomposition.describe(self.child.grids).name,
            "parameters": evaluation.parameters,
            "looked_up": met,
            "seconds": evaluation.seconds,
        }
