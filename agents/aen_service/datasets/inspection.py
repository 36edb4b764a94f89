"""Has an upload described in a process of its own, so that no image, however odd, can stop or block the service."""

import json
import logging
import os
import subprocess
from pathlib import Path

from aen._secrets import hide_secrets
from aen._subprocesses import import_path, python_command
from aen._typing import JsonDict
from aen.errors import DataError

SAMPLES_FILE, SMALL_FILE, DESCRIPTION_FILE = "samples.png", "samples.json", "description.json"
_SECONDS = 300.0
_LOG = logging.getLogger("aen_service")
_PROGRAM = """
import json
sys.path[:] = json.loads(sys.argv.pop(1)) + sys.path
from aen_service.datasets.describing import main
sys.exit(main(*sys.argv[1:]))
"""


def inspect(path: Path, folder: Path, *, skip_broken: bool = False) -> JsonDict:
    """Describe own data in another process; it writes a description and samples into a folder.

    Args:
        path: the file or folder of the data.
        folder: for the description and the samples.
        skip_broken: leave out images that cannot be read, and files that lie in two classes.

    Returns:
        The description.

    Raises:
        DataError: the data cannot be used, with the words of `aen data describe`.
    """
    words = [json.dumps(import_path()), str(path), str(folder), json.dumps(skip_broken)]
    command = python_command(_PROGRAM, words)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - Python itself
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            cwd=folder,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{path} could not be read in {_SECONDS:g} seconds; give fewer or smaller images.") from error
    try:
        content: JsonDict = json.loads((folder / DESCRIPTION_FILE).read_bytes())
    except (OSError, ValueError):
        if b"No space left" in done.stderr:
            raise OSError(28, os.strerror(28), str(folder)) from None
        _LOG.warning("an upload could not be described: %s", hide_secrets(done.stderr.decode(errors="replace")[-2000:]))
        raise DataError(
            f"{path} could not be read: the process that read it ended with status {done.returncode}; give fewer or "
            "smaller images."
        ) from None
    if "error" in content:
        raise DataError(str(content["error"]))
    return content
