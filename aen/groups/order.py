"""The order of a permutation group too large to enumerate, by sympy's Schreier-Sims, in a process that can be stopped.

In that process `main` reads generators as JSON lists from standard input and prints the order.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

from aen._subprocesses import import_path, python_command
from aen._typing import IntArray

_PROGRAM = """
import json
sys.path[:] = json.loads(sys.argv[1])
from aen.groups.order import main
main()
"""


def count_elements(generators: Sequence[IntArray], seconds: float) -> int | None:
    """Return the order of the generated group, or None if it was not found (within `seconds`).

    Schreier-Sims may take minutes and cannot be interrupted inside this process; a child process can.
    """
    request = json.dumps([generator.tolist() for generator in generators])
    command = python_command(_PROGRAM, [json.dumps(import_path())])
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=seconds, check=True)  # noqa: S603
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    return int(done.stdout)


def main() -> None:
    """Print the order of the group whose generators standard input has."""
    from sympy.combinatorics import Permutation, PermutationGroup

    generators = json.load(sys.stdin)
    sys.stdout.write(str(PermutationGroup([Permutation(g) for g in generators]).order()))
