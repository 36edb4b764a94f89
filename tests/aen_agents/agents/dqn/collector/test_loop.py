"""Environments of which none waits for another: what is learnt from, what is asked for, and going on."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, LateTable

from aen_agents.agents.dqn.checkpoint import load
from aen_agents.agents.dqn.collector import Collector, explore_asynchronously
from aen_agents.agents.dqn.model import make_dqn
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import BudgetConfig, DQNConfig
from aen_agents.events import Visited

AGENT = DQNConfig(layers=(16,), learn_after=4, batch_size=8, gradient_steps=1, epsilon=((0.0, 0.5),))


class Crowd(LateTable):
    """A table whose answers come from threads, after a while that the key decides; equal keys in flight are one."""

    def __init__(self, workers=4, seconds=0.004, **options):
        super().__init__(**options)
        self.pool = ThreadPoolExecutor(workers)
        self.seconds = seconds
        self.flying, self.most, self.lock = {}, 0, threading.Lock()
        self.blocked = {}

    def submit(self, specs, *, keep_weights=False):
        self.calls.append(([spec.key for spec in specs], keep_weights))
        with self.lock:
            for spec in specs:
                if spec.key not in self.flying or self.flying[spec.key].done():
                    self.flying[spec.key] = self.pool.submit(self.train, spec)
            self.most = max(self.most, sum(not future.done() for future in self.flying.values()))
            return [self.flying[spec.key] for spec in specs]

    def train(self, spec):
        if spec.key in self.blocked:
            assert self.blocked[spec.key].wait(20)
        if self.fails is not None and len(self.asked) > self.fails:
            raise OSError("no space left")
        time.sleep(self.seconds * (int(spec.key, 16) % 4))
        return self.look_up(spec)


def visits_of(tmp_path, children, listener=lambda _: None, **other):
    options = {"counted": "classes", "classes": 10**6, "states": 10**6} | other
    return Visits(
        budget=BudgetConfig(children=children, steps=400),
        listener=listener,
        history=tmp_path / "history.jsonl",
        **options,
    )


def walk(tmp_path, evaluator, kind="decomposition", n=3, children=12, workers=0, seed=3, every=1e9, **other):
    events = []
    (tmp_path / "agent").mkdir(exist_ok=True)
    visits = visits_of(tmp_path, children, events.append, **other)
    environments = [ENVIRONMENTS[kind](evaluator) for _ in range(n)]
    try:
        explore_asynchronously(
            AGENT,
            environments,
            visits,
            evaluator=evaluator,
            workers=workers,
            seed=seed,
            folder=tmp_path,
            checkpoint_seconds=every,
            notice=events.append,
        )
    finally:
        visits.close()
    return visits, events


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_it_walks_until_the_budget_is_used_up(kind, tmp_path):
    children = {"layerwise": 8, "twin": 8, "relaxation": 6}.get(kind, 12)
    visits, events = walk(tmp_path, Crowd(), kind, children=children)
    assert visits.why_finished() in {"the budget of children is used up", "the limit of steps is reached"}
    assert visits.first_visits <= children
    assert sum(isinstance(event, Visited) for event in events) == visits.steps + 1


def test_what_is_learnt_from_are_the_steps_that_were_made(tmp_path):
    evaluator = Crowd()
    environments = [ENVIRONMENTS["decomposition"](evaluator) for _ in range(3)]
    visits = visits_of(tmp_path, 40)
    model = make_dqn(AGENT, environments[0], visits, seed=0)
    from stable_baselines3.common.logger import Logger

    model.set_logger(Logger(None, []))
    collector = Collector(
        model, environments, visits, evaluator=evaluator, workers=0, folder=tmp_path, checkpoint_seconds=1e9
    )
    collector.start(0)
    collector.run()
    replay, env = model.replay_buffer, environments[0]
    assert replay.size() == visits.steps == model.num_timesteps
    base = LateTable.accuracy(env.reference())
    for i in range(replay.size()):
        before, action, after = replay.observations[i, 0], int(replay.actions[i, 0, 0]), replay.next_observations[i, 0]
        expected = before.copy()
        if action < len(before):
            expected[action] = 1 - expected[action]
        assert (after == expected).all()
        reward = LateTable.accuracy(env.spec_of(after.astype(int).tolist())) - base
        assert replay.rewards[i, 0] == pytest.approx(reward, abs=1e-6)
        stopped = action == len(before)
        assert replay.dones[i, 0] == (stopped or replay.timeouts[i, 0])
    assert replay.timeouts.sum() > 0
    assert model._n_updates > 0
    assert model._n_updates + collector.learner.pending == visits.steps - model.learning_starts


def test_none_waits_for_another(tmp_path):
    evaluator = Crowd(workers=4)
    slow = ENVIRONMENTS["decomposition"](evaluator)
    slow = [slow.spec_of(bits).key for bits in np.eye(12, dtype=int).tolist()[:6]]
    evaluator.blocked = {slow[0]: threading.Event()}
    done = []

    def release():
        # One of the first states is held back; meanwhile the others go on.
        deadline = time.monotonic() + 10
        while len(evaluator.asked) < 25 and time.monotonic() < deadline:
            time.sleep(0.01)
        done.append(len(evaluator.asked))
        evaluator.blocked[slow[0]].set()

    thread = threading.Thread(target=release)
    thread.start()
    visits, _ = walk(tmp_path, evaluator, n=4, children=60, seed=1)
    thread.join()
    assert done[0] >= 25
    assert visits.first_visits == 60


def test_no_more_is_asked_for_than_the_budget_has(tmp_path):
    evaluator = Crowd()
    visits, _ = walk(tmp_path, evaluator, n=8, children=10)
    assert visits.first_visits == 10
    assert len(set(evaluator.asked)) == 10


def test_workers_that_would_idle_train_neighbours_ahead(tmp_path):
    evaluator = Crowd(workers=8, seconds=0.01)
    visits, _ = walk(tmp_path, evaluator, n=1, children=30, workers=6)
    asked = set(evaluator.asked)
    assert visits.first_visits == 30
    assert 30 < len(asked) <= 30 + 6 * visits.steps
    assert evaluator.most > 2


def test_nothing_is_trained_ahead_where_weights_would_have_to_be_kept(tmp_path):
    evaluator = Crowd(workers=8)
    walk(tmp_path, evaluator, "relaxation", n=1, children=5, workers=6)
    assert all(len(keys) <= 1 for keys, _ in evaluator.calls)


@pytest.mark.parametrize("stop", [1, 7, 20])
def test_one_environment_goes_on_where_it_was(stop, tmp_path, monkeypatch):
    monkeypatch.setattr("aen_agents.agents.dqn.collector.learner.SHARE", 0.0)  # by the clock no two walks are the same
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    walk(whole, LateTable(), n=1, children=25, every=0.0)

    class Stop(Exception):  # noqa: N818
        pass

    class Breaking(LateTable):
        def submit(self, specs, *, keep_weights=False):
            if len(self.calls) > stop:
                raise Stop
            return super().submit(specs, keep_weights=keep_weights)

    with pytest.raises(Stop):
        walk(broken, Breaking(), n=1, children=25, every=0.0)
    assert stop < 3 or load(broken / "agent", lambda _: None) is not None
    walk(broken, LateTable(), n=1, children=25, every=0.0)
    assert (broken / "history.jsonl").read_text() == (whole / "history.jsonl").read_text()


def test_several_go_on_and_nothing_is_visited_twice_or_lost(tmp_path):
    with pytest.raises(OSError, match="no space left"):
        walk(tmp_path, Crowd(fails=15), n=3, children=40, every=0.0)
    half = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    # With more hands than before, as a cluster may have them.
    visits, _ = walk(tmp_path, Crowd(), n=5, children=40, every=0.0)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert visits.first_visits == 40
    assert [line["step"] for line in lines] == list(range(len(lines)))
    assert len({line["class_key"] for line in lines}) == 40
    kept = sum(a == b for a, b in zip(half, lines, strict=False))
    assert kept > 3, "what was walked before is not walked again"


def test_a_failing_evaluator_ends_it(tmp_path):
    with pytest.raises(OSError, match="no space left"):
        walk(tmp_path, Crowd(fails=5), n=3, children=40)


def test_a_class_is_on_its_way_until_the_last_who_waits_for_it_has_it(tmp_path):
    evaluator = LateTable(late=True)
    environments = [ENVIRONMENTS["decomposition"](evaluator) for _ in range(3)]
    visits = visits_of(tmp_path, 10)
    collector = Collector(
        make_dqn(AGENT, environments[0], visits, seed=0),
        environments,
        visits,
        evaluator=evaluator,
        workers=0,
        folder=tmp_path,
        checkpoint_seconds=1e9,
    )
    collector.start(0)
    collector._submit(collector._slots)
    evaluator.answer()
    counts = []
    for slot in collector._slots:
        collector._finish(slot)
        counts.append(sum(collector._in_flight._waiting.values()))
    assert counts == [2, 1, 0]
