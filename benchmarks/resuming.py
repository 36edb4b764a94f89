"""Runs with very many results, made without training, to see how long it takes to go on with them."""

import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sleeper import part

from aen.children import ChildSpec
from aen.results import Evaluation
from aen.results.store import ResultStore

AT_A_TIME = 2_000


def _evaluation(spec: ChildSpec, key: str) -> Evaluation:
    accuracy = part(key, "accuracy")
    return Evaluation(
        key=key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="ok",
        train_loss=0.0,
        train_accuracy=1.0,
        validation_loss=0.0,
        validation_accuracy=accuracy,
        parameters=1,
        epochs=1.0,
        seconds=0.1,
        device="cpu",
        threads=1,
    )


def _fill(store: ResultStore, specs: list[ChildSpec]) -> None:
    for start in range(0, len(specs), AT_A_TIME):
        store.commit_many([(_evaluation(spec, spec.key), spec) for spec in specs[start : start + AT_A_TIME]])


def resume_dqn(count: int) -> float:
    """Return the seconds that a DQN of so many visits and results needs to go on and make one more step."""
    from aen.evaluators import LocalEvaluator
    from aen_agents.agents.dqn.checkpoint import save
    from aen_agents.agents.dqn.model import make_dqn
    from aen_agents.agents.dqn.sb3_loop import explore
    from aen_agents.agents.dqn.state import dqn_state, environments_state
    from aen_agents.agents.dqn.visits import Visits
    from aen_agents.config import BudgetConfig, DQNConfig
    from aen_envs import GroupDecompositionEnv

    def visits_of(steps: int) -> Visits:
        return Visits(
            budget=BudgetConfig(children=10 * count, steps=steps),
            counted="classes",
            classes=10 * count,
            states=10 * count,
            listener=lambda _: None,
            history=folder / "history.jsonl",
        )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        agent = DQNConfig()
        with closing(LocalEvaluator(ResultStore(folder / "results.sqlite"))) as evaluator:
            env = GroupDecompositionEnv(evaluator=evaluator)
            visits = visits_of(count)
            model = make_dqn(agent, env, visits, seed=0)
            model._setup_learn(0)  # noqa: SLF001 - begins an episode
            info: dict[str, Any] = env.reset()[1]
            visits.saw(info, reward=0.0, epsilon=1.0, start=True)
            for number in range(1, count + 1):
                info |= {"state": number, "class_key": f"{number:024x}"}
                visits.saw(info, reward=0.0, epsilon=0.3)
            visits.close()
            replay = model.replay_buffer
            assert replay is not None
            replay.full, replay.pos = True, 0
            replay.rewards[:] = np.random.default_rng(0).normal(size=replay.rewards.shape)
            model.num_timesteps = count
            arrays, state = dqn_state(model)
            save(
                folder / "agent",
                arrays,
                {"visits": visits.mark(), "dqn": state, "environments": environments_state(model.env)},
            )
            _fill(ResultStore(folder / "results.sqlite"), [env.child.with_seed(1 + i) for i in range(count)])
        started = time.perf_counter()
        with closing(LocalEvaluator(ResultStore(folder / "results.sqlite"))) as evaluator:
            env = GroupDecompositionEnv(evaluator=evaluator)
            visits = visits_of(count + 1)
            explore(agent, env, visits, seed=0, folder=folder)
        assert visits.steps == count + 1
        return time.perf_counter() - started


def resume_exhaustive(count: int) -> float:
    """Return the seconds that an exhaustive search whose children are all stored needs to look them up and rank."""
    from aen_agents.agents.selection import exploring_seeds
    from aen_agents.config import ExhaustiveConfig, load_config
    from aen_agents.events import Event, StageStarted
    from aen_agents.runs.folder import RunFolder
    from aen_agents.search import Search

    class _Reached(Exception):  # noqa: N818 - no error
        pass

    def listen(event: Event) -> None:
        if isinstance(event, StageStarted) and event.name == "select":
            raise _Reached

    config = load_config(Path(__file__).resolve().parents[1] / "configs" / "digits.yaml", ["agent=exhaustive"])
    space = Search(config, lambda _: None).space
    seeds = -(-count // len(space.classes))
    config = config.model_copy(update={"agent": ExhaustiveConfig(seeds=seeds)})
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder.create(config, Path(name) / "run")
        specs = [space.spec(c) for c in space.classes]
        with closing(ResultStore(folder.store_file)) as store:
            _fill(store, [replace(spec, seed=seed) for seed in exploring_seeds(config) for spec in specs])
        started = time.perf_counter()
        try:
            Search(config, listen).run(folder)
        except _Reached:
            return time.perf_counter() - started
    raise AssertionError("the search did not come to its selection")
