import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.services import serving
from helpers.tables import drawn_table

from aen.bench.files import write_table
from aen.bench.suites import definition

EXAMPLES = Path(__file__).parents[2] / "examples"
BASELINE = re.compile(r"no symmetry: validation accuracy (\d+\.\d)%")
BEST = re.compile(r"best of (\d+) steps: (\S.*) \((.+)\): (\d+\.\d)%")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs an example in this process, which has imported torch already, and returns its lines."""

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *words])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize(
    ("name", "words", "steps"),
    [
        ("random_search.py", ["--steps", "12"], 12),
        pytest.param("ppo.py", ["--steps", "10"], 32, marks=pytest.mark.slow),  # docs/environments.md has PPO, too
        ("dqn.py", ["--steps", "40"], 40),
        ("bandit.py", ["--steps", "30"], 30),
        pytest.param("vectorised.py", ["--steps", "16", "--workers", "1"], 16, marks=pytest.mark.slow),
    ],
)
def test_an_example_prints_the_best_it_has_seen(run, name, words, steps):
    first, *_, last = run(name, *words, "--seed", "0")
    baseline, best = BASELINE.fullmatch(first), BEST.fullmatch(last)
    assert baseline, first
    assert best, last
    assert int(best[1]) == steps
    # The data was turned and mirrored: a network without symmetry is easy to beat.
    assert float(best[4]) > float(baseline[1])
    assert best[2] != "none"


@pytest.mark.slow
def test_the_seed_of_random_search_decides_the_walk(run):
    def walk(seed):
        return run("random_search.py", "--steps", "8", "--seed", seed)

    assert walk("3") == walk("3") != walk("4")


@pytest.mark.slow
def test_masks_keep_an_agent_from_illegal_actions(run):
    pytest.importorskip("sb3_contrib", reason="needs sb3-contrib, which is in requirements-dev.lock")
    start, illegal, best = run("maskable_ppo.py", "--steps", "20", "--seed", "0")
    assert re.fullmatch(r"start: validation accuracy \d+\.\d%", start)
    assert illegal == "illegal actions: 0"
    assert re.fullmatch(r"best of 32 steps: .*: \d+\.\d%", best)


def test_a_thousand_walks_through_a_table(run, tmp_path):
    named = definition("digits-01")
    table = drawn_table(named.space, name=named.name, seeds=named.seeds)
    write_table(table, tmp_path / f"{named.name}.parquet")
    words = ["--table", named.name, "--folder", str(tmp_path), "--walks", "50", "--steps", "300", "--seed", "0"]
    lines = run("tabular.py", *words)
    assert lines[0] == f"50 walks of 300 steps through {named.name}"
    good = (table.regret <= 0.005).sum()
    found = re.fullmatch(r"(\d+)% met a class within 0.5% of the best one", lines[1])
    assert 0 < int(found[1]) <= 100
    median = float(re.fullmatch(r"networks until then, median: (\d+)", lines[2])[1])
    assert 1 < median < len(table.definition.classes) - good + 1
    assert float(re.fullmatch(r"their training took, median: (\d+\.\d) seconds", lines[3])[1]) > 0


def test_rllib_takes_the_environment():
    for module in ("tree", "lz4", "ormsgpack"):
        pytest.importorskip(module, reason="needs RLlib, in an environment of its own: pip install 'ray[rllib]'")
    # Without -W error: RLlib has warnings of its own.
    words = [sys.executable, str(EXAMPLES / "rllib.py"), "--iterations", "2"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("iteration")]
    assert [re.fullmatch(r"iteration (\d): mean return -?\d+\.\d+", line)[1] for line in lines] == ["0", "1"]


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_says_how_to_run_it(example):
    text = example.read_text()
    assert f"python examples/{example.name}" in text.split('"""')[1]
    assert len(text.splitlines()) < 80


def test_a_remote_agent_walks_on_the_rewards_of_a_service(run, tmp_path, monkeypatch):
    with serving(tmp_path, workers=1) as (service, client):
        monkeypatch.setenv("AEN_TOKEN", service.tokens.add("agent", "operator")[1])
        first, best, trained = run("remote_agent.py", str(client.base_url), "--steps", "3")
        assert BASELINE.fullmatch(first)
        assert BEST.fullmatch(best)
        assert trained == f"trained by the service: {service.rewards.activity().trained}"
