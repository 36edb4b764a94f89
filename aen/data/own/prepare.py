"""Prepares own data: reads it, or takes what was read before from the cache, and makes a `Source` of it."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aen._cache import private_folder
from aen.data.files import digest
from aen.data.own.assemble import Assembled, assemble
from aen.data.own.cache import Prepared, read_prepared, release_pages, write_prepared
from aen.data.own.found import PART_NAMES, TEST, TRAIN, VALIDATION, Content, Scan
from aen.data.own.labels import map_labels
from aen.data.own.paths import find_own, split_pin_here
from aen.data.own.rules import Rules
from aen.data.own.scan import scan
from aen.data.own.split import Grouping
from aen.data.source import Source
from aen.errors import DataError

if TYPE_CHECKING:
    from aen.data.pool import Pool

# Part of every stamp: raise it when the same files would become other images or groups.
_VERSION = "own-4"
_LEAST = 3
# What this process used last, by path, rules and stamp.
_REMEMBERED: dict[tuple[Path, Rules, str], Prepared] = {}
_MAX_REMEMBERED = 2


def own_source(name: str, rules: Rules) -> Source:
    """Return the source of own data.

    Args:
        name: its path, pinned or not.
        rules: of the import.

    Raises:
        DataError: it is not there, cannot be used, or has changed since it was pinned.
    """
    prepared = prepare(name, rules)
    rows, columns = prepared.images.shape[2:]
    counts = np.bincount(prepared.parts, minlength=len(PART_NAMES))
    images = tuple(int(count) for count in counts[counts > 0]) if prepared.divided else (len(prepared.labels),)

    def load() -> "Pool":
        import torch  # it takes seconds

        from aen.data.pool import Pool  # it imports torch

        return Pool(
            torch.from_numpy(prepared.images),
            torch.from_numpy(prepared.labels),
            grouping=Grouping(prepared.labels, prepared.groups, prepared.parts, prepared.divided),
            release=lambda: release_pages(prepared.images),
        )

    return Source(
        load,
        rows if rows == columns else (rows, columns),
        len(prepared.class_names),
        prepared.images.shape[1],
        images,
        class_names=prepared.class_names,
        notices=prepared.notices,
        pinned=name if split_pin_here(name)[1] else f"{name}@{prepared.pin}",
        signals=prepared.signals,
    )


def prepare(name: str, rules: Rules) -> Prepared:
    """Return own data, checked and ready for use.

    Raises:
        DataError: as for `own_source`.
    """
    path = find_own(name)
    found = scan(path)
    stamp = found.stamp(_VERSION, json.dumps(astuple(rules)), *_versions())
    prepared = _REMEMBERED.get((path, rules, stamp))
    if prepared is None:
        prepared = _stored(found, path, rules, stamp)
        while len(_REMEMBERED) >= _MAX_REMEMBERED:
            del _REMEMBERED[next(iter(_REMEMBERED))]
        _REMEMBERED[path, rules, stamp] = prepared
    pin = split_pin_here(name)[1]
    if pin is not None and prepared.pin != pin:
        raise DataError(
            f"{path} has changed: the checksum of its content does not begin with {pin}. Put the earlier content back, "
            "or name it without what follows the @."
        )
    return prepared


def _stored(found: Scan, path: Path, rules: Rules, stamp: str) -> Prepared:
    """Return own data from the cache, after putting it there; without a cache, from memory."""
    folder = private_folder("own")
    if folder is None:
        return _prepare(found, rules, str(path))
    place = hashlib.sha256(os.fsencode(path.resolve()) + repr(rules).encode()).hexdigest()[:24]
    file = folder / f"{place}.bin"
    prepared = read_prepared(file, stamp)
    if prepared is None:
        prepared = _prepare(found, rules, str(path))
        with suppress(OSError):  # it is prepared again the next time
            write_prepared(file, prepared, stamp)
        prepared = read_prepared(file, stamp) or prepared  # mapped, which frees the memory
    return prepared


def _versions() -> tuple[str, ...]:
    import PIL

    return (PIL.__version__,)


def _prepare(found: Scan, rules: Rules, where: str) -> Prepared:
    from aen.data.own.duplicates import join_groups, near_duplicates  # they import parts of SciPy, which takes a while

    content = found.load()
    if content.read is not None:
        done = assemble(content, rules, where)
        whole = done.checksum
    else:
        done = _arrays(content, rules, where)
        whole = ""
    if len(found.files) == 1:  # as npz files have always been pinned
        pin = digest(found.root / found.files[0], "sha256")
    else:
        text = hashlib.sha256(whole.encode())
        for name in found.files if not whole else found.files[: len(found.files) - len(content.names)]:
            text.update(f"{name}\0{digest(found.root / name, 'sha256')}\n".encode("utf-8", "surrogateescape"))
        pin = text.hexdigest()
    kept = done.kept
    labels, class_names, notices = map_labels(content.labels[kept], content.class_names, where)
    parts = np.zeros(len(kept), np.uint8) if content.parts is None else content.parts[kept]
    parts, divided, said = _parts(parts)
    _check_classes(labels, parts, class_names, divided, where)
    images = _lifted(done.images, content, where) if rules.lift_sign else done.images
    near = near_duplicates(images, exact_only=content.signals)
    together = int((np.bincount(near)[near] > 1).sum())
    groups = near if content.groups is None else join_groups(near, content.groups[kept])
    return Prepared(
        images=images,
        labels=labels,
        parts=parts,
        groups=groups,
        class_names=class_names,
        divided=divided,
        pin=pin[:16],
        kind=found.kind,
        named_groups=content.groups is not None,
        near_duplicates=together,
        signals=content.signals,
        notices=(
            *content.notices,
            *done.notices,
            *notices,
            *said,
            *_split_notices(groups, parts, together),
        ),
    )


def _lifted(images: "np.ndarray", content: Content, where: str) -> "np.ndarray":
    if not content.signals or images.dtype.kind != "f":
        raise DataError(
            f"{where}: data.lift_sign is for signals of floating-point numbers, [n, length] or [n, channels, length]; "
            "give signals, or leave it out."
        )
    return np.concatenate([images, -images], axis=2)  # as `aen.data.lift_sign`


def _arrays(content: Content, rules: Rules, where: str) -> Assembled:
    """Return images that are arrays already, with the rules applied."""
    from aen.data.own.resample import apply_rules

    if content.images is None:
        raise TypeError("content without images")
    images, notices = apply_rules(content.images, rules, where, signals=content.signals)
    return Assembled(images, np.arange(len(images)), "", tuple(notices))


def _parts(parts: "np.ndarray") -> tuple["np.ndarray", tuple[str, ...], list[str]]:
    there = {int(part) for part in np.unique(parts)}
    if there == {TRAIN}:
        return parts, (), []
    if TRAIN not in there:
        return np.zeros_like(parts), (), ["there is no training part; all images are divided by aen"]
    if TEST not in there:
        said = "there is no test part; the validation part is the test part, validation images are taken from training"
        return np.where(parts == VALIDATION, TEST, parts).astype(np.uint8), ("train", "test"), [said]
    return parts, tuple(PART_NAMES[part] for part in sorted(there)), []


def _check_classes(
    labels: "np.ndarray", parts: "np.ndarray", names: tuple[str, ...], divided: tuple[str, ...], where: str
) -> None:
    if len(names) < 2:  # noqa: PLR2004 - to tell apart
        raise DataError(
            f"{where}: all {len(labels):,} images are of one class ({names[0]!r}); there is nothing to tell apart. "
            "Give images of two classes or more."
        )
    free = np.bincount(labels[parts == TRAIN], minlength=len(names))
    least = _LEAST - (len(divided) - 1 if divided else 0)
    few = np.flatnonzero(free < least)
    if not len(few):
        return
    count, name = int(free[few[0]]), names[few[0]]
    more = f" and {len(few) - 1:,} other classes too few" if len(few) > 1 else ""
    part = "training " if divided else ""
    wanted = "1" if least == 1 else f"{least}, so that there is one in each part"
    raise DataError(
        f"{where}: class {name!r} has {count} {part}image{'s' * (count != 1)}{more}; each needs at least {wanted}. Add "
        "images, or remove the class."
    )


def _split_notices(groups: "np.ndarray", parts: "np.ndarray", together: int) -> list[str]:
    notices = []
    if together:
        notices.append(f"{together:,} images have near-duplicates; those are kept in one part")
    last = np.zeros(int(groups.max()) + 1, np.int64)
    np.maximum.at(last, groups, parts.astype(np.int64))
    dropped = int((parts < last[groups]).sum())
    if dropped:
        notices.append(
            f"{dropped:,} images are left out, because near-duplicates or images of their group are in a later part"
        )
    return notices
