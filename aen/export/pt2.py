"""pt2: torch's own ExportedProgram."""

import io
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from aen._files import write_atomically
from aen.export.base import Format
from aen.export.facts import metadata
from aen.export.source import ExportSource
from aen.export.without_aen import run_without_aen


class PT2Format(Format):
    """A file of `torch.export.save`, for `torch.export.load`, with a batch of any size."""

    name: ClassVar[str] = "pt2"
    is_folder: ClassVar[bool] = False
    file_name: ClassVar[str] = "model.pt2"

    def write(self, network: nn.Sequential, source: ExportSource, path: Path) -> None:
        """Write the file; see `Format`."""
        batch = torch.export.Dim("batch")
        program = torch.export.export(network, (source.pixels[:2],), dynamic_shapes=({0: batch},))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # where torch's source lies on this machine
        content = io.BytesIO()  # torch's own writing has no error numbers
        torch.export.save(program, content, extra_files=dict(metadata(source)))
        write_atomically(path, content.getbuffer(), durable=True)

    def run(self, path: Path, batches: list[Tensor]) -> list[Tensor]:
        """Return the logits by another process, which cannot import aen; see `Format`."""
        return run_without_aen("network = torch.export.load(path).module()", path, batches)

    def how_to_load(self, path: Path, shape: tuple[int, ...]) -> str:
        """Return lines of Python; see `Format`."""
        return (
            f"import torch\n"
            f"network = torch.export.load({str(path)!r}).module()\n"
            f"logits = network(torch.zeros({(1, *shape)}))  # float32 pixels as stored"
        )
