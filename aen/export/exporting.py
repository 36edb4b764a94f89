"""export: writes a trained network to a file or folder that runs without aen, and checks it before it is kept."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from aen.children import Child
from aen.data.signals import lift_sign
from aen.errors import ExportError
from aen.export.formats import find_format
from aen.export.plain import plain_network
from aen.export.source import ExportSource, Which, run_folder, source_of
from aen.export.target import check_target, new_target, target_of

# An export may differ from its source by so much of the largest logit.
TOLERANCE = 1e-5
BATCHES = (1, 2, 7)


@dataclass(frozen=True)
class Exported:
    """An export that was written.

    Attributes:
        path: the file or folder.
        size: of all its files, in bytes.
        parameters: number of weights that it holds.
        difference: the largest absolute difference of a logit from the source's.
        scale: the largest absolute logit.
        images: with what it was compared: ``10 validation images``.
        how_to_load: lines of Python.
    """

    path: Path
    size: int
    parameters: int
    difference: float
    scale: float
    images: str
    how_to_load: str


def export(
    network: Child | str | Path,
    to: str,
    out: str | Path | None = None,
    *,
    which: Which | None = None,
    force: bool = False,
) -> Exported:
    """Write a trained network as plain modules of torch, with the weights written out and the pre-processing inside.

    What is written takes pixels as the data set stores them, float32 ``[batch, channels, height, width]`` with a batch
    of any size, and gives logits. It is run and compared with the source on validation images, in batches of 1, 2 and
    7, before it gets its name.

    Args:
        network: a trained child such as ``aen.load(run)``, a run folder, or its folder ``best`` or ``trained``.
        to: ``onnx``, ``pt2``, ``safetensors`` or ``hub``.
        out: the file or folder; None: in the folder ``export`` of the run, for a child in memory of the working folder.
        which: of a run folder's networks: ``best`` or ``trained``; None: ``trained`` if there is one.
        force: replace an earlier export: a file whose name ends as the format's, or a folder with nothing else in it.

    Raises:
        ExportError: an unknown format, packages that are missing, a target that exists or cannot be written, or an
            export that does not compute what its source does.
        RunFolderError: not a run folder, or a run without this network.
        SpecError: the kind of child has no plain form.
        StoreError: the weights are missing or damaged.
        DataError: neither the run nor its data say how pixels are standardised.
    """
    kind = find_format(to)
    kind.check_installed()
    target = target_of(kind, None if out is None else Path(out), run_folder(network))
    check_target(target, kind, force=force)  # before all that takes long
    source = source_of(network, which)
    plain = plain_network(source.child, source.preprocessing)
    wanted = _logits(source)
    with new_target(target, kind, force=force) as part:
        kind.write(plain, source, part)
        size = sum(file.stat().st_size for file in (part.iterdir() if kind.is_folder else [part]))
        difference, scale = _compare(kind.name, kind.run(part, _batches(source.pixels)), wanted)
    return Exported(
        path=target,
        size=size,
        parameters=sum(parameter.numel() for parameter in plain.parameters()),
        difference=difference,
        scale=scale,
        images=f"{len(source.pixels)} {source.pixels_are}",
        how_to_load=kind.how_to_load(target, tuple(source.pixels.shape[1:])),
    )


def _batches(pixels: Tensor) -> list[Tensor]:
    """Return batches of the sizes to check; few images are taken again and again."""
    places = torch.arange(sum(BATCHES)) % len(pixels)
    return list(torch.split(pixels[places], list(BATCHES)))


def _logits(source: ExportSource) -> Tensor:
    """Return the source's logits of the batches.

    Raises:
        ExportError: they are no finite numbers.
    """
    lifted = lift_sign(source.pixels) if source.spec.data.lift_sign else source.pixels
    with torch.no_grad():
        logits = torch.cat([source.child(source.preprocessing.apply(batch)) for batch in _batches(lifted)])
    if not bool(torch.isfinite(logits).all()):
        raise ExportError("the network gives logits that are infinite or no numbers; train it again before exporting.")
    return logits


def _compare(name: str, found: list[Tensor], wanted: Tensor) -> tuple[float, float]:
    """Return the largest difference of the logits and the largest logit.

    Raises:
        ExportError: the difference is too large.
    """
    logits = torch.cat(found)
    if logits.shape != wanted.shape:
        raise ExportError(
            f"the {name} export gives logits of shape {list(logits.shape)}, its source of {list(wanted.shape)}; "
            "nothing was kept."
        )
    difference, scale = float((logits - wanted).abs().max()), float(wanted.abs().max())
    if not difference <= TOLERANCE * scale:
        raise ExportError(
            f"the {name} export differs from its source by {difference:.2g} on logits up to {scale:.2g}, more than "
            f"{TOLERANCE:g} of them; nothing was kept."
        )
    return difference, scale
