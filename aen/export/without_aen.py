"""Runs exports in a process of Python that cannot import aen."""

import subprocess
import sys
import tempfile
from pathlib import Path

from torch import Tensor

from aen.errors import ExportError

# Arguments: the export, a file of batches, and a file for the logits. The line in the middle loads the network.
_PROGRAM = """
import sys
sys.dont_write_bytecode = True  # nothing is added to the export
sys.modules["aen"] = None  # importing it is an error
import torch
from safetensors.torch import load_file, save_file
path, batches, logits = sys.argv[1:]
{load}
with torch.no_grad():
    save_file({{name: network(batch) for name, batch in load_file(batches).items()}}, logits)
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

    with tempfile.TemporaryDirectory(prefix="aen-export-") as folder:
        given, found = Path(folder) / "batches.safetensors", Path(folder) / "logits.safetensors"
        # Not `save_file`, whose errors have no numbers.
        given.write_bytes(files.save({str(i): batch.contiguous() for i, batch in enumerate(batches)}))
        words = [sys.executable, "-I", "-c", _PROGRAM.format(load=load), *map(str, (path.absolute(), given, found))]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - Python itself
        if done.returncode:
            why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise ExportError(f"the export cannot be run in a process without aen ({why}); nothing was kept.")
        logits = files.load(found.read_bytes())
    return [logits[str(i)] for i in range(len(batches))]
