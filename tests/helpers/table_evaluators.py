"""Evaluators that train nothing, and environments over them."""

from concurrent.futures import Future
from dataclasses import replace

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec, TrainingSpec
from aen.data import DataSpec
from aen.evaluators import TabularEvaluator
from aen.results import Evaluation
from aen.spaces import GCNNSpace
from aen_envs import GCNNDesignEnv, GroupDecompositionEnv, LayerwiseGroupEnv, LayerwiseRelaxationEnv


class TableEvaluator(TabularEvaluator):
    """A table of all classes: a class's accuracy is a number made of its key.

    Attributes:
        asked: the key of every spec that was submitted, in order.
    """

    def __init__(self):
        super().__init__(self.evaluation)
        self.asked = []
        self.closed = False

    def look_up(self, spec):
        looked_up = spec.key in self.asked
        self.asked.append(spec.key)
        return replace(super().look_up(spec), looked_up=looked_up)

    def evaluation(self, spec):
        return Evaluation(
            key=spec.key,
            class_key=spec.class_key,
            seed=spec.seed,
            status="ok",
            train_loss=0.0,
            train_accuracy=1.0,
            validation_loss=0.0,
            validation_accuracy=self.accuracy(spec),
            parameters=int(spec.class_key, 16) % 977,
            epochs=1,
            seconds=0.25,
            device="table",
            threads=1,
        )

    @staticmethod
    def accuracy(spec):
        return int(spec.class_key, 16) % 10_007 / 10_007

    def close(self):
        self.closed = True


class LateTable(TableEvaluator):
    """One with an accuracy for each training, which accepts `keep_weights` and answers when `answer` is called.

    Attributes:
        calls: (keys, keep_weights) of each call of `submit`.
        late: whether futures wait for `answer`.
        fails: how many calls go well before one fails; None: all do.
    """

    def __init__(self, *, late=False, fails=None):
        super().__init__()
        self.calls, self.late, self.fails, self.waiting = [], late, fails, []

    def submit(self, specs, *, keep_weights=False):
        self.calls.append(([spec.key for spec in specs], keep_weights))
        futures = [Future() for _ in specs]
        failing = self.fails is not None and len(self.calls) > self.fails
        self.waiting += [(future, spec, failing) for future, spec in zip(futures, specs, strict=True)]
        if not self.late:
            self.answer()
        return futures

    def answer(self):
        """Answer what waits, the last one first."""
        while self.waiting:
            future, spec, failing = self.waiting.pop()
            if failing:
                future.set_exception(OSError("no space left"))
            else:
                future.set_result(self.look_up(spec))

    @staticmethod
    def accuracy(spec):
        return int(spec.key, 16) % 10_007 / 10_007


DIGITS = DataSpec("digits", train=160, validation=80, test=80, moves=("rot90", "hflip"))
TRAINING = TrainingSpec(epochs=0.3, batch_size=16, learning_rate=1e-2)
EQUINAS = EquiNASSpec(data=DIGITS, side=8, width=1, kernel_size=3, dense=8, training=TRAINING)
GCNN = GCNNSpec(data=DIGITS, side=8, width=2, padding="same", head="invariant", training=TRAINING)

# Of every kind an environment that is small, with short episodes and every way to end them.
ENVIRONMENTS = {
    "decomposition": lambda evaluator, **other: GroupDecompositionEnv(
        **{"child": DenseSpec(grids=(4, 4)), "evaluator": evaluator, "horizon": 4, "stop_action": True} | other
    ),
    "layerwise": lambda evaluator, **other: LayerwiseGroupEnv(
        **{"child": DenseSpec(grids=(4, 4, 4)), "alphabet": ["rot90", "hflip"], "evaluator": evaluator, "horizon": 3}
        | {"reward": "improvement"}
        | other
    ),
    "design": lambda evaluator, **other: GCNNDesignEnv(
        **{"space": GCNNSpace(GCNN, groups=["C1", "C2", "D4"]), "evaluator": evaluator, "horizon": 3}
        | {"reward": "paper", "reference": "rot90", "stop_action": True}
        | other
    ),
    "relaxation": lambda evaluator, **other: LayerwiseRelaxationEnv(
        **{"child": EQUINAS, "evaluator": evaluator, "groups": ["D4", "C4", "C1"], "slices": 3, "horizon": 5}
        | {"parameter_price": 0.5}
        | other
    ),
    "twin": lambda evaluator, **other: LayerwiseRelaxationEnv(
        **{"child": EQUINAS, "evaluator": evaluator, "slices": 2, "horizon": 4, "inherit": False} | other
    ),
}


def plain(value):
    """What an environment returned, in a form that can be compared."""
    if isinstance(value, dict):
        return {name: plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(content) for content in value]
    return (str(value.dtype), value.shape, plain(value.tolist())) if hasattr(value, "dtype") else value


def draw_action(env, random):
    """An action at random, mostly a legal one."""
    if hasattr(env, "action_masks") and random.random() < 0.8:
        return int(random.choice(env.action_masks().nonzero()[0]))
    return int(random.integers(env.action_space.n))
