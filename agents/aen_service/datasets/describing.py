"""Describes an upload: the program of the process that `aen_service.datasets.inspection` starts."""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aen._typing import JsonDict
from aen.data.own.describe import describe, samples
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.errors import AenError
from aen_service.datasets.inspection import DESCRIPTION_FILE, SAMPLES_FILE, SMALL_FILE

_MEMORY = 2**33
_CLASSES, _EACH = 24, 6  # of the small samples


def main(path: str, folder: str, skip_broken: str) -> int:
    """Write the description of own data, or why it cannot be used; the program of the process."""
    _limit_memory()
    try:
        content = _described(Path(path), Path(folder), Rules(skip_broken=skip_broken == "true"))
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


def _described(path: Path, folder: Path, rules: Rules) -> JsonDict:
    from PIL import Image  # it takes a tenth of a second

    name = str(path)
    found = describe(name, rules).to_json()
    prepared = prepare(name, rules)
    found["pin"] = prepared.pin
    found["search"], found["config"] = _search(name, rules)
    found["skip_broken"] = rules.skip_broken
    found.pop("name")
    if not prepared.signals:
        Image.fromarray(samples(name, rules)).save(folder / SAMPLES_FILE, "PNG")
    small = [] if prepared.signals else _small(prepared.images, prepared.labels, prepared.class_names)
    (folder / SMALL_FILE).write_text(json.dumps({"classes": small}), encoding="utf-8")
    return found


def _search(name: str, rules: Rules) -> tuple[list[str], JsonDict | None]:
    """Return what a search of the data would do, a line for each choice, or why there can be none."""
    from aen_agents.config.default import default_config

    words = [f"data.path={json.dumps(name, ensure_ascii=False)}", f"data.skip_broken={json.dumps(rules.skip_broken)}"]
    try:
        config, reasons = default_config(words)
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
