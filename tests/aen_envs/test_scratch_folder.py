import os
import subprocess
import sys

from aen_envs.scratch_folder import ScratchFolder


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


def test_it_goes_with_its_process():
    code = "from aen_envs.scratch_folder import ScratchFolder; folder = ScratchFolder(); print(folder.path)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert not done.stderr
    assert not os.path.exists(done.stdout.strip())  # noqa: PTH110 - as it was printed


def test_a_forked_process_leaves_it_alone():
    code = (
        "import os; from aen_envs.scratch_folder import ScratchFolder; folder = ScratchFolder();"
        "child = os.fork();\nif not child:\n    raise SystemExit\n"
        "os.waitpid(child, 0); assert folder.path.is_dir()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
