"""hub: a folder in the layout of the Hugging Face Hub, with a model card."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from aen._files import write_atomically
from aen.export.card import model_card
from aen.export.safetensors_folder import SafetensorsFormat
from aen.export.source import ExportSource


class HubFormat(SafetensorsFormat):
    """The folder of `SafetensorsFormat` with a model card, ``README.md``."""

    name: ClassVar[str] = "hub"
    file_name: ClassVar[str] = "hub"

    def write(self, network: nn.Sequential, source: ExportSource, path: Path) -> None:
        """Write the files; see `Format`."""
        super().write(network, source, path)
        write_atomically(path / "README.md", model_card(source, network), durable=True)
