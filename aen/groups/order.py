"""The order of a permutation group too large to enumerate, by sympy's Schreier-Sims, in a process that can be stopped.

Run as a program it reads generators as JSON lists from standard input and prints the order.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

from aen._typing import IntArray


def count_elements(generators: Sequence[IntArray], seconds: float) -> int | None:
    """Return the order of the generated group, or None if it was not found (within `seconds`).

    Schreier-Sims may take minutes and cannot be interrupted inside this process; a child process can.
    """
    request = json.dumps([generator.tolist() for generator in generators])
    # -P: do not import modules from the current folder.
    command = [sys.executable, "-P", "-m", "aen.groups.order"]
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=seconds, check=True)  # noqa: S603
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    return int(done.stdout)


def _main() -> None:
    from sympy.combinatorics import Permutation, PermutationGroup

    generators = json.load(sys.stdin)
    sys.stdout.write(str(PermutationGroup([Permutation(g) for g in generators]).order()))


if __name__ == "__main__":
    _main()
