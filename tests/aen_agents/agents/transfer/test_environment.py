"""ClassChoiceEnv, in which dqn_transfer is trained."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from helpers.tables import DENSE_SPACE, GCNN_SPACE, drawn_table

from aen.bench.table import WITHIN
from aen_agents.agents.transfer import environment
from aen_agents.agents.transfer.environment import ClassChoiceEnv
from aen_agents.agents.transfer.training import known_of

TABLES = [drawn_table(DENSE_SPACE, number=1), drawn_table(GCNN_SPACE, number=2)]
LESSONS = [(table, known_of(table)) for table in TABLES]


class Legal(ClassChoiceEnv):
    """Takes any action, as the checker draws them."""

    def step(self, action):
        open_ = np.flatnonzero(self._open)
        return super().step(open_[int(action) % len(open_)] if len(open_) else action)


@pytest.mark.filterwarnings("ignore:.*Box observation space (min|max)imum value is")
def test_it_passes_gymnasiums_checks() -> None:
    check_env(Legal(LESSONS, children=5), skip_render_check=True)


def test_an_episode_ends_with_the_first_class_near_the_best() -> None:
    env = ClassChoiceEnv(LESSONS, children=50, whole=1.0)
    for number, (table, known) in enumerate(LESSONS):
        observation, _ = env.reset(seed=3, options={"table": number})
        assert observation["table"].tolist() == [number]
        assert observation["open"].sum() == len(known.static)
        near, total = table.regret <= WITHIN, 0.0
        for place in [*np.flatnonzero(~near)[:3], np.flatnonzero(near)[0]]:
            observation, reward, terminated, truncated, _ = env.step(place)
            assert observation["open"][place] == 0
            assert terminated is bool(near[place])
            assert 0 <= reward <= 1
            total += reward
            assert not truncated
        assert total == pytest.approx(1)


def test_a_trained_class_cannot_be_chosen_again_and_a_budget_ends_the_episode() -> None:
    env = ClassChoiceEnv(LESSONS, children=2, whole=1.0)
    env.reset(seed=0, options={"table": 0})
    far = np.flatnonzero(TABLES[0].regret > WITHIN)
    env.step(far[0])
    with pytest.raises(ValueError, match=f"action is {far[0]}"):
        env.step(far[0])
    assert env.step(far[1])[2:4] == (False, True)


def test_a_part_of_the_classes_has_its_own_best_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "FEWEST", 3)
    env = ClassChoiceEnv(LESSONS, children=50, whole=0.0)
    means, best = TABLES[0].accuracy.mean(axis=1), set()
    for seed in range(30):
        open_ = np.flatnonzero(env.reset(seed=seed, options={"table": 0})[0]["open"])
        place = open_[means[open_].argmax()]
        best.add(int(place))
        assert env.step(place)[1:3] == (1.0, True)
    assert len(best) > 1


def test_tables_are_drawn_by_their_weights() -> None:
    env = ClassChoiceEnv(LESSONS, [0.0, 1.0])
    assert {int(env.reset(seed=seed)[0]["table"][0]) for seed in range(10)} == {1}


def test_the_gains_are_the_rewards_to_come() -> None:
    env = ClassChoiceEnv(LESSONS, children=50, whole=1.0)
    observation, _ = env.reset(seed=5, options={"table": 0})
    order = np.argsort(-TABLES[0].regret)
    for place in order:
        gains = observation["gains"]
        assert gains.max() <= 1
        assert (gains[observation["open"] == 0] == 0).all()
        observation, reward, ended, _, _ = env.step(place)
        assert reward == pytest.approx(gains[place])
        if ended:
            break


def test_unknown_results_stay_unknown() -> None:
    """What an agent may see depends on the results of the classes trained alone, and so does not tell the best one."""
    table = TABLES[0]
    accuracy = table.results["validation_accuracy"].copy()
    accuracy[3:] = 0.1
    other = replace(table, results=table.results | {"validation_accuracy": accuracy})
    seen = []
    for each in (table, other):
        env = ClassChoiceEnv([(each, known_of(each))], children=50, whole=1.0)
        observations = [env.reset(seed=1)[0]]
        observations += [env.step(np.int64(place))[0] for place in range(3)]
        seen.append(observations)
    for first, second in zip(*seen, strict=True):
        for name in first.keys() - {"gains"}:
            np.testing.assert_array_equal(first[name], second[name])
