"""Rebuilds the network in this folder with torch and safetensors alone: ``from modeling_aen import load``.

``load(folder)(pixels)`` gives logits; pixels are ``[batch, channels, height, width]``, as stored.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn


class LiftSign(nn.Module):
    """In front of networks for signals that tie the sign: each signal with its negative below it."""

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Return ``[batch, channels, 2 * rows, columns]``."""
        values = signals if signals.is_floating_point() else signals.float()
        return torch.cat([values, -values], dim=2)


class Standardise(nn.Module):
    """The layer before the weights: ``(pixels / scale - mean) / deviation``, with the training images' numbers."""

    def __init__(self, mean: float, deviation: float, scale: float) -> None:
        super().__init__()
        self.mean, self.deviation, self.scale = mean, deviation, scale

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what the network was trained on."""
        values = pixels if pixels.is_floating_point() else pixels.float()
        return (values / self.scale - self.mean) / self.deviation

    def extra_repr(self) -> str:
        """Return what `print` shows of the layer."""
        return f"mean={self.mean}, deviation={self.deviation}, scale={self.scale}"


def build(layers: list[dict[str, Any]]) -> nn.Sequential:
    """Return the untrained network that the entry `layers` of config.json describes."""
    own = {"LiftSign": LiftSign, "Standardise": Standardise}
    kinds = [own.get(layer["kind"]) or getattr(nn, layer["kind"]) for layer in layers]
    rest = [{name: value for name, value in layer.items() if name != "kind"} for layer in layers]
    return nn.Sequential(*(kind(**arguments) for kind, arguments in zip(kinds, rest, strict=True)))


def load(folder: str | Path = Path(__file__).parent) -> nn.Sequential:
    """Return the network of a folder with config.json and model.safetensors."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    network = build(config["layers"])
    network.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return network.eval()
