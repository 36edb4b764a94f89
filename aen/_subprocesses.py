"""Processes of Python that end with the process that started them, and never import from the working folder.

A started process is given the number of its parent on its command line. Before it imports anything heavy it asks the
kernel to be killed with its parent (``PR_SET_PDEATHSIG``) and checks that the parent is still there. Where the kernel
has no such call, a thread looks for the parent once a second.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

# 1 is PR_SET_PDEATHSIG, 9 is SIGKILL. The signal comes when the *thread* that started the process ends.
_PRELUDE = """
import os, sys
def end_with_parent(parent):
    try:
        import ctypes
        asked = ctypes.CDLL(None).prctl(1, ctypes.c_ulong(9), 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        asked = False
    if os.getppid() != parent:  # it ended before
        os._exit(1)
    if not asked:
        import threading, time
        def watch():
            while os.getppid() == parent:
                time.sleep(1)
            os._exit(1)
        threading.Thread(target=watch, daemon=True).start()
end_with_parent(int(sys.argv.pop(1)))
"""


def python_command(program: str, arguments: Sequence[str] = (), *, isolated: bool = False) -> list[str]:
    """Return the command of a process of Python that ends with this one.

    It is to be started, and waited for, by the thread that calls this. The working folder is not on its ``sys.path``.

    Args:
        program: what it runs; `os` and `sys` are imported.
        arguments: ``sys.argv[1:]`` of the program.
        isolated: whether it ignores ``PYTHON*`` variables and the user's site-packages, too.
    """
    flag = "-I" if isolated or sys.flags.isolated else "-P"
    return [sys.executable, flag, "-c", _PRELUDE + program, str(os.getpid()), *arguments]


def import_path() -> list[str]:
    """Return ``sys.path`` for other processes of this program.

    Folders that Python itself put there, the working folder and that of the main script, come last: modules of a user
    are found there, but none that has the name of an installed one is imported in its place.
    """
    here = _working_folder()
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    implicit = {here} | ({str(Path(script).absolute().parent)} if script else set())
    chosen = {str(Path(entry).absolute()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    chosen.add(str(Path(__file__).absolute().parents[1]))  # every process imports the same aen, wherever it lies
    entries = list(dict.fromkeys(entry or here for entry in sys.path if entry or here))
    last = [entry for entry in entries if entry in implicit - chosen]
    return [entry for entry in entries if entry not in last] + last


def _working_folder() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed
        return ""
