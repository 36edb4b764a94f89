"""The formats of exports by name."""

from collections.abc import Mapping

from aen.errors import ExportError, did_you_mean
from aen.export.base import Format
from aen.export.hub import HubFormat
from aen.export.onnx_file import ONNXFormat
from aen.export.pt2 import PT2Format
from aen.export.safetensors_folder import SafetensorsFormat

FORMATS: Mapping[str, Format] = {
    kind.name: kind for kind in (ONNXFormat(), PT2Format(), SafetensorsFormat(), HubFormat())
}


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        ExportError: there is none of this name.
    """
    if name not in FORMATS:
        raise ExportError(f"unknown format {name!r}{did_you_mean(str(name), FORMATS)}.")
    return FORMATS[name]
