"""Writing moved data sets to npz files, reproducible byte for byte, each with a manifest of how it was made."""

import hashlib
import io
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from aen._typing import JsonDict
from aen.data.benchmarks import BENCHMARKS, variant_moves
from aen.data.files import digest, make_folder, unreadable, whole_file
from aen.data.find import Found
from aen.data.npz import SPLIT_KEYS, write_npz
from aen.data.pool import Pool
from aen.data.registry import find_files, find_source
from aen.data.sets.rotmnist import rebuild_rotated
from aen.data.spec import Angles
from aen.data.transforms import move_images
from aen.errors import DataError, did_you_mean

REBUILT = "rotmnist-rebuilt"
BUILDABLE = (*BENCHMARKS, REBUILT)


def _silent(_what: str) -> None:
    pass


def build(
    name: str,
    out: Path,
    *,
    variant: str | None = None,
    angles: Angles = "quarter",
    seed: int = 0,
    tell: Callable[[str], None] = _silent,
) -> Path:
    """Move all images of a data set and write them to ``out/<name>.npz``, with ``out/<name>.json`` beside it.

    The images equal those that a `DataSpec` of this name and `moves_seed` gives without building.

    Args:
        name: ``gmnist``, ``gfashion_mnist`` or ``rotmnist-rebuilt``.
        out: the folder.
        variant: of a benchmark; see `VARIANTS`.
        angles: what ``rot90`` means: ``quarter`` turns or ``any`` angle.
        seed: of all draws.
        tell: called with a line of text about each step.

    Returns:
        The npz file.

    Raises:
        DataError: an unknown name or variant, the images to be moved are missing or damaged, the folder holds another
            build of this name, or it cannot be written.
    """
    if seed < 0:
        raise DataError(f"seed is {seed}; it must be a whole number from 0 up.")
    moves = _moves(name, variant)
    if name == REBUILT:
        basis, title, angles = "mnist", name, "any"
    else:
        basis, title = BENCHMARKS[name], f"{name}-{variant}" + ("-any" if angles == "any" else "")
    target, manifest_file = out / f"{title}.npz", out / f"{title}.json"
    what: JsonDict = {"name": title, "variant": variant, "moves": list(moves), "angles": angles, "seed": seed}
    _refuse_another_build(manifest_file, target, what)

    tell(f"reading {basis}")
    found = find_files(basis)
    pool = rebuild_rotated(seed) if name == REBUILT else find_source(basis).load()
    tell("moving the images" if moves else "no moves: the images stay as they are")
    arrays = _moved(pool, moves, angles, seed)
    tell(f"writing {target}")
    content = io.BytesIO()
    write_npz(content, arrays)
    what |= {
        "data_set": basis,
        "sources": _checksums(found),
        "arrays": {key: {"shape": list(array.shape), "dtype": str(array.dtype)} for key, array in arrays.items()},
        "file": target.name,
        "sha256": hashlib.sha256(content.getbuffer()).hexdigest(),
        "aen": version("aen"),
    }
    make_folder(out)
    with whole_file(target) as file:
        file.write(content.getbuffer())
    with whole_file(manifest_file) as file:
        file.write((json.dumps(what, indent=2) + "\n").encode())
    return target


def _checksums(found: Found | None) -> list[JsonDict]:
    if found is None:
        return []
    return [
        {"file": path.relative_to(found.folder).as_posix(), "sha256": digest(path, "sha256")} for path in found.paths
    ]


def _moves(name: str, variant: str | None) -> tuple[str, ...]:
    if name not in BUILDABLE:
        raise DataError(f"{name!r} cannot be built{did_you_mean(name, BUILDABLE)}.")
    if name == REBUILT:
        if variant is not None:
            raise DataError(f"variant is {variant!r}, but {REBUILT} has none; leave it out.")
        return ("rot90",)
    if variant is None:
        raise DataError(f"{name} needs a variant: none, rot90, multi-3, ... (--variant).")
    return variant_moves(variant)


def _refuse_another_build(manifest_file: Path, target: Path, what: JsonDict) -> None:
    """Do not silently replace a build with another seed."""
    if not target.exists():
        return
    try:
        held = json.loads(manifest_file.read_text(encoding="utf-8"))
        same = isinstance(held, dict) and all(held.get(key) == value for key, value in what.items())
    except (FileNotFoundError, ValueError):
        same = False
    except OSError as error:
        raise unreadable(manifest_file, error) from error
    if not same:
        raise DataError(
            f"{target} exists and is another build (another seed, or without its manifest); "
            "choose another folder with --out, or remove it."
        )


def _moved(pool: Pool, moves: tuple[str, ...], angles: Angles, seed: int) -> dict[str, npt.NDArray[Any]]:
    images = move_images(pool.images, moves, angles=angles, seed=seed)
    first = pool.official_train if pool.official_train is not None else len(pool.labels)
    # Cells last, as npz files hold them; grey images have no channel axis.
    cells = images.movedim(1, 3)
    cells = cells.squeeze(3) if cells.shape[3] == 1 else cells
    labels = pool.labels.to(torch.uint8)
    arrays = (cells[:first], labels[:first], cells[first:], labels[first:])
    return {key: array.numpy() for key, array in zip(SPLIT_KEYS, arrays, strict=True)}
