"""The network that is exported, with what its file says about it: from a run folder, or a child in memory."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from aen._files import cannot_read
from aen._reading import MALFORMED, MAX_RESULTS, MAX_SMALL, read_json, unsealed
from aen._typing import Float
from aen.children import Child, ChildSpec
from aen.data import Dataset, Preprocessing, TrainedOn, load_dataset, preprocessing_of
from aen.errors import AenError, DataError, ExportError, RunFolderError, did_you_mean
from aen.groups.grid import shape_of
from aen.loading import load_network
from aen.results.search_result import SearchResult

Which = Literal["best", "trained"]
WHICH = ("best", "trained")
# Images of the validation split with which an export is compared with its source.
CHECKED = 10


@dataclass(frozen=True, eq=False)
class ExportSource:
    """A trained network and what is known of it.

    Attributes:
        child: a copy, in evaluation mode on the CPU, of float32.
        preprocessing: of its pixels.
        class_names: one for each output; numbers, where the data set has no names.
        pixels: stored pixels with which an export is compared with the child.
        pixels_are: what they are, for messages: ``validation images`` or ``random images``.
        run: the run folder that it was read from; None: a child in memory, or a copy of a network's folder.
        which: which network of the run it is.
        result: what its search found; None: unknown.
    """

    child: Child
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    pixels: Float[Tensor, "n channels height width"]
    pixels_are: str
    run: Path | None = None
    which: Which | None = None
    result: SearchResult | None = None

    @property
    def spec(self) -> ChildSpec:
        """The child's spec."""
        return self.child.spec


def run_folder(network: Child | str | Path) -> Path | None:
    """Return the folder in which the network's run keeps its exports; None for a child in memory.

    Raises:
        ExportError: no child and no folder.
    """
    if isinstance(network, Child):
        return None
    if not isinstance(network, str | Path):
        raise ExportError(
            f"a {type(network).__name__} cannot be exported; give a run folder or a child, such as aen.load(run)."
        )
    path = Path(network)
    return path.parent if path.name in WHICH and (path / "spec.json").is_file() else path


def source_of(network: Child | str | Path, which: Which | None = None) -> ExportSource:
    """Return what is to be exported.

    Args:
        network: a trained child, a run folder, or one of its folders ``best`` and ``trained``.
        which: of a run folder's networks: ``best``, the winner as the search trained it, or ``trained``, as `aen train`
            did; None: ``trained`` if there is one.

    Raises:
        ExportError: an unknown `which`.
        RunFolderError: no run folder, or a run that has no such network.
        StoreError: the weights are missing or damaged.
        DataError: neither the run nor its data say how pixels are standardised.
    """
    if which is not None and which not in WHICH:
        raise ExportError(f"from is {which!r}{did_you_mean(str(which), WHICH)}.")
    if isinstance(network, Child):
        if which is not None:
            raise ExportError(f"from is {which!r}, which is for run folders; leave it out for a child in memory.")
        return _with_data(network, None)
    folder, which = _network_folder(Path(network), which)
    child = load_network(folder)
    return _with_data(child, folder, which)


def _network_folder(path: Path, which: Which | None) -> tuple[Path, Which]:
    """Return the folder that holds the weights, and which network of the run they are."""
    if (path / "spec.json").is_file():
        own: Which = "trained" if path.name == "trained" else "best"
        if which not in (None, own):
            raise ExportError(f"from is {which!r}, but {path} is the folder of one network; give the run folder.")
        return path, own
    found = which or ("trained" if (path / "trained" / "spec.json").is_file() else "best")
    if found == "trained" and not (path / "trained").is_dir() and path.is_dir():
        raise RunFolderError(f"{path} has no folder trained; train the winner first (aen train), or use --from best.")
    return path / found, found


def _with_data(child: Child, folder: Path | None, which: Which | None = None) -> ExportSource:
    spec = child.spec.data
    preprocessing = None if folder is None else _stored_preprocessing(folder / "preprocessing.json")
    data: Dataset | None = None
    try:
        preprocessing = preprocessing or preprocessing_of(spec)
        data = load_dataset(spec)
    except DataError as error:
        if preprocessing is None:
            raise DataError(
                f"how the network's pixels are standardised is not known, and its data cannot be read: {error} Put the "
                "data where it was, or set AEN_DATA."
            ) from error
    if data is None:
        shape = (CHECKED, child.spec.channels, *shape_of(child.spec.grid))
        images, what = torch.randn(shape, generator=torch.Generator().manual_seed(0)), "random images"
    else:
        images, what = data.validation.images[:CHECKED], "validation images"
    names = _stored_names(folder) or (() if data is None else data.class_names)
    run = folder.parent if folder is not None and folder.name in WHICH else None
    pixels = _stored_pixels(images, preprocessing)
    return ExportSource(
        child=copy.deepcopy(child).cpu().float().eval(),
        preprocessing=preprocessing,
        class_names=tuple(names if len(names) == child.spec.classes else map(str, range(child.spec.classes))),
        pixels=pixels[:, :, : pixels.shape[2] // 2] if spec.lift_sign else pixels,  # the export lifts them itself
        pixels_are=what,
        run=run,
        which=which,
        result=None if run is None else _result(run / "summary.json"),
    )


def _stored_preprocessing(file: Path) -> Preprocessing | None:
    """Return what a run has kept; None in runs of earlier versions."""
    try:
        return Preprocessing.from_json(unsealed(read_json(file, MAX_SMALL)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"{cannot_read(file, error)}.") from error
    except (AenError, *MALFORMED) as error:
        raise RunFolderError(
            f"{file} is damaged: {error} Remove it: where the data is, it is computed again."
        ) from error


def _stored_pixels(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return the pixels from which `preprocessing` makes images, up to rounding."""
    pixels = (images * preprocessing.deviation + preprocessing.mean) * preprocessing.scale
    return pixels if preprocessing.scale == 1 else pixels.round()


def _stored_names(folder: Path | None) -> Sequence[str]:
    """Return the names of the classes that are kept beside a network; none for a child in memory."""
    if folder is None:
        return ()
    try:
        known = TrainedOn.read(folder)
        if known is not None:
            return known.class_names
        stored = read_json(folder / "training.json", MAX_SMALL)  # of a folder of an earlier version
        return [str(name) for name in stored.get("class_names") or ()]
    except DataError as error:
        raise RunFolderError(str(error)) from error
    except (OSError, *MALFORMED):
        return ()  # of a damaged file; the data set knows them, too


def _result(file: Path) -> SearchResult | None:
    try:
        return SearchResult.from_json(unsealed(read_json(file, MAX_RESULTS)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"{cannot_read(file, error)}.") from error
    except MALFORMED as error:
        reason = f"it lacks {error.args[0]}" if isinstance(error, KeyError) else error
        raise RunFolderError(f"{file} is damaged: {reason}. Move it away and resume the run.") from error
