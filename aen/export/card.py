"""The model card of an export for the Hugging Face Hub."""
from torch import nn
from aen.export.source import ExportSource

def model_card(source: ExportSource, network: nn.Sequential) -> str:
    """Return the card."""
    return "---\ntags: [aen]\n---\n"
