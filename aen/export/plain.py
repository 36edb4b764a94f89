"""The plain form of a child: layers of torch.nn in a row, with the weights written out and the pre-processing first."""

import copy
from collections.abc import Iterator

from torch import nn

from aen._typing import JsonDict
from aen.children import Child
from aen.data.preprocessing import Preprocessing
from aen.errors import ExportError
from aen.export.modeling_aen import LiftSign, Standardise

_WINDOW = ("kernel_size", "stride", "padding")
# The arguments with which each kind of layer is built again. A kind that is not here cannot be written to a config.
_ARGUMENTS: dict[type[nn.Module], tuple[str, ...]] = {
    LiftSign: (),
    Standardise: ("mean", "deviation", "scale"),
    nn.Linear: ("in_features", "out_features", "bias"),
    nn.Conv2d: ("in_channels", "out_channels", *_WINDOW, "dilation", "groups", "bias"),
    nn.BatchNorm1d: ("num_features", "eps", "momentum"),
    nn.BatchNorm2d: ("num_features", "eps", "momentum"),
    nn.MaxPool2d: _WINDOW,
    nn.AvgPool2d: _WINDOW,
    nn.MaxPool3d: _WINDOW,
    nn.AvgPool3d: _WINDOW,
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.Flatten: ("start_dim", "end_dim"),
    nn.Unflatten: ("dim", "unflattened_size"),
    nn.ReLU: (),
    nn.ELU: ("alpha",),
}


def plain_network(child: Child, preprocessing: Preprocessing) -> nn.Sequential:
    """Return plain modules of torch, in a row and in evaluation mode, from stored pixels to logits.

    Nothing is shared with the child.

    Args:
        child: a trained child of any kind.
        preprocessing: how the pixels of its training images were standardised.

    Raises:
        SpecError: the kind of child has no plain form.
        ExportError: its plain form has a layer that the formats do not know.
    """
    first = [Standardise(preprocessing.mean, preprocessing.deviation, preprocessing.scale)]
    lifted = [LiftSign()] if child.spec.data.lift_sign else []
    network = nn.Sequential(*lifted, *first, *_flat(copy.deepcopy(child.export()))).eval()
    described(network)
    return network.requires_grad_(requires_grad=True)


def described(network: nn.Sequential) -> list[JsonDict]:
    """Return the layers of a plain network as JSON values, from which ``modeling_aen.build`` makes them again.

    Raises:
        ExportError: a layer of a kind that is not known.
    """
    return [_described(layer) for layer in network]


def _described(layer: nn.Module) -> JsonDict:
    kind = type(layer)
    if kind not in _ARGUMENTS:
        known = ", ".join(sorted(known.__name__ for known in _ARGUMENTS))
        raise ExportError(f"a layer {kind.__name__} cannot be exported; export() of the child may return {known}.")
    values = {name: getattr(layer, name) for name in _ARGUMENTS[kind]}
    if "bias" in values:
        values["bias"] = values["bias"] is not None
    return {"kind": kind.__name__} | {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of nested sequences in order, without those that do nothing in evaluation mode."""
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _flat(part)
    elif not isinstance(module, nn.Dropout | nn.Identity):
        yield module
