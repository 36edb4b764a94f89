"""Agents, evaluators and data sets of another package, found by their entry points: tests/helpers/toy_plugins."""

import json
import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[1] / "helpers" / "toy_plugins"
SMALL = [
    *("alphabet=[rot90, hflip]", "child.hidden=[8]", "training.epochs=1", "selection.seeds=2", "selection.top=1"),
    *("data.train=60", "data.validation=60", "data.test=60"),
]


def aen(*commands: list[str], path: Path | None = PLUGINS) -> subprocess.CompletedProcess[str]:
    """Run commands, one after the other, in a process whose path has the plug-ins."""
    paths = [*([] if path is None else [str(path)]), os.environ.get("PYTHONPATH", "")]
    code = f"""
import sys
from aen_agents.cli.main import main
for words in {commands!r}:
    if status := main(words):
        sys.exit(status)
"""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_search_with_an_agent_an_evaluator_and_a_data_set_of_another_package(tmp_path: Path) -> None:
    counter, run = tmp_path / "asked", tmp_path / "run"
    own = [
        "agent=first_n",
        "agent.classes=3",
        "evaluator=counting",
        f"evaluator.file={counter}",
        "data.name=toy_stripes",
    ]
    done = aen(["search", "digits", *own, *SMALL, "data.moves=[]", "--out", str(run)], ["resume", str(run)])
    assert done.returncode == 0, done.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert summary["agent"] == "first_n"
    assert summary["stopped_because"] == "all are trained"
    assert summary["classes_visited"] == 3
    # Three while exploring; the best, the untied one and the rival, two seeds each, in the selection.
    assert int(counter.read_text()) == 3 + 2 * len(summary["selection"])
    assert (run / "report.html").is_file()
    assert "kind: counting" in (run / "config.yaml").read_text()
    assert "holds this search already, complete; nothing was run." in " ".join(done.stdout.split())


# What is wrong, and how the one line that says so goes.
MISTAKES = {
    ("agent=first",): "unknown agent 'first' (did you mean 'first_n'?)",
    ("agent=first_n", "agent.classes=0"): "agent.classes is 0",
    ("evaluator=countin",): "evaluator.kind is 'countin', an unknown evaluator (did you mean 'counting'?)",
    ("evaluator=counting",): "evaluator.file is missing",
    ("agent=broken",): "agent 'broken' cannot be used",
    ("agent={name: broken}",): "ModuleNotFoundError: No module named 'nothing_here'",
}


def test_mistakes_are_named(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[aen.agents]\nbroken = nothing_here:Config\n")
    # All in one process: plug-ins are loaded once.
    code = f"""
from aen_agents.cli.main import main
for words in {[*MISTAKES]!r}:
    assert main(["search", "digits", *words]) == 2
"""
    paths = [str(PLUGINS), str(tmp_path), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(MISTAKES)
    for line, message in zip(lines, MISTAKES.values(), strict=True):
        assert message in line


def test_without_the_package_its_names_are_unknown() -> None:
    done = aen(["search", "digits", "agent=first_n"], path=None)
    assert done.returncode == 2
    assert "unknown agent 'first_n'" in done.stderr
