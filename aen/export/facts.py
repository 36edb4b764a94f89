"""What an export says about its network, as text: metadata of files, config.json and model card."""

import json
from importlib.metadata import version
from pathlib import Path

from aen._typing import JsonDict
from aen.data.own.paths import is_own
from aen.export.source import ExportSource


def metadata(source: ExportSource) -> dict[str, str]:
    """Return the facts that a file of an export carries, each a text."""
    spec, preprocessing = source.spec, source.preprocessing
    return {
        "aen": version("aen"),
        "kind": spec.kind,
        "symmetry": spec.name,
        "group": spec.group,
        "data": json.dumps(_data(source), sort_keys=True),
        "classes": json.dumps(source.class_names, ensure_ascii=False),
        "preprocessing": json.dumps(preprocessing.to_json()),
        "input": input_text(source),
        "key": spec.key,
    }


def data_name(source: ExportSource) -> str:
    """Return the name of the data set; of a path only its last part, since exports are passed on."""
    return Path(source.spec.data.name).name


def _data(source: ExportSource) -> JsonDict:
    return source.spec.data.to_json() | {"name": data_name(source)}


def input_text(source: ExportSource) -> str:
    """Return what the network takes, in a sentence."""
    channels, *grid = source.pixels.shape[1:]
    size = "x".join(map(str, grid))
    if source.preprocessing.scale == 255:  # noqa: PLR2004
        pixels = "0 to 255"
    else:
        pixels = "as the data set stores them" + " (of 16 bits: divided by 257)" * is_own(source.spec.data.name)
    return (
        f"float32 pixels [batch, {channels}, {', '.join(map(str, grid))}], {pixels}: {channels} "
        f"channel{'s' if channels > 1 else ''} of {size}; the network standardises them"
    )


def config(source: ExportSource, layers: list[JsonDict]) -> JsonDict:
    """Return the content of config.json: the layers to be built, and the facts."""
    spec = source.spec
    return {
        "model_type": "aen",
        "architecture": spec.kind,
        "symmetry": spec.name,
        "group": spec.group,
        "input_shape": list(source.pixels.shape[1:]),
        "preprocessing": source.preprocessing.to_json(),
        "num_labels": spec.classes,
        "id2label": {str(i): name for i, name in enumerate(source.class_names)},
        "layers": layers,
        "data": _data(source),
        "aen": version("aen"),
        "aen_key": spec.key,
    }
