"""Exports: writes the network of a finished run to a file that runs without aen, in a process of its own."""

import os
import subprocess
import threading
from pathlib import Path
from typing import Literal

from aen._secrets import hide_secrets
from aen._subprocesses import import_path, python_command
from aen_service.errors import ConflictError, UnavailableError
from aen_service.reading.artefacts import Artefact, artefacts

Format = Literal["onnx", "pt2", "safetensors", "hub"]
SECONDS = 300.0
_WAIT_SECONDS = 60.0
_ERROR = "aen: error: "
_PROGRAM = """
sys.path[:] = sys.argv.pop(1).split(os.pathsep) + sys.path
from aen_agents.cli.main import main
sys.exit(main())
"""
_ONE = threading.Lock()  # an export needs as much memory as a search


def make_export(run: Path, to: Format) -> list[Artefact]:
    """Export the network of a run into its folder ``export``; an earlier export is replaced. Return its files.

    Raises:
        ConflictError: the run has no network yet, or it cannot be exported.
        UnavailableError: others are being exported, or it takes too long.
    """
    if not _ONE.acquire(timeout=_WAIT_SECONDS):
        raise UnavailableError("another network is being exported; ask again in a minute.")
    try:
        command = python_command(
            _PROGRAM, [os.pathsep.join(import_path()), "export", str(run.absolute()), "--to", to, "--force"]
        )
        done = subprocess.run(  # noqa: S603 - Python itself
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False, cwd="/"
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"the export took longer than {SECONDS:.0f} s and was ended.") from error
    except OSError as error:
        raise UnavailableError(f"the export cannot be started: {error.strerror}.") from error
    finally:
        _ONE.release()
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        said = next((line.removeprefix(_ERROR) for line in reversed(lines) if line.startswith(_ERROR)), "")
        raise ConflictError(hide_secrets(said) or f"the export ended with status {done.returncode}.")
    return [file for file in artefacts(run) if file.name.startswith(("export/model." + to, f"export/{to}/"))]
