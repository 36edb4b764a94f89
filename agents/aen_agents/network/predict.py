"""Predicting the classes of images with a trained network: files, folders, patterns and npz files, in batches."""

import difflib
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aen._files import cannot_read
from aen._reading import UnusableFileError, read_bytes
from aen._typing import JsonDict
from aen.data import Preprocessing, TrainedOn
from aen.data.npz import OpenNpz
from aen.data.own.decode import BrokenImageError, decode, quiet_pillow
from aen.data.own.folder import IMAGE_SUFFIXES, MAX_IMAGE_BYTES, is_hidden, is_image
from aen.data.own.new_images import network_input
from aen.errors import DataError
from aen.groups.grid import shape_of
from aen.training import cpu_threads, logits_of
from aen_agents.network.models import Model
from aen_agents.text import printable

BATCH = 256
TOP = 3
_GREY, _COLOUR = 1, 3  # channels
_ARRAYS = ("images", "test_images", "train_images")


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
        name: path of the file, or ``FILE.npz[3]``.
        classes: the most probable classes by name, at most three, the best first; empty if it cannot be read.
        probabilities: of these classes.
        error: why the image cannot be read; None: it was.
    """

    name: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str | None = None

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        if self.error is not None:
            return {"image": printable(self.name), "error": self.error}
        top = [{"class": c, "probability": p} for c, p in zip(self.classes, self.probabilities, strict=True)]
        return {"image": printable(self.name), **top[0], "top": top}


def predict(model: Model, images: Sequence[str], *, batch: int = BATCH, threads: int = 1) -> Iterator[Prediction]:
    """Predict the class of each image, in the order given; folders in the order of their paths.

    Files are decoded and scaled as own data is for training. Images that cannot be read come with an error; the others
    are predicted all the same. No more than a batch is in memory at a time.

    Args:
        model: the network.
        images: paths of image files, of folders with image files at any depth, or of npz files, and patterns such as
            ``photos/*.png``.
        batch: images at a time; it changes no result but for rounding.
        threads: number of CPU threads.

    Raises:
        DataError: a path that does not exist, a folder or pattern without images, or an npz file that does not fit the
            network.
    """
    if batch < 1:
        raise DataError(f"batch is {batch}; give 1 or more.")
    found = [_Source.of(name) for name in images]
    return _predict(model, found, model.trained_on(), model.preprocessing(), batch=batch, threads=threads)


def _predict(
    model: Model,
    sources: "Sequence[_Source]",
    known: TrainedOn,
    preprocessing: Preprocessing,
    *,
    batch: int,
    threads: int,
) -> Iterator[Prediction]:
    names = known.class_names
    stream = (item for source in sources for item in source.images(model, preprocessing, divided=known.divides_files))
    while some := list(islice(stream, batch)):
        good = [image for _, image in some if isinstance(image, Tensor)]
        with cpu_threads(threads):
            logits = logits_of(model.child, torch.stack(good)) if good else torch.empty(0)
        rows = iter(torch.softmax(logits.double(), dim=1) if good else ())
        for name, image in some:
            if isinstance(image, str):
                yield Prediction(name, error=image)
                continue
            probabilities, classes = next(rows).topk(min(TOP, len(names)))
            yield Prediction(name, tuple(names[i] for i in classes.tolist()), tuple(probabilities.tolist()))


@dataclass(frozen=True)
class _Source:
    """What one argument names: image files, or the images of an npz file."""

    files: tuple[Path, ...] = ()
    npz: Path | None = None

    @classmethod
    def of(cls, name: str) -> "_Source":
        path = Path(name)
        if path.is_dir():
            files = tuple(_files_in(path))
            if not files:
                raise DataError(f"{name} is a folder without images ({', '.join(IMAGE_SUFFIXES)}); name another one.")
            return cls(files)
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise DataError(f"{name} is neither a file nor a folder; give image files, folders, patterns or npz files.")
        if path.exists() or path.is_symlink():
            return cls(npz=path) if path.suffix.lower() == ".npz" else cls((path,))
        if glob.has_magic(name):
            matches = [cls.of(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207 - any pattern, absolute too
            if not matches:
                raise DataError(
                    f"no file matches the pattern {name!r}; check it, and the folder that it is relative to."
                )
            if any(match.npz is not None for match in matches):
                raise DataError(f"the pattern {name!r} matches npz files; name each of them.")
            return cls(tuple(file for match in matches for file in match.files))
        raise DataError(f"{name} does not exist{_near(path)}.")

    def images(
        self, model: Model, preprocessing: Preprocessing, *, divided: bool
    ) -> Iterator[tuple[str, Tensor | str]]:
        """Return the name of each image with the network's input, or with why it cannot be read."""
        if self.npz is not None:
            yield from _npz_images(self.npz, model, preprocessing)
        for file in self.files:
            try:
                yield str(file), _decoded(file, model, preprocessing, divided=divided)
            except BrokenImageError as error:
                yield str(file), str(error)
            except UnusableFileError as error:
                yield str(file), str(error)
            except OSError as error:
                yield str(file), cannot_read(file, error)


def _files_in(folder: Path) -> Iterator[Path]:
    """Return the image files in a folder, at any depth, in the order of their paths; hidden ones are left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (Path(place, name) for name in sorted(files) if is_image(name) and not is_hidden(name))


def _decoded(file: Path, model: Model, preprocessing: Preprocessing, *, divided: bool) -> Tensor:
    spec = model.spec
    if spec.data.lift_sign:
        raise DataError("the network takes signals, which image files do not hold; give an npz file.")
    if spec.channels not in (_GREY, _COLOUR):
        raise DataError(
            f"the network takes images of {spec.channels} channels, which image files do not have; give an npz file."
        )
    with quiet_pillow():
        pixels, _ = decode(read_bytes(file, MAX_IMAGE_BYTES), shape_of(spec.grid), colour=spec.channels == _COLOUR)
    array = torch.from_numpy(np.array(pixels, dtype=np.float32))
    array = array.unsqueeze(0) if array.dim() < 3 else array.permute(2, 0, 1)  # noqa: PLR2004 - grey
    array = array.expand(spec.channels, -1, -1)  # grey of 16 bits for a colour network
    return preprocessing.apply(array / 255 if divided else array)


def _npz_images(path: Path, model: Model, preprocessing: Preprocessing) -> Iterator[tuple[str, Tensor]]:
    spec = model.spec
    with OpenNpz(path) as opened:
        held = opened.names()
        name = next((name for name in _ARRAYS if name in held), None)
        if name is None:
            raise DataError(f"{path} holds {', '.join(held) or 'nothing'}; it needs an array named images.")
        images = opened.array(name)
    shape = (spec.channels, *shape_of(spec.grid))
    # Of large files only a part is floating point at a time.
    starts = range(BATCH, len(images), BATCH) if images.ndim else ()
    for start in (0, *starts):
        part = images[start : start + BATCH] if starts else images
        some = network_input(part, spec.data, shape, preprocessing, f"{path}: {name}{f'[{start}:]' if start else ''}")
        for number, image in enumerate(some, start):
            yield f"{path}[{number}]", image


def _near(path: Path) -> str:
    """Return `` (did you mean X?)`` for a file of a like name beside it, or nothing."""
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {path.parent / close[0]}?)" if close else ""
