"""Evaluating a network of a run on the validation images, the test images, or other data: the folder ``evaluation``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import torch

from aen._files import make_folder
from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.data import DataSpec, Split, find_source, load_dataset, load_test_split, pinned
from aen.data.own.new_images import check_scale
from aen.data.own.paths import is_own, split_pin
from aen.data.own.rules import Colours, Rules
from aen.data.source import Source
from aen.errors import DataError, GroupError, RunFolderError, did_you_mean
from aen.groups import Generator
from aen.groups.grid import Grid, as_grid, shape_of
from aen.training import (
    MovedQuality,
    Quality,
    cpu_threads,
    layer_errors,
    logits_of,
    moved_quality,
    quality_of,
)
from aen_agents.network.models import Model, find_run_model
from aen_agents.network.pictures import calibration_picture, confusion_picture
from aen_agents.network.train import write_json
from aen_agents.problem import alphabet_of
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.test_reads import record_test_read

_T = TypeVar("_T")
Part = Literal["validation", "test"]
PARTS = ("validation", "test")
FOLDER = "evaluation"
_USUAL = ("rot90", "rot180", "hflip", "vflip", "transpose")


@dataclass(frozen=True)
class Evaluated:
    """A network of a run on some images.

    Attributes:
        model: which network: ``best`` or ``trained``.
        symmetry: what it is equivariant to, and the group's name.
        on: ``validation``, ``test``, or the path of other data.
        quality: accuracy, confusion matrix, per-class figures and calibration.
        moved: the same images under each transformation.
        layers: equivariance error of each layer, by transformation.
        test_reads: how often the test images were read so far, by the final report too; None: not read now.
        files: what was written.
    """

    model: str
    symmetry: tuple[str, str]
    on: str
    quality: Quality
    moved: tuple[MovedQuality, ...]
    layers: dict[str, dict[str, float]]
    test_reads: int | None
    files: tuple[Path, ...] = ()

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        accuracy_is = "test" if self.on == "test" else "validation" if self.on == "validation" else "other data"
        return {
            "model": self.model,
            "decomposition": self.symmetry[0],
            "group": self.symmetry[1],
            "on": self.on,
            "accuracy_is": accuracy_is,
            **({} if self.test_reads is None else {"test_reads": self.test_reads}),
            **self.quality.to_json(),
            "transformations": [vars(own) | {"interval": list(own.interval)} for own in self.moved],
            "layer_equivariance_errors": self.layers,
        }


def evaluate_run(
    run: RunFolder, *, which: str | None = None, split: Part | None = None, data: str | None = None, threads: int = 1
) -> Evaluated:
    """Evaluate a network of a finished search, and write the figures and pictures to ``evaluation/`` of the run.

    The test images are read by the final report of a search, once. Evaluating on them again is counted: the more often
    they are read, the less their accuracy is that on unseen images.

    Args:
        run: the run folder.
        which: ``best`` or ``trained``; None: ``trained`` if there is one.
        split: ``validation`` or ``test``; None: ``validation``.
        data: another data set with the same classes, by name or path, in place of a split.
        threads: number of CPU threads.

    Raises:
        RunFolderError: no such network, or the run cannot be written.
        DataError: the data is not there, has changed since the search, or does not fit the network.
    """
    if split is not None and split not in PARTS:
        raise DataError(f"split is {split!r}{did_you_mean(split, PARTS)}.")
    if split is not None and data is not None:
        raise DataError(f"split is {split!r} and data {data!r}; give one of them.")
    model = find_run_model(run, which)
    names = model.class_names()
    reads = None
    if data is not None:
        images = _other_data(model, data, names)
    elif split == "test":
        load_dataset(model.spec.data)  # data that is not there is not counted as read
        reads = _written(run, lambda: record_test_read(run, model.name))
        images = load_test_split(model.spec.data)
    else:
        images = load_dataset(model.spec.data).validation
    with cpu_threads(threads):
        generators = transformations(model, run)
        found = Evaluated(
            model=model.name,
            symmetry=(model.spec.name, model.spec.group),
            on=data or split or "validation",
            quality=quality_of(logits_of(model.child, images.images), images.labels, names),
            moved=moved_quality(model.child, images.images, images.labels, generators),
            layers=layer_errors(model.child, generators),
            test_reads=reads,
        )
    return replace(found, files=_write(run, found))


def transformations(model: Model, run: RunFolder | None = None) -> tuple[Generator, ...]:
    """Return the generators under which a network is evaluated.

    These are the network's own symmetries, those of the search's alphabet if it has one, and turns and mirrorings.
    """
    offered = list(model.spec.symmetries)
    if run is not None and model.spec.kind == "dense":
        offered += [g for factor in alphabet_of(run.config()).factors for g in factor.generators]
    offered += [Generator(name) for name in _USUAL]
    return tuple(g for g in dict.fromkeys(offered) if _acts(g, model.spec.grid))


def _acts(generator: Generator, grid: Grid) -> bool:
    try:
        permutation = generator.permutation(grid)
    except GroupError:
        return False
    return bool((permutation[1:] != permutation[:-1] + 1).any())  # not the identity


def _imported(data: str, spec: ChildSpec) -> Source:
    """Return other data as the network takes it, as far as rules can make it so."""
    if not is_own(data):
        return find_source(data, None)
    found = find_source(data, Rules(lift_sign=spec.data.lift_sign))
    if spec.data.lift_sign or (found.channels, as_grid(found.side)) == (spec.channels, as_grid(spec.grid)):
        return found
    colours: dict[int, Colours] = {1: "grey", 3: "colour"}
    return find_source(data, Rules(spec.grid, colours.get(spec.channels)))


def _other_data(model: Model, data: str, names: Sequence[str]) -> Split:
    """Return all images of another data set, imported and standardised as the network takes them."""
    spec, preprocessing = model.spec, model.preprocessing()
    if _same(data, spec.data):
        there = split_pin(spec.data.name)[0]
        raise DataError(
            f"data {data!r} is the data of the search, so that parts of it were trained on; use --split validation or "
            f"--split test, with the data at {there!r}."
        )
    source = _imported(data, spec)
    pool = source.load()
    shape, wanted = list(pool.images.shape[1:]), [spec.channels, *shape_of(spec.grid)]
    if shape != wanted:
        found, expected = ("x".join(map(str, sides)) for sides in (shape, wanted))
        raise DataError(
            f"data {data!r} has images of {found} (channels x rows x columns), but the network takes {expected}."
        )
    whole = pool.images.dtype == torch.uint8
    if whole != (preprocessing.scale != 1):
        kinds = ("uint8", "floating point") if whole else ("floating point", "uint8")
        raise DataError(
            f"data {data!r} has images of {kinds[0]}, but the network was trained on {kinds[1]}; convert them first."
        )
    if not whole:
        check_scale(pool.images.numpy(), preprocessing, f"data {data!r}")
    theirs = source.class_names or tuple(map(str, range(source.classes)))
    unknown = [name for name in theirs if name not in names]
    if unknown:
        raise DataError(
            f"data {data!r} has the class {unknown[0]!r}, which the network does not know; its classes are "
            f"{', '.join(names)}."
        )
    places = torch.tensor([names.index(name) for name in theirs])
    return Split(preprocessing.apply(pool.images), places[pool.labels])


def _same(data: str, searched: DataSpec) -> bool:
    """Say whether a data set has the name, or the content, of another."""
    if data == searched.name or not is_own(data):
        return data == searched.name
    found, pin = pinned(data, searched.rules).rpartition("@"), searched.name.rpartition("@")
    return bool(pin[0]) and found[2] == pin[2]


def _write(run: RunFolder, found: Evaluated) -> tuple[Path, ...]:
    folder = run.path / FOLDER
    stem = f"{found.model}-{found.on if found.on in PARTS else 'data'}"
    files = tuple(folder / f"{stem}{end}" for end in (".json", "-confusion.svg", "-calibration.svg"))

    def write() -> None:
        make_folder(folder)
        write_json(files[0], found.to_json())
        write_file(files[1], confusion_picture(found.quality))
        write_file(files[2], calibration_picture(found.quality))

    _written(run, write)
    return files


def _written(run: RunFolder, write: Callable[[], _T]) -> _T:
    try:
        return write()
    except OSError as error:
        raise RunFolderError(f"{run.path / FOLDER} cannot be written: {error.strerror}; make it writable.") from error
