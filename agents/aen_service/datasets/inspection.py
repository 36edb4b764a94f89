"""Describes an upload in a process of its own, so that no image, however odd, can stop or block the service."""

import base64
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aen._secrets import hide_secrets
from aen._subprocesses import import_path, python_command
from aen._typing import JsonDict
from aen.data.own.describe import describe, samples
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.errors import AenError, DataError

SAMPLES_FILE, SMALL_FILE, DESCRIPTION_FILE = "samples.png", "samples.json", "description.json"
_SECONDS = 300.0
_MEMORY = 2**33
_CLASSES, _EACH = 24, 6  # of the small samples
_LOG = logging.getLogger("aen_service")
_PROGRAM = """
import json
sys.path[:] = json.loads(sys.argv.pop(1)) + sys.path
from aen_service.datasets.inspection import main
sys.exit(main(sys.argv[1], sys.argv[2]))
"""


def inspect(path: Path, folder: Path) -> JsonDict:
    """Describe own data in another process; it writes a description and samples into a folder.

    Args:
        path: the file or folder of the data.
        folder: for the description and the samples.

    Returns:
        The description.

    Raises:
        DataError: the data cannot be used, with the words of `aen data describe`.
    """
    command = python_command(_PROGRAM, [json.dumps(import_path()), str(path), str(folder)])
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


def main(path: str, folder: str) -> int:
    """Write the description of own data, or why it cannot be used; the program of the process."""
    _limit_memory()
    try:
        content = _described(Path(path), Path(folder))
    except AenError as error:
        content = {"error": str(error)}
    except MemoryError:
        content = {"error": f"{path} needs more memory than this service gives; give fewer or smaller images."}
    (Path(folder) / DESCRIPTION_FILE).write_text(json.dumps(content), encoding="utf-8")
    return 0


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource  # there is none on Windows

        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def _described(path: Path, folder: Path) -> JsonDict:
    from PIL import Image  # it takes a tenth of a second

    name, rules = str(path), Rules()
    found = describe(name, rules).to_json()
    prepared = prepare(name, rules)
    found["pin"] = prepared.pin
    found["search"], found["config"] = _search(name)
    found.pop("name")
    if not prepared.signals:
        Image.fromarray(samples(name, rules)).save(folder / SAMPLES_FILE, "PNG")
    small = [] if prepared.signals else _small(prepared.images, prepared.labels, prepared.class_names)
    (folder / SMALL_FILE).write_text(json.dumps({"classes": small}), encoding="utf-8")
    return found


def _search(name: str) -> tuple[list[str], JsonDict | None]:
    """Return what a search of the data would do, a line for each choice, or why there can be none."""
    from aen_agents.config.default import default_config

    try:
        config, reasons = default_config([f"data.path={json.dumps(name, ensure_ascii=False)}"])
    except AenError as error:
        return [f"it cannot be searched: {error}"], None
    return reasons, {"child": config.child.kind, "agent": config.agent.name}


def _small(images: Any, labels: Any, names: tuple[str, ...]) -> list[JsonDict]:  # noqa: ANN401 - arrays
    from PIL import Image

    found: list[JsonDict] = []
    for label, name in list(enumerate(names))[:_CLASSES]:
        pictures = []
        for place in np.flatnonzero(labels == label)[:_EACH]:
            array = np.moveaxis(np.asarray(images[place], np.float32), 0, 2)
            low, high = (0.0, 255.0) if images.dtype == np.uint8 else (float(array.min()), float(array.max()))
            array = np.rint((array - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
            picture = Image.fromarray(array[..., :3] if array.shape[2] >= 3 else array[..., 0])  # noqa: PLR2004
            picture.thumbnail((96, 96))
            file = io.BytesIO()
            picture.save(file, "PNG")
            pictures.append(base64.b64encode(file.getvalue()).decode())
        found.append({"label": name, "images": pictures})
    return found
