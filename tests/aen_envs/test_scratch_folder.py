"""A temporary folder goes with its object and its process, however the process ends."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from aen_envs.scratch_folder import ScratchFolder

# A process of a shell's background job ignores SIGINT, and its children do.
DEFAULT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
MAKE = "from aen_envs.scratch_folder import ScratchFolder; folder = ScratchFolder(); print(folder.path, flush=True)"


def start(code, tmp_path, before=""):
    """Start a process that makes a folder in `tmp_path`; return the process and the folder."""
    program = f"{DEFAULT}\n{before}\n{MAKE}\n{textwrap.dedent(code)}"
    command = [sys.executable, "-W", "error", "-c", program]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}
    )
    return process, Path(process.stdout.readline().strip())


def test_it_is_there_until_it_is_removed():
    folder = ScratchFolder()
    (folder.path / "file").write_text("x")
    folder.remove()
    assert not folder.path.exists()
    folder.remove()


def test_it_goes_when_it_is_forgotten():
    folder = ScratchFolder()
    path = folder.path
    assert path.is_dir()
    del folder
    assert not path.exists()


@pytest.mark.parametrize(
    ("code", "error"),
    [("", ""), ("raise ValueError('by mistake')", "ValueError: by mistake"), ("raise SystemExit", "")],
)
def test_it_goes_with_its_process(tmp_path, code, error):
    process, folder = start(code, tmp_path)
    assert error in process.communicate()[1]
    assert folder.parent == tmp_path
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("before", ["", "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"])
def test_it_goes_when_a_signal_ends_its_process(tmp_path, number, before):
    process, folder = start("import time; time.sleep(60)", tmp_path, before)
    assert folder.is_dir()
    process.send_signal(number)
    process.communicate()
    assert process.returncode == -number, "the process ends as it would without the folder"
    assert not list(tmp_path.iterdir())


def test_the_handler_of_the_user_stays(tmp_path):
    before = "import signal\ndef mine(*_): raise SystemExit(3)\nsignal.signal(signal.SIGTERM, mine)"
    process, _ = start("import time; time.sleep(60)", tmp_path, before)
    process.terminate()
    process.communicate()
    assert process.returncode == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("end", ["pass", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_it_goes_with_a_process_of_multiprocessing(tmp_path, end, method):
    (tmp_path / "worker.py").write_text(f"def work():\n    global kept\n    {MAKE}\n    kept = folder\n    {end}\n")
    program = f"""
        import multiprocessing, sys
        sys.path.insert(0, {str(tmp_path)!r})
        import worker
        process = multiprocessing.get_context({method!r}).Process(target=worker.work)
        process.start()
        process.join()
        assert folder.path.is_dir()
    """
    process, folder = start(program, tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert not list(tmp_path.glob("aen-*"))
    assert folder.parent == tmp_path


def test_a_forked_process_leaves_it_alone(tmp_path):
    code = """
        import os
        child = os.fork()
        if not child:
            raise SystemExit
        os.waitpid(child, 0)
        assert folder.path.is_dir()
    """
    process, _ = start(code, tmp_path)
    process.communicate()
    assert process.returncode == 0


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    killed, left = start("import time; time.sleep(60)", tmp_path)
    living, beside = start("import time; time.sleep(60)", tmp_path)
    (left / "weights").write_text("x")
    killed.kill()
    killed.communicate()
    assert left.is_dir()
    others = [tmp_path / name for name in ("aen-weights-abcdefgh", "aen-weights-pid1-abcdefgh.txt", "aen-weights-pid1")]
    for other in others:
        other.mkdir()
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    (tmp_path / "aen-weights-pid1-abcdefgh").symlink_to(kept)
    third, _ = start("", tmp_path)
    third.communicate()
    assert not left.exists()
    assert beside.is_dir(), "its process lives"
    assert all(path.is_dir() for path in (*others, kept))
    assert (tmp_path / "aen-weights-pid1-abcdefgh").is_symlink()
    living.kill()
    living.communicate()
