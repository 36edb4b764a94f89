"""Exploring with the collector, from the last checkpoint if there is one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import Logger

from aen.evaluators import Evaluator
from aen_agents.agents.dqn.checkpoint import last_checkpoint, save
from aen_agents.agents.dqn.collector.loop import Collector
from aen_agents.agents.dqn.curves import RunEvents
from aen_agents.agents.dqn.model import make_dqn, save_agent
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import DQNConfig
from aen_envs.child_env import ChildEnv


def explore_asynchronously(
    config: DQNConfig,
    environments: Sequence[ChildEnv[Any]],
    visits: Visits,
    *,
    evaluator: Evaluator,
    workers: int,
    seed: int,
    folder: Path,
    checkpoint_seconds: float,
    notice: Callable[[str], None],
) -> None:
    """Run a DQN on environments of which none waits for another; see `aen_agents.agents.dqn.sb3_loop.explore`.

    Args:
        config: the agent's settings.
        environments: unwrapped, all on one evaluator.
        visits: counts the states seen and says when to stop.
        evaluator: of the environments.
        workers: how many children it trains at a time.
        seed: of the Q-network, the actions and the replay samples; the order in which children are done is not seeded.
        folder: the run's.
        checkpoint_seconds: a checkpoint is written after so many.
        notice: called with where the run resumes, and with damaged checkpoints.
    """
    events, agent = folder / "tensorboard", folder / "agent"
    checkpoint = last_checkpoint(agent, visits, notice)
    if visits.why_finished() is not None:
        return
    if checkpoint is None:
        for file in events.glob("events.*"):
            file.unlink()  # a run that starts from the beginning writes all its events again
    model = make_dqn(config, environments[0], visits, seed=seed)
    collector = Collector(
        model,
        environments,
        visits,
        evaluator=evaluator,
        workers=workers,
        folder=agent,
        checkpoint_seconds=checkpoint_seconds,
    )
    if checkpoint is None:
        collector.start(seed)
    else:
        collector.resume(checkpoint)
    model.set_logger(Logger(str(events), [RunEvents(events, model.num_timesteps + 1)]))
    try:
        collector.run()
    finally:
        model.logger.close()
        save_agent(model, agent / "dqn.zip")
    save(agent, {}, {"visits": visits.mark()})  # exploring is over: a run that is resumed from here needs no agent
