"""How long the command line takes to answer, beside a bare Python.  Run: python benchmarks/bench_startup.py."""

import subprocess
import sys
from pathlib import Path

from common import median_seconds, print_table

AEN = str(Path(sys.executable).with_name("aen"))
COMMANDS = [
    [sys.executable, "-c", "pass"],
    [AEN, "--help"],
    [AEN, "groups", "describe", "rot90", "hflip", "--grid", "28"],
]


def main() -> None:
    """Time whole processes."""
    bare = None
    rows = []
    for command in COMMANDS:
        seconds = median_seconds(lambda c=command: subprocess.run(c, check=True, capture_output=True), runs=9)
        bare = bare or seconds
        name = " ".join(["python -c pass"] if "-c" in command else ["aen", *command[1:]])
        rows.append((f"`{name}`", f"{1000 * seconds:.0f} ms", f"{seconds / bare:.1f}"))
    print_table("Start-up, whole processes, median of 9", ["command", "time", "x bare Python"], rows)


if __name__ == "__main__":
    main()
