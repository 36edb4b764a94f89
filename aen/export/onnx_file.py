"""ONNX: one file for onnxruntime and other runtimes."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from aen._files import write_atomically
from aen.errors import ExportError
from aen.export.base import Format
from aen.export.facts import metadata
from aen.export.source import ExportSource

OPSET = 18
INPUT, OUTPUT = "pixels", "logits"
_STACK_TRACE = "pkg.torch.onnx.stack_trace"


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what torch's exporter says of itself: deprecated functions it uses, and that torchvision is missing."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        log.setLevel(level)


class ONNXFormat(Format):
    """An ONNX file with opset 18, input ``pixels``, output ``logits`` and a batch of any size."""

    name: ClassVar[str] = "onnx"
    is_folder: ClassVar[bool] = False
    file_name: ClassVar[str] = "model.onnx"
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")

    def write(self, network: nn.Sequential, source: ExportSource, path: Path) -> None:
        """Write the file; see `Format`."""
        with _quiet():
            program = torch.onnx.export(
                network,
                (source.pixels[:2],),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
        if program is None:
            raise ExportError("torch.onnx.export gave no network; another version of torch or onnxscript may do.")
        model = program.model_proto
        for node in model.graph.node:  # where torch's source lies on this machine
            kept = [entry for entry in node.metadata_props if entry.key != _STACK_TRACE]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
        for key, value in metadata(source).items():
            model.metadata_props.add(key=key, value=value)
        write_atomically(path, model.SerializeToString(), durable=True)

    def run(self, path: Path, batches: list[Tensor]) -> list[Tensor]:
        """Return the logits by onnxruntime; see `Format`."""
        import onnxruntime  # of the extra `export`

        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        return [torch.from_numpy(session.run([OUTPUT], {INPUT: batch.numpy()})[0]) for batch in batches]

    def how_to_load(self, path: Path, shape: tuple[int, ...]) -> str:
        """Return lines of Python; see `Format`."""
        return (
            f"import numpy, onnxruntime\n"
            f"session = onnxruntime.InferenceSession({str(path)!r})\n"
            f'pixels = numpy.zeros({(1, *shape)}, dtype="float32")  # as stored\n'
            f'logits = session.run(["{OUTPUT}"], {{"{INPUT}": pixels}})[0]'
        )
