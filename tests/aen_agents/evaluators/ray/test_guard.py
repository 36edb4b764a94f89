"""The process that ends and removes what is left of a Ray that a search has started."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aen_agents.evaluators.ray import guard

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")

# A search: it starts the guard, as `temporary_folder` does, and prints the folder.
SEARCH = """
import sys, time
from aen_agents.evaluators.ray.surroundings import temporary_folder
print(temporary_folder(), flush=True)
time.sleep(600)
"""
WAIT = "import time; print('begun', flush=True); time.sleep(600)"


@pytest.fixture
def short() -> Iterator[Path]:
    path = Path(os.path.realpath("/tmp")) / f"g{os.getpid()}"  # noqa: S108 - a short path, for sockets
    path.mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def until(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_not_used(short: Path) -> None:
    theirs, ours = short / "theirs", short / "ours"
    theirs.mkdir()
    os.chown(theirs, 12345, -1)
    folder, _ = guard.create([str(theirs), str(ours)], 90)
    assert folder is not None
    assert Path(folder).parent == ours
    assert guard.create([str(theirs)], 90) == (None, "belongs to another user (uid 12345)")


def test_of_a_search_that_is_killed_neither_processes_nor_files_are_left(short: Path) -> None:
    environment = os.environ | {"TMPDIR": str(short)}
    environment.pop("RAY_TMPDIR", None)
    with subprocess.Popen([sys.executable, "-c", SEARCH], env=environment, stdout=subprocess.PIPE, text=True) as search:
        assert search.stdout is not None
        folder = Path(search.stdout.readline().strip())
        assert folder.parent == short
        (folder / "logs").mkdir()
        # One that is named by its command, as the raylet; one whose output goes there, as that of workers; a bystander.
        named = subprocess.Popen([sys.executable, "-c", WAIT, f"--session={folder}/session"], stdout=subprocess.PIPE)
        with (folder / "logs" / "worker.out").open("w") as output:
            logging = subprocess.Popen([sys.executable, "-c", WAIT], stdout=output)
        # An agent of the raylet, which has a title for a command and pipes for output.
        with (folder / "logs" / "agent.log").open("w") as log:
            title = ["bash", "-c", f"exec -a ray::DashboardAgent sleep 600 {log.fileno()}>&{log.fileno()}"]
            agent = subprocess.Popen(title, stdout=subprocess.DEVNULL, pass_fds=[log.fileno()])
        reader = subprocess.Popen(["tail", "-f", f"{folder}/logs/worker.out"], stdout=subprocess.DEVNULL)
        try:
            assert named.stdout is not None
            named.stdout.readline()
            assert guard.belongs(named.pid, str(folder))
            until(lambda: guard.belongs(agent.pid, str(folder)))
            assert not guard.belongs(agent.pid, f"{folder}x")
            search.kill()
            assert (named.wait(60), logging.wait(60), agent.wait(60)) == (-9, -9, -9)
            until(lambda: not folder.exists())
            assert reader.poll() is None
        finally:
            for process in (search, named, logging, agent, reader):
                process.kill()
                process.communicate()


def test_a_raylet_that_ends_is_reported(short: Path) -> None:
    command = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "100", str(short)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        folder, _ = json.loads(process.stdout.readline())
        program = Path(folder) / "raylet"
        shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
        with subprocess.Popen([program, "600"]) as raylet:
            until(lambda: guard.servers(folder) == {raylet.pid: "raylet"})
            time.sleep(2 * guard.WATCH_SECONDS)  # it must have been seen; if it was not, the next line waits in vain
            raylet.kill()
        assert json.loads(process.stdout.readline()) == "raylet"
        process.stdin.close()
        process.wait(60)
    assert not Path(folder).exists()
