"""The project's own promises: the make targets, the locks, Python's version, imports without cycles."""

import re
import subprocess
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"\.PHONY: (.*)", makefile)
    assert phony is not None
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in phony[1].split():
        assert re.search(rf"^\s*{target}\s+\S", done.stdout, re.MULTILINE), target


def test_an_older_python_is_refused_with_a_remedy(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_locks_pin_everything_but_torch() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;]+", line) for line in lines), name
        assert not any(line.lower().startswith(("torch==", "nvidia")) for line in lines), name


def test_the_lock_holds_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[><=]", requirement)[0] for requirement in project["dependencies"]} - {"torch"}
    lines = (ROOT / "requirements.lock").read_text().lower().replace("_", "-").splitlines()
    locked = {line.split("==")[0] for line in lines}
    assert wanted <= locked


def test_ci_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
    assert "make train-agent" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("package", ["aen", "aen_envs", "aen_agents"])
def test_imports_have_no_cycle(package: str) -> None:
    # Imports inside functions and under TYPE_CHECKING count as well.
    graph = grimp.build_graph(package, exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert sum(map(len, imports.values())) > len(imports)
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def _python_files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in (ROOT / folder).rglob("*.py")]


def test_files_are_short() -> None:
    limits = {350: ("aen", "envs", "agents", "benchmarks", "examples", "docs"), 500: ("tests",)}
    for limit, folders in limits.items():
        lengths = {file: len(file.read_text().splitlines()) for file in _python_files(*folders)}
        assert lengths
        assert [f"{file}: {lines}" for file, lines in lengths.items() if lines > limit] == []


def test_the_root_of_the_agents_package_is_its_front_door() -> None:
    names = {file.stem for file in (ROOT / "agents" / "aen_agents").glob("*.py")}
    assert names == {"__init__", "dqn", "errors", "events", "find_symmetries", "problem", "search", "text"}


def test_no_code_outside_the_config_asks_for_the_class_of_a_section() -> None:
    # What a section can do is said by its class variables; `config/` defines the sections.
    package = ROOT / "agents" / "aen_agents"
    asking = re.compile(r"isinstance\([^)]*(?:Config|Section)\b|isinstance\([\w.]*config\.")
    asked = [file for file in _python_files("agents") if not file.is_relative_to(package / "config")]
    assert [str(file) for file in asked if asking.search(file.read_text())] == []
    assert asking.search("if isinstance(task.config.agent, DQNConfig):")


def test_only_one_file_uses_internals_of_ray() -> None:
    internal = re.compile(r"ray\._|import grpc|from ray\.[\w.]*_private")
    files = [file.name for file in _python_files("aen", "envs", "agents") if internal.search(file.read_text())]
    assert files == ["internals.py"]
