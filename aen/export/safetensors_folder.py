"""safetensors: a folder with the weights, the layers as JSON, and the module that builds the network from both."""

import json
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from aen._files import write_atomically
from aen.export import modeling_aen
from aen.export.base import Format
from aen.export.facts import config, metadata
from aen.export.plain import described
from aen.export.source import ExportSource
from aen.export.without_aen import run_without_aen

LOADER = "modeling_aen.py"


class SafetensorsFormat(Format):
    """A folder with ``model.safetensors``, ``config.json`` and ``modeling_aen.py``; torch and safetensors load it."""

    name: ClassVar[str] = "safetensors"
    is_folder: ClassVar[bool] = True
    file_name: ClassVar[str] = "safetensors"

    def write(self, network: nn.Sequential, source: ExportSource, path: Path) -> None:
        """Write the files; see `Format`."""
        from safetensors.torch import save

        weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
        files: dict[str, str | bytes] = {
            "model.safetensors": save(weights, metadata(source) | {"format": "pt"}),
            "config.json": json.dumps(config(source, described(network)), indent=2, ensure_ascii=False) + "\n",
            LOADER: Path(modeling_aen.__file__).read_text(encoding="utf-8"),
        }
        for name, content in files.items():
            write_atomically(path / name, content, durable=True)

    def run(self, path: Path, batches: list[Tensor]) -> list[Tensor]:
        """Return the logits by another process, which cannot import aen; see `Format`."""
        load = "sys.path.insert(0, path); from modeling_aen import load; network = load(path)"
        return run_without_aen(load, path, batches)

    def how_to_load(self, path: Path, shape: tuple[int, ...]) -> str:
        """Return lines of Python; see `Format`."""
        return (
            f"import sys, torch\n"
            f"sys.path.insert(0, {str(path)!r})\n"
            f"from modeling_aen import load\n"
            f"network = load()\n"
            f"logits = network(torch.zeros({(1, *shape)}))  # pixels as stored"
        )
