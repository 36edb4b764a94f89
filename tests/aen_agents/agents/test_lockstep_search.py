"""A DQN on several environments in lock-step: budget, table, epsilon, and going on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, LateTable

from aen._typing import JsonDict
from aen_agents.agents.dqn.model import make_dqn
from aen_agents.agents.dqn.sb3_loop import explore
from aen_agents.agents.dqn.vec_env import LockstepVecEnv
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import BudgetConfig, DQNConfig, SearchConfig
from aen_agents.runs.folder import RunFolder

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]
AGENT = DQNConfig(layers=(16,), learn_after=4, batch_size=8, gradient_steps=1, epsilon=((0.0, 0.5),))


def walk(folder: Path, evaluator: LateTable, *, every: float = 1e9) -> Visits:
    (folder / "agent").mkdir(parents=True, exist_ok=True)
    visits = Visits(
        budget=BudgetConfig(children=25, steps=400),
        counted="classes",
        classes=10**6,
        states=10**6,
        listener=lambda _: None,
        history=folder / "history.jsonl",
    )
    try:
        env = LockstepVecEnv([ENVIRONMENTS["decomposition"](evaluator) for _ in range(4)])
        explore(AGENT, env, visits, seed=2, folder=folder, checkpoint_seconds=every)
    finally:
        visits.close()
    return visits


def test_it_ends_with_the_budget_and_submits_together(tmp_path: Path) -> None:
    evaluator = LateTable()
    visits = walk(tmp_path, evaluator)
    assert visits.first_visits == 25
    assert {len(keys) for keys, _ in evaluator.calls} <= {1, 2, 4, 6, 8}
    assert sum(len(keys) == 4 for keys, _ in evaluator.calls) > 5


def test_epsilon_is_drawn_for_each_environment() -> None:
    table = LateTable()
    env = LockstepVecEnv([ENVIRONMENTS["decomposition"](table) for _ in range(64)])
    visits = Visits(
        budget=BudgetConfig(),
        counted="classes",
        classes=9,
        states=9,
        listener=lambda _: None,
        history=Path("/dev/null"),
    )
    model = make_dqn(AGENT, env, visits, seed=0)
    observations = env.reset()
    greedy, _ = model.predict(observations, deterministic=True)
    model.exploration_rate = 0.5
    np.random.seed(0)  # noqa: NPY002 - SB3 draws from it
    drawn, _ = model.predict(observations)
    assert len(set(greedy.tolist())) == 1
    assert 16 < (drawn != greedy).sum() < 48


@pytest.mark.parametrize("stop", [3, 9])
def test_it_goes_on_where_it_was(stop: int, tmp_path: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    class Breaking(LateTable):
        def submit(self, specs, *, keep_weights=False):  # type: ignore[no-untyped-def]
            if len(self.calls) > stop:
                raise Stop
            return super().submit(specs, keep_weights=keep_weights)

    walk(tmp_path / "whole", LateTable(), every=0.0)
    with pytest.raises(Stop):
        walk(tmp_path / "broken", Breaking(), every=0.0)
    walk(tmp_path / "broken", LateTable(), every=0.0)
    histories = [(tmp_path / name / "history.jsonl").read_text() for name in ("whole", "broken")]
    assert histories[0] == histories[1]


@pytest.mark.slow
def test_workers_change_nothing_but_the_time(run_search: Run, tiny_config: SearchConfig, tmp_path: Path) -> None:
    outcomes = []
    for workers in (1, 2):
        config = SearchConfig.model_validate(
            tiny_config.model_dump() | {"environment": {"horizon": 4, "n_envs": 3}, "evaluator": {"workers": workers}}
        )
        folder, summary = run_search(config, tmp_path / str(workers))
        outcomes.append((folder.history(), summary["selection"], summary["winner"], summary["states_visited"]))
    assert outcomes[0] == outcomes[1]
