import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.services import serving

EXAMPLES = Path(__file__).parents[2] / "examples"
BASELINE = re.compile(r"no symmetry: validation accuracy (\d+\.\d)%")
BEST = re.compile(r"best of (\d+) steps: (\S.*) \((.+)\): (\d+\.\d)%")


def run(name, *words):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("name", "words", "steps"),
    [("random_search.py", ["--steps", "12"], 12), ("ppo.py", ["--steps", "10"], 32)],
)
def test_an_example_prints_the_best_it_has_seen(name, words, steps):
    first, *_, last = run(name, *words, "--seed", "0")
    baseline, best = BASELINE.fullmatch(first), BEST.fullmatch(last)
    assert baseline, first
    assert best, last
    assert int(best[1]) == steps
    # The data was turned and mirrored: a network without symmetry is easy to beat.
    assert float(best[4]) > float(baseline[1])
    assert best[2] != "none"


@pytest.mark.slow
def test_the_seed_of_random_search_decides_the_walk(monkeypatch, capsys):
    def walk(seed):
        monkeypatch.setattr(sys, "argv", ["random_search.py", "--steps", "8", "--seed", seed])
        runpy.run_path(str(EXAMPLES / "random_search.py"), run_name="__main__")
        return capsys.readouterr().out

    assert walk("3") == walk("3") != walk("4")


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_says_how_to_run_it(example):
    text = example.read_text()
    assert f"python examples/{example.name}" in text.split('"""')[1]
    assert len(text.splitlines()) < 60


def test_a_remote_agent_walks_on_the_rewards_of_a_service(tmp_path, monkeypatch):
    with serving(tmp_path, workers=1) as (service, client):
        monkeypatch.setenv("AEN_TOKEN", service.tokens.add("agent", "operator")[1])
        first, best, trained = run("remote_agent.py", str(client.base_url), "--steps", "3")
        assert BASELINE.fullmatch(first)
        assert BEST.fullmatch(best)
        assert trained == f"trained by the service: {service.rewards.activity().trained}"
