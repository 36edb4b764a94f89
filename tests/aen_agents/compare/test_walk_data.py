"""Walks through tables as data sets of Minari."""

import os

import numpy as np
import pytest
from helpers.tables import DENSE_TABLE, GCNN_TABLE, drawn_table

from aen.bench.files import write_table
from aen.bench.suites import definition
from aen.errors import TableError
from aen_agents.cli.main import main
from aen_agents.compare.walk_data import walk, write_walks
from aen_envs import GroupDecompositionTabularEnv


@pytest.mark.parametrize("walker", ["random", "dqn"])
def test_a_walk_has_all_steps_and_depends_on_its_seed(walker):
    def episodes(seed):
        return walk(GroupDecompositionTabularEnv(table=DENSE_TABLE, horizon=4), walker, 130, seed)

    found, again, other = episodes(0), episodes(0), episodes(1)
    assert sum(len(episode["actions"]) for episode in found) == 130
    assert [len(episode["actions"]) for episode in found[:-1]] == [4] * 32
    assert all(len(episode["observations"]) == len(episode["actions"]) + 1 for episode in found)
    actions = [[int(action) for episode in each for action in episode["actions"]] for each in (found, again, other)]
    assert actions[0] == actions[1] != actions[2]
    # What was recorded is what the environment does.
    env = GroupDecompositionTabularEnv(table=DENSE_TABLE, horizon=4)
    env.reset(seed=0)
    for place, action in enumerate(found[0]["actions"]):
        observation, reward, _, truncated, info = env.step(action)
        assert observation.tolist() == found[0]["observations"][place + 1].tolist()
        assert (reward, truncated) == (found[0]["rewards"][place], found[0]["truncations"][place])
        assert info["regret"] == found[0]["infos"][place + 1]["regret"]


@pytest.mark.parametrize("table", [DENSE_TABLE, GCNN_TABLE], ids=["dense", "design"])
def test_minari_reads_what_is_written(table, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari", reason="needs the extra: pip install 'aen[minari]'")
    monkeypatch.setenv("MINARI_DATASETS_PATH", "elsewhere")
    name = write_walks(table, tmp_path, walker="random", steps=25, horizon=6, seed=0)
    assert os.environ["MINARI_DATASETS_PATH"] == "elsewhere"
    assert [path.name for path in tmp_path.iterdir()] == ["drawn"], "nothing else is left"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = minari.load_dataset(name)
    assert (data.total_episodes, data.total_steps) == (5, 25)
    episodes = list(data.iterate_episodes())
    assert [len(episode.actions) for episode in episodes] == [6, 6, 6, 6, 1]
    assert all(episode.truncations[-1] for episode in episodes)
    assert episodes[0].infos["accuracy"].shape == (7,)
    assert np.isfinite(episodes[0].infos["regret"]).all()
    assert data.env_spec.kwargs == {"table": "drawn", "horizon": 6}
    with pytest.raises(TableError, match=r"data set drawn/random-v0 is in .* already; remove it, or choose another"):
        write_walks(table, tmp_path, walker="random", steps=25, horizon=6, seed=0)


def test_a_held_out_table_is_refused(tmp_path, capsys):
    held_out = next(d for d in (definition(f"digits-{n:02}") for n in range(1, 40)) if d.part == "held-out")
    write_table(
        drawn_table(held_out.space, name=held_out.name, seeds=held_out.seeds, part=held_out.part),
        tmp_path / f"{held_out.name}.parquet",
    )
    words = ["bench", "minari", held_out.name, "--tables", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert f"table {held_out.name} is held out: agents are judged on it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_wrong_numbers_are_named(tmp_path):
    for arguments, message in [
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"horizon": 0}, "horizon is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
    ]:
        with pytest.raises(TableError, match=message):
            write_walks(
                DENSE_TABLE, tmp_path, **({"walker": "random", "steps": 5, "horizon": 2, "seed": 0} | arguments)
            )
