"""Runs exports in a process of Python that cannot import aen."""

import subprocess
from pathlib import Path

from torch import Tensor

from aen._subprocesses import python_command
from aen.errors import ExportError

# The argument is the export. Batches come from standard input, logits go to standard output: no file is left by a
# process that is killed. The line in the middle loads the network.
_PROGRAM = """
sys.dont_write_bytecode = True  # nothing is added to the export
sys.modules["aen"] = None  # importing it is an error
answer = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # what loading prints
import torch
from safetensors.torch import load, save
batches = load(sys.stdin.buffer.read())
path = sys.argv[1]
{load}
with torch.no_grad(), answer:
    answer.write(save({{name: network(batch) for name, batch in batches.items()}}))
"""


def run_without_aen(load: str, path: Path, batches: list[Tensor]) -> list[Tensor]:
    """Return the logits of batches, computed by another process.

    Args:
        load: a line of Python that makes `network` from `path`, a text.
        path: the export.
        batches: of pixels.

    Raises:
        ExportError: the process failed.
    """
    from safetensors import torch as files

    given = files.save({str(i): batch.contiguous() for i, batch in enumerate(batches)})
    words = python_command(_PROGRAM.format(load=load), [str(path.absolute())], isolated=True)
    done = subprocess.run(words, input=given, capture_output=True, check=False)  # noqa: S603 - Python itself
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = (lines or [f"exit status {done.returncode}"])[-1]
        raise ExportError(f"the export cannot be run in a process without aen ({why}); nothing was kept.")
    logits = files.load(done.stdout)
    return [logits[str(i)] for i in range(len(batches))]
